// The benchmark: throughput and CPU of a standard run, latency at half load, and memory of runs in flight.

import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Stack, sleep, until } from '../lib/stack.mjs';
import { Client } from './load.mjs';
import { cpu, fold, median, percentiles, perRun, rss, sample, Sql } from './probe.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    repeat: { type: 'string', default: '1' },
    rate: { type: 'string' },
    'latency-runs': { type: 'string', default: '5000' },
    memory: { type: 'string', default: '1000,10000' },
    before: { type: 'string' },
    'before-bin': { type: 'string' },
    variants: { type: 'boolean', default: false },
    variant: { type: 'string', multiple: true },
    'skip-baseline': { type: 'boolean', default: false },
    'skip-throughput': { type: 'boolean', default: false },
    'skip-latency': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const WARM_UP = 500;
const WATCHED = 25; // one run in so many is polled by the client
const POLLED = 100; // runs that are polled in turn
process.env.PENSTOCK_LOG_LEVEL = 'warn';

/** Milliseconds from the first run that started after `since` (ms) to the last that ended: programs that start up do not count. */
async function duration(sql, since) {
  return sql.number(`SELECT extract(epoch FROM max(completed_at) - min(started_at)) * 1000 FROM runs WHERE started_at >= to_timestamp(${since / 1000})`);
}

const LIVE = `status IN ('queued', 'in_progress')`;

/** Polls `query` until it gives `count`, at most ten times a second. */
async function reach(sql, what, query, count) {
  await until(what, async () => (await sql.number(query)) >= count || (await sleep(80)), 600000);
}

async function withStack(bin, stackOptions, body) {
  const stack = await Stack.start({ bin, workers: 0, slots: 256, ...stackOptions });
  const sql = new Sql(stack.databaseUrl);
  try {
    await stackOptions.prepare?.(stack);
    const client = new Client(stack, await stack.assistant());
    return await body(stack, sql, client).finally(() => client.close());
  } finally {
    sql.close();
    await stack.stop();
  }
}

async function check(sql, runs, each = 4) {
  const bad = await sql.number(`SELECT count(*) FROM runs WHERE status <> 'completed'`);
  const messages = await sql.number('SELECT count(*) FROM messages');
  if (bad || messages !== runs * each) throw new Error(`${bad} runs not completed, ${messages} messages of ${runs * each}`);
}

/**
 * Four measurements on one stack: the CPU of submissions, with no worker; that of polls; that of a worker which works through
 * the runs; and how many runs a second come out when both happen at once.
 */
const throughput = (bin, runs, stackOptions = {}) =>
  withStack(bin, stackOptions, async (stack, sql, client) => {
    const ended = `SELECT count(*) FROM runs WHERE NOT ${LIVE}`;
    const lastEnd = `SELECT extract(epoch FROM max(completed_at)) * 1000 FROM runs`;
    await client.submitAll(WARM_UP);
    const warm = await stack.startWorker();
    await reach(sql, 'warm-up', ended, WARM_UP);
    await warm.stop();

    const beforeSubmit = sample(stack);
    await client.submitAll(runs);
    const submit = perRun(beforeSubmit, sample(stack), runs);
    await sleep(500);

    const rows = await sql.rows(`SELECT 'run_' || replace(id::text, '-', ''), 'thread_' || replace(thread_id::text, '-', '') FROM runs LIMIT ${POLLED}`);
    const polled = rows.map(([id, thread_id]) => ({ id, thread_id }));
    await client.pollAll(polled, POLLED);
    const beforePoll = sample(stack);
    await client.pollAll(polled, 2 * runs);
    const poll = perRun(beforePoll, sample(stack), 2 * runs);

    const start = Date.now();
    const worker = await stack.startWorker();
    const before = sample(stack, worker.pid);
    await reach(sql, 'all runs end', ended, runs + WARM_UP);
    if (stackOptions.prepare) await reach(sql, 'all are told', `SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'`, runs + WARM_UP);
    const work = perRun(before, sample(stack, worker.pid), runs);
    const rate = (runs * 1000) / (await duration(sql, start));

    const startFull = Date.now();
    await client.submitAll(runs);
    await reach(sql, 'all runs end', ended, 2 * runs + WARM_UP);
    const fullRate = (runs * 1000) / ((await sql.number(lastEnd)) - startFull);
    await check(sql, 2 * runs + WARM_UP, stackOptions.messages);
    return { rate, fullRate, submit, poll, work };
  });

/** From the row's creation to its completion, and as a client sees it, at a fixed rate. */
const latency = (bin, runs, rate) =>
  withStack(bin, {}, async (stack, sql, client) => {
    const worker = await stack.startWorker();
    await client.submitAtRate(WARM_UP, rate, WATCHED);
    await reach(sql, 'warm-up', `SELECT count(*) FROM runs WHERE NOT ${LIVE}`, WARM_UP);
    const before = sample(stack, worker.pid);
    const seen = await client.submitAtRate(runs, rate, WATCHED);
    await reach(sql, 'all runs end', `SELECT count(*) FROM runs WHERE NOT ${LIVE}`, runs + WARM_UP);
    const work = perRun(before, sample(stack, worker.pid), runs);
    await check(sql, runs + WARM_UP);
    const rows = await sql.rows(
      `SELECT extract(epoch FROM completed_at - created_at) * 1000 FROM runs ORDER BY created_at OFFSET ${WARM_UP}`,
    );
    return { rate, work, stored: percentiles(rows.map(([ms]) => Number(ms))), seen: percentiles(seen) };
  });

async function baseline(runs) {
  const stack = await Stack.start({ workers: 0 });
  const dir = join(here, 'baseline');
  const database = stack.databaseUrl.replace('/penstock?', '/baseline?');
  const env = {
    ...process.env,
    DATABASE_URL: database,
    REDIS_SOCKET: stack.redisUrl.replace('unix://', ''),
    LLM_URL: `${stack.llmUrl}/v1/chat/completions`,
    NODE_ENV: 'production',
  };
  let sql;
  try {
    stack.exec('CREATE DATABASE baseline');
    sql = new Sql(database);
    execFileSync('node', ['submit.mjs'], { cwd: dir, env: { ...env, COUNT: String(runs) } });
    await stack.scheduler.stop();
    const start = Date.now();
    const worker = spawn('node', ['worker.mjs'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
    const before = { ...sample(stack, worker.pid), worker: 0 };
    await reach(sql, 'all jobs end', `SELECT count(*) FROM runs WHERE status = 'completed'`, runs);
    const work = perRun(before, sample(stack, worker.pid), runs);
    const rate = (runs * 1000) / (await duration(sql, start));
    worker.kill('SIGTERM');
    return { work, rate };
  } finally {
    sql?.close();
    await stack.stop();
  }
}

/**
 * Resident memory of a worker with `count` runs in flight, all waiting for the model. It takes one second to answer; ten where
 * one worker can't start that many calls in a second.
 */
function memory(bin, count) {
  const seconds = count > 2000 ? 10 : 1;
  const runs = count > 2000 ? count : count * 5;
  return withStack(bin, { slots: count, llmArgs: ['--delay-ms', String(seconds * 1000)] }, async (stack, sql, client) => {
    await client.submitAll(runs);
    const worker = await stack.startWorker();
    const idle = rss(worker.pid);
    const start = sample(stack, worker.pid);
    let inFlight = 0;
    let peak = idle;
    await until('all runs end', async () => {
      inFlight = Math.max(inFlight, (await stack.llmStats()).in_flight);
      peak = Math.max(peak, rss(worker.pid));
      return (await stack.busy(worker)) === 0 && (await sql.number(`SELECT count(*) FROM runs WHERE NOT ${LIVE}`)) >= runs;
    }, 300000);
    const work = perRun(start, sample(stack, worker.pid), runs);
    return { count, seconds, idle, peak, each: (peak - idle) / inFlight, inFlight, worker: work.worker };
  });
}

/** Builds the programs of another commit in a worktree of their own. Returns its folder of programs, and how to remove it. */
function buildBefore(ref) {
  const root = join(here, '../..');
  const dir = join(mkdtempSync(join(tmpdir(), 'penstock-before-')), 'tree');
  const git = (...args) => execFileSync('git', ['-C', root, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const remove = () => {
    git('worktree', 'remove', '--force', dir);
    rmSync(dirname(dir), { recursive: true, force: true });
  };
  git('worktree', 'add', '--quiet', '--detach', dir, ref);
  try {
    const quiet = { cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] };
    execFileSync('cmake', ['--preset', 'release'], quiet);
    const programs = ['penstock', 'penstock-scheduler', 'penstock-worker', 'penstock-rehearsal'];
    execFileSync('cmake', ['--build', 'build/release', '--target', ...programs], quiet);
  } catch (error) {
    remove();
    throw error;
  }
  return { bin: join(dir, 'build/release/bin'), remove };
}

/** A standard run whose traces are told to a collector that takes them all: so many of them. Nothing but their CPU and their waits is measured. */
const collector = createServer((request, response) => request.resume().on('end', () => response.end('{}'))).listen(0, '127.0.0.1').unref();
await once(collector, 'listening');
const traced = (ratio) => ({
  env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}`, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio },
});

/** A standard run whose end a webhook is told, delivery included; the same receiver takes it. */
const told = (more) => ({
  env: { ...more.env, PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' },
  prepare: (stack) => stack.ok('POST', '/v1/webhooks', { url: `http://127.0.0.1:${collector.address().port}/`, events: ['run.completed'] }),
});

/** A standard run whose answer is LONG tokens long. */
const LONG = 500;
const long = (stream) => ({
  config: `providers: [{name: openai, stream: ${stream}}]\n`,
  script: `stream: {chunk_tokens: 1}
rules:
  - name: standard
    when: {user: standard}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: '${'word'.repeat(LONG)}', usage: {prompt_tokens: 50, completion_tokens: ${LONG}}}
`,
});

/** A standard run with MORE further rounds: a call of the model and one of the calculator each. */
const MORE = 8;
const rounds = {
  messages: 4 + 2 * MORE,
  script: `rules:
  - name: standard
    when: {user: standard}
    steps:
${`      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}\n`.repeat(MORE + 1)}      - {text: Done.}
`,
};

/**
 * The same programs with other settings: what a run costs whose calls are streamed, and one whose calls ask the shared limits (which never stop one).
 * The long ones show what a streamed token costs, one in each event, and the one with more rounds what a round costs: the difference, by their number.
 */
const variants = {
  'traced, 1 %': traced('0.01'),
  'traced, all': traced('1'),
  webhook: told({}),
  'webhook, traced, 1 %': told(traced('0.01')),
  'more rounds': rounds,
  'long, whole': long(false),
  'long, streamed': long(true),
  streamed: { config: 'providers: [{name: openai, stream: true}]\n' },
  limited: { config: 'models: [{name: gpt-4o-mini, provider: openai, requests_per_minute: 1000000000, tokens_per_minute: 1000000000}]\n' },
};

const ms = (value) => (value === undefined ? '' : value.toFixed(3));
const together = (work) => work.worker + work.redis + work.postgres + (work.scheduler ?? 0);
const print = (rows) => {
  for (const row of rows) console.log(row.map((cell, i) => (i ? cell.padStart(10) : cell.padEnd(18))).join(' '));
};
const middle = (samples) => fold(samples, median);
const spread = (values) => `${Math.min(...values).toFixed(3)}-${Math.max(...values).toFixed(3)}`;

/** Everything that is measured in turn: [{name, throughput: [], latency: []}, …], the Node baseline without latency. */
async function repeat(subjects, runs, times) {
  for (let i = 0; i < times; i++) {
    for (const subject of subjects) {
      if (options['skip-throughput']) continue;
      subject.throughput.push(subject.bin ? await throughput(subject.bin, runs, subject.stack) : await baseline(runs));
    }
    const ours = subjects.filter((subject) => subject.bin && !subject.stack);
    if (options['skip-latency']) continue;
    if (!options.rate && options['skip-throughput']) throw new Error('--skip-throughput: then latency needs a --rate');
    const rate = options.rate ? Number(options.rate) : Math.min(...ours.map((subject) => subject.throughput.at(-1).fullRate)) / 2;
    for (const subject of ours) subject.latency.push(await latency(subject.bin, Number(options['latency-runs']), rate));
  }
}

/** What one more of a thing costs, from two variants that differ in its number. */
function printDifferences(work) {
  const micros = (more, less, part, count) => (((work[more][part] - work[less][part]) * 1000) / count).toFixed(1);
  if (!work.limited) return;
  console.log(`microseconds of CPU: a streamed token ${micros('long, streamed', 'long, whole', 'worker', LONG)} in the worker, one in each event; ` +
    `a reservation ${micros('limited', 'Penstock', 'worker', 2)} in the worker and ${micros('limited', 'Penstock', 'redis', 2)} in Redis; ` +
    `a round ${micros('more rounds', 'Penstock', 'worker', MORE)} in the worker and ${micros('more rounds', 'Penstock', 'postgres', MORE)} in Postgres`);
}

function printThroughput(subjects, runs) {
  const rows = [['', 'runs/s', 'worker', 'Redis', 'Postgres', 'scheduler', 'together']];
  for (const { name, median: of } of subjects)
    rows.push([name, of.rate.toFixed(0), ms(of.work.worker), ms(of.work.redis), ms(of.work.postgres), ms(of.work.scheduler), ms(together(of.work))]);
  const b = subjects.at(-1).median;
  const shares = (what, a) => ['scheduler', 'postgres'].map((part) => `${part} ${(b[what][part] / a[what][part]).toFixed(2)}x`).join(', ');
  for (const { name, median: a } of subjects.slice(0, -1))
    rows.push([`${name}: ratio`, `${(b.rate / a.rate).toFixed(2)}x`, `${(a.work.worker / b.work.worker).toFixed(2)}x`, '',
      `${(a.work.postgres / b.work.postgres).toFixed(2)}x`, '', `${(together(a.work) / together(b.work)).toFixed(2)}x`]);
  for (const { name, median: a } of subjects.slice(0, -1))
    if (a.submit && b.submit) console.log(`${name}: ratio of a submission: ${shares('submit', a)}; of a poll: ${shares('poll', a)}`);
  console.log(`CPU milliseconds per standard run, ${runs} runs, medians of ${subjects[0].throughput.length}:`);
  print(rows);
  printDifferences(Object.fromEntries(subjects.map((subject) => [subject.name, subject.median.work])));
  for (const { name, throughput: samples, median: of } of subjects) {
    if (samples.length > 1)
      console.log(`${name}: worker ${spread(samples.map((s) => s.work.worker))}, together ${spread(samples.map((s) => together(s.work)))}, ` +
        `runs/s ${samples.map((s) => s.rate.toFixed(0)).join(' ')}`);
    if (!of.submit) continue;
    console.log(`${name}: submission by HTTP, ms of CPU each: scheduler ${ms(of.submit.scheduler)}, Postgres ${ms(of.submit.postgres)}, ` +
      `Redis ${ms(of.submit.redis)}; a poll: scheduler ${ms(of.poll.scheduler)}, Postgres ${ms(of.poll.postgres)}; ${of.fullRate.toFixed(0)} runs/s with their submission; the LLM ${ms(of.work.llm)} a run`);
  }
}

function printLatency(subjects) {
  const rows = [['', 'runs/s', 'p50', 'p95', 'p99', 'most', 'seen p50', 'seen p99']];
  for (const { name, latencyMedian: of } of subjects)
    rows.push([name, of.rate.toFixed(0), ...['p50', 'p95', 'p99', 'most'].map((p) => of.stored[p].toFixed(2)), of.seen.p50.toFixed(2), of.seen.p99.toFixed(2)]);
  console.log('Milliseconds from submission to completion at half load, stored times; seen: by a client that polls every millisecond:');
  print(rows);
  for (const { name, latency: samples } of subjects)
    if (samples.length > 1) console.log(`${name}: p50 ${spread(samples.map((s) => s.stored.p50))}, p99 ${spread(samples.map((s) => s.stored.p99))}`);
}

async function main() {
  const runs = Number(options.runs);
  const subjects = [{ name: 'Penstock', bin: process.env.PENSTOCK_BIN ?? join(here, '../../build/release/bin') }];
  const before = options.before ? buildBefore(options.before) : null;
  if (options['before-bin']) subjects.unshift({ name: 'before', bin: options['before-bin'] });
  if (before) subjects.unshift({ name: `${options.before.slice(0, 10)}`, bin: before.bin });
  const wanted = options.variant ?? (options.variants ? Object.keys(variants) : []);
  for (const [name, stack] of Object.entries(variants).filter(([each]) => wanted.includes(each))) subjects.unshift({ name, bin: subjects.at(-1).bin, stack });
  if (!options['skip-baseline'] && !options['skip-throughput']) subjects.unshift({ name: 'Node baseline' });
  for (const subject of subjects) Object.assign(subject, { throughput: [], latency: [], memory: [] });
  try {
    await repeat(subjects, runs, Number(options.repeat));
    const ours = subjects.filter((subject) => subject.bin && !subject.stack);
    for (const subject of subjects) {
      if (subject.throughput.length) subject.median = middle(subject.throughput);
      if (subject.latency.length) subject.latencyMedian = middle(subject.latency);
    }
    if (!options['skip-throughput']) printThroughput(subjects, runs);
    if (!options['skip-latency']) printLatency(ours);
    for (const count of options.memory.split(',').map(Number).filter(Boolean)) {
      for (const subject of ours) {
        const of = await memory(subject.bin, count);
        subject.memory.push(of);
        console.log(`${subject.name}: ${of.inFlight} runs in flight, a model of ${of.seconds} s: ${of.each.toFixed(1)} KiB each ` +
          `(${of.idle} KiB idle, ${of.peak} KiB at most), ${ms(of.worker)} ms of worker CPU a run`);
      }
    }
  } finally {
    before?.remove();
  }
  const [ours] = subjects.slice(-1);
  const result = { runs, baseline: subjects.find((subject) => !subject.bin)?.median, penstock: ours.median, latency: ours.latencyMedian, memory: ours.memory, subjects };
  if (options.json) writeFileSync(options.json, JSON.stringify(result, null, 2));
}

await main();
