// Agents that plan, that are given parts of long threads, and that learn of their users, under faults: what they are, what they are asked, and what must hold. I16, I17.

import { PLAN } from './mind.mjs';

export const MIND_KINDS = new Set(['learn', 'plan', 'grow']);
export const PUPILS = 7;
const STRATEGIES = [
  { memory_strategy: 'last_messages', memory_config: { max_messages: 4 } },
  { memory_strategy: 'first_last', memory_config: { max_messages: 4, preserve_first: 1 } },
  { memory_strategy: 'vector', memory_config: { max_messages: 3, top_k: 2 } },
];
const old = ['My boat is called Aurora.', 'The train leaves at seven.', 'I look for a book on tides.', 'We met in Lisbon.'];

/** {name of the agent: body}. All ask the model of mind.mjs. */
export function mindAgents() {
  const body = { model: 'mind/m', instructions: 'You help.' };
  const tools = [{ type: 'calculator' }];
  return {
    learn0: { ...body, memories: {} },
    learn1: { ...body, tools, memories: { scope: 'agent' } },
    plan: { ...body, planning: true },
    ...Object.fromEntries(STRATEGIES.map((strategy, i) => [`grow${i}`, { ...body, ...strategy, tools, instructions: `Strategy ${strategy.memory_strategy}.` }])),
  };
}

/** How an item goes: the agent, how many runs its thread gets one after the other, whose they are, and what was said before. */
export function mindItem(item) {
  const { kind, number } = item;
  if (kind === 'plan') return { agent: 'plan', runs: 1 };
  if (kind === 'learn') return { agent: `learn${number % 2}`, runs: 1 + (number % 3), user: `pupil-${number % PUPILS}` };
  return { agent: `grow${number % STRATEGIES.length}`, runs: 4, before: old.flatMap((content) => [{ role: 'user', content }, { role: 'assistant', content: `So: ${content}` }]) };
}

const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const promised = (facts, kind) => [...facts.promises.values()].filter((promise) => promise.kind === kind);
const statusOf = (facts, promise) => facts.runs.get(uuid(promise.id))?.status;

/** I16: a plan of a run that is completed has its five steps, all of them done, and each was marked by one call. */
export async function plansDone(facts) {
  const bad = [];
  const plans = new Map(await facts.db(`SELECT id, coalesce(agent_state, '{}')::text FROM threads WHERE agent_state IS NOT NULL`));
  const calls = new Map();
  for (const [run, name, step, state, isError] of await facts.db(
    `SELECT c.run_id, c.name, coalesce(k ->> 'step', ''), c.state, c.is_error FROM (
       SELECT DISTINCT ON (c.run_id, c.call_id) c.*, (t.c ->> 'arguments')::jsonb AS k FROM tool_calls c
       JOIN messages m ON m.run_id = c.run_id AND m.tool_calls IS NOT NULL CROSS JOIN LATERAL jsonb_array_elements(m.tool_calls::jsonb) t (c)
       WHERE c.name IN ('plan_set', 'plan_update') AND t.c ->> 'id' = c.call_id) c`)) {
    calls.set(run, [...(calls.get(run) ?? []), `${name}${step} ${state} ${isError}`]);
  }
  const wanted = ['plan_set done f', ...PLAN.map((_, i) => `plan_update${i + 1} done f`)].sort().join(', ');
  let completed = 0;
  for (const promise of promised(facts, 'plan')) {
    if (statusOf(facts, promise) !== 'completed') continue;
    completed++;
    const steps = JSON.parse(plans.get(uuid(promise.thread)) ?? '{}').plan?.steps ?? [];
    const is = steps.map((step) => `${step.title}: ${step.status}`).join(', ');
    if (is !== PLAN.map((title) => `${title}: done`).join(', ')) bad.push(`the plan of ${promise.id} is ${is || 'not there'}`);
    const made = (calls.get(uuid(promise.id)) ?? []).sort().join(', ');
    if (made !== wanted) bad.push(`${promise.id} has made the calls ${made}`);
  }
  facts.counts = { ...facts.counts, plans: completed };
  return bad;
}

/** I16: no request of an agent was one that a model refuses. */
export const pairsWhole = (facts) => facts.world.mind.refused.map((what) => `a model refused: ${what}`);

/** I17: runs of memory end, completed, and stay few. Those that were given up with three workers are counted; what they were for waits for the next run of their agent. */
export async function memoryRunsEnd(facts) {
  const bad = [];
  const list = await facts.db(
    `SELECT id, status, thread_id, crashes, coalesce(last_error ->> 'message', ''), coalesce(result ->> 'outcome', ''), about FROM chaos_runs WHERE kind = 'memory'`);
  facts.poisonedThreads = new Set();
  for (const [id, status, thread, crashes, error, outcome, about] of list) {
    if (status === 'failed' && Number(crashes) >= 3 && /given up/.test(error)) facts.poisonedThreads.add(thread);
    else if (status !== 'completed') bad.push(`${id}, about ${about}, is ${status}: ${error}`);
    else if (!outcome) bad.push(`${id}, about ${about}, is completed and says nothing of it`);
  }
  for (const [about, count] of await facts.db(`SELECT about, count(*) FROM runs WHERE kind = 'memory' GROUP BY 1 HAVING count(*) > 2`)) bad.push(`${count} runs are kept that were about ${about}`);
  facts.counts = { ...facts.counts, memoryRuns: list.length, memoryPoison: facts.poisonedThreads.size };
  return bad;
}

/** I17: what users said is known of each of them, once, and of nobody else, and threads were gone through to their end. */
export async function learnedOnce(facts) {
  const bad = [];
  const runs = promised(facts, 'learn').filter((promise) => !facts.poisonedThreads.has(uuid(promise.thread)));
  const marks = new Map();
  for (const [thread, user, agent, behind, pending] of await facts.db(
    `SELECT k.thread_id, k.user_id, k.agent_id, (SELECT count(*) FROM messages m WHERE m.thread_id = k.thread_id AND m.position > k.position), k.pending IS NOT NULL FROM memory_marks k`)) {
    marks.set(thread, [...(marks.get(thread) ?? []), { user, agent, behind, pending }]);
  }
  const known = new Map();
  for (const [tenant, user, agent, text] of await facts.db(`SELECT tenant_id, user_id, agent_id, text FROM memories WHERE replaced_at IS NULL`)) {
    const number = /^No\. ([0-9]+) is /.exec(text)?.[1] ?? text;
    known.set(number, [...(known.get(number) ?? []), { tenant, user, agent }]);
  }
  const last = new Map(runs.map((promise) => [promise.thread, promise]));
  for (const promise of last.values()) {
    if (statusOf(facts, promise) !== 'completed') continue;
    const found = marks.get(uuid(promise.thread)) ?? [];
    if (found.length !== 1 || found[0].user !== promise.user || found[0].behind !== '0' || found[0].pending !== 'f') bad.push(`${promise.thread} of ${promise.user} has the marks ${JSON.stringify(found)}`);
  }
  const said = new Set();
  for (const promise of runs) {
    said.add(promise.number);
    const of = known.get(promise.number) ?? [];
    const its = (row) => row.tenant === facts.world.tenants[promise.tenant] && row.user === promise.user && row.agent === (promise.scope ? uuid(promise.scope) : '00000000-0000-0000-0000-000000000000');
    if (of.length > 1 || of.some((row) => !its(row))) bad.push(`No. ${promise.number} was said by ${promise.user}, and is known as ${JSON.stringify(of)}`);
    else if (of.length === 0 && statusOf(facts, promise) === 'completed' && statusOf(facts, last.get(promise.thread)) === 'completed') bad.push(`No. ${promise.number} was said by ${promise.user}, and is not known`);
  }
  const all = new Set(promised(facts, 'learn').map((promise) => promise.number));
  for (const [number, of] of known) if (!all.has(number)) bad.push(`'${number}' is known, and was not said: ${JSON.stringify(of)}`);
  facts.counts = { ...facts.counts, said: said.size, known: known.size };
  return bad;
}
