// Whatever a model says, its run ends and its thread stays usable: some hundreds of generated forms (tests/hostile).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileModels } from '../hostile/models.mjs';
import { withStack } from '../lib/stack.mjs';

test('runs whose model says nonsense end, and their threads work with a strict provider', async () => {
  const report = await hostileModels({ runs: 200, seed: 7 });
  assert.deepEqual(report.violations.slice(0, 10), []);
  assert.ok(Object.keys(report.statuses).length >= 3, JSON.stringify(report.statuses));
});

test('an answer that is full of hard sums lets other runs work in between', async () => {
  const sum = `(10^1990+1)/(10^1991+3)${'+1/7-1/7'.repeat(500)}`;
  const call = `{name: calculator, arguments: {expression: '${sum}'}}`;
  const script = `
rules:
  - steps:
      - calls: [${Array.from({ length: 128 }, () => call).join(', ')}]
      - text: 'Done.'
`;
  await withStack({ script }, async (stack) => {
    const agent = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const ended = await stack.finished(await stack.submit(agent, 'go'));
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.deepEqual(stack.sql('SELECT count(*)::int AS calls, count(DISTINCT result)::int AS results FROM tool_calls WHERE NOT is_error'), [{ calls: 128, results: 1 }]);
    const page = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    const longest = Number(/^penstock_loop_longest_seconds (\S+)$/m.exec(page)[1]);
    const sums = Number(/^penstock_worker_tool_call_seconds_sum\{.*tool="calculator"\} (\S+)$/m.exec(page)[1]);
    assert.ok(longest < sums / 2, `the sums took ${sums} s, and a fiber held the loop for ${longest}`);
  });
});
