// Models that are asked when an agent's own can't answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: down, when: {model: down}, then: {status: 500}}
  - {name: unknown, when: {model: gone}, then: {status: 404}}
  - {name: no money, when: {model: poor}, then: {status: 429, body: '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}'}}
  - {name: short, when: {model: limited, times: 1}, then: {status: 429, headers: {retry-after: 1}}}
  - {name: long, when: {model: closed}, then: {status: 429, headers: {retry-after: 3600}}}
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}], usage: {prompt_tokens: 100, completion_tokens: 10}}
      - {text: 'It is {{tool}}, says {{model}}.', usage: {prompt_tokens: 200, completion_tokens: 20}}
`;

const config = `
providers:
  - {name: spare, kind: anthropic, base_url: '\${SPARE_URL:-http://127.0.0.1:1}', api_key: rehearsal}
  - {name: nowhere, kind: openai_chat, base_url: 'http://127.0.0.1:1/v1', api_key: x}
  - {name: keyless, kind: openai_chat, base_url: 'https://api.openai.com/v1'}
models:
  - {name: cheap, provider: spare, model: cheap-1, input_price: 1000000, output_price: 10000000}
`;

async function withSpare(body) {
  await withStack({ bare: true, script, config }, async (stack) => {
    stack.env.SPARE_URL = `${stack.llmUrl}/v1`;
    await stack.startScheduler();
    await stack.startWorker();
    await body(stack, async (spec) => {
      const assistant = await stack.assistant({ tools: [{ type: 'calculator' }], ...spec });
      const ended = await stack.finished(await stack.submit(assistant, 'sum'));
      const steps = (await stack.ok('GET', `/v1/threads/${ended.thread_id}/runs/${ended.id}/steps?order=asc`)).data;
      return { ended, steps };
    });
  });
}

test('the next model answers when the one before can not, and the step tells what was tried', async () => {
  await withSpare(async (stack, ran) => {
    for (const [model, code] of [['openai/down', 'overloaded'], ['openai/gone', 'bad_request'], ['openai/poor', 'quota'], ['nowhere/x', 'overloaded'], ['openai/closed', 'rate_limited'], ['keyless/x', 'auth']]) {
      const { ended, steps } = await ran({ model, fallbacks: ['cheap'] });
      assert.equal(ended.status, 'completed', `${model}: ${JSON.stringify(ended.last_error)}`);
      assert.equal(await stack.answer(ended), 'It is 42, says cheap-1.', model);
      assert.deepEqual(ended.fallbacks, ['cheap']);
      for (const step of steps) {
        assert.deepEqual(step.tried.map((one) => [one.model, one.code]), [[model, code]], model);
        assert.ok(step.tried[0].message.length > 0);
        assert.equal(step.model, 'spare/cheap-1');
      }
      assert.deepEqual([ended.usage.prompt_tokens, ended.usage.completion_tokens, ended.cost_micros], [300, 30, 300 + 300], model);
    }
  });
});

test('a chain is asked in its order; a run may bring its own, or none', async () => {
  await withSpare(async (stack, ran) => {
    const { ended, steps } = await ran({ model: 'openai/down', fallbacks: ['openai/gone', 'nowhere/x', 'cheap'] });
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.deepEqual(steps[0].tried.map((one) => one.model), ['openai/down', 'openai/gone', 'nowhere/x']);

    const assistant = await stack.assistant({ model: 'openai/gone', fallbacks: ['cheap'], tools: [{ type: 'calculator' }] });
    const without = await stack.finished(await stack.submit(assistant, 'sum', { fallbacks: [] }));
    assert.equal(without.status, 'failed');
    const other = await stack.finished(await stack.submit(assistant, 'sum', { fallbacks: ['openai/fine'] }));
    assert.equal(other.status, 'completed');
    assert.equal(await stack.answer(other), 'It is 42, says fine.');

    const wanting = await stack.finished(await stack.submit(assistant, 'sum', { fallbacks: ['openai/poor'] }));
    assert.equal(wanting.status, 'failed');
    assert.match(wanting.last_error.message, /others: openai\/poor: quota/);
  });
});

test('a short limit is waited for, not fled from', async () => {
  await withSpare(async (stack, ran) => {
    const { ended, steps } = await ran({ model: 'openai/limited', fallbacks: ['cheap'] });
    assert.equal(ended.status, 'completed');
    assert.deepEqual(steps.map((step) => [step.model, step.tried]), [['openai/limited', []], ['openai/limited', []]]);
  });
});

test('names that are not served, too many and twice the same are refused, and nothing is made', async () => {
  await withSpare(async (stack) => {
    const before = stack.sql('SELECT count(*) FROM agents')[0].count;
    for (const [fallbacks, param, words] of [
      [['cheap', 'nobody/x'], 'fallbacks[1]', /no such provider/],
      [['cheap', 'cheap'], 'fallbacks', /twice/],
      [[''], 'fallbacks[0]', /name of a model/],
      [[7], 'fallbacks[0]', /string/],
      ['cheap', 'fallbacks', /array/],
      [Array.from({ length: 9 }, (_, i) => `openai/m${i}`), 'fallbacks', /8/],
      [['a b'], 'fallbacks[0]', /blank/],
    ]) {
      const refused = await stack.call('POST', '/v1/assistants', { model: 'cheap', fallbacks });
      assert.equal(refused.status, 400, JSON.stringify(fallbacks));
      assert.equal(refused.body.error.param, param);
      assert.match(refused.body.error.message, words);
    }
    assert.equal(stack.sql('SELECT count(*) FROM agents')[0].count, before);
    const assistant = await stack.assistant({ model: 'cheap' });
    const refused = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, fallbacks: ['nobody/x'] });
    assert.deepEqual([refused.status, refused.body.error.param, refused.body.error.code], [400, 'fallbacks[0]', 'model_not_found']);
  });
});

test('a model that fails again and again is passed over by its breaker, and comes back', async () => {
  await withSpare(async (stack) => {
    const assistant = await stack.assistant({ model: 'openai/down', fallbacks: ['cheap'], tools: [{ type: 'calculator' }] });
    for (let i = 0; i < 8; i++) assert.equal((await stack.finished(await stack.submit(assistant, 'sum'))).status, 'completed');
    const asked = stack.ledger().filter((line) => line.model === 'down').length;
    assert.ok(asked < 12, `${asked} calls of 16 went to the model that fails`);
    assert.match(stack.workers[0].log(), /fails again and again: it is left alone/);
    assert.match(await (await fetch(`${stack.workers[0].url}/metrics`)).text(), /^penstock_worker_models_left_alone 1$/m);
    await until('it is looked at again', async () => {
      await stack.finished(await stack.submit(assistant, 'sum'));
      return stack.ledger().filter((line) => line.model === 'down').length > asked;
    }, 60000);
  });
});
