// Runs on a thread that is busy: every strategy against an active run in every state, and faults.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: slow
    when: {user: '^slow'}
    then: {text: 'done slowly', delay_ms: 60000}
  - name: two steps
    when: {user: '^two steps'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - {text: 'It is {{tool}}.', delay_ms: 1500}
  - name: echo
    when: {user: '(.*)'}
    then: {text: 'heard {{1}}'}
`;

const says = (content) => [{ role: 'user', content }];

function ask(stack, front, strategy, content) {
  return stack.call('POST', `/v1/threads/${front.thread_id}/runs`, {
    assistant_id: front.assistant_id,
    multitask_strategy: strategy,
    additional_messages: says(content),
  });
}

async function must(reply) {
  const { status, body } = await reply;
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function said(stack, run) {
  const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?order=asc&limit=100`);
  return list.data.map((message) => message.content[0].text.value);
}

const uuid = (id) => id.replace(/^.*_/, '');

/** A run whose state is `state`, with what its thread then holds. */
async function frontIn(stack, assistant, state) {
  const held = state === 'queued' || state === 'requires_action';
  if (!held) {
    const front = await stack.submit(assistant, 'slow');
    await until('the model is called', () => stack.sql(`SELECT 1 FROM runs WHERE id = '${uuid(front.id)}' AND status = 'in_progress'`).length === 1);
    return front;
  }
  // Never ready, so that no worker takes it.
  stack.exec(`ALTER TABLE runs ALTER held SET DEFAULT nextval('run_places')`);
  const front = await stack.submit(assistant, 'front');
  stack.exec(`ALTER TABLE runs ALTER held DROP DEFAULT`);
  stack.exec(`UPDATE runs SET due_at = now() + interval '1 hour', held = NULL, status = '${state}' WHERE id = '${uuid(front.id)}'`);
  return front;
}

test('every strategy against an active run in every state', async () => {
  await withStack({ script, workers: 2 }, async (stack) => {
    const assistant = await stack.assistant();
    for (const state of ['queued', 'requires_action', 'in_progress', 'cancelling']) {
      const open = state === 'in_progress' ? 'slow' : 'front';
      const start = async () => {
        const front = await frontIn(stack, assistant, state);
        if (state === 'cancelling') {
          // The worker is told at once, so the end may come before what is asked here.
          stack.exec(`UPDATE runs SET status = 'cancelling' WHERE id = '${uuid(front.id)}'`);
        }
        return front;
      };
      const first = state === 'cancelling' ? 'slow' : open;

      if (state !== 'cancelling') {
        const refused = await start();
        const reply = await ask(stack, refused, 'reject', 'next');
        assert.equal(reply.status, 400);
        assert.equal(reply.body.error.message, `Thread ${refused.thread_id} already has an active run ${refused.id}. With 'multitask_strategy' a run waits behind it, or takes its place.`);
        assert.equal((await ask(stack, refused, null, 'next')).status, 400);
        await stack.ok('POST', `/v1/runs/${refused.id}/cancel`);
      }

      const before = await start();
      const enqueued = await must(ask(stack, before, 'enqueue', 'next'));
      assert.equal(enqueued.status, 'queued');
      if (state !== 'cancelling') {
        assert.deepEqual(await said(stack, before), [first], 'its message waits with it');
        await stack.ok('POST', `/v1/runs/${before.id}/cancel`);
      }
      assert.equal((await stack.finished(enqueued)).status, 'completed');
      assert.equal((await stack.run(before)).status, 'cancelled');
      assert.deepEqual(await said(stack, before), [first, 'next', 'heard next']);

      const stopped = await start();
      const instead = await must(ask(stack, stopped, 'interrupt', 'next'));
      assert.equal((await stack.finished(instead)).status, 'completed');
      assert.equal((await stack.run(stopped)).status, 'cancelled');
      assert.deepEqual(await said(stack, stopped), [first, 'next', 'heard next']);

      const undone = await start();
      const again = await must(ask(stack, undone, 'rollback', 'next'));
      assert.equal((await stack.finished(again)).status, 'completed');
      assert.equal((await stack.run(undone)).status, 'cancelled');
      // Where the cancel was through before, the thread was idle, and there was nothing to roll back.
      const left = await said(stack, undone);
      if (state === 'cancelling' && left[0] === first) left.shift();
      assert.deepEqual(left, ['next', 'heard next']);
    }
    assert.equal((await ask(stack, await stack.submit(assistant, 'x'), 'whatever', 'y')).status, 400);
    assert.equal(stack.sql('SELECT 1 FROM runs WHERE held IS NOT NULL AND status = $$queued$$').length, 0);
  });
});

test('two interrupts in a row: one run is left, and nothing that was said is lost', async () => {
  await withStack({ script, workers: 1 }, async (stack) => {
    const front = await stack.submit(await stack.assistant(), 'slow');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    stack.workers[0].child.kill('SIGSTOP'); // it can't write the end of the first meanwhile
    const waiting = await must(ask(stack, front, 'enqueue', 'one'));
    const first = await must(ask(stack, front, 'interrupt', 'two'));
    assert.equal((await stack.run(waiting)).status, 'cancelled');
    const second = await must(ask(stack, front, 'interrupt', 'three'));
    assert.equal((await stack.run(first)).status, 'cancelled');
    assert.equal((await stack.run(front)).status, 'cancelling');
    assert.deepEqual(await said(stack, front), ['slow']);
    stack.workers[0].child.kill('SIGCONT');
    assert.equal((await stack.finished(second)).status, 'completed');
    assert.deepEqual(await said(stack, front), ['slow', 'one', 'two', 'three', 'heard three']);
    assert.equal((await stack.run(front)).status, 'cancelled');
  });
});

test('kill -9 of the worker while a run waits: the active one is taken over, the other follows', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withStack({ script, config, workers: 1 }, async (stack) => {
    const front = await stack.submit(await stack.assistant(), 'two steps');
    await until('the first step is stored', () => stack.sql('SELECT 1 FROM runs WHERE step = 1').length === 1);
    const next = await must(ask(stack, front, 'enqueue', 'next'));
    await stack.workers[0].kill('SIGKILL');
    await stack.startWorker();
    assert.equal((await stack.finished(next)).status, 'completed');
    assert.equal((await stack.run(front)).status, 'completed');
    assert.deepEqual(await said(stack, front), ['two steps', 'It is 42.', 'next', 'heard next']);
    assert.equal(stack.sql('SELECT 1 FROM threads WHERE active_run IS NOT NULL').length, 0);
  });
});

test('many enqueued at once run one after the other, in the order of their places', async () => {
  await withStack({ script, workers: 2 }, async (stack) => {
    const assistant = await stack.assistant();
    const front = await stack.submit(assistant, 'slow');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    // Ten whose answers came one after the other, and twenty at once after them.
    const expected = [];
    for (let i = 0; i < 10; i++) {
      await must(ask(stack, front, 'enqueue', `n${i}`));
      expected.push(`n${i}`);
    }
    const together = await Promise.all(Array.from({ length: 20 }, (_, i) => must(ask(stack, front, 'enqueue', `t${i}`))));
    const places = stack.sql(`SELECT 'run_' || replace(id::text, '-', '') AS id, input->0->'content'->0->'text'->>'value' AS text
      FROM runs WHERE held IS NOT NULL ORDER BY held`);
    assert.deepEqual(places.slice(0, 10).map((place) => place.text), expected);
    assert.deepEqual(new Set(places.slice(10).map((place) => place.id)), new Set(together.map((run) => run.id)));
    const gone = together[7];
    assert.equal((await stack.ok('POST', `/v1/runs/${gone.id}/cancel`)).status, 'cancelled');
    await stack.ok('POST', `/v1/runs/${front.id}/cancel`);
    for (const place of places) await stack.finished({ id: place.id, thread_id: front.thread_id });
    const texts = places.filter((place) => place.id !== gone.id).flatMap((place) => [place.text, `heard ${place.text}`]);
    assert.deepEqual(await said(stack, front), ['slow', ...texts]);
  });
});
