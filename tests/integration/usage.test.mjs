// What runs use and what it costs: on runs, steps and threads, and by the hour.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
        usage: {prompt_tokens: 1003, completion_tokens: 301, cached_tokens: 402, cache_write_tokens: 101, reasoning_tokens: 55}
      - text: 'It is {{tool}}.'
        usage: {prompt_tokens: 2001, completion_tokens: 17, cached_tokens: 1003}
  - {name: hello, when: {user: '^hello'}, then: {text: 'Hello.', usage: {prompt_tokens: 10, completion_tokens: 3}}}
  - {name: slow, when: {user: '^wait'}, steps: [{calls: [{name: calculator, arguments: {expression: '1'}}], usage: {prompt_tokens: 7, completion_tokens: 3}}, {stall: true}]}
`;

const config = `
models:
  - {name: priced, provider: openai, model: priced-1, input_price: 2500000, cached_input_price: 1250000, cache_write_price: 3125000,
      output_price: 10000000, reasoning_price: 12000000}
  - {name: free, provider: openai, model: free-1}
`;

/** Micro-dollars of a call of `priced`, in whole numbers: products have six digits too many, and a half is rounded up. */
const cost = (fresh, cached, written, said, reasoned) =>
  Number((BigInt(fresh) * 2500000n + BigInt(cached) * 1250000n + BigInt(written) * 3125000n + BigInt(said) * 10000000n + BigInt(reasoned) * 12000000n + 500000n) / 1000000n);

const first = cost(1003 - 402 - 101, 402, 101, 301 - 55, 55);
const second = cost(2001 - 1003, 1003, 0, 17, 0);

const sumUsage = {
  prompt_tokens: 3004,
  completion_tokens: 318,
  total_tokens: 3322,
  prompt_tokens_details: { cached_tokens: 1405, cache_write_tokens: 101 },
  completion_tokens_details: { reasoning_tokens: 55 },
};

test('a run, its steps and its thread tell their tokens and what they cost, to the micro-dollar', async () => {
  await withStack({ script, config }, async (stack) => {
    const priced = await stack.assistant({ model: 'priced', tools: [{ type: 'calculator' }] });
    const run = await stack.submit(priced, 'sum of it');
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.deepEqual(ended.usage, sumUsage);
    assert.equal(ended.cost_micros, first + second);

    const steps = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data;
    assert.deepEqual(steps.map((step) => [step.type, step.model, step.cost_micros]), [
      ['tool_calls', 'openai/priced-1', first],
      ['message_creation', 'openai/priced-1', second],
    ]);
    assert.deepEqual(steps[0].usage.prompt_tokens_details, { cached_tokens: 402, cache_write_tokens: 101 });
    assert.deepEqual(steps[0].usage.completion_tokens_details, { reasoning_tokens: 55 });

    const free = await stack.assistant({ model: 'free' });
    await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'hello' });
    const again = await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: free.id }));
    assert.equal(again.cost_micros, 0);
    const thread = await stack.ok('GET', `/v1/threads/${run.thread_id}`);
    assert.deepEqual(thread.usage, { ...sumUsage, prompt_tokens: 3014, completion_tokens: 321, total_tokens: 3335 });
    assert.equal(thread.cost_micros, ended.cost_micros);

    const hours = () => stack.sql(`SELECT provider, model, sum(calls) AS calls, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,
        sum(cached_tokens) AS cached, sum(cache_write_tokens) AS written, sum(reasoning_tokens) AS reasoning, sum(cost_micros) AS cost
      FROM usage_by_hour GROUP BY provider, model ORDER BY model`).map((row) => Object.values(row).map(String));
    const expected = [
      ['openai', 'free-1', '1', '10', '3', '0', '0', '0', '0'],
      ['openai', 'priced-1', '2', '3004', '318', '1405', '101', '55', String(ended.cost_micros)],
    ];
    assert.deepEqual(hours(), expected);
    await until('the scheduler has folded it', () => stack.sql('SELECT count(*) FROM usage_deltas')[0].count === 0, 60000);
    assert.deepEqual(hours(), expected);
    assert.ok(stack.sql('SELECT count(*) FROM usage_hourly')[0].count >= 2);
  });
});

test('where a provider says what a call cost, that counts', async () => {
  const reply = (stream) => (stream
    ? 'data: {"choices":[{"index":0,"delta":{"content":"Hello."},"finish_reason":"stop"}]}\\n\\ndata: {"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":10,"cost":0.0001234}}\\n\\ndata: [DONE]\\n\\n'
    : '{"choices":[{"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"cost":0.0001234}}');
  for (const stream of [false, true]) {
    const own = `
providers: [{name: openrouter, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: rehearsal, stream: ${stream}}]
models: [{name: routed, provider: openrouter, model: m-1, input_price: 9000000}]
`;
    await withStack({ config: own, script: `rules: [{then: {body: "${reply(stream).replaceAll('"', '\\"')}"}}]` }, async (stack) => {
      const ended = await stack.finished(await stack.submit(await stack.assistant({ model: 'routed', tools: [] }), 'hello'));
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.deepEqual([ended.usage.prompt_tokens, ended.cost_micros], [1000, 123]);
    });
  }
});

test('a run that is cancelled keeps what it has used', async () => {
  await withStack({ script, config }, async (stack) => {
    const priced = await stack.assistant({ model: 'priced', tools: [{ type: 'calculator' }] });
    const run = await stack.submit(priced, 'wait for it');
    await until('the second call is under way', () => stack.sql('SELECT count(*) FROM run_steps')[0].count === 1);
    const now = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}`);
    assert.equal(now.usage, null, 'as OpenAI: of a run that is not ended');
    assert.equal(now.cost_micros, cost(7, 0, 0, 3, 0));
    assert.equal((await stack.ok('GET', `/v1/threads/${run.thread_id}`)).cost_micros, 0, 'of runs that are ended');
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'cancelled');
    assert.deepEqual([ended.usage.prompt_tokens, ended.cost_micros], [7, cost(7, 0, 0, 3, 0)]);
    assert.equal((await stack.ok('GET', `/v1/threads/${run.thread_id}`)).cost_micros, ended.cost_micros);
  });
});
