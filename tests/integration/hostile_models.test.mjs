// Whatever a model says, its run ends and its thread stays usable: some hundreds of generated forms (tests/hostile).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileModels } from '../hostile/models.mjs';

test('runs whose model says nonsense end, and their threads work with a strict provider', async () => {
  const report = await hostileModels({ runs: 200, seed: 7 });
  assert.deepEqual(report.violations.slice(0, 10), []);
  assert.ok(Object.keys(report.statuses).length >= 3, JSON.stringify(report.statuses));
});
