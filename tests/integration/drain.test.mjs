// Workers that are asked to leave, one after the other, with calls of models and tools under way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { checkTook, sleep, until, withStack } from '../lib/stack.mjs';

/** An HTTP server that keeps the idempotency key of each request that it received, and of each that it answered. */
class ToolServer {
  static async start(delayMs) {
    const server = new ToolServer();
    server.answered = [];
    server.received = [];
    server.http = createServer((request, reply) => {
      const key = request.headers['idempotency-key'];
      server.received.push(key);
      const timer = setTimeout(() => {
        server.answered.push(key);
        reply.end('{"ok":true}');
      }, delayMs());
      reply.on('close', () => clearTimeout(timer));
    }).listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    server.url = `http://127.0.0.1:${server.http.address().port}`;
    return server;
  }

  async stop() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }
}

const script = (url, ms) => `
rules:
  - steps:
      - {calls: [{name: calculator, arguments: {expression: '1 + 1'}}], delay_ms: ${ms}}
      - {calls: [{name: http_request, arguments: {method: PUT, url: '${url}/order', body: '{}'}}], delay_ms: ${ms}}
      - {text: 'Done.', delay_ms: ${ms}}
`;

const config = (drainMs) => `worker: {private_addresses: [127.0.0.0/8], drain_ms: ${drainMs}}\n`;

const assistant = (stack, tools) =>
  stack.assistant({ tools: [{ type: 'calculator' }, { type: 'http_request' }], http_allow: [new URL(tools.url).host] });

function checkUncounted(stack) {
  assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
  assert.equal(stack.sql('SELECT 1 FROM messages WHERE run_id IS NOT NULL GROUP BY run_id, seq HAVING count(*) > 1').length, 0);
  assert.deepEqual(
    stack.sql('SELECT r.id, count(m.id) FROM runs r LEFT JOIN messages m ON m.run_id = r.id GROUP BY r.id HAVING count(m.id) <> 5'),
    [],
  );
  assert.equal(stack.sql('SELECT 1 FROM threads WHERE active_run IS NOT NULL').length, 0);
  assert.equal(stack.sql(`SELECT 1 FROM tool_calls WHERE state <> 'done'`).length, 0);
}

test('a rolling deploy under load: no error, no crash, no step and no tool call twice', async () => {
  const tools = await ToolServer.start(() => 100 + Math.random() * 500);
  await withStack({ script: script(tools.url, '[50, 500]'), config: config(20000), workers: 3, slots: 60 }, async (stack) => {
    const agent = await assistant(stack, tools);
    const runs = [];
    let going = true;
    const load = (async () => {
      while (going || runs.length <= 50) {
        runs.push(await stack.submit(agent, 'go'));
        await sleep(20);
      }
    })();
    await sleep(500);
    for (const worker of [...stack.workers]) {
      await stack.startWorker();
      assert.deepEqual(await worker.stop(), { code: 0, signal: null });
    }
    going = false;
    await load;
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    checkUncounted(stack);
    assert.equal(stack.ledger().length, runs.length * 3, 'no call of the model was repeated');
    assert.equal(new Set(tools.received).size, runs.length);
    assert.equal(tools.received.length, runs.length, 'no call of the tool was repeated');
    assert.equal(stack.sql('SELECT 1 FROM workers').length, 3, 'who left took its row away');
  });
  await tools.stop();
});

test('what outlasts the drain is handed back: calls are repeated, steps are not', async () => {
  const tools = await ToolServer.start(() => (tools.slow ? 60000 : 10));
  tools.slow = true;
  await withStack({ script: script(tools.url, '10'), config: config(500), workers: 1, slots: 20 }, async (stack) => {
    const agent = await assistant(stack, tools);
    const runs = await Promise.all(Array.from({ length: 6 }, () => stack.submit(agent, 'go')));
    await until('all wait for the tool', () => tools.received.length === 6);
    tools.slow = false;
    const start = Date.now();
    const { code } = await stack.workers[0].stop();
    assert.equal(code, 0);
    checkTook(Date.now() - start, 5000, 'the drain of half a second');
    assert.deepEqual(stack.sql(`SELECT status, count(*)::int AS runs FROM runs GROUP BY status`), [{ status: 'queued', runs: 6 }]);
    assert.equal(stack.sql('SELECT 1 FROM workers').length, 0);
    await stack.startWorker();
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    checkUncounted(stack);
    assert.equal(stack.ledger().length, 18, 'each call of the model once');
    assert.equal(tools.received.length, 12);
    assert.equal(new Set(tools.received).size, 6, 'the second time with the same key');
    assert.equal(tools.answered.length, 6);
  });
  await tools.stop();
});

test('a second SIGTERM, or kill -9, in the middle of a drain: others go on', async () => {
  const tools = await ToolServer.start(() => 10);
  await withStack({ script: script(tools.url, '3000'), config: config(20000), workers: 2, slots: 20 }, async (stack) => {
    const agent = await assistant(stack, tools);
    const runs = await Promise.all(Array.from({ length: 10 }, () => stack.submit(agent, 'go')));
    await until('all are in work', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress'`).length === 10);
    for (const [worker, signal] of [
      [stack.workers[0], 'SIGTERM'],
      [stack.workers[1], 'SIGKILL'],
    ]) {
      await stack.startWorker();
      worker.child.kill('SIGTERM');
      await until('it drains', () => /msg=draining/.test(worker.log())); // in its log, since a drain may be over before psql has answered
      await worker.kill(signal);
      await until('seen', () => stack.sql(`SELECT 1 FROM workers WHERE pid = ${worker.pid} AND state = 'dead'`).length === 1, 2500);
    }
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    assert.equal(stack.sql('SELECT 1 FROM runs WHERE crashes > 2 OR errors > 0').length, 0);
    assert.equal(new Set(tools.received).size, 10);
  });
  await tools.stop();
});

test('a cancel reaches a run whose worker drains', async () => {
  const script = `
rules:
  - then: {text: 'too late', delay_ms: 60000}
`;
  await withStack({ script, workers: 1 }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'go');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    const [worker] = stack.workers;
    worker.child.kill('SIGTERM');
    await until('it drains', () => /msg=draining/.test(worker.log()));
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal((await stack.finished(run, 3000)).status, 'cancelled');
    assert.deepEqual(await worker.exited, { code: 0, signal: null });
  });
});

/** Claims wait from now on, until the gate is opened. */
function closeGate(stack) {
  stack.exec('CREATE TABLE gate (closed bool)');
  stack.exec('INSERT INTO gate VALUES (true)');
  stack.exec(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.status = 'queued' AND NEW.status = 'in_progress' THEN
      WHILE EXISTS (SELECT 1 FROM gate) LOOP PERFORM pg_sleep(0.05); END LOOP;
    END IF; RETURN NEW; END $$`);
  stack.exec('CREATE TRIGGER dawdle BEFORE UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION dawdle()');
}

const openGate = (stack) => stack.exec('DELETE FROM gate');

test('a run that is being claimed when the worker is asked to leave does not wait for the others in its hands', async () => {
  const slow = `
rules:
  - {when: {user: 'slow'}, then: {text: 'Done.', delay_ms: 7000}}
  - {then: {text: 'Done.'}}
`;
  await withStack({ script: slow, workers: 1, slots: 10 }, async (stack) => {
    const agent = await stack.assistant({});
    const long = await stack.submit(agent, 'slow');
    await until('the first run starts', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress'`).length === 1);
    closeGate(stack);
    const run = await stack.submit(agent, 'go');
    await until('the second is being claimed', () => stack.sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length === 1);
    const start = Date.now();
    const [worker] = stack.workers;
    const stopped = worker.stop();
    await until('it drains', () => /msg=draining/.test(worker.log()));
    openGate(stack);
    await stack.startWorker();
    assert.equal((await stack.finished(run)).status, 'completed');
    checkTook(Date.now() - start, 5000);
    await stopped;
    assert.equal((await stack.finished(long)).status, 'completed');
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
  });
});
