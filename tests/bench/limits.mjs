// Many workers before one provider that allows so much a minute: nothing fails, next to nothing is refused, all that is allowed is used, and
// runs go in the order in which they were made.
//
//   tests/bench/limits.mjs [--minutes 10] [--workers 16] [--requests 600] [--tokens 60000] [--flush] [--redis-away SECONDS] [--tenants]
//
// The provider is the rehearsal LLM, which counts for itself and answers 429 above its limits. The workers know the limits from their
// configuration, as they would from the table of models. The backlog is there from the beginning, and larger than what can be done. --flush: FLUSHALL in
// the middle. --redis-away: Redis stands still for so long in the middle. --tenants: two tenants, of which one may make a sixth of the calls and the other
// a third. Prints a line of figures for each criterion; the exit code is 1 when one is missed.

import { parseArgs } from 'node:util';
import { Client } from './load.mjs';
import { Stack, sleep } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' }, workers: { type: 'string', default: '16' }, requests: { type: 'string', default: '600' },
    tokens: { type: 'string', default: '60000' }, flush: { type: 'boolean', default: false }, 'redis-away': { type: 'string', default: '0' },
    tenants: { type: 'boolean', default: false },
  },
});
const minutes = Number(options.minutes);
const requests = Number(options.requests);
const tokens = Number(options.tokens);
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

const script = `
limits:
  - {requests_per_minute: ${requests}, tokens_per_minute: ${tokens}}
rules:
  - {then: {text: 'This is the answer, and it has about as many words as an answer of some forty tokens has, if one counts them, which nobody does.', delay_ms: [100, 600]}}
`;
const config = `
models:
  - {name: limited, provider: openai, model: limited-1, requests_per_minute: ${requests}, tokens_per_minute: ${tokens}}
`;

/** How many pairs stand in the wrong order, by merging (n log n). */
function inversions(list) {
  if (list.length < 2) return 0;
  const middle = list.length >> 1;
  const left = list.slice(0, middle);
  const right = list.slice(middle);
  let count = inversions(left) + inversions(right);
  for (let i = 0, a = 0, b = 0; i < list.length; i++) {
    if (b >= right.length || (a < left.length && left[a] <= right[b])) list[i] = left[a++];
    else {
      count += left.length - a;
      list[i] = right[b++];
    }
  }
  return count;
}

/** Kendall's tau of numbers that should rise: 1 is in order, -1 the reverse. */
function tau(list) {
  const pairs = (list.length * (list.length - 1)) / 2;
  return pairs ? 1 - (2 * inversions([...list])) / pairs : 1;
}

/** The order in which runs were made, and in which their first calls were made. */
function orderOfCalls(stack, lines) {
  const made = new Map(stack.sql(`SELECT replace(id::text, '-', '') AS id FROM runs ORDER BY priority, created_at, id`).map((row, at) => [`run_${row.id}`, at]));
  const seen = new Set();
  const places = [];
  for (const line of lines) {
    const run = line.idempotency_key.split(':')[0];
    if (seen.has(run) || !made.has(run)) continue;
    seen.add(run);
    places.push(made.get(run));
  }
  return places;
}

async function disturb(stack) {
  if (options.flush) stack.redis('FLUSHALL');
  const away = Number(options['redis-away']);
  if (!away) return;
  const pid = Number(/process_id:(\d+)/.exec(stack.redis('INFO', 'server'))[1]);
  process.kill(pid, 'SIGSTOP');
  await sleep(away * 1000);
  process.kill(pid, 'SIGCONT');
}

/** Answers in each tenth of the time: whether the pace is even. */
function paces(stack) {
  const rows = stack.sql(`SELECT width_bucket(extract(epoch FROM completed_at), (SELECT extract(epoch FROM min(started_at)) FROM runs), extract(epoch FROM now()), 10) AS part,
    count(*) AS count FROM runs WHERE status = 'completed' GROUP BY part ORDER BY part`);
  return rows.map((row) => row.count).join(' ');
}

const missed = [];
function criterion(name, holds, figure) {
  console.log(`${holds ? 'holds ' : 'MISSED'}  ${name}: ${figure}`);
  if (!holds) missed.push(name);
}

async function backlog(stack, count) {
  const client = new Client(stack, await stack.assistant({ model: 'limited', tools: [] }));
  await client.submitAll(count);
  client.close();
}

const stack = await Stack.start({ script, config, workers: 0, slots: 40 });
try {
  const share = { slow: Math.floor(requests / 6), quick: Math.floor(requests / 3) };
  if (options.tenants) {
    for (const [name, limit] of Object.entries(share)) {
      const tenant = stack.tenant(name);
      stack.command('tenants', 'set', name, '--requests-per-minute', String(limit));
      await backlog(tenant, Math.ceil(limit * minutes * 1.2) + 50);
    }
  } else {
    await backlog(stack, Math.ceil(requests * minutes * 1.2) + 100);
  }
  const began = Date.now(); // the first workers work while the others start
  for (let i = 0; i < Number(options.workers); i++) await stack.startWorker();
  const start = Date.now();
  await sleep(minutes * 30000);
  await disturb(stack);
  await sleep(Math.max(0, minutes * 60000 - (Date.now() - start)));
  const seconds = (Date.now() - start) / 1000;
  const atMost = (Date.now() - began) / 60000 + 1 / 6; // minutes, with what may come at once
  const lines = stack.ledger();
  const answered = lines.filter((line) => line.status === 200);
  const refused = lines.filter((line) => line.status === 429);
  const used = answered.reduce((sum, line) => sum + line.usage.prompt_tokens + line.usage.completion_tokens, 0);
  const failed = stack.sql(`SELECT count(*) FROM runs WHERE status NOT IN ('queued', 'in_progress', 'completed')`)[0].count;
  console.log(`${options.workers} workers, ${seconds.toFixed(0)} s, ${requests} requests and ${tokens} tokens a minute: ${answered.length} answers, ${used} tokens`);
  console.log(`answers in each tenth of the time: ${paces(stack)}`);
  criterion('no failed run', failed === 0, failed);
  criterion('at most 1 % refused', refused.length <= lines.length / 100, `${refused.length} of ${lines.length}`);
  if (options.tenants) {
    const made = stack.sql(`SELECT t.name, count(*) AS count FROM runs r JOIN tenants t ON t.id = r.tenant_id WHERE r.status = 'completed' GROUP BY t.name`);
    for (const { name, count } of made) {
      const most = share[name] * atMost + 1;
      criterion(`tenant ${name} within its ${share[name]} a minute`, count <= most, `${count} of at most ${most.toFixed(0)}`);
      criterion(`tenant ${name} uses at least 95 %`, count >= 0.95 * share[name] * (seconds / 60), `${((100 * count) / (share[name] * (seconds / 60))).toFixed(1)} %`);
    }
  } else {
    const part = Math.max(answered.length / requests, used / tokens) / (seconds / 60);
    criterion('at least 95 % used', part >= 0.95, `${(100 * part).toFixed(1)} %`);
  }
  const t = tau(orderOfCalls(stack, lines));
  if (!options.tenants) criterion("in order: Kendall's tau at least 0.95", t >= 0.95, t.toFixed(4));
} finally {
  await stack.stop();
}
process.exit(missed.length ? 1 : 0);
