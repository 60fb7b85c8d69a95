// The events of runs, read by however many, from wherever they were, and under faults.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Protocol, Reader, follow, stream } from '../lib/sse.mjs';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `${i}ä漢😀`).join(' ');
const script = `
stream: {chunk_ms: 4, chunk_tokens: 1}
rules:
  - name: server
    when: {user: 'server'}
    steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}]}, {text: 'It is {{tool}}. ${words(5)}'}]
  - name: text and calls
    when: {user: 'both'}
    steps: [{text: 'I will calculate. ${words(5)}', calls: [{name: calculator, arguments: {expression: '6*7'}}]}, {text: 'It is {{tool}}. ${words(5)}'}]
  - name: parallel
    when: {user: 'parallel'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '1+1'}}, {name: calculator, arguments: {expression: '2+2'}}, {name: calculator, arguments: {expression: '3+3'}}]
      - {text: 'Done.'}
  - name: function
    when: {user: 'weather'}
    steps: [{calls: [{name: get_weather, arguments: {city: 'Malmö'}}, {name: get_weather, arguments: {city: Rome}}]}, {text: 'They say {{tool.1}} and {{tool.2}}. ${words(5)}'}]
  - name: thoughts
    when: {user: 'ponder'}
    steps:
      - {text: 'I will calculate.', reasoning: 'First six times seven. ${words(5)}', calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool}}. ${words(5)}', reasoning: 'That was it. ${words(5)}'}
  - name: refusal
    when: {user: 'bomb'}
    then: {text: 'I can not help with that. ${words(5)}', finish_reason: content_filter}
  - {name: failed, when: {user: 'fails'}, then: {status: 400, body: '{"error":{"message":"no"}}'}}
  - {name: broken off, when: {user: 'broken off', times: 1}, then: {text: 'Never told to its end. ${words(20)}', cut_after: 12}}
  - {name: endless, when: {user: 'endless'}, then: {text: 'It goes on. ${words(20)}', stall_after: 12}}
  - {name: slow, when: {user: 'slow'}, then: {text: '${words(30)}', chunk_ms: 30}}
  - {name: text, then: {text: '${words(40)}'}}
`;
const functions = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const tools = [{ type: 'calculator' }, ...functions];

const at = (run) => `/v1/threads/${run.thread_id}/runs/${run.id}`;

/** What is stored of a run, in the shape of Protocol's. */
async function stored(stack, run) {
  const steps = (await stack.ok('GET', `${at(run)}/steps?order=asc&limit=100`)).data;
  const ids = steps.map((step) => step.step_details.message_creation?.message_id).filter(Boolean);
  const messages = await Promise.all(ids.map((id) => stack.ok('GET', `/v1/threads/${run.thread_id}/messages/${id}`)));
  return { run: await stack.run(run), steps, messages };
}

/** What a reader was told is what is stored; but for steps that were begun and came to nothing. */
async function checkStored(stack, run, reader) {
  const { steps, messages, ...is } = await stored(stack, run);
  const { told } = reader.protocol;
  assert.deepEqual(told.run, is.run);
  assert.deepEqual(told.steps.map((step) => step.ended).filter((step) => steps.some(({ id }) => id === step.id)), steps);
  assert.deepEqual(told.messages.map((message) => message.ended).filter((message) => messages.some(({ id }) => id === message.id)), messages);
  for (const step of told.steps) assert.ok(steps.some(({ id }) => id === step.id) || step.ended.status !== 'completed', `${step.id} is stored`);
}

/** Gives what a run asks for, as soon as it does. */
async function answer(stack, run) {
  const asked = await until('it asks', async () => {
    const seen = await stack.run(run);
    return seen.status === 'requires_action' && seen;
  });
  const tool_outputs = asked.required_action.submit_tool_outputs.tool_calls.map((call) => ({ tool_call_id: call.id, output: `rain in ${call.function.arguments}` }));
  return stack.ok('POST', `${at(run)}/submit_tool_outputs`, { tool_outputs });
}

const metric = async (stack, name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await (await fetch(`${stack.url}/metrics`)).text())?.[1]);

/** A run that somebody listens to from its beginning, so that all of it is told. Returns it, and who listens as `listener`: to its end, or until it asks. */
async function begin(stack, assistant, prompt) {
  const reader = {};
  const listener = stream(stack, '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: prompt }] } }, {
    until: ({ protocol }) => void (reader.run = protocol.run),
  });
  await until('it is made', () => reader.run);
  return { ...reader.run, listener };
}

/** Behind the first delta that somebody was told of. */
const cancel = (stack, run) => follow(stack, run, { until: (reader) => reader.frames.at(-1).event === 'thread.message.delta' }).then(() => stack.ok('POST', `${at(run)}/cancel`));
const expire = (stack, run) =>
  follow(stack, run, { until: (reader) => reader.frames.at(-1).event === 'thread.message.delta' }).then(() => stack.exec(`UPDATE runs SET expires_at = now()`));

const replies = {
  'a text': { prompt: 'text', status: 'completed' },
  'a tool of the server': { prompt: 'server', status: 'completed' },
  'a text with calls': { prompt: 'both', status: 'completed' },
  'parallel calls': { prompt: 'parallel', status: 'completed' },
  'a model that shows what it thinks': { prompt: 'ponder', status: 'completed' },
  'functions of the client': { prompt: 'weather', status: 'completed', meanwhile: answer },
  'a refusal': { prompt: 'bomb', status: 'incomplete' },
  'a run that fails': { prompt: 'fails', status: 'failed' },
  'a reply that breaks off and is tried again': { prompt: 'broken off', status: 'completed' },
  'a run that is cancelled': { prompt: 'endless', status: 'cancelled', meanwhile: cancel },
  'a run that expires': { prompt: 'endless', status: 'expired', meanwhile: expire, fields: { timeout_seconds: 3 } },
};

/** Without what differs between one who was there and one who came later: replies that came to nothing. */
function lasting({ told }, steps) {
  const there = told.steps.filter((step) => steps.some(({ id }) => id === step.id));
  return { run: told.run, steps: there, messages: told.messages.filter((message) => there.some((step) => step.message === message.id)) };
}

test('whoever reads a run, and however often he comes again, reads the same', async (t) => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    for (const [name, { prompt, status, meanwhile, fields }] of Object.entries(replies)) await t.test(name, async () => {
      const assistant = await stack.assistant({ tools, ...fields });
      const run = await begin(stack, assistant, prompt);
      const readers = [{}, {}, { every: 1 }, { every: 2 }, { every: 3 }].map((options) => follow(stack, run, options));
      await meanwhile?.(stack, run);
      const [whole, second, ...others] = await Promise.all(readers);
      assert.equal(whole.protocol.status, status, JSON.stringify(whole.protocol.run));
      for (const reader of [whole, second, ...others]) await checkStored(stack, run, reader);
      assert.deepEqual(second.protocol.told, whole.protocol.told);
      const { steps } = await stored(stack, run);
      for (const reader of others) assert.deepEqual(lasting(reader.protocol, steps), lasting(whole.protocol, steps));
      const later = await follow(stack, run);
      assert.deepEqual(lasting(later.protocol, steps), lasting(whole.protocol, steps));
      await checkStored(stack, run, later);
      const laterOften = await follow(stack, run, { every: 1 });
      const thoughts = steps.map(({ reasoning }) => reasoning).join('') || undefined;
      assert.equal(thoughts !== undefined, prompt === 'ponder');
      for (const reader of [whole, second, ...others, later, laterOften]) assert.equal(reader.protocol.reasoning, thoughts);
      assert.deepEqual(laterOften.protocol.told, later.protocol.told);
      assert.equal((await follow(stack, run, { lastId: whole.lastId })).ending, 'no more');
    });
  });
});

test('who comes in the midst of a reply that is streamed anyway is told of it from its beginning', async () => {
  await withStack({ script, config: 'providers: [{name: openai, stream: true}]\n' }, async (stack) => {
    await stack.heard();
    const run = await stack.submit(await stack.assistant(), 'endless');
    await until('the model is asked, and nobody listens', async () => (await stack.llmStats()).in_flight === 1);
    const text = (reader) => reader.protocol.message?.text ?? '';
    const late = await follow(stack, run, { until: (reader) => text(reader).length >= 24 });
    assert.equal(late.ending, 'until');
    assert.ok(`It goes on. ${words(20)}`.startsWith(text(late)), text(late));
    await stack.ok('POST', `${at(run)}/cancel`);
  });
});

test('what a model thinks is stored with the step that it led to, whether or not somebody listens and its reply is streamed', async (t) => {
  for (const streamed of [true, false]) await t.test(streamed ? 'streamed' : 'whole', () =>
    withStack({ script, config: `providers: [{name: openai, stream: ${streamed}}]\n` }, async (stack) => {
      const assistant = await stack.assistant({ tools });
      const run = await stack.submit(assistant, 'ponder');
      await stack.finished(run);
      const { steps } = await stored(stack, run);
      assert.deepEqual(steps.map(({ type, reasoning }) => [type, reasoning]), [
        ['message_creation', `First six times seven. ${words(5)}`],
        ['tool_calls', null],
        ['message_creation', `That was it. ${words(5)}`],
      ]);
      assert.deepEqual(await stack.ok('GET', `${at(run)}/steps/${steps[0].id}`), steps[0]);
      for (const every of [undefined, 1]) {
        const simple = await follow(stack, run, { query: 'format=simple', protocol: null, every });
        const said = simple.frames.filter(({ event }) => event === 'thinking' || event === 'answer').map(({ event, data }) => [event, JSON.parse(data).text]);
        assert.deepEqual(said, [
          ['thinking', undefined],
          ['thinking', `First six times seven. ${words(5)}`],
          ['answer', 'I will calculate.'],
          ['thinking', `That was it. ${words(5)}`],
          ['answer', `It is 42. ${words(5)}`],
        ]);
      }
      await stack.ok('DELETE', `/v1/threads/${run.thread_id}`);
      assert.equal(stack.exec('SELECT count(*) FROM run_steps').trim(), '0');
    }));
});

/** A model of OpenAI's that says what it says chunk by chunk: {prompt: [delta, …]}. */
async function oddModel(replies, heard) {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const bytes of request) text += bytes;
    const { messages } = JSON.parse(text);
    if (replies[messages.at(-1).content]) await heard();
    const deltas = replies[messages.at(-1).content] ?? [{ content: 'Well.' }];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = (choice) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'odd', choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
    for (const delta of deltas) {
      if (delta.wait) await delta.wait;
      else response.write(chunk({ delta }).replaceAll('LONE-HIGH', '\\ud83d').replaceAll('LONE-LOW', '\\ude00'));
      await new Promise((done) => setTimeout(done, 5));
    }
    const finish_reason = deltas.some((delta) => delta.tool_calls) ? 'tool_calls' : 'stop';
    response.end(`${chunk({ delta: {}, finish_reason })}data: [DONE]\n\n`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, config: `providers: [{name: odd, kind: openai_chat, base_url: 'http://127.0.0.1:${server.address().port}/v1', api_key: x}]\n` };
}

const call = (index, id, name) => ({ tool_calls: [{ index, ...(id === undefined ? {} : { id }), type: 'function', function: { name, arguments: '' } }] });
const args = (index, text) => ({ tool_calls: [{ index, function: { arguments: text } }] });
const city = (index, ...texts) => [call(index, `call_${index}`, 'get_weather'), ...texts.map((text) => args(index, text))];

const odd = {
  'a refusal': [{ refusal: 'I can ' }, { refusal: 'not ' }, { refusal: 'do that.' }],
  'characters that can not be stored': [{ content: 'a\0b' }, { content: 'cLONE-HIGH' }, { content: 'd' }, { content: '\0' }, { content: '\0e' }, { content: 'LONE-LOW.' }],
  'a character in two pieces': [{ content: 'smile LONE-HIGH' }, { content: 'LONE-LOW. ' }, { content: 'Yes.' }],
  'calls before text': [...city(0, '{"city":', '"Rome"}'), { content: 'I will ' }, { content: 'look.' }],
  'arguments with blanks': [...city(0, ' ', '{"city" :', ' "Rome"', ' } '), ...city(1, '\n{"city":"', 'Oslo', '"}')],
  'arguments that are put into form': [...city(0, '"{\\"city\\":', '\\"Ro\\\\u0000me', '\\"}', '"')],
  'calls without ids': [call(0, undefined, 'get_weather'), args(0, '{"city":'), args(0, '"Rome"}'), call(1, '', 'get_weather'), args(1, '{}')],
  'calls with the same id': [...city(0, '{"city":', '"Rome"}'), call(1, 'call_0', 'get_weather'), args(1, '{"city":'), args(1, '"Oslo"}')],
  'a name that is none': [call(0, 'call_a', ' get_weather '), args(0, '{"city":'), args(0, '"Rome"}'), call(1, 'call_b', 'get weather!'), args(1, '{}')],
  'calls in turn': [...city(0, '{"city":'), ...city(1, '{"city":'), args(0, '"Rome"}'), args(1, '"Oslo"}')],
};

test('what models write that is put into form is told as it is stored, or left out', async (t) => {
  let speak;
  const { server, config } = await oddModel(odd, () => new Promise((done) => (speak = done)));
  await withStack({ script, config }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ model: 'odd/odd', tools: functions });
    for (const prompt of Object.keys(odd)) await t.test(prompt, async () => {
      speak = null;
      const run = await begin(stack, assistant, prompt);
      const readers = [{}, { every: 1 }, { every: 2 }].map((options) => follow(stack, run, options));
      await until('all read', async () => (await metric(stack, 'penstock_live_readers')) === 4);
      (await until('the model is asked', () => speak))();
      if (odd[prompt].some((delta) => delta.tool_calls)) await Promise.race([answer(stack, run), Promise.all(readers)]);
      for (const reader of await Promise.all(readers)) await checkStored(stack, run, reader);
      await run.listener;
    });
  }).finally(() => server.close());
});

test('a reader whose id is unknown begins at the start, and another tenant finds nothing', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const run = await stack.submit(await stack.assistant({ tools }), 'server');
    const whole = await follow(stack, run);
    for (const lastId of ['x', '0', 'i', 'i.', 'i.-1', 'z.1', 'i.1.2', `${'9'.repeat(4000)}`, 'i.0.0195f3a2.m.4.1', 'e'])
      assert.deepEqual((await follow(stack, run, { lastId })).protocol.told, whole.protocol.told, lastId);
    const middle = whole.frames.findLast((frame) => frame.event === 'thread.message.delta').id;
    const rest = whole.frames.slice(whole.frames.findIndex((frame) => frame.id === middle) + 1);
    const plain = ({ event, data }) => ({ event, data });
    for (const where of [{ lastId: middle }, { query: `after=${middle}` }])
      assert.deepEqual((await follow(stack, run, { ...where, protocol: null })).frames.map(plain), rest.map(plain));
    // Ids of another run, of which all was shown and of which nothing is known here.
    const { frames } = await follow(stack, await stack.submit(await stack.assistant({ tools }), 'both'));
    for (const id of new Set(frames.map((frame) => frame.id)))
      assert.deepEqual((await follow(stack, run, { lastId: id })).protocol.told, whole.protocol.told, id);
    const other = stack.tenant('other');
    assert.equal((await follow(other, run)).ending, 'gone');
    assert.equal((await follow(other, run, { lastId: middle })).ending, 'gone');
    assert.equal((await other.call('GET', `/v1/runs/${run.id}/events`)).status, 404);
    assert.equal((await stack.call('GET', `${at(run)}/events?format=other`)).body.error.param, 'format');
    assert.equal((await fetch(`${stack.url}${at(run)}/events`)).status, 401);
  });
});

test('HEAD of a stream is answered at once, and the connection goes on', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'server');
    const response = await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', input: 'server', background: true });
    const socket = connect(stack.port, '127.0.0.1').setEncoding('utf8');
    let heard = '';
    socket.on('data', (text) => (heard += text));
    const ask = (line, more = '') => socket.write(`${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${stack.key}\r\n${more}\r\n`);
    for (const path of [`${at(run)}/events`, `/v1/runs/${run.id}/events`, `/v1/responses/${response.id}?stream=true`, `/v1/runs/run_${'0'.repeat(31)}1/events`]) ask(`HEAD ${path}`);
    ask('GET /v1/models', 'Connection: close\r\n');
    await until('all of them are answered', () => socket.closed);
    assert.deepEqual(heard.match(/^HTTP\/1.1 \d+/gm).map((line) => line.slice(-3)), ['200', '200', '200', '404', '200']);
    assert.equal(heard.match(/^Content-Type: text\/event-stream; charset=utf-8/gm).length, 3);
    assert.match(heard, /"object":"list"/);
  });
});

test('the simple format says what it thinks, calls, hears and answers, and goes on behind each event', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const run = await stack.submit(await stack.assistant({ tools }), 'server');
    const [whole, often] = await Promise.all([{}, { every: 1 }].map((more) => follow(stack, run, { query: 'format=simple', protocol: null, ...more })));
    const seen = (reader) => {
      const events = reader.frames.map((frame) => ({ ...JSON.parse(frame.data), event: frame.event }));
      const text = events.filter(({ event }) => event === 'answer').map((answer) => answer.text).join('');
      const names = events.map(({ event }) => event).filter((name, i, all) => name !== all[i - 1]);
      return { text, names, output: events.find(({ event }) => event === 'tool_result')?.output, status: events.at(-1).status };
    };
    assert.deepEqual(seen(whole), { text: await stack.answer(run), names: ['run', 'thinking', 'tool_call', 'tool_result', 'answer', 'done'], output: '42', status: 'completed' });
    assert.deepEqual(seen(often), seen(whole));
  });
});

test('requests with stream: true are the events of what they make, to where the client is needed', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools });
    const first = await stream(stack, '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'weather' }] } });
    assert.equal(first.frames[0].event, 'thread.created');
    assert.equal(first.protocol.status, 'requires_action');
    const { run } = first.protocol;
    const tool_outputs = run.required_action.submit_tool_outputs.tool_calls.map((call) => ({ tool_call_id: call.id, output: 'rain' }));
    const calls = first.protocol.step;
    const protocol = Object.assign(new Protocol('requires_action'), { step: calls, steps: new Map([[calls.id, calls]]) });
    const second = await stream(stack, `${at(run)}/submit_tool_outputs`, { tool_outputs }, { protocol });
    assert.equal(protocol.status, 'completed');
    assert.equal(second.frames[0].event, 'thread.run.queued');
    assert.equal([...protocol.messages.values()][0].text, await stack.answer(run));
    const third = await stream(stack, `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'text' }] });
    assert.equal(third.protocol.status, 'completed');
    await checkStored(stack, third.protocol.run, third);
    const bad = await stream(stack, `/v1/threads/${run.thread_id}/runs`, { assistant_id: 'asst_none' });
    assert.equal(bad.statuses[0], 404);
  });
});

test('a thread that is deleted ends the streams of its runs, and so does a drain, for who comes again', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools });
    const speaks = (reader) => reader.frames.at(-1).event === 'thread.message.delta';
    const gone = await begin(stack, assistant, 'endless');
    await follow(stack, gone, { until: speaks });
    const readers = [{}, { every: 1 }, { query: 'format=simple', protocol: null }].map((options) => follow(stack, gone, options));
    await follow(stack, gone, { until: speaks });
    await stack.ok('DELETE', `/v1/threads/${gone.thread_id}`);
    const deleted = Date.now();
    for (const reader of await Promise.all(readers)) assert.ok(['run_deleted', 'gone'].includes(reader.ending), reader.ending);
    checkTook(Date.now() - deleted, 3000, 'the end of the streams');

    const run = await begin(stack, assistant, 'slow');
    const reader = new Reader(stack, run);
    const following = reader.follow();
    await until('it speaks', () => reader.frames.some((frame) => frame.event === 'thread.message.delta'));
    const began = Date.now();
    assert.equal((await stack.scheduler.stop()).code, 0);
    checkTook(Date.now() - began, 5000, 'the drain with a stream');
    assert.equal(reader.hints.length, 1, 'it was told to come again');
    assert.equal(reader.ending, null);
    await stack.startScheduler();
    await following;
    await checkStored(stack, run, reader);
  });
});

test('a request with stream: true is told the first reply while it is made, however soon that begins', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools });
    const ask = () => stream(stack, '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'text' }] } });
    const readers = await Promise.all(Array.from({ length: 40 }, ask));
    const pieces = readers.map((reader) => reader.frames.filter((frame) => frame.event === 'thread.message.delta').length);
    // A reader that a busy machine keeps waiting is told more at once; but each reply was asked for piece by piece.
    assert.ok(Math.min(...pieces) > 0 && Math.max(...pieces) > 2, `${pieces}`);
    for (const reader of readers) assert.equal(reader.protocol.status, 'completed');
    assert.ok(stack.ledger().every((call) => call.stream));
  });
});

test('what nobody told of is found by all readers, also where another one has read it before', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools });
    for (let i = 0; i < 5; i++) {
      const run = await stack.submit(assistant, 'text');
      const first = new Reader(stack, run, { until: (reader) => reader.frames.at(-1).event === 'thread.run.in_progress' });
      const following = first.follow();
      await until('it reads', () => first.frames.length >= 2);
      stack.exec(`UPDATE runs SET status = 'in_progress', started_at = now() WHERE id = '${run.id.replace('run_', '')}'`);
      await follow(stack, run, { until: (reader) => reader.frames.at(-1).event === 'thread.run.in_progress' });
      const read = Date.now();
      await following;
      checkTook(Date.now() - read, 2500, 'what another one was told');
    }
  });
});

/** Publishes bytes as they are. */
function publisher(stack) {
  const socket = connect(stack.redisUrl.replace('unix://', ''));
  socket.on('data', () => {}).on('error', () => {});
  return (channel, bytes) => {
    const parts = ['PUBLISH', channel, bytes].map((part) => Buffer.from(part));
    return new Promise((done) => socket.write(Buffer.concat([Buffer.from('*3\r\n'), ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]), done));
  };
}

const hex = (id) => Buffer.from(id.replace(/^[a-z]+_/, ''), 'hex');

function frame(kind, run, reply, number, offset, text, name = '', says = {}) {
  const head = Buffer.alloc(50);
  head[0] = kind;
  hex(run).copy(head, 1);
  reply.copy(head, 17);
  [number, offset, says.length ?? Buffer.byteLength(text)].forEach((value, i) => head.writeUInt32LE(value, 33 + 4 * i));
  head.writeUInt32LE(says.writes ?? 0, 45);
  head[49] = says.name ?? name.length;
  return Buffer.concat([head, Buffer.from(text), Buffer.from(name)]);
}

test('whatever is published where streams listen, nothing breaks, and in the end is told what is stored', async () => {
  await withStack({ script }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant({ tools });
    const run = await begin(stack, assistant, 'slow');
    const reader = new Reader(stack, run);
    const following = reader.follow();
    await until('it speaks', () => reader.frames.some(({ event }) => event === 'thread.message.delta'));
    const publish = publisher(stack);
    const channel = stack.redis('PUBSUB', 'CHANNELS', 'live:*').split('\n').find((name) => name && name !== 'live:asks');
    const [zero, last] = [Buffer.alloc(16), Buffer.alloc(16, 0xff)];
    const other = 'run_0195f3a2bdcb700ca2066fa762fc8582';
    for (const bytes of [
      Buffer.alloc(0), Buffer.from('rubbish'), Buffer.alloc(8 << 20), Buffer.alloc(100000, 1), Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256)),
      frame(2, other, last, 0, 0, 'of another run'), frame(2, run.id, zero, 0, 0, 'of no reply'), frame(2, run.id, last, 0, 4e9, 'behind a gap'), frame(9, run.id, last, 0, 0, 'no kind'),
      frame(5, run.id, last, 4e9, 0, 'c', 'n'), frame(6, run.id, last, 4e9, 0, '{}'), frame(2, run.id, last, 0, 0, 'short', '', { length: 4e9 }), frame(2, run.id, last, 0, 0, 'x'.repeat(16384)),
      frame(2, run.id, zero.map(() => 0xfe), 0, 0, 'behind writes that never were', '', { writes: 4e9 }), frame(2, run.id, last, 0, 16384, Buffer.from([0xff, 0xfe])), frame(5, run.id, last, 0, 0, 'call', 'tool'), frame(1, run.id, zero, 0, 0, ''), ...Array(300).fill(frame(1, run.id, zero, 0, 0, '')),
    ]) await publish(channel, bytes);
    const id = `${run.id.slice(4, 12)}-${run.id.slice(12, 16)}-${run.id.slice(16, 20)}-${run.id.slice(20, 24)}-${run.id.slice(24)}`;
    for (const line of [
      '', 'listen', `listen ${id}`, `whole live:asks ${id}`, `listen live:${'x'.repeat(500)} ${id}`, `whole live: ${id}`, `shout live:x ${id}`, `whole live:x ${'y '.repeat(100000)}`,
      `whole live:x ${`${id} `.repeat(50000)}`, Buffer.alloc(4 << 20), ...Array.from({ length: 50 }, (_, i) => `whole live:${i} ${id}`),
    ]) await publish('live:asks', line);
    await following;
    await checkStored(stack, run, reader);
    assert.equal(reader.protocol.status, 'completed');
    const next = await begin(stack, assistant, 'server');
    await checkStored(stack, next, await follow(stack, next));
  });
});
