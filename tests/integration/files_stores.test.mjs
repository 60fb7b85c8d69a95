// Where the bytes of files lie: a directory, and S3 as a stand-in speaks it that judges signatures by its own means.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { content, form, noise, post, send } from '../lib/forms.mjs';
import { S3 } from '../lib/s3.mjs';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const config = 'files: {abandoned_ms: 2000, max_bytes: 100000000}\n';

const filesIn = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.path, entry.name));
const rows = (stack) => stack.sql(`SELECT (SELECT count(*) FROM blobs) AS blobs, (SELECT count(*) FROM blob_chunks) AS chunks`)[0];

async function withDirectory(body) {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-files-'));
  try {
    await withStack({ workers: 0, config, env: { PENSTOCK_FILES_STORE: 'directory', PENSTOCK_FILES_DIRECTORY: dir } }, (stack) => body(stack, dir));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function withS3(body, { env = {}, config: settings = config, ...more } = {}) {
  const s3 = await S3.start(more);
  try {
    await withStack({ workers: 0, config: settings, env: { PENSTOCK_FILES_STORE: 's3', ...s3.env, ...env } }, (stack) => body(stack, s3));
  } finally {
    await s3.stop();
  }
}

/** Files of several sizes, whole and in ranges, then deleted until `empty`. */
async function livesWell(stack, empty) {
  const made = [];
  for (const count of [0, 1, 262144, 5 << 20, (5 << 20) + 1, 12000000]) {
    const bytes = noise(count, count + 1);
    const sent = await send(stack, bytes);
    assert.equal(sent.status, 200, JSON.stringify(sent.body));
    assert.ok((await content(stack, sent.body.id)).bytes.equals(bytes), String(count));
    if (count > 300000) assert.ok((await content(stack, sent.body.id, { range: 'bytes=262000-300000' })).bytes.equals(bytes.subarray(262000, 300001)));
    made.push(sent.body.id);
  }
  const twin = await send(stack, noise(12000000, 12000001));
  assert.equal(twin.status, 200);
  const upload = await stack.ok('POST', '/v1/uploads', { filename: 'u', purpose: 'user_data', bytes: 7000000, mime_type: 'x/y' });
  const bytes = noise(7000000, 77);
  const parts = [];
  for (const piece of [bytes.subarray(0, 6000000), bytes.subarray(6000000)]) parts.push((await post(stack, `/v1/uploads/${upload.id}/parts`, form(['data', piece, 'blob']))).body.id);
  const done = await stack.ok('POST', `/v1/uploads/${upload.id}/complete`, { part_ids: parts });
  assert.ok((await content(stack, done.file.id)).bytes.equals(bytes));
  for (const id of [...made, twin.body.id, done.file.id]) await stack.ok('DELETE', `/v1/files/${id}`);
  await until('all bytes are gone', async () => empty() && rows(stack).blobs === 0);
  assert.equal(rows(stack).chunks, 0);
}

test('a directory keeps files, and loses what is deleted', async () => {
  await withDirectory(async (stack, dir) => {
    await livesWell(stack, () => filesIn(dir).length === 0);
  });
});

test('a directory without room, or that is away, is a clear error, and nothing is half there', async () => {
  await withDirectory(async (stack, dir) => {
    const kept = (await send(stack, noise(1000, 1))).body.id;
    renameSync(dir, `${dir}.away`);
    const away = await send(stack, noise(3000000, 2));
    assert.deepEqual([away.status, away.body.error.code, away.body.error.message], [503, 'service_unavailable', "The store of files can't be reached, or has no room, at the moment. Please try again."]);
    await assert.rejects(content(stack, kept));
    renameSync(`${dir}.away`, dir);
    assert.equal((await content(stack, kept)).status, 200);
    await until('nothing is left of it', async () => rows(stack).blobs === 1 && filesIn(dir).length === 1);
    truncateSync(filesIn(dir)[0], 500);
    await assert.rejects(content(stack, kept));
    assert.match(stack.scheduler.log(), /can't make a folder in files.directory: No such file/);
  });
});

test('what a killed process was writing to a directory is swept', async () => {
  await withDirectory(async (stack, dir) => {
    const begin = form(['purpose', 'user_data'], ['file', noise(3000000), 'a']).subarray(0, 2500000);
    await post(stack, '/v1/files', [begin, () => until('some of it is there', async () => filesIn(dir).some((file) => statSync(file).size > 1000000)), async () => stack.scheduler.kill('SIGKILL')], { length: 5000000, cut: true });
    await stack.scheduler.exited;
    stack.programs = stack.programs.filter((program) => program !== stack.scheduler);
    assert.equal(filesIn(dir).length, 1);
    await stack.startScheduler();
    await until('it is swept', async () => filesIn(dir).length === 0 && rows(stack).blobs === 0);
  });
});

for (const hostStyle of [false, true])
  test(`a bucket keeps files, named ${hostStyle ? 'in the host' : 'in the path'}, and each request is signed`, async () => {
    // BUCKET.HOST must be a host that is there without a resolver: 127.0 in 0.1 is.
    const more = hostStyle ? { hostStyle, bucket: '127.0', host: '0.1', env: { PENSTOCK_S3_ADDRESSING: 'host' } } : {};
    await withS3(async (stack, s3) => {
      await livesWell(stack, () => s3.objects.size === 0 && s3.uploads.size === 0);
      assert.deepEqual(s3.refused, []);
      for (const kind of ['PUT ', 'POST uploads', 'PUT partNumber&uploadId', 'POST uploadId', 'GET ', 'DELETE ']) assert.ok(s3.requests.includes(kind), `${kind}: ${[...new Set(s3.requests)]}`);
    }, more);
  });

test('a bucket that has trouble now and then is asked again', async () => {
  await withS3(async (stack, s3) => {
    s3.trouble = (request, url, n) => (n % 3 === 0 ? 503 : n % 7 === 0 ? 'cut' : undefined);
    await livesWell(stack, () => s3.objects.size === 0 && s3.uploads.size === 0);
    assert.deepEqual(s3.refused, []);
  });
});

test('a bucket that is away is a clear error, and nothing is half there when it is back', async () => {
  await withS3(async (stack, s3) => {
    const bytes = noise(12000000);
    const kept = (await send(stack, noise(1000))).body.id;
    let parts = 0;
    s3.trouble = async (request) => {
      if (request.method === 'PUT' && parts++ === 1) await s3.leave();
      return parts > 1 ? 'cut' : undefined;
    };
    const away = await send(stack, bytes);
    assert.deepEqual([away.status, away.body.error.code], [503, 'service_unavailable'], JSON.stringify(away.body));
    assert.match(stack.scheduler.log(), /the bucket of files can't be reached/);
    await assert.rejects(content(stack, kept));
    s3.trouble = () => {};
    await s3.comeBack();
    assert.equal((await content(stack, kept)).status, 200);
    await until('nothing is left of it', async () => s3.uploads.size === 0 && s3.objects.size === 1 && rows(stack).blobs === 1, 30000);
    assert.equal((await send(stack, bytes)).status, 200);
  });
});

test('a bucket that keeps silent is away within its time, and nothing is left when it speaks again', async () => {
  await withS3(async (stack, s3) => {
    const kept = (await send(stack, noise(1000))).body.id;
    s3.trouble = () => () => {};
    for (const bytes of [noise(2000), noise(12000000)]) { // put whole, and in parts
      s3.requests = [];
      const from = Date.now();
      const silent = await send(stack, bytes);
      checkTook(Date.now() - from, 3000);
      assert.deepEqual([silent.status, silent.body.error.code], [503, 'service_unavailable'], JSON.stringify(silent.body));
      assert.ok(s3.requests.length >= 2, 'it is asked a second time');
    }
    assert.match(stack.scheduler.log(), /the bucket of files can't be reached: no (response byte|complete response) within/);
    s3.trouble = () => {};
    assert.equal((await content(stack, kept)).status, 200);
    await until('nothing is left of them', async () => s3.uploads.size === 0 && s3.objects.size === 1 && rows(stack).blobs === 1, 30000);
    assert.deepEqual(s3.refused, []);
  }, { config: 'files: {abandoned_ms: 2000, s3_timeout_ms: 2000}\n' });
});

test('a bucket that refuses the key, or what comes as another than was sent, is told in the log', async () => {
  await withS3(async (stack, s3) => {
    const bytes = noise(6000000);
    const kept = (await send(stack, bytes)).body.id;
    const [key] = s3.objects.keys();
    const stored = s3.objects.get(key);
    s3.objects.set(key, Buffer.concat([Buffer.from([stored[0] ^ 1]), stored.subarray(1)]));
    await assert.rejects(content(stack, kept), undefined, 'its digest is another');
    s3.secretKey = 'another';
    const refused = await send(stack, noise(1000));
    assert.deepEqual([refused.status, refused.body.error.type], [500, 'server_error']);
    assert.match(stack.scheduler.log(), /the bucket of files answers 403, SignatureDoesNotMatch/);
    s3.secretKey = 'secret/with+odd=chars';
    await until('nothing is left', async () => s3.objects.size === 1 && rows(stack).blobs === 1, 30000);
  });
});

test('a bucket whose answers are none is no mistake of the client, and is not asked for ever', async () => {
  await withS3(async (stack, s3) => {
    const kept = (await send(stack, noise(30000))).body.id;
    s3.trouble = () => (response) => response.writeHead(200).end(Buffer.alloc(2 << 20, 'x'));
    const endless = await send(stack, noise(6000000));
    assert.deepEqual([endless.status, endless.body.error.type], [500, 'server_error'], JSON.stringify(endless.body));
    s3.trouble = (request) => request.method === 'GET' && ((response) => response.writeHead(206, { 'content-length': 3 }).end('abc'));
    s3.requests = [];
    await assert.rejects(content(stack, kept), undefined, 'three bytes of 30000');
    assert.equal(s3.requests.filter((request) => request.startsWith('GET')).length, 1);
    assert.match(stack.scheduler.log(), /bytes of a file are missing from the store 's3'/);
  });
});

test('what a killed process was sending to a bucket is taken back', async () => {
  await withS3(async (stack, s3) => {
    const begin = form(['purpose', 'user_data'], ['file', noise(20000000), 'a']).subarray(0, 16000000);
    const some = () => [...s3.uploads.values()].some(({ parts }) => parts.size > 0);
    await post(stack, '/v1/files', [begin, () => until('a part is there', async () => some()), async () => stack.scheduler.kill('SIGKILL')], { length: 21000000, cut: true });
    await stack.scheduler.exited;
    stack.programs = stack.programs.filter((program) => program !== stack.scheduler);
    assert.ok(some());
    await stack.startScheduler();
    await until('it is taken back', async () => s3.uploads.size === 0 && s3.objects.size === 0 && rows(stack).blobs === 0, 30000);
  });
});

test('files stay where they are when the setting changes', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-files-'));
  try {
    await withStack({ workers: 0, config }, async (stack) => {
      const inPostgres = (await send(stack, noise(400000, 1))).body.id;
      await stack.scheduler.stop();
      Object.assign(stack.env, { PENSTOCK_FILES_STORE: 'directory', PENSTOCK_FILES_DIRECTORY: dir });
      await stack.startScheduler();
      const inDirectory = (await send(stack, noise(400000, 2))).body.id;
      assert.ok((await content(stack, inPostgres)).bytes.equals(noise(400000, 1)));
      assert.ok((await content(stack, inDirectory)).bytes.equals(noise(400000, 2)));
      assert.equal(filesIn(dir).length, 1);
      for (const id of [inPostgres, inDirectory]) await stack.ok('DELETE', `/v1/files/${id}`);
      await until('both are gone', async () => rows(stack).blobs === 0 && rows(stack).chunks === 0 && filesIn(dir).length === 0);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
