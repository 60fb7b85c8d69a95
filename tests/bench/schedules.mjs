// What schedules cost while nothing is due, and how late the last of many of one second is.
//
//   tests/bench/schedules.mjs [--idle-schedules 100000] [--idle 60] [--burst 10000] [--schedulers 1] [--json FILE]
//
// One scheduler (or several) and one worker, with a model that answers at once; the programs are those of $PENSTOCK_BIN. First --idle-schedules hourly ones are put into the
// database, none of which is due, and the CPU of the scheduler and of all of Postgres is read over --idle seconds, with and without them. Then --burst schedules are made due in
// one second. Measured: from that second until the run of each is in the database (runs.created_at), until each has ended, and the CPU meanwhile.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cpu, percentiles, sample } from './probe.mjs';
import { createSchedule } from '../lib/schedules.mjs';
import { Stack, freePort, sleep, until } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    'idle-schedules': { type: 'string', default: '100000' }, idle: { type: 'string', default: '60' }, burst: { type: 'string', default: '10000' },
    schedulers: { type: 'string', default: '1' }, json: { type: 'string' },
  },
});
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';
const [idleCount, idleS, burst] = [Number(options['idle-schedules']), Number(options.idle), Number(options.burst)];

const stack = await Stack.start({ script: "rules: [{then: {text: 'done'}}]\n", slots: 2000, config: 'scheduler: {tenant_schedules: 1000000}\n' });
const result = { idleCount, idleS, burst, schedulers: Number(options.schedulers) };
try {
  const assistant = await stack.assistant({ tools: [] });
  const schedulers = [stack.scheduler];
  for (let i = 1; i < result.schedulers; i++) {
    const port = await freePort();
    const other = stack.program('penstock-scheduler', ['--port', String(port)], {});
    await stack.ready(other, `http://127.0.0.1:${port}/readyz`);
    schedulers.push(other);
  }
  const spent = async (work) => {
    const now = () => [schedulers.reduce((sum, each) => sum + cpu(each.pid), 0), sample(stack).postgres];
    const before = now();
    await work();
    const after = now();
    return { schedulerMs: after[0] - before[0], postgresMs: after[1] - before[1] };
  };
  const copy = (id, count) => stack.exec(`INSERT INTO schedules SELECT (r).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid())) AS r
    FROM schedules s, generate_series(2, ${count}) WHERE s.id = '${id.split('_')[1].replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}') q`);

  await sleep(3000);
  result.empty = await spent(() => sleep(idleS * 1000));
  if (idleCount > 1) {
    const idle = await createSchedule(stack, assistant, { cron: '0 0 1 1 *', input: 'hi' });
    copy(idle.id, idleCount);
    stack.exec('VACUUM ANALYZE schedules');
    await sleep(5000);
    result.idle = await spent(() => sleep(idleS * 1000));
  }
  const one = await createSchedule(stack, assistant, { every: '1d', input: 'hi' });
  copy(one.id, burst);
  stack.exec('VACUUM ANALYZE schedules');
  stack.exec(`UPDATE schedules SET turn = turn + 1, next = date_trunc('second', now()) + interval '5 s', due = date_trunc('second', now()) + interval '5 s',
    starts_at = date_trunc('second', now()) + interval '5 s' - interval '1 day' WHERE every_seconds IS NOT NULL`);
  const look = () => stack.sql(`SELECT count(*)::int AS runs, count(*) FILTER (WHERE status = 'completed')::int AS done FROM runs`)[0];
  result.cpu = await spent(() => until('all have ended', async () => {
    await sleep(500);
    return look().done === burst;
  }, 300000));
  const late = stack.sql(`SELECT (extract(epoch FROM r.created_at - f.nominal) * 1000)::int AS late, (extract(epoch FROM r.completed_at - f.nominal) * 1000)::int AS done
    FROM schedule_firings f JOIN runs r ON r.id = f.id`);
  result.startedMs = percentiles(late.map((each) => each.late));
  result.endedMs = percentiles(late.map((each) => each.done));
  await until('all are noted', () => stack.sql(`SELECT count(*)::int AS n FROM schedule_firings WHERE state = 'ended'`)[0].n === burst, 60000);
  console.log(JSON.stringify(result, null, 1));
  if (options.json) writeFileSync(options.json, JSON.stringify(result));
} finally {
  await stack.stop();
}
