// From what happened to numbers: how long until work went on, and what was done twice.

import { isClaim } from './invariants.mjs';

export const uuidOf = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const TERMINAL = new Set(['completed', 'failed', 'incomplete', 'cancelled', 'expired']);

export function percentile(values, p) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)];
}

/** The runs that `app` had in hand at that time, as the audit shows. */
function inHand(audit, app, at) {
  const found = [];
  for (const [run, changes] of audit) {
    let holder = null;
    for (const c of changes) {
      if (c.at > at) break;
      if (isClaim(c)) holder = c.app;
      if (c.status !== 'in_progress' && c.status !== 'cancelling') holder = null;
    }
    if (holder === app) found.push([run, changes]);
  }
  return found;
}

const UNDER_WAY_MS = 300; // what the worker had sent when it was struck is in the database by then

/** Until the last of a worker's runs went on (ahead says what counts as that), or ended. Null: it had none. */
function untilLast(facts, fault, ahead) {
  let last = null;
  for (const [, changes] of inHand(facts.audit, fault.who, fault.t0 + UNDER_WAY_MS)) {
    const next = changes.find((c) => c.at > fault.t0 + UNDER_WAY_MS && (isClaim(c) || TERMINAL.has(c.status) || ahead?.(c)));
    if (next) last = Math.max(last ?? 0, next.at - fault.t0);
  }
  return last;
}

const untilTakenOver = (facts, fault) => untilLast(facts, fault);
const untilProgress = (facts, fault) => untilLast(facts, fault, (c) => c.step > c.oldStep);

/** From a worker's going on to the first step that it makes: how long the model takes for the others is their affair. */
function untilFirst(facts, fault) {
  let first = null;
  for (const [, changes] of inHand(facts.audit, fault.who, fault.t0)) {
    const next = changes.find((c) => c.at > fault.t1 && (c.app === fault.who ? c.step > c.oldStep : isClaim(c)));
    if (next && (first === null || next.at < first)) first = next.at;
  }
  return first === null ? null : first - fault.t1;
}

/** A drain: from a run's hand-back, or the time until which the model wants it to wait, to its next claim; the longest. */
function handedOver(facts, fault) {
  let longest = null;
  for (const [, changes] of inHand(facts.audit, fault.who, fault.t0)) {
    const back = changes.findIndex((c) => c.at > fault.t0 && c.app === fault.who && c.status === 'queued');
    const next = back < 0 ? null : changes.slice(back + 1).find(isClaim);
    if (next) longest = Math.max(longest ?? 0, next.at - Math.max(changes[back].at, changes[back].due));
  }
  return longest;
}

function firstStepAfter(facts, at) {
  let first = null;
  for (const changes of facts.audit.values())
    for (const c of changes) if (c.at > at && c.step > c.oldStep && (first === null || c.at < first)) first = c.at;
  return first === null ? null : first - at;
}

const probeClaim = (facts, fault) => fault.probe && facts.audit.get(uuidOf(fault.probe))?.find(isClaim);

/** From the fault on, with all that the client did until its submission was accepted. */
function probeStart(facts, fault) {
  const claim = probeClaim(facts, fault);
  return claim ? claim.at - fault.t0 : null;
}

/** From the moment it was stored: how long a client waits for an answer before it tries again is its own affair. */
function probeWait(facts, fault) {
  const claim = probeClaim(facts, fault);
  return claim ? claim.at - facts.runs.get(uuidOf(fault.probe)).created : null;
}

/** Of a fault that came alone: the longest wait, from stored to started, of the runs submitted while it was felt. */
function longestWait(facts, fault) {
  let longest = 0;
  for (const run of facts.runs.values()) {
    if (run.kind === 'memory' || run.created < fault.t0 - 1000 || run.created > fault.recovered) continue;
    const changes = facts.audit.get(run.id) ?? [];
    const start = changes.findIndex(isClaim);
    // Held behind another of its thread, or cancelled before: its wait is not the fault's.
    if (start < 0 || changes.slice(0, start).some((c) => c.status === 'queued' && c.oldStatus === 'queued')) continue;
    longest = Math.max(longest, changes[start].at - run.created);
  }
  return longest;
}

const measures = {
  'worker kill -9': ['kill to the last of its runs claimed again', untilTakenOver],
  'worker stopped': ['stop to the last of its runs claimed again or, the worker back, a step ahead', untilProgress],
  'worker stopped shortly': ['going on to the first step of its runs', untilFirst],
  'worker drained': ['hand-back to claim, the longest of its runs', handedOver],
  'Postgres restart, fast': ['server up to the first step stored', (facts, fault) => firstStepAfter(facts, fault.t1)],
  'Postgres restart, immediate': ['server up to the first step stored', (facts, fault) => firstStepAfter(facts, fault.t1)],
};

export function recoveries(facts, faults) {
  const kinds = {};
  for (const fault of faults.done) {
    const [what, measure] = measures[fault.kind] ?? ['a run submitted at the fault: from stored to started', probeWait];
    const kind = (kinds[fault.kind] ??= { what, count: 0, ms: [], probeMs: [], waitMs: [] });
    kind.count++;
    if (fault.recovered) kind.waitMs.push(Math.round(longestWait(facts, fault)));
    const ms = measure(facts, fault);
    if (ms !== null) kind.ms.push(Math.round(ms));
    const probe = probeStart(facts, fault);
    if (probe !== null) kind.probeMs.push(Math.round(probe));
  }
  return kinds;
}

/** Adds up the reports of several seeds. */
export function merge(reports) {
  const sum = { seeds: reports.map((r) => r.seed), seconds: 0, runs: 0, counts: {}, recoveries: {}, violations: {}, waits: { flooder: [], quiet: [] }, noticed: {}, statuses: {} };
  for (const report of reports) {
    sum.seconds += report.seconds;
    sum.runs += report.runs;
    for (const [name, n] of Object.entries(report.counts)) sum.counts[name] = (sum.counts[name] ?? 0) + n;
    for (const [name, n] of Object.entries(report.statuses)) sum.statuses[name] = (sum.statuses[name] ?? 0) + n;
    for (const [name, list] of Object.entries(report.violations)) sum.violations[name] = [...(sum.violations[name] ?? []), ...list];
    for (const tenant of Object.keys(sum.waits)) sum.waits[tenant].push(...report.waits[tenant]);
    for (const [kind, r] of Object.entries(report.recoveries)) {
      const into = (sum.recoveries[kind] ??= { what: r.what, count: 0, ms: [], probeMs: [], waitMs: [] });
      into.count += r.count;
      into.waitMs.push(...r.waitMs);
      into.ms.push(...r.ms);
      into.probeMs.push(...r.probeMs);
    }
  }
  return sum;
}

const seconds = (ms) => (ms === null ? '–' : (ms / 1000).toFixed(2));

/** p50, p99 and the longest */
const spread = (values) => [0.5, 0.99, 1].map((p) => seconds(percentile(values, p)));

export function markdown(sum) {
  const { counts } = sum;
  const perMillion = (n, of) => (of ? Math.round((n / of) * 1e6) : 0);
  const kinds = Object.entries(sum.recoveries).sort(([a], [b]) => a.localeCompare(b));
  const alone = kinds.some(([, r]) => r.waitMs.length > 0);
  const lines = [
    `| Fault | Times | Measured | p50 s | p99 s | longest s | A run submitted at that moment starts: p50 s | p99 s | longest s |${alone ? ' The longest wait of any run meanwhile: p50 s | p99 s | longest s |' : ''}`,
    `|---|---|---|---|---|---|---|---|---|${alone ? '---|---|---|' : ''}`,
    ...kinds.map(([kind, r]) => `| ${[kind, r.count, r.what, ...spread(r.ms), ...spread(r.probeMs), ...(alone ? spread(r.waitMs) : [])].join(' | ')} |`),
    '',
    '| | |',
    '|---|---|',
    `| Runs | ${sum.runs} in ${Math.round(sum.seconds)} s: ${Object.entries(sum.statuses).map(([s, n]) => `${n} ${s}`).join(', ')} |`,
    `| Faults | ${Object.values(sum.recoveries).reduce((n, r) => n + r.count, 0)} |`,
    `| Messages stored twice | ${sum.violations['I2 messages whole and once'].length} |`,
    `| Answers of a fallback | ${counts.fellBack} |`,
    `| Model calls; whole answers; of them used | ${counts.modelCalls}; ${counts.answers}; ${counts.answersUsed} |`,
    `| Answers given more than once for a step | ${counts.answersRepeated}: ${perMillion(counts.answersRepeated, counts.answers)} per million |`,
    `| Tool calls executed again | ${counts.toolRepeats} of ${counts.toolCalls}: ${perMillion(counts.toolRepeats, counts.toolCalls)} per million, all with the same key |`,
    `| Calls that may not be repeated, cut off by a crash: the model was told that their outcome is unknown | ${counts.toolUnknown} |`,
    `| Plans of five steps, all done | ${counts.plans} |`,
    `| Runs of memory; sentences said of which something is to be learned; known | ${counts.memoryRuns}; ${counts.said}; ${counts.known} |`,
    `| Submissions without a key that became two runs, their first try having arrived after the second | ${counts.sdkTwins} |`,
    `| Runs given up after three workers failed | ${counts.poison} |`,
    `| Runs failed by the retry policy, for the model's faults | ${counts.policy} |`,
    `| Wait from submission to start, p50 / p99 / longest s | quiet tenant ${['quiet', 'flooder'].map((t) => spread(sum.waits[t]).join(' / ')).join('; flooding tenant ')} |`,
    `| Violations | ${Object.entries(sum.violations).map(([name, list]) => `${name}: ${list.length}`).join('; ')} |`,
  ];
  return lines.join('\n');
}
