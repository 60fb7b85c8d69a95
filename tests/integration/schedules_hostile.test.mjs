// Schedules among clocks that differ, outages, tenants that ask for as much as they may, and times at the end of all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSchedule, firingsOf, firingsWhere, getSchedule, settledFirings, uuidOf } from '../lib/schedules.mjs';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const script = "rules: [{name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: 3000}}, {name: any, then: {text: 'Done.'}}]\n";

/** As if Postgres' clock were so many seconds ahead of the schedulers': what its statements call now() is that. */
async function skew(stack, seconds) {
  stack.exec(`CREATE SCHEMA IF NOT EXISTS skewed;
    CREATE OR REPLACE FUNCTION skewed.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + ${seconds} * interval ''1 s''';
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO skewed, public, pg_catalog', current_database()); END $$`);
  await stack.scheduler.kill('SIGKILL');
  await stack.startScheduler();
}

const metric = async (stack, name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await (await fetch(`${stack.url}/metrics`)).text())[1]);
const copies = (stack, id, count) => stack.exec(`INSERT INTO schedules SELECT (r).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid())) AS r
  FROM schedules s, generate_series(2, ${count}) WHERE id = '${uuidOf(id)}') q`);

test('the times of a schedule are those of the clock that it fires by, whatever that of its scheduler says', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const instant = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
    for (const ahead of [1800, -1800]) {
      await skew(stack, ahead);
      const now = () => Date.now() / 1000 + ahead;
      const made = await createSchedule(stack, assistant, { cron: '* * * * *', input: 'hi', catch_up: 'all' });
      const [first] = made.next_fire_times.map((time) => Date.parse(time) / 1000);
      assert.ok(first > now() - 5 && first < now() + 65, `${made.next_fire_times[0]}, and it is ${new Date(now() * 1000).toISOString()}`);
      const every = await createSchedule(stack, assistant, { every: '1h', input: 'hi' });
      const second = Date.parse(every.next_fire_times[0]) / 1000;
      assert.ok(Math.abs(second - now() - 3600) < 60, every.next_fire_times[0]);
      const past = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, run_at: instant(ahead - 600), input: 'hi' });
      assert.deepEqual([past.status, past.body.error?.param], [400, 'run_at'], JSON.stringify(past.body));
      const once = await createSchedule(stack, assistant, { run_at: instant(ahead + 600), input: 'hi' });
      assert.equal(once.next_fire_times.length, 1);
      const changed = await stack.ok('POST', `/v1/schedules/${every.id}`, { every: '2h', start_at: null });
      assert.ok(Math.abs(Date.parse(changed.next_fire_times[0]) / 1000 - now() - 7200) < 60, changed.next_fire_times[0]);
      assert.ok(Date.parse((await getSchedule(stack, made.id)).next_fire_times[0]) / 1000 > now() - 5);
    }
  });
});

test('what was told a moment ago is kept by a scheduler whose clock is days ahead', async () => {
  await withStack({ script, workers: 0, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack) => {
    const days = 10;
    await skew(stack, -days * 86400);
    const webhook = await stack.ok('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/', events: ['*'] });
    const add = (age) => stack.exec(`INSERT INTO webhook_events (id, tenant_id, type, data, moved)
      SELECT (rpad(lpad(to_hex(floor(date_part('epoch', pg_catalog.now() - ${age} * interval '1 day') * 1000)::int8), 12, '0'), 12) || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
        tenant_id, 'run.failed', '{}', true FROM webhook_endpoints WHERE id = '${uuidOf(webhook.id)}'`);
    add(days);
    add(days + 8);
    await until('the old one is gone', () => stack.sql('SELECT id FROM webhook_events').length < 2, 30000);
    assert.equal(stack.sql('SELECT id FROM webhook_events').length, 1, 'and the new one is there');
  });
});

test('no time is later than those that can be written, and what never comes is refused', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const refused = async (fields, param, words) => {
      const { status, body } = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, input: 'hi', ...fields });
      assert.deepEqual([status, body.error?.param], [400, param], JSON.stringify(body));
      assert.match(body.error.message, words);
    };
    await refused({ cron: '0 0 1 1 *', start_at: '9999-06-01T00:00:00Z' }, 'cron', /never fires/);
    await refused({ every: '366d', start_at: '9999-12-31T00:00:00Z' }, 'cron', /never fires/);
    await refused({ run_at: '9999-12-31T23:59:59-12:00' }, 'run_at', /after the end of the year 9999/);
    await refused({ run_at: '10000-01-01T00:00:00Z' }, 'run_at', /is no time/);
    await refused({ run_at: '0001-01-01T00:00:00Z' }, 'run_at', /not after the beginning of 1970/);
    for (const run_at of ['2026-02-30T00:00:00Z', '2027-01-01', '1e9', '2027-01-01T25:00:00Z', '2027-01-01T00:00:00+24:00', '２０２７-01-01T00:00:00Z'])
      await refused({ run_at }, 'run_at', /is no time/);
    for (const cron of ['0 0 30 2 *', '0 0 31 4,6,9,11 *', '0 0 * * 1#6', '* * * * * *', '60 * * * *', '*/0 * * * *', '0 0 0 * *', '0 24 * * *', '5-1 * * * *', '٠ * * * *', '@every 1s', '@reboot', 'TZ=UTC 0 0 * * *'])
      await refused({ cron }, 'cron', /./);
    const last = await createSchedule(stack, assistant, { cron: '0 12 * 12 *', start_at: '9999-12-25T00:00:00Z', end_at: '9999-12-31T23:59:59Z', timezone: 'Pacific/Kiritimati', jitter: 86400, input: 'hi' });
    assert.ok(last.next_fire_times.length > 0);
    for (const time of [...last.next_fire_times, last.start_at, last.end_at]) assert.match(time, /^\d{4}-\d\d-\d\dT/);
    const again = await stack.ok('POST', `/v1/schedules/${last.id}`, { start_at: last.start_at, end_at: last.end_at });
    assert.deepEqual([again.start_at, again.end_at], [last.start_at, last.end_at], 'what is shown can be said');
  });
});

test('hundreds of schedules catch up a day of minutes, and nobody is held up', async () => {
  await withStack({ script, workers: 0, slots: 50 }, async (stack) => {
    const count = Number(process.env.CATCHING_UP ?? 40);
    const assistant = await stack.assistant({ tools: [] });
    const one = await createSchedule(stack, assistant, { cron: '* * * * *', input: 'hi', catch_up: 'all', catch_up_window: 86400, max_failures: 0 });
    copies(stack, one.id, count);
    const other = stack.tenant('other');
    const theirs = await createSchedule(other, await other.assistant(), { every: '1h', input: 'hi' });
    stack.exec(`UPDATE schedules SET turn = turn + 1, next = next - interval '7 days', due = due - interval '7 days', created_at = created_at - interval '8 days' WHERE cron IS NOT NULL;
      UPDATE schedules SET turn = turn + 1, next = next - interval '1 hour', due = due - interval '1 hour', starts_at = starts_at - interval '1 hour' WHERE every_seconds IS NOT NULL`);
    const start = Date.now();
    await firingsWhere(other, theirs.id, 'the other one has its run', (all) => all.some((each) => each.state === 'started'), 60000);
    console.log(`the other one's run: after ${Date.now() - start} ms`);
    await until('all are planned', () => stack.sql('SELECT 1 AS one FROM schedules WHERE due <= now()').length === 0, 120000);
    assert.equal(stack.sql(`SELECT count(*)::int AS n FROM schedule_firings WHERE cause IN ('catch_up', 'time') AND state <> 'missed' AND schedule_id <> '${uuidOf(theirs.id)}'`)[0].n, count * 1000);
    for (const { times } of stack.sql(`SELECT DISTINCT times FROM schedule_firings WHERE state = 'missed'`)) assert.ok(times >= 9079 && times <= 9081, String(times));
    const longest = await metric(stack, 'penstock_loop_longest_seconds');
    console.log(`the longest hold of the loop: ${(longest * 1000).toFixed(1)} ms`);
    checkTook(longest * 1000, 100, 'the longest hold of the loop');
    assert.equal(await metric(stack, 'penstock_schedules_plan_failures_total'), 0);
  });
});

test('schedules that ask with megabytes start all the same, and so do those of others', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const large = 'x'.repeat(250000);
    const one = await createSchedule(stack, assistant, { run_at: '2040-01-01T00:00:00Z', input: large, instructions: large, additional_instructions: large });
    copies(stack, one.id, 100);
    const other = stack.tenant('other');
    const theirs = await createSchedule(other, await other.assistant(), { run_at: '2040-01-01T00:00:00Z', input: 'hi' });
    stack.exec(`UPDATE schedules SET turn = turn + 1, next = date_trunc('second', now()) - interval '1 s', due = date_trunc('second', now()) - interval '1 s', run_at = date_trunc('second', now()) - interval '1 s'`);
    await firingsWhere(other, theirs.id, 'the other one has its run', (all) => all.some((each) => each.state === 'started'), 60000);
    await until('all have their runs', () => stack.sql(`SELECT count(*)::int AS n FROM schedule_firings WHERE state = 'started'`)[0].n === 101, 120000);
    assert.equal(stack.sql('SELECT max(tries)::int AS tries FROM schedule_firings')[0].tries, 1);
  });
});

test('templates take whatever a name, a zone or an answer has, and fill nothing twice', async () => {
  const odd = '\u0001\u001b[31m\u202e\u0085{{fire_time}} "\\ ﷽ 💣';
  await withStack({ script: "rules: [{name: echo, when: {user: '^again'}, then: {text: 'It was {{user}}'}}, {name: any, then: {text: 'Done.'}}]\n" }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const one = await createSchedule(stack, assistant, { every: '1h', name: odd, thread: 'lasting', input: 'again {{schedule_name}} {{ last_result }} {{{{last_result}}}}', metadata: { a: odd } });
    assert.equal(one.name, odd);
    for (let i = 1; i <= 2; i++) {
      await stack.ok('POST', `/v1/schedules/${one.id}/run`);
      const all = await settledFirings(stack, one.id, i);
      assert.deepEqual(all.map((each) => each.outcome), Array(i).fill('completed'), JSON.stringify(all));
    }
    const thread = (await getSchedule(stack, one.id)).thread_id;
    const said = (await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc`)).data.filter((message) => message.role === 'user').map((message) => message.content[0].text.value);
    assert.equal(said[0], `again ${odd}  {{}}`);
    assert.equal(said[1], `again ${odd} It was ${said[0]} {{It was ${said[0]}}}`);
    for (const name of ['\u0000', 'a\u0000b', '', 'x'.repeat(257)]) {
      const { status } = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, every: '1h', input: 'hi', name });
      assert.equal(status, 400, JSON.stringify(name));
    }
    for (const input of ['a\u0000b', '{{fire_time', '}}{{', '{{' + 'x'.repeat(5000) + '}}', '{'.repeat(20000)]) {
      const { status, body } = await stack.call('POST', '/v1/schedules', { assistant_id: assistant.id, every: '1h', input });
      assert.ok([200, 400].includes(status), JSON.stringify(body));
    }
  });
});

test('a schedule that would say nothing to anybody is refused', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const silent = await stack.assistant({ slug: 'silent' });
    const tasked = await stack.assistant({ task_instructions: 'Look after it.' });
    const refused = await stack.call('POST', '/v1/schedules', { assistant_id: silent.id, every: '1h' });
    assert.deepEqual([refused.status, refused.body.error.param], [400, 'input'], JSON.stringify(refused.body));
    assert.match(refused.body.error.message, /no 'task_instructions' either/);
    await createSchedule(stack, tasked, { every: '1h' });
    await createSchedule(stack, silent, { every: '1h', input: 'hi' });
    const thread = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'Go on.' }] });
    await createSchedule(stack, silent, { every: '1h', thread_id: thread.id });
    await createSchedule(stack, silent, { every: '1h', thread: 'lasting', if_pending: true });
    const named = await stack.call('POST', '/v1/schedules', { agent: 'silent', every: '1h', input: 'hi' });
    assert.deepEqual([named.status, named.body.error.param], [400, 'agent']);
    assert.match(named.body.error.message, /Did you mean 'assistant_id'\?/);
    await firingsOf(stack, (await stack.ok('GET', '/v1/schedules')).data[0].id);
  });
});
