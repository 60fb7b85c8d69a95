// Responses and conversations: chains and forks, under load and under faults, and what hostile clients send.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Frames } from '../lib/sse.mjs';
import { until, withStack } from '../lib/stack.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `${i}ä漢😀`).join(' ');
const script = `
stream: {chunk_ms: 4, chunk_tokens: 1}
rules:
  - {name: cut summary, when: {user: '^\\{"role":"user","text":"much'}, then: {text: 'Half a', finish_reason: length}}
  - {name: summary of calls, when: {user: '"calls":\\[\\{"name":"get_weather".*"role":"tool".*"text":"rain in Rome"'}, then: {text: 'It rains in Rome. ä😀'}}
  - {name: summary, when: {user: '^\\{"role":"user","text":"one"\\}.\\{"role":"assistant","text":"You said one\\."\\}.(\\{"role":"user","text":"two"\\}.)?$'}, then: {text: 'They said one.'}}
  - name: weather
    when: {user: 'weather'}
    steps: [{calls: [{name: get_weather, arguments: {city: 'Malmö'}}, {name: get_weather, arguments: {city: Rome}}]}, {text: 'They say {{tool.1}} and {{tool.2}}.'}]
  - name: mixed
    when: {user: 'mixed'}
    steps: [{text: 'I look.', calls: [{name: calculator, arguments: {expression: '6*7'}}, {name: get_weather, arguments: {city: Rome}}]}, {text: 'They say {{tool.1}} and {{tool.2}}.'}]
  - {name: broken off, when: {user: 'broken off', times: 1}, then: {text: 'Never told to its end. ${words(20)}', cut_after: 12}}
  - {name: endless, when: {user: 'endless'}, then: {text: 'It goes on.', delay_ms: 60000}}
  - {name: slow, when: {user: 'slow'}, then: {text: '${words(30)}', chunk_ms: 30}}
  - {name: late, when: {user: 'late'}, then: {text: 'Here I am.', delay_ms: 700}}
  - {name: long, when: {user: 'long'}, then: {text: '${words(15000)}'}}
  - {name: goes on, when: {user: 'go on'}, then: {text: 'I go on.'}}
  - {name: echo, then: {text: 'You said {{user}}.'}}
`;
const model = 'openai/gpt-4o-mini';
const weather = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
const outputs = (response) =>
  response.output.filter((item) => item.type === 'function_call').map((item) => ({ type: 'function_call_output', call_id: item.call_id, output: `rain in ${JSON.parse(item.arguments).city}` }));
const text = (response) => response.output.flatMap((item) => (item.type === 'message' ? item.content.map((part) => part.text) : [])).join('');
const create = (stack, body, headers) => stack.ok('POST', '/v1/responses', { model, ...body }, headers);
const refused = async (stack, status, code, param, path, body, method = 'POST') => {
  const reply = await stack.call(method, path, body);
  assert.equal(reply.status, status, JSON.stringify(reply.body));
  assert.equal(reply.body.error.code, code, JSON.stringify(reply.body));
  assert.equal(reply.body.error.param, param, JSON.stringify(reply.body));
  return reply.body.error.message;
};
const ended = (stack, id, ms) =>
  until('the response ends', async () => {
    const now = await stack.ok('GET', `/v1/responses/${id}`);
    return !['queued', 'in_progress'].includes(now.status) && now;
  }, ms);

/** The events of a stream, as far as it comes; ends after `count`. */
async function* eventsOf(stack, path, body) {
  const ended = new AbortController();
  const reply = await fetch(stack.url + path, {
    method: body ? 'POST' : 'GET', signal: ended.signal, headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.equal(reply.status, 200, reply.status === 200 ? '' : await reply.text());
  const frames = new Frames();
  try {
    for await (const bytes of reply.body) for (const frame of frames.take(bytes)) if (frame.data && frame.data !== '[DONE]') yield JSON.parse(frame.data);
  } finally {
    ended.abort();
  }
}
const gather = async (events) => {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
};
const deltas = (events) => events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');

test('chains go on in their thread, and fork where another one was quicker', () =>
  withStack({ script }, async (stack) => {
    const first = await create(stack, { input: 'one' });
    const second = await create(stack, { input: 'two', previous_response_id: first.id });
    assert.equal(text(second), 'You said two.');
    assert.equal(stack.sql('SELECT id FROM threads').length, 1);
    // Behind the first again, many at once: each sees what the first saw, and nothing of the others.
    const forks = await Promise.all(Array.from({ length: 12 }, (_, i) => create(stack, { input: `fork ${i}`, previous_response_id: first.id })));
    forks.forEach((fork, i) => assert.equal(text(fork), `You said fork ${i}.`));
    // The tip, many at once: one goes on there.
    const tips = await Promise.all(Array.from({ length: 12 }, (_, i) => create(stack, { input: `tip ${i}`, previous_response_id: second.id })));
    for (const response of [...forks, ...tips]) {
      const { data } = await stack.ok('GET', `/v1/responses/${response.id}/input_items`);
      assert.deepEqual(data.map((item) => item.content[0].text), [text(response).slice('You said '.length, -1)]);
    }
    const threads = stack.sql(`SELECT t.id, array_agg(m.content #>> '{0,text,value}' ORDER BY m.position) AS said
      FROM threads t JOIN messages m ON m.thread_id = t.id GROUP BY t.id`).map((row) => row.said);
    assert.equal(threads.length, 1 + 12 + 11);
    for (const said of threads) {
      assert.equal(said[0], 'one');
      assert.ok(said.length === 4 || said.length === 6, said.join(' | '));
      for (let i = 0; i < said.length; i += 2) assert.equal(said[i + 1], `You said ${said[i]}.`);
    }
    assert.equal((await stack.ok('GET', '/v1/threads')).data.length, 0); // all of them are hidden
  }));

test('calls of a client end a response, and the next one brings what came of them', () =>
  withStack({ script }, async (stack) => {
    const tools = [weather];
    const first = await create(stack, { input: 'weather', tools });
    assert.equal(first.status, 'completed');
    assert.match(await refused(stack, 400, null, 'input', '/v1/responses', { model, tools, previous_response_id: first.id, input: 'And now?' }), /No tool output found for function call call_/);
    assert.match(await refused(stack, 400, null, 'input', '/v1/responses', { model, tools, previous_response_id: first.id, input: [...outputs(first), { type: 'function_call_output', call_id: 'call_other', output: '' }] }),
      /No tool call found for function call output with call_id call_other/);
    await refused(stack, 400, null, 'input', '/v1/responses', { model, tools, previous_response_id: first.id, input: outputs(first).slice(1) });
    assert.equal(text(await create(stack, { tools, previous_response_id: first.id, input: outputs(first) })), 'They say rain in Malmö and rain in Rome.');

    // Calls of both sides in one reply: the server's are made.
    await stack.assistant({ slug: 'helper', tools: [{ type: 'calculator' }] });
    const mixed = await create(stack, { model: 'helper', input: 'mixed', tools });
    assert.deepEqual(mixed.output.map((item) => item.type), ['message', 'mcp_call', 'function_call']);
    assert.equal(mixed.output[1].output, '42');
    const next = await create(stack, { model: 'helper', previous_response_id: mixed.id, input: outputs(mixed), tools });
    assert.equal(text(next), 'They say 42 and rain in Rome.');

    // A client that keeps the history itself.
    const history = [{ role: 'user', content: 'mixed' }, ...mixed.output, ...outputs(mixed)];
    assert.equal(text(await create(stack, { model: 'helper', input: history, tools })), 'They say 42 and rain in Rome.');
    const references = [{ role: 'user', content: 'mixed' }, ...mixed.output.map((item) => ({ type: 'item_reference', id: item.id })), ...outputs(mixed)];
    assert.equal(text(await create(stack, { model: 'helper', input: references, tools })), 'They say 42 and rain in Rome.');
    await refused(stack, 404, null, 'input', '/v1/responses', { model, input: [{ type: 'item_reference', id: `msg_${'0'.repeat(31)}1` }] });
    const other = stack.tenant('other');
    await refused(other, 404, null, 'input', '/v1/responses', { model, input: references });
    await refused(other, 400, 'previous_response_not_found', 'previous_response_id', '/v1/responses', { model, input: 'x', previous_response_id: first.id });
  }));

test('a conversation has one response at a time', () =>
  withStack({ script }, async (stack) => {
    const { id } = await stack.ok('POST', '/v1/conversations', {});
    const slow = await create(stack, { input: 'late', conversation: id, background: true });
    await refused(stack, 400, 'conversation_locked', 'conversation', '/v1/responses', { model, input: 'x', conversation: id });
    await refused(stack, 400, 'conversation_locked', 'conversation', `/v1/conversations/${id}/items`, { items: [{ role: 'user', content: 'x' }] });
    await refused(stack, 400, 'conversation_locked', 'conversation', '/v1/responses', { model, input: [{ type: 'function_call_output', call_id: 'c', output: '' }], conversation: id });
    await ended(stack, slow.id);
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => stack.call('POST', '/v1/responses', { model, input: `x ${i}`, conversation: { id } })));
    const made = many.filter((reply) => reply.status === 200);
    assert.ok(made.length > 0);
    for (const reply of many) if (reply.status !== 200) assert.equal(reply.body.error.code, 'conversation_locked');
    const items = (await stack.ok('GET', `/v1/conversations/${id}/items?limit=100&order=asc`)).data;
    assert.equal(items.length, 2 + 2 * made.length);
    items.forEach((item, i) => assert.equal(item.role, i % 2 ? 'assistant' : 'user'));
    await refused(stack, 404, null, 'conversation', '/v1/responses', { model, input: 'x', conversation: `conv_${'0'.repeat(31)}1` });
    // Behind a response of a conversation: a copy, which the conversation knows nothing of.
    const fork = await create(stack, { input: 'aside', previous_response_id: made[0].body.id });
    assert.equal(fork.conversation, null);
    assert.equal((await stack.ok('GET', `/v1/conversations/${id}/items?limit=100`)).data.length, items.length);
  }));

test('pages of items begin and end anywhere', () =>
  withStack({ script }, async (stack) => {
    await stack.assistant({ slug: 'helper', tools: [{ type: 'calculator' }] });
    const { id } = await stack.ok('POST', '/v1/conversations', { items: [{ role: 'developer', content: 'Be exact' }] });
    const mixed = await create(stack, { model: 'helper', input: 'mixed', tools: [weather], conversation: id });
    await create(stack, { model: 'helper', input: outputs(mixed), tools: [weather], conversation: id });
    const whole = (await stack.ok('GET', `/v1/conversations/${id}/items?limit=100&order=asc`)).data;
    assert.deepEqual(whole.map((item) => item.type), ['message', 'message', 'message', 'mcp_call', 'function_call', 'function_call_output', 'message']);
    assert.equal(whole[3].output, '42');
    assert.deepEqual(whole.slice(2, 5), mixed.output);
    for (const order of ['asc', 'desc'])
      for (let limit = 1; limit <= whole.length; limit++) {
        const seen = [];
        for (let after = ''; ;) {
          const page = await stack.ok('GET', `/v1/conversations/${id}/items?order=${order}&limit=${limit}${after && `&after=${after}`}`);
          seen.push(...page.data);
          assert.equal(page.first_id, page.data[0]?.id ?? null);
          assert.equal(page.last_id, page.data.at(-1)?.id ?? null);
          if (!page.has_more) break;
          assert.equal(page.data.length, limit);
          after = page.last_id;
        }
        assert.deepEqual(seen, order === 'asc' ? whole : whole.toReversed(), `${order}, ${limit}`);
      }
    for (const item of whole) assert.deepEqual(await stack.ok('GET', `/v1/conversations/${id}/items/${item.id}`), item);
    await stack.ok('DELETE', `/v1/conversations/${id}/items/${whole[3].id}`);
    assert.deepEqual((await stack.ok('GET', `/v1/conversations/${id}/items?limit=100&order=asc`)).data.map((item) => item.type),
      ['message', 'message', 'function_call_output', 'message']);
  }));

test('a page begins behind an item of its list, and behind nothing else', () =>
  withStack({ script }, async (stack) => {
    const { id } = await stack.ok('POST', '/v1/conversations', { items: [{ role: 'user', content: 'x' }, { role: 'user', content: 'y' }] });
    const calls = await create(stack, { input: 'weather', tools: [weather], conversation: id });
    const last = await create(stack, { input: outputs(calls), tools: [weather], conversation: id });
    const list = (query, path = `/v1/conversations/${id}/items`) => stack.ok('GET', `${path}?${query}`);
    const unfit = async (after, path = `/v1/conversations/${id}/items`, who = stack) => {
      for (const order of ['asc', 'desc'])
        assert.match(await refused(who, 400, 'invalid_value', 'after', `${path}?order=${order}&after=${after}`, undefined, 'GET'), /is not in this list/);
    };
    const whole = (await list('order=asc')).data;
    assert.deepEqual(whole.map((item) => item.type), ['message', 'message', 'message', 'function_call', 'function_call', 'function_call_output', 'function_call_output', 'message']);
    const [said, , , call, , output, , answer] = whole.map((item) => item.id.slice(item.id.indexOf('_') + 1));
    // Of another kind than the message is, or without such a call.
    for (const wrong of [`fco_${said}`, `fc_${said}00`, `msg_${call.slice(0, 32)}`, `fc_${call.slice(0, 32)}02`, `msg_${output}`, `fc_${output}00`, `fco_${answer}`, `rs_${answer}`, calls.id, id]) await unfit(wrong);
    // Of another conversation, another tenant, another response.
    const elsewhere = await stack.ok('POST', '/v1/conversations', { items: [{ role: 'user', content: 'elsewhere' }] });
    await unfit((await list('', `/v1/conversations/${elsewhere.id}/items`)).data[0].id);
    const other = stack.tenant('other');
    const theirs = await other.ok('POST', '/v1/conversations', { items: [{ role: 'user', content: 'theirs' }] });
    await unfit((await other.ok('GET', `/v1/conversations/${theirs.id}/items`)).data[0].id);
    await unfit(whole[0].id, `/v1/conversations/${theirs.id}/items`, other);
    const brought = `/v1/responses/${last.id}/input_items`;
    assert.deepEqual((await list('order=asc', brought)).data, whole.slice(5, 7));
    assert.deepEqual((await list(`order=asc&after=${whole[5].id}`, brought)).data, whole.slice(6, 7));
    for (const item of [whole[0], whole[4], whole[7]]) await unfit(item.id, brought);
    // A call is the same item by either of its names, and what was deleted still tells a place.
    assert.deepEqual((await list(`order=asc&after=mcp_${call}`)).data, whole.slice(4));
    await stack.ok('DELETE', `/v1/conversations/${id}/items/${whole[1].id}`);
    assert.deepEqual((await list(`order=asc&after=${whole[1].id}`)).data, whole.slice(2));
    assert.deepEqual((await list(`order=desc&after=${whole[1].id}`)).data, whole.slice(0, 1));
  }));

test('what is referred to is bounded, and a request that is over the bound is told so', () =>
  withStack({ script }, async (stack) => {
    const large = 'x'.repeat(900_000);
    const items = [];
    for (let i = 0; i < 20; i++) {
      const { id } = await stack.ok('POST', '/v1/conversations', { items: [{ role: 'user', content: `${i} ${large}` }] });
      items.push(...(await stack.ok('GET', `/v1/conversations/${id}/items`)).data.map((item) => ({ type: 'item_reference', id: item.id })));
    }
    const { id } = await stack.ok('POST', '/v1/conversations', {});
    for (const [path, body] of [['/v1/responses', { model, input: items }], ['/v1/responses/input_tokens', { model, input: items }], [`/v1/conversations/${id}/items`, { items }]])
      assert.match(await refused(stack, 400, 'items_too_large', 'input', path, body), /at most 16777216 bytes/);
    await refused(stack, 404, null, 'input', '/v1/responses', { model, input: [{ type: 'item_reference', id: `msg_${'0'.repeat(31)}1` }] });
    const some = await stack.ok('POST', '/v1/responses/input_tokens', { model, input: items.slice(0, 2) });
    assert.ok(some.input_tokens > 2000, JSON.stringify(some));
  }));

test('an id names an item by its kind, too: what is none is not shown, not deleted, and not referred to', () =>
  withStack({ script }, async (stack) => {
    const { id } = await stack.ok('POST', '/v1/conversations', { items: [{ role: 'user', content: 'x' }] });
    const other = await stack.ok('POST', '/v1/conversations', {});
    const calls = await create(stack, { input: 'weather', tools: [weather], conversation: id });
    await create(stack, { input: outputs(calls), tools: [weather], conversation: id });
    const whole = (await stack.ok('GET', `/v1/conversations/${id}/items?order=asc`)).data;
    assert.deepEqual(whole.map((item) => item.type), ['message', 'message', 'function_call', 'function_call', 'function_call_output', 'function_call_output', 'message']);
    const [said, , call, , output, , answer] = whole.map((item) => item.id.slice(item.id.indexOf('_') + 1));
    const none = [`fco_${said}`, `fc_${said}00`, `mcp_${said}00`, `msg_${call.slice(0, 32)}`, `fco_${call.slice(0, 32)}`, `fc_${call.slice(0, 32)}02`, `msg_${output}`, `fc_${output}00`, `fco_${answer}`, `rs_${answer}`];
    for (const wrong of none) {
      await refused(stack, 404, null, null, `/v1/conversations/${id}/items/${wrong}`, undefined, 'GET');
      await refused(stack, 404, null, null, `/v1/conversations/${id}/items/${wrong}`, undefined, 'DELETE');
      if (!wrong.startsWith('rs_')) await refused(stack, 404, null, 'input', '/v1/responses', { model, input: [{ role: 'user', content: 'x' }, { type: 'item_reference', id: wrong }] });
    }
    for (const item of whole) await refused(stack, 404, null, null, `/v1/conversations/${other.id}/items/${item.id}`, undefined, 'DELETE');
    assert.deepEqual((await stack.ok('GET', `/v1/conversations/${id}/items?order=asc`)).data, whole);
    // A call has one output.
    const again = await create(stack, { input: 'weather', tools: [weather] });
    const twice = [...outputs(again), outputs(again)[0]];
    assert.match(await refused(stack, 400, null, 'input', '/v1/responses', { model, tools: [weather], previous_response_id: again.id, input: twice }), /No tool call found for function call output/);
  }));

test('a request that is sent again makes nothing twice', () =>
  withStack({ script }, async (stack) => {
    const key = { 'idempotency-key': 'k1' };
    const first = await create(stack, { input: 'weather', tools: [weather] }, key);
    const again = await create(stack, { input: 'weather', tools: [weather] }, key);
    assert.deepEqual(again, first);
    const many = await Promise.all(Array.from({ length: 8 }, () => stack.call('POST', '/v1/responses', { model, input: 'late' }, { 'idempotency-key': 'k2' })));
    const ids = new Set(many.filter((reply) => reply.status === 200).map((reply) => reply.body.id));
    assert.equal(ids.size, 1);
    for (const reply of many) assert.ok(reply.status === 200 || reply.body.error.code === 'idempotency_key_in_use');
    // Outputs that were given: their calls are answered by now.
    const body = { model, tools: [weather], previous_response_id: first.id, input: outputs(first) };
    const one = await stack.ok('POST', '/v1/responses', body, { 'idempotency-key': 'k3' });
    assert.deepEqual(await stack.ok('POST', '/v1/responses', body, { 'idempotency-key': 'k3' }), one);
    const tries = (n) => ({ 'x-stainless-retry-count': String(n) });
    const tried = await stack.ok('POST', '/v1/responses', { ...body, metadata: { try: 'me' } }, tries(0));
    assert.equal((await stack.ok('POST', '/v1/responses', { ...body, metadata: { try: 'me' } }, tries(1))).id, tried.id);
    assert.equal(stack.sql("SELECT id FROM runs WHERE spec -> 'response' IS NOT NULL").length, 4);
    const streamed = await gather(eventsOf(stack, '/v1/responses', { model, input: 'weather', tools: [weather], stream: true }));
    assert.equal(streamed.at(-1).type, 'response.completed');
  }));

test('what is not to be stored is gone once it was shown', () =>
  withStack({ script }, async (stack) => {
    const base = await create(stack, { input: 'base' });
    const one = await create(stack, { input: 'secret', store: false });
    const two = await create(stack, { input: 'secret', store: false, previous_response_id: base.id });
    assert.equal(text(two), 'You said secret.');
    const events = await gather(eventsOf(stack, '/v1/responses', { model, input: 'secret', store: false, stream: true }));
    assert.equal(deltas(events), 'You said secret.');
    for (const id of [one.id, two.id, events[0].response.id]) {
      await until('it is gone', async () => (await stack.call('GET', `/v1/responses/${id}`)).status === 404);
      await refused(stack, 400, 'previous_response_not_found', 'previous_response_id', '/v1/responses', { model, input: 'x', previous_response_id: id });
    }
    assert.equal(stack.sql('SELECT id FROM threads').length, 1);
    assert.equal(stack.sql("SELECT id FROM messages WHERE content::text LIKE '%secret%'").length, 0);
    await refused(stack, 400, 'invalid_value', 'background', '/v1/responses', { model, input: 'x', store: false, background: true });
  }));

test('cancelled, in work or before; deleted, and what went on behind it stays', () =>
  withStack({ script }, async (stack) => {
    const queued = await create(stack, { input: 'endless', background: true });
    await until('it is at work', async () => (await stack.ok('GET', `/v1/responses/${queued.id}`)).status === 'in_progress');
    await refused(stack, 400, null, null, `/v1/responses/${queued.id}`, undefined, 'DELETE');
    await refused(stack, 400, 'previous_response_not_ended', 'previous_response_id', '/v1/responses', { model, input: 'x', previous_response_id: queued.id });
    const reader = gather(eventsOf(stack, `/v1/responses/${queued.id}?stream=true`));
    assert.equal((await stack.ok('POST', `/v1/responses/${queued.id}/cancel`)).status, 'cancelled');
    assert.equal((await stack.ok('POST', `/v1/responses/${queued.id}/cancel`)).status, 'cancelled');
    const last = (await reader).at(-1);
    assert.deepEqual([last.type, last.response.status], ['response.incomplete', 'cancelled']);
    const held = await create(stack, { input: 'one' });
    assert.match(await refused(stack, 400, null, null, `/v1/responses/${held.id}/cancel`), /synchronous/);

    const next = await create(stack, { input: 'two', previous_response_id: held.id });
    assert.deepEqual(await stack.ok('DELETE', `/v1/responses/${held.id}`), { id: held.id, object: 'response', deleted: true });
    await refused(stack, 404, null, null, `/v1/responses/${held.id}`, undefined, 'GET');
    await refused(stack, 404, null, null, `/v1/responses/${held.id}`, undefined, 'DELETE');
    const third = await create(stack, { input: 'three', previous_response_id: next.id });
    assert.equal(text(third), 'You said three.');
    await stack.ok('DELETE', `/v1/responses/${third.id}`);
    await stack.ok('DELETE', `/v1/responses/${next.id}`);
    await stack.ok('DELETE', `/v1/responses/${queued.id}`);
    assert.equal(stack.sql('SELECT id FROM threads').length, 0);
  }));

test('a client that goes away ends nothing', () =>
  withStack({ script }, async (stack) => {
    const gone = new AbortController();
    const request = fetch(`${stack.url}/v1/responses`, {
      method: 'POST', signal: gone.signal, headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ model, input: 'late', metadata: { who: 'gone' } }),
    });
    const [run] = await until('it is made', () => { const rows = stack.sql("SELECT id FROM runs WHERE metadata ->> 'who' = 'gone'"); return rows.length && rows; });
    gone.abort();
    await assert.rejects(request);
    assert.equal(text(await ended(stack, `resp_${run.id.replaceAll('-', '')}`)), 'Here I am.');
  }));

test('a stream survives its worker, and says what was lost', () =>
  withStack({ script, workers: 2, env: { PENSTOCK_WORKER_LEASE_MS: '2000' } }, async (stack) => {
    await stack.heard();
    const events = [];
    for await (const event of eventsOf(stack, '/v1/responses', { model, input: 'slow', background: true, stream: true })) {
      events.push(event);
      if (deltas(events).length > 40 && events.every((one) => !one.killed)) {
        const [{ worker }] = stack.sql("SELECT w.pid AS worker FROM runs r JOIN workers w ON w.worker_id = r.owner WHERE r.status = 'in_progress'");
        const killed = stack.workers.find((one) => one.pid === worker);
        killed.child.kill('SIGKILL');
        event.killed = true;
      }
    }
    const last = events.at(-1);
    assert.equal(last.type, 'response.completed');
    assert.equal(text(last.response), words(30));
    let number = -1;
    for (const event of events) assert.ok(event.sequence_number > number && ((number = event.sequence_number), true));
    const [lost] = events.filter((event) => event.type === 'response.output_item.done');
    assert.equal(lost.item.status, 'incomplete');
    assert.ok(lost.sequence_number > 2 ** 30);
    const { id } = last.response;
    assert.match(await refused(stack, 400, 'invalid_value', 'starting_after', `/v1/responses/${id}?stream=true&starting_after=20`, undefined, 'GET'), /can no longer be streamed/);
    const again = await gather(eventsOf(stack, `/v1/responses/${id}?stream=true`));
    assert.equal(deltas(again), words(30));
    assert.deepEqual(again.at(-1).response, last.response);
  }));

test('a reader goes on behind any number, at another scheduler, and after the end', () =>
  withStack({ script }, async (stack) => {
    await stack.heard();
    const live = await gather(eventsOf(stack, '/v1/responses', { model, input: 'slow', background: true, stream: true }));
    const { id } = live[0].response;
    assert.ok(live.length > 20);
    await stack.scheduler.stop();
    await stack.startScheduler();
    const whole = await gather(eventsOf(stack, `/v1/responses/${id}?stream=true`));
    assert.equal(deltas(whole), deltas(live));
    assert.equal(whole.at(-1).sequence_number, live.at(-1).sequence_number);
    for (const event of live.filter((_, i) => i % 5 === 0)) {
      const rest = await gather(eventsOf(stack, `/v1/responses/${id}?stream=true&starting_after=${event.sequence_number}`));
      const had = live.filter((one) => one.sequence_number <= event.sequence_number);
      assert.equal(deltas(had) + deltas(rest), deltas(live));
      assert.ok(rest[0].sequence_number > event.sequence_number);
    }
    assert.equal((await gather(eventsOf(stack, `/v1/responses/${id}?stream=true&starting_after=9999`))).at(-1).type, 'response.completed');
    for (const wrong of ['x', '-1', '1.5', '']) await refused(stack, 400, 'invalid_value', 'starting_after', `/v1/responses/${id}?stream=true&starting_after=${wrong}`, undefined, 'GET');
  }));

test('whatever is sent is answered, and never by 5xx', () =>
  withStack({ script }, async (stack) => {
    const good = await create(stack, { input: 'hi' });
    const { id } = await stack.ok('POST', '/v1/conversations', {});
    const values = [null, true, 0, -1, 1e999, '', 'x', '\u0000', 'x'.repeat(300), [], [null], [[]], [{}], {}, { type: 'x' }, { id: 7 }, [{ type: 'function' }], [{ type: 'mcp' }],
      [{ role: 'user' }], [{ role: 'user', content: [null] }], [{ role: 'user', content: [{ type: 'input_text' }] }], [{ type: 'item_reference', id: 'fc_' }], [{ type: 'item_reference', id: `fc_${'f'.repeat(34)}` }],
      [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '}' }], [{ type: 'function_call_output', call_id: 'c', output: [{}] }], [{ type: 'mcp_call', server_label: 'x', name: 'y', arguments: 'z' }]];
    const members = ['model', 'input', 'instructions', 'conversation', 'previous_response_id', 'tools', 'tool_choice', 'text', 'reasoning', 'truncation', 'background', 'store', 'stream', 'stream_options', 'include',
      'max_output_tokens', 'metadata', 'temperature', 'top_p', 'user', 'safety_identifier', 'service_tier', 'prompt_cache_key', 'prompt', 'nonsense'];
    const counts = {};
    const send = async (method, path, body) => {
      const reply = await stack.call(method, path, body);
      assert.ok(reply.status < 500, `${method} ${path} ${JSON.stringify(body)}: ${reply.status} ${JSON.stringify(reply.body)}`);
      if (reply.status >= 400) assert.equal(typeof reply.body.error.message, 'string');
      counts[reply.status] = (counts[reply.status] ?? 0) + 1;
    };
    for (const member of members)
      await Promise.all(values.map((value) => send('POST', '/v1/responses', { model, input: 'x', background: true, [member]: value })));
    for (const value of values) {
      await send('POST', '/v1/responses/input_tokens', { model, input: value });
      await send('POST', '/v1/conversations', { items: value });
      await send('POST', '/v1/conversations', { metadata: value });
      await send('POST', `/v1/conversations/${id}`, { metadata: value });
      await send('POST', `/v1/conversations/${id}/items`, { items: value });
    }
    for (const wrong of ['resp_', 'x', good.id.toUpperCase(), `${good.id}0`, '%00', 'conv_', `msg_${'f'.repeat(32)}`, '..%2f'])
      for (const [method, path] of [['GET', `/v1/responses/${wrong}`], ['DELETE', `/v1/responses/${wrong}`], ['POST', `/v1/responses/${wrong}/cancel`], ['GET', `/v1/responses/${wrong}/input_items`], ['GET', `/v1/conversations/${wrong}`],
        ['GET', `/v1/conversations/${wrong}/items`], ['GET', `/v1/conversations/${id}/items/${wrong}`], ['DELETE', `/v1/conversations/${id}/items/${wrong}`], ['GET', `/v1/conversations/${id}/items?after=${wrong}`],
        ['GET', `/v1/responses/${good.id}/input_items?limit=${wrong}`], ['GET', `/v1/responses/${good.id}?stream=${wrong}`]])
        await send(method, path);
    assert.ok(counts[400] > 300 && counts[404] > 40, JSON.stringify(counts));
  }));

test('what is long is asked, told and shown whole', () =>
  withStack({ script }, async (stack) => {
    const long = words(15000);
    const asked = `long ${'ü'.repeat(150000)}`;
    const response = await create(stack, { input: asked });
    assert.equal(text(response), long);
    assert.equal((await stack.ok('GET', `/v1/responses/${response.id}/input_items`)).data[0].content[0].text, asked);
    assert.deepEqual(await stack.ok('GET', `/v1/responses/${response.id}`), response);
    const events = await gather(eventsOf(stack, `/v1/responses/${response.id}?stream=true&starting_after=100000`));
    assert.ok(deltas(events).length > 50000 && long.endsWith(deltas(events)));
    assert.deepEqual(events.at(-1).response, response);
    const next = await create(stack, { input: 'x', previous_response_id: response.id });
    assert.equal(text(next), 'You said x.');
  }));

test('a conversation is made shorter by a model, and goes on from there', () =>
  withStack({ script }, async (stack) => {
    const compact = (body, to = stack) => to.ok('POST', '/v1/responses/compact', { model, ...body });
    const content = (compacted) => Buffer.from(compacted.output[0].encrypted_content.slice('psc1_'.length), 'base64').toString();
    const first = await create(stack, { input: 'one' });
    await create(stack, { input: 'and more', previous_response_id: first.id }); // stands behind it in the same thread
    const [said, chained] = [await compact({ input: [{ role: 'user', content: 'one' }, ...first.output] }), await compact({ previous_response_id: first.id, input: 'two', instructions: 'Be brief', service_tier: 'flex', prompt_cache_key: 'k' })];
    for (const compacted of [said, chained]) {
      assert.match(compacted.id, /^resp_[0-9a-f]{32}$/);
      assert.equal(compacted.object, 'response.compaction');
      assert.ok(Math.abs(compacted.created_at - Date.now() / 1000) < 60);
      assert.deepEqual(compacted.output.map((item) => Object.keys(item)), [['id', 'type', 'encrypted_content']]);
      assert.match(compacted.output[0].id, /^cmp_[0-9a-f]{32}$/);
      assert.equal(content(compacted), 'They said one.');
      assert.equal(compacted.usage.total_tokens, compacted.usage.input_tokens + compacted.usage.output_tokens);
      assert.ok(compacted.usage.input_tokens > 0 && compacted.usage.output_tokens > 0);
    }
    assert.equal((await stack.call('GET', `/v1/responses/${said.id}`)).status, 404); // nothing is stored
    const next = await create(stack, { input: [...said.output, { role: 'user', content: 'go on' }] });
    assert.equal(text(next), 'I go on.');
    const items = (await stack.ok('GET', `/v1/responses/${next.id}/input_items?order=asc`)).data;
    assert.deepEqual(items.map((item) => [item.role, item.content[0].text]), [['user', 'What was said in this conversation before, in short:\n\nThey said one.'], ['user', 'go on']]);
    const conversation = await stack.ok('POST', '/v1/conversations', { items: said.output });
    assert.equal(text(await create(stack, { conversation: conversation.id, input: 'go on' })), 'I go on.');
    // Calls, what came of them, and an agent, whose model writes it.
    await stack.assistant({ slug: 'helper' });
    const calls = await create(stack, { input: 'weather', tools: [weather] });
    assert.equal(content(await compact({ model: 'helper', previous_response_id: calls.id, input: outputs(calls) })), 'It rains in Rome. ä😀');
    // What is refused.
    const path = '/v1/responses/compact';
    const [{ encrypted_content: good }] = said.output;
    for (const wrong of ['', 'gAAAAABpM0Yj', 'psc1_x', `${good}=`, `psc1_${Buffer.from('a\u0000b').toString('base64')}`, `psc1_${Buffer.from([255, 254, 253]).toString('base64')}`])
      await refused(stack, 400, 'invalid_encrypted_content', 'input[0].encrypted_content', '/v1/responses', { model, input: [{ type: 'compaction', encrypted_content: wrong }] });
    await refused(stack, 400, 'missing_required_parameter', 'input[0].encrypted_content', '/v1/responses', { model, input: [{ type: 'compaction' }] });
    await refused(stack, 502, 'incomplete_reply', null, path, { model, input: 'much' });
    await refused(stack, 400, 'missing_required_parameter', 'input', path, { model });
    await refused(stack, 400, 'missing_required_parameter', 'model', path, { input: 'x' });
    await refused(stack, 404, 'model_not_found', 'model', path, { model: 'nobody', input: 'x' });
    await refused(stack, 400, 'unknown_parameter', 'conversation', path, { model, conversation: conversation.id, input: 'x' });
    await refused(stack.tenant('other'), 400, 'previous_response_not_found', 'previous_response_id', path, { model, previous_response_id: first.id });
  }));

test('a request waits for so long, and is told then which response goes on', () =>
  withStack({ script, workers: 0, config: 'scheduler: {response_wait_ms: 600}\n' }, async (stack) => {
    const key = { 'idempotency-key': 'k1' };
    for (let i = 0; i < 2; i++) {
      const from = Date.now();
      const reply = await stack.call('POST', '/v1/responses', { model, input: 'one' }, key);
      assert.deepEqual([reply.status, reply.body.error.code, reply.headers.get('x-should-retry')], [504, 'response_timeout', 'false']);
      assert.ok(Date.now() - from >= 600);
      const [id] = /resp_[0-9a-f]{32}/.exec(reply.body.error.message);
      assert.equal((await stack.ok('GET', `/v1/responses/${id}`)).status, 'queued');
    }
    assert.equal(stack.sql('SELECT id FROM runs').length, 1);
    // One that is in the background, and a stream, wait for nothing and for as long as it takes.
    const { id } = await create(stack, { input: 'two', background: true });
    const events = gather(eventsOf(stack, '/v1/responses', { model, input: 'three', stream: true }));
    await stack.call('POST', '/v1/responses', { model, input: 'four', store: false });
    await stack.startWorker();
    assert.equal((await events).at(-1).type, 'response.completed');
    assert.equal((await ended(stack, id)).status, 'completed');
    assert.equal(text(await until('the first one is shown', async () => {
      const reply = await stack.call('POST', '/v1/responses', { model, input: 'one' }, key);
      return reply.status === 200 && reply.body;
    })), 'You said one.');
  }));

test('a scheduler that is stopped tells those who wait to come back, and they find their response', () =>
  withStack({ script, workers: 0 }, async (stack) => {
    const body = { model, input: 'late', metadata: { who: 'waits' } };
    const waiting = stack.call('POST', '/v1/responses', body, { 'x-stainless-retry-count': '0' });
    await until('it is made', () => stack.sql("SELECT id FROM runs WHERE metadata ->> 'who' = 'waits'").length === 1);
    await stack.scheduler.stop();
    const reply = await waiting;
    assert.equal(reply.status, 503);
    assert.equal(reply.headers.get('x-should-retry'), 'true');
    assert.match(reply.body.error.message, /resp_[0-9a-f]{32} is still being made/);
    await stack.startScheduler();
    await stack.startWorker();
    assert.equal(text(await stack.ok('POST', '/v1/responses', body, { 'x-stainless-retry-count': '1' })), 'Here I am.');
    assert.equal(stack.sql('SELECT id FROM runs').length, 1);
  }));

test('what is wrong with an agent is said of the model', () =>
  withStack({ script, workers: 0 }, async (stack) => {
    await stack.assistant({ slug: 'sleeper', is_active: false });
    await stack.assistant({ slug: 'frugal', max_output_tokens: 10, tools: [{ type: 'calculator' }] });
    const refuse = (body, code, param, status = 400) => refused(stack, status, code, param, '/v1/responses', { input: 'x', background: true, ...body });
    await refuse({ model: 'sleeper' }, 'assistant_inactive', 'model');
    await refuse({ model: `asst_${'0'.repeat(31)}1` }, null, 'model', 404);
    await refuse({ model: 'nobody' }, 'model_not_found', 'model');
    await refuse({ model: 'frugal', max_output_tokens: 20 }, 'budget_not_permitted', 'max_output_tokens');
    await refuse({ model: 'frugal', tools: [{ type: 'mcp', server_label: 'penstock', allowed_tools: ['http_request'] }] }, 'tool_not_permitted', 'tools[0]');
    await refuse({ model: 'frugal', tools: [{ type: 'function', name: 'calculator' }] }, 'duplicate_value', 'tools');
    await refuse({ model: 'frugal', tool_choice: { type: 'function', name: 'f' } }, 'invalid_value', 'tool_choice');
    await refuse({ model, tools: [{ type: 'mcp', server_label: 'penstock' }] }, 'tool_not_permitted', 'tools');
    await refuse({ model, input: undefined }, 'missing_required_parameter', 'input');
    const shown = await stack.ok('POST', '/v1/responses', { model: 'frugal', background: true, input: 'x', tools: [weather, { type: 'mcp', server_label: 'penstock', allowed_tools: ['calculator'] }] });
    assert.deepEqual(shown.tools.map((tool) => [tool.type, tool.name ?? tool.allowed_tools]), [['function', 'get_weather'], ['mcp', ['calculator']]]);
    assert.equal(shown.max_output_tokens, 10);
    assert.equal(shown.model, 'frugal');
    assert.equal((await stack.ok('GET', `/v1/runs/${shown.id.replace('resp', 'run')}`)).id, shown.id.replace('resp', 'run'));
  }));
