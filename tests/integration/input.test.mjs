// What comes from outside and is wrong: a clear 4xx each, and nothing changed.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const counts = (stack) =>
  stack.sql(`SELECT (SELECT count(*) FROM agents) a, (SELECT count(*) FROM agent_versions) v, (SELECT count(*) FROM threads) t,
    (SELECT count(*) FROM messages) m, (SELECT count(*) FROM runs) r`)[0];

test('bad requests get a clear 4xx and change nothing', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const thread = await stack.ok('POST', '/v1/threads', {});
    const before = counts(stack);
    const deep = '['.repeat(100000);
    const cases = [
      // [what, path, body, status, pattern of the message, param]
      ['bad JSON', '/v1/assistants', '{"model": ', 400, /JSON/],
      ['two documents', '/v1/assistants', '{"model":"openai/x"} {}', 400, /JSON/],
      ['empty body', '/v1/assistants', '', 400, /./],
      ['deep JSON', '/v1/assistants', `{"metadata": ${deep}`, 400, /./],
      ['deep but closed JSON', '/v1/assistants', `{"model":"openai/x","metadata":${'['.repeat(200)}${']'.repeat(200)}}`, 400, /./],
      ['NUL', '/v1/threads', '{"messages":[{"role":"user","content":"a\\u0000b"}]}', 400, /u0000/],
      ['invalid UTF-8', '/v1/threads', new Uint8Array([...Buffer.from('{"metadata":{"a":"'), 0xc0, 0xaf, ...Buffer.from('"}}')]), 400, /UTF-8/],
      ['lone surrogate', '/v1/threads', '{"metadata":{"a":"\\ud800"}}', 400, /surrogate/],
      ['array body', '/v1/threads', '[]', 400, /object/],
      ['unknown field', '/v1/assistants', { model: 'openai/x', colour: 'red' }, 400, /colour/, 'colour'],
      ['wrong type', '/v1/assistants', { model: 7 }, 400, /string/, 'model'],
      ['missing model', '/v1/assistants', { name: 'x' }, 400, /model/, 'model'],
      ['unknown model', '/v1/assistants', { model: 'gpt-unheard-of-9' }, 400, /provider\/model/, 'model'],
      ['temperature', '/v1/assistants', { model: 'openai/x', temperature: 3 }, 400, /temperature|2/, 'temperature'],
      ['long name', '/v1/assistants', { model: 'openai/x', name: 'n'.repeat(257) }, 400, /256/, 'name'],
      ['metadata pairs', '/v1/threads', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }, 400, /16/, 'metadata'],
      ['metadata value', '/v1/threads', { metadata: { a: 5 } }, 400, /string/],
      ['unknown tool', '/v1/assistants', { model: 'openai/x', tools: [{ type: 'teleport' }] }, 400, /teleport/],
      ['hosted tool', '/v1/assistants', { model: 'openai/x', tools: [{ type: 'file_search' }] }, 400, /file_search/],
      ['role', '/v1/threads', { messages: [{ role: 'tool', content: 'x' }] }, 400, /role|user/],
      ['no assistant', '/v1/threads/runs', { thread: {} }, 400, /assistant_id/, 'assistant_id'],
      ['unknown assistant', '/v1/threads/runs', { assistant_id: 'asst_00000000000000000000000000000000' }, 404, /No assistant found/],
      ['odd assistant id', '/v1/threads/runs', { assistant_id: "asst_'; DROP TABLE runs" }, 404, /No assistant found/],
      ['unknown thread', '/v1/threads/thread_00000000000000000000000000000000/messages', { role: 'user', content: 'x' }, 404, /No thread found/],
      ['stream', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, stream: 'yes' }, 400, /boolean/, 'stream'],
      ['unknown path', '/v1/nothing', {}, 404, /Unknown request URL/],
    ];
    for (const [what, path, body, status, pattern, param] of cases) {
      const reply = await stack.call('POST', path, body, { 'content-type': 'application/json' });
      assert.equal(reply.status, status, `${what}: ${JSON.stringify(reply.body)}`);
      assert.ok(reply.headers.get('x-request-id'), what);
      assert.match(reply.body.error.message, pattern, what);
      assert.equal(reply.body.error.type, 'invalid_request_error', what);
      if (param) assert.equal(reply.body.error.param, param, what);
    }
    assert.deepEqual(counts(stack), before);
  });
});

test('patterns that take long to compile, in small bodies and large ones, hold up nobody', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    // 0.4 s each for a regular expression engine that goes through all characters of each class.
    const pattern = '(?i)' + '[\u0100-\u{10FFFF}]'.repeat(100);
    const body = (count) => ({ model: 'openai/x', tools: [{ type: 'function', function: { name: 'f', parameters: { properties: Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { pattern }])) } } }] });
    for (const count of [40, 80, 80, 80, 80]) {
      const reply = await stack.call('POST', '/v1/assistants', body(count));
      assert.equal(reply.status, 400);
      assert.match(reply.body.error.message, /p0\.pattern: not a pattern: where case is ignored/);
    }
    assert.ok(stack.scheduler.running, stack.scheduler.log());
    await stack.ok('POST', '/v1/threads', { messages: Array.from({ length: 4 }, () => ({ role: 'user', content: 'x'.repeat(30000) })) });
  });
});

test('an oversize body is refused before it is read, whoever says its size', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const reply = await new Promise((done, fail) => {
      const socket = connect(stack.port, '127.0.0.1', () => {
        socket.write(`POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${stack.key}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`);
      });
      let text = '';
      socket.on('data', (chunk) => (text += chunk));
      socket.on('error', fail);
      socket.on('close', () => done(text));
    });
    assert.match(reply, /^HTTP\/1\.1 413 /);
    assert.match(reply, /"error"/);
    const big = await stack.call('POST', '/v1/threads', JSON.stringify({ metadata: { a: 'x'.repeat(5 << 20) } })).catch(() => null);
    if (big) assert.equal(big.status, 413);
  });
});

test('keys: missing, wrong, revoked and foreign ones', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const thread = await stack.ok('POST', '/v1/threads', {});
    const none = await fetch(`${stack.url}/v1/assistants`);
    assert.equal(none.status, 401);
    const wrong = await stack.call('GET', '/v1/assistants', undefined, { authorization: 'Bearer pk_wrong' });
    assert.equal(wrong.status, 401);
    assert.equal(wrong.body.error.code, 'invalid_api_key');
    const other = stack.tenant('other').key;
    const foreign = await stack.call('GET', `/v1/threads/${thread.id}`, undefined, { authorization: `Bearer ${other}` });
    assert.equal(foreign.status, 404);
    assert.equal(stack.sql(`SELECT 1 FROM api_keys WHERE hash::text LIKE '%${other}%' OR prefix = '${other}'`).length, 0);
    const listed = stack.command('keys', 'list', '--tenant', 'other');
    assert.doesNotMatch(listed, new RegExp(other));
    const id = listed.match(/key_[0-9a-f]{32}/)[0];
    stack.command('keys', 'revoke', id);
    const deadline = Date.now() + 15000;
    let status;
    do {
      status = (await stack.call('GET', '/v1/assistants', undefined, { authorization: `Bearer ${other}` })).status;
    } while (status !== 401 && Date.now() < deadline);
    assert.equal(status, 401);
  });
});

test('health, readiness and metrics', async () => {
  await withStack({}, async (stack) => {
    assert.equal((await fetch(`${stack.url}/healthz`)).status, 200);
    assert.equal((await fetch(`${stack.url}/readyz`)).status, 200);
    assert.match(await (await fetch(`${stack.url}/metrics`)).text(), /^# HELP penstock_/m);
    assert.match(await (await fetch(`${stack.workers[0].url}/metrics`)).text(), /^penstock_worker_slots 200$/m);
    await stack.finished(await stack.submit(await stack.assistant(), 'What is 2 + 2?'));
    const metrics = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    assert.match(metrics, /^penstock_worker_queue_wait_seconds_count 1$/m);
    assert.ok(Number(/^penstock_worker_queue_wait_seconds_sum ([0-9.e+-]+)$/m.exec(metrics)[1]) < 10);
    stack.postgres('stop', '-m', 'fast');
    const ready = await fetch(`${stack.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /postgres/);
    assert.equal((await fetch(`${stack.url}/healthz`)).status, 200);
    const submit = await stack.call('POST', '/v1/threads', {});
    assert.equal(submit.status, 503);
    assert.ok(submit.headers.get('retry-after'));
    stack.postgres('start');
    for (let i = 0; i < 100 && (await fetch(`${stack.url}/readyz`)).status !== 200; i++) await new Promise((done) => setTimeout(done, 100));
    assert.equal((await stack.call('POST', '/v1/threads', {})).status, 200);
  });
});

test('a worker does not start with an exception that its guard would not understand', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const worker = stack.program('penstock-worker', ['--port', '0'], { PENSTOCK_PRIVATE_ADDRESSES: '::1:80' });
    assert.deepEqual(await worker.exited, { code: 2, signal: null });
    assert.match(worker.log(), /worker\.private_addresses: '::1:80' is neither/);
  });
});
