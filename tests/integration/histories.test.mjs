// A thread that goes from vendor to vendor and back. Each is given a history that the others made, and refuses what the real one
// refuses; what one gave for itself alone (signatures, encrypted reasoning, thoughts) is sent to no other.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';
import { assistantOf, config, startWithVendors } from '../lib/vendors.mjs';

const script = `
stream: {chunk_tokens: 2}
rules:
  - name: a turn
    when: {user: '^turn ([0-9]+)'}
    steps:
      - reasoning: 'As {{model}} I think of both.'
        calls:
          - {name: calculator, arguments: {expression: '{{1}}*100'}}
          - {name: calculator, arguments: {expression: 'a wish'}}
      - text: 'Once more.'
        reasoning: 'As {{model}} I think again.'
        calls: [{name: calculator, arguments: {expression: '{{tool.1}}+1'}}]
      - text: 'Turn {{1}} is {{tool.1}}, then {{tool.3}}.'
`;

/** The way of the thread: model, dialect. Every vendor twice, whole and streamed, by another model each time; the first one three times. */
const way = [
  ['openai/gpt-4o-mini', 'openai_chat'],
  ['responses-streamed/gpt-5', 'openai_responses'],
  ['anthropic/claude-sonnet-5', 'anthropic'],
  ['google-streamed/gemini-3-pro-preview', 'gemini'],
  ['ollama/qwen3', 'ollama'],
  ['groq-streamed/llama-3.3-70b-versatile', 'groq'],
  ['deepseek/deepseek-reasoner', 'openai_chat'],
  ['mistral-streamed', 'mistral'],
  ['openai/gpt-4o-mini', 'openai_chat'],
  ['mistral/mistral-large-latest', 'mistral'],
  ['deepseek-streamed/deepseek-chat', 'openai_chat'],
  ['groq/openai/gpt-oss-120b', 'groq'],
  ['ollama-streamed/gpt-oss', 'ollama'],
  ['google/gemini-3-flash-preview', 'gemini'],
  ['anthropic-streamed/claude-haiku-4-5', 'anthropic'],
  ['responses/gpt-5-mini', 'openai_responses'],
  ['openai/gpt-4o-mini', 'openai_chat'],
];

const modelOf = (name) => (name === 'mistral-streamed' ? 'mistral-medium-latest' : name.slice(name.indexOf('/') + 1));
const seals = (text) => [...text.matchAll(/"(?:signature|thoughtSignature|encrypted_content)":"([^"]+)"/g)].map((match) => match[1]);

async function takeTurn(stack, thread, assistant, number) {
  await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: `turn ${number}` });
  const run = await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id });
  const ended = await stack.finished(run);
  assert.equal(ended.status, 'completed', `turn ${number}, ${assistant.model}: ${JSON.stringify(ended.last_error)}`);
  assert.equal(await stack.answer(run), `Turn ${number} is ${number}00, then ${number}01.`, assistant.model);
  return run;
}

/** What a model gave for itself: its seals, and the beginning of its thoughts. */
function stateOf(lines, model) {
  return [`As ${model} I think`, ...new Set(lines.flatMap((line) => seals(line.reply)))];
}

test('a thread goes over all vendors and back, whole and streamed, with calls side by side and calls that fail', async () => {
  await withStack({ bare: true, script, config, llmArgs: ['--bodies'] }, async (stack) => {
    await startWithVendors(stack);
    const thread = await stack.ok('POST', '/v1/threads', {});
    const given = new Map(); // by model, what it gave for itself so far
    for (const [i, [name, dialect]] of way.entries()) {
      const model = modelOf(name);
      const run = await takeTurn(stack, thread, await assistantOf(stack, name), i + 1);
      const lines = stack.ledger().slice(3 * i);
      assert.deepEqual(
        lines.map((line) => [line.dialect, line.model, line.status, line.stream]),
        Array(3).fill([dialect, model, 200, name.includes('streamed')]),
        `turn ${i + 1}, ${name}`,
      );
      const steps = await stack.ok('GET', `/v1/threads/${thread.id}/runs/${run.id}/steps?order=asc`);
      const outputs = steps.data.flatMap((step) => step.step_details.tool_calls ?? []).map((call) => call.function.output);
      assert.deepEqual([outputs[0], outputs[2]], [`${i + 1}00`, `${i + 1}01`]);
      assert.match(outputs[1], /error/i, 'the call that fails');

      // All of the history went out: each earlier answer, each result.
      for (let turn = 1; turn <= i; turn++)
        for (const line of lines) assert.ok(line.request.includes(`Turn ${turn} is ${turn}00, then ${turn}01.`), `turn ${turn} is told to ${name}`);
      for (const [other, state] of given)
        if (other !== model)
          for (const part of state)
            for (const line of lines) assert.ok(!line.request.includes(part), `what ${other} gave for itself ("${part}") is sent to ${name}`);
      given.set(model, [...(given.get(model) ?? []), ...stateOf(lines, model)]);
    }

    // Those who want something back were given it, so there was something that could have gone elsewhere.
    for (const model of ['gpt-5', 'gpt-5-mini', 'claude-sonnet-5', 'claude-haiku-4-5', 'gemini-3-pro-preview', 'gemini-3-flash-preview']) {
      const own = given.get(model).slice(1);
      assert.ok(own.length >= 1, `${model} seals what it thinks`);
      const sent = stack.ledger().filter((line) => line.model === model).map((line) => line.request).join('\n');
      for (const seal of own) assert.ok(sent.includes(seal), `${model} is given back what it sealed`);
    }
    for (const model of ['deepseek-reasoner', 'deepseek-chat', 'qwen3', 'gpt-oss'])
      assert.ok(stack.ledger().some((line) => line.model === model && line.request.includes(`As ${model} I think`)), `${model} is given back what it thought`);
  });
});

test('Mistral is given ids of its own kind, and its ids go to others as they are', async () => {
  await withStack({ bare: true, script, config, llmArgs: ['--bodies'] }, async (stack) => {
    await startWithVendors(stack);
    const thread = await stack.ok('POST', '/v1/threads', {});
    const names = ['anthropic/claude-sonnet-5', 'mistral/mistral-large-latest', 'openai/gpt-4o-mini', 'mistral-streamed'];
    for (const [i, name] of names.entries()) await takeTurn(stack, thread, await assistantOf(stack, name), i + 1);
    const last = (i) => JSON.parse(stack.ledger()[3 * i + 2].request).messages;
    const idsOf = (messages) => messages.flatMap((message) => (message.tool_calls ?? []).map((call) => call.id));
    const answered = (messages) => messages.filter((message) => message.role === 'tool').map((message) => message.tool_call_id);

    const [mistral, openai, back] = [last(1), last(2), last(3)];
    for (const messages of [mistral, back]) {
      for (const id of idsOf(messages)) assert.match(id, /^[a-zA-Z0-9]{9}$/);
      assert.equal(new Set(idsOf(messages)).size, idsOf(messages).length);
    }
    for (const messages of [mistral, openai, back]) assert.deepEqual(answered(messages), idsOf(messages));
    assert.deepEqual(idsOf(back).slice(0, 6), idsOf(mistral), 'the same ids each time');
    assert.deepEqual(idsOf(openai).slice(3, 6), idsOf(mistral).slice(3), 'its own ids are sent as they are');
    for (const id of idsOf(openai).slice(0, 3)) assert.match(id, /^toolu_/, 'and those of others as they are stored');
  });
});

/** A server that calls its calls the same in every reply, as some do: two in the first, none in the second. */
async function startRepeating() {
  const calls = ['20+1', '20+2'].map((expression, i) => ({
    id: `call_${i}`,
    type: 'function',
    function: { name: 'calculator', arguments: JSON.stringify({ expression }) },
  }));
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const asked = JSON.parse(body).messages.at(-1).role === 'user';
    const message = { role: 'assistant', content: asked ? null : 'Done.', ...(asked && { tool_calls: calls }) };
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'x', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: asked ? 'tool_calls' : 'stop' }], usage }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

test('ids that a server gives again and again are told apart, since others refuse them', async () => {
  const server = await startRepeating();
  const env = { PENSTOCK_LOCAL_BASE_URL: `http://127.0.0.1:${server.address().port}` };
  try {
    await withStack({ bare: true, script, config, env }, async (stack) => {
      await startWithVendors(stack);
      const thread = await stack.ok('POST', '/v1/threads', {});
      const local = await assistantOf(stack, 'local/repeating');
      for (let i = 0; i < 3; i++) {
        await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: 'Add.' });
        const ended = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: local.id }));
        assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      }
      const ids = stack.sql("SELECT call->>'id' AS id FROM messages, jsonb_array_elements(tool_calls) AS call ORDER BY position").map((row) => row.id);
      assert.equal(ids.length, 6);
      assert.equal(new Set(ids).size, 6, ids.join(' '));
      assert.deepEqual(ids.slice(0, 2), ['call_0', 'call_1'], 'the first time they are kept');
      for (const [i, name] of ['anthropic/claude-sonnet-5', 'responses/gpt-5', 'mistral/mistral-large-latest'].entries())
        await takeTurn(stack, thread, await assistantOf(stack, name), i + 4);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
