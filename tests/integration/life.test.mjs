// The life of a run, and of many.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const twoCalls = `
rules:
  - name: two calls
    when: {user: 'cost of ([0-9]+) at ([0-9.]+)'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '{{1}} * {{2}}'}}]
      - calls: [{name: calculator, arguments: {expression: '{{tool}} * 1.19'}}]
      - text: 'With tax that is {{tool}}.'
`;

test('a run with two tool calls goes from queued to its answer, and every step is stored once', async () => {
  await withStack({ script: twoCalls }, async (stack) => {
    const assistant = await stack.assistant();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const created = await stack.ok('POST', '/v1/threads/runs', {
      assistant_id: assistant.id,
      thread: { messages: [{ role: 'user', content: 'What is the cost of 12 at 2.50?' }] },
      metadata: { ticket: 'A-1' },
    }, { traceparent });
    assert.equal(created.status, 'queued');
    assert.equal(created.object, 'thread.run');
    assert.equal(created.usage, null);
    const run = await stack.finished(created);
    assert.equal(run.status, 'completed');
    assert.equal(run.last_error, null);
    assert.equal(run.expires_at, null);
    assert.deepEqual(run.metadata, { ticket: 'A-1' });
    assert.ok(run.usage.prompt_tokens > 0 && run.usage.completion_tokens > 0);
    assert.equal(run.usage.total_tokens, run.usage.prompt_tokens + run.usage.completion_tokens);
    assert.equal(await stack.answer(run), 'With tax that is 35.7.');

    const messages = await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?order=asc`);
    assert.deepEqual(messages.data.map((message) => message.role), ['user', 'assistant']);
    const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
    assert.deepEqual(steps.data.map((step) => [step.type, step.status]), [
      ['tool_calls', 'completed'],
      ['tool_calls', 'completed'],
      ['message_creation', 'completed'],
    ]);
    assert.equal(steps.data[0].step_details.tool_calls[0].function.output, '30');
    assert.equal(steps.data[1].step_details.tool_calls[0].function.output, '35.7');
    assert.equal(steps.data[2].step_details.message_creation.message_id, messages.data[1].id);

    const stored = stack.sql('SELECT role, seq FROM messages ORDER BY position');
    assert.deepEqual(stored.map((row) => row.role), ['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant']);
    assert.deepEqual(stored.map((row) => row.seq), [null, 1, 2, 3, 4, 5]);
    assert.equal(stack.sql(`SELECT * FROM tool_calls WHERE state = 'done'`).length, 2);
    assert.equal(stack.ledger().length, 3);

    assert.match(stack.workers[0].log(), new RegExp(`run=${run.id} .*trace=4bf92f3577b34da6a3ce929d0e0e4736`));
    const view = stack.sql('SELECT * FROM run_results')[0];
    assert.equal(view.run_id, run.id);
    assert.equal(view.answer, 'With tax that is 35.7.');
    assert.equal(stack.sql('SELECT count(*) FROM threads WHERE active_run IS NOT NULL')[0].count, 0);
  });
});

test('several calls of one step run, and mistakes go back to the model as results', async () => {
  const script = `
rules:
  - name: mistakes
    steps:
      - calls:
          - {name: calculator, arguments: {expression: '2 + 2'}}
          - {name: calculator, arguments: {expression: '2 +'}}
          - {name: calculator, arguments: {formula: '2'}}
          - {name: calculator, arguments: 'not json'}
          - {name: teleport, arguments: {to: 'Mars'}}
          - {name: current_time, arguments: {timezone: 'Mars/Olympus'}}
          - {name: http_request, arguments: {method: GET, url: 'http://127.0.0.1:1/'}}
      - text: 'done'
`;
  await withStack({ script }, async (stack) => {
    const tools = [{ type: 'calculator' }, { type: 'current_time' }, { type: 'http_request' }];
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools }), 'go'));
    assert.equal(run.status, 'completed');
    const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
    const outputs = steps.data[0].step_details.tool_calls.map((call) => call.function.output);
    assert.equal(outputs[0], '4');
    assert.match(outputs[1], /^Error: /);
    assert.match(outputs[2], /^Error: .*expression/);
    assert.match(outputs[3], /^Error: .*JSON/);
    assert.match(outputs[4], /^Error: there is no tool named 'teleport'/);
    assert.match(outputs[5], /^Error: .*Mars\/Olympus/);
    assert.match(outputs[6], /^Error: .*http_allow/);
  });
});

test('500 runs on 3 workers: every one completed, each message once', async () => {
  await withStack({ workers: 3, slots: 100 }, async (stack) => {
    const assistant = await stack.assistant();
    const runs = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next++ < 500) runs.push(await stack.submit(assistant, 'standard'));
      }),
    );
    await Promise.all(runs.map((run) => stack.finished(run, 60000)));
    assert.deepEqual(stack.sql('SELECT status, count(*) FROM runs GROUP BY status'), [{ status: 'completed', count: 500 }]);
    const counts = stack.sql('SELECT role, count(*) FROM messages GROUP BY role ORDER BY role');
    assert.deepEqual(counts, [
      { role: 'assistant', count: 1000 },
      { role: 'tool', count: 500 },
      { role: 'user', count: 500 },
    ]);
    assert.equal(stack.sql('SELECT 1 FROM messages WHERE run_id IS NOT NULL GROUP BY run_id HAVING max(seq) <> count(*)').length, 0);
    assert.equal(stack.ledger().length, 1000, 'no model call was made twice');
    const shares = stack.sql('SELECT owner, count(*) FROM runs GROUP BY owner');
    assert.ok(shares.length >= 1);
  });
});

test('budgets and failures of the model end a run with a reason', async () => {
  const script = `
rules:
  - name: loop
    when: {user: 'loop'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '1 + 1'}}]
  - name: broken
    when: {user: 'key'}
    then: {status: 401, body: '{"error":{"message":"Incorrect API key provided: sk-verysecretkey123456","type":"invalid_request_error","code":"invalid_api_key"}}'}
  - name: quota
    when: {user: 'quota'}
    then: {status: 429, body: '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}'}
  - name: flaky
    when: {user: 'flaky', times: 2}
    then: {status: 500, body: 'oops'}
  - name: limited
    when: {user: 'limited', times: 1}
    then: {status: 429, headers: {retry-after: 1}, body: '{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'}
  - name: cut
    when: {user: 'cut', times: 1}
    then: {text: 'never seen', close: 20}
  - name: garbled
    when: {user: 'garbled', times: 1}
    then: {text: 'never seen', malformed: true}
  - name: long
    when: {user: 'long'}
    then: {text: 'and so on', finish_reason: length}
  - name: fine
    then: {text: 'fine'}
`;
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ max_iterations: 3 });
    const end = async (prompt) => stack.finished(await stack.submit(assistant, prompt));
    const loop = await end('loop');
    assert.equal(loop.status, 'incomplete');
    assert.equal(loop.incomplete_details.reason, 'max_iterations');
    const key = await end('key');
    assert.equal(key.status, 'failed');
    assert.doesNotMatch(JSON.stringify(key), /verysecret/);
    const quota = await end('quota');
    assert.equal(quota.last_error.code, 'rate_limit_exceeded');
    for (const prompt of ['flaky', 'limited', 'cut', 'garbled']) {
      const run = await end(prompt);
      assert.equal(run.status, 'completed', `${prompt}: ${JSON.stringify(run.last_error)}`);
      assert.equal(await stack.answer(run), 'fine');
    }
    const long = await end('long');
    assert.equal(long.status, 'incomplete');
    assert.equal(long.incomplete_details.reason, 'max_completion_tokens');
    assert.equal(await stack.answer(long), 'and so on');
  });
});

test('a second run on a busy thread is refused as OpenAI does, and so is a message', async () => {
  const script = `
rules:
  - then: {text: 'slow', delay_ms: 1500}
`;
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const run = await stack.submit(assistant, 'go');
    const second = await stack.call('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id });
    assert.equal(second.status, 400);
    assert.deepEqual(second.body.error, {
      message: `Thread ${run.thread_id} already has an active run ${run.id}. With 'multitask_strategy' a run waits behind it, or takes its place.`,
      type: 'invalid_request_error',
      param: null,
      code: null,
    });
    const message = await stack.call('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'more' });
    assert.equal(message.status, 400);
    assert.equal(message.body.error.message, `Can't add messages to ${run.thread_id} while a run ${run.id} is active. With 'on_busy' it waits behind the run, or steers it.`);
    await stack.finished(run);
    await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'more' });
    const third = await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id });
    assert.equal((await stack.finished(third)).status, 'completed');
    const roles = stack.sql('SELECT role FROM messages ORDER BY position').map((row) => row.role);
    assert.deepEqual(roles, ['user', 'assistant', 'user', 'assistant']);
  });
});
