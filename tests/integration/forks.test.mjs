// Copies of threads: everything up to and with a message, with what tools exchanged, all or nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}, {name: calculator, arguments: {expression: '{{user}}'}}]}
      - {calls: [{name: calculator, arguments: {expression: '{{tool.1}}+1'}}]}
      - {text: 'It is {{tool.3}}.'}
  - {name: stalls, when: {user: '^wait'}, steps: [{calls: [{name: calculator, arguments: {expression: '1'}}]}, {stall: true}]}
  - {name: any, then: {text: 'So.'}}
`;

const messagesOf = async (stack, thread) => (await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc&limit=100`)).data;
const shown = (messages) => messages.map(({ role, content, created_at, assistant_id, metadata }) => ({ role, content, created_at, assistant_id, metadata }));

/** What the model is sent for a run of the thread, without the message that asks for it and without ids of calls. */
async function history(stack, assistant, thread) {
  const run = await stack.finished(await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, input: 'ask' }));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const sent = JSON.parse((await stack.lastCall()).request).messages;
  assert.deepEqual(sent.pop(), { role: 'user', content: 'ask' });
  return sent;
}

test('a fork at each message sends exactly what was there up to it', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const first = await stack.submit(assistant, 'sum 1', { thread: { title: 'Sums', metadata: { of: 'mine' }, messages: [{ role: 'user', content: 'sum 1', metadata: { a: 'b' } }] } });
    const thread = first.thread_id;
    await stack.finished(first);
    for (const n of [2, 3]) await stack.finished(await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, input: `sum ${n}` }));
    const messages = await messagesOf(stack, thread);
    assert.equal(messages.length, 6);

    const whole = await stack.ok('POST', `/v1/threads/${thread}/fork`, {});
    assert.deepEqual([whole.title, whole.metadata, whole.forked_from, whole.usage.total_tokens], ['Sums', { of: 'mine' }, thread, 0]);
    assert.deepEqual(shown(await messagesOf(stack, whole.id)), shown(messages));
    const all = await history(stack, assistant, whole.id);
    assert.equal(all.length, 1 + 3 * 7, 'system, and of each sum what was asked, two rounds with three results, the answer');

    const lengths = [1, 7, 8, 14, 15, 21];
    for (const [i, message] of messages.entries()) {
      const fork = await stack.ok('POST', `/v1/threads/${thread}/fork`, { message_id: message.id, title: `Until ${i}`, metadata: {} });
      assert.deepEqual([fork.title, fork.metadata, fork.forked_from], [`Until ${i}`, {}, thread]);
      const copied = await messagesOf(stack, fork.id);
      assert.deepEqual(shown(copied), shown(messages.slice(0, i + 1)));
      assert.equal(new Set([...copied, ...messages].map((one) => one.id)).size, copied.length + messages.length, 'ids of their own');
      assert.deepEqual(await history(stack, assistant, fork.id), all.slice(0, 1 + lengths[i]), `up to ${message.content[0].text.value}`);
    }
    assert.deepEqual(shown(await messagesOf(stack, thread)), shown(messages), 'the source is as it was');

    // A copy of a copy, and one whose source is gone.
    await stack.ok('DELETE', `/v1/threads/${thread}`);
    const again = await stack.ok('POST', `/v1/threads/${whole.id}/fork`, {});
    assert.equal(again.forked_from, whole.id);
    assert.equal((await stack.ok('GET', `/v1/threads/${whole.id}`)).forked_from, thread);
  });
});

test('what an active run has done so far is not copied; what is not there is refused, and nothing is made', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const run = await stack.submit(assistant, 'wait');
    await until('the second call is under way', async () => stack.ledger().length === 1 && (await stack.llmStats()).in_flight === 1);
    const fork = await stack.ok('POST', `/v1/threads/${run.thread_id}/fork`, {});
    assert.equal(stack.sql(`SELECT count(*) FROM messages WHERE thread_id = '${fork.id.slice('thread_'.length)}'`)[0].count, 1);
    const ended = await stack.finished(await stack.ok('POST', `/v1/threads/${fork.id}/runs`, { assistant_id: assistant.id, input: 'go' }));
    assert.equal(ended.status, 'completed');

    const threads = stack.sql('SELECT count(*) FROM threads')[0].count;
    const hidden = stack.sql('SELECT id FROM messages WHERE hidden LIMIT 1')[0].id.replaceAll('-', '');
    const elsewhere = (await messagesOf(stack, fork.id))[0].id;
    const other = stack.tenant('other');
    for (const [who, path, body, status] of [
      [stack, run.thread_id, { message_id: 'msg_1' }, 404],
      [stack, run.thread_id, { message_id: `msg_${hidden}` }, 404],
      [stack, run.thread_id, { message_id: elsewhere }, 404],
      [stack, `thread_${'0'.repeat(32)}`, {}, 404],
      [stack, run.thread_id, { title: '' }, 400],
      [stack, run.thread_id, { title: 'x'.repeat(257) }, 400],
      [stack, run.thread_id, { messages: [] }, 400],
      [other, run.thread_id, {}, 404],
    ]) {
      const refused = await who.call('POST', `/v1/threads/${path}/fork`, body);
      assert.equal(refused.status, status, JSON.stringify(refused.body));
    }
    assert.equal(stack.sql('SELECT count(*) FROM threads')[0].count, threads);
    const key = { 'idempotency-key': 'fork' };
    const once = await stack.ok('POST', `/v1/threads/${fork.id}/fork`, {}, key);
    assert.equal((await stack.ok('POST', `/v1/threads/${fork.id}/fork`, {}, key)).id, once.id);
    const named = await stack.ok('POST', `/v1/threads/${once.id}`, { title: 'Named' });
    assert.equal(named.title, 'Named');
    assert.equal((await stack.ok('POST', `/v1/threads/${once.id}`, { metadata: { a: 'b' } })).title, 'Named');
    assert.equal((await stack.ok('POST', `/v1/threads/${once.id}`, { title: null })).title, null);
    assert.equal((await stack.ok('POST', '/v1/threads', { title: 'New' })).title, 'New');
  });
});

test('kill -9 of the scheduler during a copy leaves all of it or nothing', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const content = 'x'.repeat(10000);
    const thread = await stack.ok('POST', '/v1/threads', { messages: Array.from({ length: 300 }, (_, i) => ({ role: 'user', content: `${i} ${content}` })) });
    let made = 0;
    for (let round = 0; round < 6; round++) {
      const forks = Array.from({ length: 4 }, () => stack.call('POST', `/v1/threads/${thread.id}/fork`, {}).then((reply) => reply.status === 200, () => false));
      await sleep(5 + 25 * round);
      await stack.scheduler.kill('SIGKILL');
      made += (await Promise.all(forks)).filter(Boolean).length;
      await stack.startScheduler();
    }
    const counts = stack.sql(`SELECT t.id, count(m.id) AS count FROM threads t LEFT JOIN messages m ON m.thread_id = t.id GROUP BY t.id`);
    assert.deepEqual([...new Set(counts.map((row) => row.count))], [300]);
    assert.ok(counts.length - 1 >= made, `${counts.length - 1} copies, ${made} answered`);
  });
});
