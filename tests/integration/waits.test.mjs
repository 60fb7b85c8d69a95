// Waits for a provider: short ones on the worker, long ones off it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

test('a storm of 429s with a retry-after of 5 s: the runs leave their worker, and return in time', async () => {
  const script = `
rules:
  - name: step one
    when: {after_tool: false}
    then: {calls: [{name: calculator, arguments: {expression: '6 * 7'}}]}
  - name: limited
    when: {times: 10}
    then: {status: 429, headers: {retry-after: 5}, body: '{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'}
  - name: answer
    then: {text: 'It is {{tool}}.'}
`;
  await withStack({ script, slots: 10 }, async (stack) => {
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 10 }, () => stack.submit(assistant, 'go')));
    // Those that were refused, and those that the refusal of others holds back: they ask nobody.
    await until('all wait', () => stack.sql(`SELECT 1 FROM runs WHERE wait_kind = 'rate_limit'`).length === 10);
    const limited = Date.now();
    const waits = stack.sql(`SELECT status, owner, extract(epoch FROM due_at - updated_at)::float8 AS seconds FROM runs`);
    for (const wait of waits) {
      assert.equal(wait.status, 'queued');
      assert.equal(wait.owner, null);
      assert.ok(wait.seconds > 0 && wait.seconds <= 5.6, `${wait.seconds} s`);
    }
    assert.ok(new Set(waits.map((wait) => wait.seconds)).size > 1, 'they do not return in step');
    const waiting = (await stack.ok('GET', '/v1/runs')).data.filter((run) => run.waits_for === 'rate_limit');
    assert.ok(waiting.length > 0, 'clients see why');
    for (const run of waiting) assert.ok(run.waits_until * 1000 <= limited + 7000 && run.waits_until * 1000 > limited - 2000);
    await until('the slots are free', async () => (await stack.busy(stack.workers[0])) === 0, 1500);
    for (const run of runs) {
      const ended = await stack.finished(run, limited + 60000 - Date.now());
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(await stack.answer(ended), 'It is 42.');
    }
    assert.deepEqual(stack.sql('SELECT DISTINCT errors, crashes, wait_kind FROM runs'), [{ errors: 0, crashes: 0, wait_kind: null }]);
    const calls = stack.ledger();
    assert.equal(calls.length, 30, 'the first step was not repeated');
    const refusals = calls.filter((call) => call.status === 429).map((call) => Date.parse(call.time));
    const answers = calls.filter((call) => call.status === 200).map((call) => Date.parse(call.time));
    assert.equal(refusals.length, 10);
    // The ledger's times are seconds.
    assert.ok(Math.max(...answers) >= Math.max(...refusals) + 4000, 'nobody came too early');
  });
});

test('failures in a row count across workers, and a success ends the row', async () => {
  const script = `
rules:
  - name: step one
    when: {after_tool: false}
    then: {calls: [{name: calculator, arguments: {expression: '6 * 7'}}]}
  - name: overloaded
    when: {times: 5}
    then: {status: 500, body: 'oops'}
  - name: step two
    when: {tool_results: 1}
    then: {calls: [{name: calculator, arguments: {expression: '{{tool}} + 1'}}]}
  - name: overloaded again
    when: {times: 5}
    then: {status: 503, body: 'oops'}
  - name: answer
    then: {text: 'It is {{tool}}.'}
`;
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'go');
    const waiting = await until('it waits off the worker', () => stack.sql(`SELECT errors FROM runs WHERE wait_kind = 'backoff'`)[0]);
    assert.deepEqual(waiting, { errors: 5 });
    const ended = await stack.finished(run, 40000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(await stack.answer(ended), 'It is 43.');
    assert.equal(stack.ledger().length, 13, 'no step was repeated');
  });
});

test('a wait ends with the run, however long the provider asks for', async () => {
  const script = `
rules:
  - then: {status: 429, headers: {retry-after: 3600}, body: '{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'}
`;
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant({ timeout_seconds: 4 }), 'go');
    const ended = await stack.finished(run, 10000);
    assert.equal(ended.status, 'expired');
    assert.equal(stack.ledger().length, 1);
  });
});

const tools = [{ type: 'wait' }, { type: 'function', function: { name: 'ask', parameters: { type: 'object', properties: {} } } }];
const waiting = (arguments_, more = '') => `
rules:
  - name: wait
    when: {after_tool: false}
    then: {calls: [{name: wait, arguments: ${arguments_}}${more}]}
  - name: answer
    then: {text: 'Then: {{tool.1}}'}
`;
const parked = (stack) => until('it waits', () => stack.sql(`SELECT status, owner, open_calls FROM runs WHERE wait_kind = 'calls'`)[0]);

test('a run waits for a time, holds nothing, and goes on when it has come', async () => {
  await withStack({ script: waiting('{seconds: 3}') }, async (stack) => {
    const started = Date.now();
    const run = await stack.submit(await stack.assistant({ tools, timeout_seconds: 2 }), 'go');
    assert.deepEqual(await parked(stack), { status: 'queued', owner: null, open_calls: 1 });
    assert.equal((await stack.ok('GET', `/v1/runs/${run.id}`)).waits_for, 'time');
    await until('the slot is free', async () => (await stack.busy(stack.workers[0])) === 0);
    await stack.workers[0].kill('SIGKILL');
    const refused = await stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: 'call_x', output: 'x' }] });
    assert.equal(refused.status, 400);
    assert.match(refused.body.error.message, /Runs in status 'queued' do not accept tool outputs/);
    await stack.startWorker();
    const ended = await stack.finished(run, 20000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.ok(Date.now() - started >= 3000, 'timeout_seconds counts the time of work alone');
    assert.deepEqual([ended.waits_for, ended.waits_until], [null, null]);
    assert.match(await stack.answer(ended), /^Then: It is now 20\d\d-.*Z\.$/);
    assert.deepEqual(stack.sql('SELECT crashes, errors, open_calls FROM runs'), [{ crashes: 0, errors: 0, open_calls: 0 }]);
    const steps = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data;
    assert.deepEqual(steps.map((step) => step.status), ['completed', 'completed']);
    assert.match(steps[0].step_details.tool_calls[0].function.output, /^It is now /);
    assert.equal(stack.ledger().length, 2);
  });
});

test('a run sleeps until a time, on no worker', async () => {
  const wakes = Math.ceil(Date.now() / 1000) + 12;
  const script = `
rules:
  - {name: sleep, when: {after_tool: false}, then: {calls: [{name: sleep_until, arguments: {time: '${new Date(wakes * 1000).toISOString()}'}}]}}
  - {name: answer, then: {text: 'Then: {{tool.1}}'}}
`;
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant({ tools: [{ type: 'sleep_until' }] }), 'go');
    assert.deepEqual(await parked(stack), { status: 'queued', owner: null, open_calls: 1 });
    const waiting_ = await stack.run(run);
    assert.deepEqual([waiting_.waits_for, Math.abs(waiting_.waits_until - wakes) <= 1], ['time', true]);
    const ended = await stack.finished(run, 40000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.ok(Date.now() >= wakes * 1000);
  });
});

test('a run that waits for a time and for its client goes on after the later of the two', async () => {
  await withStack({ script: waiting('{seconds: 1}', ', {name: ask, arguments: {}}') }, async (stack) => {
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools }), 'go'));
    assert.equal(run.status, 'requires_action');
    const calls = run.required_action.submit_tool_outputs.tool_calls;
    assert.deepEqual(calls.map((call) => call.function.name), ['ask'], 'the time is none of the client\'s business');
    await until('the time has come', () => stack.sql('SELECT open_calls FROM runs')[0].open_calls === 1);
    assert.equal((await stack.run(run)).status, 'requires_action');
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: calls[0].id, output: 'yes' }] });
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(stack.ledger().length, 2);
  });
});

test('a run that waits for a time is cancelled at once, and a wait beyond its end is refused', async () => {
  await withStack({ script: waiting('{seconds: 3600}') }, async (stack) => {
    const run = await stack.submit(await stack.assistant({ tools }), 'go');
    await parked(stack);
    assert.equal((await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`)).status, 'cancelled');
    assert.deepEqual(stack.sql('SELECT state FROM tool_calls'), [{ state: 'cancelled' }]);
  });
  await withStack({ script: waiting('{seconds: 90000}') }, async (stack) => { // more than the day that a run has
    const ended = await stack.finished(await stack.submit(await stack.assistant({ tools }), 'go'));
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.match(await stack.answer(ended), /Error: this run ends in \d+ seconds, before that time comes/);
  });
});
