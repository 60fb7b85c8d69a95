// Calls of models that clients make through the scheduler: POST /v1/chat/completions and /v1/embeddings.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const base = '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}';
const config = `
scheduler: {gateway_calls: 6, gateway_wait_ms: 8000}
providers:
  - {name: whole, kind: openai_chat, base_url: '${base}', api_key: sk-w, stream: false}
  - {name: keys, kind: openai_chat, base_url: '${base}', api_keys: [sk-bad-1111, sk-good-2222]}
  - {name: busy, kind: openai_chat, base_url: '${base}', api_keys: [sk-busy-1111, sk-idle-2222]}
  - {name: narrow, kind: openai_chat, base_url: '${base}', api_key: sk-n, concurrent_calls: 1}
  - {name: keyless, kind: openai_chat, base_url: '${base}', api_key: sk-refused}
models:
  - {name: slow-limit, provider: whole, model: limited, requests_per_minute: 20}
  - {name: dollar, provider: openai, model: dollar, input_price: 1000000, output_price: 1000000}
`;

const status = (name, code, body = '', headers = '') =>
  `  - {name: ${name}, when: {user: '^${name}$'}, then: {status: ${code}, body: '${body}'${headers}}}\n`;
const openAiError = (code, message = 'no') => `{"error":{"message":"${message}","type":"x","code":"${code}"}}`;

const script = `
limits:
  - {key: 'sk-limit*', requests_per_minute: 30}
rules:
  - {name: bad key, when: {header: {name: authorization, matches: 'sk-(bad|refused)'}}, then: {status: 401, body: '${openAiError('invalid_api_key', 'Incorrect API key: sk-secret-abcdefghijklmnop')}'}}
  - {name: busy key, when: {header: {name: authorization, matches: 'sk-busy'}}, then: {status: 429, headers: {retry-after: 600}}}
${status('limited', 429, openAiError('rate_limit_exceeded'), ', headers: {retry-after-ms: 2500}')}\
${status('quota', 429, openAiError('insufficient_quota'))}\
${status('overloaded', 503, openAiError('overloaded'))}\
${status('overflow', 400, openAiError('context_length_exceeded'))}\
${status('refused', 400, openAiError('invalid_value', 'I do not like it'))}\
${status('gone model', 404, openAiError('model_not_found', 'The model does not exist'))}\
  - {name: cut, when: {user: '^cut$'}, then: {text: 'never seen', close: 20}}
  - {name: empty, when: {user: '^empty$'}, then: {text: ''}}
  - {name: garbled, when: {user: '^garbled$'}, then: {text: 'x', malformed: true}}
  - {name: breaks, when: {user: '^breaks$'}, then: {text: 'one two three four five six seven', chunk_tokens: 1, cut_after: 4}}
  - {name: stall, when: {user: '^stall$'}, then: {stall: true}}
  - {name: stalls, when: {user: '^stalls$'}, then: {text: 'one two three four five six', chunk_tokens: 1, stall_after: 3}}
  - {name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: 300}}
  - {name: paced, when: {user: '^paced$'}, then: {text: 'one two three four', chunk_tokens: 1, chunk_ms: 120}}
  - {name: broken call, when: {user: '^broken call$'}, then: {calls: [{name: lookup, arguments: '{"city": "Par'}]}}
  - name: tools
    when: {user: 'weather in (.+)'}
    steps:
      - {text: 'I look.', calls: [{name: weather, arguments: {city: '{{1}}'}}, {name: weather, arguments: {city: Oslo}}]}
      - {text: 'It is {{tool.1}} there, and {{tool.2}} in Oslo.'}
  - {name: dear, when: {user: '^dear$'}, then: {text: 'Paid.', usage: {prompt_tokens: 100, completion_tokens: 20, cached_tokens: 10}}}
  - {name: hello, then: {text: 'Hello, wörld.'}}
`;

const options = { script, config, workers: 0, llmArgs: ['--bodies'] };
const say = (content, fields = {}) => ({ model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content }], ...fields });
const complete = (stack, content, fields, headers) => stack.call('POST', '/v1/chat/completions', say(content, fields), headers);
const stats = (stack) => stack.llmStats();
const lastRequest = async (stack) => JSON.parse((await stack.lastCall()).request);
const streamed = { stream: true, stream_options: { include_usage: true } };

/** The frames of a stream as objects, comments as {comment}. */
async function* frames(response) {
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const frame = text.slice(0, end);
      if (frame.startsWith(':')) yield { comment: frame };
      else if (frame === 'data: [DONE]') yield { done: true };
      else yield JSON.parse(frame.replace(/^data: /, ''));
    }
  }
}

function open(stack, content, fields = {}, signal = undefined) {
  return fetch(`${stack.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(say(content, { stream: true, ...fields })),
    signal,
  });
}

async function all(response) {
  const list = [];
  for await (const frame of frames(response)) list.push(frame);
  return list;
}

const textOf = (list) => list.map((chunk) => chunk.choices?.[0]?.delta.content ?? '').join('');

test('a completion, whole and streamed, with what it used', async () => {
  await withStack(options, async (stack) => {
    const { status: code, body, headers } = await complete(stack, 'dear', { model: 'dollar', user: 'ada' });
    assert.equal(code, 200, JSON.stringify(body));
    assert.match(body.id, /^chatcmpl-[0-9a-f]{32}$/);
    assert.equal(body.object, 'chat.completion');
    assert.equal(body.model, 'openai/dollar');
    assert.ok(Math.abs(body.created - Date.now() / 1000) < 60);
    assert.deepEqual(body.choices, [{
      index: 0, message: { role: 'assistant', content: 'Paid.', refusal: null, annotations: [] }, logprobs: null, finish_reason: 'stop',
    }]);
    assert.deepEqual(body.usage, {
      prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 }, cost_micros: body.usage.cost_micros,
    });
    assert.ok(body.usage.cost_micros > 0);
    assert.equal(headers.get('content-type'), 'application/json');
    const [row] = stack.sql(`SELECT provider, model, user_id, agent_id, calls, prompt_tokens, completion_tokens, cached_tokens, cost_micros FROM usage_by_hour`);
    assert.deepEqual(row, {
      provider: 'openai', model: 'dollar', user_id: 'ada', agent_id: '00000000-0000-0000-0000-000000000000', calls: 1,
      prompt_tokens: 100, completion_tokens: 20, cached_tokens: 10, cost_micros: body.usage.cost_micros,
    });

    const response = await open(stack, 'dear', { model: 'dollar', ...streamed });
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
    const list = await all(response);
    assert.deepEqual(list.at(-1), { done: true });
    assert.equal(list[0].choices[0].delta.role, 'assistant');
    assert.equal(textOf(list), 'Paid.');
    assert.deepEqual(list.at(-2).usage, body.usage);
    assert.deepEqual(list.at(-2).choices, []);
    assert.equal(list.at(-3).choices[0].finish_reason, 'stop');
    assert.ok(list.slice(0, -2).every((chunk) => chunk.usage === null && chunk.object === 'chat.completion.chunk'));
    assert.equal(new Set(list.slice(0, -1).map((chunk) => `${chunk.id} ${chunk.model}`)).size, 1);
    assert.equal(stack.sql('SELECT sum(calls)::int8 AS calls FROM usage_by_hour')[0].calls, 2);
    assert.equal((await lastRequest(stack)).stream, true);

    const plain = await all(await open(stack, 'hello'));
    assert.equal(textOf(plain), 'Hello, wörld.');
    assert.ok(plain.every((chunk) => !('usage' in chunk)), 'nobody asked for it');
    const whole = await all(await open(stack, 'hello', { model: 'whole/any' }));
    assert.equal(textOf(whole), 'Hello, wörld.');
    assert.ok(!(await lastRequest(stack)).stream, 'this provider is never asked for a stream');
  });
});

test('pieces arrive while the model makes them', async () => {
  await withStack(options, async (stack) => {
    const times = [];
    for await (const frame of frames(await open(stack, 'paced'))) if (frame.choices?.[0]?.delta.content) times.push(Date.now());
    assert.ok(times.at(-1) - times[0] >= 200, `all within ${times.at(-1) - times[0]} ms`);
  });
});

test('functions of the client, images, formats and the system go to the model and back', async () => {
  await withStack(options, async (stack) => {
    const tools = [{ type: 'function', function: { name: 'weather', description: 'of a city', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
    const asked = 'weather in Turin';
    const { body } = await complete(stack, asked, { tools, tool_choice: 'auto', parallel_tool_calls: true });
    const [choice] = body.choices;
    assert.equal(choice.finish_reason, 'tool_calls', JSON.stringify(body));
    assert.equal(choice.message.content, 'I look.');
    assert.deepEqual(choice.message.tool_calls.map((call) => [call.type, call.function.name, JSON.parse(call.function.arguments).city]),
      [['function', 'weather', 'Turin'], ['function', 'weather', 'Oslo']]);

    const list = await all(await open(stack, asked, { tools, ...streamed }));
    const calls = [];
    for (const part of list.flatMap((chunk) => chunk.choices?.[0]?.delta.tool_calls ?? [])) {
      const call = (calls[part.index] ??= { id: part.id, name: part.function.name, arguments: '' });
      call.arguments += part.function.arguments;
    }
    assert.deepEqual(calls.map((call) => [call.name, call.arguments]), choice.message.tool_calls.map((call) => [call.function.name, call.function.arguments]));
    assert.equal(new Set(calls.map((call) => call.id)).size, 2);
    assert.equal(list.at(-3).choices[0].finish_reason, 'tool_calls');

    const result = await stack.ok('POST', '/v1/chat/completions', {
      model: 'openai/gpt-4o-mini',
      tools,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
        { role: 'user', content: [{ type: 'text', text: asked }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }], name: 'ada' },
        { ...choice.message, parsed: null },
        ...choice.message.tool_calls.map((call, i) => ({ role: 'tool', tool_call_id: call.id, content: ['sunny', 'snow'][i] })),
      ],
    });
    assert.equal(result.choices[0].message.content, 'It is sunny there, and snow in Oslo.');
    const sent = (await lastRequest(stack)).messages;
    assert.deepEqual(sent[0], { role: 'system', content: 'Be brief.\n\nBe kind.' });
    assert.deepEqual(sent[1].content.map((part) => part.type), ['text', 'image_url']);
    assert.deepEqual(sent.slice(2).map((message) => message.role), ['assistant', 'tool', 'tool']);

    const format = { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object', properties: { b: {}, a: {} } } } };
    await complete(stack, 'hello', { response_format: format, temperature: 0.5, top_p: 1, max_tokens: 7, seed: 3, store: true, metadata: { a: 'b' }, stop: [], n: 1, logit_bias: {} });
    const request = (await lastRequest(stack));
    assert.deepEqual(Object.keys(request.response_format.json_schema.schema.properties), ['b', 'a']);
    assert.equal(request.temperature, 0.5);
    assert.equal(request.max_completion_tokens ?? request.max_tokens, 7);
    assert.ok(!('seed' in request) && !('store' in request) && !('stop' in request));
    await complete(stack, 'hello', { stop: 'END', presence_penalty: -1.5, frequency_penalty: 0 });
    const { stop, presence_penalty: presence, frequency_penalty: frequency } = (await lastRequest(stack));
    assert.deepEqual([stop, presence, frequency], [['END'], -1.5, 0]);
  });
});

test('how verbose an answer is to be is said to those who have a word for it, and shown as it was asked', async () => {
  const more = `
providers:
  - {name: openai, kind: openai_chat, base_url: '${base}', api_key: sk-o}
  - {name: plain, kind: openai_chat, base_url: '${base}', api_key: sk-p}
  - {name: flow, kind: openai_responses, base_url: '${base}', api_key: sk-f}
`;
  await withStack({ ...options, workers: 1, config: more }, async (stack) => {
    const sent = async (model, verbosity) => {
      const { status, body } = await complete(stack, 'hello', { model, verbosity });
      assert.equal(status, 200, JSON.stringify(body));
      const request = await lastRequest(stack);
      return request.verbosity ?? request.text?.verbosity;
    };
    for (const word of ['low', 'medium', 'high', undefined]) {
      assert.equal(await sent('openai/gpt-5', word), word);
      assert.equal(await sent('flow/gpt-5', word), word);
      assert.equal(await sent('plain/any', word), undefined);
      const text = word && { verbosity: word };
      const response = await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-5', input: 'hello', text });
      assert.equal(response.text.verbosity, word ?? 'medium');
      assert.equal((await stack.ok('GET', `/v1/responses/${response.id}`)).text.verbosity, word ?? 'medium');
      assert.equal((await lastRequest(stack)).verbosity, word);
    }
    assert.equal((await complete(stack, 'hello', { verbosity: 'endless' })).body.error.param, 'verbosity');
    const refused = await stack.call('POST', '/v1/responses', { model: 'openai/gpt-5', input: 'hello', text: { verbosity: 'endless' } });
    assert.deepEqual([refused.status, refused.body.error.param], [400, 'text.verbosity']);
    // Of an agent, and what a run says instead.
    const assistant = await stack.assistant({ model: 'openai/gpt-5', verbosity: 'low' });
    await stack.finished(await stack.submit(assistant, 'hello'));
    assert.equal((await lastRequest(stack)).verbosity, 'low');
    const run = await stack.finished(await stack.submit(assistant, 'hello', { verbosity: 'high' }));
    assert.equal((await lastRequest(stack)).verbosity, 'high');
    assert.equal(run.verbosity, 'high');
  });
});

test('a call that is no JSON reaches the client as the model wrote it', async () => {
  await withStack(options, async (stack) => {
    const tools = [{ type: 'function', function: { name: 'lookup' } }];
    const { body } = await complete(stack, 'broken call', { tools });
    assert.equal(body.choices[0].message.tool_calls[0].function.arguments, '{"city": "Par');
    assert.equal(body.choices[0].message.tool_calls[0].function.name, 'lookup');
  });
});

test('each failure has a status, before and in the midst of a stream', async () => {
  await withStack(options, async (stack) => {
    const expected = {
      limited: [429, 'rate_limit_exceeded', 'rate_limit_error', undefined],
      quota: [429, 'insufficient_quota', 'insufficient_quota', 'false'],
      overloaded: [503, 'overloaded', 'server_error', undefined],
      overflow: [400, 'context_length_exceeded', 'invalid_request_error', 'false'],
      refused: [400, null, 'invalid_request_error', 'false'],
      'gone model': [404, 'model_not_found', 'invalid_request_error', undefined],
      cut: [502, 'stream_cut', 'server_error', undefined],
      empty: [502, 'empty_reply', 'server_error', undefined],
      garbled: [502, 'malformed_reply', 'server_error', undefined],
    };
    const models = Object.keys(expected);
    for (const [prompt, [code, name, type, again]] of Object.entries(expected))
      for (const stream of prompt === 'garbled' ? [false] : [false, true]) { // streamed, its text has gone out before
        const model = `openai/failing-${models.indexOf(prompt)}-${stream}`; // so that no call holds up another
        const reply = await complete(stack, prompt, { model, stream });
        assert.equal(reply.status, code, `${prompt} ${stream}: ${JSON.stringify(reply.body)}`);
        assert.equal(reply.body.error.code, name, prompt);
        assert.equal(reply.body.error.type, type, prompt);
        assert.equal(reply.headers.get('x-should-retry') ?? undefined, again, prompt);
        if (prompt === 'limited') {
          assert.equal(reply.headers.get('retry-after-ms'), '2500');
          assert.equal(reply.headers.get('retry-after'), '3');
        }
      }
    const auth = await complete(stack, 'hello', { model: 'keyless/any' });
    assert.deepEqual([auth.status, auth.body.error.code, auth.headers.get('x-should-retry')], [502, 'provider_auth', 'false']);
    assert.match(auth.body.error.message, /not yours/);
    assert.doesNotMatch(JSON.stringify(auth.body), /sk-secret-abcdefghijklmnop/);

    const broken = await all(await open(stack, 'breaks'));
    assert.ok(textOf(broken).length > 0);
    assert.equal(broken.at(-1).error.code, 'stream_cut');
    assert.equal(broken.at(-1).error.type, 'server_error');
    assert.ok(!broken.some((frame) => frame.done));
  });
});

test('where a provider is stays with the server: a client is told its name and what went wrong, the log the rest', async () => {
  const nowhere = `
providers:
  - {name: away, kind: openai_chat, base_url: 'http://127.0.0.1:9/v1', api_key: sk-a}
  - {name: unnamed, kind: openai_chat, base_url: 'http://llm.internal.invalid:4711/v1', api_key: sk-a}
`;
  await withStack({ config: nowhere }, async (stack) => {
    const address = /127\.0\.0\.1|localhost|internal\.invalid|port 9/;
    const told = (what, text, provider) => {
      assert.match(text, new RegExp(`${provider} could not be reached`), what);
      assert.doesNotMatch(text, address, what);
    };
    for (const provider of ['away', 'unnamed']) {
      const model = `${provider}/any`;
      const messages = [{ role: 'user', content: 'x' }];
      for (const [path, body] of [['chat/completions', { model, messages }], ['chat/completions', { model, messages, stream: true }], ['embeddings', { model, input: 'x' }]]) {
        const reply = await stack.call('POST', `/v1/${path}`, body);
        assert.deepEqual([reply.status, reply.body.error.code], [503, 'overloaded']);
        told(path, JSON.stringify(reply.body), provider);
      }
      const fallback = await stack.call('POST', '/v1/chat/completions', { model, messages, fallbacks: [`${provider}/other`] });
      told('fallbacks', JSON.stringify(fallback.body), provider);
      const assistant = await stack.assistant({ model, fallbacks: [`${provider}/other`], timeout_seconds: 3 });
      const run = await stack.submit(assistant, 'x');
      const pattern = new RegExp(`${provider} could not be reached`);
      await until('the worker has logged where it is', () => stack.workers[0].log().split('\n').some((line) => line.includes(run.id) && pattern.test(line) && address.test(line)));
      await until('the scheduler, too', () => stack.scheduler.log().split('\n').some((line) => pattern.test(line) && address.test(line)));
      const shown = await stack.finished(run);
      assert.doesNotMatch(JSON.stringify([shown, await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps`)]), address);
      const response = await stack.call('POST', '/v1/responses', { model, input: 'x', background: true });
      assert.equal(response.status, 200);
      await stack.ok('POST', `/v1/responses/${response.body.id}/cancel`);
      const stored = stack.sql('SELECT r::text FROM runs r').flat().join();
      assert.doesNotMatch(stored, address);
    }
  });
});

test('what can not be asked is refused, with the member that is wrong', async () => {
  await withStack(options, async (stack) => {
    const wrong = [
      [{ n: 2 }, 'n', 'unsupported_parameter'],
      [{ logprobs: true }, 'logprobs', 'unsupported_parameter'],
      [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
      [{ stop: ['a', ''] }, 'stop[1]', 'string_below_min_length'],
      [{ stop: 1 }, 'stop', 'invalid_type'],
      [{ presence_penalty: 2.5 }, 'presence_penalty', 'decimal_above_max_value'],
      [{ messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'y', provider_state: 'z' }] }, 'messages[1].provider_state', 'invalid_type'],
      [{ modalities: ['text', 'audio'] }, 'modalities', 'unsupported_parameter'],
      [{ functions: [{ name: 'f' }] }, 'functions', 'unsupported_parameter'],
      [{ tools: [{ type: 'calculator' }] }, 'tools[0].type', 'invalid_value'],
      [{ temprature: 1 }, 'temprature', 'unknown_parameter'],
      [{ messages: [] }, 'messages', 'array_below_min_length'],
      [{ messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_required_parameter'],
      [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
      [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id', 'missing_required_parameter'],
      [{ messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }, 'messages[0].content[0].type', 'invalid_value'],
      [{ model: 'never-heard-of' }, 'model', 'model_not_found'],
      [{ fallbacks: ['never-heard-of'] }, 'fallbacks', 'model_not_found'],
    ];
    for (const [fields, param, code] of wrong) {
      const reply = await complete(stack, 'hello', fields);
      assert.equal(reply.status, code === 'model_not_found' ? 404 : 400, JSON.stringify(reply.body));
      assert.equal(reply.body.error.param, param, JSON.stringify(reply.body));
      assert.equal(reply.body.error.code, code, JSON.stringify(reply.body));
    }
    assert.equal((await stats(stack)).calls, 0, 'no provider was asked');
  });
});

test('a client that goes away cancels the call, whole and streamed, and a quiet stream is kept by comments', async () => {
  await withStack(options, async (stack) => {
    for (const [prompt, stream] of [['stall', false], ['stall', true], ['stalls', true]]) {
      const before = (await stats(stack)).closed_by_client;
      const client = new AbortController();
      const asked = open(stack, prompt, { stream }, client.signal).then(async (response) => {
        for await (const frame of frames(response)) if (frame.choices?.[0]?.delta.content) client.abort();
      });
      asked.catch(() => {});
      await until('the provider is asked', async () => (await stats(stack)).in_flight > 0 || client.signal.aborted);
      client.abort();
      await assert.rejects(asked);
      await until(`${prompt} ${stream}: the provider is let go`, async () => (await stats(stack)).closed_by_client === before + 1);
    }
    const page = async () => (await fetch(`${stack.url}/metrics`)).text();
    assert.match(await page(), /^penstock_gateway_cancelled_total 3$/m);
    await until('no call is left', async () => /^penstock_gateway_calls 0$/m.test(await page()));
    assert.equal((await complete(stack, 'hello')).status, 200);

    const client = new AbortController();
    const kept = await open(stack, 'stall', {}, client.signal); // begins when nothing has come for long
    for await (const frame of frames(kept)) {
      assert.deepEqual(frame, { comment: ': waiting' });
      break;
    }
    client.abort();
    await until('the provider is let go', async () => (await stats(stack)).in_flight === 0);
  });
});

test('calls wait for a limit in the order in which they came, and one that would wait too long is told so', async () => {
  await withStack(options, async (stack) => {
    const metric = async (name) => Number(new RegExp(`^penstock_gateway_${name} (\\d+)$`, 'm').exec(await (await fetch(`${stack.url}/metrics`)).text())[1]);
    const order = [];
    const ask = (n, fields = {}) => complete(stack, 'hello', { model: 'slow-limit', ...fields }).then((reply) => {
      order.push(n);
      return reply;
    });
    await Promise.all([0, 1, 2].map((n) => ask(n))); // as many as may come at once
    const from = Date.now();
    const asked = [];
    for (const n of [3, 4, 5]) {
      asked.push(ask(n));
      await until(`call ${n} waits`, async () => (await metric('calls')) === n - 2);
    }
    for (const late of await Promise.all([ask('late'), ask('late too', { stream: true })])) { // no stream has begun, so it is a status
      assert.equal(late.status, 429, JSON.stringify(late.body));
      assert.equal(late.body.error.code, 'rate_limit_exceeded');
      assert.ok(Number(late.headers.get('retry-after-ms')) > 0, late.headers.get('retry-after-ms'));
    }
    assert.deepEqual((await Promise.all(asked)).map((reply) => reply.status), [200, 200, 200]);
    assert.deepEqual(order.filter((n) => n > 2), [3, 4, 5]);
    assert.ok(Date.now() - from >= 5000, `three calls within ${Date.now() - from} ms`);
    assert.equal(await metric('waiting'), 0);
  });
});

test('one key that is refused or busy is passed over, and calls at once are bounded', async () => {
  await withStack(options, async (stack) => {
    for (const model of ['keys/any', 'busy/any'])
      for (let i = 0; i < 4; i++) assert.equal((await complete(stack, 'hello', { model })).status, 200, model);

    const many = await Promise.all(Array.from({ length: 12 }, () => complete(stack, 'slow one', { model: 'openai/many' })));
    const codes = many.map((reply) => reply.status).sort();
    assert.deepEqual([...new Set(codes)], [200, 429]);
    assert.equal(codes.filter((code) => code === 200).length, 6);
    const refused = many.find((reply) => reply.status === 429);
    assert.equal(refused.body.error.code, 'too_many_calls');
    assert.equal(refused.headers.get('retry-after-ms'), '1000');

    const narrow = await Promise.all(Array.from({ length: 4 }, () => complete(stack, 'slow two', { model: 'narrow/any' })));
    assert.deepEqual(narrow.map((reply) => reply.status), [200, 200, 200, 200]);
    const { keys } = await stats(stack);
    assert.equal(keys.find((one) => one.key.endsWith('sk-n')).peak_in_flight, 1, JSON.stringify(keys));
  });
});

test('a provider that fails again and again is left alone, and a fallback is asked instead', async () => {
  await withStack(options, async (stack) => {
    const model = 'openai/failing';
    for (let i = 0; i < 5; i++) assert.equal((await complete(stack, 'overloaded', { model })).status, 503);
    const { calls } = await stats(stack);
    const shut = await complete(stack, 'overloaded', { model });
    assert.equal(shut.status, 503);
    assert.match(shut.body.error.message, /left alone/);
    assert.ok(Number(shut.headers.get('retry-after-ms')) > 1000);
    assert.equal((await stats(stack)).calls, calls, 'it was not asked');
    const instead = await complete(stack, 'hello', { model, fallbacks: ['whole/other'] });
    assert.deepEqual([instead.status, instead.body.model], [200, 'whole/other']);
    const chunks = await all(await open(stack, 'hello', { model, fallbacks: ['whole/other'] }));
    assert.equal(chunks[0].model, 'whole/other');
    assert.match(await (await fetch(`${stack.url}/metrics`)).text(), /^penstock_gateway_models_left_alone 1$/m);
  });
});

test('a tenant stays within his limits, and nobody else waits for him', async () => {
  await withStack(options, async (stack) => {
    const limited = stack.tenant('limited');
    stack.command('tenants', 'set', 'limited', '--requests-per-minute', '12');
    for (let i = 0; i < 2; i++) assert.equal((await complete(limited, 'hello')).status, 200);
    const began = Date.now();
    const third = complete(limited, 'hello');
    const others = await Promise.all([1, 2, 3].map(() => complete(stack, 'hello')));
    assert.ok(others.every((reply) => reply.status === 200));
    checkTook(Date.now() - began, 3000, 'the calls of others');
    assert.equal((await third).status, 200);
    assert.ok(Date.now() - began > 2000, `the third call took ${Date.now() - began} ms`);
    assert.deepEqual(stack.sql(`SELECT t.name, sum(calls)::int8 AS calls FROM usage_by_hour u JOIN tenants t ON t.id = u.tenant_id GROUP BY 1 ORDER BY 1`),
      [{ name: 'limited', calls: 3 }, { name: 'test', calls: 3 }]);
  });
});

test('a reload of the configuration holds for the next call', async () => {
  await withStack({ ...options, config: 'models:\n  - {name: alias, provider: openai, model: before}\n' }, async (stack) => {
    assert.equal((await complete(stack, 'hello', { model: 'alias' })).body.model, 'openai/before');
    writeFileSync(stack.env.PENSTOCK_CONFIG, 'models:\n  - {name: alias, provider: openai, model: after}\n');
    const slow = complete(stack, 'slow', { model: 'alias' });
    await until('it is under way', async () => (await stats(stack)).in_flight > 0);
    process.kill(stack.scheduler.pid, 'SIGHUP');
    assert.equal((await slow).body.model, 'openai/before');
    await until('the new one holds', async () => (await complete(stack, 'hello', { model: 'alias' })).body.model === 'openai/after');
  });
});

test('what was used and can not be stored costs nobody his answer', async () => {
  await withStack(options, async (stack) => {
    stack.exec('ALTER TABLE usage_deltas RENAME TO usage_gone');
    const reply = await complete(stack, 'hello');
    assert.deepEqual([reply.status, reply.body.choices[0].message.content], [200, 'Hello, wörld.']);
    assert.match(stack.scheduler.log(), /what a call of a model used could not be stored/);
    stack.exec('ALTER TABLE usage_gone RENAME TO usage_deltas');
  });
});

test('a scheduler that stops lets calls end', async () => {
  await withStack(options, async (stack) => {
    const asked = complete(stack, 'slow', { model: 'openai/last' });
    await until('it is under way', async () => (await stats(stack)).in_flight > 0);
    const stopped = stack.scheduler.stop();
    assert.equal((await asked).status, 200);
    assert.equal((await stopped).code, 0);
  });
});

test('vectors, as floats and as base64', async () => {
  await withStack(options, async (stack) => {
    const model = 'openai/text-embedding-3-small';
    const { data, usage, ...rest } = await stack.ok('POST', '/v1/embeddings', { model, input: ['one', 'two words'], dimensions: 8, user: 'ada' });
    assert.deepEqual(rest, { object: 'list', model });
    assert.deepEqual(data.map((one) => [one.object, one.index, one.embedding.length]), [['embedding', 0, 8], ['embedding', 1, 8]]);
    assert.ok(usage.prompt_tokens > 0 && usage.total_tokens === usage.prompt_tokens);
    const packed = await stack.ok('POST', '/v1/embeddings', { model, input: 'one', dimensions: 8, encoding_format: 'base64' });
    const bytes = Buffer.from(packed.data[0].embedding, 'base64');
    assert.deepEqual(Array.from({ length: 8 }, (_, i) => bytes.readFloatLE(i * 4)), data[0].embedding.map(Math.fround));
    const [row] = stack.sql('SELECT user_id, calls, prompt_tokens, completion_tokens FROM usage_by_hour WHERE user_id = \'ada\'');
    assert.deepEqual(row, { user_id: 'ada', calls: 1, prompt_tokens: usage.prompt_tokens, completion_tokens: 0 });
    for (const [input, param] of [[[1, 2], 'input[0]'], [[[1, 2]], 'input[0]'], ['', 'input'], [[], 'input'], [{}, 'input'], [Array(2049).fill('x'), 'input']]) {
      const reply = await stack.call('POST', '/v1/embeddings', { model, input });
      assert.deepEqual([reply.status, reply.body.error.param], [400, param], JSON.stringify(reply.body));
    }
    const asked = (await stack.llmStats()).requests;
    const own = await stack.ok('POST', '/v1/embeddings', { model: 'builtin/hashed-words-1', input: ['a rose garden', 'The garden of roses', 'invoices'] });
    const near = (a, b) => own.data[a].embedding.reduce((sum, value, at) => sum + value * own.data[b].embedding[at], 0);
    assert.equal(own.data[0].embedding.length, 512);
    assert.ok(near(0, 1) > 0.5 && Math.abs(near(0, 2)) < 0.2, `${near(0, 1)}, ${near(0, 2)}`);
    assert.equal((await stack.llmStats()).requests, asked, 'no provider was asked');
    const refused = await stack.call('POST', '/v1/embeddings', { model: 'builtin/other', input: 'x' });
    assert.deepEqual([refused.status, /hashed-words-1/.test(refused.body.error.message)], [400, true], JSON.stringify(refused.body));
    const chat = await stack.call('POST', '/v1/chat/completions', { model: 'builtin/hashed-words-1', messages: [{ role: 'user', content: 'x' }] });
    assert.deepEqual([chat.status, /makes vectors/.test(chat.body.error.message)], [400, true], JSON.stringify(chat.body));
    assert.equal((await stack.call('POST', '/v1/embeddings', { model: 'never-heard-of', input: 'x' })).status, 404);
    assert.equal((await stack.call('POST', '/v1/embeddings', { model, input: Array(2048).fill('x'), dimensions: 4 })).body.data.length, 2048);
  });
});
