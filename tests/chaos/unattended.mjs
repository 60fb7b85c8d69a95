// What goes on by itself: schedules that fire, webhooks that are told, budgets that hold back; and what must hold of them.
//
// Nobody waits for an hour to pass: a schedule is moved into the past, by its row and those of its firings, and the backoff of webhooks is cut short once all is healed.

import { Random } from './random.mjs';
import { Receiver, verify } from '../lib/receiver.mjs';
import { uuidOf } from '../lib/schedules.mjs';
import { sleep } from '../lib/stack.mjs';

const HOUR = 3600;
const MOVE_MS = [700, 2500];

// Each user's budget. A run of theirs spends some 50 tokens, or 18 millionths of a dollar, but before each call it is estimated at six times as much, since the model is told of tools.
export const budgets = {
  'spender-0': { max_tokens: 1000, at_limit: 'end' },
  'spender-1': { max_tokens: 900, at_limit: 'fallback', fallback_model: 'openai/gpt-4o-mini-2025-01-01' },
  'spender-2': { max_cost_micros: 250, at_limit: 'end' },
};

const schedules = [
  { overlap: 'skip', input: 'slow 1' },
  { overlap: 'queue', input: 'calc 2 of 7' },
  { overlap: 'cancel_running', input: 'slow 2' },
  { overlap: 'queue', input: 'plain, again' },
];

export class Unattended {
  constructor(world, load) {
    Object.assign(this, { world, load, random: new Random(world.options.seed, 'unattended'), secrets: {}, schedules: [], moves: 0, mayFail: true });
  }

  /** Before the faults. */
  async prepare() {
    this.receiver = await Receiver.start((request, response) => this.#answer(request, response));
    for (const tenant of ['flooder', 'quiet']) {
      const as = this.load.as(tenant);
      const webhook = await as.ok('POST', '/v1/webhooks', { url: this.receiver.url, events: ['*'] });
      this.secrets[tenant] = webhook.secret;
    }
    [[this.since]] = await this.world.rows('SELECT extract(epoch FROM max(created_at)) * 1000 FROM webhook_endpoints');
    const quiet = this.load.as('quiet');
    await quiet.ok('PUT', '/v1/budgets/tenant/self', { period: 'total', max_tokens: 1e12 });
    for (const [user, budget] of Object.entries(budgets)) await this.load.as('flooder').ok('PUT', `/v1/budgets/user/${user}`, { period: 'total', ...budget });
    for (const fields of schedules) {
      const assistant_id = this.load.assistants.quiet.plain;
      const made = await quiet.ok('POST', '/v1/schedules', { assistant_id, every: '1h', catch_up: 'all', catch_up_window: 86400, max_failures: 0, metadata: { chaos: 'scheduled' }, ...fields });
      this.schedules.push(uuidOf(made.id));
    }
  }

  /** One of ten hangs up, two fail. */
  #answer(request, response) {
    const place = this.mayFail ? this.random.int(0, 9) : 9;
    if (place === 0) request.socket.destroy();
    else if (place < 3) response.writeHead(place === 1 ? 500 : 429, { 'retry-after': '1' }).end('not now');
    else response.end('fine');
  }

  /** As if so much time had passed since the schedule was made that its next time is now, or was some hours ago. Its row is locked first: whoever fires it has done so, or has not. */
  async #move(schedule, hours) {
    const by = `(SELECT greatest(ceil(extract(epoch FROM next - now())), 0) + ${hours * HOUR} FROM schedules WHERE id = '${schedule}') * interval '1 s'`;
    const columns = ['next', 'due', 'starts_at', 'created_at'];
    await this.world.rows(
      `SELECT 1 FROM schedules WHERE id = '${schedule}' FOR UPDATE;
       UPDATE schedule_firings SET nominal = nominal - interval '36500 days', until = until - interval '36500 days' WHERE schedule_id = '${schedule}';
       UPDATE schedule_firings SET nominal = nominal + interval '36500 days' - ${by}, until = until + interval '36500 days' - ${by} WHERE schedule_id = '${schedule}';
       UPDATE schedules SET turn = turn + 1, ${columns.map((column) => `${column} = ${column} - ${by}`).join(', ')} WHERE id = '${schedule}'`);
    this.moves++;
  }

  /** Some times come while the faults do. */
  async play(seconds) {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      const hours = this.random.chance(0.2) ? this.random.int(1, 3) : 0;
      await this.#move(this.random.pick(this.schedules), hours).catch((error) => {
        if (!/connect|connection|starting up|shutting down|terminat|recovery/.test(error.message)) throw error;
      });
      await sleep(this.random.int(...MOVE_MS));
    }
  }

  /** What is still to be done, as SQL that counts it. */
  static left = `(SELECT count(*) FROM webhook_events WHERE NOT moved) + (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending')
    + (SELECT count(*) FROM schedule_firings WHERE state IN ('due', 'waiting', 'started')) + (SELECT count(*) FROM schedules WHERE due <= now() AND state = 'active')`;

  /** All is healed: the receiver is well, and nobody waits for it any longer. */
  async hurry() {
    this.mayFail = false;
    await this.world.rows(`UPDATE webhook_lanes SET not_before = now(); UPDATE webhook_deliveries SET next_at = now() WHERE state = 'pending' AND next_at > now() + interval '2 s'`).catch(() => {});
  }

  close() {
    return this.receiver?.stop();
  }
}

/** I12: the times of a schedule are there without a gap, each once, and each that began has the one run that it names. */
export async function timesOnce(facts) {
  const bad = [];
  const list = await facts.db(
    `SELECT s.id, extract(epoch FROM s.starts_at), extract(epoch FROM s.next), extract(epoch FROM f.nominal), extract(epoch FROM coalesce(f.until, f.nominal)), f.times, f.state, f.id
     FROM schedules s JOIN schedule_firings f ON f.schedule_id = s.id WHERE f.cause <> 'manual' ORDER BY s.id, f.nominal`);
  const made = new Set();
  const ends = new Map();
  for (const [schedule, start, next, from, until, times, state, firing] of list) {
    const before = ends.get(schedule)?.until ?? Number(start);
    if (Number(from) - before !== HOUR) bad.push(`schedule ${schedule}: ${state} ${firing} is ${Number(from) - before} s behind the time before`);
    if (Number(until) - Number(from) !== (Number(times) - 1) * HOUR) bad.push(`firing ${firing} stands for ${times} times in ${Number(until) - Number(from)} s`);
    ends.set(schedule, { until: Number(until), next: Number(next) });
    if (state === 'ended') made.add(firing);
    else if (!['skipped', 'missed'].includes(state)) bad.push(`firing ${firing} is ${state}`);
    if (state === 'ended' && facts.runs.get(firing)?.key !== 'scheduled') bad.push(`firing ${firing} has no run`);
  }
  for (const [schedule, { until, next }] of ends) if (next - until !== HOUR) bad.push(`schedule ${schedule} goes on ${next - until} s behind its last time`);
  for (const run of facts.runs.values()) if (run.key === 'scheduled' && !made.has(run.id)) bad.push(`${run.id} is a run of no time`);
  facts.counts = { ...facts.counts, firings: list.length, scheduledRuns: made.size };
  return bad;
}

/** I13: of each run that ended its webhook was told, as one event, signed, under one id, and of nothing that did not happen. */
export async function toldOnce(facts) {
  const { receiver, secrets, since } = facts.load.unattended;
  const bad = [];
  const names = new Map(Object.entries(facts.world.tenants).map(([name, id]) => [id, name]));
  const events = new Map();
  for (const [id, tenant, type, run] of await facts.db(`SELECT id, tenant_id, type, run_id FROM webhook_events WHERE type LIKE 'run.%' AND type <> 'run.requires_action'`)) {
    if (events.has(run)) bad.push(`${run} has two events, ${events.get(run).id} and ${id}`);
    events.set(run, { id, tenant, type });
  }
  const told = new Map();
  for (const got of receiver.got) {
    const id = got.headers['webhook-id'];
    if (told.has(id) && told.get(id).body !== got.body) bad.push(`${id} was told in two ways`);
    told.set(id, got);
  }
  for (const run of facts.runs.values()) {
    if (!(run.created > since)) continue;
    if (run.kind === 'memory') {
      if (events.has(run.id)) bad.push(`of ${run.id}, which works for memory, was told`);
      continue;
    }
    const event = events.get(run.id);
    const got = event && told.get(`evt_${event.id.replaceAll('-', '')}`);
    if (event?.type !== `run.${run.status}`) bad.push(`${run.id} is ${run.status}, its event ${event?.type ?? 'is not there'}`);
    else if (!got) bad.push(`nobody was told that ${run.id} is ${run.status}`);
    else if (uuidOf(got.event.data.id) !== run.id || got.event.type !== event.type) bad.push(`of ${run.id} was told ${got.body.slice(0, 200)}`);
    else {
      try {
        verify(secrets[names.get(run.tenant)], got.headers, got.body, got.at / 1000);
      } catch (error) {
        bad.push(`${event.id}: ${error.message}`);
      }
    }
  }
  for (const [run] of events) if (!facts.runs.has(run)) bad.push(`an event tells of ${run}, which is not there`);
  facts.counts = { ...facts.counts, hooks: receiver.got.length, hookEvents: told.size };
  return bad;
}

/** How many runs of these were at work at once, at most, as the audit has it. */
function mostAtOnce(facts, runs) {
  const moves = [];
  for (const run of runs) {
    for (const change of facts.audit.get(run) ?? []) {
      const [was, is] = [change.oldStatus, change.status].map((status) => Number(status === 'in_progress' || status === 'cancelling'));
      if (was !== is) moves.push([change.at, is - was]);
    }
  }
  let now = 0;
  return moves.sort((a, b) => a[0] - b[0] || a[1] - b[1]).reduce((most, [, by]) => Math.max(most, (now += by)), 0);
}

/** I14: a budget has spent what its runs have used, to the last millionth, and no more than it may but for a call; or where Redis was struck, and forgot what calls hold, those under way at once. */
export async function budgetsHold(facts) {
  const bad = [];
  const list = await facts.db(
    `SELECT b.id, b.kind || '/' || b.subject, b.at_limit, coalesce(b.max_tokens, 0), coalesce(b.max_cost_micros, 0), s.tokens, s.cost, r.tokens, r.cost
     FROM budgets b
     CROSS JOIN LATERAL (SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost_micros), 0) AS cost
       FROM (SELECT * FROM budget_days UNION ALL SELECT * FROM budget_deltas) d WHERE d.budget_id = b.id) s
     CROSS JOIN LATERAL (SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) AS tokens, coalesce(sum(cost_micros), 0) AS cost FROM chaos_runs WHERE b.id = ANY (budgets)) r`);
  const spent = {};
  for (const [id, name, atLimit, maxTokens, maxCost, tokens, cost, tokensOfRuns, costOfRuns] of list) {
    if (tokens !== tokensOfRuns || cost !== costOfRuns) bad.push(`${name} has spent ${tokens} tokens and ${cost} micro-dollars, its runs ${tokensOfRuns} and ${costOfRuns}`);
    spent[name] = [Number(tokens), Number(cost)];
    if (atLimit !== 'end') continue;
    const runs = (await facts.db(`SELECT id FROM runs WHERE '${id}' = ANY (budgets)`)).map(([run]) => run);
    const steps = runs.flatMap((run) => facts.audit.get(run) ?? []);
    const most = (of) => steps.reduce((max, step) => Math.max(max, of(step)), 0);
    const forgotten = facts.load.redisStruck() ? Math.max(mostAtOnce(facts, runs), 1) : 1;
    const check = (what, max, has, call) => {
      if (max > 0 && has > max + forgotten * call) bad.push(`${name} may spend ${max} ${what} and has spent ${has}; that is more than ${forgotten} calls of at most ${call} beyond it`);
    };
    check('tokens', Number(maxTokens), Number(tokens), most((step) => step.prompt + step.completion));
    check('micro-dollars', Number(maxCost), Number(cost), most((step) => step.cost));
  }
  facts.counts = { ...facts.counts, budgetRuns: [...facts.runs.values()].filter((run) => run.user.startsWith('spender-')).length,
    turnedAway: [...facts.runs.values()].filter((run) => run.reason === 'user_budget').length };
  facts.spent = spent;
  return bad;
}
