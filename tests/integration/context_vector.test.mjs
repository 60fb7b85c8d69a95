// The strategy vector: of a long thread a run is given the newest messages and the older turns that are near to what was said last, and the same ones
// whatever becomes of it and of the thread.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';
import { uuidOf } from '../lib/schedules.mjs';

const script = `
context_tokens: {'gpt-4o-mini': 128000}
rules:
  - name: sum
    when: {user: 'calculate'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool.1}}.'}
  - {name: any, then: {text: 'So.'}}
`;

const MARK = 'Here lie other messages of this conversation, which are not shown.';
const vector = (config) => ({ memory_strategy: 'vector', ...(config ? { memory_config: config } : {}) });
const said = (role, content) => ({ role, content });

/** What is about nothing that anybody asks for. */
const subjects = ['gardens', 'trains', 'opera', 'chess', 'volcanoes', 'harbours', 'beetles', 'ovens'];
const filler = (count, from = 0) => Array.from({ length: count }, (_, i) => said(i % 2 ? 'assistant' : 'user',
  `Entry ${from + i} about ${subjects[(from + i) % 8]} and ${subjects[(from + i * 3 + 1) % 8]}.`));

/** A thread of these messages. */
async function threadOf(stack, messages, more = {}) {
  const thread = await stack.ok('POST', '/v1/threads', { messages: messages.slice(0, 30), ...more });
  for (const one of messages.slice(30)) await stack.ok('POST', `/v1/threads/${thread.id}/messages`, one);
  return thread;
}

/** Many messages about nothing, behind those that there are. */
const addFiller = (stack, thread, count) => stack.exec(`INSERT INTO messages (id, tenant_id, thread_id, role, content, bytes, token_count)
  SELECT gen_random_uuid(), t.tenant_id, t.id, CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
    jsonb_build_array(jsonb_build_object('type', 'text', 'text', jsonb_build_object('value', 'Entry ' || n || ' about gardens, opera and volcanoes.', 'annotations', '[]'::jsonb))), 150, 20
  FROM threads t, generate_series(1, ${count}) n WHERE t.id = '${uuidOf(thread.id)}' ORDER BY n;
  UPDATE threads SET message_count = message_count + ${count} WHERE id = '${uuidOf(thread.id)}'`);

/** What the model is sent for a question, without the system prompt: "role: text", or "role: calls". */
async function ask(stack, thread, assistant, input, request = {}) {
  const run = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input, ...request }));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const messages = JSON.parse((await stack.lastCall()).request).messages.slice(1);
  return { run, messages, texts: messages.map((one) => (one.tool_calls ? `${one.role} calls` : `${one.role}: ${one.content}`)) };
}

const isMark = (text) => text.endsWith(MARK);

test('of a thread of 300 messages a run is given the newest, and what is near to the question', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }], ...vector({ max_messages: 10, top_k: 2 }) });
    const messages = [
      ...filler(40),
      said('user', 'My cat is called Minka and she is afraid of thunder.'), said('assistant', 'I will remember Minka.'),
      ...filler(100, 40),
      said('user', 'The passport of my brother ends in March.'), said('assistant', 'Noted, March.'),
      ...filler(156, 140),
    ];
    const thread = await threadOf(stack, messages);
    const cat = await ask(stack, thread, assistant, 'What is my cat called?');
    assert.deepEqual(cat.texts.slice(0, 2), ['user: My cat is called Minka and she is afraid of thunder.', 'assistant: I will remember Minka.']);
    assert.ok(cat.texts.some(isMark), JSON.stringify(cat.texts));
    // The newest ten: nine of the thread, and the question.
    assert.deepEqual(cat.texts.slice(-10), [...messages.slice(-9).map((one) => `${one.role}: ${one.content}`), 'user: What is my cat called?']);
    assert.ok(isMark(cat.texts.at(-11)), 'others lie between what is near and the newest');
    const passport = await ask(stack, thread, assistant, 'When does the passport of my brother end?');
    assert.ok(passport.texts.includes('user: The passport of my brother ends in March.'), JSON.stringify(passport.texts));
    assert.ok(passport.texts.includes('assistant: Noted, March.'), 'with its answer');
    assert.ok(!passport.texts.some((text) => text.includes('Minka')), 'and nothing else');
    const nothing = await ask(stack, thread, assistant, 'Xylophone quartz?');
    assert.equal(nothing.texts.length, 10, JSON.stringify(nothing.texts));
  });
});

const cat = [said('user', 'My cat is called Minka and she is afraid of thunder.'), said('assistant', 'I will remember Minka.')];
const CAT = cat.map((one) => `${one.role}: ${one.content}`);
const QUESTION = 'What is my cat called, who is afraid of thunder?';

test('what the API says is given, and what is not, is what happens', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], ...vector({ max_messages: 4, top_k: 1, score_threshold: 0.3 }) });
    const thread = await threadOf(stack, [...filler(10), ...cat, ...filler(10, 10)]);
    const view = (query) => stack.ok('GET', `/v1/threads/${thread.id}/context?${query}`);
    const { run, texts } = await ask(stack, thread, assistant, QUESTION);
    assert.equal(texts.length, 2 + 1 + 4, JSON.stringify(texts));
    const now = await view(`run_id=${run.id}`);
    assert.deepEqual([now.strategy, now.max_messages, now.top_k, now.score_threshold, now.degraded], ['vector', 4, 1, 0.3, false]);
    assert.equal(now.message_count, 24);
    assert.equal(now.sent.count + now.left_out.reduce((sum, part) => sum + part.count, 0), 24, JSON.stringify(now));
    assert.deepEqual(now.left_out.map((part) => part.reason), ['not_similar', 'not_similar'], 'before it and behind it');
    assert.equal(now.left_out[0].count, 10);
    // Of a run that would be made now nothing is kept yet: it is chosen by what was said last, which is the question.
    const next = await view(`assistant_id=${assistant.id}`);
    assert.deepEqual([next.sent.count, next.left_out[0].count], [4 + 2, 10], JSON.stringify(next));
  });
});

test('a turn comes whole, with what its tools did', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }], ...vector({ max_messages: 4, top_k: 1 }) });
    const first = await stack.finished(await stack.submit(assistant, 'calculate the rent of the lighthouse'));
    const thread = { id: first.thread_id };
    for (const one of filler(20)) await stack.ok('POST', `/v1/threads/${thread.id}/messages`, one);
    const { messages } = await ask(stack, thread, assistant, 'How high was the rent of the lighthouse?');
    assert.deepEqual(messages.slice(0, 4).map((one) => one.role), ['user', 'assistant', 'tool', 'assistant'], JSON.stringify(messages));
    assert.equal(messages[1].tool_calls[0].id, messages[2].tool_call_id);
    assert.equal(messages[3].content, 'It is 42.');
  });
});

test('kill -9 between the choice and the call: who goes on is given the same', async () => {
  const slow = script.replace("{name: any, then: {text: 'So.'}}", "{name: any, then: {text: 'So.', delay_ms: 3000}}");
  await withStack({ script: slow, llmArgs: ['--bodies'], workerArgs: ['--lease-ms', '3000'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], ...vector({ max_messages: 4, top_k: 1 }) });
    const thread = await threadOf(stack, [...cat, ...filler(12)]);
    const run = await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: QUESTION });
    const kept = () => stack.sql(`SELECT nearest::text FROM runs WHERE id = '${uuidOf(run.id)}'`)[0].nearest;
    await until('it has chosen', kept);
    await stack.workers[0].kill('SIGKILL');
    const before = kept();
    // What it was chosen from is gone: whoever chose anew would find nothing.
    stack.exec(`UPDATE message_vectors SET vector = '', words = '{}'`);
    await stack.startWorker();
    const ended = await stack.finished(run, 60000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    const messages = JSON.parse((await stack.lastCall()).request).messages.slice(1);
    assert.deepEqual(messages.slice(0, 2).map((one) => `${one.role}: ${one.content}`), CAT);
    assert.equal(kept(), before);
  });
});

test('of a long thread the rest gets its vectors behind the backs of its runs, and a thread takes them with it', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], ...vector({ max_messages: 4, top_k: 1 }) });
    const thread = await threadOf(stack, cat);
    addFiller(stack, thread, 2000);
    const count = () => Number(stack.exec('SELECT count(*) FROM message_vectors'));
    await ask(stack, thread, assistant, QUESTION);
    await until('all have theirs', () => count() >= 1998);
    const [made] = await until('the run that made them has ended', async () => {
      const found = stack.sql(`SELECT result, status, about FROM runs WHERE kind = 'memory'`);
      return found[0]?.status === 'completed' && found;
    });
    assert.match(made.about, /^vectors:thread_/);
    assert.match(JSON.stringify(made.result), /done/);
    const { texts } = await ask(stack, thread, assistant, QUESTION);
    assert.deepEqual(texts.slice(0, 2), CAT, JSON.stringify(texts));
    await stack.ok('DELETE', `/v1/threads/${thread.id}`);
    assert.deepEqual([count(), Number(stack.exec('SELECT count(*) FROM thread_vectors'))], [0, 0]);
  });
});

const embedding = (model) => `memory: {embedding_model: ${model}}\n`;

test('vectors of a provider are asked for once, and counted; without it words decide', async () => {
  const failing = script.replace('rules:', "rules:\n  - {name: away, when: {embeddings: true, user: 'quinces'}, then: {status: 500}}");
  await withStack({ script: failing, llmArgs: ['--bodies'], config: embedding('openai/text-embedding-3-small') }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], ...vector({ max_messages: 4, top_k: 1 }) });
    const thread = await threadOf(stack, [...cat, ...filler(12)], { user_id: 'ada' });
    const { texts } = await ask(stack, thread, assistant, QUESTION);
    assert.deepEqual(texts.slice(0, 2), CAT);
    assert.deepEqual(stack.sql('SELECT DISTINCT model FROM message_vectors'), [{ model: 'openai/text-embedding-3-small' }]);
    const embedded = async () => { await stack.llmStats(); return stack.ledger().filter((line) => JSON.parse(line.request).input).length; };
    const calls = await embedded();
    assert.ok(calls >= 2, `the messages, and the question: ${calls}`);
    const used = stack.sql(`SELECT sum(calls)::int AS calls, sum(prompt_tokens)::int AS tokens FROM (SELECT calls, prompt_tokens, model FROM usage_deltas UNION ALL
      SELECT calls, prompt_tokens, model FROM usage_hourly) u WHERE model = 'text-embedding-3-small'`)[0];
    assert.ok(used.calls === calls && used.tokens > 10, JSON.stringify(used));
    await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: QUESTION }));
    assert.equal(await embedded() - calls, 1, 'the question is kept: only what has become old is new');
    assert.ok(Number(stack.exec(`SELECT count(*) FROM embeddings WHERE user_id = 'ada'`)) > 10);
    // The provider is away.
    const words = await ask(stack, thread, assistant, 'quinces, cat, Minka, thunder');
    assert.ok(words.texts.includes(CAT[0]), JSON.stringify(words.texts));
    const view = await stack.ok('GET', `/v1/threads/${thread.id}/context?assistant_id=${assistant.id}`);
    assert.equal(view.degraded, true);
    await stack.ok('DELETE', '/v1/users/ada');
    assert.equal(Number(stack.exec('SELECT count(*) FROM embeddings')), 0);
  });
});

test('another model while runs go on: all of them complete, and the vectors are made anew', async () => {
  await withStack({ script, config: embedding('openai/text-embedding-3-small'), workers: 2 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [], ...vector({ max_messages: 4, top_k: 2 }) });
    const threads = await Promise.all(Array.from({ length: 6 }, () => threadOf(stack, [...cat, ...filler(20)])));
    const round = () => Promise.all(threads.map(async (thread) => stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: QUESTION }))));
    const ends = [...await round()];
    const going = (async () => { for (let i = 0; i < 3; i++) ends.push(...await round()); })();
    writeFileSync(stack.env.PENSTOCK_CONFIG, embedding('builtin/hashed-words-1'));
    for (const worker of stack.workers) worker.child.kill('SIGHUP');
    await going;
    for (const worker of stack.workers) await until('it was read', () => worker.log().includes('memory.embedding_model'));
    ends.push(...await round());
    for (const run of ends) assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    await until('all are of the new model', async () => {
      const models = stack.sql('SELECT DISTINCT model FROM thread_vectors');
      return models.length === 1 && models[0].model === 'builtin/hashed-words-1';
    });
    assert.deepEqual(stack.sql('SELECT DISTINCT model FROM message_vectors'), [{ model: 'builtin/hashed-words-1' }]);
  });
});

test('memories of a user get vectors of the model that there is now, once a run has met them', async () => {
  await withStack({ script, config: embedding('openai/text-embedding-3-small') }, async (stack) => {
    const agent = await stack.assistant({ tools: [], memories: { learn: false } });
    for (let i = 0; i < 5; i++) await stack.ok('POST', '/v1/users/ada/memories', { text: `Owns boat number ${i}.` });
    const models = () => stack.sql('SELECT DISTINCT vector_model FROM memories').map((row) => row.vector_model).join();
    assert.equal(models(), 'openai/text-embedding-3-small');
    writeFileSync(stack.env.PENSTOCK_CONFIG, embedding('builtin/hashed-words-1'));
    for (const program of [stack.scheduler, ...stack.workers]) {
      program.child.kill('SIGHUP');
      await until('it was read', () => program.log().includes('memory.embedding_model'));
    }
    const search = () => stack.ok('POST', '/v1/users/ada/memories/search', { query: 'Which boat does she own?' });
    assert.equal((await search()).degraded, true, 'words count alone meanwhile');
    await stack.finished(await stack.ok('POST', `/v1/assistants/${agent.id}/run`, { input: 'Which boat do I own?', user: 'ada' }));
    await until('all are made anew', () => models() === 'builtin/hashed-words-1');
    assert.equal((await search()).degraded, false);
    assert.deepEqual(stack.sql(`SELECT about FROM runs WHERE kind = 'memory'`), [{ about: 'vectors:user:ada' }]);
  });
});
