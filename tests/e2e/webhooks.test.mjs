// Webhooks as their users verify and manage them: the package `standardwebhooks`, and OpenAI's SDKs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Webhook } from 'standardwebhooks';
import { Receiver } from '../lib/receiver.mjs';
import { until } from '../lib/stack.mjs';
import { Dev } from './dev.mjs';

let dev;
let to;
before(async () => {
  dev = await Dev.start({ env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } });
  to = await Receiver.start();
});
after(async () => {
  await to?.stop();
  await dev?.stop();
  dev?.remove();
});

const client = (OpenAI) => new OpenAI({ baseURL: `${dev.url}/v1`, apiKey: dev.key, maxRetries: 0 });

async function ask(method, path, body) {
  const reply = await fetch(dev.url + path, {
    method,
    headers: { authorization: `Bearer ${dev.key}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  assert.equal(reply.status, 200, await reply.clone().text());
  return reply.json();
}

async function run() {
  const openai = client(OpenAI6);
  const assistant = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini' });
  return openai.beta.threads.createAndRun({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'Hi — ünïcode' }] }, metadata: { who: 'ünï "1"' } });
}

const heard = (id, type) => until(`${type} of ${id}`, () => to.got.find((each) => each.event.data.id === id && each.event.type === type));

test('standardwebhooks verifies what is sent, also while a secret is being replaced', async () => {
  const webhook = await ask('POST', '/v1/webhooks', { url: to.url, events: ['run.*'], payload: 'full' });
  const first = await heard((await run()).id, 'run.completed');
  assert.deepEqual(new Webhook(webhook.secret).verify(first.body, first.headers), first.event);
  assert.throws(() => new Webhook(webhook.secret).verify(`${first.body} `, first.headers));
  const rotated = await ask('POST', `/v1/webhooks/${webhook.id}/rotate_secret`, {});
  const second = await heard((await run()).id, 'run.completed');
  for (const secret of [webhook.secret, rotated.secret]) {
    assert.deepEqual(new Webhook(secret).verify(second.body, second.headers), second.event);
    for (const OpenAI of [OpenAI6, OpenAI7]) assert.deepEqual(await client(OpenAI).webhooks.unwrap(second.body, second.headers, secret), second.event);
  }
  await assert.rejects(client(OpenAI7).webhooks.unwrap(`${second.body} `, second.headers, rotated.secret));
  await ask('DELETE', `/v1/webhooks/${webhook.id}`);
});

test('openai 7 creates, changes, tries, rotates, lists and deletes them, and is told of its responses', async () => {
  const openai = client(OpenAI7);
  const made = await openai.webhooks.create({ name: 'mine', url: to.url, event_types: ['response.completed', 'batch.completed'] });
  assert.match(made.id, /^whe_/);
  assert.equal(made.object, 'webhook_endpoint');
  assert.deepEqual(made.event_types, ['response.completed', 'batch.completed']);
  const { signing_secret, ...shown } = made;
  assert.deepEqual(await openai.webhooks.retrieve(made.id), shown);
  const tried = await openai.webhooks.test(made.id, { event_type: 'batch.completed' });
  assert.deepEqual(tried, { object: 'webhook_endpoint.test', webhook_endpoint_id: made.id, event_type: 'batch.completed', success: true, status_code: 200 });

  const response = await openai.responses.create({ model: 'openai/gpt-4o-mini', input: 'Hi', background: true });
  const got = await heard(response.id, 'response.completed');
  const event = await openai.webhooks.unwrap(got.body, got.headers, signing_secret);
  const ended = await openai.responses.retrieve(event.data.id);
  assert.equal(ended.status, 'completed');

  const rotated = await openai.webhooks.rotateSecret(made.id);
  assert.notEqual(rotated.signing_secret, signing_secret);
  const changed = await openai.webhooks.update(made.id, { name: 'ours', event_types: ['batch.failed'] });
  assert.deepEqual([changed.name, changed.event_types], ['ours', ['batch.failed']]);
  const second = await openai.webhooks.create({ name: 'second', url: to.url, event_types: ['response.failed'] });
  const listed = [];
  for await (const each of openai.webhooks.list({ limit: 1 })) listed.push(each.id);
  assert.deepEqual(listed, [second.id, made.id]);
  const types = await openai.webhooks.eventTypes.list();
  assert.ok(types.data.includes('response.completed') && types.data.includes('batch.completed'));
  await assert.rejects(openai.webhooks.create({ name: 'x', url: to.url, event_types: ['video.completed'] }), /Supported values are/);
  for (const id of listed) assert.deepEqual(await openai.webhooks.delete(id), { id, object: 'webhook_endpoint.deleted', deleted: true });
  await assert.rejects(openai.webhooks.retrieve(made.id), OpenAI7.NotFoundError);
});

test('a batch that has ended is told of by its id', async () => {
  const openai = client(OpenAI7);
  const webhook = await openai.webhooks.create({ name: 'batches', url: to.url, event_types: ['batch.completed', 'batch.failed'] });
  const send = async (text) => {
    const file = await openai.files.create({ purpose: 'batch', file: new File([text], 'lines.jsonl') });
    return openai.batches.create({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' });
  };
  const good = await send(JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: { model: 'openai/text-embedding-3-small', input: 'x' } }));
  const bad = await send('no json');
  const first = await heard(good.id, 'batch.completed');
  const event = await openai.webhooks.unwrap(first.body, first.headers, webhook.signing_secret);
  assert.deepEqual(event.data, { id: good.id, object: 'batch', status: 'completed', metadata: {} });
  assert.equal((await openai.batches.retrieve(event.data.id)).status, 'completed');
  await heard(bad.id, 'batch.failed');
});
