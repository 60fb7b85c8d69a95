// Frameworks on the Responses API: OpenAI's agents, Vercel's ai, LangChain. Each is strict in its own way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { Agent, OpenAIConversationsSession, OpenAIResponsesModel, Runner, setTracingDisabled, tool as agentTool } from '@openai/agents';
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool as aiTool } from 'ai';
import OpenAI from 'openai-v6';
import { z } from 'zod';
import { Dev } from './dev.mjs';
import { Rehearsal } from './rehearsal.mjs';

setTracingDisabled(true); // else it tells OpenAI of each run

const script = `
stream: {chunk_ms: 5, chunk_tokens: 2}
rules:
  - {name: poem, when: {user: '^poem'}, then: {text: 'Of pieces that come one by one.'}}
  - {name: thinks, when: {user: '^think'}, then: {reasoning: 'First the numbers.', text: 'Then the words.'}}
  - {name: json, when: {user: '^json'}, then: {text: '{"city":"Rome","degrees":12}'}}
  - name: text, then calls of the server
    when: {user: '^text and tools'}
    steps:
      - text: 'Let me look at that.'
        calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: 'It is {{tool}}.'
  - name: functions
    when: {user: '^weather'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}, {name: get_weather, arguments: {city: Oslo}}]
      - text: 'Rome: {{tool.1}}, Oslo: {{tool.2}}.'
  - name: hand-off
    when: {user: '^hand over'}
    steps:
      - calls: [{name: transfer_to_Second, arguments: {}}]
      - text: 'The second one speaks.'
`;

let llm;
let dev;
before(async () => {
  llm = await Rehearsal.start(script);
  dev = await Dev.start({ args: ['--llm-base-url', `${llm.url}/v1`] });
  const openai = new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1` });
  await openai.beta.assistants.create({ model, slug: 'reckoner', tools: [{ type: 'calculator' }] });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  await llm?.stop();
});

const model = 'openai/gpt-4o-mini';
const answer = 'Rome: Rome is sunny, Oslo: Oslo is sunny.';
const sunny = ({ city }) => `${city} is sunny`;
const cities = z.object({ city: z.string() });

/* ---- @openai/agents ---- */

const openaiClient = () => new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, maxRetries: 0 });
const runnerOf = () => new Runner({ tracingDisabled: true });
const responsesModel = (name = model) => new OpenAIResponsesModel(openaiClient(), name);
const weatherAgent = () =>
  new Agent({ name: 'Weather', instructions: 'Be exact.', model: responsesModel(), tools: [agentTool({ name: 'get_weather', description: 'Tells', parameters: cities, execute: sunny })] });

test('agents: a function, whole and streamed', async () => {
  assert.equal((await runnerOf().run(weatherAgent(), 'weather')).finalOutput, answer);
  const streamed = await runnerOf().run(weatherAgent(), 'weather', { stream: true });
  const kinds = new Set();
  for await (const event of streamed) kinds.add(event.type);
  await streamed.completed;
  assert.equal(streamed.finalOutput, answer);
  assert.ok(kinds.has('raw_model_stream_event') && kinds.has('run_item_stream_event'));
});

test('agents: a hand-off', async () => {
  const second = new Agent({ name: 'Second', model: responsesModel() });
  const first = Agent.create({ name: 'First', model: responsesModel(), handoffs: [second] });
  const result = await runnerOf().run(first, 'hand over');
  assert.equal(result.finalOutput, 'The second one speaks.');
  assert.equal(result.lastAgent.name, 'Second');
});

test('agents: an answer in a form', async () => {
  const result = await runnerOf().run(new Agent({ name: 'Form', model: responsesModel(), outputType: z.object({ city: z.string(), degrees: z.number() }) }), 'json');
  assert.deepEqual(result.finalOutput, { city: 'Rome', degrees: 12 });
});

test('agents: a session in a conversation, and turns by the id of the response before', async () => {
  const session = new OpenAIConversationsSession({ client: openaiClient() });
  assert.equal((await runnerOf().run(weatherAgent(), 'weather', { session })).finalOutput, answer);
  assert.equal((await runnerOf().run(weatherAgent(), 'poem', { session })).finalOutput, 'Of pieces that come one by one.');
  const items = await session.getItems();
  assert.deepEqual(items.map((item) => item.type ?? 'message'),
    ['message', 'function_call', 'function_call', 'function_call_result', 'function_call_result', 'message', 'message', 'message']);
  await session.popItem();
  assert.equal((await session.getItems()).length, items.length - 1);

  const one = await runnerOf().run(weatherAgent(), 'weather');
  const two = await runnerOf().run(weatherAgent(), 'poem', { previousResponseId: one.lastResponseId });
  assert.equal(two.finalOutput, 'Of pieces that come one by one.');
  const conversation = await openaiClient().conversations.create({});
  assert.equal((await runnerOf().run(weatherAgent(), 'weather', { conversationId: conversation.id })).finalOutput, answer);
});

test('agents: the tools of a server', async () => {
  const result = await runnerOf().run(new Agent({ name: 'Reckoner', model: responsesModel('reckoner') }), 'text and tools');
  assert.equal(result.finalOutput, 'It is 42.');
});

/* ---- ai ---- */

const provider = () => createOpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1` });
const aiTools = { get_weather: aiTool({ description: 'Tells', inputSchema: cities, execute: sunny }) };

for (const api of ['responses', 'chat']) {
  test(`ai, ${api}: text, whole and streamed`, async () => {
    const whole = await generateText({ model: provider()[api](model), prompt: 'poem' });
    assert.equal(whole.text, 'Of pieces that come one by one.');
    assert.ok(whole.usage.totalTokens > 0);
    const streamed = streamText({ model: provider()[api](model), prompt: 'poem' });
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    assert.equal(text, 'Of pieces that come one by one.');
    assert.equal(await streamed.finishReason, 'stop');
  });

  test(`ai, ${api}: a function in several steps, whole and streamed`, async () => {
    const options = { model: provider()[api](model), prompt: 'weather', tools: aiTools, stopWhen: stepCountIs(3) };
    assert.equal((await generateText(options)).text, answer);
    const streamed = streamText(options);
    await streamed.consumeStream();
    assert.equal(await streamed.text, answer);
    assert.equal((await streamed.steps).length, 2);
  });

  test(`ai, ${api}: an answer in a form`, async () => {
    const schema = jsonSchema({ type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'number' } }, required: ['city', 'degrees'], additionalProperties: false });
    assert.deepEqual((await generateObject({ model: provider()[api](model), prompt: 'json', schema })).object, { city: 'Rome', degrees: 12 });
  });
}

test('ai: nothing stored, and the tools of a server', async () => {
  const options = { model: provider().responses(model), prompt: 'weather', tools: aiTools, stopWhen: stepCountIs(3), providerOptions: { openai: { store: false } } };
  assert.equal((await generateText(options)).text, answer);
  const served = await generateText({ model: provider().responses('reckoner'), prompt: 'text and tools' });
  assert.equal(served.text, 'Let me look at that.It is 42.');
  const streamed = streamText({ model: provider().responses('reckoner'), prompt: 'text and tools' });
  await streamed.consumeStream();
  assert.equal(await streamed.text, 'Let me look at that.It is 42.');
});

test('ai, agents: what a model thinks', async () => {
  const whole = await generateText({ model: provider().responses(model), prompt: 'think' });
  assert.equal(whole.reasoningText, 'First the numbers.');
  assert.equal(whole.text, 'Then the words.');
  const streamed = streamText({ model: provider().responses(model), prompt: 'think' });
  await streamed.consumeStream();
  assert.equal(await streamed.reasoningText, 'First the numbers.');
  const agent = await runnerOf().run(new Agent({ name: 'Thinker', model: responsesModel() }), 'think');
  assert.equal(agent.finalOutput, 'Then the words.');
});

/* ---- LangChain ---- */

for (const useResponsesApi of [true, false]) {
  const chat = () => new ChatOpenAI({ model, apiKey: dev.key, configuration: { baseURL: `${dev.url}/v1` }, useResponsesApi, maxRetries: 0 });

  test(`langchain, ${useResponsesApi ? 'responses' : 'chat'}: text, functions, forms`, async () => {
    assert.equal((await chat().invoke('poem')).text, 'Of pieces that come one by one.');
    let text = '';
    for await (const chunk of await chat().stream('poem')) text += chunk.text;
    assert.equal(text, 'Of pieces that come one by one.');

    const weather = langchainTool(sunny, { name: 'get_weather', description: 'Tells', schema: cities });
    const bound = chat().bindTools([weather]);
    const messages = [new HumanMessage('weather')];
    const called = await bound.invoke(messages);
    assert.deepEqual(called.tool_calls.map((call) => call.args.city), ['Rome', 'Oslo']);
    messages.push(called, ...called.tool_calls.map((call) => new ToolMessage({ tool_call_id: call.id, content: sunny(call.args) })));
    assert.equal((await bound.invoke(messages)).text, answer);

    const formed = chat().withStructuredOutput(z.object({ city: z.string(), degrees: z.number() }), { method: 'jsonSchema' });
    assert.deepEqual(await formed.invoke('json'), { city: 'Rome', degrees: 12 });
  });
}
