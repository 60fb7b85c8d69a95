// What must hold, whatever happened. Each check returns a list of what does not, as text; an empty list is the proof.
// docs/reliability.md says what each invariant means.

import { crooked } from '../lib/counters.mjs';
import { readAudit } from './audit.mjs';
import { BATCH_LINES } from './load.mjs';
import { learnedOnce, memoryRunsEnd, pairsWhole, plansDone } from './minds.mjs';
import { ticketsOnce } from './tickets.mjs';
import { budgetsHold, timesOnce, toldOnce } from './unattended.mjs';
import { answers } from '../lib/batches.mjs';

const hex = (uuid) => uuid.replaceAll('-', '');
const TERMINAL = new Set(['completed', 'failed', 'incomplete', 'cancelled', 'expired']);
const HELD = new Set(['in_progress', 'cancelling']);
export const isClaim = (change) => change.fence > change.oldFence && change.status === 'in_progress';
const isStep = (change) => change.step > change.oldStep;

/** How often a worker let go of a run without knowing whether its lease held: Postgres does not know of it, its log does. */
function droppedForNow(world) {
  const counts = new Map();
  for (const program of world.stack.programs) {
    for (const [, run] of program.log().matchAll(/msg="run dropped for now[^"]*" run=(run_[0-9a-f]{32})/g)) counts.set(run, (counts.get(run) ?? 0) + 1);
  }
  return counts;
}

/** Everything that the checks look at, read once. */
export async function gather(world, load) {
  const db = (query) => world.rows(query);
  await db('CREATE INDEX IF NOT EXISTS chaos_audit_run ON chaos_audit (run)');
  await db('ANALYZE');
  const runs = new Map();
  const list = await db(
    `SELECT id, tenant_id, thread_id, status, crashes, errors, step, prompt_tokens, completion_tokens,
       metadata ->> 'chaos', coalesce(translate(last_error ->> 'message', E'\\t\\n', '  '), ''), extract(epoch FROM created_at) * 1000, coalesce(user_id, ''), coalesce(incomplete_reason, ''), kind FROM chaos_runs`,
  );
  for (const [id, tenant, thread, status, crashes, errors, step, prompt, completion, key, error, created, user, reason, kind] of list) {
    runs.set(id, {
      id, tenant, thread, status, crashes: Number(crashes), errors: Number(errors), step: Number(step), prompt: Number(prompt),
      completion: Number(completion), key, error, created: Number(created), user, reason, kind,
    });
  }
  const promises = new Map([...load.accepted.values()].map((run) => [run.id.replace('run_', ''), run]));
  const transitions = new Set((await db('SELECT from_status, to_status FROM run_transitions')).map((row) => row.join('>')));
  return { dropped: droppedForNow(world), world, load, db, runs, promises, transitions, audit: await readAudit(world.stack.databaseUrl), ledger: [...world.stack.ledger(), ...world.mind.ledger] };
}

/** I1: what was accepted ended, once, and for a reason that is in the plan. */
function everyRunEnds(facts) {
  const bad = [];
  const counts = { poison: 0, policy: 0, sdkTwins: 0 };
  const keys = new Map();
  for (const run of facts.runs.values()) {
    if (run.key.startsWith('feature-') || run.kind === 'memory') continue;
    // A first try that arrives after its second can't be told from another submission: only a key can.
    if (run.key !== 'scheduled' && keys.has(run.key) && facts.load.sdkKeys.has(run.key)) counts.sdkTwins++;
    else if (run.key !== 'scheduled' && keys.has(run.key)) bad.push(`submission ${run.key} became two runs, ${keys.get(run.key)} and ${run.id}`);
    keys.set(run.key, run.id);
    const promise = facts.promises.get(hex(run.id));
    const cancelWanted = !promise || promise.cancelAsked || promise.displaced;
    if (!TERMINAL.has(run.status)) bad.push(`${run.id} (${run.key}) is still ${run.status}`);
    else if (run.status === 'cancelled' && !cancelWanted) bad.push(`${run.id} was cancelled, and nobody asked for it`);
    else if (run.status === 'incomplete' && run.user.startsWith('spender-') && run.reason === 'user_budget') continue;
    else if (run.status === 'expired' || run.status === 'incomplete') bad.push(`${run.id} is ${run.status} ${run.reason}`);
    else if (run.status === 'failed') {
      if (run.crashes >= 3 && /given up/.test(run.error)) counts.poison++;
      else if (promise?.tag && !['limited', 'deferred', 'throttled'].includes(promise.tag.slice(2))) counts.policy++;
      else bad.push(`${run.id} (${promise?.kind}${promise?.tag ?? ''}) failed: ${run.error}`);
    }
  }
  for (const [id, promise] of facts.promises) {
    const uuid = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    if (!facts.runs.has(uuid)) bad.push(`${promise.id} (${promise.key}) was accepted and is not there`);
  }
  facts.counts = { ...facts.counts, ...counts };
  return bad;
}

const rowsOf = (query, say) => async (facts) => (await facts.db(query)).map(say);

/** I2: what a run wrote is whole: nothing is missing, nothing is there twice. */
const wholeSteps = [
  rowsOf(
    `SELECT run_id, min(seq), max(seq), count(*) FROM messages WHERE run_id IS NOT NULL AND seq IS NOT NULL GROUP BY run_id
     HAVING min(seq) <> 1 OR max(seq) <> count(*) OR count(DISTINCT seq) <> count(*)`,
    ([run, min, max, count]) => `messages of ${run}: ${count}, from ${min} to ${max}`,
  ),
  rowsOf(
    `SELECT run_id, max(seq), count(*) FROM run_steps GROUP BY run_id HAVING max(seq) <> count(*)`,
    ([run, max, count]) => `steps of ${run}: ${count}, up to ${max}`,
  ),
  rowsOf(
    `SELECT r.id FROM runs r LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE role = 'assistant' AND tool_calls IS NULL) AS answers,
       max(seq) AS last FROM messages m WHERE m.run_id = r.id) c ON true
     LEFT JOIN messages f ON f.id = r.result_message
     WHERE r.status = 'completed' AND r.kind <> 'memory' AND (c.answers < 1 OR (c.answers > 1 AND NOT EXISTS (
         SELECT 1 FROM messages u WHERE u.thread_id = r.thread_id AND u.role = 'user' AND u.submitted_with IS NULL)) OR f.id IS NULL OR f.run_id <> r.id OR f.seq <> c.last OR f.role <> 'assistant')`,
    ([run]) => `${run} is completed and has not exactly one answer, as its last message`,
  ),
  rowsOf(
    `WITH calls AS (SELECT m.run_id, c ->> 'id' AS call FROM messages m, jsonb_array_elements(m.tool_calls) c WHERE m.tool_calls IS NOT NULL),
       results AS (SELECT run_id, tool_call_id AS call, count(*) AS n FROM messages WHERE role = 'tool' GROUP BY 1, 2)
     SELECT coalesce(c.run_id, s.run_id), coalesce(c.call, s.call), coalesce(s.n, 0), r.status FROM calls c
       FULL JOIN results s ON s.run_id = c.run_id AND s.call = c.call JOIN runs r ON r.id = coalesce(c.run_id, s.run_id)
     WHERE c.call IS NULL OR s.n > 1 OR (s.n IS NULL AND r.status = 'completed')`,
    ([run, call, n, status]) => `call ${call} of ${run} (${status}) has ${n} results`,
  ),
  rowsOf(
    `SELECT c.run_id, c.call_no, c.state FROM tool_calls c JOIN runs r ON r.id = c.run_id WHERE r.status = 'completed' AND c.state NOT IN ('done', 'unknown')`,
    ([run, no, state]) => `${run} is completed and its call ${no} is ${state}`,
  ),
  rowsOf(
    `SELECT c.run_id, c.call_no, r.status FROM tool_calls c JOIN runs r ON r.id = c.run_id
     WHERE c.state = 'open' AND r.status IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired')`,
    ([run, no, status]) => `${run} is ${status} and its call ${no} is open`,
  ),
  rowsOf(
    `SELECT run_id, call_no, result, due_at FROM tool_calls
     WHERE kind = 'time' AND state = 'done' AND substring(result FROM 'It is now (.*)[.]$')::timestamptz < date_trunc('second', due_at)`,
    ([run, no, result, due]) => `call ${no} of ${run} was due at ${due} and given ${result}`,
  ),
  rowsOf(
    `SELECT s.run_id, s.seq, s.status, r.status FROM run_steps s JOIN runs r ON r.id = s.run_id
     WHERE s.status = 'in_progress' AND r.status IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired')`,
    ([run, seq, step, status]) => `step ${seq} of ${run} is ${step} though the run is ${status}`,
  ),
  rowsOf(
    `SELECT t.id, t.active_run, r.status FROM threads t LEFT JOIN runs r ON r.id = t.active_run
     WHERE t.active_run IS NOT NULL AND (r.id IS NULL OR r.status IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired'))`,
    ([thread, run, status]) => `thread ${thread} is held by ${run}, which is ${status || 'not there'}`,
  ),
];

/** A submission's message is in its thread once. Threads where runs were displaced or cancelled lack some rightly, and those that grow began with others. */
async function inputsOnce(facts) {
  const odd = new Set([...facts.promises.values()].filter((p) => p.displaced || p.cancelAsked || p.kind === 'grow').map((p) => p.thread.replace('thread_', '')));
  const list = await facts.db(
    `SELECT r.thread_id, count(*), (SELECT count(*) FROM messages m WHERE m.thread_id = r.thread_id AND m.role = 'user' AND m.submitted_with IS NOT NULL) FROM runs r
     WHERE r.metadata ->> 'chaos' LIKE 'c%' GROUP BY 1`,
  );
  return list.filter(([thread, runs, messages]) => runs !== messages && !odd.has(hex(thread)))
    .map(([thread, runs, messages]) => `thread ${thread}: ${runs} submissions left ${messages} messages`);
}

/** I3: one writer per (run, fence), each step one up, from one state to an allowed one, by the program that holds the claim. */
function oneWriter(facts) {
  const bad = [];
  for (const [run, changes] of facts.audit) {
    const owners = new Map();
    let claimer = null;
    let before = { fence: 0, owner: '', step: 0, status: 'queued' };
    for (const c of changes) {
      const say = (what) => bad.push(`${run}, fence ${c.oldFence}>${c.fence}, step ${c.oldStep}>${c.step}, ${c.oldStatus}>${c.status}, by ${c.app}: ${what}`);
      if (c.oldFence !== before.fence || c.oldOwner !== before.owner || c.oldStep !== before.step || c.oldStatus !== before.status) say('does not follow from the change before');
      before = c;
      if (c.fence < c.oldFence || c.fence > c.oldFence + 1) say('the fence goes up by one or stays');
      if (c.step < c.oldStep || c.step > c.oldStep + 1) say('a step goes up by one or stays');
      if (c.status !== c.oldStatus && !facts.transitions.has(`${c.oldStatus}>${c.status}`)) say('no allowed move');
      if (TERMINAL.has(c.oldStatus) && (isStep(c) || c.fence > c.oldFence)) say('an ended run was written');
      if (isClaim(c)) claimer = c.app;
      if (c.owner) {
        const known = owners.get(c.fence);
        if (known && known !== c.owner) say(`fence has two owners, ${known} and ${c.owner}`);
        owners.set(c.fence, c.owner);
      }
      if (isStep(c) && HELD.has(c.oldStatus)) {
        if (c.fence !== c.oldFence) say('a step was written together with a new fence');
        if (c.app !== claimer) say(`a step was written while the claim was ${claimer}'s`);
      }
    }
  }
  return bad;
}

/** I3, the other half: a run's messages came in a transaction in which its step was counted up, or the outputs it waited for were taken. */
const writesAreFenced = rowsOf(
  `SELECT m.run_id, m.seq FROM messages m WHERE m.run_id IS NOT NULL AND m.seq IS NOT NULL AND NOT EXISTS
     (SELECT 1 FROM chaos_audit a WHERE a.run = m.run_id AND (a.tx & 4294967295) = m.xmin::text::bigint AND (a.step = a.old_step + 1 OR a.old_status = 'requires_action'))`,
  ([run, seq]) => `message ${seq} of ${run} was stored without a step`,
);

/**
 * I4: a call with a result was executed. One that may be repeated was executed at most once for each attempt at
 * its run: a claim (the first, one after each crash, drain or lost lease), or a new start under the same claim, after the
 * worker could not tell for a while whether it still held the lease. One that may not be repeated, once.
 */
async function toolsOnce(facts) {
  const bad = [];
  const calls = new Map();
  const list = await facts.db(`SELECT run_id, class, idempotency_key, state, is_error, name FROM tool_calls WHERE name IN ('http_request', 'ticket_create', 'order_lookup')`);
  // A look-up of a declared tool is made up to three times in an attempt, where connections break.
  for (const [run, kind, key, state, isError, name] of list) calls.set(key, { run, once: kind === 'once', state, isError: isError === 't', tries: name === 'order_lookup' ? 3 : 1 });
  facts.counts = { ...facts.counts, toolCalls: calls.size, toolRepeats: 0, toolUnknown: 0 };
  for (const [key, call] of calls) {
    const executions = facts.world.tools.ledger.get(key)?.length ?? 0;
    const attempts = (facts.audit.get(call.run) ?? []).filter(isClaim).length + (facts.dropped.get(`run_${hex(call.run)}`) ?? 0);
    facts.counts.toolUnknown += call.state === 'unknown' ? 1 : 0;
    facts.counts.toolRepeats += Math.max(0, executions - 1);
    if (call.state === 'done' && !call.isError && executions < 1) bad.push(`call ${key} has a result and was never executed`);
    if (call.once && executions > 1) bad.push(`call ${key} may not be repeated and was executed ${executions} times`);
    if (executions > attempts * call.tries) bad.push(`call ${key} was executed ${executions} times in ${attempts} attempts`);
  }
  for (const key of facts.world.tools.ledger.keys()) if (!calls.has(key)) bad.push(`a tool was called with the key ${key}, of which there is no intent`);
  if (facts.world.tools.withoutKey) bad.push(`${facts.world.tools.withoutKey} tool calls came without a key`);
  return bad;
}

/** I5: in a thread, a run's messages come after those of the run before. */
const threadsInOrder = rowsOf(
  `SELECT a.thread_id, a.id, b.id FROM
     (SELECT r.id, r.thread_id, row_number() OVER w AS place, (SELECT max(position) FROM messages m WHERE m.run_id = r.id) AS last FROM runs r
      WHERE EXISTS (SELECT 1 FROM messages m WHERE m.run_id = r.id) WINDOW w AS (PARTITION BY thread_id ORDER BY coalesce(held, 0), created_at, id)) a
   JOIN (SELECT r.id, r.thread_id, row_number() OVER w AS place, (SELECT min(position) FROM messages m WHERE m.run_id = r.id) AS first FROM runs r
      WHERE EXISTS (SELECT 1 FROM messages m WHERE m.run_id = r.id) WINDOW w AS (PARTITION BY thread_id ORDER BY coalesce(held, 0), created_at, id)) b
     ON b.thread_id = a.thread_id AND b.place = a.place + 1 WHERE b.first < a.last`,
  ([thread, a, b]) => `in thread ${thread}, ${b} wrote before ${a} was done`,
);

/** I8: the quiet tenant waits no longer than the bound, whatever the flooder does. */
function fairWait(facts) {
  const bound = facts.world.options.fairMs;
  const waits = { flooder: [], quiet: [] };
  const bad = [];
  for (const promise of facts.promises.values()) {
    if (promise.kind === 'probe' || promise.displaced || promise.key.includes('.')) continue;
    const uuid = promise.id.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    const claim = facts.audit.get(uuid)?.find(isClaim);
    const run = facts.runs.get(uuid);
    if (!claim || !run) continue;
    waits[promise.tenant].push(claim.at - run.created);
    if (promise.tenant === 'quiet' && claim.at - run.created > bound) bad.push(`${promise.id} of the quiet tenant waited ${Math.round(claim.at - run.created)} ms`);
  }
  facts.waits = waits;
  return bad;
}

/** What gpt-4o-mini costs, by the table of models: micro-dollars for a million tokens. */
const PRICES = { input: 150000, cached: 75000, output: 600000 };

/** Of one answer, in whole micro-dollars: the product has six digits too many, and a half is rounded up. */
export function costOf(usage) {
  const cached = usage.cached_tokens ?? 0;
  return Math.floor(((usage.prompt_tokens - cached) * PRICES.input + cached * PRICES.cached + usage.completion_tokens * PRICES.output) / 1e6 + 0.5);
}

/** I9: what was accounted is what the model's own ledger says for the answer that was used. */
function usageAddsUp(facts) {
  const bad = [];
  const answers = new Map();
  let given = 0;
  let fellBack = 0;
  for (const line of facts.ledger) {
    if (!line.usage) continue;
    given++;
    const key = line.idempotency_key.replace(/:fallback-\d+$/, '');
    const list = answers.get(key) ?? [];
    fellBack += key !== line.idempotency_key;
    list.push({ ...line.usage, ...line.usage_details, free: line.free });
    answers.set(key, list);
  }
  let used = 0;
  for (const [run, changes] of facts.audit) {
    let prompt = 0;
    let completion = 0;
    const keys = new Set();
    for (const c of changes) {
      prompt += c.prompt;
      completion += c.completion;
      if (c.prompt === 0 && c.completion === 0) continue;
      const key = `run_${hex(run)}:step-${c.oldStep}`;
      if (keys.has(key)) bad.push(`${key} was accounted twice`);
      keys.add(key);
      used++;
      if (!answers.get(key)?.some((usage) => usage.prompt_tokens === c.prompt && usage.completion_tokens === c.completion && (usage.free ? 0 : costOf(usage)) === c.cost)) {
        bad.push(`${key} was accounted ${c.prompt} and ${c.completion} tokens and ${c.cost} micro-dollars, the model says ${JSON.stringify(answers.get(key) ?? null)}`);
      }
    }
    const row = facts.runs.get(run);
    if (row && (row.prompt !== prompt || row.completion !== completion)) bad.push(`${run} has ${row.prompt} and ${row.completion} tokens, its steps ${prompt} and ${completion}`);
  }
  let repeats = 0;
  for (const list of answers.values()) repeats += list.length - 1;
  facts.counts = { ...facts.counts, modelCalls: facts.ledger.length, answers: given, answersUsed: used, answersRepeated: repeats, fellBack };
  return bad;
}

const SUMS = ['prompt_tokens', 'completion_tokens', 'cached_tokens', 'cache_write_tokens', 'reasoning_tokens', 'cost_micros'];
const sums = SUMS.map((name) => `coalesce(sum(${name}), 0)`).join(', ');

/** I9: the same tokens and the same money in the runs, in their steps, in their threads and in the hours of their tenants. */
async function sumsAgree(facts) {
  const bad = [];
  const byTenant = async (from) =>
    new Map((await facts.db(`SELECT tenant_id, ${sums} FROM ${from} GROUP BY tenant_id`)).map(([tenant, ...numbers]) => [tenant, numbers.join(' ')]));
  const runs = await byTenant('chaos_runs');
  const hours = await byTenant('usage_by_hour');
  for (const [tenant, numbers] of runs) {
    if (!/[1-9]/.test(numbers) && !hours.has(tenant)) continue;
    if (hours.get(tenant) !== numbers) bad.push(`tenant ${tenant} used ${numbers}, its hours say ${hours.get(tenant) ?? 'nothing'}`);
  }
  const threads = await facts.db(
    `SELECT t.id, ${SUMS.map((name) => `t.${name}`).join(', ')} FROM threads t
     LEFT JOIN (SELECT thread_id, ${SUMS.map((name) => `sum(${name}) AS ${name}`).join(', ')} FROM runs WHERE kind <> 'memory' GROUP BY thread_id) r ON r.thread_id = t.id
     WHERE (${SUMS.map((name) => `t.${name}`).join(', ')}) IS DISTINCT FROM (${SUMS.map((name) => `coalesce(r.${name}, 0)`).join(', ')}) LIMIT 20`,
  );
  for (const [id, ...numbers] of threads) bad.push(`thread ${id} has ${numbers.join(' ')}, its runs have other sums`);
  const steps = await facts.db(
    `SELECT r.id, r.cost_micros, coalesce(s.cost, 0) FROM runs r
     LEFT JOIN (SELECT run_id, sum(cost_micros) AS cost FROM run_steps GROUP BY run_id) s ON s.run_id = r.id
     WHERE r.cost_micros < coalesce(s.cost, 0) LIMIT 20`, // a call that failed may have cost something, and has no step
  );
  for (const [id, cost, told] of steps) bad.push(`run ${id} cost ${cost}, its steps ${told}`);
  return bad;
}

/** I10: what was said to a run at work is in its thread once, in order, and nothing waits where no run is active. */
async function saidOnce(facts) {
  const bad = [];
  const there = new Map();
  const list = await facts.db(
    `SELECT thread_id, content #>> '{0,text,value}' FROM messages WHERE role = 'user' AND submitted_with IS NULL ORDER BY position`,
  );
  for (const [thread, text] of list) there.set(hex(thread), [...(there.get(hex(thread)) ?? []), text]);
  const said = new Map();
  for (const { thread, text } of facts.load.said) said.set(thread.slice(7), [...(said.get(thread.slice(7)) ?? []), text]);
  for (const [thread, texts] of said) {
    const found = (there.get(thread) ?? []).filter((text) => texts.includes(text));
    if (found.join() !== texts.join()) bad.push(`thread ${thread} was told ${texts.join(', ')} and holds ${found.join(', ') || 'nothing'}`);
  }
  for (const [thread, count] of await facts.db(`SELECT thread_id, count(*) FROM thread_inputs GROUP BY 1`)) bad.push(`${count} messages wait in ${thread}`);
  return bad;
}

/** I10: counters of threads, runs and users are what SQL counts. */
const countersAgree = (facts) =>
  Object.entries(crooked(facts.world.stack)).flatMap(([what, list]) => list.slice(0, 20).map((row) => `${what}: ${JSON.stringify(row)}`));

/** I11: each line of the batch is answered once, by the run that it became, and nothing is left of the work on it. */
async function linesOnce(facts) {
  const flooder = facts.load.as('flooder');
  const batch = await flooder.ok('GET', `/v1/batches/${facts.load.batch.id}`);
  const bad = batch.status === 'completed' ? [] : [`the batch is ${batch.status}`];
  const all = await answers(flooder, batch).catch((error) => (bad.push(error.message), new Map()));
  for (let n = 0; n < BATCH_LINES; n++) {
    const { body } = all.get(`l${n}`)?.response ?? {};
    const run = facts.runs.get((body?.run ?? body)?.id?.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
    if (run?.key !== `l${n}`) bad.push(`line l${n} was answered by ${JSON.stringify(all.get(`l${n}`) ?? null).slice(0, 200)}`);
    else if ((run.status === 'completed') !== (all.get(`l${n}`).where === 'output')) bad.push(`line l${n} stands in the ${all.get(`l${n}`).where} file, its run is ${run.status}`);
  }
  const made = [...facts.runs.values()].filter((run) => /^l[0-9]+$/.test(run.key)).length;
  if (all.size !== BATCH_LINES || made !== BATCH_LINES) bad.push(`${BATCH_LINES} lines became ${made} runs and ${all.size} answers`);
  const [[left]] = await facts.db('SELECT (SELECT count(*) FROM batch_lines) + (SELECT count(*) FROM batch_output)');
  if (left !== '0') bad.push(`${left} rows are left of the batch`);
  return bad;
}

/** Programs end only when told to, and what clients were told fits together. */
function noSurprises(facts) {
  const crashed = facts.world.surprises.filter((s) => !(s.code === 70 && s.pausedBefore));
  return [
    ...crashed.map((s) => `${s.who} ended by itself with ${s.signal ?? s.code}${s.drained ? ' when told to drain' : ''}:\n${s.log}`),
    ...facts.load.unexpected,
  ];
}

const checks = {
  'I1 every run ends': everyRunEnds,
  'I2 messages whole and once': [...wholeSteps, inputsOnce],
  'I3 one writer': [oneWriter, writesAreFenced],
  'I4 tools once per attempt': toolsOnce,
  'I5 order in a thread': threadsInOrder,
  'I8 no tenant starves': fairWait,
  'I9 usage adds up': [usageAddsUp, sumsAgree],
  'I10 input and counters': [saidOnce, countersAgree],
  'I11 lines once': linesOnce,
  'I12 times once': timesOnce,
  'I13 told at least once': toldOnce,
  'I14 budgets hold': budgetsHold,
  'I15 tickets once': ticketsOnce,
  'I16 plans and contexts': [plansDone, pairsWhole],
  'I17 learned once': [memoryRunsEnd, learnedOnce],
  'no surprises': noSurprises,
};

/** Returns {name: [what does not hold]}, of all or of one. */
export async function check(facts, only) {
  const result = {};
  for (const [name, parts] of Object.entries(checks)) {
    if (only && name !== only) continue;
    result[name] = [];
    for (const part of [parts].flat()) result[name].push(...(await part(facts)));
  }
  return result;
}
