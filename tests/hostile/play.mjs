// Plays what is hostile against a whole Penstock of its own, and says of each whether it was met:
//
//   tests/hostile/play [--only WORDS] [--list]
//
// First it shows that each check fails when what it observes is wrong (checks.mjs). --only plays those whose name has the
// words. Programs come from $PENSTOCK_BIN (build/dev/bin). The exit code is 0 when all passed.
import { parseArgs } from 'node:util';
import { line, play, selfCheck } from './checks.mjs';
import { loadChecks } from './load_checks.mjs';
import { modelChecks } from './model_checks.mjs';
import { Stage } from './stage.mjs';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, list: { type: 'boolean' } } });
const wanted = (checks) => checks.filter((check) => check.name.includes(values.only));
const together = wanted(modelChecks); // they wait more than they compute
const alone = wanted(loadChecks); // they measure
const began = performance.now();
let passed = 0;
let failed = 0;

function tell(result) {
  console.log(line(passed + failed + 1, result));
  if (result.wrong.length === 0) passed++;
  else failed++;
}

if (values.list) {
  for (const check of [...together, ...alone]) console.log(check.name);
  process.exit(0);
}
const idle = selfCheck([...modelChecks, ...loadChecks]);
tell({ check: { name: 'each check fails when what it observes is wrong' }, wrong: idle, facts: { checks: modelChecks.length + loadChecks.length }, seconds: 0 });
const stage = await Stage.open();
for (const result of await Promise.all(together.map((check) => play(check, stage)))) tell(result);
for (const check of alone) tell(await play(check, stage));
const ends = await play({ name: 'every program ends as it should', play: async () => ({ bad: await stage.close(failed > 0) }), expects: { bad: { right: (list) => list.length === 0 } } });
tell(ends);
if (together.length + alone.length === 0) tell({ check: { name: `a check is named like '${values.only}'` }, wrong: ['none is'], facts: {}, seconds: 0 });
console.log(`# pass ${passed}\n# fail ${failed}`);
console.log(`${passed} passed, ${failed} failed, in ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
