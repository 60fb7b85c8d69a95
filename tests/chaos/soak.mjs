// All faults for a long time, with the default settings, then a report:
//
//   tests/chaos/soak --minutes 30 [--seed N] [--rate 25] [--gap MS | --alone] [--round SECONDS] [--report soak.json]
//
// --alone: one fault at a time, every kind in turn, the next when the system has recovered from the one before: what each
// costs by itself. Without it they overlap.
//
// One seed after the other, each for --round seconds (300) on a fresh Penstock and then checked, until the time is over.
// Prints the tables of docs/reliability.md. The exit code is 0 when every invariant held in every round.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chaos, defaults } from './chaos.mjs';
import { markdown, merge } from './report.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' }, rate: { type: 'string', default: '25' }, gap: { type: 'string', default: '5000' }, alone: { type: 'boolean', default: false },
    round: { type: 'string', default: '300' }, report: { type: 'string', default: 'soak.json' }, help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('tests/chaos/soak --minutes 30 [--seed N] [--rate 25] [--gap MS | --alone] [--round SECONDS] [--report soak.json]');
  process.exit(0);
}

let world;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (world?.killAll(), process.exit(130)));
const start = Date.now();
const say = (text) => console.error(`${((Date.now() - start) / 1000).toFixed(0).padStart(6)} ${text}`);
const reports = [];
let seed = Number(values.seed);
for (let left = Number(values.minutes) * 60; left >= 10; seed++) {
  const seconds = Math.min(Number(values.round), left);
  left -= seconds;
  const report = await chaos({
    ...defaults, seed, seconds, rate: Number(values.rate), gapMs: Number(values.gap), alone: values.alone, settleMs: 300000, say, opened: (opened) => (world = opened),
  });
  reports.push(report);
  writeFileSync(values.report, JSON.stringify(reports, null, 1));
  for (const text of report.unrecovered) console.log(`not recovered in time, seed ${seed}: ${text}`);
  for (const [name, list] of Object.entries(report.violations)) for (const text of list.slice(0, 5)) console.log(`VIOLATION seed ${seed}, ${name}: ${text}`);
  say(`seed ${seed}: ${report.ok ? 'every invariant holds' : 'FAILED'}, ${report.runs} runs, ${report.faults.length} faults`);
}
const sum = merge(reports);
console.log(markdown(sum));
const failed = reports.filter((report) => !report.ok).map((report) => report.seed);
console.log(failed.length === 0 ? `every invariant held, seeds ${sum.seeds[0]} to ${sum.seeds.at(-1)}` : `FAILED with seeds ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
