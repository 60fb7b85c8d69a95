// What runs in work may hold together: runs with large histories, results and answers wait for one another, and not the others for them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkPeak, peakBytes } from '../lib/memory.mjs';
import { sleep, until, withStack } from '../lib/stack.mjs';

const MIB = 1 << 20;
const live = `status NOT IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired')`;

async function metric(worker, name) {
  const text = await (await fetch(`${worker.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

/** A thread with so many messages of half a MiB before its question. */
async function largeRun(stack, assistant, messages, fields = {}) {
  const thread = await stack.ok('POST', '/v1/threads', {});
  stack.exec(`INSERT INTO messages (id, tenant_id, thread_id, role, content)
    SELECT gen_random_uuid(), t.tenant_id, t.id, 'user', jsonb_build_array(jsonb_build_object('type', 'text',
      'text', jsonb_build_object('value', repeat(md5(i::text), 16384), 'annotations', '[]'::jsonb)))
    FROM threads t, generate_series(1, ${messages}) i
    WHERE t.id = '${thread.id.replace('thread_', '')}'::uuid`);
  return stack.ok('POST', `/v1/threads/${thread.id}/runs`, {
    assistant_id: assistant.id,
    additional_messages: [{ role: 'user', content: 'large' }],
    ...fields,
  });
}

test('runs with large histories wait for one another, and runs of others do not wait for them', async () => {
  const script = `
rules:
  - name: large
    when: {user: large}
    then: {text: 'Much was said.', delay_ms: 1500}
  - name: small
    then: {text: 'Little was said.'}
`;
  const runs = 24;
  const config = `worker: {memory_bytes: ${32 * MIB}}\n`;
  await withStack({ script, config, slots: 100, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const large = [];
    for (let i = 0; i < runs; i++) large.push(await largeRun(stack, assistant, 4));
    const worker = await stack.startWorker();
    const before = peakBytes(worker);
    await until('runs wait for memory', async () => (await metric(worker, 'penstock_worker_memory_waits_total')) > 0);

    const other = stack.tenant('other');
    const helper = await other.assistant();
    const small = await Promise.all(Array.from({ length: 20 }, () => other.submit(helper, 'hello')));
    for (const run of small) assert.equal((await other.finished(run)).status, 'completed');
    assert.ok(stack.sql(`SELECT 1 FROM runs WHERE ${live}`).length > runs / 2, 'the small ones came through while most of the large ones waited');

    for (const run of large) {
      const ended = await stack.finished(run, 120000);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(await stack.answer(ended), 'Much was said.');
    }
    assert.equal(stack.ledger().length, runs + small.length, 'no model was asked twice');
    assert.equal(await metric(worker, 'penstock_worker_memory_bytes'), 32 * MIB);
    assert.equal(await metric(worker, 'penstock_worker_memory_used_bytes'), 0);
    assert.equal(await metric(worker, 'penstock_worker_memory_waiting'), 0);
    assert.match(worker.log(), /runs wait for memory/);
    const page = await (await fetch(`${worker.url}/metrics`)).text();
    assert.match(page, new RegExp(`^penstock_worker_model_calls_total\\{provider="openai",model="gpt-4o-mini"\\} ${runs + small.length}$`, 'm'));
    assert.match(page, new RegExp(`^penstock_worker_model_call_seconds_count\\{provider="openai",outcome="answered"\\} ${runs + small.length}$`, 'm'));
    // What a slot comes with, and the setting. Without a bound it is 170 MiB more than at the start.
    checkPeak(worker, before + 100 * (MIB / 4) + 32 * MIB);
  });
});

test('a worker that leaves hands back at once what waits for room', async () => {
  const script = `
rules:
  - when: {user: large}
    then: {text: 'Much was said.', delay_ms: 5000}
`;
  const config = `worker: {memory_bytes: ${16 * MIB}, drain_ms: 60000}\n`;
  await withStack({ script, config, slots: 100, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    for (let i = 0; i < 4; i++) await largeRun(stack, assistant, 4);
    const worker = await stack.startWorker();
    await until('three wait for one', async () =>
      (await metric(worker, 'penstock_worker_memory_waiting')) === 3 && (await stack.llmStats()).in_flight === 1);
    const left = worker.stop();
    await until('the model is asked once, and the others are free', () =>
      stack.sql(`SELECT status, count(*)::int AS runs FROM runs GROUP BY status`).map((row) => `${row.runs} ${row.status}`).sort().join() ===
      '1 in_progress,3 queued', 4000);
    assert.deepEqual(await left, { code: 0, signal: null });
    assert.deepEqual(stack.sql('SELECT DISTINCT errors, crashes FROM runs'), [{ errors: 0, crashes: 0 }]);
  });
});

/** Runs of one step with so many calls, whose results are more than there is room for. */
async function manyResults({ method, runs, calls }, check) {
  const received = [];
  const tools = createServer((request, reply) => {
    received.push(request.headers['idempotency-key']);
    setTimeout(() => reply.end('x'.repeat(200000)), 20);
  }).listen(0, '127.0.0.1');
  tools.unref();
  await once(tools, 'listening');
  const host = `127.0.0.1:${tools.address().port}`;
  const call = `{name: http_request, arguments: {method: ${method}, url: 'http://${host}/', body: '{}'}}`;
  const script = `
rules:
  - steps:
      - calls: [${Array.from({ length: calls }, () => call).join(', ')}]
      - text: 'Done.'
`;
  const config = `worker: {private_addresses: [127.0.0.0/8], memory_bytes: ${4 * MIB}}\n`;
  await withStack({ script, config, slots: 50 }, async (stack) => {
    const agent = await stack.assistant({ tools: [{ type: 'http_request' }], http_allow: [host] });
    const all = await Promise.all(Array.from({ length: runs }, () => stack.submit(agent, 'go')));
    for (const run of all) {
      const ended = await stack.finished(run, 120000);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    }
    assert.ok((await metric(stack.workers[0], 'penstock_worker_memory_turned_away_total')) > 0);
    assert.equal(await metric(stack.workers[0], 'penstock_worker_memory_used_bytes'), 0);
    assert.equal(new Set(received).size, received.length, 'no call was made twice');
    assert.equal(stack.ledger().length, runs * 2, 'no model was asked twice');
    assert.deepEqual(stack.sql('SELECT DISTINCT errors, crashes FROM runs'), [{ errors: 0, crashes: 0 }]);
    assert.deepEqual(stack.sql('SELECT DISTINCT state FROM tool_calls'), [{ state: 'done' }]);
    check(stack, received);
  });
  tools.closeAllConnections();
  tools.close();
}

test('results of tools wait for room too: what was done is kept, and the rest is done later', () =>
  manyResults({ method: 'PUT', runs: 16, calls: 24 }, (stack, received) => {
    assert.equal(received.length, 16 * 24, 'each call was made');
  }));

test('a call that may be made once only, and for whose result there is no room, is not made', () =>
  manyResults({ method: 'POST', runs: 16, calls: 24 }, (stack, received) => {
    const [{ refused }] = stack.sql(`SELECT count(*)::int AS refused FROM tool_calls WHERE is_error AND result LIKE 'This call was not made%'`);
    assert.ok(refused > 0);
    assert.equal(received.length + refused, 16 * 24);
  }));

test('a run that needs most of the memory is let in while those of others go on growing, and so is one behind it', async () => {
  const tools = createServer((request, reply) => reply.end('x'.repeat(200000))).listen(0, '127.0.0.1');
  tools.unref();
  await once(tools, 'listening');
  const host = `127.0.0.1:${tools.address().port}`;
  const call = `{name: http_request, arguments: {method: GET, url: 'http://${host}/'}}`;
  const script = `
rules:
  - when: {user: large}
    then: {text: 'Much was said.'}
  - when: {user: grow}
    steps:
      - calls: [${Array.from({ length: 8 }, () => call).join(', ')}]
      - {text: 'Done.', delay_ms: [1500, 2500]}
`;
  const config = `worker: {private_addresses: [127.0.0.0/8], memory_bytes: ${8 * MIB}}\n`;
  await withStack({ script, config, slots: 100 }, async (stack) => {
    const [worker] = stack.workers;
    const other = stack.tenant('other');
    const grower = await other.assistant({ tools: [{ type: 'http_request' }], http_allow: [host] });
    const assistant = await stack.assistant();
    let going = true;
    let grown = 0;
    const streams = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) {
          const ended = await other.finished(await other.submit(grower, 'grow'), 120000);
          assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
          grown++;
        }
      }),
    );
    streams.catch(() => {}); // told below
    await until('what has grown fills half of the memory', async () => (await metric(worker, 'penstock_worker_memory_used_bytes')) > 4 * MIB);
    const all = await largeRun(stack, assistant, 5); // 10 MiB
    await until('it waits', async () => (await metric(worker, 'penstock_worker_memory_waiting')) > 0);
    const most = await largeRun(stack, assistant, 2); // 4 MiB, of the 6 for those that are let in
    for (const run of [all, most]) assert.equal((await stack.finished(run, 90000)).status, 'completed');
    const before = grown;
    await until('the others go on', () => grown > before + 10, 90000);
    going = false;
    await streams;
    assert.deepEqual(stack.sql('SELECT DISTINCT errors, crashes FROM runs'), [{ errors: 0, crashes: 0 }]);
    assert.equal(stack.ledger().length, 2 + 2 * grown, 'no model was asked twice');
    assert.equal(await metric(worker, 'penstock_worker_memory_used_bytes'), 0);
  });
  tools.closeAllConnections();
  tools.close();
});

test('a run that needs most of the memory is let in while answers of ever new runs take it', async () => {
  const tools = createServer((request, reply) => {
    request.resume();
    setTimeout(() => reply.end('x'), 1000);
  }).listen(0, '127.0.0.1');
  tools.unref();
  await once(tools, 'listening');
  const host = `127.0.0.1:${tools.address().port}`;
  const script = `
rules:
  - when: {user: large}
    then: {text: 'Much was said.'}
  - steps:
      - calls: [{name: http_request, arguments: {method: PUT, url: 'http://${host}/', body: '${'y'.repeat(50000)}'}}]
      - {text: 'Done.'}
`;
  const config = `worker: {private_addresses: [127.0.0.0/8], memory_bytes: ${2 * MIB}}\n`;
  await withStack({ script, config, slots: 32 }, async (stack) => {
    const [worker] = stack.workers;
    const other = stack.tenant('other');
    const grower = await other.assistant({ tools: [{ type: 'http_request' }], http_allow: [host] });
    const assistant = await stack.assistant();
    const fresh = () => stack.sql(`SELECT count(*)::int AS runs FROM runs WHERE status = 'queued' AND wait_kind IS NULL`)[0].runs;
    let going = true;
    const submit = async () => {
      while (going)
        if (fresh() < 32) await Promise.all(Array.from({ length: 8 }, () => other.submit(grower, 'z'.repeat(60000))));
        else await sleep(20);
    };
    const submitted = submit();
    submitted.catch(() => {}); // told below
    await until('what has grown fills the memory', async () => (await metric(worker, 'penstock_worker_memory_used_bytes')) > 1.5 * MIB);
    const run = await largeRun(stack, assistant, 1); // 2 MiB
    assert.equal((await stack.finished(run, 90000)).status, 'completed');
    going = false;
    await submitted;
    await until('the others have ended', () => stack.sql(`SELECT 1 FROM runs WHERE ${live} LIMIT 1`).length === 0, 120000);
    assert.deepEqual(stack.sql('SELECT DISTINCT status, errors, crashes FROM runs'), [{ status: 'completed', errors: 0, crashes: 0 }]);
    const [{ runs }] = stack.sql('SELECT count(*)::int AS runs FROM runs');
    assert.equal(stack.ledger().length, runs * 2 - 1, 'no model was asked twice');
  });
  tools.closeAllConnections();
  tools.close();
});
