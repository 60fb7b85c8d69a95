// Conversations that a provider keeps (native_state): what is sent then, and that all that makes them differ is seen, with the same answers as without.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { uuidOf } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'To {{user}}: it is {{tool.1}}.'}
  - {name: any, then: {text: 'So {{user}}.'}}
`;

const base = "'${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}'";
const config = `
worker: {lease_ms: 3000, heartbeat_ms: 500}
providers:
  - {name: kept, kind: openai_responses, base_url: ${base}, api_key: rehearsal-kept, native_state: true}
  - {name: streamed, kind: openai_responses, base_url: ${base}, api_key: rehearsal-streamed, native_state: true, stream: true}
  - {name: plain, kind: openai_responses, base_url: ${base}, api_key: rehearsal-plain}
`;

const tools = [{ type: 'calculator' }];
const agent = (stack, fields = {}) => stack.assistant({ model: 'kept/gpt-5', tools, ...fields });

/** What the LLM was asked since `from`, and how it answered: {body, status, id of the response}. */
async function calls(stack, from = 0) {
  await until('no call is under way', async () => (await stack.llmStats()).in_flight === 0);
  return stack.ledger().slice(from).map((line) => ({
    body: JSON.parse(line.request),
    status: line.status,
    id: /"id":\s*"(resp_\w+)"/.exec(line.reply)?.[1],
    key: line.idempotency_key,
  }));
}

/** A run behind the thread (undefined: in a new one), and what it asked the LLM. */
async function ran(stack, assistant, thread, input, fields = {}) {
  const before = (await calls(stack)).length;
  const run = await stack.finished(thread
    ? await stack.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, input, ...fields })
    : await stack.submit(assistant, input, fields));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  return { run, thread: run.thread_id, asked: await calls(stack, before), answer: await stack.answer(run) };
}

const kinds = (body) => body.input.map((item) => item.type ?? item.role);
const user = (text) => ({ role: 'user', content: text });

/** One call, whole. */
function checkWhole(asked, expected, what) {
  assert.deepEqual(asked.map((call) => call.status), [200], what);
  assert.equal(asked[0].body.previous_response_id, undefined, what);
  assert.deepEqual(kinds(asked[0].body), expected, what);
}

/** One call, with what is new alone. */
function checkNew(asked, previous, input, what) {
  assert.deepEqual(asked.map((call) => call.status), [200], what);
  assert.equal(asked[0].body.previous_response_id, previous, what);
  assert.deepEqual(asked[0].body.input, input, what);
}

const sumAndOne = ['user', 'function_call', 'function_call_output', 'assistant', 'user'];

for (const model of ['kept/gpt-5', 'streamed/gpt-5'])
  test(`the second step and the second run send only what is new: ${model}`, async () => {
    await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
      const assistant = await agent(stack, { model });
      const first = await ran(stack, assistant, undefined, 'sum 1');
      const [asking, answering] = first.asked;
      assert.equal(first.asked.length, 2);
      assert.deepEqual([asking.body.store, asking.body.previous_response_id, asking.body.input], [true, undefined, [user('sum 1')]]);
      assert.deepEqual([answering.body.store, answering.body.previous_response_id, kinds(answering.body)], [true, asking.id, ['function_call_output']]);
      assert.deepEqual([answering.body.instructions, answering.body.tools], [asking.body.instructions, asking.body.tools], 'they come with each call');
      const second = await ran(stack, assistant, first.thread, 'hello');
      checkNew(second.asked, answering.id, [user('hello')], 'the second run');
      const third = await ran(stack, assistant, first.thread, 'sum 2');
      assert.deepEqual(third.asked.map((call) => call.body.previous_response_id), [second.asked[0].id, third.asked[0].id]);

      // A provider that nobody allowed it: the same answers and the same tokens, and nothing is stored there.
      const kept = (await stack.llmStats()).kept;
      const plain = await agent(stack, { model: 'plain/gpt-5' });
      let thread;
      for (const [input, mine] of [['sum 1', first], ['hello', second], ['sum 2', third]]) {
        const other = await ran(stack, plain, thread, input);
        thread = other.thread;
        assert.equal(other.answer, mine.answer);
        assert.deepEqual(other.run.usage, mine.run.usage, 'the provider counts the whole');
        for (const { body } of other.asked) assert.deepEqual([body.store, body.previous_response_id], [false, undefined]);
      }
      assert.equal((await stack.llmStats()).kept, kept);

      // Nobody outside sees it, and it goes with its messages.
      const noted = () => stack.sql("SELECT opaque FROM messages WHERE opaque ? 'kept'").map((row) => Object.keys(row.opaque.kept).sort());
      assert.deepEqual(noted(), Array(5).fill(['at', 'id', 'of']));
      const list = await stack.ok('GET', `/v1/threads/${first.thread}/messages?limit=100`);
      assert.doesNotMatch(JSON.stringify([list, third.run]), /resp_/);
      const doctor = spawnSync(`${stack.bin}/penstock`, ['doctor'], { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url }, encoding: 'utf8' }).stdout;
      assert.deepEqual(doctor.match(/provider \w+(?= +native_state)/g), ['provider kept', 'provider streamed'], doctor);
      await stack.ok('DELETE', `/v1/threads/${first.thread}`);
      await until('it is gone', () => noted().length === 0);
    });
  });

test('what the provider has dropped is sent whole in the same try, and kept anew', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    const first = await ran(stack, assistant, undefined, 'sum 1');
    const forget = (id) => fetch(`${stack.llmUrl}/v1/responses/${id}`, { method: 'DELETE', headers: { authorization: 'Bearer rehearsal-kept' } });
    assert.equal((await forget(first.asked[1].id)).status, 200);

    const second = await ran(stack, assistant, first.thread, 'hello');
    assert.equal(second.answer, 'So hello.');
    assert.deepEqual(second.asked.map((call) => [call.status, call.body.previous_response_id, kinds(call.body)]), [
      [400, first.asked[1].id, ['user']],
      [200, undefined, sumAndOne],
    ]);
    assert.notEqual(second.asked[0].key, second.asked[1].key, 'another request, another key');
    const steps = (await stack.ok('GET', `/v1/threads/${first.thread}/runs/${second.run.id}/steps`)).data;
    assert.deepEqual(steps.map((step) => [step.type, step.tried]), [['message_creation', []]], 'no model failed');
    assert.deepEqual(stack.sql('SELECT sum(errors)::int AS errors FROM runs'), [{ errors: 0 }], 'and no attempt was counted');
    checkNew((await ran(stack, assistant, first.thread, 'and now')).asked, second.asked[1].id, [user('and now')], 'it is there again');

    // All of it: a server that was set up anew.
    await stack.llm.stop();
    stack.llm = stack.program('penstock-rehearsal', stack.llm.child.spawnargs.slice(1), {});
    await stack.ready(stack.llm, `${stack.llmUrl}/healthz`);
    const anew = await ran(stack, assistant, first.thread, 'sum 2');
    assert.equal(anew.answer, 'To sum 2: it is 42.');
    assert.deepEqual(anew.asked.map((call) => [call.status, !!call.body.previous_response_id]), [[400, true], [200, false], [200, true]]);
  });
});

test('a note is trusted for 30 days of this clock', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    const { thread } = await ran(stack, assistant, undefined, 'one');
    const age = (days) => stack.exec(`UPDATE messages SET opaque = jsonb_set(opaque, '{kept,at}', to_jsonb(extract(epoch FROM now())::bigint - ${days} * 86400)) WHERE opaque ? 'kept'`);
    age(29);
    assert.ok((await ran(stack, assistant, thread, 'two')).asked[0].body.previous_response_id);
    age(31);
    checkWhole((await ran(stack, assistant, thread, 'three')).asked, ['user', 'assistant', 'user', 'assistant', 'user'], 'too old');
    age(-1);
    checkWhole((await ran(stack, assistant, thread, 'four')).asked, ['user', 'assistant', 'user', 'assistant', 'user', 'assistant', 'user'], 'of a time that has not come');
    assert.ok((await ran(stack, assistant, thread, 'five')).asked[0].body.previous_response_id);
  });
});

test('a thread that was changed is sent whole, and one that only grew is not', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    const messagesOf = async (thread) => (await stack.ok('GET', `/v1/threads/${thread}/messages?order=asc&limit=100`)).data;
    const first = await ran(stack, assistant, undefined, 'sum 1');
    const { thread } = first;
    const last = first.asked[1].id;
    const copy = async (fields = {}) => (await stack.ok('POST', `/v1/threads/${thread}/fork`, fields)).id;

    // Copies say the same; several may go on behind the same response.
    for (const text of ['left', 'right']) {
      const other = await ran(stack, assistant, await copy(), text);
      checkNew(other.asked, last, [user(text)], 'a copy');
      assert.equal(other.answer, `So ${text}.`);
    }
    const early = await ran(stack, assistant, await copy({ message_id: (await messagesOf(thread))[0].id }), 'early');
    checkWhole(early.asked, ['user', 'user'], 'a copy of the beginning');

    // A message is deleted, edited, or added by somebody.
    const deleted = await copy();
    await stack.ok('DELETE', `/v1/threads/${deleted}/messages/${(await messagesOf(deleted))[0].id}`);
    const without = await ran(stack, assistant, deleted, 'next');
    assert.equal(without.asked[0].body.previous_response_id, undefined);
    assert.deepEqual(without.asked[0].body.input.filter((item) => item.role === 'user'), [user('next')], 'nobody is told of it any more');
    const edited = await copy();
    stack.exec(`UPDATE messages SET content = '[{"type":"text","text":{"value":"sum 3","annotations":[]}}]' WHERE thread_id = '${uuidOf(edited)}' AND role = 'user'`);
    const changed = await ran(stack, assistant, edited, 'next');
    checkWhole(changed.asked, sumAndOne, 'edited');
    assert.ok(JSON.stringify(changed.asked[0].body.input).includes('sum 3'));
    const said = await copy();
    await stack.ok('POST', `/v1/threads/${said}/messages`, user('by the way'));
    checkNew((await ran(stack, assistant, said, 'next')).asked, last, [user('by the way'), user('next')], 'what was said since');
    const answered = await copy();
    await stack.ok('POST', `/v1/threads/${answered}/messages`, { role: 'assistant', content: 'I say so.' });
    checkWhole((await ran(stack, assistant, answered, 'next')).asked, [...sumAndOne.slice(0, 4), 'assistant', 'user'], 'somebody else answered');

    // Other agents: of the same model what was kept serves, with their own instructions and tools; of another model it does not.
    const same = await ran(stack, await agent(stack, { instructions: 'Be brief.', tools: [] }), await copy(), 'next');
    checkNew(same.asked, last, [user('next')], 'another agent');
    assert.deepEqual([same.asked[0].body.instructions, same.asked[0].body.tools], ['Be brief.', undefined]);
    const shared = await copy();
    checkWhole((await ran(stack, await agent(stack, { model: 'kept/gpt-5-mini' }), shared, 'other')).asked, sumAndOne, 'another model');
    const back = await ran(stack, assistant, shared, 'next');
    checkWhole(back.asked, [...sumAndOne, 'assistant', 'user'], 'and the first one again');
    assert.equal(back.answer, 'So next.');
  });
});

test('by strategy: first_last never, last_messages until something is left out, none for what a run does', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    const thread = async (memory_strategy, memory_config) => (await stack.ok('POST', '/v1/threads', { memory_strategy, ...(memory_config ? { memory_config } : {}) })).id;
    const both = async (id) => [...(await ran(stack, assistant, id, 'sum 1')).asked, ...(await ran(stack, assistant, id, 'hello')).asked].map(({ body }) => [body.store, !!body.previous_response_id]);

    assert.deepEqual(await both(await thread('first_last', { max_messages: 50 })), Array(3).fill([false, false]));
    assert.deepEqual(await both(await thread('last_messages', { max_messages: 50 })), [[true, false], [true, true], [true, true]]);
    assert.deepEqual(await both(await thread('last_messages', { max_messages: 2 })), [[true, false], [true, true], [true, false]], 'the first message is not sent any more');
    assert.deepEqual(await both(await thread('none')), [[true, false], [true, true], [true, false]], 'each run is for itself');
    assert.deepEqual(await both(await thread('auto')), [[true, false], [true, true], [true, true]]);
    const long = await thread('auto', { max_tokens: 256 });
    const said = Array.from({ length: 60 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `message number ${i}` }));
    await ran(stack, assistant, long, undefined, { additional_messages: [...said, user('one')] });
    const { asked } = await ran(stack, assistant, long, 'two');
    assert.deepEqual([asked[0].body.store, asked[0].body.previous_response_id], [false, undefined], 'turns are left out');
  });
});

/** Holds back what is written to messages until the returned function is called. */
async function holdMessages(stack) {
  const psql = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
  psql.stdin.write("BEGIN; LOCK TABLE messages IN SHARE MODE; SELECT 'held';\n");
  await once(psql.stdout, 'data');
  return async () => {
    psql.stdin.end('ROLLBACK;\n');
    await once(psql, 'exit');
  };
}

const waiting = "SELECT pid FROM pg_locks WHERE relation = 'messages'::regclass AND NOT granted";

test('a worker that is killed between the reply and its checkpoint leaves nothing wrong, and another one goes on', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    const first = await ran(stack, assistant, undefined, 'sum 1');
    const before = (await calls(stack)).length;
    const submitted = await stack.ok('POST', `/v1/threads/${first.thread}/runs`, { assistant_id: assistant.id, input: 'sum 2', start_after: new Date(Date.now() + 1500).toISOString() });
    const release = await holdMessages(stack);
    await until('the model has answered', async () => (await calls(stack)).length === before + 1);
    await until('the checkpoint waits', () => stack.sql(`SELECT 1 FROM (${waiting}) w`).length > 0);
    await stack.workers[0].kill('SIGKILL');
    stack.exec(`SELECT pg_terminate_backend(pid) FROM (${waiting}) w`); // it has not noticed that its client is gone
    await release();
    await stack.startWorker();
    const run = await stack.finished(submitted, 40000);
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    assert.equal(await stack.answer(run), 'To sum 2: it is 42.');
    const [lost, again, answering] = await calls(stack, before);
    assert.deepEqual(lost.body, again.body, 'the same request once more');
    assert.equal(again.body.previous_response_id, first.asked[1].id);
    assert.equal(answering.body.previous_response_id, again.id, 'behind the reply that is known');
    const next = await ran(stack, assistant, first.thread, 'hello');
    checkNew(next.asked, answering.id, [user('hello')], 'a run of the other worker');
  });
});

test('a run of one worker goes on behind those of others, as many as there are at once', async () => {
  await withStack({ script, config, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await agent(stack);
    let { run, thread, asked } = await ran(stack, assistant, undefined, 'turn 0');
    for (let turn = 1; turn < 4; turn++) {
      const [old] = stack.workers.splice(0);
      await stack.startWorker();
      await old.stop();
      const next = await ran(stack, assistant, thread, `turn ${turn}`);
      checkNew(next.asked, asked[0].id, [user(`turn ${turn}`)], `turn ${turn}`);
      ({ asked } = next);
    }
    assert.equal(run.status, 'completed');
    await stack.startWorker(); // two
    const before = (await calls(stack)).length;
    const copies = await Promise.all(Array.from({ length: 20 }, () => stack.ok('POST', `/v1/threads/${thread}/fork`, {})));
    const runs = await Promise.all(copies.map((copy, i) => stack.ok('POST', `/v1/threads/${copy.id}/runs`, { assistant_id: assistant.id, input: `sum ${i}` })));
    for (const [i, each] of runs.entries()) {
      const ended = await stack.finished(each);
      assert.deepEqual([ended.status, await stack.answer(ended)], ['completed', `To sum ${i}: it is 42.`]);
    }
    const all = await calls(stack, before);
    assert.equal(all.length, 40);
    assert.deepEqual(all.filter((call) => call.status !== 200 || call.body.input.length !== 1), [], 'each sends one item');
    assert.equal(all.filter((call) => call.body.previous_response_id === asked[0].id).length, 20);
  });
});

/** A server in front of another one that keeps what was asked of it. */
async function startRecorder() {
  const recorder = { calls: [], target: undefined };
  recorder.server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { host, connection, 'content-length': length, ...headers } = request.headers;
    const answer = await fetch(recorder.target + request.url, { method: request.method, headers, body });
    const text = await answer.text();
    recorder.calls.push({ body: JSON.parse(body), status: answer.status, id: /"id":\s*"(resp_\w+)"/.exec(text)?.[1] });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') });
    response.end(text);
  });
  recorder.server.listen(0, '127.0.0.1');
  await once(recorder.server, 'listening');
  recorder.url = `http://127.0.0.1:${recorder.server.address().port}`;
  return recorder;
}

test('behind a second Penstock: only what is new is sent, and what is gone there is rebuilt', async () => {
  const recorder = await startRecorder();
  try {
    await withStack({ script }, async (far) => {
      recorder.target = far.url;
      const settings = `providers:\n  - {name: far, kind: openai_responses, base_url: '${recorder.url}/v1', api_key: '${far.key}', native_state: true}\n`;
      await withStack({ config: settings }, async (near) => {
        const assistant = await near.assistant({ model: 'far/openai/gpt-4o-mini', tools });
        const go = async (thread, input) => {
          const from = recorder.calls.length;
          const run = await near.finished(thread
            ? await near.ok('POST', `/v1/threads/${thread}/runs`, { assistant_id: assistant.id, input })
            : await near.submit(assistant, input));
          assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
          return { thread: run.thread_id, asked: recorder.calls.slice(from), answer: await near.answer(run) };
        };
        const threads = () => far.sql('SELECT id FROM threads').length;

        const first = await go(undefined, 'sum 1');
        assert.equal(first.answer, 'To sum 1: it is 42.');
        assert.deepEqual(first.asked.map(({ body }) => [body.previous_response_id, kinds(body)]), [[undefined, ['user']], [first.asked[0].id, ['function_call_output']]]);
        const second = await go(first.thread, 'sum 2');
        assert.equal(second.answer, 'To sum 2: it is 42.');
        assert.deepEqual(second.asked.map(({ body }) => [body.previous_response_id, kinds(body)]), [[first.asked[1].id, ['user']], [second.asked[0].id, ['function_call_output']]]);
        assert.equal(threads(), 1, 'there it is one thread');

        await far.ok('DELETE', `/v1/responses/${second.asked[1].id}`);
        const third = await go(first.thread, 'hello');
        assert.equal(third.answer, 'So hello.');
        assert.deepEqual(third.asked.map(({ status, body }) => [status, !!body.previous_response_id, body.input.length]), [[400, true, 1], [200, false, 9]]);
        const fourth = await go(first.thread, 'and now');
        checkNew(fourth.asked, third.asked[1].id, [user('and now')], 'it is there again');
        assert.equal(fourth.answer, 'So and now.');
      });
    });
  } finally {
    recorder.server.closeAllConnections();
    recorder.server.close();
  }
});

test('a server that passes over what it was to go on behind is not believed', async () => {
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const said = JSON.parse(body);
    asked.push(said);
    const content = [{ type: 'output_text', text: `I was told ${said.input.length}.`, annotations: [] }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: `resp_${asked.length}`, object: 'response', status: 'completed', model: 'm', output: [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings = `providers:\n  - {name: deaf, kind: openai_responses, base_url: 'http://127.0.0.1:${server.address().port}', native_state: true}\n`;
  try {
    await withStack({ config: settings }, async (stack) => {
      const assistant = await stack.assistant({ model: 'deaf/m', tools: [] });
      const first = await stack.finished(await stack.submit(assistant, 'one'));
      const second = await stack.finished(await stack.ok('POST', `/v1/threads/${first.thread_id}/runs`, { assistant_id: assistant.id, input: 'two' }));
      assert.equal(second.status, 'completed', JSON.stringify(second.last_error));
      assert.equal(await stack.answer(second), 'I was told 3.');
      assert.deepEqual(asked.map((body) => [body.previous_response_id, body.input.length]), [[undefined, 1], ['resp_1', 1], [undefined, 3]]);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
