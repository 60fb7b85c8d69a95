// What a run may spend.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: long, when: {user: '^long'}, then: {text: 'one two three', finish_reason: length}}
  - name: cheap
    when: {model: small}
    then: {text: 'The small one says it.', usage: {prompt_tokens: 100, completion_tokens: 10}}
  - name: loop
    when: {user: '^loop'}
    then: {calls: [{name: calculator, arguments: {expression: '6*7'}}], usage: {prompt_tokens: 100, completion_tokens: 20}}
  - {name: hello, then: {text: 'Hello.'}}
`;

const config = `
models:
  - {name: dear, provider: openai, model: dear-1, input_price: 10000000, output_price: 100000000}
  - {name: small, provider: openai, model: small, input_price: 1000000, output_price: 1000000}
`;

const spent = (run) => run.usage.total_tokens;
const asked = (stack) => stack.ledger().map((line) => JSON.parse(line.request)).map((body) => body.max_completion_tokens ?? body.max_tokens);

test('a run ends before the call that is beyond its budget', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ budget: { max_tokens: 1000 } });
    assert.deepEqual(assistant.budget, { max_tokens: 1000 });
    const loop = await stack.finished(await stack.submit(assistant, 'loop'));
    assert.deepEqual([loop.status, loop.incomplete_details.reason], ['incomplete', 'run_budget']);
    assert.ok(spent(loop) <= 1000 && spent(loop) >= 600, JSON.stringify(loop.usage));
    assert.equal(spent(loop), stack.ledger().reduce((sum, line) => sum + line.usage.prompt_tokens + line.usage.completion_tokens, 0));
    const limits = asked(stack);
    assert.ok(limits.every((limit, i) => limit > 0 && limit < 1000 - 120 * i), `the answers are bounded by what is left: ${limits}`);
    assert.deepEqual(loop.budget, { max_tokens: 1000 });

    const dear = await stack.assistant({ model: 'dear', budget: { max_cost_micros: 13_000 } });
    const costly = await stack.finished(await stack.submit(dear, 'loop'));
    assert.deepEqual([costly.status, costly.incomplete_details.reason], ['incomplete', 'run_budget']);
    assert.ok(costly.cost_micros <= 13_000 && costly.cost_micros >= 9_000, `${costly.cost_micros}`);

    const less = await stack.finished(await stack.submit(assistant, 'loop', { budget: { max_tokens: 300 } }));
    assert.equal(less.incomplete_details.reason, 'run_budget');
    assert.ok(spent(less) <= 300, JSON.stringify(less.usage));
    const well = await stack.finished(await stack.submit(assistant, 'hello'));
    assert.equal(well.status, 'completed');
  });
});

test('an answer that a budget cuts says so', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], instructions: 'x' });
    const cut = await stack.finished(await stack.submit(assistant, 'long', { budget: { max_tokens: 60 } }));
    assert.deepEqual([cut.status, cut.incomplete_details.reason], ['incomplete', 'run_budget']);
    assert.equal(await stack.answer(cut), 'one two three');
    const own = await stack.finished(await stack.submit(assistant, 'long', { max_output_tokens: 20, budget: { max_tokens: 1000 } }));
    assert.equal(own.incomplete_details.reason, 'max_completion_tokens', 'it was not the budget that cut it');
    const [limit, said] = asked(stack);
    assert.ok(limit >= 16 && limit < 60, `${limit}`);
    assert.equal(said, 20);
  });
});

test('from its limit on a run may ask a cheaper model', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant({ model: 'dear', max_output_tokens: 100, budget: { max_cost_micros: 40_000, at_limit: 'fallback', fallback_model: 'small' } });
    const run = await stack.finished(await stack.submit(assistant, 'loop'));
    assert.equal(run.status, 'completed');
    assert.equal(await stack.answer(run), 'The small one says it.');
    const models = stack.ledger().map((line) => line.model);
    assert.deepEqual([...new Set(models)], ['dear-1', 'small']);
    assert.equal(models.filter((model) => model === 'small').length, 1);
    assert.ok(run.cost_micros <= 40_000 + 110, `${run.cost_micros}`);
    const steps = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data;
    assert.equal(steps.at(-1).model, 'openai/small');
    assert.equal(steps.reduce((sum, step) => sum + (step.cost_micros ?? 0), 0), run.cost_micros);
  });
});

test('a single call may have so many tokens', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], max_tokens_per_request: 1000 });
    await stack.finished(await stack.submit(assistant, 'hello'));
    const [limit] = asked(stack);
    assert.ok(limit > 900 && limit < 1000, `what is left by what it reads: ${limit}`);
    const long = await stack.finished(await stack.submit(assistant, 'hello '.repeat(1200)));
    assert.deepEqual([long.status, long.incomplete_details.reason], ['incomplete', 'max_tokens_per_request']);
    assert.equal(stack.ledger().length, 1, 'no call was made');
    const raised = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, max_tokens_per_request: 1001 });
    assert.deepEqual([raised.status, raised.body.error.code, raised.body.error.param], [400, 'budget_not_permitted', 'max_tokens_per_request']);
  });
});

test('a budget that says nothing, or more than the agent, is refused', async () => {
  await withStack({ script, config, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant({ budget: { max_tokens: 1000 } });
    for (const [budget, code, param] of [
      [{}, 'invalid_value', 'budget'],
      [{ max_tokens: 1001 }, 'budget_not_permitted', 'budget.max_tokens'],
      [{ max_tokens: 10, at_limit: 'fallback', fallback_model: 'small' }, 'budget_not_permitted', 'budget.at_limit'],
      [{ max_tokens: 10, at_limit: 'park' }, 'invalid_value', 'budget.at_limit'],
      [{ max_tokens: 10, at_limit: 'fallback' }, 'missing_required_parameter', 'budget.fallback_model'],
      [{ max_tokens: 10, fallback_model: 'small' }, 'invalid_value', 'budget.fallback_model'],
      [{ max_tokens: 10, at_limit: 'fallback', fallback_model: 'nowhere/x' }, 'model_not_found', 'budget.fallback_model'],
    ]) {
      const refused = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, budget });
      assert.deepEqual([refused.status, refused.body.error?.code, refused.body.error?.param], [400, code, param], JSON.stringify([budget, refused.body]));
    }
  });
});
