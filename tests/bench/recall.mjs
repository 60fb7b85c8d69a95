// What a search of a user's memories costs, by how many there are: its time, and CPU of scheduler and Postgres.
//
//   tests/bench/recall.mjs [--sizes 100,1000,10000] [--searches 50] [--rounds 3] [--at-once 1]
//
// A user of each size: the facts of tests/data/recall_facts.json, and copies of them with a word of their own each. Sizes in turn, --rounds times, so that
// what else the machine does is in all of them. Read the ratios.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sample } from './probe.mjs';
import { Stack } from '../lib/stack.mjs';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100,1000,10000' }, searches: { type: 'string', default: '50' }, rounds: { type: 'string', default: '3' },
    'at-once': { type: 'string', default: '1' },
  },
});
const sizes = options.sizes.split(',').map(Number);
const [searches, rounds, atOnce] = ['searches', 'rounds', 'at-once'].map((name) => Number(options[name]));
const { facts } = JSON.parse(readFileSync(new URL('../data/recall_facts.json', import.meta.url)));
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

const stack = await Stack.start({ script: "rules: [{then: {text: 'It is done.'}}]\n", workers: 0 });

async function fill(size) {
  const user = `user-${size}`;
  for (const { told } of facts.slice(0, size)) await stack.ok('POST', `/v1/users/${user}/memories`, { text: told });
  stack.exec(`INSERT INTO memories (tenant_id, user_id, id, agent_id, kind, text, words, sha256, source, vector, vector_model)
    SELECT tenant_id, user_id, gen_random_uuid(), agent_id, kind, text || ' w' || n, words || ' w' || n, sha256((id::text || n)::bytea), source, vector, vector_model
    FROM memories, generate_series(1, ${Math.ceil(size / facts.length)}) n WHERE user_id = '${user}' LIMIT ${Math.max(0, size - facts.length)}`);
  return user;
}

/** Milliseconds of each search. */
async function search(user, count) {
  const took = [];
  const one = async (i) => {
    const began = performance.now();
    await stack.ok('POST', `/v1/users/${user}/memories/search`, { query: facts[i % facts.length].asked });
    took.push(performance.now() - began);
  };
  const lane = async (k) => {
    for (let i = k; i < count; i += atOnce) await one(i);
  };
  await Promise.all(Array.from({ length: atOnce }, (_, k) => lane(k)));
  return took;
}

try {
  const users = {};
  for (const size of sizes) users[size] = await fill(size);
  stack.exec('VACUUM ANALYZE');
  const result = Object.fromEntries(sizes.map((size) => [size, { ms: [] }]));
  for (const size of sizes) await search(users[size], 5);
  for (let round = 0; round < rounds; round++)
    for (const size of sizes) {
      const before = sample(stack);
      result[size].ms.push(...(await search(users[size], searches)));
      const after = sample(stack);
      for (const who of ['scheduler', 'postgres']) (result[size][who] ??= []).push((after[who] - before[who]) / searches);
    }
  for (const size of sizes) {
    const { ms, scheduler, postgres } = result[size];
    console.log(`${size} memories: ${median(ms).toFixed(1)} ms, CPU of the scheduler ${median(scheduler).toFixed(2)} ms, of Postgres ${median(postgres).toFixed(2)} ms`);
  }
} finally {
  await stack.stop();
}
