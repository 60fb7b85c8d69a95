// A thread of 300 messages, and what models are sent of copies of it: for tests of how much of a thread a run is given.

import assert from 'node:assert/strict';
import { uuidOf } from './schedules.mjs';

/** A thread of 300 messages: a sum (4 of them), 291 that somebody put there and what was answered, a sum. */
export async function longThread(stack, assistant) {
  const first = await stack.finished(await stack.submit(assistant, 'sum 1'));
  const said = Array.from({ length: 291 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `message ${i}` }));
  const runs = `/v1/threads/${first.thread_id}/runs`;
  await stack.finished(await stack.ok('POST', runs, { assistant_id: assistant.id, additional_messages: said }));
  await stack.finished(await stack.ok('POST', runs, { assistant_id: assistant.id, input: 'sum 2' }));
  const rows = stack.sql(`SELECT id, role FROM messages WHERE thread_id = '${uuidOf(first.thread_id)}' ORDER BY position`);
  assert.equal(rows.length, 300);
  assert.deepEqual(rows.slice(0, 4).map((row) => row.role), ['user', 'assistant', 'tool', 'assistant']);
  return first.thread_id;
}

/** Ids of a thread's messages, hidden ones too. */
export const idsOf = (stack, thread) => stack.sql(`SELECT replace(id::text, '-', '') AS id FROM messages WHERE thread_id = '${uuidOf(thread)}' ORDER BY position`)
  .map((row) => `msg_${row.id}`);

/** What the model is sent for 'ask' on a copy of the thread; without the system prompt. */
export async function sent(stack, assistant, source, memory = {}, request = {}) {
  const fork = await stack.ok('POST', `/v1/threads/${source}/fork`, {});
  if (Object.keys(memory).length > 0) await stack.ok('POST', `/v1/threads/${fork.id}`, memory);
  const run = await stack.finished(await stack.ok('POST', `/v1/threads/${fork.id}/runs`, { assistant_id: assistant.id, input: 'ask', ...request }));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const messages = JSON.parse((await stack.lastCall()).request).messages;
  assert.deepEqual([messages[0].role, messages.at(-1)], ['system', { role: 'user', content: 'ask' }]);
  return { messages: messages.slice(1), run, fork };
}

export const strategy = (name, config) => ({ memory_strategy: name, ...(config ? { memory_config: config } : {}) });
