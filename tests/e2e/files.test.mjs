// Files and uploads as the stock SDKs send them: from memory, from a file, from a stream, in parts.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI4, { toFile as toFile4 } from 'openai-v4';
import OpenAI5, { toFile as toFile5 } from 'openai-v5';
import OpenAI6, { toFile as toFile6 } from 'openai-v6';
import OpenAI7, { toFile as toFile7 } from 'openai-v7';
import { Dev } from './dev.mjs';

let dev;
let dir;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'penstock-sdk-files-'));
  dev = await Dev.start();
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  rmSync(dir, { recursive: true, force: true });
});

const remove = (client, id) => (client.files.delete ? client.files.delete(id) : client.files.del(id));
const bytesOf = async (response) => Buffer.from(await response.arrayBuffer());

for (const [version, OpenAI, toFile] of [[4, OpenAI4, toFile4], [5, OpenAI5, toFile5], [6, OpenAI6, toFile6], [7, OpenAI7, toFile7]]) {
  const client = () => new OpenAI({ baseURL: `${dev.url}/v1`, apiKey: dev.key, maxRetries: 0 });

  test(`${version}: a file from memory is sent, shown, listed, read and deleted`, async () => {
    const openai = client();
    const bytes = Buffer.from(`hello ${version}\r\n--boundary\0\xff`.repeat(1000), 'latin1');
    const file = await openai.files.create({ file: await toFile(bytes, 'größe "1".bin'), purpose: 'user_data' });
    assert.deepEqual([file.object, file.bytes, file.filename, file.purpose, file.status], ['file', bytes.length, 'größe "1".bin', 'user_data', 'processed']);
    assert.deepEqual(await openai.files.retrieve(file.id), file);
    assert.ok((await bytesOf(await openai.files.content(file.id))).equals(bytes));
    const listed = [];
    for await (const one of openai.files.list({ purpose: 'user_data', limit: 1 })) listed.push(one.id);
    assert.ok(listed.includes(file.id));
    assert.equal((await openai.files.waitForProcessing(file.id)).id, file.id);
    assert.deepEqual(await remove(openai, file.id), { id: file.id, object: 'file', deleted: true });
    await assert.rejects(openai.files.retrieve(file.id), OpenAI.NotFoundError);
  });

  test(`${version}: a file of a folder is sent as a stream`, async () => {
    const openai = client();
    const path = join(dir, `v${version}.jsonl`);
    const bytes = Buffer.from(`{"custom_id": "${version}", "text": "${'x'.repeat(1000)}"}\n`.repeat(3000));
    writeFileSync(path, bytes);
    const file = await openai.files.create({ file: createReadStream(path), purpose: 'batch' });
    assert.deepEqual([file.bytes, file.filename, file.purpose], [bytes.length, `v${version}.jsonl`, 'batch']);
    assert.ok((await bytesOf(await openai.files.content(file.id))).equals(bytes));
    assert.equal((await openai.files.create({ file: new File([bytes], 'web.jsonl'), purpose: 'batch' })).bytes, bytes.length);
    const response = new Response(bytes);
    assert.equal((await openai.files.create({ file: await toFile(response, 'fetched.txt'), purpose: 'assistants' })).filename, 'fetched.txt');
    await assert.rejects(openai.files.create({ file: await toFile(bytes, 'a.txt'), purpose: 'batch' }), (error) => error instanceof OpenAI.BadRequestError && error.message.includes('Must be .jsonl'));
    await assert.rejects(openai.files.create({ file: await toFile(bytes, 'a.txt'), purpose: 'fun' }), (error) => error.param === 'purpose');
  });

  test(`${version}: a file that is to expire says when`, async () => {
    const openai = client();
    const file = await openai.files.create({ file: await toFile(Buffer.from('x'), 'x.txt'), purpose: 'assistants', expires_after: { anchor: 'created_at', seconds: 3600 } });
    assert.equal(file.expires_at, file.created_at + 3600);
  });

  test(`${version}: an upload comes in parts`, async () => {
    const openai = client();
    const pieces = [1, 2, 3].map((n) => Buffer.alloc(300000, n));
    const whole = Buffer.concat(pieces);
    const upload = await openai.uploads.create({ filename: 'parts.bin', purpose: 'user_data', bytes: whole.length, mime_type: 'application/octet-stream' });
    assert.equal(upload.status, 'pending');
    const parts = await Promise.all(pieces.map(async (piece) => openai.uploads.parts.create(upload.id, { data: await toFile(piece, 'part') })));
    const done = await openai.uploads.complete(upload.id, { part_ids: parts.map((part) => part.id) });
    assert.deepEqual([done.status, done.file.bytes], ['completed', whole.length]);
    assert.ok((await bytesOf(await openai.files.content(done.file.id))).equals(whole));
    const other = await openai.uploads.create({ filename: 'a', purpose: 'user_data', bytes: 3, mime_type: 'x/y' });
    assert.equal((await openai.uploads.cancel(other.id)).status, 'cancelled');
    await assert.rejects(async () => openai.uploads.parts.create(other.id, { data: await toFile(Buffer.from('abc'), 'part') }), OpenAI.BadRequestError);
  });

  test(`${version}: an image is shown by its file`, async () => {
    const openai = client();
    const png = Buffer.from('\x89PNG\r\n\x1a\n' + 'x'.repeat(100), 'latin1');
    const image = await openai.files.create({ file: await toFile(png, 'a.png'), purpose: 'vision' });
    const assistant = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini' });
    const run = await openai.beta.threads.createAndRunPoll({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, { type: 'image_file', image_file: { file_id: image.id, detail: 'low' } }] }] } }, { pollIntervalMs: 100 });
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const messages = (await openai.beta.threads.messages.list(run.thread_id, { order: 'asc' })).data;
    assert.deepEqual(messages[0].content[1], { type: 'image_file', image_file: { file_id: image.id, detail: 'low' } });
  });
}
