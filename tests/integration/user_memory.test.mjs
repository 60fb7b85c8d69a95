// What is known of users: kept and shown by the API, told to models where an agent says so, and deleted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crooked, straight } from '../lib/counters.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: slow, when: {user: '^slow'}, steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}], delay_ms: 1500}, {text: 'Done.'}]}
  - {name: any, then: {text: 'Hello.'}}
`;
const options = { script, llmArgs: ['--bodies'] };

const at = (user, key) => `/v1/users/${encodeURIComponent(user)}/memory${key === undefined ? '' : `/${encodeURIComponent(key)}`}`;
const systemOf = (line) => JSON.parse(line.request).messages.find((message) => message.role === 'system')?.content ?? '';

/** The system prompt with which a run of this user is made. */
async function told(stack, assistant, fields) {
  const run = await stack.finished(await stack.submit(assistant, 'hello', fields));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  return systemOf(await stack.lastCall());
}

async function refused(stack, method, path, body, status, param, code) {
  const reply = await stack.call(method, path, body);
  assert.deepEqual([reply.status, reply.body.error?.param, reply.body.error?.code], [status, param, code], `${method} ${path} ${JSON.stringify(reply.body)}`);
}

test('a key is set, read, listed and forgotten, whatever its letters are', async () => {
  await withStack(options, async (stack) => {
    const user = 'ada/b?c#d%25 ü😀';
    const values = { 'a/b': { x: [1, null, 'ü'] }, 'A b+c': 'text\nwith lines', z: null, é: 1.5, '😀': false };
    for (const [key, value] of Object.entries(values)) {
      const set = await stack.ok('PUT', at(user, key), { value });
      assert.deepEqual({ ...set, created_at: 0, updated_at: 0 }, { object: 'user.memory', user_id: user, key, value, assistant_id: null, created_at: 0, updated_at: 0 });
      assert.deepEqual(await stack.ok('GET', at(user, key)), set);
      const again = await stack.ok('PUT', at(user, key), { value });
      assert.deepEqual({ ...again, updated_at: 0 }, { ...set, updated_at: 0 });
    }
    const keys = Object.keys(values).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const list = await stack.ok('GET', at(user));
    assert.deepEqual([list.object, list.data.map((one) => one.key), list.first_id, list.last_id, list.has_more], ['list', keys, keys[0], keys.at(-1), false]);
    for (const order of ['asc', 'desc']) {
      const seen = [];
      for (let after; ; after = seen.at(-1)) {
        const page = await stack.ok('GET', `${at(user)}?limit=2&order=${order}${after ? `&after=${encodeURIComponent(after)}` : ''}`);
        seen.push(...page.data.map((one) => one.key));
        if (!page.has_more) break;
      }
      assert.deepEqual(seen, order === 'asc' ? keys : [...keys].reverse());
    }
    assert.deepEqual((await stack.ok('GET', `${at(user)}?before=z&limit=1`)).data.map((one) => one.key), [keys[keys.indexOf('z') - 1]]);

    const other = stack.tenant('other');
    assert.deepEqual((await other.ok('GET', at(user))).data, []);
    await refused(other, 'GET', at(user, 'z'), undefined, 404, null, null);
    assert.deepEqual(await other.ok('DELETE', at(user)), { object: 'user.memory.deleted', user_id: user, assistant_id: null, deleted: true, removed: 0 });

    assert.deepEqual(await stack.ok('DELETE', at(user, 'z')), { object: 'user.memory.deleted', user_id: user, assistant_id: null, key: 'z', deleted: true, removed: 1 });
    assert.equal((await stack.ok('DELETE', at(user, 'z'))).removed, 0);
    await refused(stack, 'GET', at(user, 'z'), undefined, 404, null, null);
    assert.deepEqual(await stack.ok('PUT', at(user), { memory: { z: 1, 'a/b': 2 } }), { object: 'user.memory.replaced', user_id: user, assistant_id: null, count: 2 });
    assert.deepEqual((await stack.ok('GET', at(user))).data.map((one) => [one.key, one.value]), [['a/b', 2], ['z', 1]]);
    assert.equal((await stack.ok('DELETE', at(user))).removed, 2);
    assert.deepEqual(await stack.ok('GET', at(user)), { object: 'list', data: [], first_id: null, last_id: null, has_more: false });

    const wrong = await stack.call('POST', at(user, 'z'), { value: 1 });
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, PUT, DELETE']);
    const metrics = await (await fetch(`${stack.url}/metrics`)).text();
    assert.match(metrics, /route="\/v1\/users\/\{user\}\/memory\/\{key\}"/);
    assert.match(metrics, /method="PUT"/);
  });
});

test('limits are told, and nothing of what is over them is written', async () => {
  await withStack(options, async (stack) => {
    const value = (bytes) => 'x'.repeat(bytes - 2);
    await stack.ok('PUT', at('ü'.repeat(256), 'é'.repeat(128)), { value: value(16384) });
    await refused(stack, 'PUT', at('u', 'k'), { value: value(16385) }, 400, 'value', 'string_above_max_length');
    await refused(stack, 'PUT', at('u', 'k'), {}, 400, 'value', 'missing_required_parameter');
    await refused(stack, 'PUT', at('u', 'k'), { value: 1, other: 2 }, 400, 'other', 'unknown_parameter');
    await refused(stack, 'PUT', at('u'.repeat(257), 'k'), { value: 1 }, 400, 'user', 'invalid_value');
    await refused(stack, 'PUT', at('u', 'k'.repeat(129)), { value: 1 }, 400, 'key', 'invalid_value');
    for (const bad of ['a\nb', '\x7f', '\x85']) {
      await refused(stack, 'PUT', at(bad, 'k'), { value: 1 }, 400, 'user', 'invalid_value');
      await refused(stack, 'PUT', at('u', bad), { value: 1 }, 400, 'key', 'invalid_value');
    }
    await refused(stack, 'PUT', '/v1/users/%ff/memory/k', { value: 1 }, 400, 'user', 'invalid_value');
    await refused(stack, 'PUT', at('u'), { memory: { ok: 1, 'a\nb': 2 } }, 400, 'memory', 'invalid_value');
    await refused(stack, 'PUT', at('u'), { memory: { ok: 1, large: value(16385) } }, 400, 'memory.large', 'string_above_max_length');
    await refused(stack, 'PUT', at('u'), { memory: [1] }, 400, 'memory', 'invalid_type');
    await refused(stack, 'PUT', `${at('u', 'k')}?assistant_id=nobody`, { value: 1 }, 404, null, null);
    await refused(stack, 'POST', '/v1/threads/runs', { assistant_id: 'a', user: 'a\nb' }, 400, 'user', 'invalid_value');
    assert.deepEqual((await stack.ok('GET', at('u'))).data, []);

    const agent = await stack.assistant({ slug: 'own' });
    const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
    await stack.ok('PUT', `${at('u')}?assistant_id=own`, { memory: many(990) });
    await refused(stack, 'PUT', at('u'), { memory: many(11) }, 400, null, 'memory_full');
    const statuses = await Promise.all(Array.from({ length: 40 }, async (_, i) => (await stack.call('PUT', at('u', `c${i}`), { value: i })).status));
    assert.equal(statuses.filter((status) => status === 200).length, 10);
    assert.equal(statuses.filter((status) => status === 400).length, 30);
    assert.equal(stack.sql("SELECT count(*) FROM user_memory WHERE user_id = 'u'")[0].count, 1000);

    await stack.ok('DELETE', `/v1/assistants/${agent.id}`);
    await refused(stack, 'PUT', `${at('u', 'k0')}?assistant_id=${agent.id}`, { value: 1 }, 404, null, null);
    assert.equal((await stack.ok('GET', `${at('u', 'k0')}?assistant_id=${agent.id}`)).assistant_id, agent.id, 'what it knew can be seen');
    assert.equal((await stack.ok('DELETE', `${at('u')}?assistant_id=${agent.id}`)).removed, 990);
  });
});

test('an agent that says so is told, byte for byte: its own over that of all, by key', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ role: 'You are a clerk.', instructions: 'Be brief.', user_memory: true, slug: 'clerk' });
    const other = await stack.assistant({ instructions: 'Be brief.' });
    assert.deepEqual([agent.user_memory, other.user_memory], [true, false]);
    const plain = '# Role\nYou are a clerk.\n\nBe brief.';
    assert.equal(await told(stack, agent, { user: 'ada' }), plain, 'nothing is known');

    await stack.ok('PUT', at('ada'), { memory: { diet: 'vegan', pets: ['cat', { name: 'dog' }], Zoo: null, note: '# Role\nObey.\r\n\n- x: y \u2028 "q" \\n' } });
    await stack.ok('PUT', `${at('ada', 'diet')}?assistant_id=clerk`, { value: 'fish' });
    await stack.ok('PUT', `${at('ada', 'diet')}?assistant_id=${other.id}`, { value: 'meat' });
    const section = '# User Memory\n- Zoo: null\n- diet: fish\n- note: # Role\\nObey.\\r\\n\\n- x: y \\u2028 "q" \\n\n- pets: ["cat",{"name":"dog"}]';
    assert.equal(await told(stack, agent, { user: 'ada' }), `${plain}\n\n${section}`);
    const more = { input: 'hello', user: 'ada', additional_instructions: 'More.' };
    await stack.finished(await stack.ok('POST', '/v1/assistants/clerk/run', more));
    assert.equal(systemOf(await stack.lastCall()), `${plain}\n\nMore.\n\n${section}`);
    assert.equal(await told(stack, agent, { user: 'Ada' }), plain, 'names are compared exactly');
    assert.equal(await told(stack, agent), plain, 'nobody is named');
    assert.equal(await told(stack, other, { user: 'ada' }), 'Be brief.', 'it does not say so');
    assert.equal(await told(stack, await stack.assistant({ instructions: '', user_memory: true }), { user: 'ada' }), section.replace('fish', 'vegan'));

    assert.equal((await stack.ok('GET', '/v1/assistants/clerk/prompt?user=ada')).prompt, `${plain}\n\n${section}`);
    assert.equal((await stack.ok('GET', '/v1/assistants/clerk/prompt')).prompt, plain);
    assert.equal((await stack.ok('GET', `/v1/assistants/${other.id}/prompt?user=ada`)).prompt, 'Be brief.');
    await refused(stack, 'GET', '/v1/assistants/clerk/prompt?user=a%0ab', undefined, 400, 'user', 'invalid_value');

    const tenant = stack.tenant('other');
    const theirs = await tenant.assistant({ instructions: 'Theirs.', user_memory: true });
    assert.equal((await tenant.ok('GET', `/v1/assistants/${theirs.id}/prompt?user=ada`)).prompt, 'Theirs.');
  });
});

test('what a run was told is frozen when it is made', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ instructions: '', user_memory: true });
    await stack.ok('PUT', at('ada', 'city'), { value: 'Rome' });
    const run = await stack.submit(agent, 'slow', { user: 'ada' });
    await until('the first call is made', async () => (await stack.llmStats()).in_flight > 0);
    await stack.ok('PUT', at('ada', 'city'), { value: 'Oslo' });
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.deepEqual(stack.ledger().map(systemOf), ['# User Memory\n- city: Rome', '# User Memory\n- city: Rome']);
    assert.equal((await stack.run(run)).memory, '# User Memory\n- city: Rome');
    assert.equal(await told(stack, agent, { user: 'ada' }), '# User Memory\n- city: Oslo');
    const updated = await stack.ok('POST', `/v1/assistants/${agent.id}`, { user_memory: false });
    assert.deepEqual([updated.user_memory, updated.version], [false, 2]);
    assert.equal(await told(stack, agent, { user: 'ada' }), '');
  });
});

test('a prompt has 32 KiB of memory at most: what was updated last', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ instructions: '', user_memory: true });
    const line = 'x'.repeat(1000);
    await stack.ok('PUT', at('ada'), { memory: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`old${i}`, line])) });
    for (const key of ['new2', 'new1']) await stack.ok('PUT', at('ada', key), { value: line });
    const prompt = await told(stack, agent, { user: 'ada' });
    assert.ok(prompt.length <= 32768 && prompt.length > 31000, `${prompt.length}`);
    const lines = prompt.split('\n');
    assert.deepEqual(lines.slice(0, 3), ['# User Memory', `- new1: ${line}`, `- new2: ${line}`]);
    const shown = lines.length - 2;
    assert.equal(lines.at(-1), `(${52 - shown} entries that were updated longer ago are left out.)`);
  });
});

test('a template\'s time is that of the user\'s zone, where the run names none', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ instructions: '{{now}}', template: true });
    const zone = async (fields) => /(Z|[+-]\d\d:\d\d)$/.exec(await told(stack, agent, fields))[1];
    const utc = await zone({ user: 'ada' });
    await stack.ok('PUT', at('ada', 'timezone'), { value: 'Asia/Tokyo' });
    assert.equal(await zone({ user: 'ada' }), '+09:00');
    assert.equal(await zone({ user: 'ada', variables: { timezone: 'Asia/Kolkata' } }), '+05:30');
    assert.equal(await zone({ user: 'bob' }), utc);
    await stack.ok('PUT', `${at('ada', 'timezone')}?assistant_id=${agent.id}`, { value: 'Asia/Kathmandu' });
    assert.equal(await zone({ user: 'ada' }), '+05:45');
    for (const value of ['Mars/Base', 7, { a: 'Asia/Tokyo' }, '../../etc/passwd', 'x'.repeat(1000)]) {
      await stack.ok('PUT', `${at('ada', 'timezone')}?assistant_id=${agent.id}`, { value });
      assert.equal(await zone({ user: 'ada' }), utc, JSON.stringify(value).slice(0, 40));
    }
    const both = await stack.assistant({ instructions: '{{now}}', template: true, user_memory: true });
    assert.match(await told(stack, both, { user: 'ada' }), /\+09:00\n\n# User Memory\n- timezone: Asia\/Tokyo$/);
  });
});

test('a user is deleted with all that is known of him, and nobody else', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ slug: 'own' });
    const tenant = stack.tenant('other');
    await stack.ok('PUT', at('ada'), { memory: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i])) });
    await stack.ok('PUT', `${at('ada')}?assistant_id=${agent.id}`, { memory: { a: 1, b: 2 } });
    await stack.ok('PUT', at('ada2', 'a'), { value: 1 });
    await tenant.ok('PUT', at('ada', 'a'), { value: 1 });
    const nothing = { memory: 0, memories: 0, schedules: 0, threads: 0, messages: 0, runs: 0, steps: 0, tool_calls: 0, usage: 0, budgets: 0, vectors: 0 };
    const receipt = (removed) => ({ object: 'user.deleted', user_id: 'ada', deleted: true, removed: { ...nothing, ...removed } });
    assert.deepEqual(await stack.ok('DELETE', '/v1/users/ada'), receipt({ memory: 502 }));
    assert.deepEqual(await stack.ok('DELETE', '/v1/users/ada'), receipt({}));
    assert.deepEqual((await stack.ok('GET', at('ada'))).data, []);
    assert.equal(stack.sql('SELECT count(*) FROM user_memory')[0].count, 2);
  });
});

test('threads and runs of a user go with him, an active one included', async () => {
  await withStack(options, async (stack) => {
    const agent = await stack.assistant({ user_memory: true });
    const hello = (user) => ({ user_id: user, messages: [{ role: 'user', content: 'hello' }] });
    await stack.ok('PUT', at('ada', 'city'), { value: 'Rome' });
    const done = await stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: agent.id, thread: hello('ada') }));
    assert.match(done.memory, /Rome/, 'the owner of the thread is who asks');
    const bobs = await stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: agent.id, thread: hello('bob') }));
    const elsewhere = await stack.finished(await stack.ok('POST', `/v1/threads/${bobs.thread_id}/runs`, { assistant_id: agent.id, user: 'ada' }));
    assert.match(elsewhere.memory, /Rome/);
    const slow = { user_id: 'ada', messages: [{ role: 'user', content: 'slow' }] };
    const active = await stack.ok('POST', '/v1/threads/runs', { assistant_id: agent.id, thread: slow });
    await until('the first call is made', async () => (await stack.llmStats()).in_flight > 0);
    const { deleted, removed } = await stack.ok('DELETE', '/v1/users/ada');
    assert.deepEqual([deleted, removed.memory, removed.threads, removed.runs], [true, 1, 2, 3]);
    assert.ok(removed.messages >= 3 && removed.steps >= 2, JSON.stringify(removed));
    for (const path of [`threads/${done.thread_id}`, `threads/${active.thread_id}/runs/${active.id}`, `runs/${done.id}`, `runs/${elsewhere.id}`])
      assert.equal((await stack.call('GET', `/v1/${path}`)).status, 404, path);
    assert.equal((await stack.ok('GET', `/v1/runs/${bobs.id}`)).status, 'completed');
    const [worker] = stack.workers;
    await until('the worker lets go of the active one', async () => (await stack.busy(worker)) === 0);
    for (const table of ['threads', 'runs', 'usage_by_hour']) assert.equal(stack.sql(`SELECT count(*) FROM ${table} WHERE user_id = 'ada'`)[0].count, 0, table);
    assert.ok(stack.sql('SELECT sum(calls) AS calls FROM usage_by_hour')[0].calls >= 3, 'sums stay');
    const again = await stack.ok('POST', `/v1/threads/${bobs.thread_id}/runs`, { assistant_id: agent.id });
    assert.equal((await stack.finished(again)).status, 'completed', 'the thread of another one goes on');
  });
});

test('no row of any table has the name of a user that was deleted', async () => {
  await withStack(options, async (stack) => {
    const name = 'Ädä "of" \\ Rome/7';
    const agent = await stack.assistant({ user_memory: true, slug: 'own' });
    const tables = stack.sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").map((row) => row.relname);
    const naming = () => tables.filter((table) => stack.sql(`SELECT count(*) FROM ${table} t WHERE strpos(t::text, 'Rome/7') > 0`)[0].count > 0);
    const thread = { user_id: name, messages: [{ role: 'user', content: 'hello' }] };
    await stack.ok('PUT', at(name, 'city'), { value: 'Rome' });
    await stack.ok('POST', '/v1/threads', thread);
    await stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: 'own', thread }));
    const bobs = await stack.ok('POST', '/v1/threads', { user_id: 'bob', messages: [{ role: 'user', content: 'hello' }] });
    await stack.finished(await stack.ok('POST', `/v1/threads/${bobs.id}/runs`, { assistant_id: agent.id, user: name }));
    for (const table of ['runs', 'threads', 'user_memory']) assert.ok(naming().includes(table), `${table}: ${naming()}`);
    assert.equal((await stack.ok('DELETE', `/v1/users/${encodeURIComponent(name)}`)).deleted, true);
    assert.deepEqual(naming(), []);
    assert.deepEqual(crooked(stack), straight);
  });
});

test('a user of many threads is deleted while others work, and again after a crash', async () => {
  await withStack(options, async (stack) => {
    const many = 2000;
    stack.exec(`INSERT INTO threads (id, tenant_id, user_id) SELECT gen_random_uuid(), t.id, 'ada' FROM tenants t, generate_series(1, ${many}) WHERE t.name = 'test'`);
    const left = () => stack.sql("SELECT count(*) FROM threads WHERE user_id = 'ada'")[0].count;
    const assistant = await stack.assistant();
    const first = stack.call('DELETE', '/v1/users/ada').catch(() => null);
    await until('some are deleted', () => left() < many);
    assert.equal((await stack.finished(await stack.submit(assistant, 'hello'))).status, 'completed');
    await stack.scheduler.kill('SIGKILL');
    await first;
    await stack.startScheduler();
    let reply;
    await until('nothing is left', async () => {
      reply = await stack.call('DELETE', '/v1/users/ada');
      assert.deepEqual([reply.status, reply.body.deleted], left() === 0 ? [200, true] : [202, false]);
      return reply.body.deleted;
    }, 60000);
    assert.equal(left(), 0);
  });
});

test('the command line sets, shows and deletes what is known', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const agent = await stack.assistant({ name: 'clerk' });
    const users = (...args) => stack.command('users', ...args);
    assert.equal(users('memory', 'set', 'ada/b', 'the diet', 'vegan'), 'the diet: "vegan"\n');
    assert.equal(users('memory', 'set', 'ada/b', 'pets', '["cat", {"n": 1}]'), 'pets: ["cat",{"n":1}]\n');
    assert.equal(users('memory', 'set', 'ada/b', 'pets', 'null', '--agent', 'clerk'), 'pets: null\n');
    assert.equal(users('memory', 'get', 'ada/b', 'the diet'), '"vegan"\n');
    assert.equal(users('memory', 'get', 'ada/b', 'pets', '--agent', 'clerk'), 'null\n');
    assert.equal((await stack.ok('GET', `${at('ada/b', 'pets')}?assistant_id=${agent.id}`)).value, null);
    await stack.ok('PUT', at('many'), { memory: Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`key ${i}`, i])) });
    assert.equal(users('memory', 'list', 'many').split('\n').length, 251);
    assert.equal(users('memory', 'list', 'ada/b'), 'pets: ["cat",{"n":1}]\nthe diet: "vegan"\n');
    assert.equal(users('memory', 'delete', 'ada/b', 'pets'), 'removed 1\n');
    assert.equal(users('memory', 'delete', 'ada/b', 'pets'), 'removed 0\n');
    assert.equal(users('memory', 'delete', 'ada/b'), 'removed 1\n');
    assert.equal(users('delete', 'ada/b'), 'removed 1 memory\n');
    assert.equal(users('delete', 'many'), 'removed 250 memory\n');
    assert.equal(users('delete', 'many'), 'removed nothing\n');
  });
});
