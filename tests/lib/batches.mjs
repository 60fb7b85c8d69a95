// Batches in tests: input files, and what came of their lines.

import { until } from './stack.mjs';

/** Uploads a file. Returns its id. */
export async function putFile(stack, content, { name = 'lines.jsonl', purpose = 'batch' } = {}) {
  const body = new FormData();
  body.set('purpose', purpose);
  body.set('file', new Blob([content]), name);
  const reply = await fetch(`${stack.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}` }, body });
  if (!reply.ok) throw new Error(`POST /v1/files: ${reply.status} ${await reply.text()}`);
  return (await reply.json()).id;
}

/** What a file holds, as objects, one a line. null: there is none. */
export async function readLines(stack, id) {
  if (!id) return null;
  const reply = await fetch(`${stack.url}/v1/files/${id}/content`, { headers: { authorization: `Bearer ${stack.key}` } });
  if (!reply.ok) throw new Error(`GET /v1/files/${id}/content: ${reply.status}`);
  return (await reply.text()).split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

export const lineOf = (custom_id, url, body) => JSON.stringify({ custom_id, method: 'POST', url, body });

export async function createBatch(stack, lines, endpoint, more = {}) {
  const input_file_id = await putFile(stack, Array.isArray(lines) ? `${lines.join('\n')}\n` : lines);
  return stack.ok('POST', '/v1/batches', { input_file_id, endpoint, completion_window: '24h', ...more });
}

export const over = ['completed', 'failed', 'expired', 'cancelled'];

export async function endedBatch(stack, id, ms = 60000) {
  let batch;
  await until(`batch ${id} ends`, async () => {
    batch = await stack.ok('GET', `/v1/batches/${id}`).catch((error) => (/50\d|fetch failed/.test(`${error}`) ? undefined : Promise.reject(error)));
    return batch && over.includes(batch.status);
  }, ms);
  return batch;
}

/** Both files, by custom_id. Throws where a line is answered twice. */
export async function answers(stack, batch) {
  const all = new Map();
  for (const [where, id] of [['output', batch.output_file_id], ['error', batch.error_file_id]])
    for (const line of (await readLines(stack, id)) ?? []) {
      if (all.has(line.custom_id)) throw new Error(`${line.custom_id} is answered twice`);
      all.set(line.custom_id, { where, ...line });
    }
  return all;
}
