// Schedules: what they say, when they fire, and what becomes of it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSchedule, firingsOf, firingsWhere, getSchedule, passed, settledFirings, uuidOf } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: refused, when: {user: '^refuse'}, then: {status: 400, body: '{"error":{"message":"I do not like it","type":"x","code":"invalid_value"}}'}}
  - {name: stall, when: {user: '^stall'}, then: {stall: true}}
  - {name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: 1500}}
  - {name: long, when: {user: '^long'}, then: {text: '${'much '.repeat(100)}'}}
  - {name: huge, when: {user: '^huge'}, then: {text: '${'much '.repeat(400)}'}}
  - {name: echo, when: {user: '^([^$]+)$'}, then: {text: 'You said {{1}}.'}}
  - {name: other, then: {text: 'Hello.'}}
`;
const states = (firings) => firings.map((one) => `${one.cause} ${one.state}${one.outcome ? ` ${one.outcome}` : ''}`);
const said = async (stack, thread) => (await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc&limit=100`)).data
  .map((message) => `${message.role}: ${message.content[0].text.value}`);

test('a schedule says what it is, and when it fires next', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'clerk', task_instructions: 'Look what is new.' });
    const one = await createSchedule(stack, assistant, { name: 'morning', cron: '30 9 * * MON-FRI', timezone: 'Europe/Berlin', input: 'It is {{fire_time}}.', metadata: { of: 'tests' }, max_iterations: 3 });
    assert.match(one.id, /^sched_[0-9a-f]{32}$/);
    assert.deepEqual([one.object, one.assistant_id, one.name, one.cron, one.every, one.run_at, one.timezone], ['schedule', assistant.id, 'morning', '30 9 * * MON-FRI', null, null, 'Europe/Berlin']);
    assert.deepEqual([one.overlap, one.catch_up, one.catch_up_window, one.thread, one.thread_id, one.on_full, one.max_failures, one.jitter], ['skip', 'latest', 3600, 'new', null, 'new_thread', 10, 0]);
    assert.deepEqual([one.state, one.paused_reason, one.failures, one.fired, one.last_run_id, one.input, one.max_iterations, one.metadata], ['active', null, 0, 0, null, 'It is {{fire_time}}.', 3, { of: 'tests' }]);
    assert.equal(one.next_fire_times.length, 5);
    for (const time of one.next_fire_times) assert.match(time, /T09:30:00\+0[12]:00$/);
    assert.deepEqual(await getSchedule(stack, one.id), one);

    const every = await createSchedule(stack, { id: 'clerk' }, { every: '1h30m', jitter: 600, start_at: '2030-01-01T00:00:00Z' });
    const delay = Date.parse(every.next_fire_times[0]) - Date.parse('2030-01-01T00:00:00Z');
    assert.ok(delay >= 0 && delay <= 600000);
    assert.deepEqual(every.next_fire_times.map((time) => Date.parse(time) - delay - Date.parse('2030-01-01T00:00:00Z')), [0, 1, 2, 3, 4].map((n) => n * 5400000));
    assert.deepEqual([every.every, every.start_at, every.assistant_id], ['1h30m', '2030-01-01T00:00:00+00:00', assistant.id]);
    const once = await createSchedule(stack, assistant, { run_at: '2030-07-01T12:00:00', timezone: 'America/New_York', user: 'ada' });
    assert.deepEqual(once.next_fire_times, ['2030-07-01T12:00:00-04:00']);

    const ids = (query) => stack.ok('GET', `/v1/schedules?${query}`).then((list) => list.data.map((each) => each.id));
    assert.deepEqual(await ids(''), [once.id, every.id, one.id]);
    assert.deepEqual(await ids(`limit=1&after=${every.id}`), [one.id]);
    assert.deepEqual([await ids('user=ada'), await ids('name=morning'), await ids('metadata[of]=tests'), await ids('state=paused'), await ids('assistant_id=clerk')], [[once.id], [one.id], [one.id], [], [once.id, every.id, one.id]]);
    assert.equal((await stack.tenant('other').call('GET', `/v1/schedules/${one.id}`)).status, 404);

    const changed = await stack.ok('POST', `/v1/schedules/${one.id}`, { cron: '@hourly', input: null, name: 'hours', overlap: 'queue' });
    assert.deepEqual([changed.cron, changed.input, changed.name, changed.overlap, changed.max_iterations, changed.timezone], ['@hourly', null, 'hours', 'queue', 3, 'Europe/Berlin']);
    assert.match(changed.next_fire_times[0], /:00:00\+0[12]:00$/);
    assert.deepEqual(await stack.ok('DELETE', `/v1/schedules/${one.id}`), { id: one.id, object: 'schedule.deleted', deleted: true });
    assert.equal((await stack.call('GET', `/v1/schedules/${one.id}`)).status, 404);
    assert.equal((await stack.call('GET', `/v1/schedules/${one.id}/firings`)).status, 404);

    const key = { 'idempotency-key': 'again' };
    const first = await stack.ok('POST', '/v1/schedules', { assistant_id: assistant.id, every: '5m' }, key);
    assert.equal((await stack.ok('POST', '/v1/schedules', { assistant_id: assistant.id, every: '5m' }, key)).id, first.id);
  });
});

test('a schedule that is not right is refused, and it is said what would be', async () => {
  await withStack({ script, workers: 0, config: 'scheduler: {tenant_schedules: 2}\n' }, async (stack) => {
    const assistant = await stack.assistant({ template: true, instructions: 'Branch {{branch}}.', task_instructions: 'Look what is new.', tools: [{ type: 'calculator' }] });
    const variables = { branch: 'North' };
    const refused = async (fields, status, param, message) => {
      const { status: got, body } = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, variables, ...fields });
      assert.deepEqual([got, body.error.param], [status, param], JSON.stringify(body));
      assert.match(body.error.message, message);
    };
    await refused({}, 400, 'cron', /one of 'cron', 'every' and 'run_at'/);
    await refused({ cron: '* * * * *', every: '5m' }, 400, 'cron', /say one of them/);
    await refused({ cron: '61 * * * *' }, 400, 'cron', /minute/);
    await refused({ cron: '0 0 30 2 *' }, 400, 'cron', /Invalid 'cron'/);
    await refused({ every: '10s' }, 400, 'every', /from 1m to 366d/);
    await refused({ run_at: '2020-01-01T00:00:00Z' }, 400, 'run_at', /not in the future/);
    await refused({ every: '5m', start_at: '1970-01-01T00:00:00Z' }, 400, 'start_at', /not after the beginning of 1970/);
    await refused({ every: '5m', end_at: '1969-12-31T23:59:59Z' }, 400, 'end_at', /not after the beginning of 1970/);
    await refused({ every: '5m', timezone: 'Mars/Olympus' }, 400, 'timezone', /Mars/);
    await refused({ cron: '@daily', end_at: '2020-01-01T00:00:00Z' }, 400, 'end_at', /never fires/);
    await refused({ every: '5m', input: 'It is {{now}}' }, 400, 'input', /'now', which nothing fills/);
    await refused({ every: '5m', variables: {} }, 400, 'variables.branch', /place for 'branch'/);
    await refused({ every: '5m', model: 'nobody/serves-it' }, 400, 'model', /nobody/);
    await refused({ every: '5m', tools: [{ type: 'current_time' }] }, 400, 'tools[0]', /current_time/);
    await refused({ every: '5m', assistant_id: 'asst_00000000000000000000000000000000' }, 404, null, /No assistant/);
    await refused({ every: '5m', thread_id: 'thread_00000000000000000000000000000000' }, 404, null, /No thread/);
    await refused({ every: '5m', overlap: 'both' }, 400, 'overlap', /'skip', 'queue', and 'cancel_running'/);
    await refused({ every: '5m', colour: 'red' }, 400, 'colour', /Unknown parameter/);
    const made = await createSchedule(stack, assistant, { every: '5m', name: 'one', variables });
    await refused({ every: '5m', name: 'one' }, 409, 'name', new RegExp(`taken by ${made.id}`));
    await createSchedule(stack, assistant, { every: '5m', variables });
    await refused({ every: '5m' }, 400, null, /There are 2 schedules already/);
    const past = await stack.call('POST', `/v1/schedules/${made.id}/backfill`, { from: '2020-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' });
    assert.deepEqual([past.status, past.body.error.param], [400, 'to']);
    const many = await stack.call('POST', `/v1/schedules/${made.id}/backfill`, { from: '2020-01-01T00:00:00Z', to: '2020-02-01T00:00:00Z' });
    assert.match(many.body.error.message, /more than 1000 times/);
  });
});

test('what fires becomes a run, with what the schedule says', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { name: 'echo', every: '1h', timezone: 'Europe/Berlin', input: 'at {{fire_time}} of {{schedule_name}}, before {{last_fire_time}}: {{last_result}}', metadata: { of: 'tests' } });
    passed(stack, one.id, 3600);
    const [first] = await settledFirings(stack, one.id, 1);
    assert.deepEqual([first.cause, first.state, first.outcome, first.times, first.schedule_id], ['time', 'ended', 'completed', 1, one.id]);
    const run = await stack.ok('GET', `/v1/runs/${first.run_id}`);
    assert.deepEqual([run.status, run.assistant_id, run.metadata], ['completed', assistant.id, { of: 'tests', schedule_id: one.id }]);
    const [asked, answered] = await said(stack, run.thread_id);
    assert.equal(asked, `user: at ${first.fire_time} of echo, before : `);
    passed(stack, one.id, 3600);
    const second = (await settledFirings(stack, one.id, 2))[1];
    const next = await stack.ok('GET', `/v1/runs/${second.run_id}`);
    assert.notEqual(next.thread_id, run.thread_id);
    const before = (await firingsOf(stack, one.id))[0].fire_time;
    assert.equal((await said(stack, next.thread_id))[0], `user: at ${second.fire_time} of echo, before ${before}: ${answered.slice('assistant: '.length)}`);
    const now = await getSchedule(stack, one.id);
    assert.deepEqual([now.fired, now.failures, now.last_run_id, now.last_outcome, now.state], [2, 0, second.run_id, 'completed', 'active']);

    const once = await createSchedule(stack, assistant, { run_at: new Date(Date.now() + 3000).toISOString(), input: 'once' });
    await settledFirings(stack, once.id, 1);
    const ended = await getSchedule(stack, once.id);
    assert.deepEqual([ended.state, ended.next_fire_times, ended.fired], ['ended', [], 1]);
    assert.equal((await stack.call('POST', `/v1/schedules/${once.id}/pause`, {})).status, 409);
  });
});

test('an agent is told its task where nobody says anything', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ template: true, task_instructions: 'Look for {{fire_time}}.' });
    const one = await createSchedule(stack, assistant, { every: '1h', thread: 'lasting' });
    for (let n = 1; n <= 2; n++) {
      passed(stack, one.id, 3600);
      await settledFirings(stack, one.id, n);
    }
    const { thread_id } = await getSchedule(stack, one.id);
    const messages = await said(stack, thread_id);
    assert.equal(messages.length, 4);
    assert.match(messages[0], /^user: Look for 20.*\+00:00\.$/);
    assert.match(messages[2], /^user: Look for 20.*\+00:00\.$/);
    const pending = await createSchedule(stack, assistant, { every: '1h', thread_id, if_pending: true });
    passed(stack, pending.id, 3600);
    await settledFirings(stack, pending.id, 1);
    assert.equal((await said(stack, thread_id)).length, 4, 'nothing is new, so no model is called');
  });
});

test('a time that comes while a run is at work is skipped, waits, or cancels it', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const make = (overlap, input) => createSchedule(stack, assistant, { every: '1h', overlap, input });
    const started = (one, count) => firingsWhere(stack, one.id, `${count} are there`, (all) => all.length === count && all.every((each) => each.state !== 'due'));
    const [skip, queue, cancel] = [await make('skip', 'stall'), await make('queue', 'stall'), await make('cancel_running', 'stall')];
    for (const one of [skip, queue, cancel]) {
      passed(stack, one.id, 3600);
      await started(one, 1);
      passed(stack, one.id, 3600);
      await started(one, 2);
      passed(stack, one.id, 3600);
      await started(one, 3);
    }
    assert.deepEqual(states(await firingsOf(stack, skip.id)), ['time started', 'time skipped', 'time skipped']);
    assert.match((await firingsOf(stack, skip.id))[1].detail, /^run_[0-9a-f]{32} was still at work$/);
    const busy = await stack.call('POST', `/v1/schedules/${skip.id}/run`);
    assert.deepEqual([busy.status, busy.body.error.code], [409, 'schedule_busy']);

    const waiting = await firingsOf(stack, queue.id);
    assert.deepEqual(states(waiting), ['time started', 'time waiting', 'time skipped']);
    const first = await stack.ok('GET', `/v1/runs/${waiting[0].run_id}`);
    await stack.ok('POST', `/v1/threads/${first.thread_id}/runs/${first.id}/cancel`);
    await firingsWhere(stack, queue.id, 'the second goes on', (all) => all[0].outcome === 'cancelled' && all[1].state === 'started');

    const replaced = await firingsWhere(stack, cancel.id, 'those before are cancelled', (all) => all.filter((each) => each.outcome === 'cancelled').length === 2);
    assert.deepEqual(states(replaced), ['time ended cancelled', 'time ended cancelled', 'time started']);
    assert.equal((await getSchedule(stack, cancel.id)).failures, 0);
  });
});

test('an outage of two hours is caught up as the schedule says', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const make = (catch_up, catch_up_window = 86400) => createSchedule(stack, assistant, { every: '10m', overlap: 'skip', catch_up, catch_up_window, input: catch_up });
    const [none, latest, all, some] = [await make('none'), await make('latest'), await make('all'), await make('all', 3600)];
    await stack.scheduler.kill('SIGKILL');
    for (const one of [none, latest, all, some]) passed(stack, one.id, 7200 + 120);
    await stack.startScheduler();
    assert.deepEqual(states(await settledFirings(stack, none.id, 1)), ['time missed']);
    const [missed] = await firingsOf(stack, none.id);
    assert.equal(missed.times, 12);
    assert.equal(Date.parse(missed.last_missed_time) - Date.parse(missed.fire_time), 11 * 600000);
    assert.equal(missed.run_id, null);
    assert.deepEqual(states(await settledFirings(stack, latest.id, 2)), ['time missed', 'catch_up ended completed']);
    assert.equal((await firingsOf(stack, latest.id))[0].times, 11);
    const twelve = await settledFirings(stack, all.id, 12, 60000);
    assert.deepEqual(states(twelve), Array(12).fill('catch_up ended completed'));
    assert.ok(twelve.every((one, i) => i === 0 || Date.parse(one.fire_time) - Date.parse(twelve[i - 1].fire_time) === 600000 && one.started_at >= twelve[i - 1].ended_at));
    const within = await settledFirings(stack, some.id, 7, 60000);
    assert.deepEqual([within[0].state, within[0].times, within.length], ['missed', 6, 7]);
    for (const one of [none, latest, all, some]) assert.ok(Date.parse((await getSchedule(stack, one.id)).next_fire_times[0]) > Date.now());
  });
});

test('a schedule is paused, resumed, run by hand, and filled for the past', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '1h', input: 'hi {{fire_time}}' });
    const paused = await stack.ok('POST', `/v1/schedules/${one.id}/pause`, { reason: 'We are on holiday.' });
    assert.deepEqual([paused.state, paused.paused_reason], ['paused', { code: 'requested', message: 'We are on holiday.' }]);
    passed(stack, one.id, 3 * 3600);
    const key = { 'idempotency-key': 'now' };
    const byHand = await stack.ok('POST', `/v1/schedules/${one.id}/run`, undefined, key);
    assert.deepEqual([byHand.cause, byHand.state, byHand.object], ['manual', 'due', 'schedule.firing']);
    assert.equal((await stack.ok('POST', `/v1/schedules/${one.id}/run`, undefined, key)).id, byHand.id);
    assert.deepEqual(states(await settledFirings(stack, one.id, 1)), ['manual ended completed']);
    assert.equal((await stack.call('POST', `/v1/schedules/${one.id}/backfill`, { from: '2026-01-01T00:00:00Z', to: '2026-01-01T04:00:00Z' })).body.error.code, 'schedule_paused');
    const resumed = await stack.ok('POST', `/v1/schedules/${one.id}/resume`);
    assert.deepEqual([resumed.state, resumed.paused_reason], ['active', null]);
    assert.deepEqual(states(await settledFirings(stack, one.id, 3)), ['manual ended completed', 'time missed', 'time ended completed']);

    const minutes = await createSchedule(stack, assistant, { cron: '*/15 * * * *', input: 'hi {{fire_time}}' });
    const span = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T01:00:00Z' };
    assert.equal((await stack.ok('POST', `/v1/schedules/${minutes.id}/backfill`, span)).firings, 4);
    const filled = await settledFirings(stack, minutes.id, 4);
    assert.deepEqual(filled.map((each) => each.fire_time.slice(11, 16)), ['00:15', '00:30', '00:45', '01:00']);
    assert.ok(filled.every((each) => each.cause === 'backfill' && each.outcome === 'completed'));
    assert.equal((await stack.ok('POST', `/v1/schedules/${minutes.id}/backfill`, span)).firings, 0, 'no time has two runs');
  });
});

test('who says the times of a schedule once more takes none away', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '1h', jitter: 86400, input: 'hi' });
    const row = () => stack.sql(`SELECT extract(epoch FROM next)::int AS next, extract(epoch FROM due)::int AS due FROM schedules WHERE id = '${uuidOf(one.id)}'`)[0];
    assert.equal(Date.parse(one.next_fire_times[0]) / 1000, row().due);
    // Its time is past and its delay is not: what is due is to come.
    stack.exec(`UPDATE schedules SET turn = turn + 1, next = next - interval '61 min', starts_at = starts_at - interval '61 min', due = now() + interval '1 h' WHERE id = '${uuidOf(one.id)}'`);
    const before = row();
    const { start_at } = await getSchedule(stack, one.id);
    for (const said of [{ every: '1h' }, { every: '1h', start_at, timezone: 'UTC', jitter: 86400 }, { end_at: '2040-01-01T00:00:00Z' }]) {
      await stack.ok('POST', `/v1/schedules/${one.id}`, said);
      assert.equal(row().next, before.next, JSON.stringify(said));
    }
    await stack.ok('POST', `/v1/schedules/${one.id}`, { every: '2h' });
    assert.ok(row().next > Date.now() / 1000, 'other times are those to come');
  });
});

test('many change a schedule at once, and none is sent away', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '1h', input: 'hi' });
    const ask = (i) => stack.call('POST', `/v1/schedules/${one.id}${['', '/pause', '/resume', ''][i % 4]}`, [{ metadata: { i: `${i}` } }, {}, undefined, { every: `${i + 2}m` }][i % 4]);
    for (let round = 0; round < 5; round++) {
      const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i)));
      assert.deepEqual(replies.filter((reply) => reply.status !== 200).map((reply) => reply.body), []);
    }
  });
});

test('a lasting thread is the log of its schedule', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '10m', thread: 'lasting', input: 'hi', user: 'ada', catch_up: 'none', max_failures: 3 });
    passed(stack, one.id, 600);
    await settledFirings(stack, one.id, 1);
    const { thread_id } = await getSchedule(stack, one.id);
    assert.equal((await stack.ok('GET', `/v1/threads/${thread_id}`)).user_id, 'ada');
    passed(stack, one.id, 3000 + 90);
    await settledFirings(stack, one.id, 2);
    await stack.ok('POST', `/v1/schedules/${one.id}`, { input: 'refuse it', catch_up: 'latest' });
    for (let n = 3; n <= 5; n++) {
      passed(stack, one.id, 600);
      await settledFirings(stack, one.id, n);
    }
    await until('all of it is told', async () => (await said(stack, thread_id)).filter((text) => text.startsWith('system')).length >= 4);
    const told = (await said(stack, thread_id)).filter((text) => text.startsWith('system'));
    assert.match(told[0], /^system: Schedule: 5 times from 20.* to 20.* were missed\.$/);
    assert.match(told[1], /^system: Schedule: the run for 20.* \(run_[0-9a-f]{32}\) failed: .*I do not like it/);
    const paused = await getSchedule(stack, one.id);
    assert.deepEqual([paused.state, paused.failures, paused.paused_reason], ['paused', 3, { code: 'failures', message: paused.paused_reason.message }]);
    assert.match(paused.paused_reason.message, /^3 runs in a row have failed\. The last one: .*I do not like it/);
    const ended = (await firingsOf(stack, one.id)).filter(({ state }) => state === 'ended');
    assert.ok(ended.every(({ outcome, detail }) => (outcome === 'failed' ? /I do not like it/.test(detail) : detail === null)), 'why each that failed has');
    assert.match(stack.command('schedules', 'firings', one.id), /^20\S+ +catch_up +failed +run_[0-9a-f]{32} +.*I do not like it/m);
    assert.deepEqual([(await stack.ok('POST', `/v1/schedules/${one.id}/resume`)).failures], [0]);
  });
});

test('a lasting thread that is full is followed by another one, or compacted', async () => {
  await withStack({ script, config: 'threads: {max_bytes: 6000}\n' }, async (stack) => {
    const assistant = await stack.assistant();
    for (const [on_full, input] of [['new_thread', 'long'], ['compact', 'long'], ['new_thread', 'huge'], ['compact', 'huge']]) {
      const one = await createSchedule(stack, assistant, { every: '10m', thread: 'lasting', input, user: 'ada', on_full });
      const threads = new Set();
      let before = 'completed';
      for (let n = 1; n <= 13; n++) {
        passed(stack, one.id, 600);
        const { outcome } = (await settledFirings(stack, one.id, n))[n - 1];
        // What a run writes is not known before: one that finds no room is incomplete, and the next one has it.
        assert.ok(outcome === 'completed' || (input === 'huge' && outcome === 'incomplete' && before === 'completed'), `${on_full} ${input} ${n}: ${outcome}`);
        before = outcome;
        threads.add((await getSchedule(stack, one.id)).thread_id);
      }
      const messages = await said(stack, [...threads].at(-1));
      if (on_full === 'compact') {
        assert.equal(threads.size, 1);
        assert.ok(messages.some((text) => /^system: The thread was full: its oldest messages were deleted, \d+ of them\.$/.test(text)));
        const [{ counted, bytes, there, held }] = stack.sql(`SELECT t.message_count AS counted, t.total_bytes AS bytes, count(*)::int AS there, sum(m.bytes)::int AS held
          FROM threads t JOIN messages m ON m.thread_id = t.id WHERE t.id = '${uuidOf([...threads][0])}' GROUP BY t.id`);
        assert.deepEqual([counted, bytes], [there, held]);
      } else {
        assert.ok(threads.size >= 2, `${threads.size} threads`);
        assert.equal(messages[0], `system: This thread follows ${[...threads].at(-2)}, which is full.`);
        assert.equal((await stack.ok('GET', `/v1/threads/${[...threads].at(-1)}`)).user_id, 'ada');
      }
    }
  });
});

test('what a schedule is about may go', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const other = await stack.assistant();
    const thread = await stack.ok('POST', '/v1/threads', {});
    const byAgent = await createSchedule(stack, assistant, { every: '10m', input: 'hi' });
    const byThread = await createSchedule(stack, other, { every: '10m', input: 'hi', thread_id: thread.id });
    const own = await createSchedule(stack, other, { every: '10m', input: 'hi', thread: 'lasting' });
    const ofUser = await createSchedule(stack, other, { every: '10m', input: 'hi', user: 'ada' });
    passed(stack, own.id, 600);
    await settledFirings(stack, own.id, 1);
    const log = (await getSchedule(stack, own.id)).thread_id;
    await stack.ok('DELETE', `/v1/assistants/${assistant.id}`);
    await stack.ok('DELETE', `/v1/threads/${thread.id}`);
    await stack.ok('DELETE', `/v1/threads/${log}`);
    for (const one of [byAgent, byThread, own]) passed(stack, one.id, 600);
    assert.deepEqual(states(await settledFirings(stack, byAgent.id, 1)), ['time failed']);
    assert.deepEqual((await getSchedule(stack, byAgent.id)).paused_reason, { code: 'assistant_deleted', message: 'The assistant was deleted.' });
    assert.deepEqual(states(await settledFirings(stack, byThread.id, 1)), ['time failed']);
    assert.equal((await getSchedule(stack, byThread.id)).paused_reason.code, 'thread_deleted');
    await stack.ok('POST', `/v1/schedules/${byThread.id}/resume`);
    assert.equal((await settledFirings(stack, own.id, 2))[1].outcome, 'completed');
    assert.notEqual((await getSchedule(stack, own.id)).thread_id, log);
    const removed = await stack.ok('DELETE', '/v1/users/ada');
    assert.equal(removed.removed.schedules, 1);
    assert.equal((await stack.call('GET', `/v1/schedules/${ofUser.id}`)).status, 404);
  });
});

test('people make, look at, run and delete schedules', async () => {
  await withStack({ script }, async (stack) => {
    await stack.assistant({ name: 'clerk' });
    const made = JSON.parse(stack.command('schedules', 'create', 'clerk', 'hi {{fire_time}}', '--cron', '0 9 * * *', '--zone', 'Europe/Berlin', '--name', 'morning', '--lasting', '--overlap', 'queue', '--window', '7200', '--json'));
    assert.deepEqual([made.name, made.cron, made.timezone, made.thread, made.overlap, made.catch_up_window, made.input], ['morning', '0 9 * * *', 'Europe/Berlin', 'lasting', 'queue', 7200, 'hi {{fire_time}}']);
    assert.match(stack.command('schedules', 'list'), new RegExp(`^SCHEDULE .*\n${made.id}  active    20\\d\\d-.*T09:00:00\\+0[12]:00  0 9 \\* \\* \\* +morning +clerk\n$`));
    const shown = stack.command('schedules', 'show', 'morning');
    assert.match(shown, /^when +0 9 \* \* \*$/m);
    assert.match(shown, /^next +20\d\d-/m);
    const run = stack.command('schedules', 'run', 'morning').trim();
    assert.match(run, /^run_[0-9a-f]{32}$/);
    await settledFirings(stack, made.id, 1);
    assert.match(stack.command('schedules', 'backfill', 'morning', '2026-01-01T00:00:00', '2026-01-03T00:00:00'), /^2 times are run/);
    assert.equal(stack.command('schedules', 'backfill', 'morning', '2026-01-01T00:00:00', '2026-01-02T12:00:00'), 'nothing is run: no time of it lies there that had no run yet\n');
    await settledFirings(stack, made.id, 3);
    assert.match(stack.command('schedules', 'firings', 'morning'), /^TIME .*\n2026-01-02T09:00:00\+01:00 +backfill +completed +run_.*\n2026-01-01T09:00:00\+01:00 +backfill +completed .*\n20.* manual +completed +run_[0-9a-f]{32}/);
    assert.match(stack.command('schedules', 'pause', 'morning', '--reason', 'holiday'), /^state +paused\npaused +holiday$/m);
    assert.match(stack.command('schedules', 'resume', made.id), /^state +active$/m);
    assert.equal(stack.command('schedules', 'delete', 'morning'), `deleted ${made.id}\n`);
    assert.throws(() => stack.command('schedules', 'show', 'morning'), (error) => error.status === 1);
  });
});

test('schedules are applied from a file, behind its agents', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const file = join(stack.dir, 'agents.yaml');
    const write = (text) => writeFileSync(file, text);
    const agents = 'agents:\n  - {name: clerk, model: openai/gpt-4o-mini, task_instructions: Look what is new.}\n';
    write(`${agents}schedules:\n  - {name: morning, agent: clerk, cron: 0 9 * * MON-FRI, timezone: Europe/Berlin, input: What is new?, max_failures: 3, metadata: {of: tests}}
  - {name: often, agent: clerk, every: 90m, thread: lasting}\n  - {name: once, agent: clerk, run_at: "2030-07-01T12:00:00", timezone: America/New_York}\n`);
    assert.match(stack.command('apply', '-f', file, '--dry-run'), /^\+ create clerk\n[^]*\+ create schedule morning\n[^]*\+ create schedule often\n[^]*4 to create, 0 to update, 0 unchanged\n$/);
    assert.equal((await stack.ok('GET', '/v1/schedules')).data.length, 0);
    assert.match(stack.command('apply', '-f', file, '-y'), /created clerk .*\ncreated schedule morning \(sched_[0-9a-f]{32}\)\ncreated schedule often .*\ncreated schedule once /);
    assert.match(stack.command('apply', '-f', file, '-y'), /= unchanged schedule morning\n= unchanged schedule often\n= unchanged schedule once\n0 to create, 0 to update, 4 unchanged\n$/);
    write(`${agents}schedules:\n  - {name: morning, agent: clerk, cron: 0 8 * * MON-FRI, timezone: Europe/Berlin}\n  - {name: often, agent: clerk, every: 1h30m, thread: lasting}\n`);
    const changed = stack.command('apply', '-f', file, '-y');
    assert.match(changed, /~ update schedule morning\n[^]*= unchanged schedule often\n0 to create, 1 to update, 2 unchanged\n/);
    const [morning] = (await stack.ok('GET', '/v1/schedules?name=morning')).data;
    assert.deepEqual([morning.cron, morning.input, morning.max_failures, morning.metadata], ['0 8 * * MON-FRI', null, 10, {}]);
    assert.match(stack.command('apply', '-f', file, '-y'), /0 to create, 0 to update, 3 unchanged/);
    for (const [text, error] of [
      ['schedules: [{name: x, agent: nobody, every: 5m}]\n', /agents\.yaml:1:13: schedule "x"/],
      ['schedules: [{name: x, every: 5m}]\n', /schedule "x" has no agent/],
      [`${agents}schedules: [{name: x, agent: clerk, every: 5}]\n`, /schedule "x": .*every/],
    ]) {
      write(text);
      assert.throws(() => execFileSync(join(stack.bin, 'penstock'), ['apply', '-f', file, '-y'], { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key }, encoding: 'utf8', stdio: 'pipe' }),
        (failed) => error.test(failed.stderr) || assert.fail(failed.stderr));
    }
  });
});

test('schedules that the file does not name any more are deleted where that is asked for', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const file = join(stack.dir, 'agents.yaml');
    const other = await stack.assistant({ name: 'other', task_instructions: 'Look.' });
    const names = async () => (await stack.ok('GET', '/v1/schedules?order=asc')).data.map(({ name }) => name).sort();
    const write = (...kept) => writeFileSync(file, `agents: [{name: clerk, model: openai/gpt-4o-mini, task_instructions: Look.}]\nschedules: [${kept.map((name) => `{name: ${name}, agent: clerk, every: 1h}`)}]\n`);
    write('a', 'b', 'c');
    stack.command('apply', '-f', file, '-y', '--prune');
    const [{ assistant_id: clerk }] = (await stack.ok('GET', '/v1/schedules')).data;
    await createSchedule(stack, { id: clerk }, { every: '1h' }); // without a name
    await createSchedule(stack, { id: clerk }, { every: '1h', name: 'of ada', user: 'ada' });
    await createSchedule(stack, other, { every: '1h', name: 'of another' });
    write('b');
    assert.match(stack.command('apply', '-f', file, '-y'), /0 to create, 0 to update, 2 unchanged\n$/);
    assert.deepEqual((await names()).length, 6);
    const looked = stack.command('apply', '-f', file, '--prune', '--dry-run');
    assert.match(looked, /= unchanged schedule b\n- delete schedule a\n- delete schedule c\n0 to create, 0 to update, 2 to delete, 2 unchanged\n$/);
    assert.deepEqual((await names()).length, 6);
    assert.match(stack.command('apply', '-f', file, '--prune', '-y'), /deleted schedule a \(sched_[0-9a-f]{32}\)\ndeleted schedule c /);
    assert.deepEqual(await names(), ['b', 'of ada', 'of another', null].sort());
    assert.match(stack.command('apply', '-f', file, '--prune', '-y'), /0 to delete, 2 unchanged\n$/);
    writeFileSync(file, 'agents: [{name: clerk, model: openai/gpt-4o-mini, task_instructions: Look.}]\n');
    stack.command('apply', '-f', file, '--prune', '-y');
    assert.deepEqual(await names(), ['of ada', 'of another', null].sort());
  });
});

test('a schedule is changed from the command line; what is not said stays', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const one = await createSchedule(stack, await stack.assistant(), { name: 'report', every: '1h', timezone: 'Europe/Berlin', input: 'Report.', max_failures: 3 });
    const other = await stack.assistant({ name: 'other' });
    const changed = JSON.parse(stack.command('schedules', 'update', 'report', 'Report {{fire_time}}.', '--cron', '0 9 * * MON', '--agent', 'other', '--json'));
    assert.deepEqual([changed.id, changed.cron, changed.every, changed.input, changed.assistant_id, changed.timezone, changed.max_failures, changed.name],
      [one.id, '0 9 * * MON', null, 'Report {{fire_time}}.', other.id, 'Europe/Berlin', 3, 'report']);
    stack.command('schedules', 'update', one.id, '--zone', 'UTC', '--overlap', 'queue');
    const now = await getSchedule(stack, one.id);
    assert.deepEqual([now.cron, now.timezone, now.overlap, now.input], ['0 9 * * MON', 'UTC', 'queue', 'Report {{fire_time}}.']);
    for (const [args, error] of [[['report'], /say what is to be changed/], [['nobody', '--zone', 'UTC'], /nobody/], [['report', '--cron', '61 * * * *'], /minute/]])
      assert.throws(() => execFileSync(join(stack.bin, 'penstock'), ['schedules', 'update', ...args], { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key }, encoding: 'utf8', stdio: 'pipe' }),
        (failed) => error.test(failed.stderr) || assert.fail(failed.stderr));
  });
});
