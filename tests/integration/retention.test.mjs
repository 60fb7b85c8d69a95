// Retention: what goes after a time, and what stays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, age, copyThread, pass, rowsOf } from '../lib/retention.mjs';
import { createSchedule, firingsOf, settledFirings, uuidOf } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: work
    when: {user: '^work'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool}}.'}
  - name: ask
    when: {user: '^ask'}
    then: {calls: [{name: weather, arguments: {city: Rome}}]}
  - {name: slow, when: {user: '^slow'}, then: {text: 'At last.', delay_ms: 600000}}
  - {name: hello, then: {text: 'Hello.'}}
`;
const config = 'retention: {pause_ms: 100}\n';
const nothing = { threads: 0, runs: 0, messages: 0, steps: 0 };
const weather = { type: 'function', function: { name: 'weather', description: 'Tells the weather.', parameters: { type: 'object', properties: {} } } };

const put = (stack, retention) => stack.ok('PUT', '/v1/retention', retention);
const done = (stack, assistant, text, fields) => stack.submit(assistant, text, fields).then((run) => stack.finished(run));
const rowsHeld = (stack, thread) => stack.sql(`SELECT total_bytes AS held FROM threads WHERE id = '${uuidOf(thread)}'`)[0].held;
const isThere = async (stack, thread) => (await stack.call('GET', `/v1/threads/${thread}`)).status === 200;
const there = (stack, runs) => Promise.all(runs.map((run) => isThere(stack, run.thread_id)));

test('a tenant, an assistant and a schedule say how long threads are kept, and the narrowest counts', async () => {
  await withStack({ script, config }, async (stack) => {
    const other = stack.tenant('other');
    const plain = await stack.assistant();
    const kept = await stack.assistant({ slug: 'kept', retention: { action: 'keep' } });
    const brief = await stack.assistant({ retention: { action: 'delete', after: 2 * DAY } });
    assert.deepEqual([plain.retention, kept.retention, brief.retention], [null, { action: 'keep' }, { action: 'delete', after: 2 * DAY }]);
    const runs = { plain: await done(stack, plain, 'work'), young: await done(stack, plain, 'hi'), kept: await done(stack, kept, 'hi'), brief: await done(stack, brief, 'hi'),
      other: await done(other, await other.assistant(), 'hi') };
    const keeps = await createSchedule(stack, brief, { run_at: '2099-01-01T00:00:00Z', input: 'hi', retention: { action: 'keep' } });
    assert.deepEqual(keeps.retention, { action: 'keep' });
    await stack.ok('POST', `/v1/schedules/${keeps.id}/run`);
    const [firing] = await settledFirings(stack, keeps.id, 1);
    runs.keeps = await stack.ok('GET', `/v1/runs/${firing.run_id}`);

    age(stack, ['plain', 'kept', 'other', 'keeps'].map((name) => runs[name].thread_id), 10 * DAY);
    age(stack, [runs.young.thread_id, runs.brief.thread_id], 3 * DAY);
    assert.deepEqual(rowsOf(stack, runs.plain.thread_id), { threads: 1, runs: 1, messages: 4, steps: 2 });
    await pass(stack);
    assert.deepEqual(rowsOf(stack, runs.brief.thread_id), nothing, 'the assistant says so, whatever the tenant says');
    assert.deepEqual(await there(stack, [runs.plain, runs.young, runs.kept, runs.keeps]), [true, true, true, true], 'of others nothing is said');

    const said = await put(stack, { action: 'delete', after: 7 * DAY });
    assert.deepEqual([said.object, said.retention], ['retention', { action: 'delete', after: 7 * DAY }]);
    assert.deepEqual(said.assistants.map((each) => [each.id, each.slug, each.retention]),
      [[kept.id, 'kept', { action: 'keep' }], [brief.id, null, { action: 'delete', after: 2 * DAY }]]);
    assert.deepEqual(said.schedules, [{ id: keeps.id, name: null, retention: { action: 'keep' } }]);
    await pass(stack);
    assert.deepEqual(rowsOf(stack, runs.plain.thread_id), nothing);
    assert.deepEqual(stack.sql('SELECT count(*)::int AS n FROM tool_calls'), [{ n: 0 }], 'calls of tools go, too');
    assert.deepEqual(await there(stack, [runs.young, runs.kept, runs.keeps]), [true, true, true]);
    assert.ok(await isThere(other, runs.other.thread_id), 'another tenant has said nothing');
    assert.match((await (await fetch(`${stack.url}/metrics`)).text()), /penstock_retention_threads_deleted_total 2\n/);

    await stack.ok('POST', `/v1/assistants/${kept.id}`, { retention: null });
    await stack.ok('POST', `/v1/schedules/${keeps.id}`, { retention: null });
    await pass(stack);
    assert.deepEqual(await there(stack, [runs.young, runs.kept, runs.keeps]), [true, false, false], 'then the next wider one counts');
    assert.ok(stack.sql('SELECT sum(calls)::int AS n FROM usage_by_hour')[0].n >= 6, 'what was used stays in the accounts');
    await stack.ok('DELETE', '/v1/retention');
    assert.equal((await stack.ok('GET', '/v1/retention')).retention, null);
    age(stack, runs.young.thread_id, 40 * DAY);
    await pass(stack);
    assert.ok(await isThere(stack, runs.young.thread_id), 'what is taken back does not count any more');
  });
});

test('threads are archived, come back as new, and are deleted later where that is said', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant();
    const run = await done(stack, assistant, 'work', { thread: { messages: [{ role: 'user', content: 'work' }], user_id: 'ann', assistant_id: assistant.id, active: true } });
    const archived = () => stack.ok('GET', `/v1/threads/${run.thread_id}`).then((thread) => thread.archived_at);
    age(stack, run.thread_id, 10 * DAY);
    await put(stack, { action: 'archive', after: 7 * DAY, then_delete_after: 5 * DAY });
    await pass(stack);
    const thread = await stack.ok('GET', `/v1/threads/${run.thread_id}`);
    assert.ok(thread.archived_at > Date.now() / 1000 - 60, 'from now on it is archived');
    assert.equal(thread.active, false);
    assert.deepEqual(rowsOf(stack, run.thread_id), { threads: 1, runs: 1, messages: 4, steps: 2 }, 'with all that it holds');
    await pass(stack);
    assert.ok(await isThere(stack, run.thread_id), 'and its time begins then, however late that was');

    await stack.ok('POST', `/v1/threads/${run.thread_id}/restore`);
    await pass(stack);
    assert.equal(await archived(), null, 'who brings it back uses it');
    age(stack, run.thread_id, 10 * DAY);
    await pass(stack);
    assert.ok(await archived());
    age(stack, run.thread_id, 4 * DAY);
    await pass(stack);
    assert.ok(await archived(), 'four days later it is there');
    age(stack, run.thread_id, 2 * DAY);
    await pass(stack);
    assert.deepEqual(rowsOf(stack, run.thread_id), nothing);

    await put(stack, { action: 'archive', after: 7 * DAY });
    const second = await done(stack, assistant, 'hi');
    age(stack, second.thread_id, 3000 * DAY);
    await pass(stack);
    age(stack, second.thread_id, 3000 * DAY);
    await pass(stack);
    assert.equal(rowsOf(stack, second.thread_id).runs, 1, 'without more said it stays in the archive');
  });
});

test('a thread that outlives its runs has its assistant by the last of them', async () => {
  await withStack({ script, config }, async (stack) => {
    const brief = await stack.assistant({ retention: { action: 'delete', after: 2 * DAY } });
    const first = await done(stack, brief, 'hi');
    const last = await stack.finished(await stack.ok('POST', `/v1/threads/${first.thread_id}/runs`, { assistant_id: brief.id, additional_messages: [{ role: 'user', content: 'hi' }] }));
    age(stack, first.thread_id, 3 * DAY);
    stack.exec("UPDATE threads SET last_used_at = now(), used_hour = floor(date_part('epoch', now()) / 3600)"); // somebody read on
    await pass(stack);
    assert.deepEqual(await there(stack, [last]), [true]);
    assert.equal(rowsOf(stack, first.thread_id).runs, 1, 'of its runs the last alone');
    age(stack, first.thread_id, 3 * DAY);
    await pass(stack);
    assert.deepEqual(rowsOf(stack, first.thread_id), nothing);
  });
});

test('what is in use stays, and of it old runs go', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }, weather] });
    const slow = await stack.submit(assistant, 'slow');
    const ask = await stack.finished(await stack.submit(assistant, 'ask'));
    assert.equal(ask.status, 'requires_action');
    const held = await done(stack, assistant, 'hello');
    await until('it is at work', async () => (await stack.run(slow)).status === 'in_progress');

    const lasting = await createSchedule(stack, assistant, { run_at: '2099-01-01T00:00:00Z', input: 'work', thread: 'lasting' });
    for (let i = 1; i <= 3; i++) {
      await stack.ok('POST', `/v1/schedules/${lasting.id}/run`);
      await settledFirings(stack, lasting.id, i);
    }
    const { thread_id: log } = await stack.ok('GET', `/v1/schedules/${lasting.id}`);
    const before = await stack.ok('GET', `/v1/threads/${log}`);

    // Years ago; but a run of the first is at work, the second waits for its client, and a run of the third was given work a moment ago.
    stack.exec("UPDATE threads SET last_used_at = last_used_at - interval '900 days', used_hour = used_hour - 21600");
    const busy = await stack.ok('POST', `/v1/threads/${held.thread_id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'slow' }] });
    age(stack, log, 80 * DAY);
    await put(stack, { action: 'delete', after: 7 * DAY });
    await pass(stack);
    assert.deepEqual(await there(stack, [slow, ask, busy]), [true, true, true]);
    assert.deepEqual(rowsOf(stack, log), { threads: 1, runs: 1, messages: 12, steps: 2 }, 'a schedule that goes on has its thread, and its last run');
    const after = await stack.ok('GET', `/v1/threads/${log}`);
    assert.deepEqual([after.message_count, after.total_bytes, after.usage], [before.message_count, before.total_bytes, before.usage], 'and its sums');
    assert.equal((await firingsOf(stack, lasting.id)).length, 3, 'what became of its times is known');
    assert.equal((await stack.ok('GET', `/v1/threads/${log}/messages?limit=100`)).data.length, 6);
    await stack.ok('POST', `/v1/schedules/${lasting.id}/run`);
    const again = await settledFirings(stack, lasting.id, 4);
    assert.equal(again.at(-1).outcome, 'completed', 'and goes on');

    await stack.ok('POST', `/v1/threads/${ask.thread_id}/runs/${ask.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: ask.required_action.submit_tool_outputs.tool_calls[0].id, output: 'sunny' }] });
    await stack.ok('DELETE', `/v1/schedules/${lasting.id}`);
    age(stack, log, 500 * DAY);
    await pass(stack);
    assert.deepEqual(rowsOf(stack, log), nothing, 'without its schedule it is a thread as any');
  });
});

test('what nobody sees goes, too: responses, batches and their threads', async () => {
  await withStack({ script, config }, async (stack) => {
    const responses = [];
    for (const store of [true, true]) responses.push(await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', input: 'hello', store }));
    const hidden = stack.sql('SELECT id FROM threads WHERE hidden ORDER BY id').map((row) => `thread_${row.id.replaceAll('-', '')}`);
    assert.equal(hidden.length, 2);
    age(stack, hidden[0], 40 * DAY);

    const assistant = await stack.assistant();
    const lines = [0, 1].map((n) => JSON.stringify({ custom_id: `${n}`, method: 'POST', url: '/v1/threads/runs',
      body: { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'hi' }] } } })).join('\n');
    const form = new FormData();
    form.append('purpose', 'batch');
    form.append('file', new Blob([lines]), 'lines.jsonl');
    const file = await (await fetch(`${stack.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}` }, body: form })).json();
    const batch = await stack.ok('POST', '/v1/batches', { input_file_id: file.id, endpoint: '/v1/threads/runs', completion_window: '24h' });
    await until('the batch ends', async () => (await stack.ok('GET', `/v1/batches/${batch.id}`)).status === 'completed');
    const made = stack.sql(`SELECT t.id FROM threads t WHERE NOT t.hidden ORDER BY id`).map((row) => `thread_${row.id.replaceAll('-', '')}`);
    assert.equal(made.length, 2);
    age(stack, made, 40 * DAY);
    const old = uuidOf(batch.id);
    stack.exec(`UPDATE batches SET id = '00000000${old.slice(8)}', ended_at = ended_at - interval '40 days' WHERE id = '${old}'`);

    await stack.ok('POST', '/v1/batches', { input_file_id: file.id, endpoint: '/v1/threads/runs', completion_window: '24h' });
    // As if it had begun before all that, and not ended.
    stack.exec("UPDATE batches SET state = 'validating', lease_until = 'infinity', ended_at = NULL, created_at = now() - interval '50 days' WHERE id <> (SELECT min(id::text)::uuid FROM batches)");
    await put(stack, { action: 'delete', after: 30 * DAY });
    await pass(stack);
    assert.equal(rowsOf(stack, made[0]).threads, 1, 'what may be of a batch that has not ended waits for its end');
    stack.exec("UPDATE batches SET created_at = now() WHERE ended_at IS NULL");
    await pass(stack);
    assert.deepEqual([...made, hidden[0]].map((id) => rowsOf(stack, id)), [nothing, nothing, nothing]);
    assert.equal(rowsOf(stack, hidden[1]).threads, 1);
    assert.equal((await stack.call('GET', `/v1/responses/${responses[0].id}`)).status, 404);
    assert.equal((await stack.call('GET', `/v1/responses/${responses[1].id}`)).status, 200);
    assert.deepEqual(stack.sql('SELECT count(*)::int AS n FROM batches'), [{ n: 1 }], 'the old batch is gone, the other goes on');
    assert.equal((await stack.call('GET', `/v1/files/${file.id}`)).status, 200, 'files have their own expiry');
  });
});

test('a preview tells what would go, the command line says it, and what is wrong is refused', async () => {
  await withStack({ script, config: 'retention: {pause_ms: 86400000}\n' }, async (stack) => {
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 12 }, (_, i) => done(stack, assistant, i % 3 ? 'hi' : 'work')));
    await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', input: 'hello' });
    assert.match(stack.command('retention', 'show'), /nothing is said: keep\n/);
    assert.match(stack.command('doctor').replaceAll(/\x1b\[[0-9;]*m/g, ''), /ok +retention +nothing is said/);
    age(stack, runs.slice(0, 9).map((run) => run.thread_id), 10 * DAY);
    assert.match(stack.command('retention', 'set', 'delete', '--after', '7d'), /delete 7d00h after the last use/);
    const preview = JSON.parse(stack.command('retention', 'preview', '--json'));
    assert.deepEqual(preview, { object: 'retention.preview', threads_deleted: 9, hidden_threads_deleted: 0, threads_archived: 0, runs_deleted: 9, batches_deleted: 0, complete: true });
    assert.match(stack.command('retention', 'preview'), / 9 {2}threads deleted\n/);
    stack.command('retention', 'set', 'archive', '--after', '7d', '--then-delete-after', '1y');
    assert.deepEqual((await stack.ok('GET', '/v1/retention')).retention, { action: 'archive', after: 7 * DAY, then_delete_after: 365 * DAY });
    assert.equal((await stack.ok('GET', '/v1/retention/preview')).threads_archived, 9);
    assert.match(stack.command('retention', 'unset'), /nothing is said/);
    assert.equal((await there(stack, runs)).filter(Boolean).length, 12, 'nothing was done');

    const refused = async (body) => {
      const reply = await stack.call('PUT', '/v1/retention', body);
      assert.equal(reply.status, 400, JSON.stringify(body));
      return [reply.body.error.param, reply.body.error.code];
    };
    assert.deepEqual(await refused({ action: 'delete' }), ['after', 'missing_required_parameter']);
    assert.deepEqual(await refused({ action: 'delete', after: 60 }), ['after', 'integer_below_min_value']);
    assert.deepEqual(await refused({ action: 'keep', after: DAY }), ['after', 'invalid_value']);
    assert.deepEqual(await refused({ action: 'delete', after: DAY, then_delete_after: DAY }), ['then_delete_after', 'invalid_value']);
    assert.deepEqual(await refused({ action: 'burn', after: DAY }), ['action', 'invalid_value']);
    const nested = await stack.call('POST', '/v1/assistants', { model: 'openai/gpt-4o-mini', retention: { action: 'archive' } });
    assert.deepEqual([nested.status, nested.body.error.param], [400, 'retention.after']);
    const schedule = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, every: '1h', retention: { action: 'delete', after: DAY, for: 'ever' } });
    assert.deepEqual([schedule.status, schedule.body.error.param], [400, 'retention.for']);
  });
});

test('schedulers that are killed in the midst leave no half of a thread, and the sums are right', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant();
    const owned = (user) => ({ thread: { messages: [{ role: 'user', content: 'work' }], user_id: user } });
    const first = await done(stack, assistant, 'work', owned('ann'));
    const stays = await done(stack, assistant, 'work', owned('ann'));
    age(stack, first.thread_id, 40 * DAY);
    copyThread(stack, first.thread_id, 2_000);
    const bytes = () => stack.sql("SELECT penstock_user_bytes(id, 'ann') AS sum, (SELECT coalesce(sum(total_bytes), 0) FROM threads WHERE user_id = 'ann') AS held FROM tenants WHERE name = 'test'")[0];
    assert.deepEqual(bytes().sum, bytes().held);
    const count = () => stack.sql('SELECT count(*)::int AS n FROM threads')[0].n;
    const whole = () => stack.sql(`SELECT (SELECT count(*) FROM runs r WHERE NOT EXISTS (SELECT FROM threads t WHERE t.id = r.thread_id))
      + (SELECT count(*) FROM messages m WHERE NOT EXISTS (SELECT FROM threads t WHERE t.id = m.thread_id))
      + (SELECT count(*) FROM run_steps s WHERE NOT EXISTS (SELECT FROM runs r WHERE r.id = s.run_id))
      + (SELECT count(*) FROM tool_calls c WHERE NOT EXISTS (SELECT FROM runs r WHERE r.id = c.run_id))
      + (SELECT count(*) FROM threads t WHERE (SELECT count(*) FROM messages m WHERE m.thread_id = t.id) <> t.message_count) AS halves`)[0].halves;
    await put(stack, { action: 'delete', after: 30 * DAY });
    for (let kills = 0; kills < 4; kills++) {
      const left = count();
      await until('some are gone', () => count() < left, 60000);
      await stack.scheduler.kill('SIGKILL');
      assert.ok(count() > 1, 'some are left');
      assert.equal(whole(), 0);
      stack.exec("UPDATE retention_state SET lease_until = now()"); // as if a minute had passed
      await stack.startScheduler();
    }
    await until('all are gone', () => count() === 1, 120000);
    assert.deepEqual(rowsOf(stack, stays.thread_id), { threads: 1, runs: 1, messages: 4, steps: 2 });
    assert.deepEqual(bytes(), { sum: bytes().held, held: rowsHeld(stack, stays.thread_id) }, 'what a user has is what is left of it');
    await pass(stack);
    assert.equal(stack.exec('SELECT done_to > now() - interval \'1 minute\' FROM retention_state').trim(), 't');
  });
});

test('what became of times of schedules is forgotten after its days, and not before its run where the schedule says something', async () => {
  await withStack({ script, config: 'retention: {pause_ms: 100, firing_days: 60}\n' }, async (stack) => {
    const assistant = await stack.assistant();
    const schedules = [];
    for (const retention of [null, { action: 'keep' }]) {
      const schedule = await createSchedule(stack, assistant, { every: '1d', input: 'hi', retention });
      for (let i = 1; i <= 2; i++) {
        await stack.ok('POST', `/v1/schedules/${schedule.id}/run`);
        await settledFirings(stack, schedule.id, i);
      }
      schedules.push(schedule);
    }
    for (const schedule of schedules) {
      const [first] = await firingsOf(stack, schedule.id);
      age(stack, (await stack.ok('GET', `/v1/runs/${first.run_id}`)).thread_id, 61 * DAY);
    }
    await pass(stack);
    assert.deepEqual([(await firingsOf(stack, schedules[0].id)).length, (await firingsOf(stack, schedules[1].id)).length], [1, 2]);
  });
});
