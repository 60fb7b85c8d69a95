// Functions that the client runs: the run parks, the client gives outputs, the run goes on.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const tool = (name) => ({ type: 'function', function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } } });
const tools = [tool('get_weather'), { type: 'calculator' }, { type: 'http_request' }];

const script = `
rules:
  - name: answered before
    when: {user: 'and now'}
    then: {text: 'Now it is fine.'}
  - name: weather
    steps:
      - calls:
          - {name: get_weather, arguments: {city: Rome}}
          - {name: calculator, arguments: {expression: '6 * 7'}}
          - {name: get_weather, arguments: {city: Oslo}}
        usage: {prompt_tokens: 10, completion_tokens: 5}
      - text: 'Rome {{tool.1}}, {{tool.2}}, Oslo {{tool.3}}.'
        usage: {prompt_tokens: 20, completion_tokens: 5}
`;

const pending = (run) => run.required_action.submit_tool_outputs.tool_calls;
const submit = (stack, run, outputs) => stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: outputs });
const outputsOf = (run) => pending(run).map((call) => ({ tool_call_id: call.id, output: `is sunny in ${JSON.parse(call.function.arguments).city}` }));
const answer = 'Rome is sunny in Rome, 42, Oslo is sunny in Oslo.';

async function parked(stack, fields = {}, prompt = 'weather?') {
  const run = await stack.finished(await stack.submit(await stack.assistant({ tools, ...fields }), prompt));
  assert.equal(run.status, 'requires_action', JSON.stringify(run.last_error));
  return run;
}

test('the run waits for its functions, holds nothing, and goes on with their outputs', async () => {
  await withStack({ script }, async (stack) => {
    const run = await parked(stack);
    assert.equal(run.required_action.type, 'submit_tool_outputs');
    assert.deepEqual(pending(run).map((call) => [call.type, call.function]), [
      ['function', { name: 'get_weather', arguments: '{"city":"Rome"}' }],
      ['function', { name: 'get_weather', arguments: '{"city":"Oslo"}' }],
    ]);
    assert.equal(run.usage, null);
    assert.ok(run.expires_at);
    await until('the slot is free', async () => (await stack.busy(stack.workers[0])) === 0);
    assert.deepEqual(stack.sql(`SELECT kind, state FROM tool_calls ORDER BY call_no`), [
      { kind: 'client', state: 'open' },
      { kind: null, state: 'done' },
      { kind: 'client', state: 'open' },
    ]);
    assert.deepEqual(stack.sql('SELECT open_calls, wait_kind FROM runs'), [{ open_calls: 2, wait_kind: 'calls' }]);
    const step = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps`)).data[0];
    assert.equal(step.status, 'in_progress');
    assert.deepEqual(step.step_details.tool_calls.map((call) => call.function.output), [null, '42', null]);

    const busy = await stack.call('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'x' });
    assert.equal(busy.status, 400);
    const some = await submit(stack, run, outputsOf(run).slice(1));
    assert.equal(some.status, 400);
    assert.ok(some.body.error.message.includes(pending(run)[0].id), some.body.error.message);
    const unknown = await submit(stack, run, [...outputsOf(run), { tool_call_id: 'call_none', output: '' }]);
    assert.equal(unknown.status, 400);
    assert.match(unknown.body.error.message, /call_none/);

    const given = await submit(stack, run, outputsOf(run).reverse());
    assert.equal(given.status, 200);
    assert.equal(given.body.status, 'queued');
    assert.equal(given.body.required_action, null);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(await stack.answer(ended), answer);
    assert.equal(ended.usage.total_tokens, 40);
    const steps = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data;
    assert.deepEqual(steps.map((each) => [each.type, each.status]), [['tool_calls', 'completed'], ['message_creation', 'completed']]);
    assert.deepEqual(steps[0].step_details.tool_calls.map((call) => call.function.output), ['is sunny in Rome', '42', 'is sunny in Oslo']);
    assert.equal(steps[0].usage.total_tokens, 15);
    assert.equal(stack.ledger().length, 2);

    // What a client sends again because the reply was lost is no mistake; anything else is.
    const again = await submit(stack, run, outputsOf(run));
    assert.equal(again.status, 200);
    assert.equal(again.body.status, 'completed');
    const other = await submit(stack, run, outputsOf(run).map((each) => ({ ...each, output: 'rain' })));
    assert.equal(other.status, 400);
    assert.match(other.body.error.message, /Runs in status 'completed' do not accept tool outputs/);
    assert.deepEqual(stack.sql('SELECT errors, crashes FROM runs'), [{ errors: 0, crashes: 0 }]);
  });
});

test('kill -9 of the worker right after parking loses nothing', async () => {
  await withStack({ script }, async (stack) => {
    const run = await parked(stack);
    await stack.workers[0].kill('SIGKILL');
    assert.equal((await submit(stack, run, outputsOf(run))).status, 200);
    await stack.startWorker();
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(await stack.answer(ended), answer);
    assert.deepEqual(stack.sql('SELECT errors, crashes FROM runs'), [{ errors: 0, crashes: 0 }]);
    assert.equal(stack.ledger().length, 2);
  });
});

test('a run that waits is cancelled or expires at once, and its thread goes on', async () => {
  await withStack({ script }, async (stack) => {
    const runs = [await parked(stack), await parked(stack)];
    const path = (run) => `/v1/threads/${run.thread_id}`;
    assert.equal((await stack.ok('POST', `${path(runs[0])}/runs/${runs[0].id}/cancel`)).status, 'cancelled');
    stack.exec(`UPDATE runs SET expires_at = now() WHERE status = 'requires_action'`);
    assert.equal((await until('expired', async () => {
      const run = await stack.run(runs[1]);
      return run.status === 'expired' && run;
    })).required_action, null);
    for (const run of runs) {
      const late = await submit(stack, run, outputsOf(run));
      assert.equal(late.status, 400);
      const step = (await stack.ok('GET', `${path(run)}/runs/${run.id}/steps`)).data[0];
      assert.match(step.status, /^(cancelled|expired)$/);
      // The calls of the run that ended have no results: the model is told so.
      const { body: assistant } = await stack.call('GET', `/v1/assistants/${run.assistant_id}`);
      await stack.ok('POST', `${path(run)}/messages`, { role: 'user', content: 'and now?' });
      const next = await stack.finished(await stack.ok('POST', `${path(run)}/runs`, { assistant_id: assistant.id }));
      assert.equal(next.status, 'completed', JSON.stringify(next.last_error));
      assert.equal(await stack.answer(next), 'Now it is fine.');
    }
  });
});

test('a run that expired while it waited and is redriven waits for the same calls again', async () => {
  await withStack({ script }, async (stack) => {
    const run = await parked(stack);
    stack.exec(`UPDATE runs SET expires_at = now()`);
    await until('expired', async () => (await stack.run(run)).status === 'expired');
    await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'and now?' });
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/redrive`);
    const again = await stack.finished(run);
    assert.equal(again.status, 'requires_action', JSON.stringify(again.last_error));
    assert.deepEqual(again.required_action, run.required_action);
    assert.equal((await submit(stack, again, outputsOf(again))).status, 200);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(await stack.answer(ended), 'Now it is fine.', 'the newest message stands behind the outputs');
    assert.equal(stack.ledger().length, 2);
    assert.equal((await stack.llmStats()).refused, 0);
    const steps = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data;
    assert.deepEqual(steps.map((each) => each.status), ['completed', 'completed']);
    assert.deepEqual(steps[0].step_details.tool_calls.map((call) => call.function.output), ['is sunny in Rome', '42', 'is sunny in Oslo']);
  });
});

/** A model that gives each of its calls the same id, and answers when it has seen two results. */
async function startForgetfulModel() {
  const model = { requests: [] };
  model.server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { messages } = JSON.parse(body);
    model.requests.push(messages);
    const results = messages.filter((message) => message.role === 'tool').map((message) => message.content);
    const message = results.length < 2
      ? { role: 'assistant', content: null, tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'get_weather', arguments: '{}' } }] }
      : { role: 'assistant', content: results.join(' and ') };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  });
  model.server.listen(0, '127.0.0.1');
  await once(model.server, 'listening');
  return model;
}

test('calls of one id are told apart, and a truncation leaves the run its own messages', async () => {
  const model = await startForgetfulModel();
  try {
    await withStack({ env: { GROQ_BASE_URL: `http://127.0.0.1:${model.server.address().port}`, GROQ_API_KEY: 'x' } }, async (stack) => {
      const assistant = await stack.assistant({ tools, model: 'groq/m' });
      let run = await stack.submit(assistant, 'weather?', { truncation_strategy: { type: 'last_messages', last_messages: 1 } });
      const ids = [];
      for (const output of ['first', 'second']) {
        run = await until('it waits', async () => {
          const now = await stack.run(run);
          return now.status === 'requires_action' && !ids.includes(pending(now)[0].id) && now;
        });
        ids.push(pending(run)[0].id);
        assert.equal((await submit(stack, run, [{ tool_call_id: pending(run)[0].id, output }])).status, 200);
        // An earlier step's outputs again: the run has gone on.
        assert.equal((await submit(stack, run, [{ tool_call_id: ids[0], output: 'first' }])).status, 200);
      }
      const ended = await stack.finished(run);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(await stack.answer(ended), 'first and second');
      assert.deepEqual(model.requests[2].map((message) => message.role), ['system', 'user', 'assistant', 'tool', 'assistant', 'tool']);
    });
  } finally {
    model.server.close();
  }
});

test('the command line says what a run waits for, and does not hang', async () => {
  await withStack({ script }, async (stack) => {
    await stack.assistant({ tools, name: 'guide' });
    const child = execFile(`${process.env.PENSTOCK_BIN ?? 'build/dev/bin'}/penstock`, ['run', 'guide', 'weather?'], {
      env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key },
    });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    const [code] = await once(child, 'close');
    assert.equal(code, 4);
    assert.match(errors, /it waits for tool outputs \(submit_tool_outputs\) of get_weather \{"city":"Rome"\} \(call_\w+\), get_weather/);
    const [run] = (await stack.ok('GET', '/v1/runs')).data;
    const shown = stack.command('runs', 'show', run.id);
    assert.match(shown, /status +requires_action/);
    assert.match(shown, /waits for tool outputs/);
    assert.match(shown, /← 42/);
  });
});
