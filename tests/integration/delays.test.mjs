// Runs that begin later, and that are over by a time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: slow, when: {user: '^slow'}, then: {stall: true}}
  - {name: hello, then: {text: 'Hello.'}}
`;

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

test('a run begins when it is told to, and holds nothing until then', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const start_after = inSeconds(4);
    const run = await stack.submit(assistant, 'hello', { start_after: new Date(start_after * 1000).toISOString() });
    assert.deepEqual([run.status, run.start_after, run.waits_for, run.waits_until], ['queued', start_after, 'start', start_after]);
    assert.ok(Math.abs(run.expires_at - start_after - 86400) <= 1, 'a run has a day from when it may begin');
    await sleep(1500);
    const waiting = await stack.run(run);
    assert.deepEqual([waiting.status, waiting.waits_for], ['queued', 'start']);
    assert.equal(await stack.busy(stack.workers[0]), 0);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed');
    assert.ok(ended.started_at >= start_after, `${ended.started_at} ${start_after}`);
    assert.equal(ended.waits_for, null);
    const past = await stack.finished(await stack.submit(assistant, 'hello', { start_after: 1 }));
    assert.equal(past.status, 'completed');
  });
});

test('a run that waits behind another one begins no sooner either', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const first = await stack.submit(assistant, 'slow');
    await until('it is asked', async () => (await stack.llmStats()).in_flight === 1);
    const start_after = inSeconds(3);
    const second = await stack.ok('POST', `/v1/threads/${first.thread_id}/runs`, {
      assistant_id: assistant.id, multitask_strategy: 'enqueue', start_after, additional_messages: [{ role: 'user', content: 'hello' }],
    });
    assert.equal(second.held, true);
    await stack.ok('POST', `/v1/threads/${first.thread_id}/runs/${first.id}/cancel`, {});
    const ended = await stack.finished(second);
    assert.equal(ended.status, 'completed');
    assert.ok(ended.started_at >= start_after, `${ended.started_at} ${start_after}`);
  });
});

test('a run is over at its deadline, whether it waits or works', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const deadline = inSeconds(3);
    const works = await stack.submit(assistant, 'slow', { deadline });
    assert.equal(works.expires_at, deadline);
    const waits = await stack.submit(assistant, 'hello', { start_after: inSeconds(2), expires_in: 60, deadline: inSeconds(90) });
    assert.ok(Math.abs(waits.expires_at - waits.start_after - 60) <= 1);
    const ended = await stack.finished(works);
    assert.equal(ended.status, 'expired');
    assert.equal((await stack.finished(waits)).status, 'completed');
    const short = await stack.submit(assistant, 'slow', { expires_in: 2 });
    assert.equal((await stack.finished(short)).status, 'expired');
    await stack.workers[0].kill();
    const nobody = await stack.submit(assistant, 'hello', { expires_in: 1 });
    assert.equal((await stack.finished(nobody)).status, 'expired');
  });
});

test('times that can not be are refused', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    for (const [fields, param] of [
      [{ start_after: 'tomorrow' }, 'start_after'],
      [{ start_after: '2030-01-01T00:00:00' }, 'start_after'],
      [{ start_after: inSeconds(400 * 86400) }, 'start_after'],
      [{ expires_in: 0 }, 'expires_in'],
      [{ expires_in: 1.5 }, 'expires_in'],
      [{ deadline: inSeconds(-5) }, 'deadline'],
      [{ start_after: inSeconds(60), deadline: inSeconds(30) }, 'deadline'],
    ]) {
      const refused = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, ...fields });
      assert.deepEqual([refused.status, refused.body.error?.param], [400, param], JSON.stringify([fields, refused.body]));
    }
    assert.equal(stack.sql('SELECT count(*) FROM runs')[0].count, 0);
  });
});
