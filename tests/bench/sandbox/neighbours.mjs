// What runs without programs feel of hostile ones in the same worker: the 99th percentile of their times, by turns without and with endless
// programs in all places. Usage: PENSTOCK_BIN=… node tests/bench/sandbox/neighbours.mjs [ROUNDS] [RUNS]

import { until, withStack } from '../../lib/stack.mjs';

const [rounds = 3, runs = 150] = process.argv.slice(2).map(Number);
const script = `rules:
  - when: {user: harm}
    steps:
      - calls: [{name: code_interpreter, arguments: {code: "import os\\nfor i in range(4): os.fork()\\nwhile True: pass"}}]
      - text: done
  - steps:
      - text: hello
`;
const config = 'code_interpreter: {slots: 4, wall_ms: 20000}\n';

const percentile = (times, share) => times.sort((a, b) => a - b)[Math.floor(times.length * share)];

await withStack({ script, config, env: { PENSTOCK_CODE_INTERPRETER: 'on' } }, async (stack) => {
  await until('it can', async () => stack.sql("SELECT 1 FROM workers WHERE code_interpreter = ''").length > 0);
  const plain = await stack.assistant({ tools: [] });
  const coder = await stack.assistant({ tools: [{ type: 'code_interpreter' }] });
  const busy = async () => Number(/^penstock_worker_programs_running (\d+)$/m.exec(await (await fetch(`${stack.workers[0].url}/metrics`)).text())[1]);
  const measure = async () => {
    const times = [];
    for (let i = 0; i < runs; i++) {
      const since = performance.now();
      const run = await stack.submit(plain, 'hello');
      await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}?wait=30`);
      times.push(performance.now() - since);
    }
    return times;
  };
  const without = [];
  const beside = [];
  await measure();
  for (let round = 0; round < rounds; round++) {
    without.push(...(await measure()));
    const harm = [];
    for (let i = 0; i < 4; i++) harm.push(await stack.submit(coder, 'harm'));
    await until('all places are taken', async () => (await busy()) === 4);
    beside.push(...(await measure()));
    const still = await busy();
    for (const run of harm) await stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    await until('they are gone', async () => (await busy()) === 0);
    console.log(`round ${round + 1}: ${still} programs ran to the end of the measurement`);
  }
  for (const share of [0.5, 0.99]) {
    const [a, b] = [percentile(without, share), percentile(beside, share)];
    console.log(`p${share * 100}: ${a.toFixed(1)} ms without, ${b.toFixed(1)} ms beside hostile programs: ${(b / a).toFixed(2)} times`);
  }
});
