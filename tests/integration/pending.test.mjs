// Input that comes while a run is active: refused, kept for afterwards, or seen by the run before its next call; and what an agent
// has not seen yet.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { crooked, straight } from '../lib/counters.mjs';
import { sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: slow, when: {user: '^start'}, then: {text: 'First.', delay_ms: 3000}}
  - name: tools
    when: {user: '^work'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}], delay_ms: 1500}
      - {text: 'It is {{tool.1}}.'}
  - {name: stalls, when: {user: '^stall'}, then: {text: 'Late.', delay_ms: 60000}}
  - {name: asks, when: {user: '^ask'}, steps: [{calls: [{name: look_up, arguments: {}}]}, {text: 'Found.'}]}
  - {name: fails, when: {user: '^fail'}, then: {status: 400, body: '{"error":{"message":"no"}}'}}
  - {name: thinks, when: {user: '^m[0-9]'}, then: {text: 'Hm.', delay_ms: 1500}}
  - {name: any, then: {text: 'So.'}}
`;

const options = { script, llmArgs: ['--bodies'] };
const names = (count) => Array.from({ length: count }, (_, i) => `m${String(i).padStart(3, '0')}`);
const refusal = ({ status, body }) => [status, body.error?.code ?? null];
const said = (request) => JSON.parse(request).messages.filter((m) => m.role !== 'system').map((m) => [m.role, m.content]);
const texts = async (stack, thread, query = '') =>
  (await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc&limit=100${query}`)).data.map((m) => m.content[0]?.text?.value);

/** The worker that has a run in work. */
async function busy(stack) {
  for (const worker of stack.workers.filter((one) => one.running)) if ((await stack.busy(worker)) > 0) return worker;
  return undefined;
}

async function begin(stack, prompt, fields = {}) {
  const assistant = await stack.assistant(fields);
  const calls = stack.ledger().length;
  const run = await stack.submit(assistant, prompt);
  await until('the model is asked', async () => (await stack.llmStats()).in_flight > 0 || stack.ledger().length > calls);
  return { assistant, run, thread: run.thread_id, post: (content, more) => stack.call('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content, ...more }) };
}

/** Every message of `expected`, once and in this order, in what the model was sent last. */
async function checkSeen(stack, expected) {
  const last = said((await stack.lastCall()).request).filter(([role]) => role === 'user').map(([, text]) => text);
  assert.deepEqual(last.filter((text) => /^m\d/.test(text)), expected);
}

for (const how of ['queue', 'steer'])
  test(`200 messages during a model call, ${how}: each reaches the model once, in order, whatever worker dies`, async () => {
    await withStack({ ...options, workers: 2 }, async (stack) => {
      const { assistant, run, thread, post } = await begin(stack, 'start');
      const expected = names(200);
      let kills = 0;
      for (const [i, name] of expected.entries()) {
        const reply = await post(name, { on_busy: how });
        assert.equal(reply.status, 200, JSON.stringify(reply.body));
        if (i % 70 !== 5 || kills === 2) continue; // a run is given up after a third one
        const owner = await busy(stack); // on a slow machine the run may be over
        if (!owner) continue;
        await owner.kill('SIGKILL');
        kills++;
        await stack.startWorker();
      }
      assert.ok(kills > 0);
      const ended = await stack.finished(run, 60000);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      await until('all have joined', () => stack.sql('SELECT count(*) FROM thread_inputs')[0].count === 0);
      const seen = stack.ledger().filter((line) => /m\d\d\d/.test(line.request)).length;
      if (how === 'queue') assert.equal(seen, 0, 'the run itself saw none');
      else assert.ok(seen > 0, 'the run itself saw some');
      await stack.finished(await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, input: 'go' }));
      await checkSeen(stack, expected);
      const stored = stack.sql(`SELECT content #>> '{0,text,value}' AS text FROM messages WHERE role = 'user' ORDER BY position`).map((row) => row.text).filter((text) => /^m\d/.test(text));
      assert.deepEqual(stored, expected);
      assert.deepEqual(crooked(stack), straight);
    });
  });

test('a run that is steered sees it behind its results, or answers once more', async () => {
  await withStack(options, async (stack) => {
    const { thread, run, post } = await begin(stack, 'work');
    assert.deepEqual(refusal(await post('no')), [400, null]);
    const steering = await post('instead', { on_busy: 'steer' });
    assert.deepEqual([steering.status, steering.body.pending], [200, 'steer']);
    const waiting = await stack.ok('GET', `/v1/threads/${thread}/messages/${steering.body.id}`);
    assert.deepEqual(waiting, steering.body, 'it can be read while it waits');
    assert.deepEqual(await texts(stack, thread), ['work'], 'and is no message of the thread yet');
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.deepEqual(said((await stack.lastCall()).request).map(([role]) => role), ['user', 'assistant', 'tool', 'user']);
    assert.deepEqual(await texts(stack, thread), ['work', 'instead', 'So.']);
    assert.equal((await stack.ok('GET', `/v1/threads/${thread}/messages/${steering.body.id}`)).pending, null);

    // Behind an answer that would have been the last one.
    const second = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: run.assistant_id, input: 'start' });
    await until('asked', async () => (await stack.llmStats()).in_flight > 0);
    await post('and this', { on_busy: 'steer' });
    const ended = await stack.finished(second);
    assert.deepEqual([ended.status, ended.iterations], ['completed', 2]);
    assert.deepEqual((await texts(stack, thread)).slice(3), ['start', 'First.', 'and this', 'So.']);
    const steps = await stack.ok('GET', `/v1/threads/${thread}/runs/${second.id}/steps?order=asc`);
    assert.deepEqual(steps.data.map((step) => [step.type, step.status]), [['message_creation', 'completed'], ['message_creation', 'completed']]);

    // A run that is cancelled leaves it to the next one.
    const third = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: run.assistant_id, input: 'stall' });
    await until('asked', async () => (await stack.llmStats()).in_flight > 0);
    await post('left', { on_busy: 'steer' });
    await post('queued', { on_busy: 'queue' });
    const taken = await post('taken back', { on_busy: 'queue' });
    await stack.ok('POST', `/v1/threads/${thread}/messages/${taken.body.id}`, { metadata: { a: 'b' } });
    assert.deepEqual((await stack.ok('GET', `/v1/threads/${thread}/messages/${taken.body.id}`)).metadata, { a: 'b' });
    await stack.ok('DELETE', `/v1/threads/${thread}/messages/${taken.body.id}`);
    await stack.ok('POST', `/v1/threads/${thread}/runs/${third.id}/cancel`);
    assert.equal((await stack.finished(third)).status, 'cancelled');
    await until('joined', async () => (await texts(stack, thread)).length === 10);
    assert.deepEqual((await texts(stack, thread)).slice(7), ['stall', 'left', 'queued']);

    // While the client has its functions to call.
    const asking = await stack.assistant({ tools: [{ type: 'function', function: { name: 'look_up' } }] });
    const fourth = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: asking.id, input: 'ask' });
    await until('asks', async () => (await stack.run(fourth)).status === 'requires_action');
    await post('meanwhile', { on_busy: 'steer' });
    const call = (await stack.run(fourth)).required_action.submit_tool_outputs.tool_calls[0];
    await stack.ok('POST', `/v1/threads/${thread}/runs/${fourth.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: call.id, output: 'x' }] });
    assert.equal((await stack.finished(fourth)).status, 'completed');
    assert.deepEqual(said((await stack.lastCall()).request).slice(-3).map(([role]) => role), ['assistant', 'tool', 'user']);
    assert.deepEqual(crooked(stack), straight);
  });
});

/** Leaves the thread as a worker does that dies between the end of its run and what follows: idle, with what waited still waiting. */
async function diesAtTheEnd(stack, { run, thread, post }) {
  assert.equal((await post('waited', { on_busy: 'queue' })).body.pending, 'queue');
  await Promise.all(stack.workers.map((worker) => worker.kill()));
  stack.exec(`
    WITH r AS (UPDATE runs SET status = 'completed', completed_at = now(), owner = NULL WHERE id = '${run.id.slice(4)}' RETURNING id)
    UPDATE threads t SET active_run = NULL FROM r WHERE t.id = '${thread.slice(7)}'`);
}

test('what comes while somebody else takes in what waited waits for that, and is not refused', async () => {
  await withStack({ ...options, schedulerArgs: ['--roles', 'api,dispatch'] }, async (stack) => {
    for (const path of ['messages', 'runs']) {
      const front = await begin(stack, 'stall');
      await diesAtTheEnd(stack, front);
      const other = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
      let locked = '';
      other.stdout.on('data', (chunk) => (locked += chunk));
      other.stdin.write(`BEGIN; SELECT 'locked' FROM threads WHERE id = '${front.thread.slice(7)}' FOR NO KEY UPDATE;\n`);
      await until('the row is locked', () => locked.includes('locked'));
      let reply;
      const body = path === 'runs' ? { assistant_id: front.assistant.id, input: 'new' } : { role: 'user', content: 'new' };
      const asked = stack.call('POST', `/v1/threads/${front.thread}/${path}`, body).then((got) => (reply = got));
      await until('it waits for the row', () => reply || stack.sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`).length > 0);
      other.stdin.end('COMMIT;\n');
      await asked;
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
      assert.deepEqual(await texts(stack, front.thread), ['stall', 'waited', 'new']);
      await stack.startWorker();
      if (path === 'runs') await stack.finished(reply.body);
    }
    assert.deepEqual(crooked(stack), straight);
  });
});

test('a run in one request with its message', async () => {
  await withStack(options, async (stack) => {
    const assistant = await stack.assistant();
    const owned = await stack.ok('POST', '/v1/threads', { assistant_id: assistant.id });
    const post = (thread, body, headers) => stack.call('POST', `/v1/threads/${thread}/messages`, { role: 'user', ...body }, headers);
    const sent = await post(owned.id, { content: 'hi', metadata: { a: 'b' }, run: true }, { 'idempotency-key': 'one' });
    assert.deepEqual([sent.status, sent.body.object, sent.body.metadata, sent.body.run.status, sent.body.pending], [200, 'thread.message', { a: 'b' }, 'queued', null]);
    const again = await post(owned.id, { content: 'hi', metadata: { a: 'b' }, run: true }, { 'idempotency-key': 'one' });
    assert.deepEqual([again.body.id, again.body.run.id], [sent.body.id, sent.body.run.id], 'once, with a key');
    await stack.finished(sent.body.run);
    assert.deepEqual(await texts(stack, owned.id), ['hi', 'So.']);
    assert.equal((await stack.ok('GET', `/v1/threads/${owned.id}`)).title, 'hi');
    const told = await post(owned.id, { content: 'and', run: { metadata: { c: 'd' } } });
    assert.deepEqual([told.status, told.body.run?.assistant_id, told.body.run?.metadata], [200, assistant.id, { c: 'd' }], "the thread's assistant");
    await stack.finished(told.body.run);
    for (const more of [{ additional_messages: [{ role: 'user', content: 'lost?' }] }, { input: 'lost?' }])
      assert.deepEqual(refusal(await post(owned.id, { content: 'one', run: more })), [400, 'unknown_parameter'], 'there is one message');

    const free = await stack.ok('POST', '/v1/threads', {});
    for (const run of [true, {}]) assert.deepEqual(refusal(await post(free.id, { content: 'hi', run })), [400, 'invalid_value']);
    assert.deepEqual(refusal(await post(free.id, { content: 'hi', run: { assistant_id: 'nobody' } })), [404, null]);
    assert.deepEqual(refusal(await post(free.id, { content: 'hi', run: { assistant_id: assistant.id, colour: 1 } })), [400, 'unknown_parameter']);
    assert.deepEqual(refusal(await post(free.id, { content: 'hi', run: 'yes' })), [400, 'invalid_type']);
    assert.equal((await stack.ok('GET', `/v1/threads/${free.id}`)).message_count, 0, 'nothing was written');
    const named = await post(free.id, { content: 'start', run: { assistant_id: assistant.id, user: 'ann', metadata: { c: 'd' } } });
    assert.deepEqual([named.body.run.user, named.body.run.metadata], ['ann', { c: 'd' }]);
    await until('asked', async () => (await stack.llmStats()).in_flight > 0);
    assert.deepEqual(refusal(await post(free.id, { content: 'now', run: { assistant_id: assistant.id } })), [400, null]);
    const steers = await post(free.id, { content: 'steers', on_busy: 'steer', run: { assistant_id: assistant.id } });
    assert.deepEqual([steers.status, steers.body.pending, steers.body.run], [200, 'steer', null]);
    const queued = await post(free.id, { content: 'next', on_busy: 'queue', run: { assistant_id: assistant.id } });
    assert.deepEqual([queued.status, queued.body.pending, queued.body.run.held], [200, 'queue', true]);
    assert.equal((await stack.ok('GET', `/v1/threads/${free.id}/messages/${queued.body.id}`)).pending, 'queue', 'it can be read while it waits');
    const alone = await post(free.id, { content: 'later', on_busy: 'queue' });
    const dropped = await post(free.id, { content: 'last', on_busy: 'queue', run: { assistant_id: assistant.id } });
    assert.deepEqual((await texts(stack, free.id, `&pending_for=${assistant.id}`)).slice(-3), ['next', 'later', 'last']);
    await stack.ok('POST', `/v1/threads/${free.id}/runs/${dropped.body.run.id}/cancel`);
    assert.equal(alone.body.pending, 'queue');
    await stack.finished(queued.body.run);
    assert.deepEqual(await texts(stack, free.id), ['start', 'First.', 'steers', 'So.', 'next', 'later', 'last', 'So.'], 'in order, and what a cancelled run brought stays');
    assert.equal((await stack.ok('GET', `/v1/threads/${free.id}/messages/${queued.body.id}`)).pending, null);
    assert.deepEqual(crooked(stack), straight);
  });
});

test('what two agents of a thread have not seen is right after every run, and a run for it alone calls no model', async () => {
  await withStack(options, async (stack) => {
    const [a, b] = [await stack.assistant({ slug: 'a' }), await stack.assistant({ slug: 'b' })];
    const thread = (await stack.ok('POST', '/v1/threads', {})).id;
    const pending = async () => [await texts(stack, thread, '&pending_for=a'), await texts(stack, thread, `&pending_for=${b.id}`)];
    const run = async (assistant, fields) => stack.finished(await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, ...fields }));
    const say = (content, more) => stack.ok('POST', `/v1/threads/${thread}/messages`, { role: 'user', content, ...more });
    await say('one');
    assert.deepEqual(await pending(), [['one'], ['one']]);
    await run(a);
    assert.deepEqual(await pending(), [[], ['one', 'So.']], 'what it said itself is not new to it');
    await run(b);
    assert.deepEqual(await pending(), [['So.'], []]);
    await say('fail');
    assert.equal((await run(a)).status, 'failed');
    assert.deepEqual(await pending(), [['So.', 'fail'], ['fail']], 'a run that failed has seen nothing');
    await say('two', { });
    await run(b);
    assert.deepEqual(await pending(), [['So.', 'fail', 'two', 'So.'], []]);

    const calls = stack.ledger().length;
    const nothing = await run(b, { if_pending: true });
    assert.deepEqual([nothing.status, nothing.iterations, nothing.usage.total_tokens, nothing.read_until], ['completed', 0, 0, null]);
    assert.equal(stack.ledger().length, calls, 'no model was called');
    const something = await run(a, { if_pending: true });
    assert.deepEqual([something.status, something.iterations], ['completed', 1]);
    assert.deepEqual(await pending(), [[], ['So.']]);
    assert.equal((await run(b, { if_pending: true, additional_messages: [{ role: 'user', content: 'new' }] })).iterations, 1);

    const stalled = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: a.id, input: 'stall' });
    await until('asked', async () => (await stack.llmStats()).in_flight > 0);
    await say('waits', { on_busy: 'queue' });
    assert.deepEqual((await pending())[1], ['stall', 'waits'], 'with what waits');
    await stack.ok('POST', `/v1/threads/${thread}/runs/${stalled.id}/cancel`);
    await stack.finished(stalled);
    await sleep(50);
    assert.deepEqual((await pending())[1], ['stall', 'waits']);
    const fork = await stack.ok('POST', `/v1/threads/${thread}/fork`, {});
    assert.deepEqual(await texts(stack, fork.id, '&pending_for=b'), ['stall', 'waits'], 'a copy knows it, too');
    assert.equal((await stack.call('GET', `/v1/threads/${thread}/messages?pending_for=nobody`)).status, 404);
    assert.equal((await stack.call('GET', `/v1/threads/${thread}/messages?hidden=2`)).status, 400);
  });
});

test('a message of the system stands where it was sent', async () => {
  await withStack(options, async (stack) => {
    const assistant = await stack.assistant();
    const run = await stack.finished(await stack.submit(assistant, 'hi', { thread: { messages: [{ role: 'user', content: 'hi' }, { role: 'system', content: 'Be brief.' }, { role: 'user', content: 'well?' }] } }));
    assert.equal(run.status, 'completed');
    assert.deepEqual(JSON.parse((await stack.lastCall()).request).messages.slice(1).map((m) => [m.role, m.content]), [['user', 'hi'], ['system', 'Be brief.'], ['user', 'well?']]);
  });
});
