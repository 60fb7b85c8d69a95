// Limits that workers share: of several keys, of a provider's calls at once, of tenants.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, withStack } from '../lib/stack.mjs';

const config = `
providers:
  - {name: two, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: sk-small-1111, api_keys: [sk-large-2222]}
  - {name: bad, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_keys: [sk-bad-3333, sk-good-4444, sk-poor-5555]}
  - {name: busy, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_keys: [sk-busy-7777, sk-idle-8888]}
  - {name: narrow, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: sk-n-6666, concurrent_calls: 3}
`;

const script = `
limits:
  - {key: 'sk-small*', requests_per_minute: 30}
  - {key: 'sk-large*', requests_per_minute: 600}
rules:
  - {name: refused, when: {header: {name: authorization, matches: 'sk-bad'}}, then: {status: 401, body: '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'}}
  - {name: used up, when: {header: {name: authorization, matches: 'sk-poor'}}, then: {status: 429, body: '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}'}}
  - {name: busy, when: {header: {name: authorization, matches: 'sk-busy'}}, then: {status: 429, headers: {retry-after: 600}}}
  - {name: slow, when: {model: 'slow-*'}, then: {text: 'Done.', delay_ms: [100, 200]}}
  - {name: hello, then: {text: 'Hello.'}}
`;

const metrics = async (stack) => (await fetch(`${stack.workers[0].url}/metrics`)).text();
const stats = async (stack) => (await fetch(`${stack.llmUrl}/rehearsal/stats`)).json();

async function runAll(stack, assistant, count) {
  const runs = await Promise.all(Array.from({ length: count }, (_, i) => stack.submit(assistant, `hello ${i}`)));
  const ended = await Promise.all(runs.map((run) => stack.finished(run, 120000)));
  assert.deepEqual([...new Set(ended.map((run) => run.status))], ['completed'], JSON.stringify(ended.find((run) => run.last_error)?.last_error));
  return ended;
}

test('of two keys the one is used that has room', async () => {
  await withStack({ script, config, workers: 2 }, async (stack) => {
    await runAll(stack, await stack.assistant({ model: 'two/m-1' }), 4); // so the workers know the limits
    await runAll(stack, await stack.assistant({ model: 'two/m-1' }), 60);
    const keys = Object.fromEntries((await stats(stack)).keys.map((one) => [one.key.slice(-4), one]));
    assert.ok(keys['2222'].requests > 2 * keys['1111'].requests, JSON.stringify(keys));
    assert.ok(keys['1111'].requests >= 2, JSON.stringify(keys));
    assert.ok(keys['1111'].limited + keys['2222'].limited <= 6, JSON.stringify(keys));
    assert.ok(Number(/^penstock_worker_limits_asked_total (\d+)$/m.exec(await metrics(stack))[1]) > 0);
    assert.match(await metrics(stack), /^penstock_worker_limits_own_total 0$/m);
  });
});

test('a key that is refused or used up is left out, and no run fails for it', async () => {
  await withStack({ script, config, workers: 1 }, async (stack) => {
    await runAll(stack, await stack.assistant({ model: 'bad/m-1' }), 30);
    const rules = (await stats(stack)).rules;
    assert.ok(rules.refused >= 1 && rules.refused <= 20 && rules['used up'] >= 1 && rules['used up'] <= 20, JSON.stringify(rules));
    const log = stack.workers[0].log();
    assert.match(log, /a key of a provider is left out/);
    assert.doesNotMatch(log, /sk-bad|sk-poor|sk-good/);
  });
});

test('a key that has met its limit is held back, and the call made with another one at once', async () => {
  await withStack({ script, config, workers: 1 }, async (stack) => {
    const assistant = await stack.assistant({ model: 'busy/m-1' });
    const ended = await runAll(stack, assistant, 20);
    ended.push(...await runAll(stack, assistant, 20));
    const { rules } = await stats(stack);
    assert.ok(rules.busy >= 1 && rules.busy <= 20, `${rules.busy} refused, ${rules.hello} answered`);
    assert.equal(rules.hello, 40);
    const steps = await stack.ok('GET', `/v1/threads/${ended[0].thread_id}/runs/${ended[0].id}/steps`);
    assert.deepEqual(steps.data[0].tried, [], 'it was no failure of the model');
    assert.match(await metrics(stack), /^penstock_worker_runs_handed_back_total 0$/m);
  });
});

test('a provider has no more calls at once than it may, over workers and models', async () => {
  await withStack({ script, config, workers: 2 }, async (stack) => {
    const assistants = await Promise.all([1, 2].map((n) => stack.assistant({ model: `narrow/slow-${n}` })));
    const all = Promise.all(assistants.map((assistant) => runAll(stack, assistant, 20)));
    await all;
    const { peak_in_flight: peak } = await stats(stack);
    assert.ok(peak <= 3, `${peak} calls at once`);
    assert.ok(peak >= 2, 'and it used what it may');
  });
});

test('tenants stay within their limits and nobody else waits for them', async () => {
  await withStack({ script, config, workers: 2 }, async (stack) => {
    const limited = { first: stack.tenant('first'), second: stack.tenant('second') };
    stack.command('tenants', 'set', 'first', '--requests-per-minute', '60');
    stack.command('tenants', 'set', 'second', '--tokens-per-minute', '1200');
    assert.match(stack.command('tenants', 'list'), /first .* 60 +none/);
    const began = Date.now();
    for (const [name, tenant] of Object.entries(limited)) {
      const assistant = await tenant.assistant({ model: `openai/${name}`, tools: [] });
      await Promise.all(Array.from({ length: 40 }, (_, i) => tenant.submit(assistant, `hello ${i}`)));
    }
    const free = await stack.assistant({ model: 'openai/free', tools: [] });
    const since = Date.now();
    await runAll(stack, free, 40);
    const took = Date.now() - since;
    await sleep(3000);
    const lines = stack.ledger();
    const seconds = (Date.now() - began) / 1000;
    const of = (name) => lines.filter((line) => line.model === name);
    assert.ok(of('first').length <= 10 + seconds + 2, `${of('first').length} calls in ${seconds} s`);
    assert.ok(of('first').length >= 10, `${of('first').length} calls`);
    const tokens = of('second').reduce((sum, line) => sum + line.usage.prompt_tokens + line.usage.completion_tokens, 0);
    assert.ok(tokens <= 200 + 20 * seconds + 100, `${tokens} tokens in ${seconds} s`);
    assert.ok(tokens > 0);
    const waiting = await limited.first.ok('GET', '/v1/assistants');
    assert.equal(waiting.data.length, 1);
    assert.ok(stack.sql(`SELECT count(*) FROM runs WHERE wait_kind = 'rate_limit'`)[0].count > 20, 'they wait in the queue, not in slots');
    assert.ok(took < 20000, `${took} ms for those who have no limit`);
    stack.command('tenants', 'set', 'first', '--requests-per-minute', 'none');
  });
});
