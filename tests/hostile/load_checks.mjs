// What one tenant, one client or one server may do to all others, one kind a check (see checks.mjs). They measure, so each is
// played alone. Bounds of time are those of a quiet machine; a slower one gets as much longer as pace.mjs says.

import { connect } from 'node:net';
import { Flood } from './flood.mjs';
import { forgetPeak, peakMiB } from '../lib/memory.mjs';
import { percentiles } from '../bench/probe.mjs';
import { slowness } from '../lib/pace.mjs';
import { sleep, until } from '../lib/stack.mjs';

const MESSAGE_BYTES = 3800000;
const within = (ms) => (took) => took >= 0 && (took < ms || took < ms * slowness());
const FOREVER = Infinity; // longer than the slowest machine is given
const empty = (list) => Array.isArray(list) && list.length === 0;
const all = (expected) => (list) => list.length > 0 && list.every((one) => one === expected);
const atLeast = (least) => (n) => n >= least;
const below = (most) => (n) => n > 0 && n < most;

/** The tenant `other` works while `body` does. Returns what body returns, and what he saw. */
async function beside(stage, body) {
  let going = true;
  const working = stage.otherWorks(() => going);
  let seen;
  const facts = await body().finally(async () => {
    going = false;
    seen = await working;
  });
  return { ...facts, others_p99_ms: Math.round(percentiles(seen.requests).p99), others_run_p99_ms: Math.round(percentiles(seen.runs).p99), others_runs: seen.runs.length, others_refused: seen.refused };
}

/** A few seconds of /readyz, and how often the shard changed its owner meanwhile. */
async function readiness(stage, seconds) {
  const term = async () => Number(/^penstock_shard_term\{shard="0"\} (\d+)$/m.exec(await stage.metrics())[1]);
  const first = await term();
  const answers = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(100)) answers.push((await stage.readyz(stage.stack)).status);
  return { readyz: [...new Set(answers)], leases_lost: (await term()) - first };
}

const others = {
  others_p99_ms: { right: within(400), wrong: [FOREVER] },
  others_run_p99_ms: { right: within(1500), wrong: [FOREVER] }, // its model takes 20 ms
  others_runs: { right: atLeast(10), wrong: [0, NaN] },
  others_refused: { right: empty, wrong: [['POST /v1/threads/runs: 503']] },
};

const ready = {
  readyz: { right: (words) => JSON.stringify(words) === '["ready"]', wrong: [[], ['ready', 'not ready']] },
  leases_lost: { right: (n) => n === 0, wrong: [1, NaN] },
};

/** Runs one after the other while Redis takes no writes, and what is said meanwhile. */
async function withoutWrites(stage) {
  const { stack } = stage;
  stack.redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  stack.redis('CONFIG', 'SET', 'maxmemory', '1mb');
  try {
    const runs = await Promise.all(Array.from({ length: 20 }, () => stage.other.submit(stage.quick, 'hello')));
    const ended = await Promise.all(runs.map((run) => stage.other.finished(run)));
    const facts = { statuses: ended.map((run) => run.status) };
    const programs = [stack.url, stage.worker.url];
    for (const url of programs)
      await until('it is said', async () => (await stage.readyz({ url })).degraded.some((word) => word.startsWith('redis')), 10000);
    facts.degraded = await Promise.all(programs.map(async (url) => (await stage.readyz({ url })).degraded.find((word) => word.startsWith('redis'))));
    facts.redis_up = await Promise.all(programs.map(async (url) => Number(/^penstock_redis_up (\d)$/m.exec(await stage.metrics(url))[1])));
    facts.doctor = /^fail +redis hints +(.*)$/m.exec(stage.doctor())?.[1] ?? '';
    return facts;
  } finally {
    stack.redis('CONFIG', 'SET', 'maxmemory', '0');
    for (const program of [stack, stage.worker])
      await until('Redis serves again', async () => !(await stage.readyz(program)).degraded.some((word) => word.startsWith('redis')));
  }
}

/** What comes back for a head without a key and so many bytes of a body, the last one never sent. */
function withoutKey(port, bytes, expect) {
  return new Promise((done) => {
    const start = performance.now();
    let said = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${expect ? 'Expect: 100-continue\r\n' : ''}Content-Length: ${bytes}\r\n\r\n`);
      if (!expect) socket.write(Buffer.alloc(bytes - 1, 32));
    });
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      done({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0), ms: performance.now() - start });
    };
    const timer = setTimeout(end, 20000);
    socket.on('data', (chunk) => {
      said += chunk;
      if (said.includes('\r\n\r\n')) end();
    });
    socket.on('error', () => {});
    socket.on('close', end);
  });
}

export const loadChecks = [
  {
    name: 'a Redis that refuses writes stops no run, and is told by readiness, metrics and doctor',
    play: withoutWrites,
    expects: {
      statuses: { right: (list) => list.length === 20 && all('completed')(list), wrong: [[], Array(20).fill('queued')] },
      degraded: { right: (list) => list.length === 2 && all('redis: refuses writes')(list), wrong: [[], ['redis: refuses writes', undefined]] },
      redis_up: { right: (list) => list.length === 2 && all(0)(list), wrong: [[1, 1], [0, 1]] },
      doctor: { right: (text) => /it refuses writes/.test(text), wrong: ['', 'it takes them'] },
    },
  },
  {
    name: 'twenty clients that read pages of megabytes delay nobody else, no lease and no readiness, and are bounded in memory',
    async play(stage) {
      const [thread] = await stage.threads(1, 20, MESSAGE_BYTES);
      forgetPeak(stage.scheduler);
      const flood = await Flood.start('pages', { url: stage.stack.url, key: stage.hostile.key, thread, clients: 20, messageBytes: MESSAGE_BYTES });
      const facts = await beside(stage, () => readiness(stage, 4));
      const { good, bad } = await flood.stop();
      return { ...facts, pages: good, bad, peak_mib: peakMiB(stage.scheduler) };
    },
    expects: {
      ...others, ...ready,
      pages: { right: atLeast(10), wrong: [0] },
      bad: { right: empty, wrong: [['400: too large']] },
      peak_mib: { right: below(128), wrong: [1500, NaN] }, // a tenant's replies hold 32 MiB; see large_pages.test.mjs
    },
  },
  {
    name: 'bodies of clients without a key are refused by their head, and not held',
    async play(stage) {
      forgetPeak(stage.scheduler);
      const before = peakMiB(stage.scheduler);
      const bytes = (4 << 20) - 1;
      const asked = Array.from({ length: 100 }, (_, i) => withoutKey(stage.stack.port, bytes, i % 2 === 0));
      const facts = await beside(stage, async () => {
        const replies = await Promise.all(asked);
        return { statuses: replies.map((reply) => reply.status), longest_ms: Math.round(Math.max(...replies.map((reply) => reply.ms))) };
      });
      return { ...facts, more_mib: peakMiB(stage.scheduler) - before, before_mib: before };
    },
    expects: {
      others_refused: others.others_refused,
      statuses: { right: (list) => list.length === 100 && all(401)(list), wrong: [[], Array(100).fill(100), Array(100).fill(408)] },
      longest_ms: { right: within(3000), wrong: [FOREVER, NaN] },
      more_mib: { right: (n) => n < 32, wrong: [400, NaN] }, // 64 KiB of each are read before its head is judged
      before_mib: { right: below(1024), wrong: [0, NaN] },
    },
  },
  {
    name: 'bodies of more than a million values are refused, and take neither the loop nor memory',
    async play(stage) {
      forgetPeak(stage.scheduler);
      const before = peakMiB(stage.scheduler);
      const bodies = ['{}', '0', '[]', '""', '{"a":0}'].map((one) => `{"metadata":[${`${one},`.repeat(Math.floor(4100000 / (one.length + 1)))}null]}`);
      const facts = await beside(stage, async () => {
        const replies = await Promise.all(bodies.map((body) => stage.hostile.call('POST', '/v1/threads', body)));
        return { statuses: replies.map((reply) => reply.status), words: replies.map((reply) => reply.body.error?.message ?? '') };
      });
      return { ...facts, more_mib: peakMiB(stage.scheduler) - before };
    },
    expects: {
      others_refused: others.others_refused,
      statuses: { right: (list) => list.length === 5 && all(400)(list), wrong: [[], [200, 400, 400, 400, 400]] },
      words: { right: (list) => list.length === 5 && list.every((text) => /more than 50000 values/.test(text)), wrong: [['', '', '', '', ''], []] },
      more_mib: { right: (n) => n < 200, wrong: [1000, NaN] }, // a share of bodies is 32 MiB, and 50,000 empty objects are 40
    },
  },
  {
    name: 'ten thousand silent connections keep nobody out, and no health check',
    async play(stage) {
      const flood = await Flood.start('silent', { url: stage.stack.url, count: 10200 });
      const open = async () => Number(/^penstock_http_connections (\d+)$/m.exec(await stage.metrics())[1]);
      await until('they are there', async () => (await open()) > 9900, 20000);
      const most = await open();
      const asked = async (path) => {
        const start = performance.now();
        const reply = await fetch(stage.stack.url + path, { headers: { connection: 'close', authorization: `Bearer ${stage.other.key}` }, signal: AbortSignal.timeout(60000) }).catch(() => null);
        return { status: reply?.status, ms: performance.now() - start };
      };
      const replies = [];
      for (let i = 0; i < 5; i++) for (const path of ['/healthz', '/readyz', '/v1/assistants?limit=1']) replies.push(await asked(path));
      const facts = await beside(stage, () => sleep(1000).then(() => ({})));
      await flood.stop();
      await until('they are gone', async () => (await open()) < 200, 20000);
      return { ...facts, connections: most, statuses: replies.map((reply) => reply.status), longest_ms: Math.round(Math.max(...replies.map((reply) => reply.ms))) };
    },
    expects: {
      others_refused: others.others_refused, others_runs: others.others_runs,
      connections: { right: atLeast(9900), wrong: [100, NaN] },
      statuses: { right: (list) => list.length === 15 && all(200)(list), wrong: [[], Array(15).fill(503)] },
      longest_ms: { right: within(1000), wrong: [FOREVER, NaN] },
    },
  },
  {
    name: 'thirty runs at once on threads of 15 MB end, and their worker is bounded in memory',
    async play(stage) {
      const threads = await stage.threads(30, 4, MESSAGE_BYTES);
      const slow = await Flood.start('model', { port: stage.slowPort, bytes: 100, delayMs: 1000 });
      const assistant = await stage.hostile.assistant({ model: 'deepseek/deepseek-chat', tools: [] });
      forgetPeak(stage.worker);
      const facts = await beside(stage, async () => {
        const runs = await Promise.all(threads.map((thread) => stage.hostile.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id })));
        const ended = await Promise.all(runs.map((run) => stage.hostile.finished({ ...run }, 60000)));
        return { statuses: ended.map((run) => run.status) };
      });
      await slow.stop();
      return { ...facts, peak_mib: peakMiB(stage.worker) };
    },
    expects: {
      ...others,
      statuses: { right: (list) => list.length === 30 && all('completed')(list), wrong: [[], Array(30).fill('failed')] },
      peak_mib: { right: below(256), wrong: [800, NaN] }, // 8 MiB of each are read, one after the other, as there is room for them
    },
  },
  {
    name: 'runs whose model answers 15 MB end with a reason, those of 900 KB complete, and neither holds up other runs',
    async play(stage) {
      const models = [await Flood.start('model', { port: stage.largePort, bytes: 15 << 20 }), await Flood.start('model', { port: stage.slowPort, bytes: 900000 })];
      const [over, large] = await Promise.all(['local/over', 'deepseek/large'].map((model) => stage.hostile.assistant({ model, tools: [] })));
      const facts = await beside(stage, async () => {
        const twelve = async (assistant) => {
          const ended = [];
          for (let i = 0; i < 5; i++) {
            const runs = await Promise.all(Array.from({ length: 12 }, () => stage.hostile.submit(assistant, 'much')));
            ended.push(...(await Promise.all(runs.map((run) => stage.hostile.finished(run, 60000)))));
          }
          return ended;
        };
        const [refused, stored] = await Promise.all([twelve(over), twelve(large)]);
        return { reasons: refused.map((run) => run.last_error?.message ?? ''), stored: stored.map((run) => run.status) };
      });
      const [{ asked }] = await Promise.all(models.map((model) => model.stop()));
      return { ...facts, asked };
    },
    expects: {
      ...others,
      reasons: { right: (list) => list.length === 60 && list.every((reason) => /too large/.test(reason)), wrong: [[], Array(60).fill('')] },
      stored: { right: (list) => list.length === 60 && all('completed')(list), wrong: [[], Array(60).fill('failed')] },
      asked: { right: (n) => n === 60, wrong: [0, 120] },
    },
  },
];
