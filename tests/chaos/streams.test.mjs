// A short seeded run of tests/chaos/streams.mjs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streams } from './streams.mjs';
import { slowness } from '../lib/pace.mjs';

test('seed 7: readers under twelve faults have each token once, and in the end what is stored', { timeout: 900000 }, async () => {
  const slow = Math.min(Math.round(slowness()), 8);
  const lines = [];
  const report = await streams({
    seed: 7, faults: 12, readers: 24, gapMs: 800, silenceMs: 4000 * slow, waitMs: 60000 * slow, except: ['half-open', 'black hole'], say: (text) => lines.push(text),
  });
  assert.deepEqual(report.violations, [], lines.join('\n'));
  assert.ok(report.faults > 0 && report.deltas > 100 && report.cuts > 0, JSON.stringify(report));
});
