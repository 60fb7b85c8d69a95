// The rest of what SDKs do: lists with all their options, changes, cancels, errors of each class, and their own retries.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import OpenAI5 from 'openai-v5';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Dev } from './dev.mjs';

const noRun = 'run_00000000000000000000000000000000';

let dev;
let llm;
const asked = []; // bodies of calls of the model
before(async () => {
  // A model that keeps its prompt "wait" waiting for as long as the client does.
  llm = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      asked.push(JSON.parse(body));
      if (asked.at(-1).messages.at(-1).content === 'wait') return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({
        id: 'x', object: 'chat.completion', created: 1, model: 'mine',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      }));
    });
  }).listen(0, '127.0.0.1');
  await once(llm, 'listening');
  dev = await Dev.start({ args: ['--llm-base-url', `http://127.0.0.1:${llm.address().port}/v1`] });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  llm?.closeAllConnections();
  llm?.close();
});

// Version 4 takes ids by position, later ones name those of the path.
const named = (OpenAI) => ({
  OpenAI,
  run: (client, thread, run, verb, body = {}) => client.beta.threads.runs[verb](run, { thread_id: thread, ...body }),
  steps: (client, thread, run, query = {}) => client.beta.threads.runs.steps.list(run, { thread_id: thread, ...query }),
  step: (client, thread, run, step) => client.beta.threads.runs.steps.retrieve(step, { thread_id: thread, run_id: run }),
  message: (client, thread, id, verb, body = {}) => client.beta.threads.messages[verb === 'del' ? 'delete' : verb](id, { thread_id: thread, ...body }),
});
const shapes = {
  4: {
    OpenAI: OpenAI4,
    run: (client, thread, run, verb, body) => (body ? client.beta.threads.runs[verb](thread, run, body) : client.beta.threads.runs[verb](thread, run)),
    steps: (client, thread, run, query = {}) => client.beta.threads.runs.steps.list(thread, run, query),
    step: (client, thread, run, step) => client.beta.threads.runs.steps.retrieve(thread, run, step),
    message: (client, thread, id, verb, body) => (body ? client.beta.threads.messages[verb](thread, id, body) : client.beta.threads.messages[verb](thread, id)),
  },
  5: named(OpenAI5),
  6: named(OpenAI6),
  7: named(OpenAI7),
};

for (const [major, shape] of Object.entries(shapes)) {
  const { OpenAI } = shape;
  const client = (options = {}) => new OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, ...options });
  const assistant = (openai) => openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', name: `more ${major}` });

  test(`openai ${major}: lists go both ways from any element`, async () => {
    const openai = client();
    const thread = await openai.beta.threads.create();
    const ids = [];
    for (const text of ['one', 'two', 'three', 'four']) ids.push((await openai.beta.threads.messages.create(thread.id, { role: 'user', content: text })).id);
    const list = async (query) => (await openai.beta.threads.messages.list(thread.id, query)).data.map((message) => message.id);
    assert.deepEqual(await list({ order: 'asc' }), ids);
    assert.deepEqual(await list({ order: 'desc' }), [...ids].reverse());
    assert.deepEqual(await list({ order: 'asc', after: ids[1] }), ids.slice(2));
    assert.deepEqual(await list({ order: 'asc', before: ids[2] }), ids.slice(0, 2));
    assert.deepEqual(await list({ order: 'desc', after: ids[2], limit: 1 }), [ids[1]]);
    assert.deepEqual(await list({ order: 'asc', run_id: noRun.replace(/0$/, '1') }), []);
    await assert.rejects(list({ run_id: noRun }), OpenAI.NotFoundError);
    const page = await openai.beta.threads.messages.list(thread.id, { order: 'asc', limit: 3 });
    assert.equal(page.has_more ?? page.body?.has_more, true);
    assert.deepEqual((await page.getNextPage()).data.map((message) => message.id), [ids[3]]);
  });

  test(`openai ${major}: runs, steps and messages can be listed, read, changed and deleted`, async () => {
    const openai = client();
    const { id } = await assistant(openai);
    assert.equal((await openai.beta.assistants.retrieve(id)).name, `more ${major}`);
    const run = await openai.beta.threads.createAndRunPoll({ assistant_id: id, thread: { messages: [{ role: 'user', content: 'hi' }] } }, { pollIntervalMs: 50 });
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const thread = run.thread_id;
    assert.deepEqual((await shape.run(openai, thread, run.id, 'update', { metadata: { a: 'b' } })).metadata, { a: 'b' });
    assert.deepEqual((await shape.run(openai, thread, run.id, 'retrieve')).metadata, { a: 'b' });
    assert.deepEqual((await openai.beta.threads.runs.list(thread)).data.map((each) => each.id), [run.id]);
    const steps = await shape.steps(openai, thread, run.id, { order: 'desc', limit: 1 });
    assert.equal(steps.data[0].type, 'message_creation');
    assert.equal((await shape.step(openai, thread, run.id, steps.data[0].id)).id, steps.data[0].id);
    const mine = await openai.beta.threads.messages.list(thread, { run_id: run.id });
    assert.deepEqual(mine.data.map((message) => message.role), ['assistant']);
    const message = mine.data[0].id;
    assert.deepEqual((await shape.message(openai, thread, message, 'update', { metadata: { c: 'd' } })).metadata, { c: 'd' });
    assert.equal((await shape.message(openai, thread, message, 'retrieve')).metadata.c, 'd');
    assert.equal((await shape.message(openai, thread, message, 'del')).deleted, true);
    assert.deepEqual((await openai.beta.threads.update(thread, { metadata: { e: 'f' } })).metadata, { e: 'f' });
    assert.equal((await openai.beta.threads.retrieve(thread)).metadata.e, 'f');
  });

  test(`openai ${major}: an agent with all its parts, by its slug`, async () => {
    const openai = client();
    const slug = `clerk-${major}`;
    const made = await openai.beta.assistants.create({
      model: 'openai/gpt-4o-mini', slug, role: 'You are a clerk.', goal: 'Help.', constraints: ['Never guess.'], personality: { tone: 'calm', style: 'short' },
      examples: [{ user: 'Hi', assistant: 'Hello.' }], instructions: 'For {{name}}.', template: true, config: { ours: 1 },
    });
    assert.deepEqual([made.slug, made.config, made.is_active], [slug, { ours: 1 }, true]);
    const thread = { messages: [{ role: 'user', content: 'hello' }] };
    const run = await openai.beta.threads.createAndRunPoll({ assistant_id: slug, thread, variables: { name: 'Ada' } }, { pollIntervalMs: 50 });
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    assert.equal(run.assistant_id, made.id);
    assert.deepEqual(asked.at(-1).messages[0], {
      role: 'system',
      content: '# Role\nYou are a clerk.\n\n# Goal\nHelp.\n\n# Constraints\n- Never guess.\n\n# Communication Style\nTone: calm\nStyle: short\n\n' +
        '# Example Interactions\nUser: Hi\nAssistant: Hello.\n\nFor Ada.',
    });
    assert.equal((await openai.beta.assistants.update(slug, { goal: null })).goal, null);
    await assert.rejects(openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', slug }), OpenAI.ConflictError);
  });

  test(`openai ${major}: a run at work is cancelled, and its thread is busy until then`, async () => {
    const openai = client();
    const { id } = await assistant(openai);
    const run = await openai.beta.threads.createAndRun({ assistant_id: id, thread: { messages: [{ role: 'user', content: 'wait' }] } });
    const busy = (error) => error instanceof OpenAI.BadRequestError && /active/.test(error.message);
    await assert.rejects(openai.beta.threads.runs.create(run.thread_id, { assistant_id: id }), busy);
    await assert.rejects(openai.beta.threads.messages.create(run.thread_id, { role: 'user', content: 'x' }), busy);
    assert.match((await shape.run(openai, run.thread_id, run.id, 'cancel')).status, /^cancel/);
    const ended = await shape.run(openai, run.thread_id, run.id, 'poll');
    assert.equal(ended.status, 'cancelled');
  });

  test(`openai ${major}: errors are of their classes, and deterministic conflicts are not retried`, async () => {
    const openai = client();
    const { id } = await assistant(openai);
    const thread = await openai.beta.threads.create();
    await assert.rejects(openai.beta.assistants.retrieve('asst_nope'), OpenAI.NotFoundError);
    await assert.rejects(shape.run(openai, thread.id, noRun, 'retrieve'), OpenAI.NotFoundError);
    await assert.rejects(openai.beta.threads.messages.list(thread.id, { limit: 101 }), OpenAI.BadRequestError);
    await assert.rejects(openai.beta.threads.messages.create(thread.id, { role: 'tool', content: 'x' }), OpenAI.BadRequestError);
    await assert.rejects(client({ apiKey: 'pk_wrong' }).beta.threads.create(), OpenAI.AuthenticationError);
    let requests = 0;
    const counting = client({ fetch: (...args) => (requests++, fetch(...args)) });
    const headers = { 'Idempotency-Key': `sdk-${major}` };
    const first = await counting.beta.threads.create({ metadata: { n: '1' } }, { headers });
    assert.equal((await counting.beta.threads.create({ metadata: { n: '1' } }, { headers })).id, first.id);
    await assert.rejects(counting.beta.threads.create({ metadata: { n: '2' } }, { headers }), OpenAI.ConflictError);
    assert.equal(requests, 3, 'another request with the same key is no matter of time');
    assert.ok(id);
  });

  test(`openai ${major}: retries by itself what the server says may pass`, async () => {
    let requests = 0;
    const flaky = client({
      fetch: async (url, init) => {
        if (requests++ > 0) return fetch(url, init);
        return new Response('{"error":{"message":"The database can\'t be reached at the moment.","type":"server_error","param":null,"code":"service_unavailable"}}', {
          status: 503,
          headers: { 'content-type': 'application/json', 'x-should-retry': 'true', 'retry-after': '1' },
        });
      },
    });
    const thread = await flaky.beta.threads.create();
    assert.match(thread.id, /^thread_/);
    assert.equal(requests, 2);
  });
}
