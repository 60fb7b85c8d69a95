// Batches in tests: input files, and what came of their lines.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { until } from './stack.mjs';

const CHUNK = 256 * 1024;
const hex = (id) => id.slice(id.indexOf('-') + 1);

/** Puts a file where those of the tenant `test` lie, without the API. Returns its id. */
export function putFile(stack, content, { name = 'lines.jsonl', purpose = 'batch' } = {}) {
  const [file, blob] = [randomUUID(), randomUUID()];
  const bytes = Buffer.from(content);
  const rows = [];
  for (let at = 0; at < bytes.length; at += CHUNK)
    rows.push(`INSERT INTO blob_chunks (blob_id, at, bytes) VALUES ('${blob}', ${at}, decode('${bytes.subarray(at, at + CHUNK).toString('base64')}', 'base64'));`);
  const sql = `BEGIN;
INSERT INTO blobs (id, tenant_id, store, state, sha256, bytes, refs) SELECT '${blob}', id, 'postgres', 'ready', decode(md5(random()::text), 'hex'), ${bytes.length}, 1 FROM tenants WHERE name = 'test';
INSERT INTO files (id, tenant_id, blob_id, filename, purpose, bytes) SELECT '${file}', id, '${blob}', '${name}', '${purpose}', ${bytes.length} FROM tenants WHERE name = 'test';
${rows.join('\n')}
COMMIT;`;
  execFileSync('psql', [stack.databaseUrl, '-q', '-v', 'ON_ERROR_STOP=1'], { input: sql, stdio: ['pipe', 'ignore', 'inherit'] });
  return `file-${file.replaceAll('-', '')}`;
}

/** What a file holds, as objects, one a line. null: there is no such file. */
export function readLines(stack, id) {
  if (!id) return null;
  const text = execFileSync('psql', [stack.databaseUrl, '-qAtc', `SELECT encode(c.bytes, 'base64') FROM files f JOIN blob_chunks c ON c.blob_id = f.blob_id
    WHERE f.id = '${hex(id)}' ORDER BY c.at`], { encoding: 'utf8', maxBuffer: 1 << 30 });
  const chunks = text.replaceAll(/([^=\n]{76})\n/g, '$1').split('\n').filter(Boolean).map((line) => Buffer.from(line, 'base64'));
  return Buffer.concat(chunks).toString().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

export const lineOf = (custom_id, url, body) => JSON.stringify({ custom_id, method: 'POST', url, body });

export function createBatch(stack, lines, endpoint, more = {}) {
  const input_file_id = putFile(stack, Array.isArray(lines) ? `${lines.join('\n')}\n` : lines);
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
export function answers(stack, batch) {
  const all = new Map();
  for (const [where, id] of [['output', batch.output_file_id], ['error', batch.error_file_id]])
    for (const line of readLines(stack, id) ?? []) {
      if (all.has(line.custom_id)) throw new Error(`${line.custom_id} is answered twice`);
      all.set(line.custom_id, { where, ...line });
    }
  return all;
}
