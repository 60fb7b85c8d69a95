// Files of half a gigabyte: how long they take, and what the scheduler holds meanwhile.
//
//   PENSTOCK_BIN=build/release/bin node tests/bench/files.mjs [MIB]
//
// Each store in turn: sent at once, read whole, sent in parts of 64 MiB and put together. Prints a row for each, and a plain write to the same
// disk beside them.

import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BOUNDARY, form, noise, post } from '../lib/forms.mjs';
import { S3 } from '../lib/s3.mjs';
import { withStack } from '../lib/stack.mjs';

const mib = Number(process.argv[2] ?? 512);
const piece = noise(1 << 20);
const seconds = (from) => ((performance.now() - from) / 1000).toFixed(1);

function frame(name, count) {
  const empty = form(...(name === 'file' ? [['purpose', 'user_data']] : []), [name, '', 'large.bin']);
  const at = empty.length - `\r\n--${BOUNDARY}--\r\n`.length;
  return { pieces: [empty.subarray(0, at), ...Array(count).fill(piece), empty.subarray(at)], length: empty.length + count * piece.length };
}

async function sent(stack, path, name, count) {
  const { pieces, length } = frame(name, count);
  const reply = await post(stack, path, pieces, { length });
  if (reply.status !== 200) throw new Error(JSON.stringify(reply.body));
  return reply.body;
}

const read = (stack, id) =>
  new Promise((done, failed) => {
    let bytes = 0;
    get(`${stack.url}/v1/files/${id}/content`, { headers: { authorization: `Bearer ${stack.key}` } }, (reply) => {
      reply.on('data', (data) => (bytes += data.length));
      reply.on('end', () => (bytes === mib << 20 ? done() : failed(new Error(`${bytes} bytes`))));
      reply.on('error', failed);
    }).on('error', failed);
  });

async function measure(name, env) {
  await withStack({ workers: 0, env, config: `files: {max_bytes: ${Math.max(mib, 64) << 20}}\n` }, async (stack) => {
    const status = () => readFileSync(`/proc/${stack.scheduler.pid}/status`, 'utf8');
    const resident = (which) => Number(new RegExp(`${which}:\\s+(\\d+)`).exec(status())[1]) / 1024;
    await sent(stack, '/v1/files', 'file', 1);
    const idle = resident('VmRSS');
    let from = performance.now();
    const file = await sent(stack, '/v1/files', 'file', mib);
    const upload = seconds(from);
    from = performance.now();
    await read(stack, file.id);
    const download = seconds(from);
    from = performance.now();
    const began = await stack.ok('POST', '/v1/uploads', { filename: 'p', purpose: 'user_data', bytes: mib << 20, mime_type: 'x/y' });
    const parts = [];
    for (let left = mib; left > 0; left -= 64) parts.push((await sent(stack, `/v1/uploads/${began.id}/parts`, 'data', Math.min(left, 64))).id);
    const inParts = seconds(from);
    from = performance.now();
    await stack.ok('POST', `/v1/uploads/${began.id}/complete`, { part_ids: parts });
    console.log(`| ${name} | ${upload} s | ${download} s | ${inParts} s | ${seconds(from)} s | ${idle.toFixed(0)} MiB | ${resident('VmHWM').toFixed(0)} MiB |`);
  });
}

console.log(`${mib} MiB\n| store | sent at once | read | in parts | put together | scheduler idle | at its peak |\n|---|---|---|---|---|---|---|`);
await measure('postgres', {});
const dir = mkdtempSync(join(tmpdir(), 'penstock-bench-files-'));
try {
  await measure('directory', { PENSTOCK_FILES_STORE: 'directory', PENSTOCK_FILES_DIRECTORY: dir });
  const from = performance.now();
  const fd = openSync(join(dir, 'plain'), 'w');
  for (let i = 0; i < mib; i++) writeSync(fd, piece);
  fsyncSync(fd);
  closeSync(fd);
  console.log(`| a plain write and fsync | ${seconds(from)} s | | | | | |`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
const s3 = await S3.start();
await measure('s3 (a stand-in in node)', { PENSTOCK_FILES_STORE: 's3', ...s3.env });
await s3.stop();
