// What a tenant bears beside another one that does the worst that it may, all at once: pages of megabytes and messages of 4 MB by
// several clients each, a backlog of runs of which one in a hundred has a model that answers 15 MB, ten thousand silent connections.
//
//   tests/bench/noisy.mjs [--seconds 20] [--backlog 50000] [--slots 50] [--nice 10] [--without KIND]... [--json FILE]
//
// The tenant that is measured submits runs and polls each until it is completed, one after the other; times are as he sees
// them. What makes the load shares the cores with Penstock: its processes run at a lower priority (--nice), as if they were elsewhere
// as far as that goes; the servers that Penstock consists of, Postgres and Redis do not. --without leaves out pages, posts, silent, large.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client } from './load.mjs';
import { percentiles, sample, starved } from './probe.mjs';
import { Flood } from '../hostile/flood.mjs';
import { Stage } from '../hostile/stage.mjs';
import { peakMiB } from '../lib/memory.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' }, backlog: { type: 'string', default: '50000' }, slots: { type: 'string', default: '50' },
    nice: { type: 'string', default: '10' }, without: { type: 'string', multiple: true, default: [] }, json: { type: 'string' },
  },
});
const PAGE_MESSAGE_BYTES = 3800000;
const POST_BYTES = 3900000; // with what JSON adds, just below the 4 MiB that a body may have
const CLIENTS = { pages: 20, posts: 8 };
const LARGE_EVERY = 100;
const nice = Number(options.nice);
const seconds = Number(options.seconds);
process.env.PENSTOCK_LOG_LEVEL ??= 'error';
// The model of the one who is measured is quick, so that what is seen is Penstock; the other's takes 200 to 400 ms.
const script = `
rules:
  - when: {model: 'gpt-4o'}
    then: {text: 'done', delay_ms: [200, 400]}
  - then: {text: 'done', delay_ms: 20}
`;

/** The longest that the loop of a program stood still in the last half minute, in ms. */
async function standstill(stage, url) {
  return Number(/^penstock_loop_longest_seconds (\S+)$/m.exec(await stage.metrics(url))[1]) * 1000;
}

/** How long the measured tenant's runs waited from submission to a worker, as Postgres has it, in ms. */
function waits(stage, since) {
  const rows = stage.stack.sql(`SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS ms FROM runs WHERE tenant_id = (SELECT id FROM tenants WHERE name = 'other') AND created_at > '${since}' AND started_at IS NOT NULL`);
  return percentiles(rows.map((row) => row.ms));
}

/** What the measured tenant sees for so long, and the CPU that all of Penstock took meanwhile, in cores. */
async function measure(stage) {
  const before = sample(stage.stack, stage.worker.pid);
  const hungry = starved(stage.scheduler.pid);
  const since = stage.stack.exec('SELECT clock_timestamp()').trim();
  const start = performance.now();
  const seen = await stage.otherWorks(() => performance.now() - start < seconds * 1000);
  const took = performance.now() - start;
  const after = sample(stage.stack, stage.worker.pid);
  const starving = (starved(stage.scheduler.pid) - hungry) / took;
  const loops = { scheduler: await standstill(stage, stage.stack.url), worker: await standstill(stage, stage.worker.url) };
  const cores = Object.fromEntries(Object.keys(after).map((name) => [name, (after[name] - before[name]) / took]));
  return { requests: percentiles(seen.requests), runs: percentiles(seen.runs), count: seen.requests.length, waits: waits(stage, since), refused: seen.refused, cores, loops, starving };
}

async function backlog(stage) {
  const quick = new Client(stage.hostile, await stage.hostile.assistant({ model: 'openai/gpt-4o', tools: [] }));
  const large = new Client(stage.hostile, await stage.hostile.assistant({ model: 'local/large', tools: [] }));
  const count = Number(options.backlog);
  const part = options.without.includes('large') ? 0 : Math.floor(count / LARGE_EVERY);
  await Promise.all([quick.submitAll(count - part), large.submitAll(part)]);
  quick.close();
  large.close();
}

/** Starts all that one tenant may do. Returns the floods, by kind. */
async function floods(stage) {
  const access = { url: stage.stack.url, key: stage.hostile.key };
  const [thread, ...threads] = await stage.threads(1 + CLIENTS.posts, 1, 10);
  const [large] = await stage.threads(1, 20, PAGE_MESSAGE_BYTES);
  const plans = {
    pages: { ...access, thread: large ?? thread, clients: CLIENTS.pages, messageBytes: PAGE_MESSAGE_BYTES },
    posts: { ...access, threads, clients: CLIENTS.posts, bytes: POST_BYTES },
    silent: { ...access, count: 10000 },
  };
  const started = {};
  for (const [kind, plan] of Object.entries(plans)) if (!options.without.includes(kind)) started[kind] = await Flood.start(kind, plan, nice);
  return started;
}

const ms = (value) => value.toFixed(1).padStart(9);

function print(alone, beside) {
  const rows = [['requests (submit, poll), p50', (seen) => seen.requests.p50], ['requests, p99', (seen) => seen.requests.p99], ['runs, from submit to completed, p50', (seen) => seen.runs.p50], ['runs, p99', (seen) => seen.runs.p99],
    ['of these, until a worker has them, p50', (seen) => seen.waits.p50], ['until a worker has them, p99', (seen) => seen.waits.p99], ["the scheduler's loop at a standstill, most", (seen) => seen.loops.scheduler], ["the worker's loop", (seen) => seen.loops.worker]];
  console.log(`${'in ms'.padEnd(42)}    alone    beside    times`);
  for (const [name, of] of rows) console.log(`${name.padEnd(42)}${ms(of(alone))} ${ms(of(beside))} ${(of(beside) / of(alone)).toFixed(1).padStart(8)}`);
  console.log(`requests that were measured: ${alone.count} alone, ${beside.count} beside; refused: ${alone.refused.length}, ${beside.refused.length}`);
  for (const [name, seen] of [['alone', alone], ['beside', beside]]) console.log(`cores in use ${name}: ${Object.entries(seen.cores).map(([part, cores]) => `${part} ${cores.toFixed(2)}`).join(', ')}; the scheduler was ready and had no core ${(100 * seen.starving).toFixed(1)} % of the time`);
}

const stage = await Stage.open({ script, slots: Number(options.slots) });
try {
  const answers = await Flood.start('model', { port: stage.largePort, bytes: 15 << 20 }, nice);
  const warm = performance.now();
  await stage.otherWorks(() => performance.now() - warm < 2000);
  const alone = await measure(stage);
  await backlog(stage);
  const started = await floods(stage);
  const before = Number(stage.stack.exec(`SELECT count(*) FROM runs WHERE status IN ('completed', 'failed', 'incomplete')`));
  const beside = await measure(stage);
  const queued = Number(stage.stack.exec(`SELECT count(*) FROM runs WHERE status = 'queued'`));
  const ended = Number(stage.stack.exec(`SELECT count(*) FROM runs WHERE status IN ('completed', 'failed', 'incomplete')`)) - before;
  const reports = {};
  for (const [kind, flood] of Object.entries(started)) reports[kind] = await flood.stop();
  reports.answers = await answers.stop();
  print(alone, beside);
  const peaks = { scheduler: peakMiB(stage.scheduler), worker: peakMiB(stage.worker) };
  console.log(`the other meanwhile: ${queued} runs still queued, ${ended} ended of both; ${Object.entries(reports).map(([kind, { good, refused, asked, bad }]) => `${kind}: ${asked} asked, ${good} good, refused ${JSON.stringify(refused)}, bad ${JSON.stringify(bad)}`).join('; ')}`);
  console.log(`at most in memory: scheduler ${peaks.scheduler} MiB, worker ${peaks.worker} MiB`);
  if (options.json) writeFileSync(options.json, JSON.stringify({ alone, beside, queued, ended, reports, peaks }, null, 2));
} finally {
  const bad = await stage.close(false);
  if (bad.length > 0) console.log(bad.join('\n'));
}
