// Approvals: calls that are made only after somebody allowed them, once, and with the arguments that were allowed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masterKey, Shop } from '../lib/shop.mjs';
import { until, withStack } from '../lib/stack.mjs';

const leases = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';

const ticket = (shop, path = '/tickets', more = {}) => ({
  type: 'http',
  name: 'ticket_create',
  description: 'Creates a ticket.',
  method: 'POST',
  parameters: { type: 'object', properties: { title: { type: 'string', maxLength: 40 }, amount: { type: 'number' } }, required: ['title'], additionalProperties: false },
  url: `${shop.url}${path}`,
  body: { title: '{{title}}', amount: '{{amount}}' },
  ...more,
});

const script = `
rules:
  - name: two
    when: {user: two}
    steps:
      - calls:
          - {name: ticket_create, arguments: {title: first}}
          - {name: calculator, arguments: {expression: '6 * 7'}}
          - {name: ticket_create, arguments: {title: second}}
      - text: 'Told: {{tool.1}} | {{tool.2}} | {{tool.3}}'
  - name: beside a function
    when: {user: beside}
    steps:
      - calls:
          - {name: get_weather, arguments: {city: Rome}}
          - {name: ticket_create, arguments: {title: one}}
          - {name: calculator, arguments: {expression: '6 * 7'}}
      - text: 'Told: {{tool.1}} | {{tool.2}} | {{tool.3}}'
  - name: unfit
    when: {user: unfit}
    steps:
      - calls: [{name: ticket_create, arguments: {name: none}}]
      - text: 'Told: {{tool}}'
  - name: amount
    when: {user: 'costs (\\d+)'}
    steps:
      - calls: [{name: ticket_create, arguments: '{"title": "a", "amount": {{1}}}'}]
      - text: 'Told: {{tool}}'
  - name: one
    steps:
      - calls: [{name: ticket_create, arguments: {title: one}}]
      - text: 'Told: {{tool}}'
`;

const needs = (more = {}) => ({ type: 'ticket_create', require_approval: 'always', ...more });
const titles = (shop) => shop.got.map((got) => JSON.parse(got.body).title);
const asked = (run) => run.required_action.submit_tool_outputs.tool_calls;
const decide = (stack, run, how, body, headers) => stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/${how}`, body, headers);
const submit = (stack, run, outputs) => stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: outputs });

async function withShop(options, body) {
  const shop = await Shop.start((got, response) => response.end(JSON.stringify({ created: JSON.parse(got.body || '{}').title ?? null })));
  try {
    const env = { PENSTOCK_PRIVATE_ADDRESSES: shop.host, PENSTOCK_MASTER_KEY: masterKey(), ...options.env };
    await withStack({ script, llmArgs: ['--bodies'], ...options, env }, async (stack) => {
      await stack.ok('POST', '/v1/tools', ticket(shop, options.path, options.tool));
      await body(stack, shop);
    });
  } finally {
    shop.stop();
  }
}

async function waiting(stack, tools = [needs(), { type: 'calculator' }], prompt = 'go', fields = {}) {
  const run = await stack.finished(await stack.submit(await stack.assistant({ tools, ...fields }), prompt));
  assert.equal(run.status, 'requires_action', JSON.stringify(run.last_error));
  return run;
}

async function stepOf(stack, run) {
  const { data } = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return data.find((step) => step.type === 'tool_calls');
}

async function completed(stack, run) {
  const ended = await stack.finished(run);
  assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
  return stack.answer(ended);
}

test('a call is made when it was allowed, once, and its step says who allowed it', async () => {
  await withShop({}, async (stack, shop) => {
    const run = await waiting(stack);
    const [call] = asked(run);
    assert.equal(asked(run).length, 1);
    assert.equal(call.type, 'function');
    assert.equal(call.function.name, 'approve_tool_call');
    assert.deepEqual(JSON.parse(call.function.arguments), { tool: 'ticket_create', arguments: { title: 'one' } });
    assert.equal(call.approval.tool, 'ticket_create');
    assert.equal(call.approval.arguments, '{"title":"one"}');
    assert.deepEqual(call.approval.parameters.required, ['title']);
    const now = Date.now() / 1000;
    assert.ok(Math.abs(call.approval.expires_at - now - 43200) < 60, `${call.approval.expires_at - now}`);
    assert.deepEqual(stack.sql('SELECT kind, state, class, approval FROM tool_calls'), [{ kind: 'approval', state: 'open', class: 'once', approval: null }]);
    await until('the slot is free', async () => (await stack.busy(stack.workers[0])) === 0);
    const before = await stepOf(stack, run);
    assert.equal(before.status, 'in_progress');
    assert.deepEqual(before.step_details.tool_calls[0].approval, { decision: 'waiting' });
    assert.equal(shop.got.length, 0, 'nothing was made');

    const given = await decide(stack, run, 'approve', { tool_call_id: call.id, note: 'fine', user: 'ann' });
    assert.equal(given.status, 200, JSON.stringify(given.body));
    assert.equal(given.body.status, 'queued');
    assert.equal(given.body.required_action, null);
    assert.equal(await completed(stack, run), 'Told: {"created":"one"}');
    assert.deepEqual(titles(shop), ['one']);
    assert.equal(shop.got[0].key, `${run.id}:1`);
    const step = await stepOf(stack, run);
    assert.equal(step.status, 'completed');
    const [made] = step.step_details.tool_calls;
    assert.equal(made.function.name, 'ticket_create');
    assert.equal(made.function.output, '{"created":"one"}');
    assert.deepEqual({ ...made.approval, at: 0, by: 0 }, { decision: 'approved', at: 0, by: 0, user: 'ann', note: 'fine' });
    assert.match(made.approval.by, /^key_[0-9a-f]{32}$/);
    assert.ok(Math.abs(made.approval.at - now) < 60);

    // The same again is no mistake; anything else is too late.
    const again = await decide(stack, run, 'approve', { tool_call_id: call.id, note: 'fine', user: 'ann' });
    assert.equal(again.status, 200);
    assert.equal(again.body.status, 'completed');
    for (const [how, body] of [['approve', {}], ['approve', { note: 'fine', user: 'bob' }], ['deny', { note: 'fine', user: 'ann' }]]) {
      const other = await decide(stack, run, how, { tool_call_id: call.id, ...body });
      assert.equal(other.status, 409, JSON.stringify(other.body));
      assert.equal(other.body.error.code, 'approval_decided');
      assert.equal(other.headers.get('x-should-retry'), 'false');
    }
    assert.deepEqual(titles(shop), ['one']);
  });
});
