// OpenAI's own SDKs ask models through `penstock dev`: chat completions, streams and their helpers, vectors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Dev } from './dev.mjs';

let dev;
before(async () => {
  dev = await Dev.start();
});
after(async () => {
  await dev?.stop();
  dev?.remove();
});

const model = 'openai/gpt-4o-mini';
const messages = [{ role: 'system', content: 'Be exact.' }, { role: 'user', content: 'Use the calculator: 6*7' }];
const calculator = (run) => ({
  type: 'function',
  function: {
    name: 'calculator',
    description: 'Calculates',
    parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
    ...(run ? { function: run, parse: JSON.parse } : {}),
  },
});

for (const [major, OpenAI] of [[4, OpenAI4], [6, OpenAI6], [7, OpenAI7]]) {
  const client = () => new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, maxRetries: 0 });
  const chat = (openai) => (major === 4 ? openai.beta.chat.completions : openai.chat.completions);

  test(`openai ${major}: a completion, whole and in chunks`, async () => {
    const openai = client();
    const reply = await openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'What is 2 plus 3?' }] });
    assert.equal(reply.choices[0].finish_reason, 'stop');
    assert.match(reply.choices[0].message.content, /5/);
    assert.ok(reply.usage.total_tokens > 0);
    let text = '';
    let usage;
    const stream = await openai.chat.completions.create({
      model, messages: [{ role: 'user', content: 'What is 2 plus 3?' }], stream: true, stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage ??= chunk.usage ?? undefined;
    }
    assert.equal(text, reply.choices[0].message.content);
    assert.deepEqual(usage, reply.usage);
  });

  test(`openai ${major}: the helper of streams gathers text and calls`, async () => {
    const openai = client();
    const stream = chat(openai).stream({ model, messages, tools: [calculator()] });
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
    const [call] = final.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'calculator');
    assert.match(JSON.parse(call.function.arguments).expression, /6 *\* *7/);
  });

  for (const stream of [false, true])
    test(`openai ${major}: runTools runs functions of the client to the end${stream ? ', streamed' : ''}`, async () => {
      const openai = client();
      const asked = [];
      const run = ({ expression }) => {
        asked.push(expression);
        return '42';
      };
      const runner = chat(openai).runTools({ model, messages, stream, tools: [calculator(run)] });
      assert.match(await runner.finalContent(), /42/);
      assert.equal(asked.length, 1);
    });

  test(`openai ${major}: vectors, in the encoding that nobody named`, async () => {
    const openai = client();
    const reply = await openai.embeddings.create({ model: 'openai/text-embedding-3-small', input: ['one', 'two'], dimensions: 16 });
    assert.deepEqual(reply.data.map((one) => one.embedding.length), [16, 16]);
    assert.ok(reply.data[0].embedding.some((number) => number !== 0));
    const floats = await openai.embeddings.create({ model: 'openai/text-embedding-3-small', input: 'one', dimensions: 16, encoding_format: 'float' });
    assert.deepEqual(floats.data[0].embedding.map(Math.fround), reply.data[0].embedding.map(Math.fround));
  });

  test(`openai ${major}: what is wrong is an error of its class`, async () => {
    const openai = client();
    await assert.rejects(openai.chat.completions.create({ model: 'never-heard-of', messages }), (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
    await assert.rejects(openai.chat.completions.create({ model, messages, n: 2 }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'n');
  });
}
