// Fairness: how long a tenant with one run each second waits for a slot, alone and while another tenant has a backlog.
//
//   tests/bench/fairness.mjs [--seconds 30] [--backlog 10000] [--slots 50] [--json FILE]
//
// Two workers; a model that takes 200 to 400 ms. Waiting is from created_at to started_at, as Postgres has them.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Stack, sleep } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    backlog: { type: 'string', default: '10000' },
    slots: { type: 'string', default: '50' },
    json: { type: 'string' },
  },
});
process.env.PENSTOCK_LOG_LEVEL = 'warn';
const script = `
rules:
  - then: {text: 'done', delay_ms: [200, 400]}
`;

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];

/** One run each second. Returns what the waits were, in milliseconds. */
async function paced(stack, small, seconds) {
  const ids = [];
  const start = Date.now();
  for (let i = 0; i < seconds; i++) {
    await sleep(Math.max(0, start + i * 1000 - Date.now()));
    ids.push((await small.submit()).id);
  }
  await sleep(1500);
  const list = ids.map((id) => `'${id.replace('run_', '')}'::uuid`).join(',');
  const rows = stack.sql(`SELECT extract(epoch FROM coalesce(started_at, clock_timestamp()) - created_at)::float8 * 1000 AS ms FROM runs WHERE id IN (${list})`);
  const waits = rows.map((row) => row.ms).sort((a, b) => a - b);
  return { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99), count: waits.length };
}

const stack = await Stack.start({ workers: 2, slots: Number(options.slots), script });
try {
  const backlog = Number(options.backlog);
  const assistant = await stack.assistant();
  const other = stack.tenant('small');
  const smallAssistant = await other.assistant();
  const small = { submit: () => other.submit(smallAssistant, 'go') };
  await small.submit();
  await sleep(1000);
  const alone = await paced(stack, small, Number(options.seconds));
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next++ < backlog) await stack.submit(assistant, 'go');
  }));
  const before = Number(stack.exec(`SELECT count(*) FROM runs WHERE status = 'completed'`));
  const start = Date.now();
  const beside = await paced(stack, small, Number(options.seconds));
  const rate = ((Number(stack.exec(`SELECT count(*) FROM runs WHERE status = 'completed'`)) - before) * 1000) / (Date.now() - start);
  const left = Number(stack.exec(`SELECT count(*) FROM runs WHERE status = 'queued'`));
  const ms = (value) => value.toFixed(1).padStart(8);
  console.log(`waiting of ${alone.count} runs, one each second, in ms:     p50      p99`);
  console.log(`alone                                        ${ms(alone.p50)} ${ms(alone.p99)}`);
  console.log(`beside a backlog of ${String(left).padEnd(6)} runs at the end    ${ms(beside.p50)} ${ms(beside.p99)}`);
  console.log(`ratio                                        ${ms(beside.p50 / alone.p50)} ${ms(beside.p99 / alone.p99)}   (${rate.toFixed(0)} runs/s of both)`);
  if (options.json) writeFileSync(options.json, JSON.stringify({ alone, beside, rate, left }, null, 2));
} finally {
  await stack.stop();
}
