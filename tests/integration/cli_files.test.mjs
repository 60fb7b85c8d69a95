// Files from the command line: sent whole or in parts, listed, shown, fetched and deleted; over lines that are cut, too.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { noise } from '../lib/forms.mjs';
import { until, withStack } from '../lib/stack.mjs';

const options = { workers: 0, config: 'files: {max_bytes: 20000000, upload_max_bytes: 40000000, abandoned_ms: 2000}\n' };

/** Runs `penstock ARGS` beside this process: {code, out (a Buffer), err}. */
async function penstock(stack, args, url = stack.url) {
  const child = spawn(join(stack.bin, 'penstock'), args, { env: { ...process.env, ...stack.env, PENSTOCK_URL: url, PENSTOCK_API_KEY: stack.key }, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = [];
  let err = '';
  child.stdout.on('data', (data) => out.push(data));
  child.stderr.on('data', (data) => (err += data));
  const [code] = await once(child, 'close');
  return { code, out: Buffer.concat(out), err };
}

async function withFolder(options, body) {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-cli-files-'));
  try {
    await withStack(options, (stack) => body(stack, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line to the server on which each of the first `cuts` connections ends when so many bytes have gone over it. */
async function withCuts(stack, cuts, bytes, body) {
  let made = 0;
  const server = createServer((near) => {
    const far = connect(stack.port, '127.0.0.1');
    let left = made++ < cuts ? bytes : Infinity;
    const end = () => (near.destroy(), far.destroy());
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (data) => ((left -= data.length) < 0 ? end() : to.write(data)));
      from.on('end', () => to.end());
      from.on('error', end);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await body(`http://127.0.0.1:${server.address().port}`);
    assert.ok(made > cuts, 'it was asked again');
  } finally {
    server.close();
  }
}

const spare = (stack) => stack.sql(`SELECT (SELECT count(*)::int FROM upload_parts) AS parts, (SELECT count(*)::int FROM blobs WHERE state <> 'ready') AS blobs`)[0];

test('a file is sent, listed, shown, fetched and deleted', async () => {
  await withFolder(options, async (stack, folder) => {
    const bytes = noise(700000);
    const path = join(folder, 'a "bild" ü\n.bin');
    writeFileSync(path, bytes);
    const sent = await penstock(stack, ['files', 'upload', path, '--expires-after', '3600']);
    assert.deepEqual([sent.code, sent.err], [0, '']);
    const id = sent.out.toString().trim();
    const file = await stack.ok('GET', `/v1/files/${id}`);
    assert.deepEqual([file.bytes, file.filename, file.purpose, file.expires_at - file.created_at], [700000, 'a "bild" ü%0A.bin', 'user_data', 3600]);

    writeFileSync(join(folder, 'lines.jsonl'), '{}\n');
    writeFileSync(join(folder, 'empty'), '');
    const batch = JSON.parse((await penstock(stack, ['files', 'upload', join(folder, 'lines.jsonl'), '--json'])).out);
    assert.deepEqual([batch.purpose, batch.filename, batch.bytes], ['batch', 'lines.jsonl', 3]);
    const empty = JSON.parse((await penstock(stack, ['files', 'upload', join(folder, 'empty'), '--json', '--name', 'nothing', '--purpose', 'assistants'])).out);
    assert.deepEqual([empty.purpose, empty.filename, empty.bytes], ['assistants', 'nothing', 0]);

    const lines = async (...args) => (await penstock(stack, ['files', 'list', ...args])).out.toString().trim().split('\n');
    assert.deepEqual((await lines()).map((line) => line.split(/\s+/)[0]), ['FILE', empty.id, batch.id, id]);
    assert.deepEqual((await lines('--json', '--purpose', 'batch')).map((line) => JSON.parse(line)), [batch]);
    assert.deepEqual((await lines('-n', '1', '--json')).map((line) => JSON.parse(line).id), [empty.id]);
    assert.match((await penstock(stack, ['files', 'show', id])).out.toString(), new RegExp(`^file       ${id}\nname       a "bild" ü%0A.bin\nbytes      700000\npurpose    user_data\ncreated    .*\nexpires    .*\n$`));
    assert.deepEqual(JSON.parse((await penstock(stack, ['files', 'show', id, '--json'])).out), file);

    assert.ok((await penstock(stack, ['files', 'content', id])).out.equals(bytes));
    assert.equal((await penstock(stack, ['files', 'content', empty.id])).out.length, 0);
    assert.equal((await penstock(stack, ['files', 'content', id, '-o', join(folder, 'again')])).code, 0);
    assert.ok(readFileSync(join(folder, 'again')).equals(bytes));
    assert.equal((await penstock(stack, ['files', 'delete', id])).out.toString(), `${id} is deleted\n`);
    for (const command of ['show', 'content', 'delete']) {
      const gone = await penstock(stack, ['files', command, id]);
      assert.deepEqual([gone.code, gone.out.length, gone.err], [1, 0, `penstock: No file found with id '${id}'.\n`]);
    }
  });
});

test('what is wrong is told, and leaves nothing', async () => {
  await withFolder(options, async (stack, folder) => {
    const path = join(folder, 'a.bin');
    writeFileSync(path, noise(20000));
    const large = join(folder, 'large.bin');
    writeFileSync(large, noise(40000001));
    for (const [args, code, said] of [
      [['upload', join(folder, 'none')], 2, /none: No such file/],
      [['upload', folder], 2, /is no file: its length must be known/],
      [['upload', path, '--purpose', 'fun'], 1, /Invalid value: 'fun'/],
      [['upload', path, '--purpose', 'batch'], 1, /Must be \.jsonl/],
      [['upload', path, '--expires-after', '60'], 2, /expires-after/],
      [['upload', large], 1, /Invalid 'bytes': at most 40000000/],
      [['list', '--purpose', 'fun'], 1, /Invalid value: 'fun'/],
      [['show', '../runs'], 2, /is no id of a file/],
      [['content', 'file-x', '-o', join(folder, 'out')], 1, /No file found/],
      [['content', 'file-x', '-o', join(folder, 'none/out')], 1, /No such file or directory/],
    ]) {
      const { code: got, err, out } = await penstock(stack, ['files', ...args]);
      assert.deepEqual([got, out.length], [code, 0], `${args}: ${err}`);
      assert.match(err, said);
    }

    writeFileSync(path, noise(6000000));
    const id = (await penstock(stack, ['files', 'upload', path])).out.toString().trim();
    stack.exec(`UPDATE blob_chunks SET bytes = set_byte(bytes, 5, (get_byte(bytes, 5) + 1) % 256) WHERE at = 0`);
    const spoiled = await penstock(stack, ['files', 'content', id, '-o', join(folder, 'out')]);
    assert.deepEqual([spoiled.code, spoiled.err], [1, 'penstock: the bytes that came are not those that were stored\n']);
    assert.deepEqual(readdirSync(folder).sort(), ['a.bin', 'large.bin']);
    await until('nothing lies around', async () => Object.values(spare(stack)).every((count) => count === 0));
  });
});

test('a large file goes in parts, and what is cut on the way is sent and fetched again', async () => {
  await withFolder(options, async (stack, folder) => {
    const bytes = noise(20000001);
    const path = join(folder, 'large.bin');
    writeFileSync(path, bytes);
    let id;
    await withCuts(stack, 2, 3000000, async (url) => {
      const sent = await penstock(stack, ['files', 'upload', path], url);
      assert.deepEqual([sent.code, sent.err], [0, '']);
      id = sent.out.toString().trim();
    });
    assert.equal((await stack.ok('GET', `/v1/files/${id}`)).bytes, bytes.length);
    await withCuts(stack, 2, 3000000, async (url) => {
      const { code, err } = await penstock(stack, ['files', 'content', id, '-o', join(folder, 'again')], url);
      assert.deepEqual([code, err], [0, '']);
    });
    assert.ok(readFileSync(join(folder, 'again')).equals(bytes));
    await until('no part is left', async () => Object.values(spare(stack)).every((count) => count === 0));
  });
});

test('an upload that fails is given up', async () => {
  // Room for its parts, and not for the file beside them.
  const config = 'files: {tenant_max_bytes: 30000000}\n';
  await withFolder({ ...options, config }, async (stack, folder) => {
    const path = join(folder, 'large.bin');
    writeFileSync(path, noise(20000001));
    const refused = await penstock(stack, ['files', 'upload', path]);
    assert.match(refused.err, /There is no room for this file/);
    assert.deepEqual(stack.sql('SELECT status FROM uploads'), [{ status: 'cancelled' }]);
    await until('its parts are gone', async () => Object.values(spare(stack)).every((count) => count === 0));
  });
});
