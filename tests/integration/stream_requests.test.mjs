// Requests whose reply is the events of the run that they make, or give something to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frames, judge } from '../lib/protocol.mjs';
import { until, withStack } from '../lib/stack.mjs';

const city = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };

const script = `
stream: {chunk_ms: 10, chunk_tokens: 2}
rules:
  - when: {user: '^weather'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}]
      - text: 'In Rome it is {{tool}}, says the weather, which has to be taken as it comes.'
  - when: {user: '^both'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}]
      - calls: [{name: get_weather, arguments: {city: Oslo}}]
      - text: 'In Rome it is {{tool.1}}, in Oslo {{tool.2}}.'
  - then: {text: 'A text that comes piece by piece to everybody who wants to see it being made.'}
`;

const body = (assistant, content, fields = {}) => ({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content }] }, stream: true, ...fields });

/** The reply, which must be a stream, as text. */
async function streamed(stack, path, request) {
  const reply = await stack.call('POST', path, request);
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  assert.equal(reply.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.equal(reply.headers.get('cache-control'), 'no-cache, no-transform');
  assert.equal(reply.headers.get('x-accel-buffering'), 'no');
  return reply.body;
}

test('the first reply of a run is asked for in pieces, whether runs are made one by one or at once', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const texts = [];
    for (let i = 0; i < 20; i++) texts.push(await streamed(stack, '/v1/threads/runs', body(assistant, 'go')));
    texts.push(...(await Promise.all(Array.from({ length: 40 }, () => streamed(stack, '/v1/threads/runs', body(assistant, 'go'))))));
    // Who is slow to read it is shown more at once; but each was asked for piece by piece, since somebody was to read it.
    assert.ok(texts.map((text) => judge(text, { withThread: true })).some((protocol) => protocol.messages[0].deltas > 1));
    const calls = await until('all calls are in the ledger', () => stack.ledger().length >= texts.length && stack.ledger());
    assert.equal(calls.filter((call) => !call.stream).length, 0);
  });
});

test('the first reply is asked for in pieces also where the hint of its run overtakes the word that it is read', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools: [city] });
    // Redis passes hints on, and no asks: the latest that these can be.
    stack.redis('ACL', 'SETUSER', 'default', 'resetchannels', '&[^l]*', `&live:${'?'.repeat(24)}`);
    const parked = judge(await streamed(stack, '/v1/threads/runs', body(assistant, 'weather')), { withThread: true });
    assert.equal(parked.status, 'requires_action');
    const outputs = { tool_outputs: [{ tool_call_id: parked.steps[0].calls[0].id, output: 'sunny' }], stream: true };
    const path = `/v1/threads/${parked.run.thread_id}/runs/${parked.run.id}/submit_tool_outputs`;
    assert.equal(judge(await streamed(stack, path, outputs), { behindCalls: true }).status, 'completed');
    assert.equal((await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', input: 'go' })).status, 'completed');
    assert.match((await stack.call('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', input: 'go', stream: true })).body, /response\.completed/);
    const calls = await until('all calls are in the ledger', () => stack.ledger().length >= 4 && stack.ledger());
    assert.deepEqual(calls.map((call) => call.stream), [true, true, false, true]);
  });
});

test('each endpoint that makes a run, or lets one go on, can be answered by its events', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools: [city] });
    const { id: thread } = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'go' }] });
    const message = { role: 'user', content: 'go on', stream: true };
    for (const [path, request] of [
      [`/v1/threads/${thread}/runs`, { assistant_id: assistant.id, stream: true }],
      [`/v1/assistants/${assistant.id}/run`, { input: 'go', stream: true }],
      [`/v1/threads/${thread}/messages`, { ...message, run: { assistant_id: assistant.id } }],
      [`/v1/threads/${thread}/messages`, { role: 'user', content: 'go on', run: { assistant_id: assistant.id, stream: true } }],
    ]) {
      const protocol = judge(await streamed(stack, path, request));
      assert.equal(protocol.status, 'completed');
      assert.equal(await stack.answer(protocol.run), protocol.messages[0].text);
    }
    assert.equal((await stack.ok('POST', `/v1/threads/${thread}/messages`, message)).object, 'thread.message');

    const parked = judge(await streamed(stack, '/v1/threads/runs', body(assistant, 'weather')), { withThread: true });
    assert.equal(parked.status, 'requires_action');
    const path = `/v1/threads/${parked.run.thread_id}/runs/${parked.run.id}/submit_tool_outputs`;
    const outputs = { tool_outputs: [{ tool_call_id: parked.steps[0].calls[0].id, output: 'sunny' }], stream: true };
    const ended = judge(await streamed(stack, path, outputs), { behindCalls: true });
    assert.deepEqual(ended.statuses, ['queued', 'in_progress', 'completed']);
    assert.equal(ended.steps[0].id, parked.steps[0].id);
    assert.deepEqual(ended.steps[0].outputs, ['sunny']);
    assert.ok(stack.ledger().every((call) => call.stream), JSON.stringify(stack.ledger()));
  });
});

test('the simple format tells of the run, its calls, its text and its end, at once and an hour later alike', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools: [city] });
    const simple = (text) => frames(text).map(({ event, data }) => ({ event, ...JSON.parse(data) }));
    const parked = simple(await streamed(stack, '/v1/threads/runs?format=simple', body(assistant, 'weather')));
    assert.deepEqual(parked.map(({ event }) => event), ['run', 'thinking', 'tool_call', 'ask_user', 'done']);
    const [{ run_id: id, thread_id: thread_id }, , call, ask, done] = parked;
    const run = await stack.run({ id, thread_id });
    assert.deepEqual(ask.tool_calls, run.required_action.submit_tool_outputs.tool_calls);
    assert.equal(ask.tool_calls[0].id, call.id);
    assert.equal(done.status, 'requires_action');
    const outputs = { tool_outputs: [{ tool_call_id: call.id, output: 'sunny' }], stream: true };
    const after = simple(await streamed(stack, `/v1/threads/${thread_id}/runs/${id}/submit_tool_outputs?format=simple`, outputs));
    assert.deepEqual(after.map(({ event }) => event).filter((name, i, all) => name !== all[i - 1]), ['thinking', 'tool_result', 'answer', 'done']);
    const { iteration, tokens_used, latency_ms, duration_ms, ...result } = after[1];
    assert.deepEqual(result, { event: 'tool_result', id: call.id, name: 'get_weather', arguments: '{"city":"Rome"}', output: 'sunny', status: 'completed', is_error: false, bytes: 5 });
    assert.ok(duration_ms >= 0, 'as long as somebody took to answer it');
    const text = after.filter(({ event }) => event === 'answer').map((event) => event.text).join('');
    assert.equal(await stack.answer(run), text);
    // What it had used, and how long it took, is the same whoever asks for it later.
    const late = simple((await stack.call('GET', `/v1/runs/${id}/events?format=simple`)).body);
    assert.deepEqual(late.map(({ event }) => event), ['run', 'thinking', 'tool_call', 'tool_result', 'answer', 'done']);
    assert.deepEqual(new Set(late.map((event) => `${event.iteration} ${event.tokens_used} ${event.latency_ms}`)), new Set([`2 ${late[0].tokens_used} ${(await stack.run(run)).latency_ms}`]));
    assert.equal(late.at(-1).message_id, after.at(-1).message_id);

    // A call that nobody answers has no output.
    const other = await stack.finished(await stack.submit(assistant, 'weather'));
    await stack.ok('POST', `/v1/threads/${other.thread_id}/runs/${other.id}/cancel`, {});
    const cancelled = simple((await stack.call('GET', `/v1/runs/${other.id}/events?format=simple`)).body);
    assert.deepEqual(cancelled.map(({ event }) => event), ['run', 'thinking', 'tool_call', 'tool_result', 'done']);
    assert.deepEqual([cancelled[3].output, cancelled[3].status, cancelled[4].status], [null, 'cancelled', 'cancelled']);
  });
});

test('outputs that are given again are answered by what came behind their calls', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [city] }), 'both'));
    const path = `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`;
    const outputs = (of, output) => ({ tool_outputs: [{ tool_call_id: of.required_action.submit_tool_outputs.tool_calls[0].id, output }] });
    const steps = async () => (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`)).data.map((step) => step.id);
    await stack.ok('POST', path, outputs(run, 'sunny'));
    const second = await stack.finished(run);
    assert.equal(second.status, 'requires_action');
    const again = judge(await streamed(stack, path, { ...outputs(run, 'sunny'), stream: true }), { behindCalls: true });
    assert.deepEqual(again.statuses, ['queued', 'in_progress', 'requires_action']);
    assert.deepEqual(again.steps.map((step) => step.id), await steps());
    assert.deepEqual(again.steps[1].calls.map((call) => call.arguments), ['{"city":"Oslo"}']);
    await stack.ok('POST', path, outputs(second, 'rainy'));
    await stack.finished(run);
    const ended = judge(await streamed(stack, path, { ...outputs(second, 'rainy'), stream: true }), { behindCalls: true });
    assert.deepEqual(ended.steps.map((step) => step.id), (await steps()).slice(1));
    assert.equal(ended.messages[0].text, 'In Rome it is sunny, in Oslo rainy.');
  });
});

test('a stream that can not be is refused as JSON, and nothing was done', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools: [city] });
    const { id: thread } = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'go' }] });
    const run = await stack.finished(await stack.submit(assistant, 'weather'));
    const refused = async (path, request) => {
      const reply = await stack.call('POST', path, { ...request, stream: true });
      assert.equal(reply.status, 400, JSON.stringify(reply.body));
      assert.equal(reply.headers.get('content-type'), 'application/json');
      return reply.body.error;
    };
    const outputs = [{ tool_call_id: run.required_action.submit_tool_outputs.tool_calls[0].id, output: 'sunny' }];
    for (const [path, request] of [
      ['/v1/threads/runs', body(assistant, 'go')],
      [`/v1/threads/${thread}/runs`, { assistant_id: assistant.id }],
      [`/v1/assistants/${assistant.id}/run`, { input: 'go' }],
      [`/v1/threads/${thread}/messages`, { role: 'user', content: 'go', run: { assistant_id: assistant.id } }],
      [`/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: outputs }],
    ]) {
      const error = await refused(`${path}?format=nope`, request);
      assert.equal(error.param, 'format', path);
    }
    assert.equal((await refused('/v1/threads/runs', { ...body(assistant, 'go'), model: 'nope' })).code, 'model_not_found');
    assert.deepEqual(stack.sql('SELECT status FROM runs').map((row) => row.status).length, 1);
    assert.equal((await stack.run(run)).status, 'requires_action');
    assert.equal((await stack.ok('GET', `/v1/threads/${thread}/messages`)).data.length, 1);
  });
});

test('where as many read as may, a request for a stream makes nothing, and may be sent again', async () => {
  await withStack({ script, config: 'scheduler: {stream_readers: 1}\n' }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools: [city] });
    const run = await stack.finished(await stack.submit(assistant, 'weather'));
    const gone = new AbortController();
    const reader = await fetch(`${stack.url}/v1/runs/${run.id}/events`, { headers: { authorization: `Bearer ${stack.key}` }, signal: gone.signal });
    assert.equal(reader.status, 200);
    const reply = await stack.call('POST', '/v1/threads/runs', body(assistant, 'go'));
    assert.equal(reply.status, 503, JSON.stringify(reply.body));
    assert.equal(reply.body.error.code, 'service_unavailable');
    assert.equal(reply.headers.get('x-should-retry'), 'true');
    assert.equal(stack.sql('SELECT id FROM runs').length, 1);
    // A browser that gets any status but 200 would never come back.
    const late = await stack.call('GET', `/v1/runs/${run.id}/events`);
    assert.equal(late.status, 200);
    assert.deepEqual(frames(late.body), [{ retry: '5000' }]);
    gone.abort();
    await reader.text().catch(() => {});
    const ended = await until('there is room again', async () => {
      const again = await stack.call('POST', '/v1/threads/runs', body(assistant, 'go'));
      return again.status === 200 && judge(again.body, { withThread: true });
    });
    assert.equal(ended.status, 'completed');
  });
});

test('a tenant that has as many streams as one may leaves the others\' places free', async () => {
  await withStack({ script, config: 'scheduler: {stream_readers: 2}\n' }, async (stack) => {
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [city] }), 'weather'));
    const other = stack.tenant('globex');
    const theirs = await other.finished(await other.submit(await other.assistant({ tools: [city] }), 'weather'));
    const gone = new AbortController();
    const read = (of, { id }) => fetch(`${stack.url}/v1/runs/${id}/events`, { headers: { authorization: `Bearer ${of.key}` }, signal: gone.signal });
    const readers = [await read(stack, run)];
    assert.deepEqual(frames((await stack.call('GET', `/v1/runs/${run.id}/events`)).body), [{ retry: '5000' }]);
    assert.equal((await stack.call('POST', '/v1/threads/runs', body(await stack.assistant(), 'go'))).status, 503);
    readers.push(await read(other, theirs));
    const first = new TextDecoder().decode((await readers[1].body.getReader().read()).value);
    assert.match(first, /event: thread.run.created/);
    gone.abort();
    await readers[0].text().catch(() => {});
  });
  await withStack({ script, config: 'scheduler: {stream_readers: 2, tenant_places_percent: 100}\n' }, async (stack) => {
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [city] }), 'weather'));
    const gone = new AbortController();
    const readers = await Promise.all([1, 2].map(() => fetch(`${stack.url}/v1/runs/${run.id}/events`, { headers: { authorization: `Bearer ${stack.key}` }, signal: gone.signal })));
    for (const reader of readers) assert.match(new TextDecoder().decode((await reader.body.getReader().read()).value), /event: thread.run.created/);
    gone.abort();
  });
});

test('a stream holds nothing of the body that asked for it', async () => {
  await withStack({ script: `${script}\n`.replace('rules:', "rules:\n  - {when: {user: endless}, then: {text: 'It goes on and on and on.', stall_after: 4}}"), config: 'providers: [{name: openai, stream: true}]\n' }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const gone = new AbortController();
    const large = `${JSON.stringify(body(assistant, 'endless'))}${' '.repeat(3.5e6)}`; // a tenant's bodies may hold 32 MiB at once
    const replies = []; // one that nobody has any more is closed
    for (let i = 0; i < 12; i++) {
      const reply = await fetch(`${stack.url}/v1/threads/runs`, {
        method: 'POST', headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' }, body: large, signal: gone.signal,
      });
      assert.equal(reply.status, 200, `stream ${i + 1}`);
      replies.push(reply);
    }
    assert.equal(Number(/^penstock_live_readers (\d+)$/m.exec(await (await fetch(`${stack.url}/metrics`)).text())[1]), replies.length);
    gone.abort();
  });
});

test('a client that goes away leaves its run alone', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const gone = new AbortController();
    const reply = await fetch(`${stack.url}/v1/threads/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body(assistant, 'go')),
      signal: gone.signal,
    });
    const seen = reply.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    let text = '';
    while (!text.includes('thread.message.delta')) text += (await seen.next()).value;
    gone.abort();
    const [{ data }] = frames(text).filter(({ event }) => event === 'thread.run.created');
    const ended = await stack.finished(JSON.parse(data));
    assert.equal(ended.status, 'completed');
    assert.match(await stack.answer(ended), /^A text .* being made\.$/);
    await until('nobody reads', async () => /^penstock_live_readers 0$/m.test(await (await fetch(`${stack.url}/metrics`)).text()));
  });
});
