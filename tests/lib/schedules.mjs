// Schedules for tests. Nobody waits for a minute to pass: a schedule is moved into the past, by its row.

import { until } from './stack.mjs';

export const createSchedule = (stack, assistant, fields) => stack.ok('POST', '/v1/schedules', { assistant_id: assistant.id, ...fields });

export const getSchedule = (stack, id) => stack.ok('GET', `/v1/schedules/${id}`);

export const uuidOf = (id) => id.split('_')[1].replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** All firings, the oldest first. */
export async function firingsOf(stack, id) {
  const all = [];
  for (let after = ''; ;) {
    const page = await stack.ok('GET', `/v1/schedules/${id}/firings?order=asc&limit=100${after}`);
    all.push(...page.data);
    if (!page.has_more) return all;
    after = `&after=${page.last_id}`;
  }
}

/** As if so many seconds more had passed since the schedule was made. */
export function passed(stack, id, seconds) {
  // By way of another century: each row on its own must be unique.
  stack.exec(`UPDATE schedule_firings SET nominal = nominal - interval '36500 days' WHERE schedule_id = '${uuidOf(id)}';
    UPDATE schedule_firings SET nominal = nominal + interval '36500 days' - ${seconds} * interval '1 s' WHERE schedule_id = '${uuidOf(id)}';
    UPDATE schedules SET turn = turn + 1, next = next - ${seconds} * interval '1 s', due = due - ${seconds} * interval '1 s',
    starts_at = starts_at - ${seconds} * interval '1 s', run_at = run_at - ${seconds} * interval '1 s', created_at = created_at - ${seconds} * interval '1 s'
    WHERE id = '${uuidOf(id)}'`);
}

/** Until there are firings of which `check` is true; these. */
export async function firingsWhere(stack, id, what, check, ms = 15000) {
  let all;
  await until(what, async () => check(all = await firingsOf(stack, id)), ms).catch((error) => {
    throw new Error(`${error.message}; there are ${JSON.stringify(all.map((one) => [one.cause, one.state, one.outcome, one.detail, one.times]))}`);
  });
  return all;
}

/** Until `count` firings are there and nothing is at work; these. */
export const settledFirings = (stack, id, count, ms) =>
  firingsWhere(stack, id, `${count} firings of ${id} are over`,
    (all) => all.length >= count && all.every((one) => !['due', 'waiting', 'started'].includes(one.state)), ms);
