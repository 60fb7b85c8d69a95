// Short seeded runs of the harness, and proof that its checks can fail.

import assert from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { chaos, shortLeases } from './chaos.mjs';
import { planAlone, planFaults } from './faults.mjs';
import { check, gather } from './invariants.mjs';
import { planLoad } from './load.mjs';
import { Proxy } from './proxy.mjs';
import { slowness } from '../lib/pace.mjs';
import { sleep, until } from '../lib/stack.mjs';

test('a seed decides load and faults', () => {
  const features = { functions: true, enqueue: true };
  assert.deepEqual(planLoad(7, 10, 20, features), planLoad(7, 10, 20, features));
  assert.deepEqual(planFaults(7, 60, 1000, 3000), planFaults(7, 60, 1000, 3000));
  assert.notDeepEqual(planLoad(7, 10, 20, features), planLoad(8, 10, 20, features));
  assert.notDeepEqual(planFaults(7, 60, 1000, 3000), planFaults(8, 60, 1000, 3000));
});

test('alone, every kind of fault comes before one comes again', () => {
  const first = (count, seed) => {
    const plan = planAlone(seed, 3000, ['worker']);
    return Array.from({ length: count }, () => plan.next().value);
  };
  const kinds = (faults) => faults.map((fault) => fault.kind).sort();
  const all = [...new Set(kinds(first(100, 7)))];
  assert.ok(all.length > 2);
  assert.deepEqual(kinds(first(all.length, 7)), all);
  assert.deepEqual(kinds(first(3 * all.length, 7).slice(2 * all.length)), all);
  assert.deepEqual(first(50, 7), first(50, 7));
  assert.notDeepEqual(first(50, 7), first(50, 8));
});

test('the proxy cuts, delays, freezes and swallows', async () => {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await Proxy.open('echo', { host: '127.0.0.1', port: echo.address().port });
  const open = () => {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.got = '';
    socket.on('data', (chunk) => (socket.got += chunk)).on('error', (error) => (socket.error = error.code));
    return socket;
  };
  const first = open();
  first.write('a');
  await until('echo', () => first.got === 'a');
  proxy.delayMs = 150;
  const sent = Date.now();
  first.write('b');
  first.write('c');
  await until('late echo', () => first.got === 'abc');
  assert.ok(Date.now() - sent >= 300, 'there and back');
  proxy.delayMs = 0;
  proxy.freeze();
  first.write('d');
  const second = open();
  second.write('x');
  await until('new connections work', () => second.got === 'x');
  assert.equal(first.got, 'abc');
  assert.equal(first.error, undefined);
  proxy.heal();
  assert.equal(proxy.frozen, 1, 'a frozen connection stays frozen');
  proxy.startBlackhole();
  const third = open();
  await once(third, 'connect');
  third.write('y');
  await sleep(100);
  assert.equal(third.got, '');
  proxy.heal();
  proxy.cut();
  await until('cut', () => first.error === 'ECONNRESET' && third.error === 'ECONNRESET');
  await proxy.close();
  echo.close();
});

const LEARNED = `id = (SELECT min(id::text)::uuid FROM memories WHERE source = 'run')`;
const plan = (...values) => values.map((value) => `UPDATE threads SET agent_state = jsonb_set(agent_state::jsonb, '{plan,steps,4,status}', ${value}) WHERE agent_state::jsonb ? 'plan'`);

/** Each spoils what one check looks at; the check must say so. The third, where there is one, undoes it: so the next ones of the same check have to be noticed by themselves. */
const spoiled = [
  ['I1 every run ends', `UPDATE runs SET status = 'expired' WHERE id = (SELECT id FROM runs WHERE status = 'completed' AND metadata ->> 'chaos' LIKE 'c%' LIMIT 1)`],
  ['I1 every run ends', `UPDATE runs SET metadata = '{"chaos":"c1"}' WHERE id = (SELECT id FROM runs WHERE metadata ->> 'chaos' = 'c2')`],
  ['I2 messages whole and once', `DELETE FROM messages WHERE id = (SELECT id FROM messages WHERE seq = 2 LIMIT 1)`],
  ['I2 messages whole and once', `INSERT INTO messages (id, tenant_id, thread_id, submitted_with, role, content)
     SELECT gen_random_uuid(), tenant_id, thread_id, id, 'user', '[]' FROM runs WHERE metadata ->> 'chaos' = 'cprobe-0'`],
  ['I3 one writer', `INSERT INTO messages (id, tenant_id, thread_id, run_id, seq, role, content)
     SELECT gen_random_uuid(), tenant_id, thread_id, id, 900, 'assistant', '[]' FROM runs LIMIT 1`],
  ['I3 one writer', `UPDATE runs SET fence = fence - 1 WHERE id = (SELECT id FROM runs WHERE fence > 0 LIMIT 1)`],
  ['I4 tools once per attempt', `DELETE FROM tool_calls WHERE idempotency_key = (SELECT idempotency_key FROM tool_calls WHERE name = 'http_request' AND state = 'done' LIMIT 1)`],
  ['I5 order in a thread', `UPDATE messages SET position = DEFAULT WHERE id = (SELECT m.id FROM messages m JOIN runs a ON a.id = m.run_id
     WHERE EXISTS (SELECT 1 FROM runs b JOIN messages n ON n.run_id = b.id WHERE b.thread_id = a.thread_id AND b.created_at > a.created_at
       AND coalesce(b.held, 0) >= coalesce(a.held, 0)) LIMIT 1)`],
  ['I9 usage adds up', `UPDATE runs SET prompt_tokens = prompt_tokens + 1 WHERE id = (SELECT id FROM runs LIMIT 1)`],
  ['I9 usage adds up', `UPDATE threads SET cost_micros = cost_micros + 1 WHERE id = (SELECT id FROM threads LIMIT 1)`],
  ['I9 usage adds up', `INSERT INTO usage_deltas SELECT * FROM usage_by_hour LIMIT 1`],
  ['I10 input and counters', `UPDATE threads SET message_count = message_count + 1 WHERE id = (SELECT id FROM threads LIMIT 1)`],
  ['I10 input and counters', `UPDATE runs SET total_bytes = total_bytes + 1 WHERE id = (SELECT id FROM runs LIMIT 1)`],
  ['I10 input and counters', `INSERT INTO user_deltas SELECT id, 'nobody', 1 FROM tenants LIMIT 1`],
  ['I10 input and counters', `INSERT INTO thread_inputs (id, tenant_id, thread_id, steers, role, content, bytes, token_count)
     SELECT gen_random_uuid(), tenant_id, id, false, 'user', '[]', 0, 0 FROM threads LIMIT 1`],
  ['I11 lines once', `UPDATE runs SET metadata = '{"chaos":"l0"}' WHERE metadata ->> 'chaos' = 'l1'`],
  ['I11 lines once', `UPDATE batches SET output_file = NULL`],
  ['I12 times once', `DELETE FROM schedule_firings WHERE id = (SELECT id FROM schedule_firings ORDER BY nominal LIMIT 1)`],
  ['I13 told at least once', (world, load) => { load.unattended.receiver.got.find((got) => got.event.type === 'run.completed').headers['webhook-signature'] = 'v1,AAAA'; }],
  ['I13 told at least once', (world, load) => { load.unattended.receiver.got = load.unattended.receiver.got.slice(1); }],
  ['I13 told at least once', `DELETE FROM webhook_events WHERE id = (SELECT id FROM webhook_events WHERE type = 'run.completed' LIMIT 1)`],
  ['I14 budgets hold', `UPDATE budgets SET max_tokens = 1 WHERE subject = 'spender-0'`],
  ['I14 budgets hold', `INSERT INTO budget_deltas (budget_id, tokens, cost_micros) SELECT id, 1, 0 FROM budgets WHERE kind = 'tenant'`],
  ['I15 tickets once', (world) => { const [key, times] = [...world.tools.ledger].find(([each]) => [...world.tools.paths].some(([path, keys]) => path.startsWith('/tickets/') && keys.has(each))); world.tools.ledger.set(key, [...times, 0]); }],
  ['I15 tickets once', (world) => { [...world.tools.paths].find(([path]) => path.startsWith('/orders/'))[1].add('another'); }],
  ['I15 tickets once', `INSERT INTO tool_deltas (tenant_id, tool, bucket, calls, errors, took_ms, max_ms) SELECT id, 'ticket_create', 1, 1, 0, 1, 1 FROM tenants LIMIT 1`],
  ['I15 tickets once', `UPDATE run_steps SET tool_calls = (SELECT jsonb_agg(c - 'duration_ms') FROM jsonb_array_elements(tool_calls) c)
     WHERE run_id IN (SELECT c.run_id FROM tool_calls c JOIN runs r ON r.id = c.run_id WHERE c.name = 'order_lookup' AND r.status = 'completed') AND tool_calls IS NOT NULL`],
  ['I16 plans and contexts', ...plan("'\"pending\"'", "'\"done\"'")],
  ['I16 plans and contexts', `UPDATE tool_calls SET is_error = true WHERE name = 'plan_update'`, `UPDATE tool_calls SET is_error = false WHERE name = 'plan_update'`],
  ['I16 plans and contexts', (world) => { world.mind.refused.push('of nobody'); }, (world) => { world.mind.refused.pop(); }],
  ['I17 learned once', `UPDATE memory_marks SET position = position - 1`, `UPDATE memory_marks SET position = position + 1`],
  ['I17 learned once', `UPDATE memory_marks SET pending = '{}'`, `UPDATE memory_marks SET pending = NULL`],
  ['I17 learned once', `UPDATE memories SET replaced_at = now() WHERE ${LEARNED}`, `UPDATE memories SET replaced_at = NULL`],
  ['I17 learned once', `UPDATE memories SET user_id = 'x' || user_id WHERE ${LEARNED}`, `UPDATE memories SET user_id = substr(user_id, 2) WHERE user_id LIKE 'xpupil%'`],
  ['I17 learned once', `UPDATE memories SET agent_id = id WHERE agent_id = '00000000-0000-0000-0000-000000000000'`, `UPDATE memories SET agent_id = '00000000-0000-0000-0000-000000000000' WHERE agent_id = id`],
  ['I17 learned once', `INSERT INTO memories SELECT (jsonb_populate_record(m, jsonb_build_object('id', gen_random_uuid(), 'sha256', '\\x00'))).* FROM memories m WHERE ${LEARNED}`],
  ['I17 learned once', `UPDATE runs SET status = 'failed' WHERE id = (SELECT id FROM runs WHERE kind = 'memory' AND status = 'completed' LIMIT 1)`],
];

async function spoil(world, load, report) {
  const before = JSON.stringify(report.violations);
  if (Object.values(report.violations).some((list) => list.length > 0)) return;
  const play = (statement) => (typeof statement === 'function' ? statement(world, load) : world.stack.exec(statement));
  for (const [name, statement, undo] of spoiled) {
    play(statement);
    const violations = await check(await gather(world, load), name);
    assert.ok(violations[name].length > 0, `${name} did not notice: ${statement}`);
    if (!undo) continue;
    play(undo);
    assert.deepEqual((await check(await gather(world, load), name))[name], [], `${name}, after ${undo}`);
  }
  assert.equal(JSON.stringify(report.violations), before);
}

/** The same on a slow or busy machine: it is given less to do, and more time for it. */
function asSlowAs(slow) {
  const { silenceMs } = shortLeases;
  return slow === 1 ? {} : { rate: Math.max(12 / slow, 4), bursts: false, silenceMs: silenceMs * slow, callMs: 5000 * slow, settleMs: 120000 * slow };
}

for (const [seed, keep] of [[11, undefined], [12, spoil]]) {
  test(`seed ${seed}: 12 seconds of faults, and every invariant holds`, { timeout: 1800000 }, async () => {
    const lines = [];
    const slow = Math.min(Math.round(slowness()), 8);
    const report = await chaos({ ...shortLeases, seed, seconds: 12, rate: 12, gapMs: 2000, keep, say: (text) => lines.push(text), ...asSlowAs(slow) });
    const said = Object.entries(report.violations).flatMap(([name, list]) => list.slice(0, 5).map((text) => `${name}: ${text}`));
    assert.deepEqual(said, [], lines.join('\n'));
    assert.ok(report.faults.length > 0 && report.counts.answersUsed > 100 / slow);
  });
}
