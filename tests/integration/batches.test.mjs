// Batches: every line is answered exactly once, whatever its endpoint, and whoever dies meanwhile.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answers, createBatch, endedBatch, lineOf, putFile, readLines } from '../lib/batches.mjs';
import { send } from '../lib/forms.mjs';
import { checkPeak, forgetPeak } from '../lib/memory.mjs';
import { until, withStack } from '../lib/stack.mjs';

const error = (code, message = 'no') => `{"error":{"message":"${message}","type":"x","code":"${code}"}}`;
const script = `
rules:
  - {name: refused, when: {user: '^refused'}, then: {status: 400, body: '${error('invalid_value', 'I do not like it')}'}}
  - {name: stall, when: {user: '^stall'}, then: {stall: true}}
  - {name: slow, when: {user: '^slow'}, then: {text: 'Slowly.', delay_ms: 200}}
  - {name: calls, when: {user: '^calls'}, then: {calls: [{name: ask_client, arguments: {}}]}}
  - {name: echo, when: {user: '^(.+)$'}, then: {text: 'You said {{1}}.', usage: {prompt_tokens: 10, completion_tokens: 5}}}
  - {name: other, then: {text: 'Hello.'}}
`;
const chat = '/v1/chat/completions';
const runs = '/v1/threads/runs';
const responses = '/v1/responses';
const say = (content, more = {}) => ({ model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content }], ...more });
const lineage = (stack) => stack.sql(`SELECT (SELECT count(*)::int FROM batch_lines) AS lines, (SELECT count(*)::int FROM batch_output) AS output,
  (SELECT count(*)::int FROM runs WHERE thread_id IS NULL) AS runs`)[0];

test('lines of each endpoint become answers of that endpoint', async () => {
  await withStack({ script }, async (stack) => {
    const batch = await createBatch(stack, [
      lineOf('a', chat, say('one', { user: 'ada' })), lineOf('b', chat, say('refused')), '', lineOf('c', chat, say('two', { stream: true })),
      lineOf('d', chat, say('x', { model: 'nobody/serves-it' })), lineOf('ünï"', chat, say('three', { fallbacks: [] })),
      lineOf('e', chat, { model: 'openai/gpt-4o-mini' }),
    ], chat, { metadata: { of: 'tests' } });
    assert.deepEqual([batch.object, batch.status, batch.endpoint, batch.output_file_id, batch.error_file_id, batch.errors, batch.metadata],
      ['batch', 'validating', chat, null, null, null, { of: 'tests' }]);
    const done = await endedBatch(stack, batch.id);
    assert.deepEqual([done.status, done.request_counts, done.errors], ['completed', { total: 6, completed: 2, failed: 4 }, null]);
    assert.deepEqual([done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens, done.model], [20, 10, 30, 'openai/gpt-4o-mini']);
    assert.ok(done.in_progress_at && done.finalizing_at && done.completed_at && !done.failed_at);
    const all = await answers(stack, done);
    const { id, ...first } = all.get('a');
    assert.match(id, /^batch_req_[0-9a-f]{32}$/);
    assert.deepEqual([first.where, first.error, first.response.status_code, first.response.body.choices[0].message.content], ['output', null, 200, 'You said one.']);
    assert.equal(all.get('ünï"').response.body.choices[0].message.content, 'You said three.');
    const refusals = ['b', 'c', 'd', 'e'].map((custom) => [all.get(custom).where, all.get(custom).error, all.get(custom).response.status_code, all.get(custom).response.body.error.param]);
    assert.deepEqual(refusals, [['error', null, 400, null], ['error', null, 400, 'stream'], ['error', null, 404, 'model'], ['error', null, 400, 'messages']]);
    assert.deepEqual(lineage(stack), { lines: 0, output: 0, runs: 0 });

    const vectors = await createBatch(stack, [1, 2, 3].map((n) => lineOf(`v${n}`, '/v1/embeddings', { model: 'openai/text-embedding-3-small', input: [`text ${n}`], dimensions: 4 })), '/v1/embeddings');
    const embedded = await endedBatch(stack, vectors.id);
    assert.deepEqual([embedded.status, embedded.request_counts, embedded.error_file_id], ['completed', { total: 3, completed: 3, failed: 0 }, null]);
    assert.equal((await answers(stack, embedded)).get('v2').response.body.data[0].embedding.length, 4);
    assert.deepEqual((await stack.ok('GET', '/v1/batches')).data.map((one) => one.id), [vectors.id, batch.id]);
    assert.deepEqual((await stack.ok('GET', `/v1/batches?limit=1&after=${vectors.id}`)).data.map((one) => one.id), [batch.id]);
  });
});

test('people list, show, cancel and await batches', async () => {
  await withStack({ script }, async (stack) => {
    const batch = await createBatch(stack, [lineOf('a', chat, say('one')), lineOf('b', chat, say('two'))], chat);
    const shown = JSON.parse(stack.command('batches', 'wait', batch.id, '--json'));
    assert.deepEqual([shown.status, shown.request_counts.completed], ['completed', 2]);
    assert.match(stack.command('batches', 'show', batch.id), /^lines +2, 2 done, 0 failed$/m);
    const wrong = await createBatch(stack, ['{'], chat);
    assert.throws(() => stack.command('batches', 'wait', wrong.id), (error) => error.status === 1 && /^line 1: This line is not parseable/m.test(error.stdout));
    const stuck = await createBatch(stack, [lineOf('a', chat, say('stall'))], chat);
    assert.match(stack.command('batches', 'cancel', stuck.id), / is cancelling\n/);
    assert.equal((await endedBatch(stack, stuck.id)).status, 'cancelled');
    assert.deepEqual(stack.command('batches', 'list').split('\n').slice(1, 4).map((line) => line.split(/ +/)[1]), ['cancelled', 'failed', 'completed']);
    assert.throws(() => stack.command('batches', 'show', 'nothing'), (error) => error.status === 1);
  });
});

test('a line shows the files that are there, and no others', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const theirs = (await send(stack.tenant('other'), 'x', { filename: 'a.png', purpose: 'vision' })).body.id;
    const ours = (await send(stack, 'x', { filename: 'a.png', purpose: 'vision' })).body.id;
    const show = (id) => ({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }, { type: 'image_file', image_file: { file_id: id } }] }] } });
    const batch = await createBatch(stack, [lineOf('ours', runs, show(ours)), lineOf('theirs', runs, show(theirs)), lineOf('gone', runs, show(`file-${'1'.repeat(32)}`))], runs);
    const all = await answers(stack, await endedBatch(stack, batch.id));
    assert.equal(all.get('ours').response.status_code, 200, JSON.stringify(all.get('ours')));
    for (const custom of ['theirs', 'gone']) assert.deepEqual([all.get(custom).response.status_code, all.get(custom).response.body.error?.code], [400, 'file_not_found'], custom);
  });
});

test('prompts of the command line are a batch, which goes on when the command is interrupted', async () => {
  await withStack({ script, slots: 20 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'function', function: { name: 'ask_client' } }] });
    const prompts = [...Array.from({ length: 300 }, (_, n) => ({ custom_id: `p${n}`, prompt: `slow ${n}` })), { prompt: 'refused' }, { prompt: 'calls' }];
    const input = join(stack.dir, 'prompts.jsonl');
    const out = join(stack.dir, 'out.jsonl');
    writeFileSync(input, prompts.map((line) => JSON.stringify(line)).join('\n'));
    const start = () => spawn(join(stack.bin, 'penstock'), ['batch', 'run', input, '--agent', assistant.id, '--out', out], {
      env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key }, stdio: 'ignore' });
    for (const [signal, code, done] of [['SIGINT', 130, 1], ['SIGKILL', null, 100]]) {
      const child = start();
      await until('some are done', async () => (await stack.ok('GET', '/v1/batches')).data[0]?.request_counts.completed >= done);
      child.kill(signal);
      assert.deepEqual(await once(child, 'close'), [code, code === null ? signal : null]);
    }
    await stack.scheduler.kill('SIGKILL');
    const child = start();
    await stack.startScheduler();
    assert.deepEqual(await once(child, 'close'), [1, null]);
    const results = readFileSync(out, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(results.map((result) => result.custom_id), [...prompts.slice(0, 300).map((line) => line.custom_id), 'line-301', 'line-302']);
    assert.ok(results.slice(0, 300).every((result) => result.status === 'completed' && result.answer === 'Slowly.' && result.error === null && result.run_id && result.thread_id));
    assert.deepEqual(results.slice(300).map((result) => [result.status, result.answer, result.error.code]), [['failed', null, 'server_error'], ['completed', null, 'client_tool_in_batch']]);
    assert.equal((await stack.ok('GET', '/v1/batches')).data.length, 1);
    assert.equal(stack.sql('SELECT 1 FROM runs').length, prompts.length);
    assert.ok(!existsSync(`${out}.batch`));
  });
});

test('lines of agents are runs on threads, which stay', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'function', function: { name: 'ask_client' } }] });
    const run = (input, more = {}) => ({ assistant_id: assistant.id, input, ...more });
    const batch = await createBatch(stack, [
      lineOf('good', runs, run('hi')), lineOf('bad', runs, run('refused')), lineOf('none', runs, run('hi', { assistant_id: 'asst_00000000000000000000000000000000' })),
      lineOf('calls', runs, run('calls')), lineOf('stream', runs, run('hi', { stream: true })), lineOf('odd', runs, run('hi', { temperature: 'hot' })),
    ], runs);
    const done = await endedBatch(stack, batch.id);
    assert.deepEqual([done.status, done.request_counts], ['completed', { total: 6, completed: 1, failed: 5 }]);
    const all = await answers(stack, done);
    const { body, status_code } = all.get('good').response;
    assert.deepEqual([status_code, body.object, body.status, body.output_text, body.messages.length, body.priority ?? 'low'], [200, 'thread.run', 'completed', 'You said hi.', 1, 'low']);
    assert.equal((await stack.ok('GET', `/v1/threads/${body.thread_id}/messages`)).data[0].content[0].text.value, 'You said hi.');
    const told = (custom) => [all.get(custom).where, all.get(custom).response.status_code, all.get(custom).response.body.error.code];
    assert.deepEqual(['bad', 'none', 'calls', 'stream', 'odd'].map(told), [['error', 500, 'server_error'], ['error', 404, null], ['error', 400, 'client_tool_in_batch'],
      ['error', 400, 'invalid_value'], ['error', 400, 'invalid_type']]);
    assert.equal(all.get('bad').response.body.run.status, 'failed');
    assert.equal(stack.sql('SELECT 1 FROM runs').length, 3);
    assert.deepEqual(stack.sql('SELECT DISTINCT priority::int FROM runs'), [{ priority: 2 }]);
  });
});

test('lines of responses are answered by what GET shows, and leave nothing where they are not to be stored', async () => {
  await withStack({ script }, async (stack) => {
    const model = 'openai/gpt-4o-mini';
    const ask = (input, more = {}) => ({ model, input, ...more });
    const tools = [{ type: 'function', name: 'ask_client', parameters: { type: 'object' } }];
    const assistant = await stack.assistant({ tools: [] });
    const first = await stack.ok('POST', responses, ask('before'));
    const batch = await createBatch(stack, [
      lineOf('good', responses, ask('hi', { instructions: 'Be brief.', metadata: { of: 'tests' }, service_tier: 'priority' })), lineOf('bad', responses, ask('refused')),
      lineOf('calls', responses, ask('calls', { tools })), lineOf('stream', responses, ask('hi', { stream: true })), lineOf('odd', responses, ask('hi', { temperature: 'hot' })),
      lineOf('none', responses, ask('hi', { model: 'nobody/serves-it' })), lineOf('next', responses, ask('after', { previous_response_id: first.id })),
      lineOf('lost', responses, ask('after', { previous_response_id: 'resp_00000000000000000000000000000000' })), lineOf('agent', responses, { model: assistant.id, input: 'agent' }),
      lineOf('unkept', responses, ask('secret', { store: false })), lineOf('unkept next', responses, ask('hidden', { store: false, previous_response_id: first.id })),
      lineOf('empty', responses, { model }),
    ], responses);
    const done = await endedBatch(stack, batch.id);
    assert.deepEqual([done.status, done.request_counts, done.errors], ['completed', { total: 12, completed: 6, failed: 6 }, null]);
    const all = await answers(stack, done);
    const text = (custom) => all.get(custom).response.body.output.map((item) => item.content?.[0].text ?? item.name).join();
    const good = ['good', 'calls', 'next', 'agent', 'unkept', 'unkept next'];
    assert.deepEqual(good.map((custom) => [all.get(custom).where, all.get(custom).response.status_code, all.get(custom).response.body.status, text(custom)]),
      ['You said hi.', 'ask_client', 'You said after.', 'You said agent.', 'You said secret.', 'You said hidden.'].map((said) => ['output', 200, 'completed', said]));
    for (const custom of ['good', 'calls', 'next', 'agent']) {
      const { body } = all.get(custom).response;
      assert.deepEqual(await stack.ok('GET', `${responses}/${body.id}`), body, custom);
    }
    const { body } = all.get('good').response;
    assert.deepEqual([body.background, body.instructions, body.metadata, body.usage.total_tokens], [false, 'Be brief.', { of: 'tests' }, 15]);
    const told = (custom) => [all.get(custom).where, all.get(custom).response.status_code, all.get(custom).response.body.error.code, all.get(custom).response.body.error.param];
    assert.deepEqual(['bad', 'stream', 'odd', 'none', 'lost', 'empty'].map(told), [['error', 500, 'server_error', null], ['error', 400, 'invalid_value', 'stream'],
      ['error', 400, 'invalid_type', 'temperature'], ['error', 404, 'model_not_found', 'model'],
      ['error', 400, 'previous_response_not_found', 'previous_response_id'], ['error', 400, 'missing_required_parameter', 'input']]);
    assert.deepEqual([all.get('bad').response.body.response.status, all.get('bad').response.body.response.object], ['failed', 'response']);
    assert.deepEqual(stack.sql('SELECT priority::int, count(*)::int AS runs FROM runs GROUP BY 1 ORDER BY 1'), [{ priority: 1, runs: 1 }, { priority: 2, runs: 5 }]);
    for (const custom of ['unkept', 'unkept next']) assert.equal((await stack.call('GET', `${responses}/${all.get(custom).response.body.id}`)).status, 404);
    assert.deepEqual(stack.sql(`SELECT 1 FROM messages WHERE content::text ~ 'secret|hidden'`), []);
    assert.deepEqual(stack.sql('SELECT count(*)::int AS threads FROM threads'), [{ threads: 5 }]);
    assert.deepEqual(await stack.ok('GET', '/v1/threads').then(({ data }) => data.length), 0);
  });
});

test('what is wrong with lines is told with their numbers, and none of them is begun', async () => {
  await withStack({ script }, async (stack) => {
    const failed = async (lines, endpoint = chat) => {
      const batch = await endedBatch(stack, (await createBatch(stack, lines, endpoint)).id);
      assert.deepEqual([batch.status, batch.output_file_id, batch.error_file_id, batch.in_progress_at], ['failed', null, null, null]);
      assert.equal(batch.errors.object, 'list');
      return batch.errors.data.map(({ code, line, param }) => [code, line, param]);
    };
    const good = (id) => lineOf(id, chat, say('hi'));
    assert.deepEqual(await failed([good('a'), '{"custom_id": "b"', good('a'), lineOf('c', '/v1/embeddings', {}), '', '[1]',
      JSON.stringify({ custom_id: 'd', method: 'GET', url: chat, body: {} }), JSON.stringify({ method: 'POST', url: chat, body: {} }),
      JSON.stringify({ custom_id: 'e', method: 'POST', url: chat }), JSON.stringify({ custom_id: 'f', url: chat, body: {} }),
      JSON.stringify({ custom_id: 'x'.repeat(600), method: 'POST', url: chat, body: {} }), JSON.stringify({ custom_id: 'g', method: 'POST', body: {} })]), [
      ['invalid_json_line', 2, null], ['duplicate_custom_id', 3, 'custom_id'], ['url_mismatch', 4, 'url'], ['invalid_json_line', 6, null],
      ['invalid_method', 7, 'method'], ['missing_required_parameter', 8, 'custom_id'], ['missing_required_parameter', 9, 'body'],
      ['missing_required_parameter', 10, 'method'], ['invalid_custom_id', 11, 'custom_id'], ['missing_required_parameter', 12, 'url']]);
    assert.deepEqual(await failed(' \n\n'), [['empty_file', null, null]]);
    assert.equal((await failed(Array.from({ length: 150 }, () => '{'))).length, 100);
    assert.deepEqual(await failed(Array.from({ length: 50001 }, (_, n) => good(`${n}`))), [['too_many_tasks', null, null]]);
    assert.deepEqual(await failed([good('a'), `{"custom_id": "${'x'.repeat(5 << 20)}"}`, good('b')]), [['invalid_json_line', 2, null]]);
    const limit = 4 << 20;
    const padded = (id, bytes) => good(id).replace('}}', '}}'.padStart(bytes - good(id).length + 2));
    assert.equal(padded('a', limit).length, limit);
    for (const end of ['\n', '\r\n'])
      for (const last of ['', end]) // whether the file ends with the line
        assert.deepEqual(await failed(`\uFEFF${padded('a', limit)}${end}${padded('b', limit + 1)}${end}[]${end}${padded('c', limit)}${last}`),
          [['invalid_json_line', 2, null], ['invalid_json_line', 3, null]], JSON.stringify([end, last]));
    assert.equal(stack.sql('SELECT 1 FROM runs').length, 0);

    const refused = async (body) => {
      const { status, body: told } = await stack.call('POST', '/v1/batches', body);
      return [status, told.error.param];
    };
    const file = await putFile(stack, good('a'));
    const whole = { input_file_id: file, endpoint: chat, completion_window: '24h' };
    assert.deepEqual(await refused({ ...whole, endpoint: '/v1/audio' }), [400, 'endpoint']);
    assert.deepEqual(await refused({ ...whole, completion_window: '1h' }), [400, 'completion_window']);
    assert.deepEqual(await refused({ ...whole, input_file_id: 'file-nothing' }), [400, 'input_file_id']);
    assert.deepEqual(await refused({ ...whole, input_file_id: await putFile(stack, 'x', { purpose: 'assistants' }) }), [400, 'input_file_id']);
    assert.equal((await stack.call('GET', '/v1/batches/batch_00000000000000000000000000000000')).status, 404);
    const other = stack.tenant('other');
    assert.deepEqual([(await other.call('POST', '/v1/batches', whole)).status, (await other.ok('GET', '/v1/batches')).data.length], [400, 0]);
  });
});

test('a batch that is cancelled, or whose time is over, has answers to all lines', async () => {
  await withStack({ script, slots: 4 }, async (stack) => {
    const lines = (count) => Array.from({ length: count }, (_, n) => lineOf(`l${n}`, chat, say(n < 5 ? `quick ${n}` : `stall ${n}`)));
    for (const [end, code] of [['cancelled', 'batch_cancelled'], ['expired', 'batch_expired']]) {
      const batch = await createBatch(stack, lines(1500), chat);
      await until('some are done', async () => (await stack.ok('GET', `/v1/batches/${batch.id}`)).request_counts.completed === 5);
      if (end === 'cancelled') {
        const told = await stack.ok('POST', `/v1/batches/${batch.id}/cancel`);
        assert.deepEqual([told.status, (await stack.ok('POST', `/v1/batches/${batch.id}/cancel`)).id], ['cancelling', batch.id]);
      } else {
        stack.exec(`UPDATE batches SET expires_at = now() WHERE state = 'in_progress'`);
      }
      const done = await endedBatch(stack, batch.id);
      assert.deepEqual([done.status, done.request_counts], [end, { total: 1500, completed: 5, failed: 1495 }]);
      assert.ok(done[`${end}_at`]);
      const all = await answers(stack, done);
      assert.equal(all.size, 1500);
      assert.equal(all.get('l0').where, 'output');
      assert.deepEqual(new Set([...all.values()].slice(5).map((line) => `${line.where} ${line.response} ${line.error?.code}`)), new Set([`error null ${code}`]));
      assert.deepEqual(lineage(stack), { lines: 0, output: 0, runs: 0 });
      assert.equal((await stack.call('POST', `/v1/batches/${batch.id}/cancel`)).status, 409);
    }
  });
});

test('answers of many megabytes are answered in parts', async () => {
  const long = 'x'.repeat(900 << 10);
  await withStack({ script: `rules: [{then: {text: '${long}'}}]` }, async (stack) => {
    const assistant = await stack.assistant();
    const count = 100;
    const lines = Array.from({ length: count }, (_, n) => lineOf(`l${n}`, runs, { assistant_id: assistant.id, input: 'hi', model: 'openai/gpt-4.1', max_completion_tokens: 1000000 }));
    const file = await putFile(stack, `${lines.join('\n')}\n`);
    forgetPeak(stack.scheduler);
    const made = await stack.ok('POST', '/v1/batches', { input_file_id: file, endpoint: runs, completion_window: '24h' });
    const done = await endedBatch(stack, made.id, 120000);
    checkPeak(stack.scheduler, 90 << 20);
    assert.deepEqual([done.status, done.request_counts], ['completed', { total: count, completed: count, failed: 0 }]);
    const all = await answers(stack, done);
    assert.equal(all.size, count);
    for (const { response } of all.values()) assert.equal(response.body.output_text.length, long.length);
  });
});

test('an answer beyond all bounds is not even read, and the others are', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    for (const [url, body] of [[runs, { assistant_id: assistant.id, input: 'slow' }], [responses, { model: 'openai/gpt-4o-mini', input: 'slow' }]]) {
      const batch = await createBatch(stack, ['a', 'b', 'c'].map((id) => lineOf(id, url, body)), url);
      const mine = `SELECT run_id FROM batch_lines WHERE made`;
      await until('all are begun', () => stack.sql(mine).length === 3);
      await stack.scheduler.kill('SIGKILL');
      await stack.scheduler.exited;
      stack.programs = stack.programs.filter((program) => program !== stack.scheduler);
      await until('they are done', () => stack.sql(`SELECT 1 FROM runs WHERE id IN (${mine}) AND status = 'completed'`).length === 3);
      stack.exec(`UPDATE messages SET bytes = 17000000 WHERE role = 'assistant' AND run_id IN (${mine} AND custom_id = 'b')`);
      await stack.startScheduler();
      const done = await endedBatch(stack, batch.id);
      assert.deepEqual([done.status, done.request_counts], ['completed', { total: 3, completed: 2, failed: 1 }]);
      const all = await answers(stack, done);
      assert.deepEqual(['a', 'b', 'c'].map((id) => all.get(id).response.body.error?.code), [undefined, 'reply_too_large', undefined]);
    }
  });
});

test('a deleted input ends the batch with what is known, and a deleted run its line', async () => {
  await withStack({ script, slots: 2 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const batch = await createBatch(stack, Array.from({ length: 1200 }, (_, n) => lineOf(`l${n}`, runs, { assistant_id: assistant.id, input: n < 3 ? `hi ${n}` : `stall ${n}` })), runs);
    await until('some are done', async () => (await stack.ok('GET', `/v1/batches/${batch.id}`)).request_counts.completed === 3);
    stack.exec(`DELETE FROM runs WHERE id = (SELECT run_id FROM batch_lines ORDER BY line LIMIT 1);
      DELETE FROM files;
      UPDATE runs SET status = 'cancelled', cancelled_at = now(), fence = fence + 1, owner = NULL WHERE status IN ('queued', 'in_progress')`);
    const done = await endedBatch(stack, batch.id);
    assert.deepEqual([done.status, done.errors.data[0].code, done.request_counts.completed], ['failed', 'invalid_input_file', 3]);
    const all = await answers(stack, done);
    assert.equal(all.size, done.request_counts.completed + done.request_counts.failed);
    assert.equal([...all.values()].filter((line) => line.error?.code === 'run_deleted').length, 1);
  });
});

for (const endpoint of [chat, runs, responses])
  test(`each line of ${endpoint} is answered once, whoever is killed meanwhile`, async () => {
    await withStack({ script, workers: 2, slots: 50 }, async (stack) => {
      const assistant = await stack.assistant({ tools: [] });
      const count = 3000;
      const body = (n) => ({ [chat]: say(`slow ${n}`), [runs]: { assistant_id: assistant.id, input: `slow ${n}` }, [responses]: { model: assistant.id, input: `slow ${n}` } })[endpoint];
      const batch = await createBatch(stack, Array.from({ length: count }, (_, n) => lineOf(`l${n}`, endpoint, body(n))), endpoint);
      const counts = async () => (await stack.ok('GET', `/v1/batches/${batch.id}`).catch(() => null))?.request_counts.completed ?? -1;
      for (const [done, strike] of [
        [0, async () => { await stack.scheduler.kill('SIGKILL'); await stack.startScheduler(); }],
        [100, async () => { await stack.workers[0].kill('SIGKILL'); await stack.startWorker(); }],
        [400, async () => { stack.stopRedis(); stack.startRedis(); }],
        [700, async () => { await stack.scheduler.kill('SIGKILL'); await stack.startScheduler(); }],
        [1200, async () => stack.postgres('restart', '-m', 'immediate')],
        [1800, async () => { assert.equal((await stack.scheduler.stop()).code, 0); await stack.startScheduler(); }],
        [2900, async () => { await stack.scheduler.kill('SIGKILL'); await stack.startScheduler(); }],
      ]) {
        await until(`${done} lines are done`, async () => (await counts()) >= done, 240000);
        await strike();
      }
      const ended = await endedBatch(stack, batch.id, 480000);
      assert.deepEqual([ended.status, ended.request_counts], ['completed', { total: count, completed: count, failed: 0 }]);
      const all = await answers(stack, ended);
      assert.equal(all.size, count);
      assert.ok([...all.values()].every((line) => line.where === 'output'));
      assert.equal((await readLines(stack, ended.output_file_id)).length, count);
      if (endpoint !== chat) assert.deepEqual(stack.sql('SELECT count(*)::int AS runs, count(DISTINCT thread_id)::int AS threads FROM runs'), [{ runs: count, threads: count }]);
      assert.deepEqual(lineage(stack), { lines: 0, output: 0, runs: 0 });
    });
  });
