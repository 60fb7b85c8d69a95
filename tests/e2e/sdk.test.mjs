// OpenAI's own SDKs, four majors of them, against `penstock dev`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import OpenAI5 from 'openai-v5';
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

// Version 4 takes ids by position, later ones name those of the path.
const shapes = {
  4: {
    OpenAI: OpenAI4,
    poll: (client, run) => client.beta.threads.runs.poll(run.thread_id, run.id),
    retrieve: (client, run) => client.beta.threads.runs.retrieve(run.thread_id, run.id),
    wait: (client, run) => client.beta.threads.runs.retrieve(run.thread_id, run.id, { query: { wait: 30 } }),
    cancel: (client, run) => client.beta.threads.runs.cancel(run.thread_id, run.id),
    steps: (client, run) => client.beta.threads.runs.steps.list(run.thread_id, run.id, { order: 'asc' }),
    remove: (client, assistant) => client.beta.assistants.del(assistant.id),
    removeThread: (client, id) => client.beta.threads.del(id),
  },
};
for (const [major, OpenAI] of [[5, OpenAI5], [6, OpenAI6], [7, OpenAI7]]) {
  shapes[major] = {
    OpenAI,
    poll: (client, run) => client.beta.threads.runs.poll(run.id, { thread_id: run.thread_id }),
    retrieve: (client, run) => client.beta.threads.runs.retrieve(run.id, { thread_id: run.thread_id }),
    wait: (client, run) => client.beta.threads.runs.retrieve(run.id, { thread_id: run.thread_id }, { query: { wait: 30 } }),
    cancel: (client, run) => client.beta.threads.runs.cancel(run.id, { thread_id: run.thread_id }),
    steps: (client, run) => client.beta.threads.runs.steps.list(run.id, { thread_id: run.thread_id, order: 'asc' }),
    remove: (client, assistant) => client.beta.assistants.delete(assistant.id),
    removeThread: (client, id) => client.beta.threads.delete(id),
  };
}

for (const [major, shape] of Object.entries(shapes)) {
  const client = () => new shape.OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1` });

  test(`openai ${major}: one request that waits for the end of a run`, async () => {
    const openai = client();
    const assistant = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', tools: [{ type: 'calculator' }] });
    const thread = await openai.beta.threads.create({ messages: [{ role: 'user', content: 'Use the calculator: 2 + 3' }] });
    const run = await openai.beta.threads.runs.create(thread.id, { assistant_id: assistant.id });
    const ended = await shape.wait(openai, run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(ended.id, run.id);
  });

  test(`openai ${major}: an assistant, a thread and a run, polled to the end`, async () => {
    const openai = client();
    const assistant = await openai.beta.assistants.create({
      model: 'openai/gpt-4o-mini',
      name: `sdk ${major}`,
      instructions: 'Use your tools.',
      tools: [{ type: 'calculator' }],
    });
    assert.match(assistant.id, /^asst_/);
    const thread = await openai.beta.threads.create({ metadata: { sdk: major } });
    const message = await openai.beta.threads.messages.create(thread.id, { role: 'user', content: 'Use the calculator: 12.5 * 8' });
    assert.equal(message.content[0].text.value, 'Use the calculator: 12.5 * 8');
    const run = await openai.beta.threads.runs.create(thread.id, { assistant_id: assistant.id });
    assert.equal(run.status, 'queued');
    const ended = await shape.poll(openai, run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.ok(ended.usage.total_tokens > 0);
    const messages = await openai.beta.threads.messages.list(thread.id);
    assert.equal(messages.data[0].role, 'assistant');
    assert.match(messages.data[0].content[0].text.value, /100/);
    const steps = await shape.steps(openai, ended);
    assert.deepEqual(steps.data.map((step) => step.type), ['tool_calls', 'message_creation']);
    assert.equal(steps.data[0].step_details.tool_calls[0].function.output, '100');
    const again = await shape.poll(openai, await openai.beta.threads.createAndRun({
      assistant_id: assistant.id,
      thread: { messages: [{ role: 'user', content: 'standard' }] },
    }));
    assert.equal(again.status, 'completed');
    await shape.removeThread(openai, thread.id);
    await assert.rejects(openai.beta.threads.retrieve(thread.id), (error) => error.status === 404 && error instanceof shape.OpenAI.NotFoundError);
    assert.equal((await shape.remove(openai, assistant)).deleted, true);
  });

  test(`openai ${major}: a lost answer is asked for again, and nothing is created twice`, async () => {
    let losses = 0;
    const losing = async (url, init) => {
      const reply = await fetch(url, init);
      if (init?.method?.toUpperCase() !== 'POST' || losses-- <= 0) return reply;
      await reply.arrayBuffer();
      throw new TypeError('fetch failed');
    };
    const openai = new shape.OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, fetch: losing });
    const assistant = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', name: `lossy ${major}` });
    const count = async (list) => {
      let n = 0;
      for await (const item of list) n += item ? 1 : 0;
      return n;
    };
    for (losses of [1, 2]) {
      const run = await openai.beta.threads.createAndRun({
        assistant_id: assistant.id,
        thread: { messages: [{ role: 'user', content: 'standard' }] },
        metadata: { losses: String(losses) },
      });
      assert.equal((await shape.poll(openai, run)).status, 'completed');
      losses = 1;
      await openai.beta.threads.messages.create(run.thread_id, { role: 'user', content: 'more' });
      losses = 1;
      const second = await openai.beta.threads.runs.create(run.thread_id, { assistant_id: assistant.id });
      assert.equal((await shape.poll(openai, second)).status, 'completed');
      assert.equal(await count(openai.beta.threads.runs.list(run.thread_id)), 2);
      const messages = await openai.beta.threads.messages.list(run.thread_id);
      assert.equal(messages.data.filter((message) => message.role === 'user').length, 2);
    }
    const response = await fetch(`${dev.url}/v1/runs?assistant_id=${assistant.id}&limit=100`, { headers: { authorization: `Bearer ${dev.key}` } });
    assert.equal((await response.json()).data.length, 4);
    await shape.remove(openai, assistant);
  });

  test(`openai ${major}: pages through lists and understands errors`, async () => {
    const openai = client();
    const ids = new Set();
    for (let i = 0; i < 5; i++) ids.add((await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', name: `page ${major}-${i}` })).id);
    const seen = [];
    for await (const assistant of openai.beta.assistants.list({ limit: 2 })) seen.push(assistant.id);
    assert.equal(new Set(seen).size, seen.length);
    for (const id of ids) assert.ok(seen.includes(id));
    await assert.rejects(openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', temperature: 9 }), (error) => {
      assert.ok(error instanceof shape.OpenAI.BadRequestError);
      assert.equal(error.param, 'temperature');
      return true;
    });
    await assert.rejects(new shape.OpenAI({ apiKey: 'pk_wrong', baseURL: `${dev.url}/v1` }).beta.assistants.list(), (error) => {
      assert.ok(error instanceof shape.OpenAI.AuthenticationError);
      assert.equal(error.code, 'invalid_api_key');
      return true;
    });
    const [first] = ids;
    const updated = await openai.beta.assistants.update(first, { description: 'changed', metadata: { a: 'b' } });
    assert.equal(updated.description, 'changed');
    assert.equal(updated.model, 'openai/gpt-4o-mini');
    for (const id of ids) await shape.remove(openai, { id });
  });
}
