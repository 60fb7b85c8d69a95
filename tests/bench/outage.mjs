// A provider that is away for a minute, under a steady load: its breaker opens, the agents' fallback takes over, and the breaker closes again; no run fails, none
// is lost, and no answer is stored twice.
//
//   tests/bench/outage.mjs [--how killed|silent|errors] [--seconds 60] [--rate 20] [--workers 2]
//
// killed: the provider's process is killed and started again. silent: it takes connections and says nothing. errors: it answers 500. The load goes on from 30 s before
// until 10 s after the breaker of each worker has closed. Prints what the two providers answered in each ten seconds, and a line for each criterion; the exit code is 1 when one is missed.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stack, freePort, sleep, until } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    how: { type: 'string', default: 'killed' }, seconds: { type: 'string', default: '60' }, rate: { type: 'string', default: '20' },
    workers: { type: 'string', default: '2' },
  },
});
const seconds = Number(options.seconds);
const rate = Number(options.rate);
const BEFORE_MS = 30000;
const AFTER_MS = 10000;
const TIMEOUT_MS = 5000;
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

const script = `
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}], delay_ms: [50, 150], usage: {prompt_tokens: 100, completion_tokens: 10}}
      - {text: 'It is {{tool}}, says {{model}}.', delay_ms: [50, 150], usage: {prompt_tokens: 200, completion_tokens: 20}}
`;
const config = `
providers:
  - {name: first, kind: openai_chat, base_url: '\${FIRST_URL:-http://127.0.0.1:1/v1}', api_key: rehearsal, first_byte_timeout_ms: ${TIMEOUT_MS}, total_timeout_ms: 10000}
  - {name: spare, kind: anthropic, base_url: '\${SPARE_URL:-http://127.0.0.1:1}', api_key: rehearsal}
models:
  - {name: main, provider: first, model: main-1, input_price: 1000000, output_price: 10000000}
  - {name: reserve, provider: spare, model: reserve-1, input_price: 2000000, output_price: 20000000}
`;

const missed = [];
function criterion(name, holds, figure) {
  console.log(`${holds ? 'holds ' : 'MISSED'}  ${name}: ${figure}`);
  if (!holds) missed.push(name);
}

/** The provider that goes away. Its ledger is one file over its lives. */
class First {
  constructor(stack, port) {
    this.stack = stack;
    this.port = port;
    this.ledgerFile = join(stack.dir, 'first.jsonl');
    this.broken = join(stack.dir, 'broken.yaml');
    writeFileSync(this.broken, 'rules: [{name: broken, then: {status: 500}}]\n');
  }

  async start(scriptFile = join(this.stack.dir, 'script.yaml')) {
    this.program = this.stack.program('penstock-rehearsal', ['--port', String(this.port), '--ledger', this.ledgerFile, '--script', scriptFile], {});
    await this.stack.ready(this.program, `http://127.0.0.1:${this.port}/healthz`);
  }

  async goAway() {
    if (options.how === 'silent') return process.kill(this.program.pid, 'SIGSTOP');
    await this.program.kill('SIGKILL');
    if (options.how === 'errors') await this.start(this.broken);
  }

  async comeBack() {
    if (options.how === 'silent') return process.kill(this.program.pid, 'SIGCONT');
    await this.program.kill('SIGKILL');
    await this.start();
  }

  /** Its process is no failure of the stack when it was killed. */
  ledger() {
    return readFileSync(this.ledgerFile, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** Submits at the rate until `over` says so. Returns the runs. */
async function load(stack, assistant, over) {
  const runs = [];
  for (let next = Date.now(); !over(); next += 1000 / rate) {
    await sleep(Math.max(0, next - Date.now()));
    runs.push(stack.submit(assistant, `sum ${runs.length}`));
  }
  return Promise.all(runs);
}

/** Answers of each model in each ten seconds, and how many calls failed before, as the steps tell. */
function printTimeline(stack, start) {
  const rows = stack.sql(`SELECT floor(extract(epoch FROM created_at) - ${start / 1000})::int / 10 AS part, count(*) FILTER (WHERE model LIKE 'first/%') AS first,
    count(*) FILTER (WHERE model LIKE 'spare/%') AS spare, sum(coalesce(jsonb_array_length(tried), 0)) AS tried FROM run_steps WHERE model IS NOT NULL GROUP BY part ORDER BY part`);
  console.log('seconds      first  spare  tried before');
  for (const row of rows) console.log(`${`${row.part * 10} to ${row.part * 10 + 10}`.padEnd(10)} ${String(row.first).padStart(7)} ${String(row.spare).padStart(6)} ${String(row.tried).padStart(8)}`);
}

/** Waits until each worker leaves so many models alone. */
const breakers = (stack, count) =>
  until(`each worker leaves ${count} models alone`, async () => {
    const pages = await Promise.all(stack.workers.map(async (worker) => (await fetch(`${worker.url}/metrics`)).text()));
    return pages.every((page) => page.includes(`\npenstock_worker_models_left_alone ${count}\n`));
  }, 120000);

const stack = await Stack.start({ bare: true, script, config, slots: 200 });
try {
  const first = new First(stack, await freePort());
  Object.assign(stack.env, { FIRST_URL: `http://127.0.0.1:${first.port}/v1`, SPARE_URL: `${stack.llmUrl}/v1` });
  await first.start();
  await stack.startScheduler();
  for (let i = 0; i < Number(options.workers); i++) await stack.startWorker();
  const assistant = await stack.assistant({ model: 'main', fallbacks: ['reserve'], tools: [{ type: 'calculator' }] });

  const start = Date.now();
  let closed = 0;
  const loading = load(stack, assistant, () => closed && Date.now() > closed + AFTER_MS);
  loading.catch(() => {}); // it is awaited below
  await sleep(BEFORE_MS);
  const away = Date.now();
  await first.goAway();
  await breakers(stack, 1);
  const opened = Date.now();
  await sleep(Math.max(0, away + seconds * 1000 - Date.now()));
  const back = Date.now();
  await first.comeBack();
  await breakers(stack, 0);
  closed = Date.now();
  const runs = await loading;
  await until('all runs end', () => stack.sql(`SELECT count(*) FROM runs WHERE completed_at IS NULL`)[0].count === 0, 60000);

  printTimeline(stack, start);
  const one = (query) => Object.values(stack.sql(query)[0])[0];
  const answered = [...first.ledger(), ...stack.ledger()].filter((line) => line.status === 200);
  const paid = one(`SELECT sum(cost_micros)::int8 AS n FROM runs`);
  const steps = one(`SELECT count(*) AS n FROM run_steps WHERE model IS NOT NULL`);
  const settled = opened + TIMEOUT_MS + 1000; // calls that had begun before have ended
  const asked = one(`SELECT sum(jsonb_array_length(tried))::int AS n FROM run_steps, LATERAL jsonb_array_elements(tried) one
    WHERE one->>'message' NOT LIKE '%left alone%' AND created_at > to_timestamp(${settled / 1000}) AND created_at < to_timestamp(${back / 1000})`);
  criterion('every run is completed', one(`SELECT count(*) AS n FROM runs WHERE status <> 'completed'`) === 0, `${runs.length} runs`);
  criterion('every run has its four messages and two steps of the model', one(`SELECT count(*) AS n FROM messages`) === 4 * runs.length && steps === 2 * runs.length, `${steps} steps`);
  criterion('the breaker opens', opened - away < 30000, `${((opened - away) / 1000).toFixed(1)} s after the provider was gone`);
  criterion('and closes', closed - back < 65000, `${((closed - back) / 1000).toFixed(1)} s after it was back`);
  criterion('the provider is left alone meanwhile', asked <= seconds, `${asked} calls while the breaker was open`);
  const price = { 'main-1': 1, 'reserve-1': 2 }; // micro-dollars a token read; ten times that a token written
  const owed = answered.reduce((sum, line) => sum + price[line.model] * (line.usage.prompt_tokens + 10 * line.usage.completion_tokens), 0);
  const lost = answered.length - steps; // answered as the connection broke
  criterion('what is paid is what was answered', lost >= 0 && owed - paid <= lost * 400 && owed >= paid, `${answered.length} answers, ${steps} stored, ${owed} and ${paid} micro-dollars`);
  const slowest = one(`SELECT max(extract(epoch FROM completed_at - created_at)) AS n FROM runs`);
  const median = one(`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - created_at)) AS n FROM runs`);
  console.log(`a run took ${Number(median).toFixed(2)} s at the median, ${Number(slowest).toFixed(1)} s at most`);
} finally {
  await stack.stop();
}
process.exit(missed.length ? 1 : 0);
