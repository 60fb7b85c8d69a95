// A short seeded run of tests/chaos/streams.mjs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streams } from './streams.mjs';
import { slowness } from '../lib/pace.mjs';

const short = [
  { seed: 7, faults: 12, except: ['half-open', 'black hole'], what: 'twelve faults' },
  { seed: 5, faults: 12, only: ['Redis kill', 'Redis FLUSHALL', 'Redis connections cut'], what: 'what Redis loses' },
];

for (const { seed, what, ...faults } of short) {
  test(`seed ${seed}: readers have each token once, and in the end what is stored, under ${what}`, { timeout: 900000 }, async () => {
    const slow = Math.min(Math.round(slowness()), 8);
    const lines = [];
    const report = await streams({ seed, readers: 24, gapMs: 800, silenceMs: 4000 * slow, waitMs: 60000 * slow, tags: [''], ...faults, say: (text) => lines.push(text) });
    assert.deepEqual(report.violations, [], lines.join('\n'));
    assert.ok(report.faults > 0 && report.deltas > 100, JSON.stringify(report));
  });
}
