// Images that messages name by their file: models are shown their bytes, each vendor's in its own way, or told in words why not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send } from '../lib/forms.mjs';
import { until, withStack } from '../lib/stack.mjs';
import { assistantOf, config, startWithVendors } from '../lib/vendors.mjs';

const script = `
rules:
  - {name: loop, when: {user: '^twice'}, steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}]}, {text: 'Seen.'}]}
  - {name: any, then: {text: 'Seen.'}}
`;
const png = (extra = 1000, seed = 7) => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(extra, seed)]);
const asks = (id, text = 'What is this?', detail) => [
  { type: 'text', text },
  { type: 'image_file', image_file: { file_id: id, ...(detail ? { detail } : {}) } },
];
const upload = async (stack, bytes, purpose = 'vision') => {
  const { status, body } = await send(stack, bytes, { filename: 'a.png', purpose });
  assert.equal(status, 200, JSON.stringify(body));
  return body.id;
};

/** A run of this content, and what the model was sent. */
async function asked(stack, assistant, content) {
  const run = await stack.finished(await stack.submit(assistant, content));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  return JSON.parse((await stack.lastCall()).request);
}

const partsOf = (request) => request.messages.find((message) => message.role === 'user').content;

test('each vendor is sent the bytes in its own way', async () => {
  await withStack({ bare: true, script, config, llmArgs: ['--bodies'] }, async (stack) => {
    await startWithVendors(stack);
    const bytes = png();
    const data = bytes.toString('base64');
    const url = `data:image/png;base64,${data}`;
    const id = await upload(stack, bytes);
    const expected = {
      'openai/gpt-4o-mini': (body) => assert.deepEqual(partsOf(body)[1], { type: 'image_url', image_url: { url, detail: 'low' } }),
      'responses/gpt-5': (body) => assert.deepEqual(body.input[0].content[1], { type: 'input_image', image_url: url, detail: 'low' }),
      'anthropic/claude-sonnet-5': (body) => assert.deepEqual(partsOf(body)[1], { type: 'image', source: { type: 'base64', media_type: 'image/png', data } }),
      'google/gemini-2.5-flash': (body) => assert.ok(JSON.stringify(body.contents).includes(data)),
      'ollama/llava': (body) => assert.deepEqual(body.messages.find((message) => message.role === 'user').images, [data]),
    };
    for (const [model, check] of Object.entries(expected)) check(await asked(stack, await assistantOf(stack, model), asks(id, 'What is this?', 'low')));
  });
});

test('an image is read once in a run, shown in the thread as it was sent, and known by its bytes', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant();
    const id = await upload(stack, png());
    const run = await stack.finished(await stack.submit(assistant, asks(id, 'twice')));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const calls = stack.ledger();
    assert.equal(calls.length, 2);
    for (const call of calls) assert.equal(partsOf(JSON.parse(call.request))[1].image_url.url, `data:image/png;base64,${png().toString('base64')}`);
    const stored = (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?order=asc`)).data[0].content[1];
    assert.deepEqual(stored, { type: 'image_file', image_file: { file_id: id } });
    for (const [head, type] of [['\xff\xd8\xff\xe0', 'jpeg'], ['GIF89a', 'gif'], ['RIFF\0\0\0\0WEBP', 'webp']]) {
      const request = await asked(stack, assistant, asks(await upload(stack, Buffer.from(`${head}....`, 'latin1'), 'assistants')));
      assert.match(partsOf(request)[1].image_url.url, new RegExp(`^data:image/${type};base64,`));
    }
  });
});

test('what can not be shown, the model is told in words', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant();
    const told = async (id, content = asks(id)) => partsOf(await asked(stack, assistant, content));
    const textOf = (content) => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n'));
    const text = await upload(stack, 'no image', 'user_data');
    assert.match(textOf(await told(text)), new RegExp(`\\[The image ${text} can't be shown: it is no image of the types PNG, JPEG, GIF and WebP\\.\\]`));
    assert.match(textOf(await told(await upload(stack, png(6000000)))), /it is larger than 5 MiB/);

    const thread = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: asks(await upload(stack, png(10, 1))) }] });
    const gone = thread.id;
    const id = (await stack.ok('GET', `/v1/threads/${gone}/messages`)).data[0].content[1].image_file.file_id;
    await stack.ok('DELETE', `/v1/files/${id}`);
    const run = await stack.finished(await stack.ok('POST', `/v1/threads/${gone}/runs`, { assistant_id: assistant.id }));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    assert.match(textOf(partsOf(JSON.parse((await stack.lastCall()).request))), /there is no such file any more/);

    const broken = await upload(stack, png(20, 2));
    stack.exec(`UPDATE blob_chunks SET bytes = set_byte(bytes, 20, 99) WHERE blob_id = (SELECT blob_id FROM files WHERE id = '${broken.slice(5).replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}')`);
    assert.match(textOf(await told(broken)), /its bytes are not those that were stored/);

    const large = [];
    for (const seed of [1, 2, 3]) large.push(await upload(stack, png(3000000, seed)));
    const run3 = await stack.finished(await stack.submit(assistant, [{ type: 'text', text: 'all' }, ...large.map((file_id) => ({ type: 'image_file', image_file: { file_id } }))]));
    assert.equal(run3.status, 'completed', JSON.stringify(run3.last_error));
    const { request, bytes } = await stack.lastCall(); // the beginning of it
    assert.match(request, new RegExp(`${large[0]} can't be shown: newer images take all the room there is`));
    assert.match(request, /data:image\/png;base64,/);
    assert.ok(bytes === undefined || bytes > 8000000, String(bytes));
  });
});

test('a message that names a file that is not there is refused', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const assistant = await stack.assistant();
    const id = await upload(stack, png());
    const theirs = await upload(stack.tenant('other'), png());
    const batch = (await send(stack, '{}', { filename: 'a.jsonl', purpose: 'batch' })).body.id;
    const thread = await stack.ok('POST', '/v1/threads', {});
    const unknown = 'file-00000000000000000000000000000001';
    for (const bad of [theirs, batch, unknown])
      for (const [path, body] of [
        [`/v1/threads/${thread.id}/messages`, { role: 'user', content: asks(bad) }],
        ['/v1/threads', { messages: [{ role: 'user', content: asks(id) }, { role: 'user', content: asks(bad) }] }],
        ['/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: asks(bad) }] } }],
        [`/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: asks(bad) }] }],
      ]) {
        const reply = await stack.call('POST', path, body);
        assert.deepEqual([reply.status, reply.body.error?.code], [400, 'file_not_found'], `${path} ${JSON.stringify(reply.body)}`);
        assert.ok(reply.body.error.message.includes(bad));
      }
    for (const [image_file, param] of [[{ file_id: 'x' }, 'content[0].image_file.file_id'], [{}, 'content[0].image_file.file_id'], [{ file_id: id, detail: 'big' }, 'content[0].image_file.detail'], [undefined, 'content[0].image_file']]) {
      const reply = await stack.call('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: [{ type: 'image_file', image_file }] });
      assert.deepEqual([reply.status, reply.body.error?.param], [400, param], JSON.stringify(reply.body));
    }
    assert.equal(stack.sql('SELECT count(*) AS n FROM messages')[0].n, 0);
  });
});

test('a worker without room for images hands the run back, and shows them later', async () => {
  const slow = "rules: [{name: any, then: {text: 'Seen.', delay_ms: 700}}]\n";
  await withStack({ script: slow, llmArgs: ['--bodies'], config: 'worker: {memory_bytes: 16777216}\n' }, async (stack) => {
    const assistant = await stack.assistant();
    const ids = [];
    for (let seed = 1; seed <= 6; seed++) ids.push(await upload(stack, png(3000000, seed)));
    const runs = await Promise.all(ids.map((id) => stack.submit(assistant, asks(id))));
    for (const run of runs) assert.equal((await stack.finished(run, 120000)).status, 'completed');
    const shown = stack.ledger().filter((call) => call.status === 200);
    assert.equal(shown.length, 6);
    for (const { request } of shown) assert.match(request, /data:image\/png;base64,/);
    const metrics = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    assert.ok(Number(/^penstock_worker_memory_turned_away_total (\d+)$/m.exec(metrics)[1]) > 0);
    await until('nothing is held', async () => (await stack.busy(stack.workers[0])) === 0);
  });
});

test('a response is shown an image by its file, which its conversation and its input tell', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const id = await upload(stack, png());
    const part = (fields) => ({ type: 'input_image', ...fields });
    const input = (fields) => [{ role: 'user', content: [{ type: 'input_text', text: 'What is this?' }, part(fields)] }];
    const conversation = await stack.ok('POST', '/v1/conversations', {});
    const response = await stack.ok('POST', '/v1/responses', { model: 'openai/gpt-4o-mini', conversation: conversation.id, input: input({ file_id: id, detail: 'low' }) });
    assert.equal(response.status, 'completed', JSON.stringify(response.error));
    const sent = JSON.parse((await stack.lastCall()).request);
    assert.deepEqual(partsOf(sent)[1], { type: 'image_url', image_url: { url: `data:image/png;base64,${png().toString('base64')}`, detail: 'low' } });
    const shown = { type: 'input_image', detail: 'low', file_id: id, image_url: null };
    for (const path of [`/v1/conversations/${conversation.id}/items`, `/v1/responses/${response.id}/input_items`]) {
      const { data } = await stack.ok('GET', path);
      assert.deepEqual(data.find((item) => item.role === 'user').content[1], shown, path);
    }
    const missing = `file-${'0'.repeat(31)}1`;
    for (const [path, body] of [
      ['/v1/responses', { model: 'openai/gpt-4o-mini', input: input({ file_id: missing }) }],
      ['/v1/conversations', { items: input({ file_id: missing }) }],
      [`/v1/conversations/${conversation.id}/items`, { items: input({ file_id: missing }) }],
    ]) {
      const refused = await stack.call('POST', path, body);
      assert.deepEqual([refused.status, refused.body.error.code], [400, 'file_not_found'], `${path}: ${JSON.stringify(refused.body)}`);
    }
  });
});
