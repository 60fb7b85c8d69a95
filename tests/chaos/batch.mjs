// One batch under random restarts: every line is answered exactly once.
//
//   tests/chaos/batch.mjs [--lines 100000] [--seed 7] [--endpoint /v1/threads/runs] [--gap MS] [--json FILE]
//
// Two schedulers and three workers. From the batch's creation to its end one of them, Redis or Postgres is struck every `gap` milliseconds or so, as the seed
// says: kill -9 and a new process; SIGTERM and a new one; SIGSTOP for longer than a lease, and SIGCONT; Redis gone and back, empty; Postgres restarted as after a
// crash. The exit code is 0 when each line stands in exactly one of the two files, in the output, and nothing is left of it in the database.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { answers, createBatch, lineOf, over } from '../lib/batches.mjs';
import { freePort, sleep, Stack } from '../lib/stack.mjs';
import { Random } from './random.mjs';

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '100000' }, seed: { type: 'string', default: '7' }, endpoint: { type: 'string', default: '/v1/threads/runs' },
    gap: { type: 'string', default: '6000' }, json: { type: 'string' },
  },
});
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';
const count = Number(values.lines);
const random = new Random(values.seed, 'batch');
const strikes = { killScheduler: 5, stopScheduler: 2, pauseScheduler: 3, killWorker: 5, stopWorker: 2, pauseWorker: 2, redis: 3, postgres: 2 };
const LEASE_MS = 10000;
const struck = {};
const start = Date.now();
const say = (text) => console.error(`${((Date.now() - start) / 1000).toFixed(1).padStart(7)} ${text}`);

const stack = await Stack.start({ bare: true, script: `rules: [{then: {text: 'done', usage: {prompt_tokens: 3, completion_tokens: 2}}}]` });
const members = [];

async function begin(member) {
  member.port ??= await freePort();
  member.program = stack.program(`penstock-${member.kind}`, ['--port', String(member.port), ...(member.kind === 'worker' ? ['--slots', '200'] : [])], {});
}

/** The first scheduler that answers. */
async function call(method, path, body) {
  for (;;) {
    for (const member of members.filter(({ kind }) => kind === 'scheduler')) {
      stack.url = `http://127.0.0.1:${member.port}`;
      const reply = await Promise.race([stack.call(method, path, body).catch(() => null), sleep(3000)]);
      if (reply && reply.status < 500) return reply.body;
    }
    await sleep(200);
  }
}

const pick = (kind) => random.pick(members.filter((member) => member.kind === kind));

async function again(member, signal) {
  if (signal === 'SIGTERM') await member.program.stop();
  else await member.program.kill(signal);
  await begin(member);
}

async function pause(member) {
  member.program.child.kill('SIGSTOP');
  await sleep(LEASE_MS + random.int(500, 3000));
  member.program.child.kill('SIGCONT');
}

const does = {
  killScheduler: () => again(pick('scheduler'), 'SIGKILL'), stopScheduler: () => again(pick('scheduler'), 'SIGTERM'), pauseScheduler: () => pause(pick('scheduler')),
  killWorker: () => again(pick('worker'), 'SIGKILL'), stopWorker: () => again(pick('worker'), 'SIGTERM'), pauseWorker: () => pause(pick('worker')),
  redis: async () => { stack.stopRedis(); await sleep(random.int(0, 2000)); stack.startRedis(); },
  postgres: async () => stack.postgres('restart', '-m', 'immediate'),
};

/** What ended by itself, as a worker that was paused does, is begun again. */
async function revive() {
  for (const member of members) if (!member.program.running) await begin(member);
}

async function strikeUntil(isOver) {
  while (!isOver()) {
    const next = Date.now() + random.exponential(Number(values.gap));
    while (!isOver() && Date.now() < next) await sleep(Math.min(200, next - Date.now()));
    if (isOver()) return;
    const name = random.weighted(strikes);
    say(name);
    await does[name]();
    struck[name] = (struck[name] ?? 0) + 1;
    await revive();
  }
}

let failed;
try {
  for (const kind of ['scheduler', 'scheduler', 'worker', 'worker', 'worker']) {
    const member = { kind };
    members.push(member);
    await begin(member);
    await stack.ready(member.program, `http://127.0.0.1:${member.port}/readyz`);
  }
  stack.url = `http://127.0.0.1:${members[0].port}`;
  const assistant = await stack.assistant({ tools: [] });
  const body = (n) => ({
    '/v1/threads/runs': { assistant_id: assistant.id, input: `hi ${n}` }, '/v1/responses': { model: assistant.id, input: `hi ${n}` },
    '/v1/chat/completions': { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: `hi ${n}` }] },
  })[values.endpoint];
  let batch = await createBatch(stack, Array.from({ length: count }, (_, n) => lineOf(`l${n}`, values.endpoint, body(n))), values.endpoint);
  const from = Date.now();
  const striking = strikeUntil(() => over.includes(batch.status));
  for (let told = 0; !over.includes(batch.status);) {
    await sleep(500);
    batch = await call('GET', `/v1/batches/${batch.id}`);
    if (Date.now() - told > 10000) say(`${batch.status} ${batch.request_counts.completed} of ${count}, ${batch.request_counts.failed} failed`), (told = Date.now());
  }
  const seconds = (Date.now() - from) / 1000;
  await striking;
  await call('GET', '/v1/batches');
  const all = await answers(stack, batch);
  const wrong = [...Array(count).keys()].filter((n) => all.get(`l${n}`)?.where !== 'output');
  const [left] = stack.sql(`SELECT (SELECT count(*)::int FROM batch_lines) AS lines, (SELECT count(*)::int FROM batch_output) AS output,
    (SELECT count(*)::int FROM runs) AS runs, (SELECT count(DISTINCT thread_id)::int FROM runs) AS threads, (SELECT count(*)::int FROM runs WHERE crashes > 0) AS crashed`);
  const runs = values.endpoint === '/v1/chat/completions' ? 0 : count;
  const report = { seed: values.seed, endpoint: values.endpoint, lines: count, status: batch.status, counts: batch.request_counts, answers: all.size, wrong: wrong.length,
    seconds: Math.round(seconds), perSecond: Math.round(count / seconds), struck, left };
  console.log(JSON.stringify(report));
  if (values.json) writeFileSync(values.json, JSON.stringify(report, null, 2));
  failed = batch.status !== 'completed' || all.size !== count || wrong.length > 0 || left.lines + left.output > 0 || left.runs !== runs || left.threads !== runs;
} finally {
  await stack.stop();
}
console.log(failed ? 'FAILED' : 'each line was answered once');
process.exit(failed ? 1 : 0);
