// OpenAI's tests name objects that nobody has made ("thread_id"), since their mock server answers anything. Here such an object is made, in the state that
// the request needs, and the request is told its id: whatever these tests check is checked of a server that keeps what it is given.

import { createHash } from 'node:crypto';
import { createBatch, lineOf, putFile } from '../lib/batches.mjs';

export const script = `
rules:
  - {name: long, when: {user: '^long'}, then: {text: 'done', delay_ms: 60000}}
  - name: asks
    when: {user: '^ask'}
    steps:
      - calls: [{name: look_up, arguments: {}}]
      - text: 'So it is.'
  - {name: all else, then: {text: 'Hello.'}}
`;

const tool = { type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } };
const content = 'Example data';
const model = 'gpt-4o';

/** A run, and what belongs to it. */
async function run(stack, path) {
  const prompt = path.endsWith('/cancel') ? 'long' : path.endsWith('/submit_tool_outputs') ? 'ask' : 'hello';
  const made = await stack.submit(await stack.assistant({ model, tools: [tool] }), prompt);
  const ids = { thread_id: made.thread_id, run_id: made.id };
  if (prompt === 'long') return ids;
  const now = await stack.finished(made);
  ids.tool_call_id = now.required_action?.submit_tool_outputs.tool_calls[0].id;
  ids.step_id = (await stack.ok('GET', `/v1/threads/${made.thread_id}/runs/${made.id}/steps`)).data[0].id;
  return ids;
}

async function thread(stack) {
  const { id } = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'hello' }] });
  return { thread_id: id, message_id: (await stack.ok('GET', `/v1/threads/${id}/messages`)).data[0].id };
}

async function response(stack, path) {
  const long = path.endsWith('/cancel');
  return (await stack.ok('POST', '/v1/responses', { model, input: long ? 'long' : 'hello', background: long })).id;
}

async function conversation(stack) {
  const { id } = await stack.ok('POST', '/v1/conversations', { items: [{ type: 'message', role: 'user', content: 'hello' }] });
  return { conv_123: id, msg_abc: (await stack.ok('GET', `/v1/conversations/${id}/items`)).data[0].id };
}

async function upload(stack, path) {
  const { id } = await stack.ok('POST', '/v1/uploads', { bytes: content.length, filename: 'README.md', mime_type: 'text/markdown', purpose: 'assistants' });
  if (!path.endsWith('/complete')) return { upload_abc123: id };
  const body = new FormData();
  body.set('data', new Blob([content]), 'README.md');
  const part = await (await fetch(`${stack.url}/v1/uploads/${id}/parts`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}` }, body })).json();
  return { upload_abc123: id, string: part.id, md5: createHash('md5').update(content).digest('hex') };
}

const line = (user) => lineOf('a', '/v1/chat/completions', { model, messages: [{ role: 'user', content: user }] });

/** Who makes which ids, for a request that names one of them. */
const makers = [
  [/^assistant_id$/, async (stack) => ({ assistant_id: (await stack.assistant({ model })).id })],
  [/^run_id$/, run],
  [/^(thread_id|message_id)$/, thread],
  [/^(resp_\w+|response_id)$/, async (stack, path, name) => ({ [name]: await response(stack, path) })],
  [/^(conv_123|msg_abc)$/, conversation],
  [/^file_id$/, async (stack) => ({ file_id: await putFile(stack, content, { purpose: 'assistants' }) })],
  [/^input_file_id$/, async (stack) => ({ input_file_id: await putFile(stack, line('hello')) })],
  [/^batch_id$/, async (stack, path) => ({ batch_id: (await createBatch(stack, [line(path.endsWith('/cancel') ? 'long' : 'hello')], '/v1/chat/completions')).id })],
  [/^upload_abc123$/, upload],
];

/** The names in a request, those of the path first: what is made for a run has a thread, too. */
function namesIn(path, body) {
  const names = path.split('?')[0].split('/');
  const walk = (value) => {
    if (typeof value === 'string') names.push(value);
    else if (value && typeof value === 'object') Object.values(value).forEach(walk);
  };
  walk(body);
  return names;
}

/** Returns [path, body] with ids of objects that are there. */
export async function withObjects(stack, path, body) {
  const ids = {};
  const names = namesIn(path, body);
  for (const [pattern, make] of makers)
    for (const name of names.filter((one) => pattern.test(one))) if (!(name in ids)) Object.assign(ids, await make(stack, path.split('?')[0], name));
  const known = (value) => ids[value] ?? value;
  const swap = (value) => {
    if (typeof value === 'string') return known(value);
    if (Array.isArray(value)) return value.map(swap);
    return value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, swap(one)])) : value;
  };
  const [way, query] = path.split('?');
  return [`${way.split('/').map(known).join('/')}${query === undefined ? '' : `?${query}`}`, swap(body)];
}
