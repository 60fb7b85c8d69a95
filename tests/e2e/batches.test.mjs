// OpenAI's own SDKs work through files of requests with `penstock dev`: upload, batch, its end, both files.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI4, { toFile as toFile4 } from 'openai-v4';
import OpenAI5, { toFile as toFile5 } from 'openai-v5';
import OpenAI6, { toFile as toFile6 } from 'openai-v6';
import OpenAI7, { toFile as toFile7 } from 'openai-v7';
import { Dev } from './dev.mjs';

let dev;
before(async () => {
  dev = await Dev.start();
});
after(async () => {
  await dev?.stop();
  dev?.remove();
});

const over = ['completed', 'failed', 'expired', 'cancelled'];

for (const [major, OpenAI, toFile] of [[4, OpenAI4, toFile4], [5, OpenAI5, toFile5], [6, OpenAI6, toFile6], [7, OpenAI7, toFile7]]) {
  const client = () => new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, maxRetries: 0 });

  async function work(openai, endpoint, bodies) {
    const lines = bodies.map((body, n) => JSON.stringify({ custom_id: `line ${n}`, method: 'POST', url: endpoint, body }));
    const file = await openai.files.create({ purpose: 'batch', file: await toFile(Buffer.from(lines.join('\n')), 'lines.jsonl') });
    let batch = await openai.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h', metadata: { major: `${major}` } });
    assert.equal(batch.status, 'validating');
    for (let looks = 0; !over.includes(batch.status); looks++) {
      assert.ok(looks < 600, `it is ${batch.status}`);
      await new Promise((done) => setTimeout(done, 100));
      batch = await openai.batches.retrieve(batch.id);
    }
    const read = async (id) => (id ? (await (await openai.files.content(id)).text()).split('\n').filter(Boolean).map((line) => JSON.parse(line)) : []);
    return { batch, output: await read(batch.output_file_id), errors: await read(batch.error_file_id) };
  }

  test(`openai ${major}: batches of each endpoint come to their end`, async () => {
    const openai = client();
    const model = 'openai/gpt-4o-mini';
    const chat = await work(openai, '/v1/chat/completions', [{ model, messages: [{ role: 'user', content: 'What is 2 plus 3?' }] }, { model, messages: [] }]);
    assert.deepEqual([chat.batch.status, chat.batch.request_counts], ['completed', { total: 2, completed: 1, failed: 1 }]);
    assert.match(chat.output[0].response.body.choices[0].message.content, /5/);
    assert.equal(chat.errors[0].response.status_code, 400);
    const vectors = await work(openai, '/v1/embeddings', ['a', 'b', 'c'].map((input) => ({ model: 'openai/text-embedding-3-small', input, dimensions: 8 })));
    assert.deepEqual([vectors.output.length, vectors.batch.error_file_id], [3, null]);
    const asked = (input, more = {}) => ({ model, input, ...more });
    const responses = await work(openai, '/v1/responses', [asked('What is 2 plus 3?'), asked('What is 2 plus 3?', { store: false }), asked('Hi', { stream: true })]);
    assert.deepEqual([responses.batch.status, responses.batch.request_counts], ['completed', { total: 3, completed: 2, failed: 1 }]);
    for (const { custom_id, response } of responses.output) {
      assert.match(response.body.output.map((item) => item.content?.[0].text ?? '').join(''), /5/);
      const kept = openai.responses?.retrieve(response.body.id);
      if (custom_id === 'line 0') assert.deepEqual(kept && (await kept).output, kept && response.body.output);
      else await (kept && assert.rejects(kept, (error) => error.status === 404));
    }
    assert.equal(responses.errors[0].response.status_code, 400);
    const assistant = await openai.beta.assistants.create({ model, tools: [] });
    const runs = await work(openai, '/v1/threads/runs', [{ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'What is 2 plus 3?' }] } }]);
    assert.match(runs.output[0].response.body.output_text, /5/);
    const wrong = await work(openai, '/v1/embeddings', [{}]);
    assert.equal(wrong.batch.request_counts.failed, 1);
    const listed = [];
    for await (const batch of openai.batches.list({ limit: 2 })) if (batch.metadata.major === `${major}`) listed.push(batch.endpoint);
    assert.deepEqual(listed, ['/v1/embeddings', '/v1/threads/runs', '/v1/responses', '/v1/embeddings', '/v1/chat/completions']);
    await assert.rejects(openai.batches.cancel(chat.batch.id), (error) => error.status === 409);
  });
}
