// Retention for tests. Nobody waits for days to pass: what is there is moved into the past, by its rows.

import { uuidOf } from './schedules.mjs';
import { until } from './stack.mjs';

export const DAY = 86400;

/** An id with its time, which is its first 48 bits, so many seconds earlier. */
const earlier = (id, seconds) => `encode(overlay(uuid_send(${id}) PLACING
  substring(int8send(('x' || lpad(left(replace(${id}::text, '-', ''), 12), 16, '0'))::bit(64)::int8 - ${seconds * 1000}) FROM 3) FROM 1 FOR 6), 'hex')::uuid`;

/** As if a thread had been left alone for so many seconds more, its runs included, which get other ids (with the time of their making in them). */
export function age(stack, threads, seconds) {
  const ids = [threads].flat().map((id) => `'${uuidOf(id)}'`).join(', ');
  const of = (table) => `run_id IN (SELECT id FROM runs WHERE thread_id IN (${ids}))`;
  stack.exec(`BEGIN;
    UPDATE run_steps SET run_id = ${earlier('run_id', seconds)} WHERE ${of()};
    UPDATE tool_calls SET run_id = ${earlier('run_id', seconds)} WHERE ${of()};
    UPDATE messages SET run_id = ${earlier('run_id', seconds)} WHERE run_id IS NOT NULL AND thread_id IN (${ids});
    UPDATE schedules SET last_run = ${earlier('last_run', seconds)} WHERE last_run IN (SELECT id FROM runs WHERE thread_id IN (${ids}));
    UPDATE schedules SET last_completed = ${earlier('last_completed', seconds)} WHERE last_completed IN (SELECT id FROM runs WHERE thread_id IN (${ids}));
    UPDATE schedule_firings SET id = ${earlier('id', seconds)}, created_at = created_at - ${seconds} * interval '1 s' WHERE id IN (SELECT id FROM runs WHERE thread_id IN (${ids}));
    UPDATE runs SET id = ${earlier('id', seconds)}, created_at = created_at - ${seconds} * interval '1 s', completed_at = completed_at - ${seconds} * interval '1 s',
      updated_at = updated_at - ${seconds} * interval '1 s' WHERE thread_id IN (${ids});
    UPDATE threads SET last_used_at = last_used_at - ${seconds} * interval '1 s', archived_at = archived_at - ${seconds} * interval '1 s',
      created_at = created_at - ${seconds} * interval '1 s', used_hour = floor(date_part('epoch', last_used_at - ${seconds} * interval '1 s') / 3600)
      WHERE id IN (${ids});
    COMMIT`);
}

/** Until a pass is over that began after this was called. */
export async function pass(stack, ms = 30000) {
  const mark = stack.exec('SELECT clock_timestamp()').trim();
  await until('a pass over what is to go is over', () => stack.exec(`SELECT done_to > '${mark}' FROM retention_state`).trim() === 't', ms);
}

/** How many rows of each table belong to a thread. */
export const rowsOf = (stack, thread) => stack.sql(`SELECT
  (SELECT count(*)::int FROM threads WHERE id = t) AS threads, (SELECT count(*)::int FROM runs WHERE thread_id = t) AS runs,
  (SELECT count(*)::int FROM messages WHERE thread_id = t) AS messages, (SELECT count(*)::int FROM run_steps WHERE thread_id = t) AS steps
  FROM (SELECT '${uuidOf(thread)}'::uuid AS t) o`)[0];

/** So many copies of a thread with all that was done on it, each with ids of its own. Ids of runs have the same time as before. */
export function copyThread(stack, thread, count) {
  const id = uuidOf(thread);
  // A table's rows, with these columns replaced.
  const copies = (table, where, columns) => `INSERT INTO ${table} SELECT (jsonb_populate_record(o, jsonb_build_object(${columns}))).* FROM ${table} o, copied c WHERE ${where}`;
  // The numbers of the copy in the last characters of an id.
  const of = (column) => `left(o.${column}::text, 28) || lpad(to_hex(c.n), 8, '0')`;
  const names = stack.sql(`SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS list FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = 'messages' AND column_name <> 'position'`)[0].list;
  const inThread = `o.thread_id = '${id}'`;
  stack.exec(`BEGIN;
    CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT generate_series(1, ${count}) AS n;
    ${copies('threads', `o.id = '${id}'`, `'id', ${of('id')}`)};
    INSERT INTO messages (${names}) SELECT ${names} FROM (SELECT (jsonb_populate_record(o, jsonb_build_object(
      'id', left(o.id::text, 19) || substr(md5(o.id::text || c.n), 1, 4) || '-' || substr(md5(o.id::text || c.n), 5, 12), 'thread_id', ${of('thread_id')}, 'run_id', ${of('run_id')}))).*
      FROM messages o, copied c WHERE ${inThread} ORDER BY c.n, o.position) q;
    ${copies('run_steps', inThread, `'id', gen_random_uuid(), 'thread_id', ${of('thread_id')}, 'run_id', ${of('run_id')}`)};
    ${copies('tool_calls', `o.run_id IN (SELECT id FROM runs WHERE thread_id = '${id}')`, `'run_id', ${of('run_id')}`)};
    ${copies('runs', inThread, `'id', ${of('id')}, 'thread_id', ${of('thread_id')}`)};
    COMMIT`);
}
