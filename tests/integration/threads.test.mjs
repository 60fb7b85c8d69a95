// Threads with owners: whose they are, which is the active one, their state, lists, limits, and what they count.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crooked, straight } from '../lib/counters.mjs';
import { freePort, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool.1}}.'}
  - {name: long, when: {user: '^long'}, then: {text: '${'word '.repeat(400)}'}}
  - {name: fails, when: {user: '^fail'}, then: {status: 400, body: '{"error":{"message":"no"}}'}}
  - {name: any, then: {text: 'So.'}}
`;

const uuid = (id) => id.slice(id.indexOf('_') + 1);
const refusal = ({ status, body }) => [status, body.error?.code ?? null, body.error?.param ?? null];

test('a thread has an owner, a title of its first message, and one of an agent and a user is active', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'desk' });
    const thread = await stack.ok('POST', '/v1/threads', { assistant_id: 'desk', user_id: 'ann@example.com', active: true });
    assert.deepEqual([thread.assistant_id, thread.user_id, thread.active, thread.title, thread.archived_at], [assistant.id, 'ann@example.com', true, null, null]);
    await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: '  How   do I\n\nreturn a parcel that was opened already, and who pays for what it costs to send it?' });
    const titled = await stack.ok('GET', `/v1/threads/${thread.id}`);
    assert.equal(titled.title, 'How do I return a parcel that was opened already, and who pays for what it…');
    assert.deepEqual([titled.message_count, titled.total_bytes > 80, titled.token_count > 10], [1, true, true]);

    const second = await stack.call('POST', '/v1/threads', { assistant_id: assistant.id, user_id: 'ann@example.com', active: true });
    assert.deepEqual(refusal(second), [409, 'thread_active_exists', 'active']);
    assert.equal(second.headers.get('x-should-retry'), 'false', 'SDKs try a 409 again else');
    assert.ok(second.body.error.message.includes(thread.id), second.body.error.message);
    const with_run = await stack.call('POST', '/v1/threads/runs', { assistant_id: 'desk', user: 'ann@example.com', thread: { active: true, messages: [{ role: 'user', content: 'x' }] } });
    assert.deepEqual(refusal(with_run), [409, 'thread_active_exists', 'active']);
    const idle = await stack.ok('POST', '/v1/threads', { assistant_id: 'desk', user_id: 'ann@example.com' });
    const turned = await stack.call('POST', `/v1/threads/${idle.id}`, { active: true });
    assert.deepEqual(refusal(turned), [409, 'thread_active_exists', 'active']);
    assert.equal((await stack.ok('POST', `/v1/threads/${thread.id}/archive`)).active, false);
    assert.equal((await stack.ok('POST', `/v1/threads/${idle.id}`, { active: true })).active, true);
    const restored = await stack.ok('POST', `/v1/threads/${thread.id}/restore`);
    assert.deepEqual([restored.active, restored.archived_at], [false, null]);

    for (const [body, status, code, param] of [
      [{ active: true }, 400, 'invalid_value', 'active'],
      [{ active: true, user_id: 'bob' }, 400, 'invalid_value', 'active'],
      [{ assistant_id: 'nobody' }, 404, null, null],
      [{ assistant_id: 'asst_00000000000000000000000000000000' }, 404, null, null],
      [{ user_id: '' }, 400, 'string_below_min_length', 'user_id'],
      [{ user_id: 'a\u0007' }, 400, 'invalid_value', 'user_id'],
      [{ user_id: 'u'.repeat(257) }, 400, 'string_above_max_length', 'user_id'],
      [{ agent_state: { a: 'x'.repeat(65536) } }, 400, 'invalid_value', 'agent_state'],
      [{ agent_state: [] }, 400, 'invalid_type', 'agent_state'],
    ])
      assert.deepEqual(refusal(await stack.call('POST', '/v1/threads', body)), [status, code, param], JSON.stringify(body).slice(0, 80));
    assert.deepEqual(refusal(await stack.call('POST', `/v1/threads/${idle.id}`, { user_id: null })), [400, 'invalid_value', 'active']);

    // A run asks in somebody's name, and its new thread is theirs.
    const run = await stack.finished(await stack.submit(assistant, 'sum', { user: 'bob' }));
    const owned = await stack.ok('GET', `/v1/threads/${run.thread_id}`);
    assert.deepEqual([run.user, owned.user_id, owned.assistant_id, owned.title, owned.active], ['bob', 'bob', assistant.id, 'sum', false]);
    const next = await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: 'desk', input: 'sum' }));
    assert.equal(next.user, 'bob', 'the owner, where nobody is named');
    assert.deepEqual([next.iterations, next.tools_used], [2, ['calculator']]);
    for (const member of ['queue_ms', 'latency_ms', 'first_token_ms']) assert.ok(next[member] >= 0 && next[member] < 20000, `${member}: ${next[member]}`);
    assert.ok(next.queue_ms <= next.latency_ms && next.first_token_ms <= next.latency_ms + 1);
    const answer = (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?limit=1`)).data[0];
    assert.deepEqual([next.read_until, answer.token_count > 0, answer.pending], [answer.id, true, null]);
    const whole = (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?hidden=true&order=asc`)).data;
    assert.deepEqual(whole.map((m) => [m.role, m.tool_name, m.tool_calls?.length ?? 0]).slice(0, 4),
      [['user', null, 0], ['assistant', null, 1], ['tool', 'calculator', 0], ['assistant', null, 0]]);
    const hours = stack.sql(`SELECT user_id, sum(calls) AS calls FROM usage_by_hour GROUP BY 1`);
    assert.deepEqual(hours, [{ user_id: 'bob', calls: 4 }]);

    // A template is filled with who asks.
    const greeter = await stack.assistant({ template: true, instructions: 'You talk to {{user}}.' });
    await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: greeter.id, input: 'x' }));
    assert.match(JSON.parse(JSON.stringify(await stack.ok('GET', `/v1/threads/${run.thread_id}/runs?limit=1`))).data[0].instructions, /^You talk to bob\.$/);
    assert.deepEqual(refusal(await stack.call('POST', '/v1/threads/runs', { assistant_id: greeter.id, thread: { messages: [{ role: 'user', content: 'x' }] } })), [400, 'missing_variable', 'user']);
    assert.deepEqual(crooked(stack), straight);
  });
});

/** A second scheduler on the same database: its address. */
async function another(stack) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await stack.ready(stack.program('penstock-scheduler', ['--port', String(port)], {}), `${url}/readyz`);
  return url;
}

test('a run on the active thread goes on with the conversation, which begins where there is none', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'desk', name: 'The desk' });
    const say = (user, input, more = {}, headers) => stack.call('POST', '/v1/assistants/desk/run', { input, user, thread: 'active', ...more }, headers);
    const answered = async (reply) => (assert.equal(reply.status, 200, JSON.stringify(reply.body)), stack.finished(reply.body));
    const first = await answered(await say('ann', 'My parcel is lost.'));
    const thread = await stack.ok('GET', `/v1/threads/${first.thread_id}`);
    assert.deepEqual([thread.active, thread.user_id, thread.assistant_id, thread.title], [true, 'ann', assistant.id, 'My parcel is lost.']);
    const keyed = await say('ann', 'It is blue.', {}, { 'idempotency-key': 'blue' });
    assert.equal((await answered(keyed)).thread_id, thread.id);
    const bobs = await answered(await say('bob', 'Hello.'));
    assert.notEqual(bobs.thread_id, thread.id);
    const list = (await stack.ok('GET', `/v1/threads/${thread.id}/messages?order=asc`)).data;
    assert.deepEqual(list.map((m) => [m.role, m.content[0].text.value]),
      [['user', 'My parcel is lost.'], ['assistant', 'So.'], ['user', 'It is blue.'], ['assistant', 'So.']]);

    for (const agent of ['desk', 'The desk', assistant.id])
      assert.match(stack.command('threads', 'list', '--active', '--user', 'ann', '--agent', agent), new RegExp(`^THREAD .*\\n${thread.id} .*The desk .*parcel is lost\\.\\n$`));

    // Another one, when it was put away; a request that is sent again is the run that it made.
    await stack.ok('POST', `/v1/threads/${thread.id}/archive`);
    const next = await answered(await say('ann', 'sum'));
    assert.notEqual(next.thread_id, thread.id);
    assert.deepEqual((await say('ann', 'It is blue.', {}, { 'idempotency-key': 'blue' })).body.id, keyed.body.id);
    stack.exec(`UPDATE idempotency_keys SET response = NULL`);
    assert.deepEqual((await say('ann', 'It is blue.', {}, { 'idempotency-key': 'blue' })).body.id, keyed.body.id);
    assert.equal((await stack.ok('GET', `/v1/threads/${next.thread_id}`)).message_count, 4, 'nothing of it came here');
    const other = stack.tenant('other');
    await other.assistant({ slug: 'desk' });
    assert.notEqual((await other.ok('POST', '/v1/assistants/desk/run', { input: 'x', user: 'ann', thread: 'active' })).thread_id, next.thread_id);

    const fresh = await answered(await say('ann', 'sum', { thread: 'new' }));
    assert.deepEqual([fresh.thread_id === next.thread_id, (await stack.ok('GET', `/v1/threads/${fresh.thread_id}`)).active], [false, false]);
    for (const [body, param, code] of [
      [{ user: null }, 'user', 'missing_required_parameter'],
      [{ thread_id: next.thread_id }, 'thread', 'invalid_value'],
      [{ thread: 'old' }, 'thread', 'invalid_value'],
      [{ thread: '' }, 'thread', 'invalid_value'],
      [{ thread: {} }, 'thread', 'invalid_type'],
    ])
      assert.deepEqual(refusal(await say('ann', 'x', body)), [400, code, param], JSON.stringify(body));
    assert.deepEqual(crooked(stack), straight);
  });
});

test('of runs that begin a conversation at once, at two schedulers, all are on one thread', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'desk' });
    const urls = [stack.url, await another(stack)];
    const say = async (user, n, more) => {
      const reply = await fetch(`${urls[n % 2]}/v1/assistants/desk/run`, {
        method: 'POST',
        headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ input: `${n}`, user, thread: 'active', ...more }),
      });
      return { status: reply.status, body: await reply.json() };
    };
    const threads = (user) => stack.sql(`SELECT id, active FROM threads WHERE user_id = '${user}'`);
    const users = Array.from({ length: 25 }, (_, i) => `user ${i}`);
    const queued = await Promise.all(users.flatMap((user) => [0, 1, 2, 3].map((n) => say(user, n, { multitask_strategy: 'enqueue' }))));
    assert.deepEqual([...new Set(queued.map((reply) => reply.status))], [200], JSON.stringify(queued.find((reply) => reply.status !== 200)?.body));
    for (const { body } of queued) assert.equal((await stack.finished(body)).status, 'completed');
    for (const user of users) {
      assert.deepEqual(threads(user).map((thread) => thread.active), [true], user);
      const [{ id }] = threads(user);
      const said = (await stack.ok('GET', `/v1/threads/thread_${id.replaceAll('-', '')}/messages`)).data.filter((m) => m.role === 'user').map((m) => m.content[0].text.value);
      assert.deepEqual(said.sort(), ['0', '1', '2', '3'], user);
    }

    // Without a strategy those that come second are refused, as on any thread that is busy.
    const refused = await Promise.all(users.flatMap((user) => [0, 1].map((n) => say(`${user} too`, n))));
    for (const { status, body } of refused) assert.ok(status === 200 || (status === 400 && /already has an active run/.test(body.error.message)), JSON.stringify(body));
    for (const user of users) assert.equal(threads(`${user} too`).length, 1, user);

    // Or the thread is put away and deleted all the time.
    let going = true;
    const away = (async () => {
      for (let i = 0; going; i++) {
        const [thread] = (await stack.ok('GET', '/v1/threads?user_id=cat&active=true')).data;
        if (thread) await stack.call(...(i % 2 ? ['DELETE', `/v1/threads/${thread.id}`] : ['POST', `/v1/threads/${thread.id}/archive`]));
      }
    })();
    const loose = await Promise.all(Array.from({ length: 60 }, (_, n) => say('cat', n, { multitask_strategy: 'enqueue' })));
    going = false;
    await away;
    for (const { status, body } of loose) assert.ok(status === 200 || (status === 503 && /Please try again/.test(body.error.message)), `${status} ${JSON.stringify(body)}`);
    assert.ok(loose.filter((reply) => reply.status === 200).length > 30);
    assert.ok(threads('cat').filter((thread) => thread.active).length <= 1);
    assert.equal(assistant.slug, 'desk');
  });
});

test('agent_state has a version, and If-Match replaces no other one', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const thread = await stack.ok('POST', '/v1/threads', { agent_state: { step: 1 } });
    assert.deepEqual([thread.agent_state, thread.agent_state_version], [{ step: 1 }, 0]);
    const path = `/v1/threads/${thread.id}`;
    const set = (agent_state, match) => stack.call('POST', path, { agent_state }, match === undefined ? {} : { 'if-match': match });
    assert.equal((await set({ step: 2 }, '"0"')).body.agent_state_version, 1);
    const late = await set({ step: 3 }, '0');
    assert.deepEqual(refusal(late), [412, 'agent_state_changed', 'If-Match']);
    assert.match(late.body.error.message, /version 1 now, not 0/);
    assert.deepEqual((await stack.ok('GET', path)).agent_state, { step: 2 });
    assert.deepEqual(refusal(await set({ step: 3 }, 'x')), [400, 'invalid_value', 'If-Match']);
    const both = await Promise.all([set({ by: 'a' }, '1'), set({ by: 'b' }, '1')]);
    assert.deepEqual(both.map((reply) => reply.status).sort(), [200, 412], 'of two at once one wins');
    assert.equal((await stack.ok('POST', path, { title: 'x' })).agent_state_version, 2, 'only agent_state has it');
    const none = await set(null, '*');
    assert.deepEqual([none.body.agent_state, none.body.agent_state_version], [null, 3]);
    const other = stack.tenant('other');
    assert.equal((await other.call('POST', path, { agent_state: {} })).status, 404);
  });
});

test('10,000 threads of 50 users and 5 agents: every filter and order pages exactly', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const agents = [];
    for (let i = 0; i < 5; i++) agents.push(await stack.assistant({ slug: `agent-${i}` }));
    const tenant = stack.sql(`SELECT id FROM tenants WHERE name = 'test'`)[0].id;
    stack.exec(`
      INSERT INTO threads (id, tenant_id, user_id, agent_id, metadata, archived_at, created_at, last_used_at, used_hour)
      SELECT md5('thread' || n)::uuid, '${tenant}', 'user ' || n % 50, (ARRAY['${agents.map((a) => uuid(a.id)).join("','")}']::uuid[])[1 + n % 5],
        CASE WHEN n % 7 = 0 THEN jsonb_build_object('project', 'p' || n % 3, 'n', n::text) ELSE '{}' END,
        CASE WHEN n % 10 = 3 THEN now() END, now(), used.at, floor(date_part('epoch', used.at) / 3600)
      FROM generate_series(1, 10000) n, LATERAL (SELECT now() - (hashint4(n) & 1048575) * interval '1 s' AS at) used;
      INSERT INTO threads (id, tenant_id, user_id, metadata) SELECT gen_random_uuid(), gen_random_uuid(), 'user ' || n % 50, '{"project":"p1"}' FROM generate_series(1, 1000) n;
      ANALYZE threads`);
    stack.exec(`UPDATE threads SET active = true WHERE id IN (
      SELECT DISTINCT ON (user_id, agent_id) id FROM threads WHERE tenant_id = '${tenant}' AND archived_at IS NULL AND agent_id IS NOT NULL ORDER BY user_id, agent_id, id)`);
    const pages = async (query) => {
      const ids = [];
      for (let after = ''; ;) {
        const page = await stack.ok('GET', `/v1/threads?limit=100&${query}${after}`);
        ids.push(...page.data.map((thread) => uuid(thread.id)));
        if (!page.has_more) return ids;
        after = `&after=${page.last_id}`;
      }
    };
    const expected = (where, order) =>
      stack.sql(`SELECT replace(id::text, '-', '') AS id FROM threads WHERE tenant_id = '${tenant}' AND ${where} ORDER BY ${order}`).map((row) => row.id);
    const cases = [
      ['user_id=user%207', `user_id = 'user 7' AND archived_at IS NULL`],
      ['assistant_id=agent-2', `agent_id = '${uuid(agents[2].id)}' AND archived_at IS NULL`],
      [`user_id=user%2012&assistant_id=${agents[2].id}`, `user_id = 'user 12' AND agent_id = '${uuid(agents[2].id)}' AND archived_at IS NULL`],
      ['active=true', 'active'],
      ['active=false&archived=all', 'NOT active'],
      [`active=true&user_id=user%2012&assistant_id=${agents[2].id}`, `active AND user_id = 'user 12' AND agent_id = '${uuid(agents[2].id)}'`],
      ['active=true&metadata[project]=p1', `active AND metadata @> '{"project":"p1"}'`],
      ['archived=true', 'archived_at IS NOT NULL'],
      ['archived=all&user_id=user%203', `user_id = 'user 3'`],
      ['metadata[project]=p1', `metadata @> '{"project":"p1"}' AND archived_at IS NULL`],
      ['metadata%5Bproject%5D=p0&metadata[n]=21', `metadata @> '{"project":"p0","n":"21"}' AND archived_at IS NULL`],
      ['metadata[project]=p2&user_id=user%209&archived=all', `metadata @> '{"project":"p2"}' AND user_id = 'user 9'`],
      ['metadata[none]=x', 'false'],
    ];
    for (const [query, where] of cases)
      for (const [by, column] of [['created_at', 'id'], ['last_used_at', 'used_hour $, last_used_at $, id']])
        for (const order of ['asc', 'desc'])
          assert.deepEqual(await pages(`${query}&order_by=${by}&order=${order}`), expected(where, `${column.replaceAll('$', order)} ${order}`), `${query} ${by} ${order}`);
    const all = await pages('order_by=last_used_at&archived=all');
    assert.deepEqual(all, expected('true', 'last_used_at DESC, id DESC'));
    assert.equal(all.length, 10000);
    const before = await stack.ok('GET', `/v1/threads?order_by=last_used_at&archived=all&limit=3&before=thread_${all[10]}`);
    assert.deepEqual(before.data.map((thread) => uuid(thread.id)), all.slice(7, 10), 'a page before');
    for (const [query, param] of [['archived=maybe', 'archived'], ['active=', 'active'], ['order_by=size', 'order_by'], ['usr_id=x', 'usr_id'], ['metadata=x', 'metadata']])
      assert.deepEqual([(await stack.call('GET', `/v1/threads?${query}`)).status, (await stack.call('GET', `/v1/threads?${query}`)).body.error.param], [400, param], query);
    assert.equal((await stack.call('GET', '/v1/threads?order_by=last_used_at&after=thread_00000000000000000000000000000001')).status, 400);
  });
});

test('a list whose filter is not text, or names nobody, is refused', async () => {
  await withStack({ script }, async (stack) => {
    await stack.ok('POST', '/v1/threads', { user_id: 'ann', metadata: { a: 'b' } });
    for (const query of ['metadata[a]=%ff', 'metadata[%ff]=b', 'user_id=%c3%28', 'assistant_id=%ff'])
      assert.deepEqual(refusal(await stack.call('GET', `/v1/threads?${query}`)), [400, 'invalid_value', null], query);
    assert.deepEqual(refusal(await stack.call('GET', '/v1/threads?user_id=')), [400, 'invalid_value', 'user_id'], 'not those of everybody');
    assert.equal((await stack.ok('GET', '/v1/threads?metadata[a]=b&user_id=ann')).data.length, 1);
  });
});

test('limits of a thread and of a user refuse what would cross them, and end a run that would', async () => {
  const config = 'threads: {max_bytes: 3000, user_max_bytes: 5000}\n';
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant();
    const size = async (thread) => (await stack.ok('GET', `/v1/threads/${thread}`)).total_bytes;
    const say = (thread, content, more = {}) => stack.call('POST', `/v1/threads/${thread}/messages`, { role: 'user', content, ...more });
    const thread = await stack.ok('POST', '/v1/threads', { user_id: 'ann', messages: [{ role: 'user', content: 'x'.repeat(2500) }] });
    assert.deepEqual(refusal(await say(thread.id, 'y'.repeat(500))), [400, 'thread_too_large', null]);
    assert.equal((await stack.ok('GET', `/v1/threads/${thread.id}`)).message_count, 1);
    assert.deepEqual(refusal(await stack.call('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: 'y'.repeat(500) })), [400, 'thread_too_large', null]);
    assert.deepEqual(refusal(await stack.call('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: 'y'.repeat(500), multitask_strategy: 'enqueue' })), [400, 'thread_too_large', null]);
    assert.deepEqual(refusal(await stack.call('POST', '/v1/threads', { messages: [{ role: 'user', content: 'x'.repeat(3000) }] })), [400, 'thread_too_large', null]);
    assert.deepEqual(refusal(await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'x'.repeat(3000) }] } })), [400, 'thread_too_large', null]);

    const ended = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: 'long' }));
    assert.deepEqual([ended.status, ended.incomplete_details], ['incomplete', { reason: 'thread_size' }]);
    assert.ok(ended.usage.completion_tokens > 0, 'what it cost is counted');
    assert.ok((await size(thread.id)) <= 3000, 'nothing was written');
    const short = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: 'hi' }));
    assert.equal(short.status, 'completed');

    const second = await stack.ok('POST', '/v1/threads', { user_id: 'ann', messages: [{ role: 'user', content: 'x'.repeat(1800) }] });
    for (const [what, reply] of [
      ['message', await say(second.id, 'y'.repeat(800))],
      ['thread', await stack.call('POST', '/v1/threads', { user_id: 'ann', messages: [{ role: 'user', content: 'y'.repeat(800) }] })],
      ['fork', await stack.call('POST', `/v1/threads/${second.id}/fork`, {})],
      ['run', await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, user: 'ann', thread: { messages: [{ role: 'user', content: 'y'.repeat(800) }] } })],
    ])
      assert.deepEqual(refusal(reply), [400, 'user_quota_exceeded', null], what);
    const foreign = await stack.ok('POST', '/v1/threads', { messages: [{ role: 'user', content: 'y'.repeat(800) }] });
    assert.deepEqual(refusal(await stack.call('POST', `/v1/threads/${foreign.id}`, { user_id: 'ann' })), [400, 'user_quota_exceeded', null], 'given to her');
    assert.equal((await stack.ok('GET', `/v1/threads/${foreign.id}`)).user_id, null);
    await stack.ok('POST', `/v1/threads/${foreign.id}`, { user_id: 'bob' });

    await stack.ok('DELETE', `/v1/threads/${thread.id}`);
    assert.equal((await say(second.id, 'y'.repeat(800))).status, 200, 'there is room again');
    const last = (await stack.ok('GET', `/v1/threads/${second.id}/messages?limit=1`)).data[0];
    const before = await size(second.id);
    await stack.ok('DELETE', `/v1/threads/${second.id}/messages/${last.id}`);
    assert.ok((await size(second.id)) < before - 800);
    assert.deepEqual(crooked(stack), straight);
    await until('folded', () => stack.sql('SELECT count(*) FROM user_deltas')[0].count === 0, 60000); // each 15 s, spread by a quarter
    assert.deepEqual(crooked(stack), straight);
  });
});
