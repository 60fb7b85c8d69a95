// Files: sent as forms, kept once, read in ranges, listed, deleted, and nothing of them left behind.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BOUNDARY, content, form, noise, post, send } from '../lib/forms.mjs';
import { checkPeak, peakBytes } from '../lib/memory.mjs';
import { until, withStack } from '../lib/stack.mjs';

const options = { workers: 0, config: 'files: {max_bytes: 20000000, abandoned_ms: 2000}\n' };
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Bytes and rows that belong to no file. */
const lying = (stack) =>
  stack.sql(`SELECT (SELECT count(*) FROM blobs WHERE state <> 'ready') AS blobs, (SELECT count(*) FROM blob_chunks c WHERE NOT EXISTS (SELECT FROM blobs b WHERE b.id = c.blob_id AND b.state = 'ready')) AS chunks`)[0];
const clean = (stack) => until('nothing lies around', async () => Object.values(lying(stack)).every((count) => count === 0));

test('a file is sent, shown, read and deleted', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(700000);
    const sent = await send(stack, bytes, { filename: 'bild ü.bin' });
    assert.equal(sent.status, 200, JSON.stringify(sent.body));
    const { id, created_at } = sent.body;
    assert.match(id, /^file-[0-9a-f]{32}$/);
    assert.deepEqual(sent.body, { id, object: 'file', bytes: 700000, created_at, expires_at: null, filename: 'bild ü.bin', purpose: 'user_data', status: 'processed', status_details: null });
    assert.deepEqual(await stack.ok('GET', `/v1/files/${id}`), sent.body);

    const whole = await content(stack, id);
    assert.equal(whole.status, 200);
    assert.ok(whole.bytes.equals(bytes));
    assert.equal(whole.headers.get('content-length'), '700000');
    assert.equal(whole.headers.get('etag'), `"${sha256(bytes)}"`);
    assert.equal(whole.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(whole.headers.get('content-disposition'), `attachment; filename="bild __.bin"; filename*=UTF-8''bild%20%C3%BC.bin`);
    const head = await content(stack, id, {}, 'HEAD');
    assert.deepEqual([head.status, head.headers.get('content-length'), head.bytes.length], [200, '700000', 0]);

    const other = stack.tenant('other');
    for (const [method, path] of [['GET', ''], ['GET', '/content'], ['DELETE', '']])
      assert.deepEqual(await other.call(method, `/v1/files/${id}${path}`).then(({ status, body }) => [status, body.error.message]), [404, `No file found with id '${id}'.`]);
    assert.deepEqual(await stack.ok('DELETE', `/v1/files/${id}`), { id, object: 'file', deleted: true });
    assert.equal((await stack.call('GET', `/v1/files/${id}`)).status, 404);
    assert.equal((await stack.call('DELETE', `/v1/files/${id}`)).status, 404);
    await clean(stack);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 0);
    assert.equal(stack.sql('SELECT sum(bytes) AS n FROM tenant_files')[0].n, 0);
  });
});

test('any range of a file is read', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(600001);
    const { id } = (await send(stack, bytes)).body;
    const of = async (range, headers = {}) => {
      const reply = await content(stack, id, { range, ...headers });
      return [reply.status, reply.headers.get('content-range'), reply.bytes];
    };
    const is = async (range, from, to, headers) => {
      const [status, said, got] = await of(range, headers);
      assert.deepEqual([status, said], [206, `bytes ${from}-${to - 1}/600001`], range);
      assert.ok(got.equals(bytes.subarray(from, to)), range);
    };
    const etag = `"${sha256(bytes)}"`;
    await is('bytes=0-0', 0, 1);
    await is('bytes=262143-262144', 262143, 262145);
    await is('bytes=100000-599999', 100000, 600000);
    await is('bytes=600000-', 600000, 600001);
    await is('bytes=-1', 600000, 600001);
    await is('Bytes=5-99999999', 5, 600001);
    await is('bytes=0-9', 0, 10, { 'if-range': etag });
    for (const range of ['bytes=0-600000', 'bytes=-600001', 'bytes=0-']) {
      const [status, , got] = await of(range);
      assert.deepEqual([status, got.length], [200, 600001], range);
    }
    for (const range of ['bytes=5-4', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=x-', 'bytes=', 'bytes=-', 'bytes=1 - 2']) assert.equal((await of(range))[0], 200, range);
    assert.equal((await of('bytes=0-9', { 'if-range': '"another"' }))[0], 200);
    await is('bytes=5-99999999999999999999', 5, 600001);
    for (const range of ['bytes=600001-', 'bytes=700000-700001', 'bytes=99999999999999999999-', 'bytes=-0']) {
      const [status, said] = await of(range);
      assert.deepEqual([status, said], [416, 'bytes */600001'], range);
    }
    for (const tag of [etag, `"x", W/${etag}`, '*']) assert.equal((await content(stack, id, { 'if-none-match': tag })).status, 304, tag);
    assert.equal((await content(stack, id, { 'if-none-match': '"x"' })).status, 200);
    const empty = (await send(stack, Buffer.alloc(0))).body;
    assert.equal(empty.bytes, 0);
    assert.deepEqual([(await content(stack, empty.id)).bytes.length, (await content(stack, empty.id, { range: 'bytes=0-' })).status], [0, 416]);
  });
});

test('equal content is stored once, and stays as long as a file has it', async () => {
  await withStack(options, async (stack) => {
    const bytes = noise(300000);
    const files = (await Promise.all([1, 2, 3, 4, 5, 6].map((n) => send(stack, bytes, { filename: `${n}.bin` })))).map(({ status, body }) => (assert.equal(status, 200, JSON.stringify(body)), body));
    assert.equal(new Set(files.map(({ id }) => id)).size, 6);
    await clean(stack);
    assert.deepEqual(stack.sql(`SELECT bytes, refs FROM blobs`), [{ bytes: 300000, refs: 6 }]);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blob_chunks')[0].n, 2);
    const other = stack.tenant('other');
    const theirs = (await send(other, bytes)).body;
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 2);
    for (const { id } of files.slice(0, 5)) await stack.ok('DELETE', `/v1/files/${id}`);
    assert.ok((await content(stack, files[5].id)).bytes.equals(bytes));
    await stack.ok('DELETE', `/v1/files/${files[5].id}`);
    await until('the bytes are gone', async () => stack.sql('SELECT count(*) AS n FROM blobs')[0].n === 1);
    assert.ok((await content(other, theirs.id)).bytes.equals(bytes));
  });
});

test('fields come in any order, and names as clients write them', async () => {
  await withStack(options, async (stack) => {
    const file = ['file', 'hello', 'a.txt'];
    const purpose = ['purpose', 'assistants'];
    for (const parts of [[purpose, file], [file, purpose], [['expires_after[seconds]', '3600'], file, purpose, ['expires_after[anchor]', 'created_at']]]) {
      for (const length of [undefined, null]) {
        const body = form(...parts);
        const pieces = length === null ? [...body].map((byte) => Buffer.from([byte])) : [body];
        const reply = await post(stack, '/v1/files', pieces, { length });
        assert.equal(reply.status, 200, JSON.stringify(reply.body));
        assert.deepEqual([reply.body.bytes, reply.body.filename, reply.body.purpose], [5, 'a.txt', 'assistants']);
        assert.equal(reply.body.expires_at, parts.length === 4 ? reply.body.created_at + 3600 : null);
        assert.equal((await content(stack, reply.body.id)).bytes.toString(), 'hello');
      }
    }
    for (const [written, name] of [['dir/sub/x.txt', 'x.txt'], ['C:\\dir\\x.txt', 'x.txt'], ['a%22b.txt', 'a"b.txt'], ['ü€.txt', 'ü€.txt'], ['a%0Ab', 'a%0Ab']])
      assert.equal((await post(stack, '/v1/files', form(purpose, ['file', 'x', written]))).body.filename, name);
    const batch = (await post(stack, '/v1/files', form(['purpose', 'batch'], ['file', '{}', 'a.jsonl']))).body;
    assert.equal(batch.expires_at, batch.created_at + 30 * 24 * 3600);
  });
});

/** Each is [what, body, status, code, param, options]. */
function malformed() {
  const ok = ['purpose', 'user_data'];
  const file = ['file', 'hello', 'a.txt'];
  const raw = (...lines) => Buffer.from(lines.join('\r\n'));
  const head = (...lines) => raw(`--${BOUNDARY}`, ...lines, '', 'x', `--${BOUNDARY}--`, '');
  const DISPOSITION = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
  const bad = (what, body, more = {}) => [what, body, 400, 'invalid_form', null, more];
  const fields = (what, parts, status, code, param) => [what, form(...parts), status, code, param, {}];
  const type = (what, value, status = 400, code = 'invalid_form') => [what, form(ok, file), status, code, null, { type: value }];
  return [
    type('no content type', null, 415, 'unsupported_content_type'),
    type('JSON', 'application/json', 415, 'unsupported_content_type'),
    type('another multipart', `multipart/mixed; boundary=${BOUNDARY}`, 415, 'unsupported_content_type'),
    type('urlencoded', 'application/x-www-form-urlencoded', 415, 'unsupported_content_type'),
    type('no boundary', 'multipart/form-data'),
    type('an empty boundary', 'multipart/form-data; boundary=""'),
    type('a boundary of 71', `multipart/form-data; boundary=${'b'.repeat(71)}`),
    type('a boundary with an odd character', 'multipart/form-data; boundary="a@b"'),
    type('a boundary that ends with a blank', 'multipart/form-data; boundary="a "'),
    type('two boundaries', `multipart/form-data; boundary=${BOUNDARY}; boundary=x`),
    type('a quote that does not end', `multipart/form-data; boundary="${BOUNDARY}`),
    type('a lone semicolon', 'multipart/form-data;'),
    type('another boundary', 'multipart/form-data; boundary=other'),
    bad('an empty body', Buffer.alloc(0)),
    bad('no boundary in the body', raw('hello')),
    bad('a preamble', Buffer.concat([Buffer.from('preamble\r\n'), form(ok, file)])),
    bad('an empty line before', Buffer.concat([Buffer.from('\r\n'), form(ok, file)])),
    bad('an epilogue', Buffer.concat([form(ok, file), Buffer.from('epilogue')])),
    bad('a second form behind', Buffer.concat([form(ok, file), form(ok, file)])),
    bad('no last boundary', form(ok, file).subarray(0, -4)),
    bad('half a boundary at the end', form(ok, file).subarray(0, -12)),
    bad('an end within the headers', raw(`--${BOUNDARY}`, DISPOSITION)),
    bad('LF alone', Buffer.from(form(ok, file).toString().replaceAll('\r\n', '\n'))),
    bad('CR alone behind a boundary', Buffer.from(`--${BOUNDARY}\rx`)),
    bad('a blank behind a boundary', Buffer.from(`--${BOUNDARY} \r\n${DISPOSITION}\r\n\r\nx\r\n--${BOUNDARY}--\r\n`)),
    bad('one hyphen behind the last boundary', Buffer.from(`--${BOUNDARY}-\r\n`)),
    bad('no headers', head()),
    bad('no disposition', head('Content-Type: text/plain')),
    bad('another disposition', head('Content-Disposition: attachment; name="file"; filename="a"')),
    bad('no name', head('Content-Disposition: form-data; filename="a"')),
    bad('a disposition that is empty', head('Content-Disposition:')),
    bad('a name without a quote at the end', head('Content-Disposition: form-data; name="file; filename=a')),
    bad('two names', head('Content-Disposition: form-data; name="file"; name="purpose"')),
    bad('two file names', head(`${DISPOSITION}; filename="b"`)),
    bad('filename*', head(`Content-Disposition: form-data; name="file"; filename*=UTF-8''a`)),
    bad('a parameter without a value', head('Content-Disposition: form-data; name=')),
    bad('a semicolon at the end', head(`${DISPOSITION};`)),
    bad('something behind a quote', head('Content-Disposition: form-data; name="file"x; filename="a"')),
    bad('two dispositions', head(DISPOSITION, DISPOSITION)),
    bad('two types', head(DISPOSITION, 'Content-Type: a/b', 'Content-Type: c/d')),
    bad('base64', head(DISPOSITION, 'Content-Transfer-Encoding: base64')),
    bad('quoted-printable', head(DISPOSITION, 'Content-Transfer-Encoding: quoted-printable')),
    bad('a folded header', head(DISPOSITION, ' folded')),
    bad('a header without a colon', head(DISPOSITION, 'nonsense')),
    bad('a blank before the colon', head(DISPOSITION, 'X : y')),
    bad('a header without a name', head(DISPOSITION, ': y')),
    bad('a control character in a header', head(`${DISPOSITION}\x01`)),
    bad('a NUL in a name', head('Content-Disposition: form-data; name="file"; filename="a\0b"')),
    bad('a name that is not UTF-8', Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a\xff"\r\n\r\nx\r\n--${BOUNDARY}--\r\n`, 'latin1')),
    ['headers of 9 KB', head(DISPOSITION, `X: ${'y'.repeat(9000)}`), 413, 'invalid_form', null, {}],
    ['20 headers', head(DISPOSITION, ...Array(20).fill('X: y')), 413, 'invalid_form', null, {}],
    fields('no file', [ok], 400, 'missing_required_parameter', 'file'),
    fields('no purpose', [file], 400, 'missing_required_parameter', 'purpose'),
    fields('nothing', [], 400, 'missing_required_parameter', 'file'),
    fields('an unknown purpose', [['purpose', 'fun'], file], 400, 'invalid_value', 'purpose'),
    fields('an empty purpose', [['purpose', ''], file], 400, 'invalid_value', 'purpose'),
    fields('a file that is a field', [ok, ['file', 'hello']], 400, 'invalid_type', 'file'),
    fields('two files', [ok, file, file], 400, 'duplicate_parameter', 'file'),
    fields('two purposes', [ok, ok, file], 400, 'duplicate_parameter', 'purpose'),
    fields('an unknown field', [['porpose', 'x'], file], 400, 'unknown_parameter', 'porpose'),
    fields('33 parts', [...Array(33).keys()].map((n) => [`x${n}`, '']), 400, 'unknown_parameter', 'x0'),
    fields('a file without a name', [ok, ['file', 'x', '']], 400, 'invalid_value', 'filename'),
    fields('a folder', [ok, ['file', 'x', 'dir/']], 400, 'invalid_value', 'filename'),
    fields('the folder itself', [ok, ['file', 'x', 'dir/.']], 400, 'invalid_value', 'filename'),
    fields('the folder above', [ok, ['file', 'x', '..']], 400, 'invalid_value', 'filename'),
    fields('a long name', [ok, ['file', 'x', 'ü'.repeat(256)]], 400, 'invalid_value', 'filename'),
    fields('a batch that is no .jsonl', [['purpose', 'batch'], file], 400, 'invalid_file_format', 'file'),
    fields('half an expiry', [ok, ['expires_after[seconds]', '3600'], file], 400, 'missing_required_parameter', 'expires_after[anchor]'),
    fields('the other half', [ok, ['expires_after[anchor]', 'created_at'], file], 400, 'missing_required_parameter', 'expires_after[seconds]'),
    fields('another anchor', [ok, ['expires_after[anchor]', 'now'], ['expires_after[seconds]', '3600'], file], 400, 'invalid_value', 'expires_after[anchor]'),
    fields('an expiry of a minute', [ok, ['expires_after[anchor]', 'created_at'], ['expires_after[seconds]', '60'], file], 400, 'integer_below_min_value', 'expires_after[seconds]'),
    fields('an expiry of a year', [ok, ['expires_after[anchor]', 'created_at'], ['expires_after[seconds]', '31536000'], file], 400, 'integer_above_max_value', 'expires_after[seconds]'),
    fields('an expiry that is no number', [ok, ['expires_after[anchor]', 'created_at'], ['expires_after[seconds]', 'soon'], file], 400, 'invalid_type', 'expires_after[seconds]'),
    fields('a field of 70 KB', [['purpose', 'x'.repeat(70000)], file], 413, 'string_above_max_length', 'purpose'),
    fields('a file over the limit', [ok, ['file', Buffer.alloc(20000001), 'a']], 413, 'file_too_large', 'file'),
  ];
}

test('what is malformed gets the right 4xx, wherever its bytes are cut, and leaves nothing', async () => {
  await withStack(options, async (stack) => {
    const cases = malformed();
    assert.ok(cases.length >= 60, String(cases.length));
    for (const [what, body, status, code, param, more] of cases) {
      const cuts = body.length > 100000 ? [body] : [body, [body.subarray(0, body.length >> 1), async () => {}, body.subarray(body.length >> 1)]];
      for (const pieces of cuts) {
        const reply = await post(stack, '/v1/files', pieces, more);
        assert.deepEqual([reply.status, reply.body.error?.code, reply.body.error?.param], [status, code, param], `${what}: ${JSON.stringify(reply.body)}`);
        assert.ok(reply.body.error.message.length > 20, what);
      }
    }
    await clean(stack);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 0);
    assert.equal((await send(stack, 'still well')).status, 200);
    const declared = await post(stack, '/v1/files', Buffer.alloc(10), { length: 10 ** 12 });
    assert.equal(declared.status, 413);
    const nobody = await post(Object.assign(Object.create(stack), { key: 'pk_wrong' }), '/v1/files', Buffer.alloc(10), { length: 10 ** 6 });
    assert.equal(nobody.status, 401);
  });
});

test('lists are pages of up to ten thousand, by purpose and in both orders', async () => {
  await withStack(options, async (stack) => {
    const ids = [];
    for (let n = 0; n < 7; n++) ids.push((await send(stack, `content ${n}`, { purpose: n % 2 ? 'vision' : 'assistants' })).body.id);
    const list = async (query) => {
      const page = await stack.ok('GET', `/v1/files${query}`);
      return [page.data.map(({ id }) => ids.indexOf(id)), page.has_more];
    };
    assert.deepEqual(await list(''), [[6, 5, 4, 3, 2, 1, 0], false]);
    assert.deepEqual(await list('?order=asc&limit=3'), [[0, 1, 2], true]);
    assert.deepEqual(await list(`?order=asc&limit=3&after=${ids[2]}`), [[3, 4, 5], true]);
    assert.deepEqual(await list(`?purpose=vision&after=${ids[5]}`), [[3, 1], false]);
    assert.deepEqual(await list(`?before=${ids[3]}&limit=2`), [[5, 4], true]);
    assert.deepEqual(await list('?purpose=evals'), [[], false]);
    assert.equal((await send(stack, 'x', { purpose: 'batch_output' })).status, 400, 'batches alone make these');
    stack.exec(`UPDATE files SET purpose = 'batch_output' WHERE id = (SELECT id FROM files ORDER BY id LIMIT 1)`);
    assert.deepEqual(await list('?purpose=batch_output'), [[0], false]);
    for (const [query, param] of [['?limit=0', 'limit'], ['?limit=10001', 'limit'], ['?purpose=fun', 'purpose'], ['?order=up', 'order'], ['?after=x', 'after'], ['?porpose=x', 'porpose']])
      assert.deepEqual(await stack.call('GET', `/v1/files${query}`).then(({ status, body }) => [status, body.error.param]), [400, param]);

    stack.exec(`INSERT INTO files (id, tenant_id, blob_id, filename, purpose, bytes) SELECT gen_random_uuid(), tenant_id, blob_id, 'copy', 'evals', bytes FROM (SELECT * FROM files LIMIT 1) f, generate_series(1, 12000)`);
    const page = await stack.ok('GET', '/v1/files?purpose=evals');
    assert.deepEqual([page.data.length, page.has_more], [10000, true]);
    const rest = await stack.ok('GET', `/v1/files?purpose=evals&after=${page.last_id}`);
    assert.deepEqual([rest.data.length, rest.has_more], [2000, false]);
  });
});

test('a file that has expired is gone, and so are its bytes', async () => {
  await withStack(options, async (stack) => {
    const { id } = (await send(stack, noise(1000), { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '3600' })).body;
    stack.exec(`UPDATE files SET expires_at = now()`);
    assert.equal((await stack.call('GET', `/v1/files/${id}`)).status, 404);
    assert.equal((await content(stack, id)).status, 404);
    await until('its row and bytes are gone', async () => stack.sql('SELECT (SELECT count(*) FROM files) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM blob_chunks) AS n')[0].n === 0);
  });
});

test('a tenant has a quota', async () => {
  await withStack({ workers: 0, config: 'files: {tenant_max_bytes: 1000000}\n' }, async (stack) => {
    const first = (await send(stack, noise(600000, 1))).body;
    const refused = await send(stack, noise(600000, 2));
    assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.message], [403, 'storage_quota_exceeded', 'There is no room for this file: your files take 600000 of 1000000 bytes. Delete some first.']);
    assert.equal((await send(stack, noise(600000, 1))).status, 200, 'the same content needs no room');
    assert.equal((await send(stack.tenant('other'), noise(600000, 2))).status, 200);
    await clean(stack);
    for (const { id } of (await stack.ok('GET', '/v1/files')).data) await stack.ok('DELETE', `/v1/files/${id}`);
    assert.equal((await send(stack, noise(600000, 2))).status, 200, first.id);
  });
});

test('a request that is sent again makes one file', async () => {
  await withStack(options, async (stack) => {
    const again = { headers: { 'Idempotency-Key': 'one' } };
    const first = await send(stack, 'same', again);
    const second = await send(stack, 'same', again);
    assert.deepEqual([second.status, second.body, second.headers.get('idempotency-replayed')], [200, first.body, 'true']);
    assert.equal((await send(stack, 'other', again)).status, 409);
    const tries = [];
    for (const count of ['0', '1', '2']) tries.push((await send(stack, 'tried', { headers: { 'x-stainless-retry-count': count } })).body.id);
    assert.equal(new Set(tries).size, 1);
    assert.notEqual((await send(stack, 'tried', { headers: { 'x-stainless-retry-count': '0' } })).body.id, tries[0]);
    await clean(stack);
  });
});

test('an upload that is cut, or whose process is killed, leaves nothing', async () => {
  await withStack(options, async (stack) => {
    const begin = form(['purpose', 'user_data'], ['file', noise(3000000), 'a']).subarray(0, 2500000);
    for (const length of [5000000, null]) await post(stack, '/v1/files', [begin], { length, cut: true });
    await clean(stack);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 0);

    const chunks = () => stack.sql('SELECT count(*) AS n FROM blob_chunks')[0].n;
    const killed = post(stack, '/v1/files', [begin, () => until('some of it is stored', async () => chunks() > 3), async () => stack.scheduler.kill('SIGKILL')], { length: 5000000, cut: true });
    await killed;
    await stack.scheduler.exited;
    stack.programs = stack.programs.filter((program) => program !== stack.scheduler);
    assert.ok(chunks() > 3);
    await stack.startScheduler();
    await clean(stack);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 0);
  });
});

test('a database without room is a clear error, and nothing is half there', async () => {
  await withStack(options, async (stack) => {
    stack.exec(`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.at > 500000 THEN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space left'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER no_room BEFORE INSERT ON blob_chunks FOR EACH ROW EXECUTE FUNCTION no_room()`);
    const full = await send(stack, noise(3000000));
    assert.deepEqual([full.status, full.body.error.code, full.headers.get('x-should-retry')], [503, 'service_unavailable', 'true'], JSON.stringify(full.body));
    assert.match(full.body.error.message, /has no room/);
    await clean(stack);
    assert.equal(stack.sql('SELECT count(*) AS n FROM blobs')[0].n, 0);
    stack.exec('DROP TRIGGER no_room ON blob_chunks');
    assert.equal((await send(stack, noise(3000000))).status, 200);
  });
});

test('what is stored is not what was: the reader sees it cut', async () => {
  await withStack(options, async (stack) => {
    const { id } = (await send(stack, noise(600000))).body;
    stack.exec(`UPDATE blob_chunks SET bytes = set_byte(bytes, 5, (get_byte(bytes, 5) + 1) % 256) WHERE at = 0`);
    await assert.rejects(content(stack, id));
    assert.match(stack.scheduler.log(), /the bytes of a file are not those that were stored/);
    stack.exec(`DELETE FROM blob_chunks WHERE at > 0`);
    await assert.rejects(content(stack, id));
    assert.match(stack.scheduler.log(), /bytes of a file are missing/);
    assert.equal((await stack.call('GET', `/v1/files/${id}`)).status, 200);
  });
});

test('memory stays small while files are large', async () => {
  await withStack({ workers: 0, config: 'files: {max_bytes: 200000000}\n' }, async (stack) => {
    await send(stack, noise(100000));
    const before = peakBytes(stack.scheduler);
    const piece = noise(1 << 20);
    const begin = form(['purpose', 'user_data'], ['file', '', 'large.bin']);
    const head = begin.subarray(0, begin.length - `\r\n--${BOUNDARY}--\r\n`.length);
    const reply = await post(stack, '/v1/files', [head, ...Array(100).fill(piece), begin.subarray(head.length)], { length: begin.length + 100 * piece.length });
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
    assert.equal(reply.body.bytes, 100 << 20);
    assert.equal((await content(stack, reply.body.id)).bytes.length, 100 << 20);
    checkPeak(stack.scheduler, before + (16 << 20));
  });
});
