// Agents with a character: the system prompt that their parts make, slugs, templates, what they are told when nobody speaks.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: slow, when: {user: '^slow'}, steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}], delay_ms: 1500}, {text: 'Done.'}]}
  - {name: any, then: {text: 'Hello.'}}
`;

const parts = {
  role: ['You are a clerk.', '# Role\nYou are a clerk.'],
  goal: ['Answer.\nWell.', '# Goal\nAnswer.\nWell.'],
  constraints: [['Never guess.', 'Be "brief".'], '# Constraints\n- Never guess.\n- Be "brief".'],
  personality: [{ tone: 'calm', style: 'short sentences' }, '# Communication Style\nTone: calm\nStyle: short sentences'],
  examples: [
    [{ user: 'Hi', assistant: 'Hello.' }, { user: 'Grüß Gott', assistant: 'See {{you}}.' }],
    '# Example Interactions\nUser: Hi\nAssistant: Hello.\n\nUser: Grüß Gott\nAssistant: See {{you}}.',
  ],
  instructions: ['Use {braces} and {{more}}.', 'Use {braces} and {{more}}.'],
};

const systemOf = (line) => JSON.parse(line.request).messages.find((message) => message.role === 'system')?.content;

async function ran(stack, assistant, fields) {
  const run = await stack.finished(await stack.submit(assistant, 'hello', fields));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  return run;
}

test('parts make the system prompt, byte for byte, whichever there are', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const names = Object.keys(parts);
    for (let subset = 0; subset < 1 << names.length; subset++) {
      const chosen = names.filter((_, i) => subset & (1 << i));
      const assistant = await stack.ok('POST', '/v1/assistants', { model: 'openai/m', ...Object.fromEntries(chosen.map((name) => [name, parts[name][0]])) });
      for (const name of chosen) assert.deepEqual(assistant[name], parts[name][0]);
      const prompt = chosen.map((name) => parts[name][1]).join('\n\n');
      await ran(stack, assistant);
      assert.equal(systemOf(await stack.lastCall()) ?? '', prompt, chosen.join(', '));
      const shown = await stack.ok('GET', `/v1/assistants/${assistant.id}/prompt`);
      assert.equal(shown.prompt, prompt);
      assert.equal(shown.tokens > 0, prompt.length > 0);
    }
  });
});

test('an update during a run leaves that run\'s prompt alone; a run says other instructions, and keeps the parts', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ role: 'First.', instructions: 'Old.' });
    const run = await stack.submit(assistant, 'slow');
    await until('the first call is under way', async () => (await stack.llmStats()).in_flight === 1);
    const updated = await stack.ok('POST', `/v1/assistants/${assistant.id}`, { role: 'Second.', goal: 'Other.' });
    assert.equal(updated.version, 2);
    assert.ok(updated.updated_at >= assistant.updated_at);
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.deepEqual(stack.ledger().map(systemOf), ['# Role\nFirst.\n\nOld.', '# Role\nFirst.\n\nOld.']);
    const own = { assistant_id: assistant.id, instructions: 'Mine.', additional_instructions: 'And more.' };
    await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, own));
    assert.equal(systemOf(await stack.lastCall()), '# Role\nSecond.\n\n# Goal\nOther.\n\nMine.\n\nAnd more.');
    const first = await stack.ok('GET', `/v1/assistants/${assistant.id}/versions/1`);
    assert.deepEqual([first.role, first.goal], ['First.', null]);
  });
});

test('a slug stands for the id, is there once in a tenant, and says who made it', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'support-berlin', config: { ours: [1, null] } });
    assert.match(assistant.created_by, /^key_/);
    assert.deepEqual(assistant.config, { ours: [1, null] });
    assert.equal((await stack.ok('GET', '/v1/assistants/support-berlin')).id, assistant.id);
    assert.equal((await ran(stack, { id: 'support-berlin' })).assistant_id, assistant.id);

    const taken = await stack.call('POST', '/v1/assistants', { model: 'openai/m', slug: 'support-berlin' });
    assert.deepEqual([taken.status, taken.body.error.code, taken.body.error.param], [409, 'slug_taken', 'slug']);
    assert.equal(taken.headers.get('x-should-retry'), 'false', 'SDKs try a 409 again else');
    assert.ok(taken.body.error.message.includes(assistant.id), taken.body.error.message);
    const other = await stack.assistant({ name: 'other' });
    const again = await stack.call('POST', `/v1/assistants/${other.id}`, { slug: 'support-berlin' });
    assert.deepEqual([again.status, again.body.error.code], [409, 'slug_taken']);
    assert.equal((await stack.ok('GET', `/v1/assistants/${other.id}`)).version, 1);
    for (const slug of ['Asst', 'asst_1', '-a', '']) {
      const refused = await stack.call('POST', '/v1/assistants', { model: 'openai/m', slug });
      assert.deepEqual([refused.status, refused.body.error.param], [400, 'slug'], slug);
    }

    // It goes from one to another, and this scheduler has both in its cache.
    await stack.ok('POST', `/v1/assistants/${assistant.id}`, { slug: null });
    assert.equal((await stack.call('POST', '/v1/threads/runs', { assistant_id: 'support-berlin' })).status, 404);
    await stack.ok('POST', `/v1/assistants/${other.id}`, { slug: 'support-berlin' });
    assert.equal((await ran(stack, { id: 'support-berlin' })).assistant_id, other.id);
    await stack.ok('DELETE', '/v1/assistants/support-berlin');
    assert.equal((await stack.call('GET', '/v1/assistants/support-berlin')).status, 404);
    await stack.ok('POST', `/v1/assistants/${assistant.id}`, { slug: 'support-berlin' });
    assert.equal((await ran(stack, { id: 'support-berlin' })).assistant_id, assistant.id);

    const runsOf = async (name) => (await stack.ok('GET', `/v1/runs?assistant_id=${name}`)).data.map((run) => run.assistant_id);
    assert.deepEqual(await runsOf('support-berlin'), [assistant.id, assistant.id]);
    assert.deepEqual(await runsOf(other.id), [other.id], 'the runs of one that was deleted, by its id');
    for (const name of ['nobody', 'asst_1']) assert.equal((await stack.call('GET', `/v1/runs?assistant_id=${name}`)).status, 404);

    const tenant = stack.tenant('other');
    assert.equal((await tenant.call('GET', '/v1/assistants/support-berlin')).status, 404);
    assert.equal((await tenant.assistant({ slug: 'support-berlin' })).slug, 'support-berlin');
  });
});

test('a slug that another scheduler gave away is found anew', async () => {
  await withStack({ script }, async (stack) => {
    const [first, second] = [await stack.assistant({ slug: 'one' }), await stack.assistant({ name: 'second' })];
    assert.equal((await ran(stack, { id: 'one' })).assistant_id, first.id);
    for (const [id, slug] of [[first.id, null], [second.id, 'one']]) {
      const uuid = id.slice('asst_'.length);
      stack.exec(`UPDATE agents SET version = version + 1, slug = ${slug ? `'${slug}'` : 'NULL'},
        spec = jsonb_set(spec::jsonb, '{slug}', '${JSON.stringify(slug)}')::json WHERE id = '${uuid}'`);
      stack.exec(`INSERT INTO agent_versions (agent_id, version, spec) SELECT id, version, spec FROM agents WHERE id = '${uuid}'`);
    }
    assert.equal((await ran(stack, { id: 'one' })).assistant_id, second.id);
    stack.exec(`UPDATE agents SET deleted_at = now() WHERE id = '${second.id.slice('asst_'.length)}'`);
    const gone = await stack.call('POST', '/v1/threads/runs', { assistant_id: 'one' });
    assert.equal(gone.status, 404, JSON.stringify(gone.body));
  });
});

test('a template is filled from the run\'s variables, once; other agents keep their braces', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ template: true, goal: 'Keep {{this}}.', instructions: 'For {{ name }}: {{n}}, {{yes}}, {"a": {}} at {{now}}.' });
    const variables = { name: 'Ada {{n}} "q"\n', n: 7, yes: true, timezone: 'Asia/Tokyo' };
    const run = await ran(stack, assistant, { variables });
    const system = systemOf(await stack.lastCall());
    assert.match(system, /^# Goal\nKeep \{\{this\}\}\.\n\nFor Ada \{\{n\}\} "q"\n: 7, true, \{"a": \{\}\} at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00\.$/);
    assert.deepEqual(run.variables, variables);
    assert.ok(run.instructions.startsWith('For Ada'));
    const missing = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, variables: { name: 'x', n: 1 } });
    assert.deepEqual([missing.status, missing.body.error.code, missing.body.error.param], [400, 'missing_variable', 'variables.yes']);
    const zone = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, variables: { ...variables, timezone: 'Mars/Base' } });
    assert.deepEqual([zone.status, zone.body.error.param], [400, 'variables.timezone']);
    await ran(stack, assistant, { instructions: 'Only {{n}}.', variables: { n: 3 } });
    assert.equal(systemOf(await stack.lastCall()), '# Goal\nKeep {{this}}.\n\nOnly 3.');
    assert.equal(stack.sql('SELECT count(*) FROM runs')[0].count, 2, 'what was refused left nothing');

    await ran(stack, await stack.assistant({ instructions: 'Say {{name}}.' }), { variables: { name: 'x' } });
    assert.equal(systemOf(await stack.lastCall()), 'Say {{name}}.');
  });
});

test('the command line gives variables, those of a line before those of its batch', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    await stack.assistant({ name: 'greeter', template: true, instructions: 'For {{name}}: {{n}}.' });
    const told = () => stack.ledger().map(systemOf).sort();
    assert.equal(stack.command('run', 'greeter', 'hello', '--variables', 'name=Ann = A', '--variables', '{"n": 2}'), 'Hello.\n');
    assert.deepEqual(told(), ['For Ann = A: 2.']);
    const file = join(stack.dir, 'prompts.jsonl');
    writeFileSync(file, '{"prompt": "a"}\n{"prompt": "b", "variables": {"name": "Bob"}}\n');
    stack.command('batch', 'run', file, '--agent', 'greeter', '--variables', '{"name": "Eve", "n": 3}');
    assert.deepEqual(told(), ['For Ann = A: 2.', 'For Bob: 3.', 'For Eve: 3.']);
  });
});

test('an agent is told its task when nobody speaks; one that is not active runs nothing', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ template: true, instructions: 'Watch.', task_instructions: 'Look at {{what}}.' });
    const run = await stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: assistant.id, variables: { what: 'the door' } }));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const messages = await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?order=asc`);
    assert.deepEqual(messages.data.map((message) => [message.role, message.content[0].text.value]), [['user', 'Look at the door.'], ['assistant', 'Hello.']]);
    await ran(stack, assistant); // who speaks needs no variable of the task
    assert.deepEqual(JSON.parse((await stack.lastCall()).request).messages.at(-1), { role: 'user', content: 'hello' });
    const missing = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id });
    assert.deepEqual([missing.status, missing.body.error.param], [400, 'variables.what']);

    await stack.ok('POST', `/v1/assistants/${assistant.id}`, { is_active: false });
    const refused = await stack.call('POST', '/v1/threads/runs', { assistant_id: assistant.id, variables: { what: 'x' } });
    assert.deepEqual([refused.status, refused.body.error.code], [400, 'assistant_inactive']);
    await stack.ok('POST', `/v1/assistants/${assistant.id}`, { is_active: null });
    await ran(stack, assistant);
  });
});

test('an agent is run on an input in one request', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'one', instructions: 'Hm.' });
    const said = async (path, body) => {
      const run = await stack.finished(await stack.ok('POST', path, body));
      assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
      assert.equal(run.assistant_id, assistant.id);
      return { run, messages: JSON.parse((await stack.lastCall()).request).messages };
    };
    const first = await said('/v1/assistants/one/run', { input: 'One?', metadata: { a: 'b' }, additional_instructions: 'So.' });
    assert.deepEqual(first.messages, [{ role: 'system', content: 'Hm.\n\nSo.' }, { role: 'user', content: 'One?' }]);
    assert.deepEqual(first.run.metadata, { a: 'b' });
    const thread_id = first.run.thread_id;
    const second = await said(`/v1/assistants/${assistant.id}/run`, { thread_id, input: 'Two?', temperature: 0 });
    assert.deepEqual(second.messages.slice(1).map((message) => message.content), ['One?', 'Hello.', 'Two?']);
    assert.equal(second.run.thread_id, thread_id);
    const third = await said(`/v1/threads/${thread_id}/runs`, { assistant_id: 'one', input: 'Three?' });
    assert.equal(third.messages.at(-1).content, 'Three?');
    const fourth = await said('/v1/threads/runs', { assistant_id: 'one', input: 'Four?' });
    assert.deepEqual(fourth.messages.slice(1), [{ role: 'user', content: 'Four?' }]);

    const key = { 'idempotency-key': 'once' };
    const twice = await Promise.all([0, 1].map(() => stack.call('POST', '/v1/assistants/one/run', { input: 'Again?' }, key)));
    assert.ok(twice.some((reply) => reply.status === 200));
    assert.equal((await stack.ok('POST', '/v1/assistants/one/run', { input: 'Again?' }, key)).id, twice.find((reply) => reply.status === 200).body.id);

    const runs = stack.sql('SELECT count(*) FROM runs')[0].count;
    for (const [path, body, status, param] of [
      ['/v1/assistants/one/run', { input: '' }, 400, 'input'],
      ['/v1/assistants/one/run', { input: 7 }, 400, 'input'],
      ['/v1/assistants/one/run', { input: 'x', assistant_id: 'one' }, 400, 'assistant_id'],
      ['/v1/assistants/one/run', { input: 'x', thread_id: 'x' }, 404, null],
      ['/v1/assistants/one/run', { input: 'x', thread_id: `thread_${'0'.repeat(32)}` }, 404, null],
      [`/v1/threads/thread_${'0'.repeat(32)}/runs`, { assistant_id: 'one' }, 404, null],
      ['/v1/assistants/none/run', { input: 'x' }, 404, null],
      ['/v1/assistants/asst_1/run', { input: 'x' }, 404, null],
      ['/v1/threads/runs', { assistant_id: 'one', input: 'x', thread: { messages: [{ role: 'user', content: 'y' }] } }, 400, 'input'],
      [`/v1/threads/${thread_id}/runs`, { assistant_id: 'one', input: 'x', additional_messages: [] }, 400, 'input'],
    ]) {
      const refused = await stack.call('POST', path, body);
      assert.deepEqual([refused.status, refused.body.error?.param], [status, param], `${path} ${JSON.stringify(body)}: ${JSON.stringify(refused.body)}`);
    }
    assert.equal(stack.sql('SELECT count(*) FROM runs')[0].count, runs, 'what was refused left nothing');
  });
});

test('an answer may have so many tokens, and a run in all', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ max_output_tokens: 300, max_completion_tokens: 1000 });
    const run = await ran(stack, assistant);
    assert.deepEqual([run.max_output_tokens, run.max_completion_tokens], [300, 1000]);
    await ran(stack, assistant, { max_completion_tokens: 256 });
    await ran(stack, assistant, { max_output_tokens: 20 });
    const limits = stack.ledger().map((line) => JSON.parse(line.request)).map((body) => body.max_completion_tokens ?? body.max_tokens);
    assert.deepEqual(limits, [300, 256, 20]);
  });
});
