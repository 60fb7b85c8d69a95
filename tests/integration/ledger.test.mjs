// The ledger of tool calls: what happens to calls that are under way when their worker dies.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { sleep, until, withStack } from '../lib/stack.mjs';

const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';

/** A server that notes each request, and what the database says of its call at that moment. Paths with "slow" are answered once `open`. */
async function startSite() {
  const site = { executions: [], open: false };
  const held = [];
  site.server = createServer(async (request, response) => {
    for await (const chunk of request) void chunk;
    const key = request.headers['idempotency-key'];
    const [row] = key && site.stack ? site.stack.sql(`SELECT state, class FROM tool_calls WHERE idempotency_key = '${key}'`) : [];
    site.executions.push({ key, method: request.method, path: request.url, row });
    const answer = () => response.end(`${request.method} done`);
    if (site.open || !request.url.includes('slow')) answer();
    else held.push(answer);
  });
  site.release = () => {
    site.open = true;
    for (const answer of held.splice(0)) answer();
  };
  site.of = (method) => site.executions.filter((each) => each.method === method);
  site.server.listen(0, '127.0.0.1');
  await once(site.server, 'listening');
  site.host = `127.0.0.1:${site.server.address().port}`;
  return site;
}

async function withSite(steps, options, body) {
  const site = await startSite();
  const script = `rules:\n  - steps:\n${steps(`http://${site.host}`)}`;
  try {
    await withStack({ script, config, env: { PENSTOCK_PRIVATE_ADDRESSES: site.host }, ...options }, async (stack) => {
      site.stack = stack;
      await body(stack, site);
    });
  } finally {
    site.server.closeAllConnections();
    site.server.close();
  }
}

const agent = (stack, site, tool = {}) => stack.assistant({ tools: [{ type: 'http_request', ...tool }, { type: 'calculator' }], http_allow: [site.host] });

async function stepCalls(stack, run) {
  const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return steps.data[0].step_details.tool_calls;
}

const oneCall = (method) => (url) => `
      - calls: [{name: http_request, arguments: {method: ${method}, url: '${url}/slow'}}]
      - text: 'Told: {{tool}}'
`;

async function killUnderWay(stack, site, count) {
  await until('the calls are under way', () => site.executions.length >= count);
  await stack.workers.at(-1).kill('SIGKILL');
}

test('idempotent calls are made again with the same key, once for each crash at most', async () => {
  await withSite(oneCall('PUT'), {}, async (stack, site) => {
    const assistant = await agent(stack, site);
    const runs = await Promise.all(Array.from({ length: 5 }, () => stack.submit(assistant, 'go')));
    await killUnderWay(stack, site, 5);
    await stack.startWorker();
    await killUnderWay(stack, site, 10);
    await stack.startWorker();
    await until('they are made again', () => site.executions.length === 15, 30000);
    site.release();
    for (const run of runs) {
      assert.equal((await stack.finished(run)).status, 'completed');
      assert.match(await stack.answer(run), /^Told: .*PUT done/);
      assert.equal((await stepCalls(stack, run))[0].status, undefined);
      assert.equal(site.executions.filter((each) => each.key === `${run.id}:1`).length, 3);
    }
    assert.equal(site.executions.length, 15);
    for (const { row } of site.executions) assert.deepEqual(row, { state: 'intent', class: 'idempotent' }, 'its intent was committed before it left');
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 2, errors: 0 }]);
  });
});

test('a call that may be made once only is unknown after a crash, and model and person are told', async () => {
  await withSite(oneCall('POST'), {}, async (stack, site) => {
    const run = await stack.submit(await agent(stack, site), 'go');
    await killUnderWay(stack, site, 1);
    await stack.startWorker();
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.match(await stack.answer(run), /^Told: .*whether it took effect is not known/);
    const [call] = await stepCalls(stack, run);
    assert.equal(call.status, 'unknown');
    assert.match(call.function.output, /not known/);
    assert.match(stack.command('runs', 'show', run.id), /← \(unknown\) This call was interrupted/);
    assert.deepEqual(site.executions.map((each) => each.row), [{ state: 'intent', class: 'once' }]);
    assert.deepEqual(stack.sql('SELECT state, is_error FROM tool_calls'), [{ state: 'unknown', is_error: true }]);
  });
});

test('an agent may say of which class its requests are', async () => {
  await withSite(oneCall('POST'), {}, async (stack, site) => {
    const run = await stack.submit(await agent(stack, site, { class: 'idempotent' }), 'go');
    await killUnderWay(stack, site, 1);
    await stack.startWorker();
    await until('it is made again', () => site.executions.length === 2);
    site.release();
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.match(await stack.answer(run), /POST done/);
    assert.deepEqual(site.executions.map((each) => [each.key, each.row.class]), Array(2).fill([`${run.id}:1`, 'idempotent']));
  });
});

test('results are recorded while other calls of the step still run, and replayed after a crash', async () => {
  const steps = (url) => `
      - calls:
          - {name: http_request, arguments: {method: POST, url: '${url}/fast'}}
          - {name: calculator, arguments: {expression: '6 * 7'}}
          - {name: http_request, arguments: {method: DELETE, url: '${url}/slow'}}
      - text: '{{tool.1}} {{tool.2}} {{tool.3}}'
`;
  await withSite(steps, {}, async (stack, site) => {
    const run = await stack.submit(await agent(stack, site), 'go');
    await until('the first is recorded', () => stack.sql(`SELECT 1 FROM tool_calls WHERE state = 'done' AND class = 'once'`).length === 1);
    await killUnderWay(stack, site, 2);
    site.release();
    await stack.startWorker();
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.match(await stack.answer(run), /POST done.* 42 .*DELETE done/);
    assert.equal(site.of('POST').length, 1);
    assert.equal(site.of('DELETE').length, 2);
    assert.deepEqual(stack.sql('SELECT DISTINCT state FROM tool_calls'), [{ state: 'done' }]);
  });
});

test('a worker that was presumed dead makes no call when it wakes up', async () => {
  const steps = (url) => `
      - {calls: [{name: http_request, arguments: {method: POST, url: '${url}/fast'}}], delay_ms: 1000}
      - text: 'Told: {{tool}}'
`;
  await withSite(steps, {}, async (stack, site) => {
    const run = await stack.submit(await agent(stack, site), 'go');
    await until('the model is called', async () => (await stack.llmStats()).in_flight === 1);
    stack.workers[0].child.kill('SIGSTOP');
    await stack.startWorker();
    assert.equal((await stack.finished(run)).status, 'completed');
    stack.workers[0].child.kill('SIGCONT');
    await sleep(1500);
    assert.match(await stack.answer(run), /POST done/);
    assert.equal(site.executions.length, 1);
  });
});

test('a thread whose run was cancelled in the midst of a call goes on', async () => {
  await withSite(oneCall('POST'), {}, async (stack, site) => {
    const assistant = await agent(stack, site);
    const run = await stack.submit(assistant, 'go');
    await until('the call is under way', () => site.executions.length === 1);
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal((await stack.finished(run, 3000)).status, 'cancelled');
    site.release();
    await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'go on' });
    const next = await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id }));
    assert.equal(next.status, 'completed', JSON.stringify(next.last_error));
    assert.match(await stack.answer(next), /POST done/);
    assert.equal(site.executions.length, 2);
    assert.equal((await stack.llmStats()).refused, 0);
  });
});
