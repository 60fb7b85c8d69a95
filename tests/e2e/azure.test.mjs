// Azure's own client, which says /openai/… and sends its key in a header of its own, and OpenAI's for Azure.

import { AssistantsClient, AzureKeyCredential } from '@azure/openai-assistants';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AzureOpenAI } from 'openai-v6';
import { Dev } from './dev.mjs';

let dev;
before(async () => {
  dev = await Dev.start();
});
after(async () => {
  await dev?.stop();
  dev?.remove();
});

test('@azure/openai-assistants: nine calls of its quickstart, from an assistant to the messages of a run', async () => {
  const client = new AssistantsClient(dev.url, new AzureKeyCredential(dev.key), { allowInsecureConnection: true });
  const assistant = await client.createAssistant({ model: 'openai/gpt-4o-mini', name: 'azure', instructions: 'Use your tools.', tools: [] });
  assert.match(assistant.id, /^asst_/);
  const thread = await client.createThread({});
  const message = await client.createMessage(thread.id, 'user', 'What is 6 * 7?');
  assert.equal(message.threadId, thread.id);
  let run = await client.createRun(thread.id, { assistantId: assistant.id });
  for (let i = 0; i < 200 && ['queued', 'in_progress'].includes(run.status); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    run = await client.getRun(thread.id, run.id);
  }
  assert.equal(run.status, 'completed');
  const messages = await client.listMessages(thread.id);
  assert.equal(messages.data.length, 2);
  const steps = await client.listRunSteps(thread.id, run.id);
  assert.ok(steps.data.length >= 1);
  assert.equal((await client.getThread(thread.id)).id, thread.id);
  assert.equal((await client.deleteAssistant(assistant.id)).deleted, true);
});

test('AzureOpenAI: a run, polled to the end', async () => {
  const client = new AzureOpenAI({ endpoint: dev.url, apiKey: dev.key, apiVersion: '2024-05-01-preview' });
  const assistant = await client.beta.assistants.create({ model: 'openai/gpt-4o-mini' });
  const run = await client.beta.threads.createAndRunPoll({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'Hello' }] } });
  assert.equal(run.status, 'completed');
});
