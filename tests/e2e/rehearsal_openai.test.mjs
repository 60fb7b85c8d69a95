// What penstock-rehearsal says in OpenAI's dialects, judged by OpenAI's own SDKs and Groq's.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Groq from 'groq-sdk';
import OpenAI4 from 'openai-v4';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Rehearsal, schema, script } from './rehearsal.mjs';

let llm;
before(async () => {
  llm = await Rehearsal.start(script, '--bodies');
});
after(() => llm?.stop());

const clientOf = (OpenAI, key = 'sk-judge-1234') => new OpenAI({ baseURL: `${llm.url}/v1`, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: 'user', content }];
const tools = ['calculator', 'current_time'].map((name) => ({ type: 'function', function: { name, parameters: schema } }));

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

for (const [major, OpenAI] of [[4, OpenAI4], [6, OpenAI6], [7, OpenAI7]]) {
  test(`openai ${major}: a completion, whole and streamed`, async () => {
    const client = clientOf(OpenAI);
    const whole = await client.chat.completions.create({ model: 'gpt-4o', messages: user('hi') });
    assert.equal(whole.choices[0].message.content, 'Hello from gpt-4o, ça va? 你好!');
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.deepEqual([whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens], [12, 5, 17]);
    const stream = await client.chat.completions.create({ model: 'gpt-4o', messages: user('hi'), stream: true, stream_options: { include_usage: true } });
    const chunks = await collect(stream);
    assert.ok(chunks.length > 4);
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), whole.choices[0].message.content);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.total_tokens, 17);
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    const bare = await collect(await client.chat.completions.create({ model: 'gpt-4o', messages: user('hi'), stream: true }));
    assert.ok(bare.every((chunk) => !('usage' in chunk)));
    assert.equal(bare.at(-1).choices[0].finish_reason, 'stop');
  });

  test(`openai ${major}: a round of tools, whole and streamed`, async () => {
    const client = clientOf(OpenAI);
    for (const stream of [false, true]) {
      const messages = user('think about it');
      const completions = client.beta?.chat?.completions ?? client.chat.completions;
      const ask = async () =>
        stream
          ? (client.chat.completions.stream ? client.chat.completions : completions).stream({ model: 'gpt-4o', messages, tools }).finalChatCompletion()
          : client.chat.completions.create({ model: 'gpt-4o', messages, tools });
      const first = (await ask()).choices[0];
      assert.equal(first.finish_reason, 'tool_calls');
      assert.equal(first.message.content, null);
      assert.deepEqual(first.message.tool_calls.map((call) => call.function.name), ['calculator', 'current_time']);
      assert.deepEqual(JSON.parse(first.message.tool_calls[0].function.arguments), { expression: '6*7', note: 'été ∑' });
      messages.push({ role: 'assistant', content: null, tool_calls: first.message.tool_calls.map(({ id, type, function: { name, arguments: said } }) => ({ id, type, function: { name, arguments: said } })) });
      messages.push({ role: 'tool', tool_call_id: first.message.tool_calls[1].id, content: 'noon' });
      messages.push({ role: 'tool', tool_call_id: first.message.tool_calls[0].id, content: '42' });
      const second = (await ask()).choices[0];
      assert.equal(second.message.content, 'So it is 42 and noon.');
    }
  });

  test(`openai ${major}: details of usage`, async () => {
    const { usage } = await clientOf(OpenAI).chat.completions.create({ model: 'gpt-4o', messages: user('think'), tools });
    assert.equal(usage.prompt_tokens, 100);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 40);
    assert.equal(usage.completion_tokens_details.reasoning_tokens, 12);
  });

  test(`openai ${major}: errors are of the class of their status`, async () => {
    const client = clientOf(OpenAI);
    const ask = (content, more = {}) => client.chat.completions.create({ model: 'gpt-4o', messages: user(content), ...more });
    await assert.rejects(ask('limited'), (error) => error instanceof OpenAI.RateLimitError && error.code === 'rate_limit_exceeded');
    await assert.rejects(ask('key'), (error) => error instanceof OpenAI.AuthenticationError && error.code === 'invalid_api_key');
    await assert.rejects(ask('overloaded'), (error) => error instanceof OpenAI.InternalServerError && error.status === 529);
    await assert.rejects(ask('hi', { temperature: 9 }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature' && error.type === 'invalid_request_error');
    await assert.rejects(ask('a text of far more than twenty tokens, which is no more than eighty letters all in all', { model: 'tiny-1' }), (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded');
  });

  test(`openai ${major}: what goes wrong within a stream is noticed`, async () => {
    const client = clientOf(OpenAI);
    const stream = async (content) => collect(await client.chat.completions.create({ model: 'gpt-4o', messages: user(content), stream: true }));
    await assert.rejects(stream('break'), (error) => error instanceof OpenAI.APIError && /error while processing/.test(error.message));
    await assert.rejects(stream('malformed'));
    await assert.rejects(stream('cut'));
  });

  test(`openai ${major}: embeddings as floats and as base64, and models`, async () => {
    const client = clientOf(OpenAI);
    const input = ['the invoice of May', 'invoices of May', 'a walk by the sea'];
    const base64 = await client.embeddings.create({ model: 'text-embedding-3-small', input });
    const floats = await client.embeddings.create({ model: 'text-embedding-3-small', input, encoding_format: 'float' });
    const raw = await client.embeddings.create({ model: 'text-embedding-3-small', input, encoding_format: 'base64' });
    assert.equal(base64.data.length, 3);
    assert.equal(base64.data[0].embedding.length, 256);
    assert.deepEqual(base64.data.map((one) => one.index), [0, 1, 2]);
    for (let i = 0; i < 3; i++) {
      assert.ok(base64.data[i].embedding.every((value, n) => Math.abs(value - floats.data[i].embedding[n]) < 1e-6));
      const decoded = typeof raw.data[i].embedding === 'string' ? new Float32Array(new Uint8Array(Buffer.from(raw.data[i].embedding, 'base64')).buffer) : raw.data[i].embedding;
      assert.ok(floats.data[i].embedding.every((value, n) => Math.abs(value - decoded[n]) < 1e-6));
    }
    const near = (a, b) => a.reduce((sum, value, n) => sum + value * b[n], 0);
    const [may, mays, sea] = floats.data.map((one) => one.embedding);
    assert.ok(Math.abs(near(may, may) - 1) < 1e-5);
    assert.ok(near(may, mays) > near(may, sea) + 0.2);
    assert.ok(floats.usage.prompt_tokens > 0);
    const small = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'one', dimensions: 7 });
    assert.equal(small.data[0].embedding.length, 7);
    await assert.rejects(client.embeddings.create({ model: 'broken-1', input: 'one' }), (error) => error instanceof OpenAI.InternalServerError);
    await assert.rejects(client.embeddings.create({ model: 'text-embedding-3-small', input: '' }), (error) => error instanceof OpenAI.BadRequestError);
    const models = await collect(await client.models.list());
    assert.ok(models.some((model) => model.id === 'rehearsal'));
  });
}

for (const [major, OpenAI] of [[6, OpenAI6], [7, OpenAI7]]) {
  const flat = ['calculator', 'current_time'].map((name) => ({ type: 'function', name, strict: false, parameters: schema }));

  test(`openai ${major}: a response, whole and streamed`, async () => {
    const client = clientOf(OpenAI);
    const whole = await client.responses.create({ model: 'gpt-5', input: 'hi', instructions: 'Be kind.' });
    assert.equal(whole.output_text, 'Hello from gpt-5, ça va? 你好!');
    assert.equal(whole.status, 'completed');
    assert.equal(whole.instructions, 'Be kind.');
    assert.deepEqual([whole.usage.input_tokens, whole.usage.output_tokens, whole.usage.total_tokens], [12, 5, 17]);
    const events = await collect(await client.responses.create({ model: 'gpt-5', input: user('hi'), stream: true }));
    assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
    const types = events.map((event) => event.type).filter((type, i, all) => type !== all[i - 1]);
    assert.deepEqual(types, ['response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added', 'response.output_text.delta',
      'response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.completed']);
    const deltas = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
    assert.equal(deltas.join(''), whole.output_text);
    const final = await client.responses.stream({ model: 'gpt-5', input: 'hi' }).finalResponse();
    assert.equal(final.output_text, whole.output_text);
    const cut = await client.responses.stream({ model: 'gpt-5', input: 'lengthy' }).finalResponse();
    assert.deepEqual([cut.status, cut.incomplete_details.reason], ['incomplete', 'max_output_tokens']);
  });

  test(`openai ${major}: calls and their reasoning go back, and are missed`, async () => {
    const client = clientOf(OpenAI);
    const settings = { model: 'gpt-5', tools: flat, store: false, include: ['reasoning.encrypted_content'], reasoning: { summary: 'auto' } };
    for (const stream of [false, true]) {
      const input = user('think about it');
      const ask = async (items = input, more = {}) =>
        stream ? client.responses.stream({ ...settings, ...more, input: items }).finalResponse() : client.responses.create({ ...settings, ...more, input: items });
      const first = await ask();
      assert.deepEqual(first.output.map((item) => item.type), ['reasoning', 'function_call', 'function_call']);
      assert.equal(first.output[0].summary[0].text, 'First the numbers, then the clock.');
      assert.deepEqual(JSON.parse(first.output[1].arguments), { expression: '6*7', note: 'été ∑' });
      assert.equal(first.usage.input_tokens_details.cached_tokens, 40);
      assert.equal(first.usage.output_tokens_details.reasoning_tokens, 12);
      const [reasoning, one, two] = first.output.map(({ parsed_arguments: _, ...item }) => item);
      const outputs = [{ type: 'function_call_output', call_id: two.call_id, output: 'noon' }, { type: 'function_call_output', call_id: one.call_id, output: '42' }];
      assert.equal((await ask([...input, reasoning, one, two, ...outputs])).output_text, 'So it is 42 and noon.');
      const refused = (items, pattern, more) => assert.rejects(ask(items, more), (error) => error instanceof OpenAI.APIError && pattern.test(error.message));
      await refused([...input, one, two, ...outputs], /without its required 'reasoning' item: 'rs_/);
      await refused([...input, { ...reasoning, encrypted_content: reasoning.encrypted_content.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) }, one, two, ...outputs], /could not be verified/);
      await refused([...input, reasoning, one, two, ...outputs], /could not be verified/, { model: 'gpt-6' });
      await refused([...input, { ...reasoning, encrypted_content: undefined }, one, two, ...outputs], /not persisted/);
      await refused([...input, reasoning, one, two, outputs[0]], /No tool output found for function call/);
      await refused([...input, ...outputs], /No tool call found for function call output/);
      await refused([...input, reasoning], /without its required following item/);
      const stored = { ...reasoning, encrypted_content: undefined };
      assert.equal((await ask([...input, stored, one, two, ...outputs], { store: true, include: [] })).output_text, 'So it is 42 and noon.');
      const [, open, shut] = (await ask(input, { include: [] })).output.map(({ parsed_arguments: _, ...item }) => item);
      const unsealed = [...input, open, shut, ...[open, shut].map((call) => ({ type: 'function_call_output', call_id: call.call_id, output: '1' }))];
      assert.match((await ask(unsealed, { include: [] })).output_text, /^So it is/, 'what was neither stored nor encrypted is not missed');
      const later = [...input, one, two, ...outputs, { role: 'assistant', content: 'So it is.' }, ...user('hi')];
      assert.match((await ask(later)).output_text, /^Hello/, 'reasoning of a turn that is over need not come back');
    }
  });

  test(`openai ${major}: errors of responses, and within their streams`, async () => {
    const client = clientOf(OpenAI);
    await assert.rejects(client.responses.create({ model: 'gpt-5', input: 'limited' }), (error) => error instanceof OpenAI.RateLimitError);
    await assert.rejects(client.responses.create({ model: 'gpt-5', input: 'hi', messages: [] }), (error) => error instanceof OpenAI.BadRequestError && error.code === 'unsupported_parameter');
    await assert.rejects(client.responses.create({ model: 'gpt-5', input: 'hi', tools }), (error) => error instanceof OpenAI.BadRequestError && /tools\[0\]\.name/.test(error.message));
    await assert.rejects(client.responses.create({ model: 'tiny', input: 'a text of far more than twenty tokens, which is no more than eighty letters all in all' }), (error) => error.code === 'context_length_exceeded');
    const stream = async (input) => collect(await client.responses.create({ model: 'gpt-5', input, stream: true }));
    await assert.rejects(stream('break'), (error) => error instanceof OpenAI.APIError);
    await assert.rejects(stream('malformed'));
    await assert.rejects(stream('cut'));
  });
}

test('groq-sdk: a completion, whole and streamed, with members of its own', async () => {
  const client = new Groq({ baseURL: llm.url, apiKey: 'gsk_judge', maxRetries: 0 });
  const whole = await client.chat.completions.create({ model: 'llama-3.3-70b-versatile', messages: user('reason') });
  assert.equal(whole.choices[0].message.content, 'Seen.');
  assert.equal(whole.choices[0].message.reasoning, 'Let me see.');
  assert.match(whole.x_groq.id, /^req_/);
  assert.ok(whole.usage.total_time > 0);
  const chunks = await collect(await client.chat.completions.create({ model: 'llama-3.3-70b-versatile', messages: user('think'), tools, stream: true }));
  assert.equal(chunks.at(-1).x_groq.usage.total_tokens, 130);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.reasoning ?? '').join(''), 'First the numbers, then the clock.');
  await assert.rejects(client.chat.completions.create({ model: 'llama', messages: user('limited') }), (error) => error instanceof Groq.RateLimitError);
  const models = await client.models.list();
  assert.ok(models.data.length > 0);
});

test('the ledger says who called what, how, and for how much', async () => {
  const client = clientOf(OpenAI7, 'sk-a-secret-of-wxyz');
  await collect(await client.chat.completions.create({ model: 'gpt-led', messages: user('think'), tools, stream: true }));
  const line = llm.ledger().findLast((one) => one.model === 'gpt-led');
  assert.equal(line.key, '…wxyz');
  assert.deepEqual([line.dialect, line.stream, line.status, line.rule], ['openai_chat', true, 200, 'two calls after thinking']);
  assert.deepEqual(line.usage, { prompt_tokens: 100, completion_tokens: 30 });
  assert.deepEqual(line.usage_details, { cached_tokens: 40, cache_write_tokens: 10, reasoning_tokens: 12 });
  assert.equal(JSON.parse(line.request).model, 'gpt-led');
  assert.match(line.reply, /^data: \{.*data: \[DONE\]\n\n$/s);
  assert.ok(!JSON.stringify(llm.ledger()).includes('secret-of'));
});
