// A user, or his thread, is deleted while it is learned of him: nothing is left, in no table.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { DAY, age, pass } from '../lib/retention.mjs';
import { uuidOf } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

/** A model that chats, learns three sentences and makes vectors; what `hold` (a text of 'learn', 'vector') names waits for release(). */
async function startModel() {
  const model = { hold: '', held: 0, waiting: [] };
  model.release = () => {
    model.hold = '';
    for (const go of model.waiting.splice(0)) go();
  };
  const waits = async (what) => {
    if (model.hold !== what) return;
    model.held++;
    await new Promise((done) => model.waiting.push(done));
  };
  model.server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    let reply;
    if (request.url.endsWith('/embeddings')) {
      const input = [body.input].flat();
      if (input.some((each) => each.startsWith('Erlkönig'))) await waits('vector');
      reply = { object: 'list', model: 'e', data: input.map((each, index) => ({ object: 'embedding', index, embedding: [each.length, 1, 0.5] })), usage: { prompt_tokens: 1, total_tokens: 1 } };
    } else {
      const learns = body.messages[0].content.startsWith('You keep notes');
      if (learns) await waits('learn');
      const add = (text) => ({ action: 'add', number: null, kind: 'fact', text });
      const content = learns ? JSON.stringify({ changes: ['likes plums.', 'drives at night.', 'has a son.'].map((what) => add(`Erlkönig ${what}`)) }) : 'Well.';
      reply = { id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }], usage: USAGE };
    }
    if (!response.destroyed) response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  });
  model.server.listen(0, '127.0.0.1');
  await once(model.server, 'listening');
  model.config = `memory: {learn_after_ms: 0, embedding_model: own/e}\nretention: {pause_ms: 100}\nproviders: [{name: own, kind: openai_chat, base_url: 'http://127.0.0.1:${model.server.address().port}/v1', api_key: x}]\n`;
  model.close = () => {
    model.release();
    model.server.closeAllConnections();
    model.server.close();
  };
  return model;
}

async function withModel(body, options = {}) {
  const model = await startModel();
  try {
    await withStack({ config: model.config, ...options }, async (stack) => body(stack, model, await stack.ok('POST', '/v1/assistants', { model: 'own/m', instructions: 'Help.', memories: {} })));
  } finally {
    model.close();
  }
}

/** The tables with a row that has one of the words, but for replies that are kept for an Idempotency-Key. */
function tablesWith(stack, words) {
  const tables = stack.sql(`SELECT c.relname AS name FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'idempotency%' ORDER BY 1`);
  return tables.map(({ name }) => name).filter((name) => stack.sql(`SELECT count(*) AS n FROM ${name} x WHERE ${words.map((word) => `x::text LIKE '%${word}%'`).join(' OR ')}`)[0].n > 0);
}

async function deleteUser(stack, user) {
  for (;;) if ((await stack.ok('DELETE', `/v1/users/${user}`)).deleted) return;
}

const memoryRun = async (stack) => (await stack.ok('GET', '/v1/runs?kind=memory&limit=100')).data;
const idle = (stack) => until('the worker has nothing in hand', () => stack.sql(`SELECT count(*) AS n FROM runs WHERE status IN ('queued', 'in_progress', 'cancelling')`)[0].n === 0, 60000);
/** What is learned of another user afterwards shows that the worker has passed what it had in hand. */
const another = async (stack, agent) => {
  await stack.finished(await stack.ok('POST', `/v1/assistants/${agent.id}/run`, { input: 'I am Loreley.', user: 'loreley' }));
  await until('it is learned of another', () => stack.sql(`SELECT count(*) AS n FROM memories WHERE user_id = 'loreley'`)[0].n === 3, 60000);
};
const said = { input: 'I am Mignon, and like plums.', user: 'mignon' };
const WORDS = ['mignon', 'Mignon'];

test('deleted while what was learned of him is being kept', async () => {
  await withModel(async (stack, model, agent) => {
    model.hold = 'vector';
    await stack.finished(await stack.ok('POST', `/v1/assistants/${agent.id}/run`, said));
    await until('a vector is asked for', () => model.held === 1, 60000);
    const holder = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write(`BEGIN; LOCK TABLE schedules IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n`);
    await once(holder.stdout, 'data');
    const deleting = deleteUser(stack, 'mignon');
    await until('it waits for schedules', () => stack.sql(`SELECT count(*) AS n FROM pg_locks WHERE relation = 'schedules'::regclass AND NOT granted`)[0].n > 0);
    model.release();
    await until('all of it is kept', () => stack.sql(`SELECT count(*) AS n FROM memories WHERE user_id = 'mignon'`)[0].n === 3);
    holder.stdin.end('COMMIT;\n');
    await deleting;
    await idle(stack);
    await another(stack, agent);
    assert.deepEqual(tablesWith(stack, WORDS), []);
  });
});

for (const hold of ['learn', 'vector']) {
  test(`deleted while his worker is stopped, and waits for a ${hold === 'learn' ? 'model that learns' : 'vector of what it learned'}`, async () => {
    await withModel(async (stack, model, agent) => {
      const thread = await stack.ok('POST', '/v1/threads', { user_id: 'mignon' });
      model.hold = hold;
      await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: agent.id, ...said }));
      await until('the model is asked', () => model.held === 1, 60000);
      const worker = stack.workers[0];
      worker.child.kill('SIGSTOP');
      try {
        await deleteUser(stack, 'mignon');
        model.release();
      } finally {
        worker.child.kill('SIGCONT');
      }
      await idle(stack);
      await another(stack, agent);
      assert.deepEqual(tablesWith(stack, WORDS), []);
      assert.deepEqual((await memoryRun(stack)).filter((run) => run.user === 'mignon'), []);
    });
  });
}

test('his thread is deleted meanwhile: nothing is learned of it, and no run of memory stays', async () => {
  await withModel(async (stack, model, agent) => {
    const thread = await stack.ok('POST', '/v1/threads', {});
    model.hold = 'learn';
    await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: agent.id, ...said }));
    await until('the model is asked', () => model.held === 1, 60000);
    await stack.ok('DELETE', `/v1/threads/${thread.id}`);
    model.release();
    await another(stack, agent);
    assert.deepEqual(tablesWith(stack, ['Erlkönig']).filter((name) => !['memories', 'embeddings'].includes(name)), []);
    assert.deepEqual(stack.sql(`SELECT DISTINCT user_id FROM memories`), [{ user_id: 'loreley' }]);
    assert.deepEqual(stack.sql(`SELECT count(*) AS n FROM memory_marks WHERE user_id = 'mignon'`), [{ n: 0 }]);
  });
});

test('retention takes the thread while it is to be learned of it: no run of memory stays, and nothing is learned', async () => {
  await withModel(async (stack, model, agent) => {
    const run = await stack.finished(await stack.ok('POST', `/v1/assistants/${agent.id}/run`, said));
    assert.deepEqual((await memoryRun(stack)).map((each) => [each.status, each.thread_id]), [['queued', run.thread_id]]);
    await stack.ok('PUT', '/v1/retention', { action: 'delete', after: 7 * DAY });
    age(stack, run.thread_id, 10 * DAY);
    await pass(stack);
    const of = (table, column) => stack.sql(`SELECT count(*)::int AS n FROM ${table} WHERE ${column} = '${uuidOf(run.thread_id)}'`)[0].n;
    assert.deepEqual([of('threads', 'id'), of('runs', 'thread_id'), of('messages', 'thread_id'), of('memory_marks', 'thread_id')], [0, 0, 0, 0]);
    assert.deepEqual(stack.sql('SELECT count(*)::int AS n FROM memories'), [{ n: 0 }]);
  }, { env: { PENSTOCK_LEARN_AFTER_MS: '600000' } });
});
