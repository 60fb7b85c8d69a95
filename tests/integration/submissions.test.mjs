// Many submissions at the same time: they leave as one statement, and each is answered as if it were alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - then: {text: 'done'}
`;

/** Status and body; status 0 when the connection was lost. */
async function post(stack, path, body, headers = {}) {
  const reply = await fetch(stack.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }).catch(() => null);
  return reply ? { status: reply.status, body: await reply.json().catch(() => ({})) } : { status: 0, body: {} };
}

const submission = (assistant, text) => ({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: text }] } });
const together = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));
const stored = (stack) => stack.sql('SELECT count(*)::int AS count FROM runs')[0].count;
const ids = (replies) => new Set(replies.map((reply) => reply.body.id).filter(Boolean));

function tally(replies) {
  const counts = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('the same first try a hundred times at once is a hundred runs; with one key it is one', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const tries = await together(100, () => post(stack, '/v1/threads/runs', submission(assistant, 'same'), { 'x-stainless-retry-count': '0' }));
    assert.deepEqual(tally(tries), { 200: 100 });
    assert.equal(ids(tries).size, 100);
    assert.equal(stored(stack), 100);
    const keyed = await together(50, () => post(stack, '/v1/threads/runs', submission(assistant, 'key'), { 'idempotency-key': 'one' }));
    assert.ok(keyed.every((reply) => [200, 409].includes(reply.status)), JSON.stringify(tally(keyed)));
    assert.equal(ids(keyed).size, 1);
    assert.equal(stored(stack), 101);
  });
});

test('the first answer to a key is given again to the byte', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const ask = async () => {
      const reply = await fetch(`${stack.url}/v1/threads`, { method: 'POST', body: '{"metadata": {"b": "1", "a": "2"}}', headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', 'idempotency-key': 'mine' } });
      return [reply.status, await reply.text()];
    };
    const first = await ask();
    assert.equal(first[0], 200);
    assert.deepEqual(await ask(), first);
  });
});

test('an assistant that is updated all the time is never missing', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    let going = true;
    const updates = together(2, async (n) => {
      for (let i = 0; going; i++) await stack.call('POST', `/v1/assistants/${assistant.id}`, { description: `${n} ${i}` });
    });
    const replies = await together(4, async () => {
      const mine = [];
      for (let i = 0; i < 25; i++) mine.push(await post(stack, '/v1/threads/runs', submission(assistant, 'hello')));
      return mine;
    });
    going = false;
    await updates;
    for (const { status, body } of replies.flat())
      if (status !== 200) assert.deepEqual([status, body.error.message], [503, 'The assistant is being updated at this moment. Please try again.']);
    assert.ok(replies.flat().some(({ status }) => status === 200));
  });
});

test('of a hundred runs at once on a thread one is made, and the others are told of it', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const thread = await stack.ok('POST', '/v1/threads', {});
    const replies = await together(100, () => post(stack, `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id }));
    assert.deepEqual(tally(replies), { 200: 1, 400: 99 });
    const [run] = ids(replies);
    for (const reply of replies.filter((one) => one.status === 400)) assert.match(reply.body.error.message, new RegExp(`already has an active run ${run}`));
    assert.equal(stored(stack), 1);
  });
});

test('bad ones among good ones are refused, and do no harm to these', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const id = `"assistant_id":"${assistant.id}"`;
    const bad = [
      { assistant_id: 'asst_00000000000000000000000000000000' },
      `{${id},"metadata":{"a":"\\u0000"}}`,
      `{${id},"thread":{"messages":[{"role":"user","content":"\\ud800"}]}}`,
      submission(assistant, 'x'.repeat(300000)),
      { assistant_id: assistant.id, metadata: { a: 1 } },
    ];
    const replies = await together(160, (i) => post(stack, '/v1/threads/runs', i % 2 ? bad[(i >> 1) % bad.length] : submission(assistant, `good ${i}`)));
    assert.deepEqual(tally(replies), { 200: 80, 400: 64, 404: 16 });
    assert.equal(stored(stack), 80);
  });
});

test('kill -9 of the scheduler amid submissions: second tries make what is missing, and nothing twice', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const bodies = Array.from({ length: 300 }, (_, i) => submission(assistant, `kill ${i}`));
    const firstTries = bodies.map((body) => post(stack, '/v1/threads/runs', body, { 'x-stainless-retry-count': '0' }));
    await until('some are stored', () => stored(stack) > 0);
    await stack.scheduler.kill('SIGKILL');
    const first = await Promise.all(firstTries);
    await stack.startScheduler();
    const again = bodies.filter((_, i) => first[i].status !== 200);
    const second = await Promise.all(again.map((body) => post(stack, '/v1/threads/runs', body, { 'x-stainless-retry-count': '1' })));
    assert.deepEqual(tally(second), again.length ? { 200: again.length } : {});
    assert.equal(stored(stack), bodies.length);
    assert.equal(ids([...first, ...second]).size, bodies.length);
  });
});
