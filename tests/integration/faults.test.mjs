// Workers that die, drain and are cancelled; Postgres and Redis that go away under load.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { checkTook, sleep, until, withStack } from '../lib/stack.mjs';

const slowSecondStep = `
rules:
  - name: slow second step
    steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - {text: 'It is {{tool}}.', delay_ms: 2500}
`;

function checkOnce(stack, messagesPerRun) {
  assert.equal(stack.sql('SELECT 1 FROM messages WHERE run_id IS NOT NULL GROUP BY run_id, seq HAVING count(*) > 1').length, 0);
  const odd = stack.sql(
    `SELECT r.id, count(m.id) FROM runs r LEFT JOIN messages m ON m.run_id = r.id GROUP BY r.id HAVING count(m.id) <> ${messagesPerRun}`,
  );
  assert.deepEqual(odd, []);
  assert.equal(stack.sql('SELECT 1 FROM threads WHERE active_run IS NOT NULL').length, 0);
}

test('kill -9 of a worker in the middle of a run: taken over, finished, nothing twice', async () => {
  await withStack({ script: slowSecondStep, workers: 1 }, async (stack) => {
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 5 }, () => stack.submit(assistant, 'go')));
    await until('the first step is stored', () => stack.sql('SELECT 1 FROM runs WHERE step = 1').length === 5);
    await until('the second call is under way', async () => (await stack.llmStats()).in_flight === 5);
    const killed = Date.now();
    await stack.workers[0].kill('SIGKILL');
    await stack.startWorker();
    for (const run of runs) {
      // At most the lease of 10 s, the reaper's turn, and the second step's 2.5 s again.
      const ended = await stack.finished(run, killed + 16000 - Date.now());
      assert.equal(ended.status, 'completed');
      assert.equal(await stack.answer(ended), 'It is 42.');
    }
    checkOnce(stack, 3);
    assert.equal(stack.sql('SELECT 1 FROM tool_calls').length, 5);
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 1, errors: 0 }]);
    // 5 first steps, 5 second steps that were cut off, 5 second steps again: no first step again.
    await until('the ledger is complete', () => stack.ledger().length === 15);
  });
});

test('a run that kills its worker three times fails as poison, and completes when redriven', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withStack({ script: slowSecondStep, config, workers: 0 }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'go');
    for (let i = 0; i < 3; i++) {
      const worker = await stack.startWorker();
      await until('claimed, its first step done', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress' AND step >= 1`).length === 1, 30000);
      await worker.kill('SIGKILL');
      await until('taken back', () => stack.sql(`SELECT 1 FROM runs WHERE crashes = ${i + 1}`).length === 1, 30000);
    }
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'failed');
    assert.equal(ended.last_error.code, 'server_error');
    const calls = stack.ledger().length;

    // Another chance: it goes on after its first step.
    await stack.assistant({ name: 'other' });
    assert.match(stack.command('runs', 'redrive', '--poison', '--agent', 'other'), /nothing to redrive/);
    assert.equal(stack.command('runs', 'redrive', '--poison').trim(), `${run.id} is queued`);
    assert.match(stack.command('runs', 'redrive', '--poison'), /nothing to redrive/);
    await stack.startWorker();
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.equal(await stack.answer(run), 'It is 42.');
    checkOnce(stack, 3);
    assert.equal(stack.ledger().length, calls + 1, 'the first step was not repeated');
    const late = await stack.call('POST', `/v1/runs/${run.id}/redrive`);
    assert.equal(late.status, 400);
    assert.match(late.body.error.message, /^Cannot redrive run with status 'completed'/);
  });
});

test('SIGTERM drains: runs go on elsewhere, none fails, nothing counts as a crash or an error', async () => {
  const script = `
rules:
  - steps:
      - {calls: [{name: calculator, arguments: {expression: '1 + 1'}}], delay_ms: [50, 400]}
      - {calls: [{name: calculator, arguments: {expression: '{{tool}} + 1'}}], delay_ms: [50, 400]}
      - {text: 'It is {{tool}}.', delay_ms: [50, 400]}
`;
  await withStack({ script, workers: 2, slots: 50 }, async (stack) => {
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 80 }, () => stack.submit(assistant, 'go')));
    await sleep(400);
    const replacement = stack.startWorker();
    const { code } = await stack.workers[0].stop();
    assert.equal(code, 0);
    await replacement;
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    checkOnce(stack, 5);
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
    assert.equal(stack.ledger().length, 240, 'no step was repeated');
    assert.equal(stack.sql('SELECT 1 FROM workers').length, 2, 'the drained worker took its row away');
  });
});

test('cancel of a running run closes the connection to the model within a second', async () => {
  const script = `
rules:
  - then: {text: 'too late', delay_ms: 60000}
`;
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const run = await stack.submit(assistant, 'go');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    const start = Date.now();
    const cancelled = await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal(cancelled.status, 'cancelling');
    await until('the connection is closed', async () => (await stack.llmStats()).in_flight === 0, 1000);
    checkTook(Date.now() - start, 1000);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'cancelled');
    assert.ok(ended.cancelled_at);
    const again = await stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal(again.status, 400);
    // The nudge over Redis is an accelerator: without it, Postgres tells.
    stack.redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
    const second = await stack.submit(assistant, 'go');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    await stack.ok('POST', `/v1/threads/${second.thread_id}/runs/${second.id}/cancel`);
    assert.equal((await stack.finished(second, 5000)).status, 'cancelled');
  });
});

test('a cancel ends a run that its worker does not know it has', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'standard');
    stack.exec(`UPDATE runs SET due_at = now() + interval '1 hour'`);
    await stack.startWorker();
    // As after a claim whose answer was lost.
    stack.exec(`UPDATE runs SET status = 'in_progress', owner = (SELECT worker_id FROM workers), fence = fence + 1`);
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal((await stack.finished(run, 6000)).status, 'cancelled');
    assert.equal(stack.ledger().length, 0, 'no model was called for it');
    checkOnce(stack, 0);
  });
});

async function load(stack, count, during) {
  const assistant = await stack.assistant();
  const runs = [];
  let next = 0;
  const one = async () => {
    while (next++ < count) {
      // Ids of our own make a lost answer no second run: the key is the same in every try.
      const key = `load-${next}`;
      for (;;) {
        const reply = await stack
          .call('POST', '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'go' }] } }, { 'idempotency-key': key })
          .catch(() => ({ status: 0 }));
        if (reply.status === 200) {
          runs.push(reply.body);
          break;
        }
        assert.ok([0, 409, 500, 503].includes(reply.status), `status ${reply.status} ${JSON.stringify(reply.body)}`);
        await sleep(100);
      }
      await sleep(5);
    }
  };
  const submitting = Promise.all(Array.from({ length: 8 }, one));
  await during();
  await submitting;
  for (const run of runs) {
    let ended;
    for (;;) {
      ended = await stack.finished(run, 60000).catch((error) => {
        if (/503|500/.test(error.message)) return null;
        throw error;
      });
      if (ended) break;
    }
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
  }
  assert.equal(stack.sql('SELECT 1 FROM runs').length, count, 'no submission became two runs');
  checkOnce(stack, 3);
}

const steady = `
rules:
  - steps:
      - {calls: [{name: calculator, arguments: {expression: '6 * 7'}}], delay_ms: [10, 120]}
      - {text: 'It is {{tool}}.', delay_ms: [10, 120]}
`;

test('Postgres restarted under load, fast and at once: every run completed, nothing twice', async () => {
  await withStack({ script: steady, workers: 2 }, async (stack) => {
    await load(stack, 300, async () => {
      await sleep(300);
      stack.postgres('restart', '-m', 'fast');
      await sleep(700);
      stack.postgres('restart', '-m', 'immediate');
    });
  });
});

test('Redis FLUSHALL under load: work goes on', async () => {
  await withStack({ script: steady, workers: 2 }, async (stack) => {
    await load(stack, 300, async () => {
      for (let i = 0; i < 4; i++) {
        await sleep(250);
        stack.redis('FLUSHALL');
      }
    });
  });
});

test('a worker that waits for Postgres at its start ends at once when told to', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const worker = stack.program('penstock-worker', ['--port', '0'], { DATABASE_URL: 'postgresql:///none?host=/nonexistent' });
    await sleep(500);
    const start = Date.now();
    assert.deepEqual(await worker.stop(), { code: 0, signal: null });
    checkTook(Date.now() - start, 3000);
  });
});

test('calls that are planned when the lease is trusted no more are made when it is again', async () => {
  const script = `
rules:
  - steps:
      - {calls: [{name: http_request, arguments: {method: PUT, url: 'http://127.0.0.1:9/'}}], delay_ms: 5000}
      - {text: 'done'}
`;
  const config = 'worker: {lease_ms: 12000, heartbeat_ms: 500}\n';
  await withStack({ script, config, schedulerArgs: ['--roles', 'api,dispatch'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'http_request' }] });
    const runs = await Promise.all(Array.from({ length: 5 }, () => stack.submit(assistant, 'go')));
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 5);
    // The model answers while the lease is trusted (9.6 s after the last renewal), and the calls are recorded when it is not any more.
    const hold = (table, seconds) =>
      spawn('psql', [stack.databaseUrl, '-qc', 'BEGIN', '-c', `SELECT 1 FROM ${table} FOR UPDATE`, '-c', `SELECT pg_sleep(${seconds})`], { stdio: 'ignore' });
    const locks = [hold('runs', 11), hold('workers', 60)];
    try {
      await until('the calls are recorded', () => stack.sql(`SELECT 1 FROM tool_calls WHERE state = 'intent'`).length === 5);
      await sleep(300);
      assert.equal(stack.sql(`SELECT 1 FROM tool_calls WHERE state = 'intent'`).length, 5, 'none is made meanwhile');
    } finally {
      stack.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND pid <> pg_backend_pid()`);
      for (const lock of locks) lock.kill();
    }
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    assert.ok(stack.workers[0].running);
    checkOnce(stack, 3);
  });
});
