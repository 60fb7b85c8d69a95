// Responses and conversations, judged by OpenAI's own SDKs: what is created, its events, its functions, and where it goes on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import { zodTextFormat as format4 } from 'openai-v4/helpers/zod';
import OpenAI5 from 'openai-v5';
import { zodTextFormat as format5 } from 'openai-v5/helpers/zod';
import OpenAI6 from 'openai-v6';
import { zodTextFormat as format6 } from 'openai-v6/helpers/zod';
import OpenAI7 from 'openai-v7';
import { zodTextFormat as format7 } from 'openai-v7/helpers/zod';
import { z } from 'zod';
import { z as z3 } from 'zod/v3';
import { until } from '../lib/stack.mjs';
import { Dev } from './dev.mjs';
import { compile } from './golden.mjs';
import { Rehearsal } from './rehearsal.mjs';

const refusing = ['I can', 'not help ', 'with that.']
  .map((refusal) => JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { role: 'assistant', refusal }, finish_reason: null }] }))
  .concat(JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }), '[DONE]')
  .map((data) => `data: ${data}\n\n`)
  .join('');

const poem = 'Of pieces that come one by one, für alle, and of whoever reads them while they are made.';
const script = `
stream: {chunk_ms: 20, chunk_tokens: 2}
rules:
  - {name: poem, when: {user: '^poem'}, then: {text: '${poem}'}}
  - {name: slow, when: {user: '^slow'}, then: {text: '${poem}', chunk_ms: 200}}
  - {name: endless, when: {user: '^endless'}, then: {text: '${poem}', delay_ms: 60000}}
  - {name: json, when: {user: '^json'}, then: {text: '{"city":"Rome","degrees":12}'}}
  - name: one tool
    when: {user: '^compute'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: 'It is {{tool}}, as it always was.'
  - name: text, then calls
    when: {user: '^text and tools'}
    steps:
      - text: 'Let me look at that.'
        calls: [{name: calculator, arguments: {expression: '6*7'}}, {name: calculator, arguments: {expression: '8*9'}}]
      - text: 'They are {{tool.1}} and {{tool.2}}.'
  - name: functions
    when: {user: '^weather'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}, {name: get_weather, arguments: {city: Oslo}}]
      - text: 'Rome: {{tool.1}}, Oslo: {{tool.2}}.'
  - {name: thinks, when: {user: '^think'}, then: {reasoning: 'First the numbers, then the words.', text: '${poem}'}}
  - {name: refuses, when: {user: '^refuse'}, then: {status: 200, body: ${JSON.stringify(refusing)}}}
  - {name: fails, when: {user: '^fail'}, then: {status: 400}}
  - {name: too long, when: {user: '^lengthy'}, then: {text: '${poem}', finish_reason: length}}
`;

let llm;
let dev;
let agent;
before(async () => {
  llm = await Rehearsal.start(script);
  dev = await Dev.start({ args: ['--llm-base-url', `${llm.url}/v1`] });
  const openai = new OpenAI7({ apiKey: dev.key, baseURL: `${dev.url}/v1` });
  agent = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', slug: 'reckoner', tools: [{ type: 'calculator' }] });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  await llm?.stop();
});

const model = 'openai/gpt-4o-mini';
const weather = { type: 'function', name: 'get_weather', strict: true, parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false } };
const shape = (zod) => zod.object({ city: zod.string(), degrees: zod.number() });

/** Sequence numbers rise, items are opened before they are told of, and each is told to its end before the last event. */
function judge(events) {
  let number = -1;
  const open = new Map();
  for (const event of events) {
    assert.ok(event.sequence_number > number, `${event.type}: ${event.sequence_number} behind ${number}`);
    number = event.sequence_number;
    if (event.type === 'response.output_item.added') {
      assert.ok(!open.has(event.output_index));
      open.set(event.output_index, { id: event.item.id, done: false });
    }
    if (event.item_id) assert.equal(open.get(event.output_index).id, event.item_id);
    if (event.type === 'response.output_item.done') open.get(event.output_index).done = true;
  }
  assert.equal(events[0].type, 'response.created');
  for (const item of open.values()) assert.ok(item.done);
  const last = events.at(-1);
  assert.match(last.type, /^response\.(completed|incomplete|failed)$/);
  if (last.type === 'response.completed') assert.deepEqual(last.response.output.map((item) => item.id), [...open.values()].map((item) => item.id));
}

/** What was said, all of it: of version 4 not all objects have output_text. */
const said = (response) => response.output.flatMap((item) => (item.type === 'message' ? item.content.map((part) => part.text) : [])).join('');

const outputs = (response) =>
  response.output
    .filter((item) => item.type === 'function_call')
    .map((item) => ({ type: 'function_call_output', call_id: item.call_id, output: `${JSON.parse(item.arguments).city} is sunny` }));

for (const [major, OpenAI, format, zod] of [[4, OpenAI4, format4, z3], [5, OpenAI5, format5, z3], [6, OpenAI6, format6, z], [7, OpenAI7, format7, z]]) {
  const client = () => new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, maxRetries: 0 });

  test(`openai ${major}: a response, at once and retrieved`, async () => {
    const openai = client();
    const response = await openai.responses.create({ model, input: 'poem', instructions: 'Be brief', metadata: { a: 'b' } });
    assert.equal(response.output_text, poem);
    assert.equal(response.status, 'completed');
    assert.equal(response.instructions, 'Be brief');
    assert.deepEqual(response.metadata, { a: 'b' });
    assert.ok(response.usage.total_tokens > 0);
    assert.deepEqual({ ...(await openai.responses.retrieve(response.id)), output_text: poem }, { ...response, output_text: poem });
    const items = await openai.responses.inputItems.list(response.id);
    assert.deepEqual(items.data.map((item) => [item.role, item.content[0].text]), [['user', 'poem']]);
    if (major < 6) return;
    const count = async (body) => (await openai.responses.inputTokens.count({ model, ...body })).input_tokens;
    const few = await count({ input: 'poem' });
    assert.ok(few > 0 && (await count({ input: 'poem', previous_response_id: response.id })) > few);
  });

  if (major >= 6)
    test(`openai ${major}: a conversation in fewer words, which goes on`, async () => {
      const openai = client();
      const compacted = await openai.responses.compact({ model, input: [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Hello to you' }] });
      assert.deepEqual([compacted.object, compacted.output.map((item) => item.type)], ['response.compaction', ['compaction']]);
      assert.ok(compacted.usage.total_tokens > 0);
      assert.equal((await openai.responses.create({ model, input: [...compacted.output, { role: 'user', content: 'poem' }] })).output_text, poem);
    });

  test(`openai ${major}: the helper of streams gathers what was said`, async () => {
    const openai = client();
    const events = [];
    const stream = openai.responses.stream({ model, input: 'slow' }).on('event', (event) => events.push(event));
    let text = '';
    stream.on('response.output_text.delta', (event) => (text += event.delta));
    const final = await stream.finalResponse();
    assert.equal(text, poem);
    assert.equal(said(final), poem);
    assert.equal(final.status, 'completed');
    judge(events);
    assert.ok(events.filter((event) => event.type === 'response.output_text.delta').length > 1, 'the text came in one piece');
  });

  test(`openai ${major}: what a model thinks is an item of its own`, async () => {
    const openai = client();
    const events = [];
    const stream = openai.responses.stream({ model, input: 'think' }).on('event', (event) => events.push(event));
    const final = await stream.finalResponse();
    judge(events);
    assert.deepEqual(final.output.map((item) => item.type), ['reasoning', 'message']);
    assert.equal(final.output[0].summary[0].text, 'First the numbers, then the words.');
    assert.equal(said(final), poem);
    const whole = await openai.responses.create({ model, input: [{ role: 'user', content: 'think' }, ...final.output, { role: 'user', content: 'poem' }] });
    assert.equal(said(whole), poem);
  });

  test(`openai ${major}: functions, with the id of the response before, or with the whole history`, async () => {
    const openai = client();
    const first = await openai.responses.create({ model, input: 'weather', tools: [weather] });
    assert.equal(first.status, 'completed');
    assert.deepEqual(first.output.map((item) => [item.type, item.name]), [['function_call', 'get_weather'], ['function_call', 'get_weather']]);
    const expected = 'Rome: Rome is sunny, Oslo: Oslo is sunny.';
    const second = await openai.responses.create({ model, previous_response_id: first.id, input: outputs(first), tools: [weather] });
    assert.equal(second.output_text, expected);
    assert.equal(second.previous_response_id, first.id);
    const whole = await openai.responses.create({ model, input: [{ role: 'user', content: 'weather' }, ...first.output, ...outputs(first)], tools: [weather], store: false });
    assert.equal(whole.output_text, expected);
    await assert.rejects(openai.responses.create({ model, previous_response_id: first.id, input: 'And?' }), (error) => {
      assert.equal(error.status, 400);
      assert.match(error.message, /No tool output found for function call call_/);
      return true;
    });
  });

  test(`openai ${major}: calls in a stream`, async () => {
    const openai = client();
    const events = [];
    const stream = openai.responses.stream({ model, input: 'weather', tools: [weather] }).on('event', (event) => events.push(event));
    const final = await stream.finalResponse();
    judge(events);
    assert.deepEqual(final.output.map((item) => JSON.parse(item.arguments).city), ['Rome', 'Oslo']);
    for (const item of final.output) {
      const told = events.filter((event) => event.item_id === item.id && event.type === 'response.function_call_arguments.delta');
      assert.equal(told.map((event) => event.delta).join(''), item.arguments);
    }
  });

  test(`openai ${major}: an agent's tools are those of a server`, async () => {
    const openai = client();
    for (const name of ['reckoner', agent.id]) {
      const response = await openai.responses.create({ model: name, input: 'text and tools' });
      assert.equal(said(response), 'Let me look at that.They are 42 and 72.');
      assert.deepEqual(response.output.map((item) => item.type), ['message', 'mcp_call', 'mcp_call', 'message']);
      assert.deepEqual(response.output.slice(1, 3).map((item) => [item.server_label, item.name, item.output, item.status]),
        [['penstock', 'calculator', '42', 'completed'], ['penstock', 'calculator', '72', 'completed']]);
    }
    const events = [];
    const stream = openai.responses.stream({ model: 'reckoner', input: 'text and tools' }).on('event', (event) => events.push(event));
    const final = await stream.finalResponse();
    judge(events);
    assert.equal(said(final), 'Let me look at that.They are 42 and 72.');
    assert.equal(events.filter((event) => event.type === 'response.mcp_call.completed').length, 2);
  });

  test(`openai ${major}: an answer in a form`, async () => {
    const openai = client();
    const response = await openai.responses.parse({ model, input: 'json', text: { format: format(shape(zod), 'weather') } });
    assert.deepEqual(response.output_parsed, { city: 'Rome', degrees: 12 });
    const stream = openai.responses.stream({ model, input: 'json', text: { format: format(shape(zod), 'weather') } });
    assert.deepEqual((await stream.finalResponse()).output_parsed, { city: 'Rome', degrees: 12 });
  });

  test(`openai ${major}: in the background, polled, and followed from where the line broke`, async () => {
    const openai = client();
    const response = await openai.responses.create({ model, input: 'slow', background: true });
    assert.equal(response.status, 'queued');
    assert.deepEqual(response.output, []);
    let text = '';
    let number;
    for await (const event of await openai.responses.retrieve(response.id, { stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      number = event.sequence_number;
      if (text.length > 20) break;
    }
    const rest = [];
    for await (const event of await openai.responses.retrieve(response.id, { stream: true, starting_after: number })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      rest.push(event);
    }
    assert.ok(rest[0].sequence_number > number);
    assert.equal(text, poem);
    assert.equal(rest.at(-1).type, 'response.completed');
    const final = await until('the end of the response', async () => {
      const now = await openai.responses.retrieve(response.id);
      return now.status === 'completed' && now;
    });
    assert.equal(said(final), poem);
  });

  test(`openai ${major}: the helper follows a response that is there`, async () => {
    const openai = client();
    const response = await openai.responses.create({ model, input: 'poem', background: true });
    const final = await openai.responses.stream({ response_id: response.id }).finalResponse();
    assert.equal(said(final), poem);
  });

  test(`openai ${major}: cancelled and deleted`, async () => {
    const openai = client();
    const response = await openai.responses.create({ model, input: 'endless', background: true });
    const cancelled = await openai.responses.cancel(response.id);
    assert.equal((cancelled ?? (await openai.responses.retrieve(response.id))).status, 'cancelled');
    await (major === 4 ? openai.responses.del(response.id) : openai.responses.delete(response.id));
    await assert.rejects(openai.responses.retrieve(response.id), { status: 404 });
  });

  test(`openai ${major}: what is wrong is told in OpenAI's form`, async () => {
    const openai = client();
    await assert.rejects(openai.responses.create({ model, input: 'x', previous_response_id: `resp_${'0'.repeat(31)}1` }),
      { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' });
    await assert.rejects(openai.responses.create({ model: 'nobody/knows', input: 'x' }), { status: 400, code: 'model_not_found', param: 'model' });
    await assert.rejects(openai.responses.create({ model, input: 'x', tools: [{ type: 'image_generation' }] }), { status: 400, param: 'tools[0].type' });
    const failed = await openai.responses.create({ model, input: 'fail' });
    assert.equal(failed.status, 'failed');
    assert.equal(failed.error.code, 'server_error');
    const cut = await openai.responses.create({ model, input: 'lengthy' });
    assert.equal(cut.status, 'incomplete');
    assert.equal(cut.incomplete_details.reason, 'max_output_tokens');
  });

  if (major === 4) continue;
  test(`openai ${major}: a conversation`, async () => {
    const openai = client();
    const conversation = await openai.conversations.create({ items: [{ role: 'developer', content: 'Be brief.' }], metadata: { topic: 'poems' } });
    assert.match(conversation.id, /^conv_/);
    const first = await openai.responses.create({ model, conversation: conversation.id, input: 'weather', tools: [weather] });
    assert.deepEqual(first.conversation, { id: conversation.id });
    const second = await openai.responses.create({ model, conversation: conversation.id, input: outputs(first), tools: [weather] });
    assert.equal(second.output_text, 'Rome: Rome is sunny, Oslo: Oslo is sunny.');
    const items = [];
    for await (const item of openai.conversations.items.list(conversation.id, { order: 'asc', limit: 2 })) items.push(item);
    assert.deepEqual(items.map((item) => item.type),
      ['message', 'message', 'function_call', 'function_call', 'function_call_output', 'function_call_output', 'message']);
    assert.deepEqual(await openai.conversations.items.retrieve(items[2].id, { conversation_id: conversation.id }), items[2]);
    const added = await openai.conversations.items.create(conversation.id, { items: [{ role: 'user', content: 'More' }] });
    assert.equal(added.data[0].content[0].text, 'More');
    await openai.conversations.items.delete(added.data[0].id, { conversation_id: conversation.id });
    assert.equal((await openai.conversations.items.list(conversation.id)).data[0].id, items.at(-1).id);
    assert.deepEqual((await openai.conversations.update(conversation.id, { metadata: { topic: 'weather' } })).metadata, { topic: 'weather' });
    assert.equal((await openai.conversations.delete(conversation.id)).deleted, true);
    await assert.rejects(openai.conversations.retrieve(conversation.id), { status: 404 });
  });
}

test('what is shown is of the types that the SDK has', async () => {
  const get = async (path, body) => {
    const reply = await fetch(`${dev.url}/v1${path}`, {
      method: body ? 'POST' : 'GET', headers: { authorization: `Bearer ${dev.key}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
    });
    assert.equal(reply.status, 200);
    return reply;
  };
  const json = async (...args) => (await get(...args)).json();
  const events = async (...args) =>
    (await (await get(...args)).text()).split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
  const conversation = await json('/conversations', { items: [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }, { type: 'input_image', image_url: 'https://x.example/y.png' }] }] });
  const whole = await json('/responses', {
    model: 'reckoner', input: 'text and tools', conversation: conversation.id, instructions: 'Be exact', tools: [weather], max_output_tokens: 500, temperature: 0.5, top_p: 1,
    reasoning: { effort: 'low' }, text: { format: { type: 'json_schema', name: 'x', schema: { type: 'object' } } }, safety_identifier: 'ann', metadata: { a: 'b' },
  });
  const called = await json('/responses', { model, input: 'weather', tools: [weather], tool_choice: { type: 'function', name: 'get_weather' } });
  const failed = await json('/responses', { model, input: 'fail' });
  const cut = await json('/responses', { model, input: 'lengthy' });
  const queued = await json('/responses', { model, input: 'poem', background: true });
  const items = await json(`/conversations/${conversation.id}/items`);
  const shown = {
    response: [whole, called, failed, cut, queued, await json('/responses', { model, input: 'think' })],
    events: [...(await events('/responses', { model: 'reckoner', input: 'text and tools', stream: true })),
      ...(await events('/responses', { model, input: 'weather', tools: [weather], background: true, stream: true })),
      ...(await events('/responses', { model, input: 'fail', stream: true })),
      ...(await events('/responses', { model, input: 'think', stream: true })),
      ...(await events('/responses', { model, input: 'refuse', stream: true }))],
    items: items.data,
    input: (await json(`/responses/${whole.id}/input_items`)).data,
    conversation: [conversation],
  };
  assert.equal(shown.response.at(-1).output[0].summary[0].text, 'First the numbers, then the words.');
  assert.equal(shown.events.filter((event) => event.type === 'response.reasoning_summary_text.delta').map((event) => event.delta).join(''), 'First the numbers, then the words.');
  assert.equal(shown.events.filter((event) => event.type === 'response.refusal.delta').map((event) => event.delta).join(''), 'I cannot help with that.');
  assert.ok(shown.events.length > 40 && shown.items.length > 4);
  // What OpenAI's server sends, and its document has, beyond the types of its SDK.
  for (const event of shown.events) if (event.type === 'response.function_call_arguments.done') delete event.name;
  for (const response of [...shown.response, ...shown.events.map((event) => event.response).filter(Boolean)]) {
    for (const name of ['presence_penalty', 'frequency_penalty', 'store']) {
      assert.ok(name in response);
      delete response[name]; // of Open Responses
    }
    for (const name of ['usage', 'user', 'safety_identifier', 'prompt_cache_key']) if (response[name] === null) delete response[name];
    Object.assign(response, { output_text: '', access_programs: null }); // the SDK's own, and one that says what an account at OpenAI may do
  }
  const types = { response: 'OpenAI.Responses.Response', events: 'OpenAI.Responses.ResponseStreamEvent', items: 'OpenAI.Conversations.ConversationItem', input: 'OpenAI.Responses.ResponseItem', conversation: 'OpenAI.Conversations.Conversation' };
  const modules = {};
  for (const [name, list] of Object.entries(shown))
    list.forEach((value, at) => (modules[`${name} ${at}`] = `import type OpenAI from 'openai-v7';\nexport const value: ${types[name]} = ${JSON.stringify(value, null, 1)};\n`));
  const complaints = Object.entries(compile(modules)).filter(([, found]) => found.length > 0);
  assert.deepEqual(complaints, []);
});
