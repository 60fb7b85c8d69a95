// What retention costs those who work meanwhile, and how fast it is.
//
//   tests/bench/retention.mjs [--old 1000000] [--rate 500] [--seconds 20] [--rounds 5] [--watched 10] [--rest] [--json FILE]
//
// --old threads of 40 days ago, each with a run, a step and two messages, are put into the database (of $PENSTOCK_TEST_ON_DISK=1, where fsync is
// to count). Then runs are submitted at --rate a second for --seconds, one in --watched of which is polled until it is completed: in turn without
// retention and while it deletes (a policy of 30 days), --rounds times, so that what else the machine does is in both. With --rest it goes on
// alone then, until all is gone. The clients, the model and Penstock share the cores.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client } from './load.mjs';
import { percentiles, sample } from './probe.mjs';
import { Stack, sleep, until } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    old: { type: 'string', default: '1000000' }, rate: { type: 'string', default: '500' }, seconds: { type: 'string', default: '20' }, rounds: { type: 'string', default: '5' },
    watched: { type: 'string', default: '10' }, rest: { type: 'boolean', default: false }, json: { type: 'string' },
  },
});
const [old, rate, seconds, rounds, watched] = ['old', 'rate', 'seconds', 'rounds', 'watched'].map((name) => Number(options[name]));
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';
const PAGE = 50_000;
const days = (n) => n * 86400;

/** Old threads as a thread that ran would be: the columns of its rows, with other ids and times. */
function fill(stack, run, count) {
  const [thread, model] = [run.thread_id, run.id].map((id) => id.split('_')[1].replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'));
  stack.exec(`CREATE FUNCTION old_id(n int8, of int) RETURNS uuid LANGUAGE sql AS $$
    SELECT encode(substring(int8send((date_part('epoch', now()) * 1000)::int8 - ${days(40)} * 1000::int8 + n) FROM 3) || decode('7000', 'hex')
      || decode('80', 'hex') || set_byte(decode('00', 'hex'), 0, of) || substring(sha256(int8send(n * 16 + of)) FROM 1 FOR 6), 'hex')::uuid $$`);
  const columns = (table, but) => stack.sql(`SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS list FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = '${table}' AND column_name NOT IN (${but.map((name) => `'${name}'`).join(', ')})`)[0].list;
  const copy = (table, where, set, but = []) => {
    const rest = columns(table, [...Object.keys(set), ...but]);
    return `INSERT INTO ${table} (${Object.keys(set).join(', ')}, ${rest}) SELECT ${Object.values(set).join(', ')}, ${rest} FROM ${table} o, page WHERE ${where}`;
  };
  const at = `now() - interval '40 days'`;
  for (let from = 0; from < count; from += PAGE) {
    stack.exec(`BEGIN; SET LOCAL synchronous_commit = off;
      CREATE TEMP TABLE page ON COMMIT DROP AS SELECT generate_series(${from + 1}::int8, ${Math.min(count, from + PAGE)}::int8) AS n;
      ${copy('messages', `o.thread_id = '${thread}'`, { id: `old_id(n, CASE o.role::text WHEN 'user' THEN 2 ELSE 3 END)`, thread_id: 'old_id(n, 1)',
        run_id: `CASE WHEN o.run_id IS NOT NULL THEN old_id(n, 4) END`, created_at: at }, ['position'])};
      ${copy('run_steps', `o.thread_id = '${thread}'`, { id: 'old_id(n, 5)', thread_id: 'old_id(n, 1)', run_id: 'old_id(n, 4)', created_at: at })};
      ${copy('runs', `o.id = '${model}'`, { id: 'old_id(n, 4)', thread_id: 'old_id(n, 1)', created_at: at, completed_at: at, updated_at: at })};
      ${copy('threads', `o.id = '${thread}'`, { id: 'old_id(n, 1)', created_at: at, last_used_at: at, used_hour: `floor(date_part('epoch', ${at}) / 3600)` })};
      COMMIT`);
  }
  stack.exec('VACUUM ANALYZE');
  stack.exec('CHECKPOINT');
}

const stack = await Stack.start({ script: "rules: [{then: {text: 'It is done.'}}]\n", slots: 2000, config: 'retention: {pause_ms: 1000}\n' });
const result = { old, rate, seconds, rounds };
try {
  const assistant = await stack.assistant({ tools: [] });
  const client = new Client(stack, assistant, 'hello');
  const first = await stack.finished(await stack.submit(assistant, 'hello'));
  const start = performance.now();
  fill(stack, first, old);
  result.fillSeconds = (performance.now() - start) / 1000;
  const size = () => Number(stack.exec('SELECT pg_database_size(current_database())')) / 2 ** 20;
  const left = () => Number(stack.exec(`SELECT count(*) FROM runs WHERE completed_at < now() - interval '30 days'`));
  const seen = { without: { times: [] }, during: { times: [] } };
  const measure = async (name) => {
    const [before, began, cpu] = [left(), performance.now(), sample(stack, stack.workers[0].pid)];
    seen[name].times.push(...(await client.submitAtRate(rate * seconds, rate, watched)));
    const [took, after, gone] = [(performance.now() - began) / 1000, sample(stack, stack.workers[0].pid), before - left()];
    const add = (key, value) => (seen[name][key] = (seen[name][key] ?? 0) + value);
    add('took', took), add('gone', gone), add('postgresMs', after.postgres - cpu.postgres);
    console.log(name, { gone, took, ...percentiles(seen[name].times) });
  };
  const policy = { action: 'delete', after: days(30) };
  await client.submitAtRate(rate * 5, rate, watched);
  for (let i = 0; i < rounds; i++) {
    await measure('without');
    const before = left();
    await stack.ok('PUT', '/v1/retention', policy);
    await until('it has begun', () => left() < before, 120_000);
    await measure('during');
    await stack.ok('DELETE', '/v1/retention');
    await sleep(2000);
  }
  for (const [name, { times, took, gone, postgresMs }] of Object.entries(seen))
    result[name] = { ...percentiles(times), watched: times.length, ratePerSecond: rate * seconds * rounds / took, gone, gonePerSecond: gone / took, postgresCores: postgresMs / took / 1000 };
  result.ratio = result.during.p99 / result.without.p99;
  result.sizeMiB = size();
  console.log(JSON.stringify(result, null, 1));
  if (options.rest) {
    const [began, before] = [performance.now(), left()];
    await stack.ok('PUT', '/v1/retention', policy);
    await until('all are gone', async () => (await sleep(1000), left() === 0), 3600_000);
    result.alone = { gone: before, gonePerSecond: before / ((performance.now() - began) / 1000), sizeMiB: size() };
  }
  client.close();
  console.log(JSON.stringify(result, null, 1));
  if (options.json) writeFileSync(options.json, JSON.stringify(result));
} finally {
  await stack.stop();
}
