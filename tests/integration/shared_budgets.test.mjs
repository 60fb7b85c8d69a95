// Budgets of threads, users, agents and tenants: what many runs may spend together, over all workers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../chaos/random.mjs';
import { answers, createBatch, endedBatch, lineOf } from '../lib/batches.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: small, when: {model: small}, then: {text: 'The small one says it.', usage: {prompt_tokens: 50, completion_tokens: 10}}}
  - name: work
    when: {user: '^work'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}], usage: {prompt_tokens: 60, completion_tokens: 40}, delay_ms: [5, 40]}
      - {text: 'It is {{tool}}.', usage: {prompt_tokens: 80, completion_tokens: 70}, delay_ms: [5, 40]}
  - {name: slow, when: {user: '^slow'}, then: {text: 'At last.', delay_ms: 1500, usage: {prompt_tokens: 60, completion_tokens: 40}}}
  - {name: slower, when: {user: '^at length'}, then: {text: 'At long last.', delay_ms: 5000, usage: {prompt_tokens: 60, completion_tokens: 50}}}
  - {name: hello, then: {text: 'Hello.', usage: {prompt_tokens: 60, completion_tokens: 40}}}
`;

const config = `
models:
  - {name: dear, provider: openai, model: dear-1, input_price: 3000000, output_price: 7000000}
  - {name: small, provider: openai, model: small, input_price: 1000000, output_price: 1000000}
`;

const terse = (stack) => stack.assistant({ model: 'dear', tools: [], instructions: 'Be brief.', max_output_tokens: 100 }); // whose calls read some 20 tokens
const put = (stack, of, fields) => stack.ok('PUT', `/v1/budgets/${of}`, { period: 'day', ...fields });
const get = (stack, of) => stack.ok('GET', `/v1/budgets/${of}`);
const tokensOf = (line) => line.usage.prompt_tokens + line.usage.completion_tokens;
const microsOf = (line) => Math.floor(line.usage.prompt_tokens * 3 + line.usage.completion_tokens * 7);
const sum = (list) => list.reduce((total, one) => total + one, 0);
const answered = (stack) => stack.ledger().filter((line) => line.status === 200 && !line.closed && line.usage);

test('64 runs at once stay within a budget, and what is spent is what the provider counted', async () => {
  await withStack({ script, config, workers: 3 }, async (stack) => {
    const assistant = await stack.assistant({ model: 'dear', max_output_tokens: 100 });
    await put(stack, `agent/${assistant.id}`, { max_tokens: 10_000 });
    await put(stack, 'tenant/self', { period: 'month', max_cost_micros: 10_000_000 });
    const runs = await Promise.all(Array.from({ length: 64 }, (_, i) => stack.submit(assistant, `work ${i}`)));
    const ended = await Promise.all(runs.map((run) => stack.finished(run, 120_000)));
    const of = (status) => ended.filter((run) => run.status === status);
    assert.equal(of('completed').length + of('incomplete').length, 64, JSON.stringify(ended.map((run) => run.status)));
    assert.deepEqual([...new Set(of('incomplete').map((run) => run.incomplete_details.reason))], ['agent_budget']);
    const lines = answered(stack);
    const spent = sum(lines.map(tokensOf));
    assert.ok(spent <= 10_000, `${spent} tokens`);
    assert.ok(spent >= 9_500, `${spent} tokens: nobody was turned away too early`);
    const agent = await get(stack, `agent/${assistant.id}`);
    assert.deepEqual([agent.spent_tokens, agent.spent_cost_micros], [spent, sum(lines.map(microsOf))]);
    const tenant = await get(stack, 'tenant/self');
    assert.deepEqual([tenant.spent_tokens, tenant.spent_cost_micros], [spent, sum(lines.map(microsOf))]);
    assert.equal(sum(ended.map((run) => run.cost_micros)), tenant.spent_cost_micros);
  });
});

test('a run that finds its budget used up ends, goes on with another model, or waits until it is raised', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await terse(stack);
    const inName = (user, fields) => stack.submit(assistant, 'hello', { user, ...fields });
    for (const [user, at_limit, more] of [['ann', 'end'], ['bob', 'fallback', { fallback_model: 'small' }], ['eve', 'park']]) {
      await put(stack, `user/${user}`, { max_tokens: 130, at_limit, ...more });
      assert.equal((await stack.finished(await inName(user))).status, 'completed');
      assert.equal((await get(stack, `user/${user}`)).spent_tokens, 100);
    }
    const ended = await stack.finished(await inName('ann'));
    assert.deepEqual([ended.status, ended.incomplete_details.reason], ['incomplete', 'user_budget']);

    const cheap = await stack.finished(await inName('bob'));
    assert.equal(cheap.status, 'completed');
    assert.equal(await stack.answer(cheap), 'The small one says it.');
    assert.equal((await get(stack, 'user/bob')).spent_tokens, 160, 'the other model is counted, too');

    const parked = await inName('eve');
    const waiting = await until('it waits', async () => {
      const run = await stack.run(parked);
      return run.waits_for === 'budget' && run;
    });
    const eve = await get(stack, 'user/eve');
    assert.equal(waiting.status, 'queued');
    assert.ok(waiting.waits_until <= eve.resets_at && eve.resets_at % 86400 === 0);
    assert.equal(await stack.busy(stack.workers[0]), 0, 'and holds nothing');
    assert.match(stack.command('runs', 'show', parked.id), /it waits for a budget/);
    await put(stack, 'user/eve', { max_tokens: 1000, at_limit: 'park' });
    assert.equal((await stack.finished(parked)).status, 'completed');
    const third = await stack.finished(await inName('nobody in particular'));
    assert.equal(third.status, 'completed');
  });
});

test('a run that is being parked while its budget is raised or deleted does not wait for the next period', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await terse(stack);
    // Whoever parks a run takes three seconds from now on.
    stack.exec(`CREATE FUNCTION parks_slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
      CREATE TRIGGER parks_slowly BEFORE UPDATE ON runs FOR EACH ROW WHEN (NEW.wait_kind = 'budget' AND OLD.wait_kind IS DISTINCT FROM 'budget') EXECUTE FUNCTION parks_slowly()`);
    const changes = { ann: (of) => put(stack, of, { max_tokens: 10000, at_limit: 'park' }), bob: (of) => stack.ok('DELETE', `/v1/budgets/${of}`) };
    for (const [user, change] of Object.entries(changes)) {
      await put(stack, `user/${user}`, { max_tokens: 20, at_limit: 'park' });
      const run = await stack.submit(assistant, 'hello', { user });
      await until('it is being parked', () => stack.sql(`SELECT 1 AS one FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length > 0);
      await change(`user/${user}`);
      assert.equal((await stack.finished(run)).status, 'completed', user);
    }
  });
});

test('a budget begins anew with its period', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await terse(stack);
    const run = () => stack.submit(assistant, 'hello').then((made) => stack.finished(made));
    // The day of today gets another date; what Redis knows it knows of the day by its date.
    const turn = (to) => {
      stack.exec(`UPDATE budget_days SET day = ${to}; UPDATE budget_deltas SET day = ${to}`);
      stack.redis('FLUSHALL');
    };
    await put(stack, 'tenant/self', { max_tokens: 130 });
    assert.equal((await run()).status, 'completed');
    assert.equal((await run()).incomplete_details?.reason, 'tenant_budget');
    turn("(now() AT TIME ZONE 'UTC')::date - 1");
    assert.equal((await get(stack, 'tenant/self')).spent_tokens, 0);
    assert.equal((await run()).status, 'completed');
    turn("date_trunc('month', now() AT TIME ZONE 'UTC')::date - 1");
    await put(stack, 'tenant/self', { period: 'month', max_tokens: 130 });
    assert.equal((await get(stack, 'tenant/self')).spent_tokens, 0);
    assert.equal((await run()).status, 'completed');
    assert.equal((await run()).incomplete_details?.reason, 'tenant_budget');
    const total = await put(stack, 'tenant/self', { period: 'total', max_tokens: 10_000 });
    assert.deepEqual([total.spent_tokens, total.resets_at], [300, null], 'and what is spent in all is known');
  });
});

/** What the provider answered, by the step that asked for it. A step whose worker died is asked for again under the same key. */
function byStep(stack) {
  const steps = new Map();
  for (const line of answered(stack)) steps.set(line.idempotency_key, [...(steps.get(line.idempotency_key) ?? []), line]);
  return steps;
}

test('a budget holds, and its sums are those of the provider, while workers are killed, Redis is wiped and Postgres restarts', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1000000);
  const random = new Random(seed, 'budgets');
  console.log(`seed ${seed}`);
  await withStack({ script, config, workers: 3 }, async (stack) => {
    const assistant = await stack.assistant({ model: 'dear', max_output_tokens: 100 });
    await put(stack, `agent/${assistant.id}`, { max_tokens: 10_000 });
    const runs = await Promise.all(Array.from({ length: 64 }, (_, i) => stack.submit(assistant, `work ${i}`)));
    const left = () => stack.sql(`SELECT count(*)::int AS n FROM runs WHERE status NOT IN ('completed', 'incomplete', 'failed', 'cancelled', 'expired')`)[0].n;
    const faults = [
      async (i) => { await stack.workers[i].kill('SIGKILL'); await stack.startWorker(); },
      async () => stack.redis('FLUSHALL'),
      async () => stack.postgres('restart', '-m', random.pick(['fast', 'immediate'])),
    ];
    // Each comes when some more has been answered, so that it strikes what is at work. The three workers are killed, in some order.
    const plan = random.shuffled([[0, 0], [0, 1], [0, 2], [1], [1], [2]]);
    for (const [place, [kind, worker]] of plan.entries()) {
      const mark = 8 + place * 10 + random.int(0, 5);
      await until(`${mark} are answered, or all is over`, () => answered(stack).length >= mark || left() === 0, 120_000);
      await faults[kind](worker);
    }
    const ended = await Promise.all(runs.map((run) => stack.finished(run, 240_000)));
    for (const run of ended) assert.ok(run.status === 'completed' || run.incomplete_details?.reason === 'agent_budget' || run.status === 'failed', JSON.stringify(run));
    const failed = ended.filter((run) => run.status === 'failed');
    assert.ok(failed.every((run) => /given up/.test(run.last_error.message)), 'but for runs whose workers were killed three times');
    const budget = await get(stack, `agent/${assistant.id}`);
    const stored = stack.sql('SELECT sum(prompt_tokens + completion_tokens)::int AS tokens, sum(cost_micros)::int AS micros FROM runs')[0];
    assert.deepEqual([budget.spent_tokens, budget.spent_cost_micros], [stored.tokens, stored.micros], 'what runs have is what is counted, once');
    const steps = stack.sql(`SELECT run_id, seq, (usage ->> 'total_tokens')::int AS tokens, cost_micros FROM run_steps WHERE usage IS NOT NULL`);
    assert.deepEqual([sum(steps.map((step) => step.tokens)), sum(steps.map((step) => step.cost_micros))], [stored.tokens, stored.micros]);
    // Of each step that the provider answered one answer is counted, or none: where its worker died and the run has not come to it again.
    const lines = byStep(stack);
    const once = [...lines.values()].map((list) => list[0]);
    const unstored = lines.size - steps.filter((step) => step.tokens > 0).length;
    assert.ok(unstored >= 0, `${unstored}`);
    const lost = sum(once.map(tokensOf)) - stored.tokens;
    const lostMicros = sum(once.map(microsOf)) - stored.micros;
    assert.ok(unstored === 0 ? lost === 0 && lostMicros === 0 : lost >= 100 * unstored && lost <= 150 * unstored, `${unstored} answers that are not stored, ${lost} tokens, ${lostMicros} micro-dollars`);
    assert.ok(stored.tokens <= 10_000 + 150, `${stored.tokens} tokens: more than one call beyond it`);
    assert.ok(stored.tokens >= 9_500, `${stored.tokens} tokens: nobody was turned away too early`);
  });
});

test('what calls under way hold is known after Redis was wiped', async () => {
  await withStack({ script, config, workers: 2 }, async (stack) => {
    const assistant = await terse(stack);
    await put(stack, 'tenant/self', { max_tokens: 240 });
    const slow = await Promise.all([1, 2].map(() => stack.submit(assistant, 'at length')));
    await until('both are asked', async () => (await stack.llmStats()).in_flight === 2);
    stack.redis('FLUSHALL');
    const late = await stack.submit(assistant, 'hello');
    for (const run of slow) assert.equal((await stack.finished(run)).status, 'completed');
    const { status, incomplete_details } = await stack.finished(late);
    assert.equal((await get(stack, 'tenant/self')).spent_tokens, 220, `nothing was granted that was held: ${status}`);
    assert.equal(incomplete_details?.reason, 'tenant_budget');
  });
});

test('without Redis what is spent decides alone', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await terse(stack);
    const made = await stack.submit(assistant, 'hello');
    await stack.finished(made);
    await put(stack, `thread/${made.thread_id}`, { max_tokens: 230 });
    stack.stopRedis();
    const again = () => stack.ok('POST', `/v1/threads/${made.thread_id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'hello' }] })
      .then((run) => stack.finished(run));
    assert.equal((await again()).status, 'completed');
    assert.equal((await again()).status, 'completed');
    assert.equal((await again()).incomplete_details?.reason, 'thread_budget');
    stack.startRedis();
  });
});

test('lines of a batch count on the budget of whom they name, and vectors are never those of another model', async () => {
  await withStack({ script, config }, async (stack) => {
    for (const user of ['ann', 'bob']) await put(stack, `user/${user}`, { period: 'total', max_tokens: 130, at_limit: 'fallback', fallback_model: 'small' });
    const chat = (user) => ({ model: 'dear', max_completion_tokens: 100, messages: [{ role: 'user', content: 'hello' }], ...user });
    const ask = async (endpoint, body) => {
      const batch = await endedBatch(stack, (await createBatch(stack, [lineOf('x', endpoint, body)], endpoint)).id);
      return (await answers(stack, batch)).get('x').response;
    };
    assert.equal((await ask('/v1/chat/completions', chat({ user: 'bob' }))).body.model, 'openai/dear-1');
    assert.equal((await ask('/v1/chat/completions', chat({ safety_identifier: 'ann' }))).body.model, 'openai/dear-1');
    for (const user of ['ann', 'bob']) assert.equal((await get(stack, `user/${user}`)).spent_tokens, 100);
    assert.equal((await ask('/v1/chat/completions', chat({ user: 'bob' }))).body.model, 'openai/small');
    const refused = await ask('/v1/embeddings', { model: 'openai/text-embedding-3-small', input: 'one two three '.repeat(20), user: 'ann' });
    assert.deepEqual([refused.status_code, refused.body.error?.code], [429, 'insufficient_quota'], JSON.stringify(refused));
    assert.match(refused.body.error.message, /user_budget/);
  });
});

test('a tenant has so many budgets and no more, and changes those that it has', async () => {
  await withStack({ script, config: `${config}scheduler: {tenant_budgets: 2}\n`, workers: 0 }, async (stack) => {
    await put(stack, 'user/a', { max_tokens: 5 });
    await put(stack, 'user/b', { max_tokens: 5 });
    const full = await stack.call('PUT', '/v1/budgets/user/c', { period: 'day', max_tokens: 5 });
    assert.deepEqual([full.status, full.body.error.code], [400, 'budgets_quota_exceeded'], JSON.stringify(full.body));
    assert.match(full.body.error.message, /There are 2 budgets already/);
    assert.equal((await put(stack, 'user/b', { max_tokens: 7 })).max_tokens, 7);
    await put(stack.tenant('other'), 'user/c', { max_tokens: 5 });
    await stack.ok('DELETE', '/v1/budgets/user/a');
    await put(stack, 'user/c', { max_tokens: 5 });
  });
});

test('budgets are kept for what there is, and go with it', async () => {
  await withStack({ script, config, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'helper' });
    const thread = await stack.ok('POST', '/v1/threads', {});
    const other = stack.tenant('other');
    const made = await put(stack, `thread/${thread.id}`, { max_tokens: 5 });
    assert.deepEqual([made.object, made.kind, made.subject, made.at_limit, made.max_cost_micros, made.spent_tokens], ['budget', 'thread', thread.id, 'end', null, 0]);
    const bySlug = await put(stack, 'agent/helper', { max_tokens: 5 });
    assert.equal(bySlug.subject, assistant.id);
    const again = await put(stack, `agent/${assistant.id}`, { period: 'total', max_cost_micros: 7 });
    assert.deepEqual([again.id, again.max_tokens, again.period], [bySlug.id, null, 'total']);
    await put(stack, 'user/a%2Fb', { max_tokens: 5 });
    const tenant = await put(stack, 'tenant/self', { max_tokens: 5 });
    assert.equal((await get(stack, `tenant/${tenant.subject}`)).id, tenant.id);

    const all = await stack.ok('GET', '/v1/budgets?order=asc');
    assert.deepEqual(all.data.map((one) => one.kind), ['thread', 'agent', 'user', 'tenant']);
    const first = await stack.ok('GET', '/v1/budgets?order=asc&limit=1');
    assert.deepEqual([first.data.length, first.has_more], [1, true]);
    const rest = await stack.ok('GET', `/v1/budgets?order=asc&after=${first.last_id}`);
    assert.deepEqual(rest.data.map((one) => one.subject).slice(1), ['a/b', tenant.subject]);
    assert.equal((await stack.ok('GET', '/v1/budgets?kind=user')).data.length, 1);
    assert.equal((await other.ok('GET', '/v1/budgets')).data.length, 0);

    for (const [of, fields, status, param] of [
      ['group/x', { max_tokens: 5 }, 400, 'kind'],
      ['thread/thread_x', { max_tokens: 5 }, 404, null],
      [`thread/thread_${'0'.repeat(32)}`, { max_tokens: 5 }, 404, null],
      ['agent/nobody', { max_tokens: 5 }, 404, null],
      [`tenant/tenant_${'0'.repeat(32)}`, { max_tokens: 5 }, 404, null],
      ['tenant/self', {}, 400, null],
      ['tenant/self', { max_tokens: 0 }, 400, 'max_tokens'],
      ['tenant/self', { max_tokens: 5, period: 'week' }, 400, 'period'],
      ['tenant/self', { max_tokens: 5, at_limit: 'fallback' }, 400, 'fallback_model'],
      ['tenant/self', { max_tokens: 5, at_limit: 'fallback', fallback_model: 'nowhere/x' }, 400, 'fallback_model'],
    ]) {
      const refused = await stack.call('PUT', `/v1/budgets/${of}`, { period: 'day', ...fields });
      assert.deepEqual([refused.status, refused.body.error?.param ?? null], [status, param], JSON.stringify([of, fields, refused.body]));
    }
    assert.equal((await other.call('GET', `/v1/budgets/thread/${thread.id}`)).status, 404);
    assert.equal((await other.call('PUT', `/v1/budgets/thread/${thread.id}`, { period: 'day', max_tokens: 5 })).status, 404);
    assert.equal((await stack.ok('DELETE', '/v1/budgets/tenant/self')).deleted, true);
    assert.equal((await stack.call('DELETE', '/v1/budgets/tenant/self')).status, 404);
    assert.match((await stack.call('GET', '/v1/budgets/tenant/acme')).body.error.message, /^No tenant found with id 'acme': .* 'self'\.$/);
    await stack.ok('DELETE', `/v1/threads/${thread.id}`);
    assert.equal((await stack.call('GET', `/v1/budgets/thread/${thread.id}`)).status, 404);
    await stack.ok('DELETE', '/v1/users/a%2Fb');
    assert.equal((await stack.call('GET', '/v1/budgets/user/a%2Fb')).status, 404, 'what is known of a user goes with him');
  });
});
