// Approvals: calls that are made only after somebody allowed them, once, and with the arguments that were allowed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBatch, endedBatch, lineOf } from '../lib/batches.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { masterKey, Shop } from '../lib/shop.mjs';
import { stream } from '../lib/sse.mjs';
import { until, withStack } from '../lib/stack.mjs';
import { WebSocketClient } from '../lib/websocket.mjs';

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
  - name: mixed
    when: {user: mixed}
    steps:
      - calls:
          - {name: ticket_create, arguments: {title: one}}
          - {name: look_up, arguments: {}}
      - text: 'Told: {{tool.1}} | {{tool.2}}'
${[9, 10, 100, 101, 999, 1000].map((amount) => `
  - name: costs ${amount}
    when: {user: 'costs ${amount}$'}
    steps:
      - calls: [{name: ticket_create, arguments: {title: a, amount: ${amount}}}]
      - text: 'Told: {{tool}}'`).join('')}
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

test('of several calls the allowed are made with their arguments, the others told why not, and the rest when it was asked for', async () => {
  await withShop({}, async (stack, shop) => {
    const run = await waiting(stack, undefined, 'two');
    const calls = asked(run);
    assert.deepEqual(calls.map((call) => call.approval.arguments), ['{"title":"first"}', '{"title":"second"}']);
    assert.deepEqual(stack.sql('SELECT state FROM tool_calls ORDER BY call_no').map((row) => row.state), ['open', 'done', 'open']);

    // What does not fit the tool changes nothing.
    for (const args of [{ title: 7 }, {}, { title: 'x', more: 1 }, { title: 'x'.repeat(41) }]) {
      const unfit = await decide(stack, run, 'approve', { tool_call_id: calls[1].id, arguments: args });
      assert.equal(unfit.status, 400, JSON.stringify(unfit.body));
      assert.equal(unfit.body.error.param, 'arguments');
    }
    assert.equal((await decide(stack, run, 'deny', { tool_call_id: calls[1].id, arguments: {} })).status, 400);
    assert.equal((await decide(stack, run, 'approve', {})).status, 400);
    assert.equal((await decide(stack, run, 'approve', { tool_call_id: 'call_none' })).status, 404);
    assert.equal((await decide(stack, { ...run, id: `run_${'0'.repeat(32)}` }, 'approve', { tool_call_id: calls[1].id })).status, 404);
    const pure = (await stepOf(stack, run)).step_details.tool_calls[1].id;
    const unwanted = await decide(stack, run, 'approve', { tool_call_id: pure });
    assert.deepEqual([unwanted.status, unwanted.body.error.code], [400, 'approval_not_wanted']);

    const one = await stack.ok('POST', `/v1/runs/${run.id}/deny`, { tool_call_id: calls[0].id, note: 'We have "one".' });
    assert.equal(one.status, 'requires_action', 'it waits for the other');
    assert.deepEqual(asked(one).map((call) => call.id), [calls[1].id]);
    assert.equal(shop.got.length, 0);
    const two = await stack.ok('POST', `/v1/runs/${run.id}/approve`, { tool_call_id: calls[1].id, arguments: { title: 'changed' } });
    assert.equal(two.status, 'queued');
    const told = await completed(stack, run);
    assert.equal(
      told,
      'Told: Error: this call was denied by a person, and was not made. The reason given: We have "one". | 42 | ' +
        'A person changed the arguments of this call before allowing it. It was made with {"title":"changed"}. The result:\n{"created":"changed"}',
    );
    assert.deepEqual(titles(shop), ['changed']);
    const step = await stepOf(stack, run);
    assert.deepEqual(step.step_details.tool_calls.map((call) => call.approval?.decision), ['denied', undefined, 'approved']);
    assert.deepEqual(step.step_details.tool_calls.map((call) => call.function.output !== null), [true, true, true]);
    assert.equal(step.step_details.tool_calls[2].approval.arguments_before, '{"title":"second"}');
    assert.equal(step.step_details.tool_calls[2].function.arguments, '{"title":"changed"}');
    assert.equal(step.step_details.tool_calls[1].function.output, '42');
    // The model's own words stay in the thread; what it was told of each call stands behind them, in their order.
    const sent = JSON.parse((await stack.lastCall()).request).messages.slice(-4);
    assert.deepEqual(sent.map((message) => message.role), ['assistant', 'tool', 'tool', 'tool']);
    assert.equal(sent[0].tool_calls[2].function.arguments, '{"title":"second"}');
    const metrics = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    assert.match(metrics, /penstock_worker_approvals_total\{decision="asked"\} 2\n/);
    assert.match(metrics, /penstock_worker_approvals_total\{decision="approved"\} 1\n/);
    assert.match(metrics, /penstock_worker_approvals_total\{decision="denied"\} 1\n/);
  });
});

test('arguments that do not fit are told to the model, and nobody is asked', async () => {
  await withShop({}, async (stack, shop) => {
    const ended = await stack.finished(await stack.submit(await stack.assistant({ tools: [needs()] }), 'unfit'));
    assert.equal(ended.status, 'completed', JSON.stringify(ended.required_action));
    assert.match(await stack.answer(ended), /^Told: Error: .*title/);
    assert.equal(shop.got.length, 0);
  });
});

test('what a client answers is no approval, unless it says so word for word', async () => {
  await withShop({}, async (stack, shop) => {
    const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
    const run = await waiting(stack, [needs(), { type: 'calculator' }, weather], 'beside');
    const [fn, approval] = asked(run);
    assert.deepEqual([fn.function.name, approval.function.name], ['get_weather', 'approve_tool_call']);
    const sunny = { tool_call_id: fn.id, output: 'sunny' };
    const outputs = ['', 'ok', 'true', 'approved', 'null', '[true]', '{}', '{"approve":"true"}', '{"approve":1}', '{"approve":null}', '{"approved":true}', '{"approve":true,"arguments":{}}', '{"approve":true,"note":7}', '{"approve":true} yes', `{"approve":true,"note":"${'x'.repeat(2001)}"}`, 'Error: there is no function approve_tool_call'];
    for (const output of outputs) {
      const reply = await submit(stack, run, [sunny, { tool_call_id: approval.id, output }]);
      assert.equal(reply.status, 400, output);
      assert.match(reply.body.error.message, /approve_tool_call is \{"approve": true\}/);
    }
    assert.equal((await submit(stack, run, [{ tool_call_id: approval.id, output: '{"approve":true}' }])).status, 400, 'the function is still to be answered');
    assert.deepEqual(stack.sql('SELECT state FROM tool_calls ORDER BY call_no').map((row) => row.state), ['open', 'open', 'done']);

    // Functions may be answered while the approval waits.
    const first = await submit(stack, run, [sunny]);
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.equal(first.body.status, 'requires_action');
    assert.deepEqual(asked(first.body).map((call) => call.id), [approval.id]);
    assert.equal((await submit(stack, run, [sunny])).status, 200, 'the same again');
    const allow = [{ tool_call_id: approval.id, output: '{"approve": true, "note": "by the app"}' }];
    const given = await submit(stack, run, allow);
    assert.equal(given.status, 200, JSON.stringify(given.body));
    assert.equal(given.body.status, 'queued');
    assert.equal(await completed(stack, run), 'Told: sunny | {"created":"one"} | 42');
    assert.deepEqual(titles(shop), ['one']);
    assert.equal((await submit(stack, run, allow)).status, 200, 'the same again');
    assert.equal((await submit(stack, run, [{ ...allow[0], output: '{"approve":false}' }])).status, 400);
    const [, made] = (await stepOf(stack, run)).step_details.tool_calls;
    assert.deepEqual([made.approval.decision, made.approval.note], ['approved', 'by the app']);

    // A function of the client that is named like one is none.
    const denied = await waiting(stack, [needs(), { type: 'calculator' }, weather], 'beside');
    const both = asked(denied).map((call) => ({ tool_call_id: call.id, output: '{"approve":false,"note":"no"}' }));
    assert.equal((await submit(stack, denied, both)).status, 200);
    assert.equal(await completed(stack, denied), 'Told: {"approve":false,"note":"no"} | Error: this call was denied by a person, and was not made. The reason given: no | 42');
  });
});

test('two approvers at once: one wins, whatever they say', async () => {
  await withShop({}, async (stack, shop) => {
    for (let round = 0; round < 5; round++) {
      const run = await waiting(stack);
      const id = asked(run)[0].id;
      const said = [['approve', { user: 'ann' }], ['approve', { user: 'bob' }], ['deny', { user: 'cid' }], ['approve', { user: 'dan', arguments: { title: 'dans' } }]];
      const replies = await Promise.all(said.map(([how, body]) => decide(stack, run, how, { tool_call_id: id, ...body })));
      assert.deepEqual(replies.map((reply) => reply.status).sort(), [200, 409, 409, 409]);
      const winner = replies.findIndex((reply) => reply.status === 200);
      await completed(stack, run);
      const [call] = (await stepOf(stack, run)).step_details.tool_calls;
      assert.equal(call.approval.user, said[winner][1].user);
      assert.deepEqual(titles(shop).splice(0), winner === 2 ? [] : [winner === 3 ? 'dans' : 'one']);
      shop.got.length = 0;
    }
  });
});

test('nobody decides in time: the call is not made, the model is told, and who comes later, too', async () => {
  await withShop({}, async (stack, shop) => {
    const run = await waiting(stack, [needs({ approval_timeout: 1 })]);
    await until('the time is over', async () => (await stack.run(run)).status !== 'requires_action');
    assert.equal(await completed(stack, run), 'Told: Error: nobody allowed this call in time. It was not made.');
    const [call] = (await stepOf(stack, run)).step_details.tool_calls;
    assert.equal(call.approval.decision, 'expired');
    assert.equal(call.approval.by, undefined, 'no person said so');
    const late = await decide(stack, run, 'approve', { tool_call_id: asked(run)[0].id });
    assert.deepEqual([late.status, late.body.error.code], [410, 'approval_expired']);
    assert.deepEqual(stack.sql('SELECT is_error FROM tool_calls'), [{ is_error: true }]);
    assert.equal(shop.got.length, 0);
  });
});

test('a run that waits is cancelled, expires and is asked about anew, and its thread goes on', async () => {
  await withShop({}, async (stack, shop) => {
    const runs = [await waiting(stack), await waiting(stack)];
    const ids = runs.map((run) => asked(run)[0].id);
    assert.equal((await stack.ok('POST', `/v1/runs/${runs[0].id}/cancel`)).status, 'cancelled');
    const late = await decide(stack, runs[0], 'approve', { tool_call_id: ids[0] });
    assert.deepEqual([late.status, late.body.error.code], [400, 'approval_not_wanted']);
    stack.exec(`UPDATE runs SET expires_at = now() WHERE status = 'requires_action'`);
    const expired = await until('expired', async () => {
      const run = await stack.run(runs[1]);
      return run.status === 'expired' && run;
    });
    assert.deepEqual(expired.last_error, { code: 'wait_expired', message: 'The run expired while it waited for an approval.' });
    await stack.ok('POST', `/v1/runs/${runs[1].id}/redrive`);
    const again = await until('it waits again', async () => {
      const run = await stack.run(runs[1]);
      return run.status === 'requires_action' && run;
    });
    assert.equal(asked(again)[0].id, ids[1]);
    assert.ok(asked(again)[0].approval.expires_at > Date.now() / 1000 + 43000);
    await decide(stack, again, 'approve', { tool_call_id: ids[1] });
    assert.equal(await completed(stack, again), 'Told: {"created":"one"}');
    assert.deepEqual(titles(shop), ['one']);
    // The next run of the cancelled one's thread sees that nothing came of the call.
    const next = await stack.ok('POST', `/v1/threads/${runs[0].thread_id}/runs`, { assistant_id: runs[0].assistant_id, additional_messages: [{ role: 'user', content: 'go' }] });
    assert.equal((await stack.finished(next)).status, 'requires_action');
    assert.deepEqual(titles(shop), ['one']);
  });
});

test('which calls need one follows from their arguments, and what is in doubt needs one', async () => {
  await withShop({}, async (stack, shop) => {
    const free = { never: { arguments: [{ path: '/amount', max: 100 }] } };
    const dear = { always: { arguments: [{ path: '/amount', min: 1000 }, { path: '/title', one_of: ['a', 'b'] }] } };
    const cases = [
      [free, 'costs 100', 'completed'],
      [free, 'costs 101', 'requires_action'],
      [free, 'go', 'requires_action'], // no amount is said
      [dear, 'costs 999', 'completed'],
      [dear, 'costs 1000', 'requires_action'],
      [dear, 'go', 'completed'], // its title is another one
      [{ always: { tool_names: ['ticket_create'] } }, 'go', 'requires_action'],
      [{ always: { tool_names: ['other'] } }, 'go', 'completed'],
      [{ never: { tool_names: ['ticket_create'] } }, 'go', 'completed'],
      [{ never: { tool_names: ['other'] } }, 'go', 'requires_action'],
      ['never', 'go', 'completed'],
      ['always', 'go', 'requires_action'],
    ];
    for (const [require_approval, prompt, status] of cases) {
      const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [needs({ require_approval })] }), prompt));
      assert.equal(run.status, status, `${JSON.stringify(require_approval)} ${prompt}`);
      assert.deepEqual(run.tools, [needs({ require_approval })], 'the run shows its rule');
    }
    assert.equal(shop.got.length, cases.filter(([, , status]) => status === 'completed').length);
  });
});

test('nothing takes an approval away, and a run may add some', async () => {
  await withShop({}, async (stack, shop) => {
    const model = 'openai/gpt-4o-mini';
    const refused = async (path, body, code = 'approval_not_permitted') => {
      const reply = await stack.call('POST', path, body);
      assert.deepEqual([reply.status, reply.body.error?.code], [400, code], `${path} ${JSON.stringify(body)}: ${JSON.stringify(reply.body)}`);
    };
    for (const require_approval of ['sometimes', true, {}, { always: {} }, { never: { tool_names: [] } }, { always: { arguments: [{ path: 'amount', max: 1 }] } }, { never: { arguments: [{ path: '/a' }] } }, { never: { arguments: [{ path: '/a', max: 1, one_of: [1] }] } }, { never: { arguments: [{ path: '/a', one_of: [{}] }] } }, { never: { arguments: [{ path: '/a~2', max: 1 }] } }, { always: { read_only: true } }])
      assert.equal((await stack.call('POST', '/v1/assistants', { model, tools: [{ type: 'calculator', require_approval }] })).status, 400, JSON.stringify(require_approval));
    assert.equal((await stack.call('POST', '/v1/assistants', { model, tools: [{ type: 'calculator', approval_timeout: 0 }] })).status, 400);
    assert.equal((await stack.call('POST', '/v1/assistants', { model, tools: [{ type: 'function', function: { name: 'f' }, require_approval: 'always' }] })).status, 400);
    assert.equal((await stack.call('POST', '/v1/assistants', { model, tools: [{ type: 'calculator', run_require_approval: 'always' }] })).status, 400);

    const rule = { always: { arguments: [{ path: '/amount', min: 10 }] } };
    const strict = await stack.assistant({ name: 'strict', slug: 'strict', tools: [needs({ approval_timeout: 600 })] });
    const open = await stack.assistant({ name: 'open', tools: [needs()], tool_policy: 'open' });
    const some = await stack.assistant({ name: 'some', tools: [needs({ require_approval: rule })] });
    const none = await stack.assistant({ name: 'none', tools: [{ type: 'ticket_create' }, { type: 'calculator' }] });
    const thread = { messages: [{ role: 'user', content: 'go' }] };
    const less = [[strict, needs({ require_approval: 'never' })], [strict, needs({ require_approval: rule })], [strict, needs({ approval_timeout: 601 })], [open, needs({ require_approval: 'never' })], [open, needs({ approval_timeout: 43201 })], [some, needs({ require_approval: 'never' })]];
    const { id } = await stack.ok('POST', '/v1/threads', {});
    for (const [agent, tool] of less) {
      await refused('/v1/threads/runs', { assistant_id: agent.id, thread, tools: [tool] });
      await refused('/v1/threads/runs', { assistant_id: agent.id, thread, tools: [tool], tool_choice: { type: 'ticket_create' } });
      await refused(`/v1/threads/${id}/runs`, { assistant_id: agent.id, tools: [tool] });
      await refused(`/v1/assistants/${agent.id}/run`, { input: 'go', tools: [tool] });
      await refused('/v1/schedules', { assistant_id: agent.id, every: '1h', input: 'go', tools: [tool] });
    }
    await refused('/v1/threads/runs', { assistant_id: strict.id, thread, tools: [{ type: 'ticket_create', run_require_approval: 'never' }] }, 'unknown_parameter');
    const line = (custom_id, agent, more) => lineOf(custom_id, '/v1/threads/runs', { assistant_id: agent.id, thread, ...more });
    const batch = await createBatch(stack, less.map(([agent, tool], i) => line(`l${i}`, agent, { tools: [tool] })), '/v1/threads/runs');
    assert.deepEqual((await endedBatch(stack, batch.id)).request_counts, { total: less.length, completed: 0, failed: less.length });
    writeFileSync(join(stack.dir, 'less.yaml'), `schedules:\n  - {name: hourly, assistant: strict, every: 1h, input: go, tools: [{type: ticket_create, require_approval: never}]}\n`);
    assert.notEqual(spawnSync(join(stack.bin, 'penstock'), ['apply', '-y', '-f', join(stack.dir, 'less.yaml')], { env: { ...process.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key } }).status, 0);

    // What is not said of approvals stays as the agent has it, whatever else a request says of its tools.
    for (const [agent, more] of [[strict, {}], [strict, { tools: [{ type: 'ticket_create' }] }], [strict, { tool_choice: { type: 'ticket_create' } }], [open, { tools: [{ type: 'ticket_create' }] }], [strict, { tools: [needs({ approval_timeout: 60 })] }], [none, { tools: [needs()] }], [none, { tools: [needs({ require_approval: { never: { arguments: [{ path: '/amount', max: 5 }] } } })] }], [some, { tools: [needs({ require_approval: { always: { arguments: [{ path: '/title', one_of: ['one'] }] } } })] }]]) {
      const run = await stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: agent.id, thread, ...more }));
      assert.equal(run.status, 'requires_action', `${agent.name} ${JSON.stringify(more)}`);
    }
    assert.equal(shop.got.length, 0);
    // Of a rule of the agent's and one of the run's either is enough.
    const both = { tools: [needs({ require_approval: { always: { arguments: [{ path: '/title', one_of: ['zzz'] }] } } })] };
    for (const [prompt, status] of [['costs 10', 'requires_action'], ['costs 9', 'completed']])
      assert.equal((await stack.finished(await stack.submit(some, prompt, both))).status, status);

    // Another tenant decides of nothing, and a ticket is no key.
    const run = await waiting(stack);
    const stranger = stack.tenant('stranger');
    assert.equal((await stranger.call('POST', `/v1/runs/${run.id}/approve`, { tool_call_id: asked(run)[0].id })).status, 404);
    const output = { tool_call_id: asked(run)[0].id, output: '{"approve":true}' };
    for (const fields of [{}, { thread_id: run.thread_id }]) {
      const { ticket } = await stack.ok('POST', '/v1/tickets', fields);
      const client = await WebSocketClient.open(stack, `/v1/threads/${run.thread_id}/ws`, { key: false, protocols: ['penstock.v1', `ticket.${ticket}`] });
      await client.hello();
      const reply = await client.ask({ type: 'tool_outputs', run_id: run.id, tool_outputs: [output] });
      assert.equal(reply.type, 'error', JSON.stringify(reply));
      client.destroy();
    }
    const client = await WebSocketClient.open(stack, `/v1/threads/${run.thread_id}/ws`);
    await client.hello();
    assert.equal((await client.ask({ type: 'tool_outputs', run_id: run.id, tool_outputs: [output] })).type, 'ack');
    client.destroy();
    await completed(stack, run);
  });
});

test('whatever dies when, a call is made once at most, and not before it is allowed', async () => {
  // "slow": the server answers when it is released, so the worker dies in the midst of the call.
  await withShop({ config: leases, path: '/slow', env: { PENSTOCK_LOG_LEVEL: 'debug' } }, async (stack, shop) => {
    const replace = async () => {
      await stack.workers.at(-1).kill('SIGKILL');
      await stack.startWorker();
    };
    // Before the run is parked: the calls beside it are under way.
    await stack.ok('POST', '/v1/tools', ticket(shop, '/slow/beside', { name: 'look_up', method: 'GET', body: null, parameters: { type: 'object', properties: {} } }));
    const agent = await stack.assistant({ tools: [needs(), { type: 'look_up' }] });
    const run = await stack.submit(agent, 'mixed');
    await until('the look-up is under way', () => shop.got.length === 1, 30000);
    const early = stack.sql(`SELECT call_id FROM tool_calls WHERE kind = 'approval'`)[0].call_id;
    const notYet = await decide(stack, run, 'approve', { tool_call_id: early });
    assert.deepEqual([notYet.status, notYet.body.error.code], [409, 'approval_not_ready']);
    await replace();
    await until('it is made again', () => shop.got.length === 2, 30000);
    shop.release();
    const parked = await stack.finished(run, 30000);
    assert.equal(parked.status, 'requires_action', JSON.stringify(parked.last_error));
    shop.open = false;
    shop.got.length = 0;
    // While it waits, and after it was allowed, before the call: no worker is there.
    await stack.workers.at(-1).kill('SIGKILL');
    assert.equal((await decide(stack, parked, 'approve', { tool_call_id: early, arguments: { title: 'allowed' } })).status, 200);
    assert.deepEqual(stack.sql(`SELECT state, kind, class FROM tool_calls WHERE call_id = '${early}'`), [{ state: 'approved', kind: null, class: 'once' }]);
    await stack.startWorker();
    await until('the call is under way', () => shop.got.length === 1, 30000);
    assert.deepEqual(titles(shop), ['allowed']);
    // During the call: once is once.
    assert.deepEqual(stack.sql(`SELECT state FROM tool_calls WHERE call_id = '${early}'`), [{ state: 'intent' }]);
    await replace();
    const told = await completed(stack, parked);
    assert.match(told, /whether it took effect is not known/);
    assert.equal(shop.got.length, 1);
    shop.release();
    const step = await stepOf(stack, parked);
    const [made, looked] = step.step_details.tool_calls;
    assert.deepEqual([made.status, made.approval.decision, made.approval.arguments_before, made.function.arguments], ['unknown', 'approved', '{"title":"one"}', '{"title":"allowed"}']);
    assert.ok(looked.function.output.length > 0, 'what was answered before the run was parked is still there');
  });
});

test('who listens is told that it is an approval: webhooks, events, the list of what waits, and the command line', async () => {
  const receiver = await Receiver.start();
  try {
    await withShop({ env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack, shop) => {
      await stack.ok('POST', '/v1/webhooks', { url: receiver.url, events: ['run.requires_action'] });
      const agent = await stack.assistant({ tools: [needs(), { type: 'calculator' }] });
      const made = await stream(stack, '/v1/threads/runs?format=simple', { assistant_id: agent.id, thread: { messages: [{ role: 'user', content: 'two' }] } }, { protocol: null });
      const question = JSON.parse(made.frames.find((frame) => frame.event === 'ask_user').data);
      assert.deepEqual(question.tool_calls.map((call) => [call.function.name, call.approval.tool]), [['approve_tool_call', 'ticket_create'], ['approve_tool_call', 'ticket_create']]);
      const list = (await stack.ok('GET', '/v1/runs?status=requires_action')).data;
      assert.deepEqual(list.map((run) => asked(run).length), [2]);
      const [run] = list;
      await until('the webhook is told', () => receiver.got.length > 0);
      const { data } = receiver.got[0].event;
      assert.deepEqual([data.id, data.status], [run.id, 'requires_action']);
      assert.deepEqual(data.approvals, asked(run).map((call) => ({ tool_call_id: call.id, tool: 'ticket_create', expires_at: call.approval.expires_at })));

      const cli = (...args) => spawnSync(join(stack.bin, 'penstock'), args, { encoding: 'utf8', env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key } });
      assert.match(cli('runs', 'list', '--waiting').stdout, new RegExp(run.id));
      const ids = asked(run).map((call) => call.id);
      const shown = cli('runs', 'show', run.id).stdout;
      for (const id of ids) assert.match(shown, new RegExp(`! approval: waiting \\(${id}\\)`));
      const several = cli('runs', 'approve', run.id);
      assert.notEqual(several.status, 0);
      assert.match(several.stderr, /waits for 2 approvals: name the call/);
      const denied = cli('runs', 'deny', run.id, ids[0], '--note', 'not now');
      assert.equal(denied.stdout, `${run.id} is requires_action\n`, denied.stderr);
      assert.match(cli('runs', 'approve', run.id, '--arguments', '{"title": 7}').stderr, /do not fit the tool/);
      const given = cli('runs', 'approve', run.id, '--user', 'ann', '--note', 'fine', '--arguments', '{"title": "by hand"}');
      assert.equal(given.stdout, `${run.id} is queued\n`, given.stderr);
      await completed(stack, run);
      assert.deepEqual(titles(shop), ['by hand']);
      assert.match(cli('runs', 'show', run.id).stdout, /! approval: approved, by ann, by key_[0-9a-f]+: fine/);
      assert.doesNotMatch(cli('runs', 'list', '--waiting').stdout, new RegExp(run.id));
      assert.match(cli('runs', 'approve', run.id).stderr, /waits for no approval/);
    });
  } finally {
    await receiver.stop();
  }
});

test('a batch, a schedule, a fork and a response wait for approvals as any run does', async () => {
  await withShop({}, async (stack, shop) => {
    const agent = await stack.assistant({ tools: [needs(), { type: 'calculator' }] });
    const waits = async (what, count = 1) => {
      await until(`${what} waits`, () => stack.sql(`SELECT 1 FROM runs WHERE status = 'requires_action'`).length === count);
      return (await stack.ok('GET', '/v1/runs?status=requires_action')).data;
    };
    const allow = (run) => stack.ok('POST', `/v1/runs/${run.id}/approve`, { tool_call_id: asked(run)[0].id });

    const batch = await createBatch(stack, ['go', 'go'].map((content, i) => lineOf(`l${i}`, '/v1/threads/runs', { assistant_id: agent.id, thread: { messages: [{ role: 'user', content }] } })), '/v1/threads/runs');
    for (const run of await waits('the batch', 2)) await allow(run);
    assert.deepEqual((await endedBatch(stack, batch.id)).request_counts, { total: 2, completed: 2, failed: 0 });

    const schedule = await stack.ok('POST', '/v1/schedules', { assistant_id: agent.id, every: '1h', input: 'go' });
    await stack.ok('POST', `/v1/schedules/${schedule.id}/run`);
    const [fired] = await waits('the firing');
    const fork = await stack.ok('POST', `/v1/threads/${fired.thread_id}/fork`, {});
    await allow(fired);
    await completed(stack, fired);
    assert.deepEqual(titles(shop), ['one', 'one', 'one']);
    // What was asked on the thread is not asked on its copy, and is not made by it.
    const next = await stack.finished(await stack.ok('POST', `/v1/threads/${fork.id}/runs`, { assistant_id: agent.id, additional_messages: [{ role: 'user', content: 'two' }] }));
    assert.deepEqual(asked(next).map((call) => call.approval.arguments), ['{"title":"first"}', '{"title":"second"}']);
    assert.equal(shop.got.length, 3);
    await stack.ok('POST', `/v1/runs/${next.id}/cancel`);

    const mcp = { type: 'mcp', server_label: 'penstock', require_approval: 'never' };
    const response = await stack.ok('POST', '/v1/responses', { model: agent.id, input: 'go', background: true, tools: [mcp] });
    const [asking] = await waits('the response');
    assert.equal(asking.id.slice(4), response.id.slice(5));
    const shown = await stack.ok('GET', `/v1/responses/${response.id}`);
    assert.equal(shown.status, 'in_progress');
    assert.deepEqual(shown.tools[0].require_approval, { always: { tool_names: ['ticket_create'] } });
    await allow(asking);
    const done = await until('the response is complete', async () => {
      const now = await stack.ok('GET', `/v1/responses/${response.id}`);
      return now.status === 'completed' && now;
    });
    assert.deepEqual(done.output.map((item) => item.type), ['mcp_call', 'message']);
    const free = await stack.assistant({ name: 'free', tools: [{ type: 'ticket_create' }] });
    const always = { type: 'mcp', server_label: 'penstock', require_approval: 'always' };
    assert.equal((await stack.call('POST', '/v1/responses', { model: free.id, input: 'go', tools: [always] })).status, 400, 'of which tools?');
    await stack.ok('POST', '/v1/responses', { model: free.id, input: 'go', background: true, tools: [{ ...always, allowed_tools: ['ticket_create'] }] });
    await allow((await waits('the stricter response'))[0]);
  });
});
