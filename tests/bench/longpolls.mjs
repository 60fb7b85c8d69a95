// What requests cost that wait for the end of a run, and how soon they hear of it.
//
//   tests/bench/longpolls.mjs [--requests 10000] [--pace 330] [--idle 10] [--without-redis] [--json FILE]
//
// One scheduler and one worker, with a model that takes its time; the programs are those of $PENSTOCK_BIN. As many runs are made as requests; each is waited
// for by one request (wait=60) on a connection of its own. Measured: the memory of the scheduler with all of them waiting, less that of before; its CPU while
// nothing happens for --idle seconds; and, while `pace` runs a second end, the time from a run's end in Postgres (the start of the transaction that ends it) to
// the arrival of the answer. The client is one node process with plain sockets. Beside it stands what the machine did to it: how long, of each second, the scheduler
// and the worker were ready to run and had no core, and how late timers of the client came. --without-redis: Redis is stopped before the first run ends. The exit code is 1
// when the 99th percentile is over 50 ms (with Redis), or an answer is missing.

import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Client } from './load.mjs';
import { percentiles, rss, sample, starved } from './probe.mjs';
import { Stack, sleep, until } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' }, pace: { type: 'string', default: '330' }, idle: { type: 'string', default: '10' },
    'without-redis': { type: 'boolean', default: false }, json: { type: 'string' },
  },
});
const count = Number(options.requests);
const idleMs = Number(options.idle) * 1000;
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

/** The first run ends this long after its call began: by then all are submitted, all wait, and the idle time is over. */
const firstMs = 15000 + count * 2 + idleMs;
const lastMs = firstMs + (count / Number(options.pace)) * 1000;
const script = `
rules:
  - {then: {text: 'done', delay_ms: [${Math.round(firstMs)}, ${Math.round(lastMs)}]}}
`;

/** One long poll on a socket of its own, asked again until the run has ended. */
class LongPoll {
  constructor(stack, run) {
    this.request = Buffer.from(
      `GET /v1/threads/${run.thread_id}/runs/${run.id}?wait=60 HTTP/1.1\r\nHost: ${new URL(stack.url).host}\r\nAuthorization: Bearer ${stack.key}\r\n\r\n`,
    );
    this.id = run.id;
    this.asked = 0;
    this.ended = new Promise((done, fail) => {
      this.done = done;
      this.fail = fail;
    });
    this.opened = new Promise((done) => {
      this.socket = connect(Number(stack.port), '127.0.0.1', () => {
        this.ask();
        done();
      });
    });
    this.socket.setNoDelay(true);
    this.socket.on('data', (data) => this.take(data));
    this.socket.on('error', this.fail);
    this.socket.on('close', () => this.fail(new Error(`${this.id}: the connection was closed`)));
  }

  ask() {
    this.text = '';
    this.asked++;
    this.socket.write(this.request);
  }

  take(data) {
    const now = performance.timeOrigin + performance.now();
    this.text += data.toString('latin1');
    const body = this.text.indexOf('\r\n\r\n') + 4;
    const length = Number(/\r\nContent-Length: (\d+)/.exec(this.text)?.[1]);
    if (body < 4 || this.text.length < body + length) return;
    const status = /"status":"(\w+)"/.exec(this.text)?.[1];
    if (!this.text.startsWith('HTTP/1.1 200') || !status) {
      this.fail(new Error(`${this.id}: ${this.text.slice(0, 300)}`));
    } else if (status === 'queued' || status === 'in_progress') {
      this.ask();
    } else {
      this.arrived = now;
      this.status = status;
      this.socket.removeAllListeners('close');
      this.socket.destroy();
      this.done();
    }
  }
}

async function metrics(stack) {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return (name) => Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
}

const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

function share(before, after, ms) {
  return Object.fromEntries(Object.keys(after).map((key) => [key, Number((((after[key] - before[key]) / ms) * 100).toFixed(2))]));
}

async function measure(stack) {
  const client = new Client(stack, await stack.assistant({ tools: [] }));
  const runs = [];
  const start = Date.now();
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (runs.length < count) {
        const place = runs.push(null) - 1;
        runs[place] = JSON.parse(await client.submit());
      }
    }),
  );
  await until('all runs are in work', async () => (await stack.busy(stack.workers[0])) === count, 120000);
  const before = rss(stack.scheduler.pid);
  const idleBefore = sample(stack, stack.workers[0].pid);
  await sleep(idleMs / 2);
  const idleWithout = share(idleBefore, sample(stack, stack.workers[0].pid), idleMs / 2);

  const polls = [];
  for (let i = 0; i < count; i += 250) { // the backlog of the listening socket is finite
    const some = runs.slice(i, i + 250).map((run) => new LongPoll(stack, run));
    polls.push(...some);
    await Promise.all(some.map((poll) => poll.opened));
  }
  await until('all wait', async () => (await metrics(stack))('penstock_waiting_requests') === count, 60000);
  await sleep(1000);
  const waiting = rss(stack.scheduler.pid);
  const from = sample(stack, stack.workers[0].pid);
  await sleep(idleMs);
  const idle = share(from, sample(stack, stack.workers[0].pid), idleMs);
  const endedEarly = polls.filter((poll) => poll.arrived).length;
  if (options['without-redis']) stack.stopRedis();

  const all = Promise.all(polls.map((poll) => poll.ended));
  const working = sample(stack, stack.workers[0].pid);
  const starving = [stack.scheduler, stack.workers[0]].map((program) => starved(program.pid));
  const lag = monitorEventLoopDelay({ resolution: 10 });
  lag.enable();
  const workingFrom = Date.now();
  await all;
  lag.disable();
  const seconds = (Date.now() - workingFrom) / 1000;
  const starvedFor = [stack.scheduler, stack.workers[0]].map((program, i) => Math.round((starved(program.pid) - starving[i]) / seconds));
  const spent = options['without-redis'] ? null : share(working, sample(stack, stack.workers[0].pid), Date.now() - workingFrom);
  const ends = new Map(stack.sql('SELECT id, extract(epoch FROM updated_at) * 1000 AS ms FROM runs').map((row) => [row.id, Number(row.ms)]));
  const late = polls.map((poll) => poll.arrived - ends.get(uuid(poll.id)));
  const counts = await metrics(stack);
  return {
    requests: count,
    seconds: (Date.now() - start) / 1000,
    endedEarly,
    askedAgain: polls.filter((poll) => poll.asked > 1).length,
    statuses: Object.fromEntries([...new Set(polls.map((poll) => poll.status))].map((status) => [status, polls.filter((poll) => poll.status === status).length])),
    rssBeforeKiB: before,
    rssPerRequestKiB: Number(((waiting - before) / count).toFixed(2)),
    cpuPercentBeforeWaiting: idleWithout,
    cpuPercentWaiting: idle,
    cpuPercentWhileTheyEnd: spent,
    answerAfterEndMs: Object.fromEntries(Object.entries(percentiles(late)).map(([key, ms]) => [key, Number(ms.toFixed(1))])),
    withoutCoreMsPerSecond: { scheduler: starvedFor[0], worker: starvedFor[1] },
    clientLateMs: { p50: Math.round(lag.percentile(50) / 1e6), p99: Math.round(lag.percentile(99) / 1e6) },
    wokenByMessage: counts('penstock_waiting_wakeups_total{by="message"}'),
    wokenBySweep: counts('penstock_waiting_wakeups_total{by="sweep"}'),
  };
}

const stack = await Stack.start({ script, slots: Math.ceil(count * 1.2) }); // a part of them is kept for others
let figures;
try {
  figures = await measure(stack);
} catch (error) {
  stack.showLogs();
  throw error;
} finally {
  await stack.stop();
}
console.log(JSON.stringify(figures, null, 2));
if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
if (!options['without-redis'] && figures.answerAfterEndMs.p99 > 50) process.exitCode = 1;
