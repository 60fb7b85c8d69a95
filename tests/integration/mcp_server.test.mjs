// Agents as tools of the Model Context Protocol: both eras, runs from call to result, progress, giving up, and what is hostile.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Legacy, ask, call, legacy, modern, post, request } from '../lib/mcp.mjs';
import { Stack, checkTook, freePort, until } from '../lib/stack.mjs';

const script = `
rules:
  - {name: weather, when: {user: 'weather'}, steps: [{calls: [{name: get_weather, arguments: {city: Rome}}]}, {text: 'In Rome it {{tool}}.'}]}
  - {name: sums, when: {user: 'sums'}, steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}]}, {text: 'It is {{tool}}.'}]}
  - {name: fails, when: {user: 'fails'}, then: {status: 400, body: '{"error":{"message":"no"}}'}}
  - {name: slow, when: {user: 'slow'}, then: {text: 'done slowly', delay_ms: 60000}}
  - {name: soon, when: {user: 'soon'}, then: {text: 'done soon', delay_ms: 1500}}
  - {name: at once, then: {text: 'You said something.'}}
`;
const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } };

let stack;
let other;
before(async () => {
  stack = await Stack.start({ script, config: 'scheduler: {mcp_origins: "https://app.example, http://localhost:5173"}\n' });
  other = stack.tenant('other');
  await stack.heard();
  await stack.assistant({ slug: 'helper', name: 'Helper', description: 'Helps with what it is told.', tools: [{ type: 'calculator' }] });
  await stack.assistant({ slug: 'asks-back', tools: [weather], description: null });
  await stack.assistant({ name: 'without a slug' });
  await stack.assistant({ slug: 'at-rest', is_active: false });
});
after(async () => assert.deepEqual(await stack.stop(), []));

const statusOf = async (run) => (await stack.ok('GET', `/v1/runs/${run}`)).status;
const newest = async () => (await stack.ok('GET', '/v1/runs?limit=1')).data[0];
const textOf = (result) => result.content.map((part) => part.text).join('\n');

/** Another scheduler of the same stack. */
async function anotherScheduler() {
  const port = await freePort();
  const program = stack.program('penstock-scheduler', ['--port', String(port)], {});
  const url = `http://127.0.0.1:${port}`;
  await stack.ready(program, `${url}/readyz`);
  return Object.assign(Object.create(stack), { url, port, scheduler: program });
}

/** A call whose client will go: {run, gone()}, once the run is at work. */
async function callAndLeave(of, message, headers) {
  const before = (await newest())?.id;
  const body = JSON.stringify(message);
  const request = http.request(`${of.url}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${of.key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers } });
  request.on('error', () => {});
  request.end(body);
  const run = await until('the run is at work', async () => {
    const found = await newest();
    return found && found.id !== before && found.status === 'in_progress' && found;
  });
  return { run: run.id, gone: () => request.destroy() };
}

// ---- what there is ----

test('discovery and lists: the fixed tools, agents with a slug, in the order in which they were made', async () => {
  const found = await ask(stack, 'server/discover');
  assert.deepEqual([found.resultType, found.supportedVersions[0], found.capabilities, found.cacheScope], ['complete', modern, { tools: { listChanged: false } }, 'public']);
  assert.ok(found.supportedVersions.includes(legacy));
  assert.equal(found._meta['io.modelcontextprotocol/serverInfo'].name, 'penstock');
  assert.ok(found.ttlMs > 0 && found.instructions.includes('run_get'));

  const list = await ask(stack, 'tools/list');
  assert.deepEqual(list.tools.map((tool) => tool.name), ['run_get', 'run_cancel', 'run_submit_outputs', 'agents_list', 'helper', 'asks-back']);
  assert.deepEqual([list.resultType, list.nextCursor, list.cacheScope], ['complete', undefined, 'private']);
  const helper = list.tools.find((tool) => tool.name === 'helper');
  assert.deepEqual([helper.title, helper.description, helper.inputSchema.required], ['Helper', 'Helps with what it is told.', ['input']]);
  assert.match(list.tools.find((tool) => tool.name === 'asks-back').description, /agent/);
  for (const tool of list.tools) assert.equal(tool.inputSchema.type, 'object', tool.name);

  const agents = await call(stack, 'agents_list');
  assert.deepEqual(agents.structuredContent, { agents: [{ tool: 'helper', name: 'Helper', description: 'Helps with what it is told.' }, { tool: 'asks-back', name: 'assistant' }] });
  assert.deepEqual(JSON.parse(agents.content[0].text), agents.structuredContent);
  assert.deepEqual((await ask(other, 'tools/list')).tools.length, 4, 'another tenant has no agents');
});

test('pages of agents end, and a cursor that is none is refused', async () => {
  const many = stack.tenant('many');
  const model = 'openai/gpt-4o-mini';
  const [tenant] = stack.sql(`SELECT id FROM tenants WHERE name = 'many'`);
  stack.exec(`INSERT INTO agents (id, tenant_id, name, slug, spec, spec_bytes)
    SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '${tenant.id}', 'a' || n, CASE WHEN n % 2 = 0 THEN 'agent-' || n END, '{"model":"${model}"}', 30
    FROM generate_series(1, 501) n`);
  const names = [];
  let cursor;
  let pages = 0;
  do {
    const page = await ask(many, 'tools/list', cursor === undefined ? {} : { cursor });
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
    pages++;
  } while (cursor !== undefined);
  assert.equal(pages, 3);
  assert.deepEqual(names.filter((name) => !name.includes('_')), Array.from({ length: 250 }, (_, i) => `agent-${2 * (i + 1)}`));
  assert.equal(names.filter((name) => name === 'run_get').length, 1);
  const listed = await call(many, 'agents_list');
  assert.equal(listed.structuredContent.agents.length, 100);
  const next = await call(many, 'agents_list', { cursor: listed.structuredContent.next_cursor });
  assert.equal(next.structuredContent.agents[0].tool, 'agent-202');

  for (const bad of ['', 'x', 'asst_', `asst_${'0'.repeat(33)}`, 'run_01900000000070008000000000000001', 'x'.repeat(100000), 7, {}, ['asst_']]) {
    const { headers, body } = request('tools/list', { cursor: bad });
    const reply = await post(many, body, headers);
    assert.deepEqual([reply.status, reply.last.error?.code], [200, -32602], String(bad).slice(0, 40));
  }
  const last = 'asst_ffffffffffffffffffffffffffffffff';
  assert.deepEqual((await ask(many, 'tools/list', { cursor: last })).tools, [], 'behind the end there is nothing, and no error');
});

// ---- the modern era ----

test('a call is a run of the API, and its result is the answer', async () => {
  const result = await call(stack, 'helper', { input: 'hello' });
  assert.deepEqual([result.resultType, result.isError], ['complete', false]);
  assert.equal(result.content[0].text, 'You said something.');
  const said = result.structuredContent;
  assert.deepEqual([said.status, said.output], ['completed', 'You said something.']);
  const run = await stack.ok('GET', `/v1/runs/${said.run_id}`);
  assert.deepEqual([run.status, run.thread_id, run.metadata], ['completed', said.thread_id, {}]);
  assert.ok(textOf(result).includes(said.thread_id), 'models that see words alone can go on');

  const next = await call(stack, 'helper', { input: 'and again', thread_id: said.thread_id });
  assert.equal(next.structuredContent.thread_id, said.thread_id);
  const messages = await stack.ok('GET', `/v1/threads/${said.thread_id}/messages?order=asc`);
  assert.deepEqual(messages.data.map((message) => message.role), ['user', 'assistant', 'user', 'assistant']);

  const inactive = await call(stack, 'at-rest', { input: 'hello' });
  assert.equal(inactive.isError, true);
  assert.match(textOf(inactive), /is not active/);
  const failed = await call(stack, 'helper', { input: 'fails' });
  assert.deepEqual([failed.isError, failed.structuredContent.status], [true, 'failed']);
  assert.ok(failed.structuredContent.error.message.length > 0);
});

test('what takes longer than its client waits goes on, and is polled, and given up', async () => {
  const start = Date.now();
  const result = await call(stack, 'helper', { input: 'slow', wait_s: 1 });
  checkTook(Date.now() - start, 4000, 'a call that waits for a second');
  const { run_id, status } = result.structuredContent;
  assert.equal(result.isError, false);
  assert.ok(['queued', 'in_progress'].includes(status));
  assert.match(textOf(result), /run_get/);
  const looked = await call(stack, 'run_get', { run_id });
  assert.equal(looked.structuredContent.run_id, run_id);
  await until('it is at work', async () => (await statusOf(run_id)) === 'in_progress');
  const cancelled = await call(stack, 'run_cancel', { run_id });
  assert.ok(['cancelling', 'cancelled'].includes(cancelled.structuredContent.status));
  const end = await call(stack, 'run_get', { run_id, wait_s: 30 });
  assert.deepEqual([end.structuredContent.status, end.isError], ['cancelled', true]);
  const twice = await call(stack, 'run_cancel', { run_id });
  assert.equal(twice.isError, true);
  assert.match(textOf(twice), /Cannot cancel run with status 'cancelled'/);

  const asked = await call(stack, 'helper', { input: 'soon', wait_s: 0 });
  const got = await call(stack, 'run_get', { run_id: asked.structuredContent.run_id, wait_s: 30 });
  assert.deepEqual([got.structuredContent.status, got.structuredContent.output], ['completed', 'done soon']);
});

test('progress is told while the run is at work, counts up, and ends with the answer', async () => {
  const result = await call(stack, 'helper', { input: 'sums' }, { meta: { progressToken: 'täg' } });
  assert.equal(result.structuredContent.output, 'It is 42.');
  assert.ok(result.told.length >= 3, JSON.stringify(result.told));
  for (const [i, { method, params }] of result.told.entries()) {
    assert.equal(method, 'notifications/progress');
    assert.deepEqual([params.progressToken, params.progress], ['täg', i + 1]);
    assert.ok(params.message.length > 0);
  }
  assert.ok(result.told[0].params.message.includes(result.structuredContent.run_id), 'who loses the answer can ask for it');
  assert.ok(result.told.some(({ params }) => params.message.includes('calculator')));
  const numbered = await call(stack, 'helper', { input: 'x' }, { meta: { progressToken: 7 } });
  assert.equal(numbered.told[0].params.progressToken, 7);

  const late = await call(stack, 'helper', { input: 'slow', wait_s: 1 }, { meta: { progressToken: 1 } });
  assert.ok(['queued', 'in_progress'].includes(late.structuredContent.status));
  await call(stack, 'run_cancel', { run_id: late.structuredContent.run_id });
  const again = await call(stack, 'run_get', { run_id: result.structuredContent.run_id, wait_s: 5 }, { meta: { progressToken: 1 } });
  assert.equal(again.structuredContent.output, 'It is 42.');
});

test('a run that needs its client says so, and goes on with what it is given', async () => {
  for (const meta of [{}, { progressToken: 1 }]) {
    const parked = await call(stack, 'asks-back', { input: 'weather' }, { meta });
    const { run_id, status, required_action } = parked.structuredContent;
    assert.deepEqual([status, parked.isError], ['requires_action', false]);
    const [asked] = required_action.submit_tool_outputs.tool_calls;
    assert.equal(asked.function.name, 'get_weather');
    assert.match(textOf(parked), /run_submit_outputs/);
    const wrong = await call(stack, 'run_submit_outputs', { run_id, tool_outputs: [{ tool_call_id: 'x', output: 'y' }] });
    assert.match(textOf(wrong), /Expected tool outputs/);
    const done = await call(stack, 'run_submit_outputs', { run_id, tool_outputs: [{ tool_call_id: asked.id, output: 'rains' }] }, { meta });
    assert.deepEqual([done.structuredContent.status, done.structuredContent.output], ['completed', 'In Rome it rains.']);
  }
});

test('the same key is the same call, by _meta and by header', async () => {
  const key = { 'penstock/idempotency-key': 'once' };
  const first = await call(stack, 'helper', { input: 'hello' }, { meta: key });
  const again = await call(stack, 'helper', { input: 'hello', wait_s: 9 }, { meta: key, id: 'other' });
  const header = await call(stack, 'helper', { input: 'hello' }, { headers: { 'idempotency-key': 'once' } });
  assert.equal(again.structuredContent.run_id, first.structuredContent.run_id);
  assert.equal(header.structuredContent.run_id, first.structuredContent.run_id);
  const differs = await call(stack, 'helper', { input: 'something else' }, { meta: key });
  assert.equal(differs.isError, true);
  assert.match(textOf(differs), /was used for another request/);
  const long = await call(stack, 'helper', { input: 'hello' }, { meta: { 'penstock/idempotency-key': 'x'.repeat(256) } });
  assert.equal(long.isError, true);
  const client = await Legacy.open(stack);
  const params = { name: 'helper', arguments: { input: 'of a session' }, _meta: { 'penstock/idempotency-key': 'legacy' } };
  const runs = [await client.send('tools/call', params), await client.send('tools/call', params)].map((reply) => reply.last.result.structuredContent?.run_id);
  assert.equal(runs[0], runs[1]);
  assert.ok(runs[0]);
});

test('a modern client that closes its response gives the run up, unless it named the call', async () => {
  for (const meta of [{}, { progressToken: 1 }]) {
    const { headers, body } = request('tools/call', { name: 'helper', arguments: { input: 'slow' } }, { meta });
    const left = await callAndLeave(stack, body, headers);
    left.gone();
    await until('it is cancelled', async () => (await statusOf(left.run)) === 'cancelled');

    const named = request('tools/call', { name: 'helper', arguments: { input: 'slow' } }, { meta: { ...meta, 'penstock/idempotency-key': `kept ${JSON.stringify(meta)}` } });
    const kept = await callAndLeave(stack, named.body, named.headers);
    kept.gone();
    const looking = request('tools/call', { name: 'run_get', arguments: { run_id: kept.run, wait_s: 60 } }, { meta });
    const looked = http.request(`${stack.url}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', ...looking.headers } });
    looked.on('error', () => {});
    looked.end(JSON.stringify(looking.body));
    await until('it waits', async () => /^penstock_waiting_requests 1$/m.test(await (await fetch(`${stack.url}/metrics`)).text()));
    looked.destroy();
    await until('nobody waits', async () => /^penstock_waiting_requests 0$/m.test(await (await fetch(`${stack.url}/metrics`)).text()));
    assert.equal(await statusOf(kept.run), 'in_progress', 'who looks does not give up');
    await stack.ok('POST', `/v1/runs/${kept.run}/cancel`);
  }
});

test('headers and _meta: each that is missing or says otherwise is refused with its number', async () => {
  const name = { name: 'run_get', arguments: { run_id: 'run_x' } };
  const refused = async (status, code, { headers, body }) => {
    const reply = await post(stack, body, headers);
    assert.deepEqual([reply.status, reply.last?.error?.code], [status, code], `${JSON.stringify(headers)} ${JSON.stringify(body)}: ${JSON.stringify(reply.last)}`);
    return reply.last;
  };
  const without = (message, header) => {
    delete message.headers[header];
    return message;
  };
  for (const header of ['mcp-protocol-version', 'mcp-method', 'mcp-name']) await refused(400, -32020, without(request('tools/call', name), header));
  await refused(400, -32020, request('tools/list', {}, { headers: { 'mcp-method': 'tools/call' } }));
  await refused(400, -32020, request('tools/list', {}, { headers: { 'mcp-method': 'TOOLS/LIST' } }));
  await refused(400, -32020, request('tools/list', {}, { headers: { 'mcp-protocol-version': legacy } }));
  await refused(400, -32020, request('tools/call', name, { headers: { 'mcp-name': 'run_cancel' } }));
  await refused(400, -32020, request('tools/call', name, { headers: { 'mcp-name': '=?base64?!!!?=' } }));
  await refused(400, -32020, request('tools/call', name, { headers: { 'mcp-name': '=?base64??=' } }));
  await refused(400, -32020, request('tools/call', name, { headers: { 'mcp-name': Buffer.from([0xff, 0xfe]).toString('latin1') } }));
  const coded = request('tools/call', name, { headers: { 'mcp-name': `=?base64?${Buffer.from('run_get').toString('base64')}?=` } });
  assert.equal((await post(stack, coded.body, coded.headers)).last.result.isError, true, 'a coded name is read');

  const unspoken = await refused(400, -32022, request('tools/list', {}, { version: '1900-01-01' }));
  assert.deepEqual([unspoken.error.data.requested, unspoken.error.data.supported[0]], ['1900-01-01', modern]);
  await refused(400, -32022, request('tools/list', {}, { version: legacy }));
  const bare = request('tools/list');
  delete bare.body.params._meta['io.modelcontextprotocol/clientCapabilities'];
  await refused(400, -32602, bare);
  const none = request('tools/list');
  delete none.body.params._meta;
  await refused(400, -32602, none);
  for (const method of ['initialize', 'ping', 'resources/list', 'subscriptions/listen', 'logging/setLevel', 'x'.repeat(5000)]) {
    const reply = await refused(404, -32601, request(method, {}, { headers: { 'mcp-method': method } }));
    assert.equal(reply.id, 1);
  }
});

// ---- the legacy era ----

test('initialize agrees on a revision, and the session is a name that nothing hangs on', async () => {
  for (const version of ['2025-11-25', '2025-06-18', '2025-03-26']) assert.equal((await Legacy.open(stack, version)).hello.protocolVersion, version);
  for (const version of ['2024-11-05', '2099-01-01', '']) assert.equal((await Legacy.open(stack, version)).hello.protocolVersion, legacy);
  const client = await Legacy.open(stack);
  assert.match(client.session, /^[0-9a-f]{32}$/);
  assert.deepEqual(client.hello.capabilities, { tools: { listChanged: false } });
  assert.equal(client.hello.serverInfo.name, 'penstock');
  assert.deepEqual((await client.send('ping')).last.result, {});
  const list = (await client.send('tools/list')).last.result;
  assert.deepEqual([list.tools.length, list.ttlMs, list.resultType], [6, undefined, undefined]);
  const result = (await client.send('tools/call', { name: 'helper', arguments: { input: 'hello' } })).last.result;
  assert.deepEqual([result.content[0].text, result.isError, result.resultType], ['You said something.', false, undefined]);
  assert.equal((await client.send('server/discover')).last.error.code, -32601, 'which is a request of the other era');
  const unknown = await client.send('resources/list');
  assert.deepEqual([unknown.status, unknown.last.error.code], [200, -32601]);
  const older = await post(stack, { jsonrpc: '2.0', id: 1, method: 'resources/list' }, { 'mcp-protocol-version': '2025-06-18' });
  assert.equal(older.last.error.message, "Method not found: 'resources/list'. Of revision 2025-06-18 there are initialize, ping, tools/list and tools/call.");
  assert.equal((await post(stack, { jsonrpc: '2.0', id: 1, method: 'server/discover' })).last.error.code, -32602);

  for (const headers of [{}, { 'mcp-session-id': 'of another life' }, { 'mcp-session-id': 'x'.repeat(500) }, { 'mcp-protocol-version': '2025-06-18' }])
    assert.deepEqual((await post(stack, { jsonrpc: '2.0', id: 5, method: 'ping' }, headers)).last, { jsonrpc: '2.0', id: 5, result: {} });
  assert.equal((await post(stack, { jsonrpc: '2.0', id: 5, method: 'ping' }, { 'mcp-protocol-version': '2024-01-01' })).status, 400);
  for (const method of ['GET', 'DELETE', 'PUT', 'OPTIONS']) {
    const reply = await fetch(`${stack.url}/mcp`, { method, headers: { authorization: `Bearer ${stack.key}`, accept: 'text/event-stream', 'mcp-session-id': client.session } });
    assert.deepEqual([reply.status, reply.headers.get('allow')], [405, 'POST'], method);
  }
});

test('a legacy client gives up by a notification, to whichever scheduler, and not by going away', async () => {
  const second = await anotherScheduler();
  const client = await Legacy.open(stack);
  const body = { jsonrpc: '2.0', id: 'a 1', method: 'tools/call', params: { name: 'helper', arguments: { input: 'slow' } } };
  const left = await callAndLeave(stack, body, client.headers);
  left.gone();
  const stranger = await Legacy.open(stack);
  await stranger.notify('notifications/cancelled', { requestId: 'a 1' });
  await post(stack, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a 1' } });
  await post(other, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a 1' } }, client.headers);
  for (const requestId of ['a', 1, null, {}, 'x'.repeat(1000)]) assert.equal((await client.notify('notifications/cancelled', { requestId })).status, 202);
  assert.equal((await client.notify('notifications/cancelled')).status, 202);
  assert.equal(await statusOf(left.run), 'in_progress', 'going away, and what others say, is no cancel');
  const elsewhere = await post(second, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a 1', reason: 'enough' } }, client.headers);
  assert.equal(elsewhere.status, 202);
  await until('it is cancelled', async () => (await statusOf(left.run)) === 'cancelled');

  const waits = client.send('tools/call', { name: 'helper', arguments: { input: 'slow' }, _meta: { progressToken: 1 } });
  await until('it is at work', async () => (await newest()).id !== left.run && (await newest()).status === 'in_progress');
  await client.notify('notifications/cancelled', { requestId: client.id });
  assert.equal((await waits).last.result.structuredContent.status, 'cancelled', 'who still listens is told');
  await second.scheduler.stop();
});

// ---- who may ask ----

test('keys and origins: who may not ask is told by a status', async () => {
  const { headers, body } = request('tools/list');
  for (const authorization of ['', 'Bearer ', 'Bearer pk_wrong', `Basic ${stack.key}`]) {
    const reply = await fetch(`${stack.url}/mcp`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers, authorization }, body: JSON.stringify(body) });
    assert.deepEqual([reply.status, reply.headers.get('www-authenticate')], [401, 'Bearer'], authorization);
  }
  for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${stack.port}`, 'https://app.example.evil', 'https://app.example, http://localhost:5173']) {
    const reply = await post(stack, body, { ...headers, origin });
    assert.equal(reply.status, 403, origin);
    assert.equal('id' in reply.last, false);
  }
  for (const origin of ['https://app.example', 'HTTP://localhost:5173']) assert.equal((await post(stack, body, { ...headers, origin })).status, 200, origin);
});

test('what belongs to another tenant does not exist', async () => {
  const mine = await call(stack, 'helper', { input: 'hello' });
  const { run_id, thread_id } = mine.structuredContent;
  for (const [tool, args] of [['run_get', { run_id }], ['run_cancel', { run_id }], ['run_submit_outputs', { run_id, tool_outputs: [] }]]) {
    const reply = await call(other, tool, args);
    assert.equal(reply.isError, true, tool);
    assert.match(textOf(reply), new RegExp(`No run found with id '${run_id}'`));
  }
  const { headers, body } = request('tools/call', { name: 'helper', arguments: { input: 'x' } });
  assert.deepEqual((await post(other, body, headers)).last.error.code, -32602, 'nor its agents');
  await other.assistant({ slug: 'helper' });
  const stolen = await call(other, 'helper', { input: 'x', thread_id });
  assert.match(textOf(stolen), /No thread found/);
});

// ---- hostile ----

test('what is no message is refused, and nothing of it is done', async () => {
  const runs = stack.sql('SELECT count(*) FROM runs')[0].count;
  const deep = '['.repeat(5000) + ']'.repeat(5000);
  const good = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'helper', arguments: { input: 'x' } } };
  for (const [code, body] of [
    [-32700, ''],
    [-32700, '{'],
    [-32700, 'null null'],
    [-32700, deep],
    [-32700, Buffer.from([0x7b, 0xff, 0x7d])],
    [-32700, '{"jsonrpc":"2.0","id":"\\u0000","method":"ping"}'],
    [-32600, 'null'],
    [-32600, '7'],
    [-32600, []],
    [-32600, [good, good]],
    [-32600, {}],
    [-32600, { ...good, jsonrpc: '1.0' }],
    [-32600, { ...good, jsonrpc: undefined }],
    [-32600, { ...good, method: 7 }],
    [-32600, { ...good, method: undefined }],
    [-32600, { ...good, id: null }],
    [-32600, { ...good, id: {} }],
    [-32600, { ...good, id: 1.5 }],
    [-32600, { ...good, id: true }],
    [-32600, { ...good, id: 'x'.repeat(10000) }],
    [-32600, JSON.stringify(good).replace('"id":1', '"id":123456789012345678901234567890')],
    [-32602, { ...good, params: [] }],
    [-32602, { ...good, params: 'x' }],
    [-32602, { ...good, params: { ...good.params, _meta: [] } }],
    [-32602, { ...good, params: { ...good.params, _meta: { progressToken: {} } } }],
    [-32602, { ...good, params: { ...good.params, _meta: { progressToken: 'x'.repeat(1000) } } }],
  ]) {
    const reply = await post(stack, body);
    assert.deepEqual([reply.status, reply.last?.error?.code], [400, code], String(typeof body === 'string' ? body : JSON.stringify(body)).slice(0, 100));
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) assert.equal((await post(stack, good, { 'content-type': type })).status, 415, type);
  assert.equal((await post(stack, JSON.stringify({ ...good, pad: 'x'.repeat(5 << 20) })).catch(() => ({ status: 413 }))).status, 413);
  for (const params of [{}, { name: 7 }, { name: 'nobody' }, { name: '../helper' }, { name: 'check' }, { name: '' }, { name: 'x'.repeat(100000) }, { name: 'helper', arguments: [] }, { name: 'helper', arguments: 'x' }]) {
    const reply = await post(stack, { ...good, params });
    assert.deepEqual([reply.status, reply.last.error?.code], [200, -32602], JSON.stringify(params).slice(0, 80));
  }
  for (const args of [undefined, {}, { input: '' }, { input: 7 }, { input: 'x', wait_s: -1 }, { input: 'x', wait_s: 601 }, { input: 'x', wait_s: '1' }, { input: 'x', model: 'y' }, { input: 'x', thread_id: 'thread_x' }, { input: 'x'.repeat(256001) }]) {
    const reply = await post(stack, { ...good, params: { name: 'helper', arguments: args } });
    assert.equal(reply.last.result?.isError, true, JSON.stringify(args)?.slice(0, 80));
  }
  assert.equal(stack.sql('SELECT count(*) FROM runs')[0].count, runs);

  for (const id of ['ü"\\\n', 0, -1, 9007199254740991, '']) assert.deepEqual((await post(stack, { jsonrpc: '2.0', id, method: 'ping' })).last, { jsonrpc: '2.0', id, result: {} });
  for (const body of [{ jsonrpc: '2.0', method: 'notifications/whatever' }, { jsonrpc: '2.0', id: 1, result: {} }, { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'x' } }]) {
    const reply = await post(stack, body);
    assert.deepEqual([reply.status, reply.messages], [202, []]);
  }
});

test('a scheduler that is killed in the midst of a call loses no run, and the next try finds it', async () => {
  const second = await anotherScheduler();
  const call2 = request('tools/call', { name: 'helper', arguments: { input: 'soon' } }, { meta: { progressToken: 1, 'penstock/idempotency-key': 'killed' } });
  const response = await fetch(`${second.url}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', accept: 'text/event-stream', ...call2.headers }, body: JSON.stringify(call2.body) });
  const reader = response.body.getReader();
  const told = Buffer.from((await reader.read()).value).toString();
  const [run] = /run_[0-9a-f]{32}/.exec(told);
  await second.scheduler.kill('SIGKILL');
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  });
  const again = await call(stack, 'helper', { input: 'soon' }, { meta: { 'penstock/idempotency-key': 'killed' } });
  assert.deepEqual([again.structuredContent.run_id, again.structuredContent.output], [run, 'done soon']);
});

test('a scheduler that is stopped answers who waits, with how far the run is', async () => {
  const second = await anotherScheduler();
  const answers = [{}, { progressToken: 1 }].map((meta) => call(second, 'helper', { input: 'slow' }, { meta }));
  await until('both wait', async () => (await stack.ok('GET', '/v1/runs?status=in_progress')).data.length === 2);
  await second.scheduler.stop();
  for (const { structuredContent } of await Promise.all(answers)) {
    assert.equal(structuredContent.status, 'in_progress');
    await stack.ok('POST', `/v1/runs/${structuredContent.run_id}/cancel`);
  }
});

test('a call that needs an approval is not the asking model\'s to allow', async () => {
  await stack.assistant({ slug: 'careful', tools: [{ type: 'calculator', require_approval: 'always' }] });
  const asked = await call(stack, 'careful', { input: 'sums' });
  assert.equal(asked.structuredContent.status, 'requires_action');
  assert.match(textOf(asked), /A person has to allow what it wants to do/);
  assert.doesNotMatch(textOf(asked), /run_submit_outputs/);
  const { run_id } = asked.structuredContent;
  const [waiting] = asked.structuredContent.required_action.submit_tool_outputs.tool_calls;
  const refused = await call(stack, 'run_submit_outputs', { run_id, tool_outputs: [{ tool_call_id: waiting.id, output: '{"approve": true}' }] });
  assert.equal(refused.isError, true, textOf(refused));
  assert.equal(await statusOf(run_id), 'requires_action');
  await stack.ok('POST', `/v1/runs/${run_id}/approve`, { tool_call_id: waiting.id });
  const done = await call(stack, 'run_get', { run_id, wait_s: 30 });
  assert.equal(done.structuredContent.output, 'It is 42.');
});
