// One run of the harness: a world, its load and its faults, all from one seed; then peace, and the checks.

import { Faults, planAlone, planFaults } from './faults.mjs';
import { check, gather } from './invariants.mjs';
import { Load, planLoad, probeFeatures } from './load.mjs';
import { recoveries } from './report.mjs';
import { Unattended } from './unattended.mjs';
import { World } from './world.mjs';
import { sleep } from '../lib/stack.mjs';

// What a call holds of a budget is given up after five minutes, where Redis was not told that it is over: until then others wait for it.
const SETTLE_MS = 360000;
const TERMINAL = `'completed', 'failed', 'incomplete', 'cancelled', 'expired'`;

/** Where a run is to be short, and as Penstock is by default. silenceMs: how long a model may be silent before it is given up. */
export const shortLeases = { leaseMs: 3000, slowMs: [500, 2500], silenceMs: 4000, config: 'worker: {lease_ms: 3000, heartbeat_ms: 500, drain_ms: 4000}\n' };
export const defaults = { leaseMs: 10000, slowMs: [1000, 8000], silenceMs: 15000, config: '' };

/** Waits until nothing is left to do. Returns what still was when the time was over. */
async function settle(world, load, ms, say) {
  const deadline = Date.now() + ms;
  for (;;) {
    await load.unattended.hurry();
    const [[left]] = await world.rows(`SELECT (SELECT count(*) FROM runs WHERE status NOT IN (${TERMINAL})) + (SELECT count(*) FROM batches WHERE ended_at IS NULL) + ${Unattended.left}`)
      .catch(() => [[-1]]);
    if (left === '0' && load.open === 0) return 0;
    if (Date.now() > deadline) return Number(left) + load.open;
    say(`waiting for ${left} runs, batches, firings and webhooks and ${load.open} clients`);
    await sleep(1000);
  }
}

/**
 * options: seed, seconds, rate (runs/s), bursts (of the flooder), callMs (of a client's call), gapMs (between faults), alone (no fault before the system has recovered from the
 * one before, nor bursts of the flooder: gapMs counts for nothing), only and except (parts of faults' names), all of
 * shortLeases or defaults, settleMs, fairMs, say(text), keep(world): called before the end, with all still up.
 * Returns the report; report.violations has what does not hold.
 */
export async function chaos(options) {
  const { seed, seconds } = options;
  const say = options.say ?? (() => {});
  const started = Date.now();
  const world = await World.open({ fairMs: 60000, ...options });
  options.opened?.(world);
  let facts;
  let loadOf;
  try {
    const features = await probeFeatures(world);
    say(`features: ${JSON.stringify(features)}`);
    const load = (loadOf = new Load(world, features));
    await load.prepare();
    const unattended = (load.unattended = new Unattended(world, load));
    await unattended.prepare();
    await load.startBatch();
    const faults = new Faults(world, load);
    load.redisStruck = () => faults.done.some((fault) => /Redis/.test(fault.kind));
    const loadPlan = planLoad(seed, seconds, options.rate ?? 25, features, options.bursts ?? !options.alone);
    const faultPlan = options.alone ? null : planFaults(seed, seconds, options.gapMs ?? 2500, options.leaseMs, options.only, options.except);
    say(`seed ${seed}: ${loadPlan.length} submissions, ${faultPlan ? `${faultPlan.length} faults` : 'one fault at a time'} in ${seconds} s`);
    const ticker = setInterval(() => say(`${load.accepted.size} accepted, ${load.open} clients, ${faults.done.length} faults, ${load.lost} answers lost, ${world.surprises.length} surprises`), 10000);
    const played = faultPlan ? faults.play(faultPlan) : faults.playAlone(planAlone(seed, options.leaseMs, options.only, options.except), seconds);
    await Promise.all([load.play(loadPlan), played, unattended.play(seconds)]);
    clearInterval(ticker);
    say('peace');
    const late = await world.heal();
    const left = await settle(world, load, options.settleMs ?? SETTLE_MS, say);
    load.stop();
    await sleep(500); // the ledger's last lines
    facts = await gather(world, load);
    const violations = await check(facts);
    if (left > 0) violations['I1 every run ends'].push(`${left} runs or clients were not done in time`);
    violations['no surprises'].push(...late, ...faults.errors.map((error) => `harness: ${error}`));
    const report = {
      seed, seconds, took: Math.round((Date.now() - started) / 1000), features, runs: facts.runs.size, counts: facts.counts,
      statuses: countBy([...facts.runs.values()], (run) => run.status),
      answers: load.statuses, answersLost: load.lost, givenUp: load.givenUp.length, skipped: faults.skipped, unrecovered: faults.unrecovered,
      faults: faults.done.map(({ kind, who, t0, t1, forMs, healing, number }) => ({ number, kind, who, forMs, at: t0 - started, healed: (healing ?? t1) - started })),
      recoveries: recoveries(facts, faults), waits: facts.waits, spent: facts.spent, violations,
      halfOpen: Object.fromEntries(['postgres', 'redis', 'llm', 'front'].map((link) => [link, {
        noticedMs: world.links(link).flatMap((proxy) => proxy.noticed.map((n) => n.afterMs)), notNoticed: world.links(link).reduce((n, proxy) => n + proxy.frozen, 0) }])),
      surprises: world.surprises,
    };
    await options.keep?.(world, load, report, facts);
    load.close();
    await unattended.close();
    const bad = await world.close();
    violations['no surprises'].push(...bad);
    report.ok = Object.values(violations).every((list) => list.length === 0);
    return report;
  } catch (error) {
    await loadOf?.unattended?.close();
    world.killAll();
    await world.close();
    throw error;
  }
}

function countBy(list, name) {
  const counts = {};
  for (const item of list) counts[name(item)] = (counts[name(item)] ?? 0) + 1;
  return counts;
}
