// Uploads: files that come in parts.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { content, form, noise, post } from '../lib/forms.mjs';
import { until, withStack } from '../lib/stack.mjs';

const options = { workers: 0, config: 'files: {abandoned_ms: 2000, upload_max_bytes: 200000000}\n' };
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');

const asked = (bytes, more = {}) => ({ filename: 'big.bin', purpose: 'user_data', bytes, mime_type: 'application/octet-stream', ...more });
const create = (stack, bytes, more) => stack.ok('POST', '/v1/uploads', asked(bytes, more));
const add = (stack, upload, bytes, more) => post(stack, `/v1/uploads/${upload.id}/parts`, form(['data', bytes, 'blob']), more);
const complete = (stack, upload, part_ids, more = {}) => stack.call('POST', `/v1/uploads/${upload.id}/complete`, { part_ids, ...more });
const lying = (stack) => stack.sql(`SELECT (SELECT count(*) FROM blobs WHERE state <> 'ready') + (SELECT count(*) FROM blob_chunks c WHERE NOT EXISTS (SELECT FROM blobs b WHERE b.id = c.blob_id)) AS n`)[0].n;
const clean = (stack) => until('nothing lies around', async () => lying(stack) === 0);

async function refuses(reply, status, code, param = null) {
  const { status: got, body } = await reply;
  assert.deepEqual([got, body.error?.code, body.error?.param], [status, code, param], JSON.stringify(body));
  return body.error.message;
}

test('parts that come at once and in any order become the file in the order that is said', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(5000000);
    const upload = await create(stack, bytes.length);
    assert.match(upload.id, /^upload_[0-9a-f]{32}$/);
    assert.deepEqual({ ...upload, id: 0, created_at: 0, expires_at: upload.expires_at - upload.created_at }, { id: 0, object: 'upload', bytes: 5000000, created_at: 0, filename: 'big.bin', purpose: 'user_data', mime_type: 'application/octet-stream', status: 'pending', expires_at: 3600, file: null });
    const cuts = [0, 1, 1000000, 1300000, 4000001, 5000000];
    const parts = await Promise.all(cuts.slice(1).map((to, i) => add(stack, upload, bytes.subarray(cuts[i], to))));
    for (const { status, body } of parts) assert.deepEqual([status, body.object, body.upload_id, Object.keys(body).sort()], [200, 'upload.part', upload.id, ['created_at', 'id', 'object', 'upload_id']], JSON.stringify(body));
    const listed = await stack.ok('GET', `/v1/uploads/${upload.id}/parts`);
    assert.deepEqual(listed.data.map(({ id, bytes }) => [id, bytes]).sort(), parts.map(({ body }, i) => [body.id, cuts[i + 1] - cuts[i]]).sort());
    const ids = parts.map(({ body }) => body.id);
    const done = await complete(stack, upload, ids, { md5: md5(bytes).toUpperCase() });
    assert.equal(done.status, 200, JSON.stringify(done.body));
    assert.deepEqual([done.body.status, done.body.file.object, done.body.file.bytes, done.body.file.filename, done.body.file.purpose], ['completed', 'file', 5000000, 'big.bin', 'user_data']);
    assert.ok((await content(stack, done.body.file.id)).bytes.equals(bytes));
    const again = await complete(stack, upload, ids);
    assert.deepEqual([again.status, again.body], [200, done.body]);
    assert.deepEqual(await stack.ok('GET', `/v1/uploads/${upload.id}`), done.body);
    await clean(stack);
    assert.deepEqual(stack.sql('SELECT bytes, refs FROM blobs'), [{ bytes: 5000000, refs: 1 }]);
    await refuses(add(stack, upload, 'more'), 400, 'upload_not_pending');
    await refuses(stack.call('POST', `/v1/uploads/${upload.id}/cancel`), 400, 'upload_not_pending');
    await stack.ok('DELETE', `/v1/files/${done.body.file.id}`);
    assert.equal((await stack.ok('GET', `/v1/uploads/${upload.id}`)).file, null);
  });
});

test('what does not add up is refused, and can be put right', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(300000);
    const upload = await create(stack, bytes.length, { expires_after: { anchor: 'created_at', seconds: 7200 } });
    const other = await create(stack, 3);
    const a = (await add(stack, upload, bytes.subarray(0, 100000))).body.id;
    const b = (await add(stack, upload, bytes.subarray(100000))).body.id;
    const foreign = (await add(stack, other, 'abc')).body.id;
    assert.equal(await refuses(complete(stack, upload, [a]), 400, 'bytes_mismatch', 'part_ids'), 'The parts have 100000 bytes together, and the upload was created for 300000.');
    await refuses(complete(stack, upload, [a, b, a]), 400, 'duplicate_part', 'part_ids[2]');
    await refuses(complete(stack, upload, [a, foreign]), 400, 'part_not_found', 'part_ids[1]');
    await refuses(complete(stack, upload, [a, 'file-1']), 400, 'invalid_value', 'part_ids[1]');
    await refuses(complete(stack, upload, []), 400, 'array_below_min_length', 'part_ids');
    await refuses(complete(stack, upload, [a, b], { md5: 'no' }), 400, 'invalid_value', 'md5');
    await refuses(complete(stack, upload, [b, a], { md5: md5(bytes) }), 400, 'md5_mismatch', 'md5');
    await refuses(stack.call('POST', `/v1/uploads/${upload.id}/complete`, {}), 400, 'missing_required_parameter', 'part_ids');
    await refuses(stack.tenant('other').call('POST', `/v1/uploads/${upload.id}/complete`, { part_ids: [a, b] }), 404, null);
    await refuses(stack.call('GET', '/v1/uploads/upload_1'), 404, null);
    const done = await complete(stack, upload, [a, b], { md5: md5(bytes) });
    assert.equal(done.status, 200, JSON.stringify(done.body));
    assert.equal(done.body.file.expires_at, done.body.file.created_at + 7200);
    await clean(stack);

    for (const [fields, code, param] of [
      [asked(200000001), 'file_too_large', 'bytes'],
      [asked(-1), 'integer_below_min_value', 'bytes'],
      [asked('5'), 'invalid_type', 'bytes'],
      [asked(1, { purpose: 'fun' }), 'invalid_value', 'purpose'],
      [asked(1, { purpose: 'batch' }), 'invalid_file_format', 'file'],
      [asked(1, { filename: '/' }), 'invalid_value', 'filename'],
      [asked(1, { filename: '..' }), 'invalid_value', 'filename'],
      [asked(1, { expires_after: { anchor: 'created_at', seconds: 1 } }), 'integer_below_min_value', 'expires_after.seconds'],
      [asked(1, { mime: 'x' }), 'unknown_parameter', 'mime'],
    ])
      await refuses(stack.call('POST', '/v1/uploads', fields), 400, code, param);
    for (const [parts, code, param] of [
      [[['file', 'x', 'a']], 'unknown_parameter', 'file'],
      [[['data', 'x']], 'invalid_type', 'data'],
      [[], 'missing_required_parameter', 'data'],
    ])
      await refuses(post(stack, `/v1/uploads/${other.id}/parts`, form(...parts)), 400, code, param);
    await refuses(post(stack, `/v1/uploads/${other.id}/parts`, form(['data', Buffer.alloc((64 << 20) + 1), 'a'])), 413, 'file_too_large', 'data');
  });
});

test('a part whose bytes are lost is no fault of the client', async () => {
  await withStack(options, async (stack) => {
    const upload = await create(stack, 300000);
    const part = (await add(stack, upload, noise(300000))).body.id;
    stack.exec('DELETE FROM blob_chunks WHERE at > 0');
    const lost = await complete(stack, upload, [part]);
    assert.deepEqual([lost.status, lost.body.error.type], [500, 'server_error'], JSON.stringify(lost.body));
    assert.match(stack.scheduler.log(), /bytes of a file are missing from the store 'postgres'/);
    assert.equal((await stack.ok('GET', `/v1/uploads/${upload.id}`)).status, 'pending');
  });
});

test('one that is cut is gone on with, by those parts that have come', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(3000000);
    const upload = await create(stack, bytes.length);
    await add(stack, upload, bytes.subarray(0, 1000000));
    const cut = form(['data', bytes.subarray(1000000, 2000000), 'blob']);
    await post(stack, `/v1/uploads/${upload.id}/parts`, [cut.subarray(0, 700000)], { length: cut.length, cut: true });
    await clean(stack);
    const there = (await stack.ok('GET', `/v1/uploads/${upload.id}/parts`)).data;
    assert.deepEqual(there.map((part) => part.bytes), [1000000]);
    const rest = (await add(stack, upload, bytes.subarray(1000000))).body.id;
    const done = await complete(stack, upload, [there[0].id, rest], { md5: md5(bytes) });
    assert.ok((await content(stack, done.body.file.id)).bytes.equals(bytes));
  });
});

test('one that is cancelled, or not completed in its hour, leaves nothing', async () => {
  await withStack(options, async (stack) => {
    const cancelled = await create(stack, 10);
    const late = await create(stack, 10);
    await add(stack, cancelled, noise(300000, 1));
    const part = (await add(stack, late, noise(300000, 2))).body.id;
    assert.equal((await stack.ok('POST', `/v1/uploads/${cancelled.id}/cancel`)).status, 'cancelled');
    assert.equal((await stack.ok('POST', `/v1/uploads/${cancelled.id}/cancel`)).status, 'cancelled');
    await refuses(add(stack, cancelled, 'x'), 400, 'upload_not_pending');
    stack.exec(`UPDATE uploads SET expires_at = now() WHERE status = 'pending'`);
    assert.equal((await stack.ok('GET', `/v1/uploads/${late.id}`)).status, 'expired');
    await refuses(complete(stack, late, [part]), 400, 'upload_not_pending');
    await refuses(add(stack, late, 'x'), 400, 'upload_not_pending');
    await until('their parts are gone', async () => stack.sql('SELECT (SELECT count(*) FROM upload_parts) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM blob_chunks) AS n')[0].n === 0);
    assert.equal(stack.sql('SELECT coalesce(sum(bytes), 0) AS n FROM tenant_files')[0].n, 0);
  });
});

test('two that complete the same upload at once make one file', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(2000000);
    const upload = await create(stack, bytes.length);
    const parts = [(await add(stack, upload, bytes.subarray(0, 1000000))).body.id, (await add(stack, upload, bytes.subarray(1000000))).body.id];
    const replies = await Promise.all([1, 2, 3].map(() => complete(stack, upload, parts)));
    for (const { status, body } of replies) assert.equal(status, 200, JSON.stringify(body));
    assert.equal(new Set(replies.map(({ body }) => body.file.id)).size, 1);
    assert.equal(stack.sql('SELECT count(*) AS n FROM files')[0].n, 1);
    await clean(stack);
    const again = await create(stack, 5, {});
    assert.notEqual(again.id, upload.id);
  });
});
