// A thread over a WebSocket: what is said and told, how one goes on, and who gets in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';
import { WebSocketClient, judgeRun, lastId } from '../lib/websocket.mjs';

const city = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
const text = 'A text that is made piece by piece and read over a socket by whoever wants to, from the first word on to the last one.';

const script = `
stream: {chunk_ms: 20, chunk_tokens: 1}
rules:
  - when: {user: '^weather'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}]
      - text: 'In Rome it is {{tool}}.'
  - when: {user: '^compute'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: '${text}'
  - when: {user: '^slow'}
    then: {text: 'late', delay_ms: 60000}
  - then: {text: '${text}'}
`;

const threadOf = async (stack) => (await stack.ok('POST', '/v1/threads', {})).id;
const wsOf = (thread) => `/v1/threads/${thread}/ws`;

test('a message with a run is acknowledged, and the run is told as it happens', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const thread = await threadOf(stack);
    const client = await WebSocketClient.open(stack, wsOf(thread));
    const ready = await client.hello();
    assert.equal(ready.thread_id, thread);
    assert.match(ready.last_event_id, /^at\.\d{16}$/);
    assert.equal(ready.ping_ms, 25000);

    const ack = await client.ask({ type: 'message', id: 'one', content: 'compute', run: { assistant_id: assistant.id } });
    assert.match(ack.message_id, /^msg_/);
    await client.done(ack.run_id);
    const protocol = judgeRun(client.messages, ack.run_id);
    assert.equal(protocol.status, 'completed');
    assert.equal(protocol.messages.at(-1).text, text);
    assert.ok(protocol.messages.at(-1).deltas > 3, `${protocol.messages.at(-1).deltas} deltas`);
    assert.deepEqual((await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc&limit=1`)).data[0].id, ack.message_id);

    // The next one comes behind it, on the same socket, made over HTTP this time.
    const run = await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id });
    await client.done(run.id);
    assert.equal(judgeRun(client.messages, run.id).messages[0].text, text);
    const stats = await (await fetch(`${stack.url}/metrics`)).text();
    assert.match(stats, /^penstock_web_sockets 1$/m);
    assert.match(stats, /^penstock_web_socket_messages_total 2$/m);
    client.destroy();
    await until('it is gone', async () => /^penstock_web_sockets 0$/m.test(await (await fetch(`${stack.url}/metrics`)).text()));
  });
});

test('an id that is sent again, over whichever socket, is done once and acknowledged alike', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [city] });
    const thread = await threadOf(stack);
    const first = await WebSocketClient.open(stack, wsOf(thread));
    const said = { type: 'message', id: 'a', content: 'weather', run: { assistant_id: assistant.id } };
    const ack = await first.ask(said);
    assert.deepEqual(await first.ask(said), ack);
    first.destroy();
    const second = await WebSocketClient.open(stack, wsOf(thread));
    assert.deepEqual(await second.ask(said), ack);
    assert.equal((await second.ask({ ...said, content: 'weather, please' })).code, 'idempotency_key_in_use');
    assert.equal(stack.sql(`SELECT 1 FROM runs`).length, 1);
    assert.equal(stack.sql(`SELECT 1 FROM messages WHERE role = 'user'`).length, 1);

    const parked = await until('it waits', async () => (await stack.run({ id: ack.run_id, thread_id: thread })).required_action);
    const [call] = parked.submit_tool_outputs.tool_calls;
    const outputs = { type: 'tool_outputs', id: 'b', run_id: ack.run_id, tool_outputs: [{ tool_call_id: call.id, output: 'sunny' }] };
    const given = await second.ask(outputs);
    assert.deepEqual(given, { type: 'ack', id: 'b', run_id: ack.run_id });
    assert.deepEqual(await second.ask(outputs), given);
    await stack.finished({ id: ack.run_id, thread_id: thread });
    assert.equal(await stack.answer({ thread_id: thread }), 'In Rome it is sunny.');

    const slow = await second.ask({ type: 'message', content: 'slow', run: { assistant_id: assistant.id } });
    const cancel = { type: 'cancel', id: 'c', run_id: slow.run_id };
    assert.equal((await second.ask(cancel)).type, 'ack');
    await stack.finished({ id: slow.run_id, thread_id: thread });
    assert.equal((await second.ask(cancel)).type, 'ack');
    assert.equal((await stack.run({ id: slow.run_id, thread_id: thread })).status, 'cancelled');
    second.destroy();
  });
});

test('who comes back with the id of any event reads what comes behind it, over all runs of the thread', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const thread = await threadOf(stack);
    const client = await WebSocketClient.open(stack, wsOf(thread));
    const { last_event_id: start } = await client.hello();
    const runs = [];
    for (const content of ['compute', 'go', 'compute']) {
      const ack = await client.ask({ type: 'message', content, run: { assistant_id: assistant.id } });
      await client.done(ack.run_id);
      runs.push(ack.run_id);
    }
    const told = client.events();
    client.destroy();
    const ids = told.filter((event) => event.event_id).map((event) => event.event_id);
    const samples = [start, ...ids.filter((id, i) => i % 7 === 0), ids.at(-1)];
    for (const id of samples) {
      const again = await WebSocketClient.open(stack, wsOf(thread));
      assert.equal((await again.hello(id)).last_event_id, id);
      const before = told.slice(0, told.findLastIndex((event) => event.event_id === id) + 1);
      if (id !== ids.at(-1)) await again.done(runs.at(-1));
      const all = [...before, ...again.events()];
      for (const run of runs) assert.equal(judgeRun(all, run).messages.at(-1).text, text, `${run} behind ${id}`);
      assert.equal(all.filter((event) => event.event === 'done').length, runs.length);
      again.destroy();
    }
    // An id of another thread, or none at all, is as none: nothing of before is told, and what comes is.
    for (const id of ['nonsense', lastId(told).replace(/^run_.{8}/, 'run_00000000'), undefined]) {
      const again = await WebSocketClient.open(stack, wsOf(thread));
      await again.hello(id);
      const ack = await again.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
      await again.done(ack.run_id);
      assert.deepEqual([...new Set(again.events().map((event) => event.run_id))], [ack.run_id]);
      judgeRun(again.messages, ack.run_id);
      again.destroy();
    }
  });
});

test('where an id is none of the thread\'s, the reply has one that is, and nothing is lost behind it', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const [thread, other] = [await threadOf(stack), await threadOf(stack)];
    const client = await WebSocketClient.open(stack, wsOf(other));
    await client.hello();
    await client.done((await client.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } })).run_id);
    const foreign = client.events().map((event) => event.event_id).filter(Boolean);
    client.destroy();
    for (const id of [foreign[0], foreign.at(-1), `at.${(Date.now() + 3600000) * 1000}`]) {
      const first = await WebSocketClient.open(stack, wsOf(thread));
      const { last_event_id: here } = await first.hello(id);
      assert.match(here, /^at\.\d+$/);
      assert.notEqual(here, id);
      first.destroy();
      // While nobody listens a run comes and ends.
      await stack.ok('POST', `/v1/threads/${thread}/messages`, { role: 'user', content: 'go' });
      const run = await stack.finished(await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id }));
      const again = await WebSocketClient.open(stack, wsOf(thread));
      assert.equal((await again.hello(here)).last_event_id, here);
      await again.done(run.id);
      assert.deepEqual([...new Set(again.events().map((event) => event.run_id))], [run.id]);
      again.destroy();
    }
  });
});

test('the simple format says chunks, and may be chosen at any time', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const thread = await threadOf(stack);
    const client = await WebSocketClient.open(stack, wsOf(thread));
    client.send({ type: 'subscribe', format: 'simple' });
    await client.hello();
    const ack = await client.ask({ type: 'message', content: 'compute', run: { assistant_id: assistant.id } });
    const done = await client.done(ack.run_id);
    assert.equal(done.data.status, 'completed');
    const chunks = client.messages.filter((message) => message.type === 'chunk');
    assert.equal(chunks.map((chunk) => chunk.text).join(''), text);
    assert.ok(chunks.length > 3 && chunks.every((chunk) => chunk.run_id === ack.run_id && chunk.message_id === done.data.message_id && chunk.event_id));
    assert.deepEqual([...new Set(client.events().map((event) => event.event))], ['run', 'thinking', 'tool_call', 'tool_result', 'done']);
    client.send({ type: 'subscribe', format: 'openai' });
    const next = await client.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
    await client.done(next.run_id);
    judgeRun(client.messages, next.run_id);
    client.send({ type: 'subscribe', format: 'xml' });
    assert.equal((await client.ofType('error')).param, 'format');
    client.destroy();
  });
});

test('what is wrong with a message is said, and the socket goes on', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const thread = await threadOf(stack);
    const client = await WebSocketClient.open(stack, wsOf(thread));
    const code = async (message) => (await client.ask(message)).code;
    const other = await stack.tenant('other').ok('POST', '/v1/threads/runs', { assistant_id: (await stack.tenant('third').assistant()).id }).catch(() => null);
    assert.equal(other, null);
    assert.equal(await code({ type: 'message', content: 'x', nonsense: 1 }), 'unknown_parameter');
    assert.equal(await code({ type: 'message' }), 'missing_required_parameter');
    assert.equal(await code({ type: 'message', content: 'x', run: { assistant_id: 'asst_00000000000000000000000000000000' } }), 'invalid_request_error');
    assert.equal(await code({ type: 'cancel', run_id: 'run_00000000000000000000000000000000' }), 'invalid_request_error');
    assert.equal(await code({ type: 'cancel', run_id: '../../x' }), 'invalid_request_error');
    assert.equal(await code({ type: 'tool_outputs', run_id: 'run_00000000000000000000000000000000' }), 'missing_required_parameter');
    assert.equal((await client.ask({ type: 'message', content: 'slow', run: { assistant_id: assistant.id } })).type, 'ack');
    assert.match((await client.ask({ type: 'message', content: 'x' })).message, /while a run run_[0-9a-f]+ is active/);
    assert.equal((await client.ask({ type: 'message', content: 'x', on_busy: 'queue' })).type, 'ack');
    for (const id of [undefined, '', 'x'.repeat(129), 7]) {
      const from = client.messages.length;
      client.send({ type: 'message', id, content: 'x' });
      const error = await client.next((message) => message.type === 'error', `an error for ${id}`, from);
      assert.equal(error.param, 'id');
      assert.ok(!('id' in error));
    }
    client.send({ type: 'shout', id: 'z' });
    assert.equal((await client.next((message) => message.id === 'z')).param, 'type');
    await client.hello();
    client.send({ type: 'hello', id: 'again' });
    assert.equal((await client.next((message) => message.id === 'again')).type, 'error');
    for (const t of [5, 'x', null, { a: [1] }]) {
      const from = client.messages.length;
      client.send({ type: 'ping', t });
      assert.deepEqual((await client.next((message) => message.type === 'pong', 'pong', from)).t, t);
    }
    client.destroy();
  });
});

test('a ticket opens one socket, of its thread, within its time', async () => {
  await withStack({ script }, async (stack) => {
    const thread = await threadOf(stack);
    const other = await threadOf(stack);
    const ticket = async (fields = {}) => {
      const made = await stack.ok('POST', '/v1/tickets', fields);
      assert.match(made.ticket, /^[\w-]{43}$/);
      assert.ok(made.expires_at - Date.now() / 1000 < 31);
      return made.ticket;
    };
    const open = (where, secret) => WebSocketClient.open(stack, wsOf(where), { key: false, protocols: ['penstock.v1', `ticket.${secret}`] });
    const refused = async (promise) => {
      const client = await promise;
      const { code, reason } = await client.closed;
      assert.equal(client.messages[0].type, 'error');
      assert.equal(client.messages[0].message.slice(0, reason.length), reason);
      client.destroy();
      return code;
    };

    const first = await ticket({ thread_id: thread });
    const client = await open(thread, first);
    assert.equal(client.headers['sec-websocket-protocol'], 'penstock.v1');
    await client.hello();
    client.destroy();
    assert.equal(await refused(open(thread, first)), 4401);
    const bound = await ticket({ thread_id: thread });
    assert.equal(await refused(open(other, bound)), 4403);
    assert.equal(await refused(open(thread, bound)), 4401, 'it is taken by the attempt');
    const query = await WebSocketClient.open(stack, `${wsOf(other)}?ticket=${await ticket()}`, { key: false });
    assert.equal(query.headers['sec-websocket-protocol'], undefined);
    await query.hello();
    query.destroy();

    const late = await ticket({ thread_id: thread });
    stack.exec(`UPDATE tickets SET expires_at = now()`);
    assert.equal(await refused(open(thread, late)), 4401);
    const stranger = stack.tenant('stranger');
    const theirs = (await stranger.ok('POST', '/v1/tickets', {})).ticket;
    assert.equal(await refused(open(thread, theirs)), 4404);
    assert.equal((await stranger.call('POST', '/v1/tickets', { thread_id: thread })).status, 404);
    assert.equal((await stack.call('POST', '/v1/tickets', { thread_id: 'nonsense' })).status, 404);
    const reply = await stack.call('POST', '/v1/tickets', {}, { 'idempotency-key': 'k' });
    assert.equal(reply.headers.get('cache-control'), 'no-store');
    assert.equal(stack.sql(`SELECT 1 FROM idempotency_keys`).length, 0, 'no secret is kept');
    assert.equal(stack.exec(`SELECT count(*) FROM tickets WHERE encode(hash, 'escape') LIKE '%${reply.body.ticket}%'`).trim(), '0');

    // Nor does a ticket open anything else, and a key opens nothing from the URL.
    const key = await ticket();
    assert.equal((await stack.call('GET', `/v1/threads/${thread}?ticket=${key}`, undefined, { authorization: '' })).status, 401);
    assert.equal(await refused(WebSocketClient.open(stack, `${wsOf(thread)}?api_key=${stack.key}`, { key: false })), 4401);
    assert.equal(await refused(WebSocketClient.open(stack, `${wsOf(thread)}?key=${stack.key}`)), 1008);
    assert.equal(await refused(WebSocketClient.open(stack, wsOf(thread), { key: 'pk_wrong' })), 4401);
    assert.equal(await refused(WebSocketClient.open(stack, wsOf('thread_00000000000000000000000000000000'))), 4404);
    assert.equal(await refused(WebSocketClient.open(stack, wsOf(thread), { key: stranger.key })), 4404);
    for (const program of stack.programs) assert.ok(!program.log().includes(first), program.name);
  });
});

test('a ticket reads the events of runs of its thread, too', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const run = await stack.submit(assistant, 'go');
    const elsewhere = await stack.submit(assistant, 'go');
    await stack.finished(run);
    const get = async (path, fields) => {
      const { ticket } = await stack.ok('POST', '/v1/tickets', fields);
      const response = await fetch(`${stack.url}${path}?ticket=${ticket}`);
      return { status: response.status, text: await response.text(), again: (await fetch(`${stack.url}${path}?ticket=${ticket}`)).status };
    };
    for (const path of [`/v1/runs/${run.id}/events`, `/v1/threads/${run.thread_id}/runs/${run.id}/events`]) {
      const mine = await get(path, { thread_id: run.thread_id });
      assert.equal(mine.status, 200);
      assert.match(mine.text, /event: done/);
      assert.equal(mine.again, 401);
    }
    assert.equal((await get(`/v1/runs/${run.id}/events`, { thread_id: elsewhere.thread_id })).status, 404);
    assert.equal((await get(`/v1/threads/${run.thread_id}/runs/${run.id}/events`, { thread_id: elsewhere.thread_id })).status, 403);
    assert.equal((await get(`/v1/runs/${run.id}/events`, {})).status, 200);
  });
});

test('a request that is no handshake gets a status, as ever', async () => {
  await withStack({ script }, async (stack) => {
    const thread = await threadOf(stack);
    const plain = await stack.call('GET', wsOf(thread));
    assert.equal(plain.status, 426);
    assert.equal(plain.headers.get('upgrade'), 'websocket');
    assert.equal(plain.body.error.code, 'upgrade_required');
    assert.equal((await fetch(stack.url + wsOf(thread))).status, 401);
    assert.equal((await stack.call('POST', wsOf(thread), {})).status, 405);
    for (const headers of [{ 'sec-websocket-version': '8' }, { 'sec-websocket-version': undefined }, { 'sec-websocket-key': 'short' }, { 'sec-websocket-key': undefined }]) {
      const reply = await WebSocketClient.open(stack, wsOf(thread), { headers }).catch((refusal) => refusal);
      assert.equal(reply.status, 426);
      assert.equal(reply.headers['sec-websocket-version'], '13');
    }
  });
});

test('sockets of one key have a limit, and so have the readers of a scheduler', async () => {
  const config = 'scheduler: {key_sockets: 2, stream_readers: 3, tenant_places_percent: 100}\n';
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant();
    const thread = await threadOf(stack);
    const open = (key) => WebSocketClient.open(stack, wsOf(thread), key ? { key } : {});
    const clients = [await open(), await open()];
    for (const client of clients) await client.hello();
    assert.equal((await (await open()).closed).code, 4429);
    const key = stack.command('keys', 'create', '--tenant', 'test').match(/pk_[A-Za-z0-9_-]{43}/)[0];
    const third = await open(key);
    await third.hello();
    const refused = await open(key);
    assert.equal((await refused.closed).code, 1013);
    assert.ok(refused.messages[0].retry_after_ms > 0);
    // Who is in is told of a run, however full it is.
    const ack = await clients[0].ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
    for (const client of [...clients, third]) await client.done(ack.run_id);
    clients[1].destroy();
    await until('there is a place', async () => {
      const next = await open();
      next.send({ type: 'hello' });
      const how = await Promise.race([next.closed, next.ofType('ready')]);
      next.destroy();
      return how.type === 'ready';
    });
    for (const client of [...clients, third]) client.destroy();
  });
});

test('a thread that is deleted closes its sockets, and so does a drain, for who comes again', async () => {
  await withStack({ script }, async (stack) => {
    const thread = await threadOf(stack);
    const client = await WebSocketClient.open(stack, wsOf(thread));
    await client.hello();
    await stack.ok('DELETE', `/v1/threads/${thread}`);
    assert.equal((await client.closed).code, 4404);

    const assistant = await stack.assistant();
    const other = await threadOf(stack);
    const before = await WebSocketClient.open(stack, wsOf(other));
    await before.hello();
    const ack = await before.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
    await before.next((message) => message.event === 'thread.message.delta');
    const started = Date.now();
    await stack.scheduler.stop();
    assert.ok(Date.now() - started < 15000, 'nobody was waited for');
    assert.equal((await before.closed).code, 1001);
    await stack.startScheduler();
    const after = await WebSocketClient.open(stack, wsOf(other));
    await after.hello(lastId(before.messages));
    await after.done(ack.run_id);
    assert.equal(judgeRun([...before.messages, ...after.messages], ack.run_id).messages[0].text, text);
    after.destroy();
  });
});
