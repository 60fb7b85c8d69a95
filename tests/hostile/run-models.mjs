// Runs whose model says nonsense, from a seed:
//
//   tests/hostile/run-models [--runs 10000] [--seed 1] [--first 0] [--at-once 40]
//
// --first N --runs 1 repeats case N. Programs come from $PENSTOCK_BIN (build/dev/bin). The exit code is 0 when all held.
import { parseArgs } from 'node:util';
import { hostileModels } from './models.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' }, first: { type: 'string', default: '0' }, 'at-once': { type: 'string', default: '40' },
  },
});
const report = await hostileModels({ runs: Number(values.runs), seed: Number(values.seed), first: Number(values.first), atOnce: Number(values['at-once']), say: (text) => console.error(text) });
for (const text of report.violations.slice(0, 40)) console.log(`VIOLATION ${text}`);
console.log(`seed ${values.seed}: ${report.violations.length === 0 ? 'all holds' : `FAILED, ${report.violations.length} violations`}, ${values.runs} runs ` +
  `(${Object.entries(report.statuses).map(([status, n]) => `${n} ${status}`).join(', ')}), ${report.served} calls of models, ${report.seconds.toFixed(0)} s`);
process.exit(report.violations.length === 0 ? 0 : 1);
