// What goes out to a model is what the client said, and nothing that nobody said.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const answers = {
  plain: { message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' },
  cut: { message: { role: 'assistant', content: 'and then' }, finish_reason: 'length' },
  filtered: { message: { role: 'assistant', content: 'the' }, finish_reason: 'content_filter' },
  empty: { message: { role: 'assistant', content: '' }, finish_reason: 'stop' },
};

/** A model that keeps what it was asked, word for word; its name says how it answers. */
async function startModel() {
  const model = { requests: [] };
  model.server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    model.requests.push(body);
    response.setHeader('content-type', 'application/json');
    const choice = answers[JSON.parse(body).model];
    response.end(JSON.stringify({ choices: [choice], usage: { prompt_tokens: '10', completion_tokens: 2.0 } }));
  });
  model.server.listen(0, '127.0.0.1');
  await once(model.server, 'listening');
  model.url = `http://127.0.0.1:${model.server.address().port}`;
  return model;
}

const withModel = async (body, env = {}) => {
  const model = await startModel();
  try {
    await withStack({ env: { GROQ_BASE_URL: model.url, GROQ_API_KEY: 'key', ...env } }, (stack) => body(stack, model));
  } finally {
    model.server.closeAllConnections();
    model.server.close();
  }
};

test('schemas keep their order and their numbers, and nothing is sent that nobody said', async () => {
  await withModel(async (stack, model) => {
    const schema = '{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer","maximum":123456789012345678901234567890},"m":{"const":1.50}}}';
    const text = `{"model":"groq/plain","tools":[{"type":"calculator"},{"type":"function","function":{"name":"f","parameters":${schema}}}],` +
      `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":${schema},"strict":false}}}`;
    const made = await stack.call('POST', '/v1/assistants', text);
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const run = await stack.submit(made.body, 'hi', { tool_choice: { type: 'calculator' } });
    assert.equal(run.parallel_tool_calls, true);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.deepEqual(ended.usage, {
      prompt_tokens: 10, completion_tokens: 2, total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 },
    });
    const [sent] = model.requests;
    assert.ok(sent.includes(`"parameters":${schema}`), sent);
    assert.ok(sent.includes(`"json_schema":{"name":"n","schema":${schema},"strict":false}`), sent);
    const request = JSON.parse(sent);
    assert.deepEqual(request.tool_choice, { type: 'function', function: { name: 'calculator' } });
    assert.equal(request.stream, false);
    assert.ok(!('parallel_tool_calls' in request));
    assert.deepEqual(Object.keys((await stack.ok('GET', `/v1/assistants/${made.body.id}`)).tools[1].function.parameters.properties), ['z', 'a', 'm']);

    await stack.finished(await stack.submit(made.body, 'hi', { parallel_tool_calls: true }));
    assert.equal(JSON.parse(model.requests[1]).parallel_tool_calls, true);
  });
});

test('an answer that was cut is an incomplete message, an empty one a failure after one more try', async () => {
  await withModel(async (stack, model) => {
    const last = async (run) => (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages`)).data[0];
    const ran = async (name) => stack.finished(await stack.submit(await stack.assistant({ model: `groq/${name}` }), 'hi'));
    const cut = await ran('cut');
    assert.deepEqual([cut.status, cut.incomplete_details.reason], ['incomplete', 'max_completion_tokens']);
    const message = await last(cut);
    assert.deepEqual([message.status, message.incomplete_details], ['incomplete', { reason: 'max_tokens' }]);
    assert.ok(message.incomplete_at);
    assert.equal(message.completed_at, null);
    const filtered = await ran('filtered');
    assert.equal(filtered.incomplete_details.reason, 'content_filter');
    assert.deepEqual((await last(filtered)).incomplete_details, { reason: 'content_filter' });
    const before = model.requests.length;
    const empty = await ran('empty');
    assert.equal(empty.status, 'failed');
    assert.match(empty.last_error.message, /empty answer/);
    assert.equal(model.requests.length - before, 2);
    assert.equal(empty.usage.prompt_tokens, 20, 'both were paid for');
  });
});

test('a provider without a key fails its runs at once and says what to set; bare names go to the default one', async () => {
  await withModel(async (stack, model) => {
    const run = await stack.finished(await stack.submit(await stack.assistant({ model: 'deepseek/deepseek-chat' }), 'hi'));
    assert.equal(run.status, 'failed');
    assert.match(run.last_error.message, /DEEPSEEK_API_KEY/);
    assert.equal((await stack.finished(await stack.submit(await stack.assistant({ model: 'plain' }), 'hi'))).status, 'completed');
    assert.equal(JSON.parse(model.requests[0]).model, 'plain');
  }, { PENSTOCK_DEFAULT_PROVIDER: 'groq' });
});
