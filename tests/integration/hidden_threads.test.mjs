// Threads that nobody is shown, and those that a scheduler erases.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

test('hidden threads are in no list, and those that erase are gone with all that was in them', async () => {
  await withStack({}, async (stack) => {
    const assistant = await stack.assistant();
    const runs = [];
    for (const prompt of ['shown', 'hidden', 'erased', 'at work']) runs.push(await stack.finished(await stack.submit(assistant, prompt)));
    const [shown, hidden, erased, busy] = runs.map((run) => run.thread_id);
    const uuid = (id) => `penstock_uuid('${id}')`;
    stack.exec(`UPDATE threads SET hidden = true WHERE id <> ${uuid(shown)}`);
    // One of them is busy with a run that nobody works on.
    stack.exec(`UPDATE threads SET active_run = gen_random_uuid() WHERE id = ${uuid(busy)}`);
    assert.deepEqual((await stack.ok('GET', '/v1/threads')).data.map((thread) => thread.id), [shown]);
    assert.deepEqual((await stack.ok('GET', '/v1/threads?order_by=last_used_at')).data.map((thread) => thread.id), [shown]);
    assert.equal((await stack.ok('GET', `/v1/threads/${hidden}`)).id, hidden);

    stack.exec(`UPDATE threads SET erase_at = now(), last_used_at = now() - interval '1 h' WHERE id IN (${uuid(erased)}, ${uuid(busy)})`);
    await until('it is erased', () => stack.sql('SELECT 1 FROM threads').length === 3);
    assert.equal((await stack.call('GET', `/v1/threads/${erased}`)).status, 404);
    assert.deepEqual(stack.sql(`SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM messages WHERE thread_id = ${uuid(erased)}) AS messages`), [{ runs: 3, messages: 0 }]);
    assert.deepEqual(stack.sql(`SELECT erase_at > now() AS later FROM threads WHERE id = ${uuid(busy)}`), [{ later: true }]);
    assert.match(await (await fetch(`${stack.url}/metrics`)).text(), /^penstock_reaped_total\{what="thread_erased"\} 1$/m);
  });
});
