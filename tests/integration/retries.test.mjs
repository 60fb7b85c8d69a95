// Requests that are sent twice because an answer was lost, and servers that are away.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { checkTook, sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - then: {text: 'fine'}
`;

const creation = (assistant) => ({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'go' }] } });

/** Passes requests on to the stack; those for which drop(request, body) is true reach it, but their answers are lost. */
async function proxyOf(stack, drop) {
  const server = createServer(async (from, to) => {
    const chunks = [];
    for await (const chunk of from) chunks.push(chunk);
    const on = httpRequest(stack.url + from.url, { method: from.method, headers: from.headers }, async (answer) => {
      const body = [];
      for await (const chunk of answer) body.push(chunk);
      if (drop(from, Buffer.concat(chunks).toString())) return from.socket.destroy();
      to.writeHead(answer.statusCode, answer.headers);
      to.end(Buffer.concat(body));
    });
    on.on('error', () => from.socket.destroy());
    on.end(Buffer.concat(chunks));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** As a stock SDK: the same body again, with a count and no key. */
async function persist(stack, url, path, body, headers = {}) {
  for (let count = 0; count <= 2; count++) {
    const reply = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', 'x-stainless-retry-count': String(count), ...headers },
      body: JSON.stringify(body),
    }).catch(() => null);
    if (reply) return { status: reply.status, replayed: reply.headers.get('idempotency-replayed'), body: await reply.json() };
  }
  throw new Error('no answer in three tries');
}

test('answers that are lost on the way: the next try gets the object that the first one made', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    let losses = 1;
    const proxy = await proxyOf(stack, (request) => request.method === 'POST' && losses-- > 0);
    for (const lost of [1, 2]) {
      losses = lost;
      const reply = await persist(stack, proxy.url, '/v1/threads/runs', creation(assistant));
      assert.equal(reply.status, 200);
      assert.equal(reply.replayed, 'true');
      assert.equal((await stack.finished(reply.body)).status, 'completed');
      assert.equal(stack.sql('SELECT 1 FROM runs').length, lost);
    }
    // On a thread that is idle again by the time of the next try, and with a key.
    const { thread_id } = (await stack.ok('GET', '/v1/runs')).data[0];
    for (const headers of [{}, { 'idempotency-key': 'mine' }]) {
      losses = 1;
      const before = stack.sql('SELECT 1 FROM runs').length;
      const reply = await persist(stack, proxy.url, `/v1/threads/${thread_id}/runs`, { assistant_id: assistant.id }, headers);
      assert.equal(reply.replayed, 'true');
      assert.equal((await stack.finished(reply.body)).status, 'completed');
      assert.equal(stack.sql('SELECT 1 FROM runs').length, before + 1);
    }
    // Two people ask the same: two runs.
    const [one, two] = await Promise.all([1, 2].map(() => persist(stack, stack.url, '/v1/threads/runs', creation(assistant))));
    assert.notEqual(one.body.id, two.body.id);
    proxy.close();
  });
});

test('kill -9 of the scheduler under submissions: each is one run, with a key and without', async () => {
  await withStack({ script, workers: 1 }, async (stack) => {
    const assistant = await stack.assistant();
    const count = 60;
    let answered = 0;
    const submit = async (i) => {
      const body = { ...creation(assistant), metadata: { n: String(i) } };
      for (let tries = 0; ; tries++) {
        const headers = i % 2 ? { 'idempotency-key': `key-${i}` } : { 'x-stainless-retry-count': String(tries) };
        const reply = await stack.call('POST', '/v1/threads/runs', body, headers).catch(() => null);
        if (reply?.status === 200) {
          answered++;
          return reply.body;
        }
        assert.ok(!reply || [409, 503].includes(reply.status), JSON.stringify(reply?.body));
        // A claim lapses after a minute; here the minute is shortened.
        stack.exec(`UPDATE idempotency_keys SET created_at = created_at - interval '1 minute' WHERE status_code IS NULL AND key LIKE 'key-%'`);
        await sleep(100);
      }
    };
    const all = Promise.all(Array.from({ length: count }, async (_, i) => {
      await sleep(i * 10);
      return submit(i);
    }));
    for (let i = 1; i <= 2; i++) {
      await until('some are answered', () => answered >= i * 15);
      await stack.scheduler.kill('SIGKILL');
      await stack.startScheduler();
    }
    const runs = await all;
    assert.equal(new Set(runs.map((run) => run.id)).size, count);
    assert.equal(stack.sql('SELECT 1 FROM runs').length, count);
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
  });
});

test('Postgres stopped: 503 soon with what to do on every endpoint, and work again when it is back', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const run = await stack.submit(assistant, 'go');
    await stack.finished(run);
    stack.postgres('stop', '-m', 'fast');
    const thread = `/v1/threads/${run.thread_id}`;
    const requests = [
      ['POST', '/v1/assistants', { model: 'openai/gpt-4o-mini' }],
      ['GET', '/v1/assistants'],
      ['POST', `/v1/assistants/${assistant.id}`, { name: 'x' }],
      ['DELETE', `/v1/assistants/${assistant.id}`],
      ['POST', '/v1/threads', {}],
      ['GET', thread],
      ['POST', thread, { metadata: {} }],
      ['DELETE', thread],
      ['POST', `${thread}/messages`, { role: 'user', content: 'x' }],
      ['GET', `${thread}/messages`],
      ['POST', `${thread}/runs`, { assistant_id: assistant.id }],
      ['POST', `${thread}/runs`, { assistant_id: assistant.id, multitask_strategy: 'interrupt' }],
      ['GET', `${thread}/runs`],
      ['GET', `${thread}/runs/${run.id}`],
      ['POST', `${thread}/runs/${run.id}/cancel`],
      ['POST', `${thread}/runs/${run.id}/redrive`],
      ['GET', `${thread}/runs/${run.id}/steps`],
      ['GET', '/v1/runs'],
      ['POST', '/v1/threads/runs', creation(assistant)],
    ];
    for (const headers of [{}, { 'idempotency-key': 'while-away' }, { 'x-stainless-retry-count': '0' }]) {
      const start = Date.now();
      const replies = await Promise.all(requests.map(([method, path, body]) => stack.call(method, path, body, headers)));
      const took = Date.now() - start;
      replies.forEach((reply, i) => {
        assert.equal(reply.status, 503, `${requests[i].slice(0, 2)}: ${JSON.stringify(reply.body)}`);
        assert.equal(reply.headers.get('retry-after'), '1');
        assert.equal(reply.headers.get('x-should-retry'), 'true');
        assert.equal(reply.body.error.code, 'service_unavailable');
      });
      checkTook(took, 4500, 'all answers');
    }
    stack.postgres('start');
    const again = await until('submissions work', async () => {
      const reply = await stack.call('POST', '/v1/threads/runs', creation(assistant), { 'idempotency-key': 'while-away-2' });
      return reply.status === 200 && reply.body;
    });
    assert.equal((await stack.finished(again)).status, 'completed');
    assert.equal(stack.sql('SELECT 1 FROM runs').length, 2, 'what was refused left nothing behind');
  });
});

test('Redis away all the time: submissions succeed, and runs run to the end', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    stack.redis('SHUTDOWN', 'NOSAVE');
    await stack.startWorker();
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 20 }, () => stack.submit(assistant, 'go')));
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    const next = await stack.ok('POST', `/v1/threads/${runs[0].thread_id}/runs`, { assistant_id: assistant.id, multitask_strategy: 'enqueue' });
    assert.equal((await stack.finished(next)).status, 'completed');
  });
});
