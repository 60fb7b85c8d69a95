// What a step costs on threads that are long, by strategy: rows of messages (and of their vectors) that the database looks at, and CPU of worker and Postgres.
//
//   tests/bench/context.mjs [--threads 10] [--runs 20] [--rounds 3] [--lengths 50,500,5000] [--json FILE]
//
// For each length there are --threads threads of so many messages of some twenty words. A run on each of them, one model call, --runs times; strategies
// and lengths in turn, --rounds times, so that what else the machine does is in all of them. Read the ratios.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sample } from './probe.mjs';
import { Stack, sleep } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: '10' }, runs: { type: 'string', default: '20' }, rounds: { type: 'string', default: '3' },
    lengths: { type: 'string', default: '50,500,5000' }, json: { type: 'string' },
  },
});
const [threads, runs, rounds] = ['threads', 'runs', 'rounds'].map((name) => Number(options[name]));
const lengths = options.lengths.split(',').map(Number);
const strategies = { auto: {}, none: { memory_strategy: 'none' }, last_messages: { memory_strategy: 'last_messages' }, first_last: { memory_strategy: 'first_last' },
  summarize: { memory_strategy: 'summarize', memory_config: { trigger_tokens: 1000 } }, vector: { memory_strategy: 'vector' } };
const STATISTICS_MS = 11_000; // that a session of Postgres may keep what it has counted
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

const stack = await Stack.start({ script: "rules:\n  - {when: {system: '^You keep the record'}, then: {text: 'They went on and on.'}}\n  - {then: {text: 'It is done.'}}\n" });
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** A thread of this length: the first run's, and messages before and behind. */
async function longThread(length) {
  const thread = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'hello' }] });
  const uuid = thread.id.split('_')[1].replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  stack.exec(`INSERT INTO messages (id, tenant_id, thread_id, role, content, bytes, token_count)
    SELECT gen_random_uuid(), o.tenant_id, o.thread_id, CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
      jsonb_build_array(jsonb_build_object('type', 'text', 'text', jsonb_build_object('value', n || repeat(' some words of it', 5), 'annotations', '[]'::jsonb))), 150, 20
    FROM messages o, generate_series(1, ${length - 1}) n WHERE o.thread_id = '${uuid}' ORDER BY n;
    UPDATE threads SET message_count = ${length}, total_bytes = ${length} * 150, token_count = ${length} * 20 WHERE id = '${uuid}'`);
  return thread.id;
}

const rowsRead = () => Number(stack.exec(`SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('messages', 'message_vectors')`));

/** Each thread's runs one after the other, of all threads at once. */
async function work(agent, list, count) {
  await Promise.all(list.map(async (thread) => {
    for (let i = 0; i < count; i++) {
      const run = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: agent.id, input: 'go on' });
      const ended = await stack.ok('GET', `/v1/threads/${thread}/runs/${run.id}?wait=60`);
      if (ended.status !== 'completed') throw new Error(`${ended.status}: ${JSON.stringify(ended.last_error)}`);
    }
  }));
}

const result = {};
try {
  const agents = {};
  const made = {};
  for (const [name, memory] of Object.entries(strategies)) agents[name] = await stack.assistant({ tools: [], name, ...memory });
  for (const length of lengths) made[length] = await Promise.all(Array.from({ length: threads }, () => longThread(length)));
  stack.exec('VACUUM ANALYZE');
  await work(agents.none, made[lengths[0]], 5);
  for (const length of lengths) await work(agents.summarize, made[length], 1); // which makes the summary
  // Messages have their vectors, as those of a thread that was always of this strategy.
  for (const length of lengths) await work(agents.vector, made[length], 1);
  while (Number(stack.exec("SELECT count(*) FROM thread_vectors WHERE oldest > 0")) > 0 || Number(stack.exec("SELECT count(*) FROM runs WHERE kind = 'memory' AND status <> 'completed'")) > 0)
    await sleep(200);
  await sleep(STATISTICS_MS);
  let rows = rowsRead();
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(strategies)) {
      for (const length of lengths) {
        const seen = ((result[name] ??= {})[length] ??= { rows: [], worker: [], postgres: [] });
        const cpu = sample(stack, stack.workers[0].pid);
        await work(agents[name], made[length], runs);
        const after = sample(stack, stack.workers[0].pid);
        const steps = threads * runs;
        if (round === 0) { // the same each time
          await sleep(STATISTICS_MS);
          const now = rowsRead();
          seen.rows.push((now - rows) / steps);
          rows = now;
        }
        for (const who of ['worker', 'postgres']) seen[who].push((after[who] - cpu[who]) / steps);
      }
    }
  }
  for (const [name, by] of Object.entries(result)) {
    for (const length of lengths) for (const key of Object.keys(by[length])) by[length][key] = Number(median(by[length][key]).toFixed(3)) || undefined;
    const small = by[lengths[0]];
    for (const length of lengths) {
      const { rows, worker, postgres } = by[length];
      console.log(name.padEnd(14), String(length).padStart(5), `rows ${rows.toFixed(1)}`, `worker ${worker.toFixed(3)} ms`, `Postgres ${postgres.toFixed(3)} ms`,
        `together ${((worker + postgres) / (small.worker + small.postgres)).toFixed(2)} of ${lengths[0]}`);
    }
  }
  if (options.json) writeFileSync(options.json, JSON.stringify(result));
} finally {
  await stack.stop();
}
