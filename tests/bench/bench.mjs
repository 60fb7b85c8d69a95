// The benchmark: throughput and CPU of a standard run, and memory of runs in flight.

import { spawn, execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Stack, sleep, until } from '../lib/stack.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    memory: { type: 'string', default: '1000,10000' },
    'skip-baseline': { type: 'boolean', default: false },
    'skip-throughput': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
process.env.PENSTOCK_LOG_LEVEL = 'warn';

function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU milliseconds of a process so far; with its children, the ended ones included, when `family`. */
function cpu(pid, family = false) {
  const fields = stat(pid);
  let total = Number(fields[11]) + Number(fields[12]);
  if (family) {
    total += Number(fields[13]) + Number(fields[14]);
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const child = stat(name);
        if (Number(child[1]) === pid) total += Number(child[11]) + Number(child[12]);
      } catch {
        // ended meanwhile: counted by its parent next time
      }
    }
  }
  return (total * 1000) / ticks;
}

function rss(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

function servers(stack) {
  return {
    postgres: Number(readFileSync(join(stack.serversDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]),
    redis: Number(readFileSync(join(stack.serversDir, 'redis.pid'), 'utf8')),
  };
}

function sample(stack, worker) {
  const { postgres, redis } = servers(stack);
  return {
    worker: worker ? cpu(worker) : 0,
    scheduler: cpu(stack.scheduler.pid),
    redis: cpu(redis),
    postgres: cpu(postgres, true),
    llm: cpu(stack.llm.pid),
  };
}

const perRun = (before, after, runs) =>
  Object.fromEntries(Object.keys(after).map((key) => [key, (after[key] - before[key]) / runs]));

async function submitAll(stack, assistant, count, prompt = 'standard') {
  let next = 0;
  const one = async () => {
    while (next++ < count) await stack.submit(assistant, prompt);
  };
  await Promise.all(Array.from({ length: 32 }, one));
}

const ended = (stack) => Number(stack.exec(`SELECT count(*) FROM runs WHERE status NOT IN ('queued', 'in_progress')`));

/** Submit everything, then start a worker and let it work through the backlog. */
async function penstock(runs) {
  const stack = await Stack.start({ workers: 0, slots: 256 });
  try {
    const assistant = await stack.assistant();
    await submitAll(stack, assistant, 500);
    const warm = await stack.startWorker();
    await until('warm-up', () => ended(stack) >= 500, 60000);
    await warm.stop();
    const beforeSubmit = sample(stack);
    await submitAll(stack, assistant, runs);
    const submit = perRun(beforeSubmit, sample(stack), runs);
    await sleep(500);
    const start = Date.now();
    const worker = await stack.startWorker();
    const before = sample(stack, worker.pid);
    await until('all runs end', () => ended(stack) >= runs + 500, 600000);
    const seconds = (Date.now() - start) / 1000;
    const work = perRun(before, sample(stack, worker.pid), runs);
    const bad = Number(stack.exec(`SELECT count(*) FROM runs WHERE status <> 'completed'`));
    const messages = Number(stack.exec(`SELECT count(*) FROM messages`));
    if (bad || messages !== (runs + 500) * 4) throw new Error(`${bad} runs not completed, ${messages} messages`);
    return { submit, work, rate: runs / seconds };
  } finally {
    await stack.stop();
  }
}

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
  try {
    stack.exec('CREATE DATABASE baseline');
    execFileSync('node', ['submit.mjs'], { cwd: dir, env: { ...env, COUNT: String(runs) } });
    await stack.scheduler.stop();
    const done = () =>
      Number(execFileSync('psql', [database, '-qAtc', `SELECT count(*) FROM runs WHERE status = 'completed'`], { encoding: 'utf8' }));
    const start = Date.now();
    const worker = spawn('node', ['worker.mjs'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
    const { postgres, redis } = servers(stack);
    const read = () => ({ worker: cpu(worker.pid), redis: cpu(redis), postgres: cpu(postgres, true), llm: cpu(stack.llm.pid) });
    const before = { ...read(), worker: 0 };
    await until('all jobs end', () => done() >= runs, 600000);
    const seconds = (Date.now() - start) / 1000;
    const work = perRun(before, read(), runs);
    worker.kill('SIGTERM');
    return { work, rate: runs / seconds };
  } finally {
    await stack.stop();
  }
}

/**
 * Resident memory of a worker with `count` runs in flight, all waiting for the model. It takes one second to answer; ten where
 * one worker can't start that many calls in a second.
 */
async function memory(count) {
  const seconds = count > 2000 ? 10 : 1;
  const runs = count > 2000 ? count : count * 5;
  const stack = await Stack.start({ workers: 0, slots: count, llmArgs: ['--delay-ms', String(seconds * 1000)] });
  try {
    const assistant = await stack.assistant();
    await submitAll(stack, assistant, runs);
    const worker = await stack.startWorker();
    const idle = rss(worker.pid);
    const start = sample(stack, worker.pid);
    let inFlight = 0;
    let peak = idle;
    await until('all runs end', async () => {
      inFlight = Math.max(inFlight, (await stack.llmStats()).in_flight);
      peak = Math.max(peak, rss(worker.pid));
      return (await stack.busy(worker)) === 0 && ended(stack) >= runs;
    }, 300000);
    const work = perRun(start, sample(stack, worker.pid), runs);
    return { count, seconds, idle, peak, each: (peak - idle) / inFlight, inFlight, worker: work.worker };
  } finally {
    await stack.stop();
  }
}

const ms = (value) => (value === undefined ? '' : value.toFixed(3));
const together = (work) => work.worker + work.redis + work.postgres + (work.scheduler ?? 0);

const runs = Number(options.runs);
const result = { runs, memory: [] };
if (!options['skip-throughput']) {
  if (!options['skip-baseline']) result.baseline = await baseline(runs);
  result.penstock = await penstock(runs);
  const rows = [['', 'runs/s', 'worker', 'Redis', 'Postgres', 'scheduler', 'together']];
  for (const [name, of] of [['Node baseline', result.baseline], ['Penstock', result.penstock]]) {
    if (of) rows.push([name, of.rate.toFixed(0), ms(of.work.worker), ms(of.work.redis), ms(of.work.postgres), ms(of.work.scheduler), ms(together(of.work))]);
  }
  if (result.baseline) {
    const [a, b] = [result.baseline, result.penstock];
    rows.push(['ratio', `${(b.rate / a.rate).toFixed(1)}x`, `${(a.work.worker / b.work.worker).toFixed(1)}x`, '', '', '', `${(together(a.work) / together(b.work)).toFixed(1)}x`]);
  }
  console.log(`CPU milliseconds per standard run, ${runs} runs:`);
  for (const row of rows) console.log(row.map((cell, i) => (i ? cell.padStart(10) : cell.padEnd(16))).join(' '));
  const { submit } = result.penstock;
  console.log(`submission by HTTP, ms of CPU each: scheduler ${ms(submit.scheduler)}, Postgres ${ms(submit.postgres)}, Redis ${ms(submit.redis)}`);
}
for (const count of options.memory.split(',').map(Number).filter(Boolean)) {
  const of = await memory(count);
  result.memory.push(of);
  console.log(
    `${of.inFlight} runs in flight, a model of ${of.seconds} s: ${of.each.toFixed(1)} KiB each (${of.idle} KiB idle, ${of.peak} KiB at most), ` +
      `${ms(of.worker)} ms of worker CPU a run`,
  );
}
if (options.json) writeFileSync(options.json, JSON.stringify(result, null, 2));
