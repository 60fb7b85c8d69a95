// How calls of tools went: told in steps and events, counted by tool and hour, and never counted twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shop } from '../lib/shop.mjs';
import { until, withStack } from '../lib/stack.mjs';

const leases = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';

async function withShop(options, body) {
  const shop = await Shop.start(options.answer);
  try {
    const env = { PENSTOCK_PRIVATE_ADDRESSES: shop.host, ...options.env };
    await withStack({ script: options.script, config: options.config, workers: options.workers, env }, async (stack) => body(stack, shop));
  } finally {
    shop.stop();
  }
}

const declared = (shop, name, more = {}) => ({
  type: 'http',
  name,
  parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  url: `${shop.url}/${name}/{{id}}`,
  ...more,
});

async function stepCalls(stack, run) {
  const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return steps.data.flatMap((step) => step.step_details.tool_calls ?? []);
}

const account = ({ is_error, tries, is_cut, bytes, results }) => ({ is_error, tries, is_cut, bytes, results });

test('a step tells how each of its calls went, whatever the tool is', async () => {
  const script = `
rules:
  - steps:
      - calls:
          - {name: calculator, arguments: {expression: 6 * 7}}
          - {name: calculator, arguments: {expression: '1 +'}}
          - {name: nowhere, arguments: {}}
          - {name: orders, arguments: {id: '7'}}
          - {name: orders, arguments: {id: large}}
          - {name: orders, arguments: {id: none}}
          - {name: http_request, arguments: {method: GET, url: '{{shop}}/orders/huge'}}
          - {name: ask, arguments: {}}
      - text: done
`;
  const busy = new Map();
  const answer = (got, response) => {
    const tries = (busy.get(got.url) ?? 0) + 1;
    busy.set(got.url, tries);
    if (got.url.endsWith('/none')) return response.writeHead(404).end();
    if (got.url.endsWith('/large')) return response.end('x'.repeat(5000));
    if (got.url.endsWith('/huge')) return response.end('x'.repeat(100000));
    return tries < 3 ? response.writeHead(503, { 'retry-after': '0' }).end('busy') : response.end('sent');
  };
  const shop = await Shop.start(answer);
  const env = { PENSTOCK_PRIVATE_ADDRESSES: shop.host };
  await withStack({ script: script.replace('{{shop}}', shop.url), env }, async (stack) => {
    await stack.ok('POST', '/v1/tools', declared(shop, 'orders', { max_result_bytes: 1000 }));
    const ask = { type: 'function', function: { name: 'ask', parameters: { type: 'object', properties: {} } } };
    const agent = await stack.assistant({ tools: [{ type: 'calculator' }, { type: 'orders' }, { type: 'http_request' }, ask], http_allow: [shop.host] });
    const waits = await stack.finished(await stack.submit(agent, 'go'));
    assert.equal(waits.status, 'requires_action', JSON.stringify(waits.last_error));
    const open = (await stepCalls(stack, waits)).at(-1);
    assert.deepEqual([open.function.output, open.is_error, open.duration_ms], [null, undefined, undefined], 'nothing is known of it yet');
    const [action] = waits.required_action.submit_tool_outputs.tool_calls;
    assert.deepEqual(Object.keys(action).sort(), ['function', 'id', 'type']);
    await stack.ok('POST', `/v1/threads/${waits.thread_id}/runs/${waits.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: action.id, output: 'yes' }] });
    const run = await stack.finished(waits);
    assert.equal(run.status, 'completed');

    const calls = await stepCalls(stack, run);
    const usual = { is_error: false, tries: 1, is_cut: false, results: undefined };
    assert.deepEqual(account(calls[0]), { ...usual, bytes: 2 });
    assert.deepEqual(account(calls[1]), { ...usual, is_error: true, bytes: calls[1].function.output.length });
    assert.deepEqual([calls[2].is_error, calls[2].duration_ms], [true, undefined], 'there is no such tool: nobody made a call');
    assert.deepEqual(account(calls[3]), { ...usual, tries: 3, bytes: 4 });
    assert.deepEqual(account(calls[4]), { ...usual, is_cut: true, bytes: 5000 }, 'of all that the server said');
    assert.ok(calls[4].function.output.length < 1100);
    assert.deepEqual(account(calls[5]), { ...usual, is_error: true, bytes: calls[5].function.output.length });
    assert.deepEqual(account(calls[6]), { ...usual, is_cut: true, bytes: 100000 });
    assert.deepEqual(account(calls[7]), { is_error: false, tries: undefined, is_cut: undefined, bytes: 3, results: undefined });
    for (const call of [0, 1, 3, 4, 5, 6, 7].map((i) => calls[i])) assert.ok(Number.isInteger(call.duration_ms) && call.duration_ms >= 0 && call.duration_ms < 600000, JSON.stringify(call));

    const events = await (await fetch(`${stack.url}/v1/threads/${run.thread_id}/runs/${run.id}/events?format=simple`, { headers: { authorization: `Bearer ${stack.key}` } })).text();
    const results = events.split('\n\n').filter((each) => /^event: tool_result$/m.test(each)).map((each) => JSON.parse(/^data: (.*)$/m.exec(each)[1]));
    assert.deepEqual(results.map(account), calls.map(account), events);
    assert.match(stack.command('runs', 'show', run.id), /^← sent \(\d+ ms, 3 tries\)$/m);
    assert.match(stack.command('runs', 'show', run.id), /^← x+.* \(\d+ ms, cut, of 5000 bytes\)$/m);
  });
  shop.stop();
});

test('calls are counted by tool, with their errors and their times', async () => {
  const script = `
rules:
  - when: {user: wrong}
    steps: [{calls: [{name: calculator, arguments: {expression: '1 +'}}]}, {text: done}]
  - steps: [{calls: [{name: calculator, arguments: {expression: 1 + 1}}, {name: orders, arguments: {id: '7'}}]}, {text: done}]
`;
  await withShop({ script }, async (stack, shop) => {
    const tool = await stack.ok('POST', '/v1/tools', declared(shop, 'orders'));
    const agent = await stack.assistant({ tools: [{ type: 'calculator' }, { type: 'orders' }] });
    const runs = await Promise.all(Array.from({ length: 12 }, (_, i) => stack.submit(agent, i < 3 ? 'wrong' : 'right')));
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');

    const stats = async (name, more = '') => stack.ok('GET', `/v1/tools/${name}/stats${more}`);
    const sums = ({ calls, errors, unknown }) => ({ calls, errors, unknown });
    const check = async () => {
      const sum = await stats('calculator');
      assert.deepEqual([sum.object, sum.name, sum.tool_id, sum.bucket_width], ['tool.stats', 'calculator', null, '1d']);
      assert.deepEqual(sums(sum), { calls: 12, errors: 3, unknown: 0 });
      assert.ok(sum.data.length >= 1 && sum.data.length <= 2, 'a day is not told where nothing was called');
      assert.equal(sum.data.reduce((all, each) => all + each.calls, 0), 12);
      const { mean, p50, p95, max } = sum.duration_ms;
      assert.ok(p50 >= 0 && p50 <= p95 && p95 <= max && mean <= max, JSON.stringify(sum.duration_ms));
      assert.deepEqual(sums(await stats('orders', '?bucket_width=1h')), { calls: 9, errors: 0, unknown: 0 });
      assert.deepEqual(await stats(tool.id), await stats('orders'));
    };
    await check();
    await until('they are folded', () => stack.sql('SELECT 1 FROM tool_deltas').length === 0, 40000);
    await check();

    assert.deepEqual(sums(await stats('http_request')), { calls: 0, errors: 0, unknown: 0 }, 'there is such a tool');
    assert.deepEqual((await stats('http_request')).duration_ms, { mean: null, p50: null, p95: null, max: null });
    assert.equal((await stack.call('GET', '/v1/tools/nowhere/stats')).status, 404);
    assert.equal((await stack.call('GET', '/v1/tools/a%20b/stats')).status, 404);
    assert.equal((await stack.call('GET', '/v1/tools/orders/stats?bucket_width=1m')).status, 400);
    assert.equal((await stack.call('GET', '/v1/tools/orders/stats?start_time=200&end_time=100')).status, 400);
    assert.equal((await stack.call('GET', '/v1/tools/orders/stats?start_time=100&bucket_width=1h')).status, 400);
    const past = await stats('calculator', '?start_time=0&end_time=8640000');
    assert.deepEqual([sums(past), past.data], [{ calls: 0, errors: 0, unknown: 0 }, []]);
    const stranger = stack.tenant('stranger');
    assert.equal((await stranger.ok('GET', '/v1/tools/calculator/stats')).calls, 0);
    assert.equal((await stranger.call('GET', '/v1/tools/orders/stats')).status, 404);

    const printed = stack.command('tools', 'stats', 'calculator');
    assert.match(printed, /^DAY \(UTC\) +CALLS +ERRORS +UNKNOWN +MEAN MS +P50 MS +P95 MS +MAX MS$/m);
    assert.match(printed, /^all +12 +3 +0 /m);
    assert.match(stack.command('tools', 'stats', 'orders', '--hours', '3'), /^all +9 +0 +0 /m);
    assert.equal(JSON.parse(stack.command('tools', 'stats', 'orders', '--json')).calls, 9);
    const metrics = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    assert.match(metrics, /^penstock_worker_tool_calls_total\{source="declared",tool="orders"\} 9$/m);
    assert.match(metrics, /^penstock_worker_tool_errors_total\{source="builtin",tool="calculator"\} 3$/m);
  });
});

test('when a worker dies the next one knows how calls went, and counts what nobody knows', async () => {
  const script = `
rules:
  - steps:
      - calls: [{name: quick, arguments: {id: '7'}}, {name: look, arguments: {id: slow}}, {name: ticket, arguments: {id: slow}}]
      - text: 'Told: {{tool.3}}'
`;
  await withShop({ script, config: leases }, async (stack, shop) => {
    await stack.ok('POST', '/v1/tools', declared(shop, 'quick', { method: 'PUT' }));
    await stack.ok('POST', '/v1/tools', declared(shop, 'look'));
    await stack.ok('POST', '/v1/tools', declared(shop, 'ticket', { method: 'POST' }));
    const agent = await stack.assistant({ tools: [{ type: 'quick' }, { type: 'look' }, { type: 'ticket' }] });
    const submitted = await stack.submit(agent, 'go');
    await until('two are under way, and one is recorded', () => shop.held.length === 2 && stack.sql("SELECT 1 FROM tool_calls WHERE state = 'done'").length === 1);
    assert.equal(stack.sql('SELECT took_ms FROM tool_calls WHERE took_ms IS NOT NULL').length, 1);
    await stack.workers[0].kill('SIGKILL');
    stack.programs.splice(stack.programs.indexOf(stack.workers[0]), 1);
    shop.release();
    await stack.startWorker();
    const run = await stack.finished(submitted, 60000);
    assert.equal(run.status, 'completed');
    const [quick, look, ticket] = await stepCalls(stack, run);
    assert.deepEqual(account(quick), { is_error: false, tries: 1, is_cut: false, bytes: quick.function.output.length, results: undefined }, 'as the worker that died wrote it down');
    assert.ok(quick.duration_ms >= 0);
    assert.deepEqual([look.tries, look.is_error], [2, false], 'the first time, and this one');
    assert.deepEqual([ticket.status, ticket.is_error, ticket.duration_ms, ticket.tries], ['unknown', true, undefined, undefined]);
    const sums = async (name) => {
      const { calls, errors, unknown } = await stack.ok('GET', `/v1/tools/${name}/stats`);
      return [calls, errors, unknown];
    };
    assert.deepEqual(await sums('quick'), [1, 0, 0]);
    assert.deepEqual(await sums('look'), [1, 0, 0]);
    assert.deepEqual(await sums('ticket'), [1, 1, 1]);
    assert.equal(shop.got.filter((got) => got.url.startsWith('/ticket')).length, 1);
  });
});
