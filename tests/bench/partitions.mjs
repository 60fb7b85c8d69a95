// Old runs that leave by deletion, beside old runs that leave as partitions.
//
//   tests/bench/partitions.mjs [--runs 1000000] [--parts 24] [--json FILE]
//
// The same rows of runs (the columns, the indexes and the settings of migrations/) are kept in one table, and in one that is partitioned by the
// range of its ids, which are in the order of time. Measured: what an insert, a look by id, a look by thread and the update that ends a run cost in
// each (psql's own time for 20,000 of each, prepared); then how long half of the rows take to leave, by deletion in batches and by dropping
// partitions, what is written to the log for that, and what the tables take on disk afterwards and when as many have come again. In a table that holds
// several tenants with policies of their own, no partition can be dropped as a whole: what is printed of partitions is the best that they could do.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Stack } from '../lib/stack.mjs';

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '1000000' }, parts: { type: 'string', default: '24' }, json: { type: 'string' } } });
const [runs, parts] = [Number(options.runs), Number(options.parts)];
const EACH = 20_000;
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

const stack = await Stack.start({ bare: true });
const result = { runs, parts };
try {
  stack.command('migrate');
  stack.exec(`CREATE FUNCTION id_of(n int8, salt int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(substring(int8send(1700000000000 + n) FROM 3) || decode('7000', 'hex') || decode('80', 'hex') || substring(sha256(int8send(n * 16 + salt)) FROM 1 FOR 7), 'hex')::uuid $$`);
  const columns = stack.sql("SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''), ', ' ORDER BY a.attnum) AS list FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 'runs'::regclass AND a.attnum > 0 AND NOT a.attisdropped")[0].list;
  const indexes = stack.sql("SELECT replace(indexdef, ' INDEX ', ' INDEX parted_') AS sql FROM pg_indexes WHERE tablename = 'runs' AND indexname <> 'runs_pkey'").map((row) => row.sql.replace('ON public.runs', 'ON parted'));
  stack.exec(`CREATE TABLE parted (${columns}, PRIMARY KEY (id)) PARTITION BY RANGE (id)`);
  for (let i = 0; i < parts * 2; i++) {
    const bound = (at) => (at === 0 ? 'MINVALUE' : at === parts * 2 ? 'MAXVALUE' : `'${stack.sql(`SELECT (left(id_of(${Math.round((at * runs) / parts)}, 0)::text, 13) || '-0000-0000-000000000000')::uuid AS id`)[0].id}'`);
    stack.exec(`CREATE TABLE parted_${i} PARTITION OF parted FOR VALUES FROM (${bound(i)}) TO (${bound(i + 1)}) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)`);
  }
  for (const index of indexes) stack.exec(index);
  const rows = (from, to) => `SELECT id_of(n, 1) AS id, '00000000-0000-7000-8000-000000000001'::uuid AS tenant_id, id_of(n, 2) AS thread_id, '00000000-0000-7000-8000-000000000002'::uuid AS agent_id, 1 AS agent_version,
    'completed' AS status, json_build_object('model', 'openai/gpt-4o-mini', 'instructions', repeat('Be careful. ', 40)) AS spec, now() AS completed_at, now() AS expires_at FROM generate_series(${from + 1}::int8, ${to}::int8) n`;
  const names = 'id, tenant_id, thread_id, agent_id, agent_version, status, spec, completed_at, expires_at';
  const insert = (table, from, to) => stack.exec(`INSERT INTO ${table} (${names}) ${rows(from, to)}`);
  const timed = (statement) => {
    const start = performance.now();
    stack.exec(statement);
    return (performance.now() - start) / 1000;
  };
  const wal = (work) => {
    const at = stack.exec('SELECT pg_current_wal_insert_lsn()').trim();
    work();
    return Number(stack.exec(`SELECT pg_current_wal_insert_lsn() - '${at}'::pg_lsn`)) / 2 ** 20;
  };
  const size = (table) => Number(stack.exec(table === 'runs' ? "SELECT pg_total_relation_size('runs')" : "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'parted'::regclass")) / 2 ** 20;
  for (const table of ['runs', 'parted']) {
    const one = (result[table] = {});
    const part = runs / 20;
    for (let from = 0; from < runs; from += part) insert(table, from, from + part);
    stack.exec(`VACUUM ANALYZE ${table}`);
    one.sizeMiB = size(table);
    // One by one, prepared, within the server: what a program's statements cost there.
    const loop = (body) => `SET plan_cache_mode = force_generic_plan; DO $$ DECLARE i int8; r record; BEGIN FOR i IN 1..${EACH} LOOP ${body} END LOOP; END $$`;
    const any = `(i * 7919) % ${runs} + 1`;
    one.lookByIdUs = (timed(loop(`SELECT status INTO r FROM ${table} WHERE id = id_of(${any}, 1);`)) * 1e6) / EACH;
    one.lookByThreadUs = (timed(loop(`SELECT status INTO r FROM ${table} WHERE thread_id = id_of(${any}, 2) ORDER BY id DESC LIMIT 1;`)) * 1e6) / EACH;
    one.insertUs = (timed(loop(`INSERT INTO ${table} (${names}) SELECT id_of(${runs} + i, 1), '00000000-0000-7000-8000-000000000001', id_of(${runs} + i, 2), '00000000-0000-7000-8000-000000000002', 1, 'queued', '{"model": "m"}', NULL, now();`)) * 1e6) / EACH;
    one.updateUs = (timed(loop(`UPDATE ${table} SET status = 'completed', updated_at = now() WHERE id = id_of(${runs} + i, 1);`)) * 1e6) / EACH;
    const half = `id < id_of(${runs / 2 + 1}, 0)`;
    if (table === 'runs') {
      const before = performance.now();
      one.walMiB = wal(() => stack.exec(`DO $$ DECLARE gone int8; BEGIN LOOP
        WITH x AS (DELETE FROM runs WHERE id = ANY (ARRAY(SELECT id FROM runs WHERE ${half} ORDER BY id LIMIT 1000)) RETURNING 1) SELECT count(*) INTO gone FROM x;
        EXIT WHEN gone = 0; COMMIT; END LOOP; END $$`));
      one.leaveSeconds = (performance.now() - before) / 1000;
      one.vacuumSeconds = timed('VACUUM runs');
    } else {
      const before = performance.now();
      one.walMiB = wal(() => {
        for (let i = 0; i < parts / 2; i++) stack.exec(`DROP TABLE parted_${i}`);
      });
      one.leaveSeconds = (performance.now() - before) / 1000;
    }
    one.sizeAfterMiB = size(table);
    for (let from = runs + EACH; from < runs * 1.5 + EACH; from += part) insert(table, from, from + part);
    one.sizeAgainMiB = size(table);
    console.log(table, one);
    if (table === 'runs') stack.exec('TRUNCATE runs');
  }
  if (options.json) writeFileSync(options.json, JSON.stringify(result));
} finally {
  await stack.stop();
}
