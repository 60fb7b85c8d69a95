// One seed under all faults:
//
//   tests/chaos/run --seed N [--seconds 20] [--rate 25] [--gap MS | --alone] [--only PART-OF-A-FAULT'S-NAME]
//                   [--except PART] [--lease default|short] [--report FILE] [--keep]
//
// --alone: one fault at a time, every kind in turn, the next when the system has recovered from the one before.
//
// Programs come from $PENSTOCK_BIN (build/dev/bin). The exit code is 0 when every invariant holds. --keep leaves all up
// after a violation until Enter, and says where Postgres and the logs are.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chaos, defaults, shortLeases } from './chaos.mjs';
import { markdown, merge } from './report.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1000000) }, seconds: { type: 'string', default: '20' }, rate: { type: 'string', default: '25' },
    gap: { type: 'string', default: '2500' }, alone: { type: 'boolean', default: false }, only: { type: 'string', multiple: true }, except: { type: 'string', multiple: true }, lease: { type: 'string', default: 'short' }, report: { type: 'string' },
    keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('tests/chaos/run --seed N [--seconds 20] [--rate 25] [--gap MS | --alone] [--only NAME] [--except NAME] [--lease short|default] [--report FILE] [--keep]');
  process.exit(0);
}

let world;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (world?.killAll(), process.exit(130)));
const start = Date.now();
const say = (text) => console.error(`${((Date.now() - start) / 1000).toFixed(1).padStart(6)} ${text}`);

async function keep(world, load, report) {
  if (!values.keep || Object.values(report.violations).every((list) => list.length === 0)) return;
  console.error(`psql '${world.stack.databaseUrl}'; logs in ${world.stack.dir}; Enter ends it`);
  await new Promise((done) => process.stdin.once('data', done));
}

const report = await chaos({
  ...(values.lease === 'default' ? defaults : shortLeases),
  seed: Number(values.seed), seconds: Number(values.seconds), rate: Number(values.rate), gapMs: Number(values.gap), alone: values.alone, only: values.only, except: values.except,
  say, keep, opened: (opened) => (world = opened),
});
if (values.report) writeFileSync(values.report, JSON.stringify(report, null, 1));
console.log(markdown(merge([report])));
for (const text of report.unrecovered) console.log(`not recovered in time: ${text}`);
for (const [name, list] of Object.entries(report.violations)) {
  for (const text of list.slice(0, 10)) console.log(`VIOLATION ${name}: ${text}`);
  if (list.length > 10) console.log(`VIOLATION ${name}: and ${list.length - 10} more`);
}
console.log(`seed ${report.seed}: ${report.ok ? 'every invariant holds' : 'FAILED'}, ${report.runs} runs, ${report.faults.length} faults, ${report.took} s`);
process.exit(report.ok ? 0 : 1);
