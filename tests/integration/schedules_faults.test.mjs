// Each time of a schedule fires once, whoever dies at whatever moment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSchedule, firingsOf, settledFirings, uuidOf } from '../lib/schedules.mjs';
import { freePort, sleep, until, withStack } from '../lib/stack.mjs';

const count = Number(process.env.SCHEDULES ?? 150);
const times = Number(process.env.SCHEDULE_TIMES ?? 20);
const STEP = 300; // seconds between times: the last one below is late, too, and the next comes when all is over
const script = "rules: [{name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: 3000}}, {name: any, then: {text: 'Done.'}}]\n";

/** A few bytes of a seed make the same faults again. */
function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 4294967296 * below);
  };
}

async function startScheduler(stack) {
  const port = await freePort();
  const scheduler = stack.program('penstock-scheduler', ['--port', String(port), '--roles', 'clock,dispatch,reap'], {});
  await stack.ready(scheduler, `http://127.0.0.1:${port}/readyz`);
  return scheduler;
}

test('no time is missing and none is there twice while three schedulers are killed and Postgres crashes', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1000000);
  const random = randomOf(seed);
  console.log(`seed ${seed}, ${count} schedules of ${times} times`);
  await withStack({ script, slots: 500 }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '5m', catch_up: 'all', catch_up_window: 86400, input: 'hi {{fire_time}}', max_failures: 0 });
    stack.exec(`UPDATE schedules SET overlap = 'queue'`);
    stack.exec(`INSERT INTO schedules SELECT (r).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid())) AS r FROM schedules s, generate_series(2, ${count})) q`);
    const others = [await startScheduler(stack), await startScheduler(stack), await startScheduler(stack)];
    stack.exec(`UPDATE schedules SET turn = turn + 1, ${['next', 'due', 'starts_at', 'created_at'].map((column) => `${column} = ${column} - ${times * STEP + 70} * interval '1 s'`)}`);
    const state = () => stack.sql(`SELECT count(*)::int AS firings, count(*) FILTER (WHERE state = 'ended')::int AS ended, (SELECT count(*)::int FROM schedules WHERE due <= now()) AS due FROM schedule_firings`)[0];
    const first = [0, 3, 1, 2]; // each of them once, and then by chance
    let kills = 0;
    let crashes = 0;
    const peace = Date.now() + 60000; // on a slow machine each start takes what the work would need
    await until('all have ended', async () => {
      const victim = first.shift() ?? random(4);
      if (Date.now() > peace) {
        await sleep(500);
      } else if (victim < 3) {
        await others[victim].kill('SIGKILL');
        others[victim] = await startScheduler(stack);
        kills++;
      } else if (crashes < 4) {
        stack.postgres('restart', '-m', 'immediate');
        crashes++;
      }
      await sleep(random(1500));
      const now = state();
      return now.due === 0 && now.ended === now.firings && now.firings >= count * (times - 1);
    }, 600000);
    for (const other of others) await other.stop();
    const rows = stack.sql(`SELECT schedule_id, array_agg(extract(epoch FROM nominal)::int ORDER BY nominal) AS times, min(extract(epoch FROM s.starts_at))::int AS start, min(extract(epoch FROM s.next))::int AS next,
      array_agg(DISTINCT f.state || ' ' || f.outcome) AS became FROM schedule_firings f JOIN schedules s ON s.id = f.schedule_id GROUP BY schedule_id`);
    assert.equal(rows.length, count);
    let firings = 0;
    for (const row of rows) {
      assert.deepEqual(row.became, ['ended completed']);
      assert.equal(row.times.length, new Set(row.times).size);
      for (let i = 1; i < row.times.length; i++) assert.equal(row.times[i] - row.times[i - 1], STEP);
      assert.equal(row.times[0], row.start + STEP, 'the first is there');
      assert.equal(row.next, row.times.at(-1) + STEP, 'and the last');
      firings += row.times.length;
    }
    const [made] = stack.sql(`SELECT (SELECT count(*)::int FROM runs) AS runs, (SELECT count(*)::int FROM runs r JOIN schedule_firings f ON f.id = r.id) AS fired, (SELECT count(*)::int FROM threads) AS threads`);
    assert.deepEqual(made, { runs: firings, fired: firings, threads: firings });
    assert.ok(kills >= 3 && crashes >= 1, `${kills} kills, ${crashes} crashes`);
    console.log(`${firings} firings, ${kills} kills, ${crashes} crashes of Postgres`);
    await firingsOf(stack, one.id);
  });
});

test('who dies between a firing and its run has it made by the next one, once', async () => {
  await withStack({ script, schedulerArgs: ['--roles', 'api,dispatch,reap'] }, async (stack) => {
    const assistant = await stack.assistant();
    const one = await createSchedule(stack, assistant, { every: '1h', thread: 'lasting', input: 'hi' });
    const byHand = await stack.ok('POST', `/v1/schedules/${one.id}/run`);
    // As if it had been taken, and the run made, by one who is gone since.
    stack.exec(`UPDATE schedule_firings SET tries = 1, taken_until = now() - interval '1 s'`);
    await stack.ok('POST', '/v1/threads/runs', { assistant_id: assistant.id, input: 'hi' });
    const [{ id, thread_id }] = stack.sql('SELECT id, thread_id FROM runs');
    stack.exec(`UPDATE runs SET id = '${uuidOf(byHand.id)}' WHERE id = '${id}'; UPDATE threads SET active_run = '${uuidOf(byHand.id)}' WHERE active_run = '${id}'`);
    await startScheduler(stack);
    const [firing] = await settledFirings(stack, one.id, 1);
    assert.deepEqual([firing.outcome, stack.sql('SELECT count(*)::int AS n FROM runs')[0].n], ['completed', 1]);
    assert.equal(uuidOf((await stack.ok('GET', `/v1/schedules/${one.id}`)).thread_id), thread_id);
  });
});

test('hours of a lasting thread have their outcomes, and the last costs what the first did', async () => {
  // The hours are filled in for the past: a year is SCHEDULE_HOURS=8760.
  const hours = Number(process.env.SCHEDULE_HOURS ?? 240);
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const one = await createSchedule(stack, assistant, { cron: '@hourly', timezone: 'Europe/Berlin', thread: 'lasting', input: '{{fire_time}}, before {{last_fire_time}}: {{last_result}}', max_failures: 0 });
    const begin = Date.parse('2025-10-01T00:00:00Z');
    const at = (hour) => new Date(begin + hour * 3600000).toISOString();
    for (let hour = 0; hour < hours; hour += 1000) {
      const to = Math.min(hour + 1000, hours);
      assert.equal((await stack.ok('POST', `/v1/schedules/${one.id}/backfill`, { from: at(hour), to: at(to) })).firings, to - hour);
      for (let restart = 0; restart < 2; restart++) {
        await until('some more have ended', () => stack.sql(`SELECT count(*)::int AS n FROM schedule_firings WHERE state = 'ended'`)[0].n >= hour + (to - hour) / 4, 600000);
        await stack.scheduler.kill('SIGKILL');
        await stack.startScheduler();
      }
      await until('all have ended', () => stack.sql(`SELECT count(*)::int AS n FROM schedule_firings WHERE state = 'ended'`)[0].n >= to, 1200000);
    }
    const rows = stack.sql(`SELECT extract(epoch FROM f.nominal)::bigint AS at, f.outcome, extract(epoch FROM r.completed_at - r.created_at) * 1000 AS took, r.id, r.thread_id FROM schedule_firings f JOIN runs r ON r.id = f.id WHERE f.nominal <= '${at(hours)}' ORDER BY f.nominal`); // an hour of today may fire as well
    assert.deepEqual(rows.map((row) => row.at * 1000), Array.from({ length: hours }, (_, hour) => begin + (hour + 1) * 3600000));
    assert.ok(rows.every((row) => row.outcome === 'completed' && row.thread_id === rows[0].thread_id));
    const middle = (part) => part.map((row) => row.took).sort((a, b) => a - b)[part.length >> 1];
    const [first, last] = [middle(rows.slice(50, 110)), middle(rows.slice(-60))];
    console.log(`${hours} hours: the middle run took ${first.toFixed(1)} ms at the beginning and ${last.toFixed(1)} ms at the end`);
    // Times say what the machine did beside; what a model is told is the same each time.
    const told = async (row) => (await stack.ok('GET', `/v1/threads/thread_${row.thread_id.replaceAll('-', '')}/runs/run_${row.id.replaceAll('-', '')}`)).usage.prompt_tokens;
    const [early, late] = [await told(rows[60]), await told(rows.at(-1))];
    assert.ok(early > 200 && late < early * 1.1, `${early} tokens, ${late} tokens`);
  });
});
