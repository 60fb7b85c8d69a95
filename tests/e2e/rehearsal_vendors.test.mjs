// What penstock-rehearsal says in the dialects of Anthropic, Google Gemini and Ollama, judged by their own SDKs.

import Anthropic1 from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import Anthropic0 from 'anthropic-v0';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ollama } from 'ollama';
import { Rehearsal, schema, script } from './rehearsal.mjs';

let llm;
before(async () => {
  llm = await Rehearsal.start(script);
});
after(() => llm?.stop());

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

const long = 'a text of far more than twenty tokens, which is no more than eighty letters all in all';
const user = (content) => [{ role: 'user', content }];

// ---- Anthropic ----

for (const [major, Anthropic] of [[0, Anthropic0], [1, Anthropic1]]) {
  const clientOf = (apiKey = 'sk-ant-judge') => new Anthropic({ baseURL: llm.url, apiKey, maxRetries: 0 });
  const tools = ['calculator', 'current_time'].map((name) => ({ name, input_schema: schema }));
  const settings = { model: 'claude-sonnet-5', max_tokens: 1000 };

  test(`anthropic ${major}: a message, whole and streamed`, async () => {
    const client = clientOf();
    const whole = await client.messages.create({ ...settings, messages: user('hi'), system: 'Be kind.' });
    assert.deepEqual(whole.content.map(({ type, text }) => ({ type, text })), [{ type: 'text', text: 'Hello from claude-sonnet-5, ça va? 你好!' }]);
    assert.equal(whole.stop_reason, 'end_turn');
    assert.deepEqual([whole.usage.input_tokens, whole.usage.output_tokens], [12, 5]);
    const events = await collect(await client.messages.create({ ...settings, messages: user('hi'), stream: true }));
    const types = events.map((event) => event.type).filter((type, i, all) => type !== all[i - 1]);
    assert.deepEqual(types, ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop']);
    const streamed = await client.messages.stream({ ...settings, messages: user('hi') }).finalMessage();
    assert.deepEqual(streamed.content.map(({ type, text }) => ({ type, text })), whole.content.map(({ type, text }) => ({ type, text })));
    assert.deepEqual([streamed.stop_reason, streamed.usage.output_tokens], ['end_turn', 5]);
    assert.equal((await client.messages.create({ ...settings, messages: user('lengthy') })).stop_reason, 'max_tokens');
  });

  test(`anthropic ${major}: calls and their thinking go back, and are missed`, async () => {
    const client = clientOf();
    for (const stream of [false, true]) {
      const ask = async (messages, more = {}) => {
        const request = { ...settings, tools, messages, ...more };
        return stream ? client.messages.stream(request).finalMessage() : client.messages.create(request);
      };
      const refused = (messages, pattern, more) => assert.rejects(ask(messages, more), (error) => error instanceof Anthropic.BadRequestError && pattern.test(error.message));
      const first = await ask(user('think about it'));
      assert.deepEqual(first.content.map((block) => block.type), ['thinking', 'tool_use', 'tool_use']);
      assert.equal(first.stop_reason, 'tool_use');
      assert.equal(first.content[0].thinking, 'First the numbers, then the clock.');
      assert.deepEqual(first.content[1].input, { expression: '6*7', note: 'été ∑' });
      assert.deepEqual([first.usage.input_tokens, first.usage.cache_read_input_tokens, first.usage.cache_creation_input_tokens], [50, 40, 10]);
      const [thinking, one, two] = first.content;
      const results = [{ type: 'tool_result', tool_use_id: two.id, content: 'noon' }, { type: 'tool_result', tool_use_id: one.id, content: [{ type: 'text', text: '42' }] }];
      const turn = (blocks, answers = results) => [...user('think about it'), { role: 'assistant', content: blocks }, { role: 'user', content: answers }];
      const second = await ask(turn(first.content));
      assert.equal(second.content[0].text, 'So it is 42 and noon.');
      await refused(turn([one, two]), /Expected `thinking` or `redacted_thinking`, but found `tool_use`/);
      await refused(turn([{ ...thinking, thinking: 'Something else.' }, one, two]), /Invalid `signature` in `thinking` block/);
      await refused(turn([{ ...thinking, signature: 'bm9wZQ==' }, one, two]), /Invalid `signature` in `thinking` block/);
      await refused(turn(first.content), /Invalid `signature`/, { model: 'claude-opus-5' });
      await refused(turn(first.content, results.slice(1)), /were found without `tool_result` blocks immediately after/);
      await refused(turn(first.content, [{ type: 'text', text: 'Here:' }, ...results]), /were found without `tool_result` blocks immediately after/);
      await refused(turn(first.content), /must define tools/, { tools: undefined });
      await refused([...user('hi'), { role: 'assistant', content: 'Hello' }, { role: 'user', content: results }], /unexpected `tool_use_id`/);
      const later = await ask([...turn([one, two]), { role: 'assistant', content: 'So it is.' }, ...user('hi')]);
      assert.match(later.content[0].text, /^Hello/, 'thinking of a turn that is over need not come back');
      const both = await ask(turn(first.content, [...results, { type: 'text', text: 'hi, by the way' }]));
      assert.match(both.content[0].text, /^Hello/, 'the user may speak behind the results');
    }
  });

  test(`anthropic ${major}: what its vendor refuses`, async () => {
    const client = clientOf();
    const refused = (request, pattern) => assert.rejects(client.messages.create(request), (error) => error instanceof Anthropic.BadRequestError && pattern.test(error.message));
    await refused({ model: 'claude', messages: user('hi') }, /max_tokens: Field required/);
    await refused({ ...settings, messages: [] }, /messages/);
    await refused({ ...settings, messages: [{ role: 'assistant', content: 'hi' }] }, /first message must use the/);
    await refused({ ...settings, messages: user('') }, /non-empty content/);
    await refused({ ...settings, messages: user('hi'), tool_choice: { type: 'any' } }, /only be specified while providing tools/);
    await refused({ ...settings, messages: user('hi'), tools: [{ name: 'a b', input_schema: schema }] }, /String should match pattern/);
    await refused({ ...settings, messages: user('hi'), tools: [{ name: 'a', input_schema: {} }] }, /input_schema.type/);
    await refused({ ...settings, messages: user('hi'), frequency_penalty: 1 }, /Extra inputs are not permitted/);
    await refused({ ...settings, messages: user('hi'), thinking: { type: 'enabled', budget_tokens: 2000 } }, /greater than `thinking.budget_tokens`/);
    const warm = client.messages.create({ ...settings, messages: user('hi'), temperature: 0.5 });
    if (major === 0) assert.equal((await warm).type, 'message');
    else await assert.rejects(warm, /temperature: Extra inputs are not permitted/, 'the newer version of the API has no temperature');
  });

  test(`anthropic ${major}: errors are of the class of their status`, async () => {
    const client = clientOf();
    const ask = (content, more = {}) => client.messages.create({ ...settings, messages: user(content), ...more });
    await assert.rejects(ask('limited'), (error) => error instanceof Anthropic.RateLimitError && error.type === 'rate_limit_error');
    await assert.rejects(ask('key'), (error) => error instanceof Anthropic.AuthenticationError && error.type === 'authentication_error');
    await assert.rejects(ask('overloaded'), (error) => error.status === 529 && error.type === 'overloaded_error');
    await assert.rejects(ask(long, { model: 'tiny' }), (error) => error instanceof Anthropic.BadRequestError && /prompt is too long: \d+ tokens > 20 maximum/.test(error.message));
    const stream = async (content) => collect(await client.messages.create({ ...settings, messages: user(content), stream: true }));
    await assert.rejects(stream('break'), (error) => error instanceof Anthropic.APIError && error.type === 'api_error');
    await assert.rejects(stream('malformed'));
    await assert.rejects(stream('cut'));
    const reply = await fetch(`${llm.url}/v1/messages`, { method: 'POST', body: JSON.stringify({ ...settings, messages: user('hi') }) });
    assert.equal(reply.status, 401);
    assert.ok(reply.headers.get('request-id'));
  });
}

// ---- Gemini ----

const gemini = () => new GoogleGenAI({ apiKey: 'AIza-judge', httpOptions: { baseUrl: llm.url, retryOptions: { attempts: 1 } } });
const declarations = [{ functionDeclarations: ['calculator', 'current_time'].map((name) => ({ name, parametersJsonSchema: schema })) }];

test('@google/genai: content, whole and streamed', async () => {
  const ai = gemini();
  const whole = await ai.models.generateContent({ model: 'gemini-2.5-flash', contents: 'hi', config: { systemInstruction: 'Be kind.' } });
  assert.equal(whole.text, 'Hello from gemini-2.5-flash, ça va? 你好!');
  assert.equal(whole.candidates[0].finishReason, 'STOP');
  assert.deepEqual([whole.usageMetadata.promptTokenCount, whole.usageMetadata.candidatesTokenCount, whole.usageMetadata.totalTokenCount], [12, 5, 17]);
  const chunks = await collect(await ai.models.generateContentStream({ model: 'gemini-2.5-flash', contents: 'hi' }));
  assert.ok(chunks.length > 2);
  assert.equal(chunks.map((chunk) => chunk.text ?? '').join(''), whole.text);
  assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
  assert.equal(chunks.at(-1).usageMetadata.totalTokenCount, 17);
  assert.ok(chunks.slice(0, -1).every((chunk) => !chunk.candidates[0].finishReason));
  assert.equal((await ai.models.generateContent({ model: 'gemini-2.5-flash', contents: 'lengthy' })).candidates[0].finishReason, 'MAX_TOKENS');
});

for (const model of ['gemini-2.5-pro', 'gemini-3-pro-preview'])
  test(`@google/genai: calls of ${model} go back with their signatures`, async () => {
    const ai = gemini();
    const signs = model.startsWith('gemini-3');
    for (const stream of [false, true]) {
      const ask = async (contents, more = {}) => {
        const request = { model, contents, config: { tools: declarations, thinkingConfig: { includeThoughts: true } }, ...more };
        if (!stream) return ai.models.generateContent(request);
        const chunks = await collect(await ai.models.generateContentStream(request));
        return { parts: chunks.flatMap((chunk) => chunk.candidates[0].content.parts), usage: chunks.at(-1).usageMetadata };
      };
      const parts = (reply) => reply.parts ?? reply.candidates[0].content.parts;
      const text = (reply) => parts(reply).filter((part) => !part.thought).map((part) => part.text ?? '').join('');
      const refused = (contents, pattern, more) => assert.rejects(ask(contents, more), (error) => error instanceof ApiError && error.status === 400 && pattern.test(error.message));
      const question = { role: 'user', parts: [{ text: 'think about it' }] };
      const first = await ask([question]);
      assert.equal(parts(first).filter((part) => part.thought).map((part) => part.text).join(''), 'First the numbers, then the clock.');
      const [one, two] = parts(first).filter((part) => part.functionCall);
      assert.deepEqual(one.functionCall.args, { expression: '6*7', note: 'été ∑' });
      assert.equal(Boolean(one.functionCall.id), signs);
      assert.ok(one.thoughtSignature && !two.thoughtSignature, 'the first of several calls is signed');
      const usage = first.usage ?? first.usageMetadata;
      assert.deepEqual([usage.promptTokenCount, usage.candidatesTokenCount, usage.thoughtsTokenCount, usage.cachedContentTokenCount, usage.totalTokenCount], [100, 18, 12, 40, 130]);
      const result = (call, output) => ({ functionResponse: { ...(call.functionCall.id && { id: call.functionCall.id }), name: call.functionCall.name, response: { output } } });
      const turn = (calls, results = [result(one, '42'), result(two, 'noon')]) => [question, { role: 'model', parts: calls }, { role: 'user', parts: results }];
      assert.equal(text(await ask(turn([one, two]))), 'So it is 42 and noon.');
      const bare = { functionCall: one.functionCall };
      if (signs) await refused(turn([bare, two]), /missing a thought_signature/);
      else assert.equal(text(await ask(turn([bare, two]))), 'So it is 42 and noon.');
      await refused(turn([{ ...one, thoughtSignature: 'bm9wZQ==' }, two]), /Corrupted thought signature/);
      await refused(turn([one, two], [result(one, '42')]), /number of function response parts is equal/);
      await refused(turn([one, two], [result(two, 'noon'), { functionResponse: { name: 'calculator', response: 'text' } }]), /function_response.response|protobuf.Struct/);
      const later = [...turn([bare, two]), { role: 'model', parts: [{ text: 'So it is.' }] }, { role: 'user', parts: [{ text: 'hi' }] }];
      assert.match(text(await ask(later)), /^Hello/, 'signatures of a turn that is over need not come back');
    }
  });

test('@google/genai: a chat keeps signatures by itself', async () => {
  const chat = gemini().chats.create({ model: 'gemini-3-pro-preview', config: { tools: declarations } });
  const first = await chat.sendMessage({ message: 'call it' });
  const [call] = first.functionCalls;
  const second = await chat.sendMessage({ message: [{ functionResponse: { id: call.id, name: call.name, response: { result: '42' } } }] });
  assert.equal(second.text, 'It is 42.');
});

test('@google/genai: what its vendor refuses, and errors', async () => {
  const ai = gemini();
  const refused = (request, pattern, status = 400) => assert.rejects(ai.models.generateContent({ model: 'gemini-2.5-flash', contents: 'hi', ...request }), (error) => error instanceof ApiError && error.status === status && pattern.test(error.message));
  await refused({ contents: [{ role: 'robot', parts: [{ text: 'hi' }] }] }, /valid role/);
  await refused({ contents: [{ role: 'user', parts: [] }] }, /parts must not be empty/);
  const raw = await fetch(`${llm.url}/v1beta/models/gemini-2.5-flash:generateContent?key=k-1`, {
    method: 'POST',
    body: JSON.stringify({ contents: [{ parts: [{ text: 'hi' }] }], tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } }, additionalProperties: false } }] }] }),
  });
  assert.match((await raw.json()).error.message, /Unknown name "additionalProperties" at 'tools\[0\].function_declarations\[0\].parameters'/);
  await refused({ config: { toolConfig: { functionCallingConfig: { mode: 'ANY' } } } }, /without function_declarations/);
  await refused({ contents: 'limited' }, /RESOURCE_EXHAUSTED/, 429);
  await refused({ contents: 'overloaded' }, /UNKNOWN|error/, 529);
  await refused({ contents: long, model: 'tiny' }, /input token count \(\d+\) exceeds the maximum number of tokens allowed \(20\)/);
  const stream = async (contents) => collect(await ai.models.generateContentStream({ model: 'gemini-2.5-flash', contents }));
  await assert.rejects(stream('break'));
  await assert.rejects(stream('malformed'));
  await assert.rejects(stream('cut'));
  const bare = await fetch(`${llm.url}/v1beta/models/gemini-2.5-flash:generateContent`, { method: 'POST', body: '{"contents":[{"parts":[{"text":"hi"}]}]}' });
  assert.equal(bare.status, 403);
  const list = await fetch(`${llm.url}/v1beta/models/gemini-2.5-flash:streamGenerateContent?key=k-1`, { method: 'POST', body: '{"contents":[{"parts":[{"text":"hi"}]}]}' });
  const pieces = await list.json();
  assert.equal(pieces.map((piece) => piece.candidates[0].content.parts[0].text).join(''), 'Hello from gemini-2.5-flash, ça va? 你好!', 'without alt=sse a stream is a JSON array');
});

test('@google/genai: embeddings', async () => {
  const ai = gemini();
  const { embeddings } = await ai.models.embedContent({ model: 'gemini-embedding-001', contents: ['one text', 'another text'], config: { outputDimensionality: 64 } });
  assert.deepEqual(embeddings.map((one) => one.values.length), [64, 64]);
  const single = await fetch(`${llm.url}/v1beta/models/gemini-embedding-001:embedContent`, { method: 'POST', headers: { 'x-goog-api-key': 'k' }, body: '{"content":{"parts":[{"text":"one text"}]},"outputDimensionality":64}' });
  assert.deepEqual((await single.json()).embedding.values, embeddings[0].values);
});

// ---- Ollama ----

const tools = ['calculator', 'current_time'].map((name) => ({ type: 'function', function: { name, parameters: schema } }));

test('ollama: a chat, whole and streamed', async () => {
  const client = new Ollama({ host: llm.url });
  const whole = await client.chat({ model: 'llama3.2', messages: user('hi') });
  assert.equal(whole.message.content, 'Hello from llama3.2, ça va? 你好!');
  assert.deepEqual([whole.done, whole.done_reason, whole.prompt_eval_count, whole.eval_count], [true, 'stop', 12, 5]);
  const chunks = await collect(await client.chat({ model: 'llama3.2', messages: user('hi'), stream: true }));
  assert.equal(chunks.map((chunk) => chunk.message.content).join(''), whole.message.content);
  assert.deepEqual(chunks.map((chunk) => chunk.done), chunks.map((_, i) => i === chunks.length - 1));
  assert.equal(chunks.at(-1).eval_count, 5);
  const raw = await fetch(`${llm.url}/api/chat`, { method: 'POST', body: JSON.stringify({ model: 'llama3.2', messages: user('hi') }) });
  assert.equal(raw.headers.get('content-type'), 'application/x-ndjson', 'a chat is streamed unless it says not to be');
  await raw.text();
});

test('ollama: calls, thinking, images, in any order', async () => {
  const client = new Ollama({ host: llm.url });
  for (const stream of [false, true]) {
    const ask = async (messages, more = {}) => {
      const request = { model: 'qwen3', messages, tools, ...more };
      if (!stream) return (await client.chat(request)).message;
      const chunks = await collect(await client.chat({ ...request, stream: true }));
      return { thinking: chunks.map((chunk) => chunk.message.thinking ?? '').join(''), content: chunks.map((chunk) => chunk.message.content).join(''), tool_calls: chunks.flatMap((chunk) => chunk.message.tool_calls ?? []) };
    };
    const first = await ask(user('think about it'));
    assert.equal(first.thinking, 'First the numbers, then the clock.');
    assert.deepEqual(first.tool_calls.map((call) => call.function.name), ['calculator', 'current_time']);
    assert.deepEqual(first.tool_calls[0].function.arguments, { expression: '6*7', note: 'été ∑' });
    const asked = [{ role: 'user', content: 'think about it', images: [new Uint8Array([1, 2, 3])] }, { role: 'assistant', content: '', tool_calls: first.tool_calls }];
    const results = [{ role: 'tool', tool_name: 'current_time', content: 'noon' }, { role: 'tool', tool_name: 'calculator', content: '42' }];
    assert.equal((await ask([...asked, ...results])).content, 'So it is 42 and noon.');
    assert.equal((await ask([...asked, ...results.map(({ content }) => ({ role: 'tool', content }))])).content, 'So it is noon and 42.', 'without names they are in order');
    assert.ok(!(await ask(user('think about it'), { think: false })).thinking);
  }
});

test('ollama: errors, embeddings, models', async () => {
  const client = new Ollama({ host: llm.url });
  await assert.rejects(client.chat({ model: 'llama3.2', messages: user('limited') }), (error) => error.status_code === 429);
  await assert.rejects(client.chat({ model: '', messages: user('hi') }), (error) => error.status_code === 400 && /model is required/.test(error.message));
  await assert.rejects(client.chat({ model: 'm', messages: [{ role: 'user', content: [{ type: 'text' }] }] }), /cannot unmarshal array/);
  await assert.rejects(client.chat({ model: 'tiny', messages: user(long) }), /the input length exceeds the context length/);
  const stream = async (content) => collect(await client.chat({ model: 'llama3.2', messages: user(content), stream: true }));
  await assert.rejects(stream('break'), /error was encountered/);
  await assert.rejects(stream('cut'));
  const { embeddings } = await client.embed({ model: 'nomic-embed-text', input: ['one text', 'another'] });
  assert.deepEqual(embeddings.map((one) => one.length), [256, 256]);
  assert.ok((await client.list()).models.some((model) => model.name === 'llama3.2:latest'));
});

test('limits have the names of their vendor', async () => {
  const limited = await Rehearsal.start(`
limits: [{model: 'm', requests_per_minute: 1, tokens_per_minute: 1000, requests_per_day: 50}]
rules: [{then: {text: fine}}]
`);
  try {
    const post = (path, body, headers) => fetch(limited.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    const twice = async (...request) => [await post(...request), await post(...request)];
    const check = ([first, second], allowed) => {
      assert.deepEqual([first.status, second.status], [200, 429]);
      for (const [name, value] of Object.entries(allowed)) assert.equal(first.headers.get(name), value, name);
    };
    const openai = await twice('/v1/chat/completions', { model: 'm', messages: user('hi') }, { authorization: 'Bearer key-1' });
    check(openai, { 'x-ratelimit-limit-requests': '1', 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-limit-tokens': '1000', 'x-ratelimit-remaining-tokens': '998' });
    assert.ok(Number(openai[1].headers.get('retry-after')) > 50);
    assert.equal((await openai[1].json()).error.type, 'requests');
    const groq = await twice('/openai/v1/chat/completions', { model: 'm', messages: user('hi') }, { authorization: 'Bearer key-2' });
    check(groq, { 'x-ratelimit-limit-requests': '50' });
    const anthropic = await twice('/v1/messages', { model: 'm', max_tokens: 10, messages: user('hi') }, { 'x-api-key': 'key-3', 'anthropic-version': '2023-06-01' });
    check(anthropic, { 'anthropic-ratelimit-requests-limit': '1', 'anthropic-ratelimit-requests-remaining': '0', 'anthropic-ratelimit-tokens-limit': '1000' });
    assert.match(anthropic[0].headers.get('anthropic-ratelimit-requests-reset'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal((await anthropic[1].json()).error.type, 'rate_limit_error');
    const google = await twice('/v1beta/models/m:generateContent', { contents: [{ parts: [{ text: 'hi' }] }] }, { 'x-goog-api-key': 'key-4' });
    check(google, {});
    const { error } = await google[1].json();
    assert.equal(error.details[0].violations[0].quotaId, 'GenerateRequestsPerMinutePerProjectPerModel');
    assert.match(error.details[1].retryDelay, /^\d+\.\d{3}s$/);
    const stats = (await limited.stats()).keys;
    assert.deepEqual(stats.map(({ key, model, requests, limited: times }) => ({ key, model, requests, times })), ['1', '2', '3', '4'].map((n) => ({ key: `…ey-${n}`, model: 'm', requests: 1, times: 1 })));
  } finally {
    await limited.stop();
  }
});
