// Budgets of calls without a run: POST /v1/chat/completions and /v1/embeddings count on those of their tenant and user, and are held back by them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const base = '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}';
const config = `
scheduler: {gateway_wait_ms: 20000}
providers:
  - {name: brief, kind: openai_chat, base_url: '${base}', api_key: sk-b, total_timeout_ms: 5000}
models:
  - {name: dear, provider: openai, model: dear-1, input_price: 3000000, output_price: 7000000}
  - {name: small, provider: openai, model: small, input_price: 1000000, output_price: 1000000}
  - {name: short, provider: brief, model: dear-1, input_price: 3000000, output_price: 7000000}
`;

const script = `
rules:
  - {name: small, when: {model: small}, then: {text: 'The small one says it.', usage: {prompt_tokens: 50, completion_tokens: 10}}}
  - {name: long, when: {user: '^long'}, then: {text: 'one two three', finish_reason: length, usage: {prompt_tokens: 10, completion_tokens: 3}}}
  - {name: stall, when: {user: '^stall'}, then: {stall: true}}
  - {name: half, when: {user: '^half'}, then: {text: 'one two three four five six', chunk_tokens: 1, stall_after: 3, usage: {prompt_tokens: 60, completion_tokens: 40}}}
  - {name: overloaded, when: {user: '^overloaded'}, then: {status: 503, body: '{}'}}
  - {name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: [20, 200], usage: {prompt_tokens: 60, completion_tokens: 40}}}
  - {name: hello, then: {text: 'Hello.', usage: {prompt_tokens: 60, completion_tokens: 40}}}
`;

const options = { script, config, workers: 0, llmArgs: ['--bodies'] };
const say = (content, fields = {}) => ({ model: 'dear', max_completion_tokens: 100, messages: [{ role: 'user', content }], ...fields });

/** A completion, once the provider has noted it in its ledger, which it does after its answer. */
async function complete(stack, content, fields) {
  const reply = await stack.call('POST', '/v1/chat/completions', say(content, fields));
  await stack.llmStats();
  return reply;
}

const put = (stack, of, fields) => stack.ok('PUT', `/v1/budgets/${of}`, { period: 'day', ...fields });
const get = (stack, of) => stack.ok('GET', `/v1/budgets/${of}`);
const spent = async (stack, of) => {
  const { spent_tokens, spent_cost_micros } = await get(stack, of);
  return [spent_tokens, spent_cost_micros];
};
const sum = (list) => list.reduce((total, one) => total + one, 0);
const tokensOf = (line) => line.usage.prompt_tokens + line.usage.completion_tokens;
const microsOf = (line) => line.usage.prompt_tokens * 3 + line.usage.completion_tokens * 7;
const bounds = (stack) => stack.ledger().filter((line) => line.request).map((line) => JSON.parse(line.request).max_completion_tokens);

/** What Redis knows of calls that hold something of a budget. */
const held = (stack) => {
  const keys = stack.redis('KEYS', 'penstock:budget:*:held').split('\n').filter(Boolean);
  return sum(keys.map((key) => Number(stack.redis('HLEN', key))));
};

const refusal = ({ status, body, headers }) => [status, body.error?.type, body.error?.code, headers.get('x-should-retry')];
const REFUSED = [429, 'insufficient_quota', 'insufficient_quota', 'false'];

test('a call counts on the budgets of its tenant and of its user, and is refused at the limit', async () => {
  await withStack(options, async (stack) => {
    await put(stack, 'tenant/self', { max_tokens: 1_000_000 });
    await put(stack, 'user/ann', { max_tokens: 220 });
    await put(stack, 'user/bob', { max_cost_micros: 1000 });
    assert.equal((await complete(stack, 'hello', { user: 'ann' })).status, 200);
    assert.deepEqual(await spent(stack, 'user/ann'), [100, 460]);
    assert.deepEqual(await spent(stack, 'tenant/self'), [100, 460]);
    assert.equal((await complete(stack, 'hello', { safety_identifier: 'ann' })).status, 200);
    assert.deepEqual(await spent(stack, 'user/ann'), [200, 920], 'she has two names');
    const refused = await complete(stack, 'hello', { user: 'ann', fallbacks: ['small'] });
    assert.deepEqual(refusal(refused), REFUSED, JSON.stringify(refused.body));
    assert.match(refused.body.error.message, /user_budget.*begins anew in [0-9]+ s/);
    const inPieces = await complete(stack, 'hello', { user: 'ann', stream: true });
    assert.deepEqual(refusal(inPieces), REFUSED, 'before a stream begins');
    assert.equal(stack.ledger().length, 2, 'and no model was asked');
    assert.equal((await complete(stack, 'hello', { user: 'bob' })).status, 200);
    assert.deepEqual(await spent(stack, 'user/bob'), [100, 460]);
    assert.equal((await complete(stack, 'hello')).status, 200);
    assert.deepEqual(await spent(stack, 'tenant/self'), [400, 1840]);
    assert.equal(held(stack), 0, 'nothing is held when nothing is under way');

    const embeddings = await stack.ok('POST', '/v1/embeddings', { model: 'openai/text-embedding-3-small', input: ['one', 'two words'], user: 'bob' });
    assert.equal((await get(stack, 'user/bob')).spent_tokens, 100 + embeddings.usage.total_tokens);
    await put(stack, 'user/ann', { max_tokens: 200 });
    const vectors = await stack.call('POST', '/v1/embeddings', { model: 'openai/text-embedding-3-small', input: 'one', user: 'ann' });
    assert.deepEqual(refusal(vectors), REFUSED);
    await put(stack, 'user/ann', { max_tokens: 1000 });
    assert.equal((await complete(stack, 'hello', { user: 'ann' })).status, 200, 'until it is raised');
  });
});

test('at its limit a budget lets another model answer, or nobody: a call can not be parked', async () => {
  await withStack(options, async (stack) => {
    await put(stack, 'user/bob', { max_tokens: 130, at_limit: 'fallback', fallback_model: 'small' });
    await put(stack, 'user/eve', { max_tokens: 130, at_limit: 'park' });
    await put(stack, 'user/joe', { period: 'total', max_tokens: 130, at_limit: 'fallback', fallback_model: 'small' });
    for (const user of ['bob', 'eve', 'joe']) assert.equal((await complete(stack, 'hello', { user })).body.model, 'openai/dear-1');
    const cheap = await complete(stack, 'hello', { user: 'bob', fallbacks: ['dear'] });
    assert.deepEqual([cheap.status, cheap.body.model, cheap.body.choices[0].message.content], [200, 'openai/small', 'The small one says it.']);
    assert.deepEqual(await spent(stack, 'user/bob'), [160, 520], 'what it used is counted, too');
    const parked = await complete(stack, 'hello', { user: 'eve' });
    assert.deepEqual(refusal(parked), REFUSED);
    assert.match(parked.body.error.message, /user_budget/);
    const vectors = await stack.call('POST', '/v1/embeddings', { model: 'openai/text-embedding-3-small', input: 'one two three '.repeat(20), user: 'joe' });
    assert.deepEqual(refusal(vectors), REFUSED, 'vectors of another model would be of no use');
    assert.doesNotMatch(vectors.body.error.message, /anew/, 'it never does');
  });
});

test('an answer is no longer than what is left', async () => {
  await withStack(options, async (stack) => {
    await put(stack, 'user/ann', { max_tokens: 60 });
    const cut = await complete(stack, 'long', { user: 'ann', max_completion_tokens: undefined });
    assert.deepEqual([cut.status, cut.body.choices[0].finish_reason], [200, 'length']);
    const [bound] = bounds(stack);
    assert.ok(bound >= 16 && bound < 60, `${bound}`);
    await complete(stack, 'long', { max_completion_tokens: undefined });
    assert.equal(bounds(stack)[1], undefined, 'where there is no budget nobody bounds it');
  });
});

test('many at once stay within a budget, and what is spent is what the provider counted', async () => {
  await withStack({ ...options, llmArgs: [] }, async (stack) => {
    await put(stack, 'tenant/self', { max_tokens: 2000 });
    const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => complete(stack, `slow ${i}`, { user: `u${i}`, stream: i % 2 === 1 })));
    assert.deepEqual([...new Set(replies.map((reply) => reply.status))].sort(), [200, 429]);
    for (const reply of replies.filter((one) => one.status === 429)) assert.deepEqual(refusal(reply), REFUSED);
    await until('no call is under way', async () => (await stack.llmStats()).in_flight === 0);
    const lines = stack.ledger();
    const tokens = sum(lines.map(tokensOf));
    assert.ok(tokens <= 2000 && tokens >= 1900, `${tokens} tokens: nobody was turned away too early`);
    assert.deepEqual(await spent(stack, 'tenant/self'), [tokens, sum(lines.map(microsOf))]);
    assert.equal(held(stack), 0);
  });
});

test('what a call holds is given back when its client goes away, when it fails, and when its process is killed', async () => {
  await withStack(options, async (stack) => {
    // Room for one call: while it holds that, others wait.
    await put(stack, 'tenant/self', { max_tokens: 150 });
    const headers = { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' };
    for (const [content, fields] of [['stall', {}], ['half', { stream: true }]]) {
      const gone = new AbortController();
      const lost = fetch(`${stack.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(say(content, fields)), signal: gone.signal })
        .then((reply) => reply.text()).catch((error) => error.name);
      await until('it is under way', async () => (await stack.llmStats()).in_flight === 1 && held(stack) === 1);
      const next = complete(stack, 'overloaded');
      gone.abort();
      assert.equal(await lost, 'AbortError');
      assert.equal((await next).status, 503, 'it had its turn');
      await until('nothing is held', () => held(stack) === 0);
    }
    assert.equal((await get(stack, 'tenant/self')).spent_tokens, 0, 'and nobody had said what these cost');

    const killed = fetch(`${stack.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(say('stall', { model: 'short' })) }).catch((error) => error.name);
    await until('it is under way', async () => (await stack.llmStats()).in_flight === 1 && held(stack) === 1);
    const [key] = stack.redis('KEYS', 'penstock:budget:*:until').split('\n');
    const [, until_ms] = stack.redis('ZRANGE', key, '0', '-1', 'WITHSCORES').split('\n');
    const [seconds] = stack.redis('TIME').split('\n');
    assert.ok(Number(until_ms) <= (Number(seconds) + 1) * 1000 + 27_000, 'it may wait for its turn, then its provider has 5 s');
    await stack.scheduler.kill('SIGKILL');
    assert.equal(await killed, 'TypeError');
    await stack.startScheduler();
    // The time is over: seen from Redis, which alone keeps it.
    stack.redis('ZADD', key, '1', stack.redis('ZRANGE', key, '0', '-1').split('\n')[0]);
    assert.equal((await complete(stack, 'hello')).status, 200);
    assert.deepEqual([held(stack), (await get(stack, 'tenant/self')).spent_tokens], [0, 100]);
  });
});

test('where others hold what is left a call waits, and is told so when that takes too long', async () => {
  const short = config.replace('gateway_wait_ms: 20000', 'gateway_wait_ms: 1000');
  await withStack({ ...options, config: short }, async (stack) => {
    await put(stack, 'tenant/self', { max_tokens: 250 });
    await until('Redis knows again what is held', async () => (await complete(stack, 'hello')).status === 200);
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' };
    const stalled = fetch(`${stack.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(say('stall')), signal: gone.signal }).catch((error) => error.name);
    await until('it is under way', () => held(stack) === 1);
    const { status, body, headers: said } = await complete(stack, 'hello');
    assert.deepEqual([status, body.error.code], [429, 'rate_limit_exceeded'], JSON.stringify(body));
    assert.match(body.error.message, /tenant_budget/);
    assert.ok(Number(said.get('retry-after-ms')) > 0);
    gone.abort();
    await stalled;
    await until('nothing is held', () => held(stack) === 0);
    assert.equal((await complete(stack, 'hello')).status, 200);
  });
});

test('without Redis what is spent decides alone, and a budget that can not be read lets nobody through', async () => {
  await withStack(options, async (stack) => {
    await put(stack, 'tenant/self', { max_tokens: 220 });
    stack.stopRedis();
    assert.equal((await complete(stack, 'hello')).status, 200);
    assert.equal((await complete(stack, 'hello')).status, 200);
    assert.deepEqual(refusal(await complete(stack, 'hello')), REFUSED);
    stack.startRedis();
    stack.exec('ALTER TABLE budget_days RENAME TO budget_gone');
    const { status, body } = await complete(stack, 'hello');
    assert.deepEqual([status, body.error.code], [503, 'overloaded']);
    stack.exec('ALTER TABLE budget_gone RENAME TO budget_days');
  });
});
