// What an agent notes of its own work: a plan and a scratchpad in the thread, shown to it in each step, whoever goes on with the run.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Mcp } from '../lib/mcp_stand_in.mjs';
import { until, withStack } from '../lib/stack.mjs';

const steps = ['Read the order', 'Ask the carrier', 'Find the parcel', 'Write to the customer', 'Close the ticket'];
const set = `{name: plan_set, arguments: {steps: [${steps.map((step) => `'${step}'`).join(', ')}]}}`;
const update = (step, status, note) => `{name: plan_update, arguments: {step: ${step}, status: ${status}${note ? `, note: '${note}'` : ''}}}`;
const fifty = Array.from({ length: 50 }, (_, i) => `step ${i + 1}`);
const script = `
rules:
  - name: in order
    when: {user: '^in order'}
    steps:
      - calls: [{name: plan_set, arguments: {steps: [${fifty.join(', ')}]}}, ${fifty.slice(0, 40).map((_, i) => update(i + 1, 'done')).join(', ')}, ${[1, 2, 3].map((i) => `{name: scratchpad_write, arguments: {text: 'note ${i}'}}`).join(', ')}]
      - text: 'Done.'
  - name: crooked
    when: {user: '^crooked'}
    steps:
      - calls: [${update(1, 'done')}, {name: plan_set, arguments: {steps: []}}, {name: plan_set, arguments: {steps: [7]}}, {name: scratchpad_write, arguments: {text: 7}}, {name: plan_set, arguments: {steps: ["a\\n# Role"]}}, ${update(9, 'done')}]
      - text: 'Well.'
  - name: all at once
    when: {user: '^at once'}
    steps:
      - calls: [${set}]
      - calls: [${[1, 2, 3, 4, 5].map((step) => update(step, 'done')).join(', ')}, {name: scratchpad_write, arguments: {text: "No. 4711\\nby rail"}}]
      - text: 'Done.'
  - name: one by one
    steps:
      - calls: [${set}]
      - calls: [${update(1, 'done', 'No. 4711')}, ${update(2, 'in_progress')}]
      - calls: [${update(2, 'done')}]
      - {calls: [${update(3, 'done')}], delay_ms: 1500}
      - text: 'Done.'
`;
const options = { script, llmArgs: ['--bodies'] };
const systemOf = (line) => JSON.parse(line.request).messages.find((message) => message.role === 'system')?.content ?? '';
const stateOf = async (stack, run) => (await stack.ok('GET', `/v1/threads/${run.thread_id}`)).agent_state;

test('a plan is in the prompt of each step, and the next worker sees what is done', async () => {
  await withStack({ ...options, workerArgs: ['--lease-ms', '3000'] }, async (stack) => {
    const assistant = await stack.assistant({ planning: true, tools: [], instructions: 'You serve.' });
    assert.equal(assistant.planning, true);
    const run = await stack.submit(assistant, 'Where is my parcel?');
    await until('two steps are done', async () => (await stateOf(stack, run))?.plan?.steps[1]?.status === 'done');
    await stack.workers[0].kill('SIGKILL');
    await stack.startWorker();
    const ended = await stack.finished(run, 60000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    const prompts = stack.ledger().map(systemOf);
    assert.match(prompts[0], /^You serve\.\n\n# Planning\n/);
    assert.doesNotMatch(prompts[0], /# Plan\n/);
    assert.match(prompts[1], /\n\n# Plan\n1\. \[ \] Read the order\n2\. \[ \] Ask/);
    assert.match(prompts[2], /1\. \[x\] Read the order \(No\. 4711\)\n2\. \[>\] Ask the carrier\n3\. \[ \] Find/);
    assert.match(prompts.at(-2), /1\. \[x\] .*\n2\. \[x\] Ask the carrier\n3\. \[ \] Find/, 'what the next worker is told');
    assert.match(prompts.at(-1), /3\. \[x\] Find/);
    assert.deepEqual((await stateOf(stack, run)).plan.steps.map((step) => [step.title, step.status]), steps.map((step, i) => [step, i < 3 ? 'done' : 'pending']));
  });
});

test('calls of one step and a client that write there at once lose nothing', async () => {
  await withStack(options, async (stack) => {
    const assistant = await stack.assistant({ tools: ['plan_set', 'plan_update', 'scratchpad_write'].map((type) => ({ type })) });
    const thread = await stack.ok('POST', '/v1/threads', { agent_state: { mine: 1 } });
    const run = await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'at once' }] });
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    const last = stack.ledger().at(-1);
    assert.doesNotMatch(systemOf(last), /# Planning/, 'only an agent that plans is told how');
    assert.match(systemOf(last), /# Plan\n1\. \[x\] .*\n2\. \[x\] .*\n3\. \[x\] .*\n4\. \[x\] .*\n5\. \[x\] .*\n\n# Scratchpad\n> No\. 4711\n> by rail$/);
    const now = await stack.ok('GET', `/v1/threads/${thread.id}`);
    assert.deepEqual([now.agent_state.mine, now.agent_state.scratchpad, now.agent_state.plan.steps.filter((step) => step.status === 'done').length], [1, 'No. 4711\nby rail', 5]);
    const stale = await stack.call('POST', `/v1/threads/${thread.id}`, { agent_state: { mine: 2 } }, { 'If-Match': '"0"' });
    assert.equal(stale.status, 412, JSON.stringify(stale.body));
    const fresh = await stack.ok('POST', `/v1/threads/${thread.id}`, { agent_state: { plan: 'mine' } }, { 'If-Match': `"${now.agent_state_version}"` });
    assert.deepEqual(fresh.agent_state, { plan: 'mine' });
    // What a client put in its place is nothing to the model, and the next plan is written over it.
    const again = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'at once' }] }));
    assert.equal(again.status, 'completed', JSON.stringify(again.last_error));
    assert.equal((await stateOf(stack, again)).plan.steps.length, 5);
  });
});

test('calls of one step are made in their order, however many they are', async () => {
  await withStack(options, async (stack) => {
    const run = await stack.finished(await stack.submit(await stack.assistant({ planning: true }), 'in order'));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const last = await stack.lastCall();
    const results = JSON.parse(last.request).messages.filter((message) => message.role === 'tool').map((message) => message.content);
    assert.deepEqual([results.length, results.filter((result) => result.startsWith('Error'))], [44, []]);
    const { plan, scratchpad } = await stateOf(stack, run);
    assert.deepEqual(plan.steps.map((step) => step.status), fifty.map((_, i) => (i < 40 ? 'done' : 'pending')));
    assert.equal(scratchpad, 'note 3');
    assert.match(results[5], /5\. \[x\].*\n6\. \[ \]/, 'each sees what those before it did');
  });
});

test('the database goes away while a step is marked: it is marked, and the model is told nothing of that', async () => {
  await withStack(options, async (stack) => {
    const run = await stack.submit(await stack.assistant({ planning: true, tools: [] }), 'Where is my parcel?');
    await until('two steps are done', async () => (await stateOf(stack, run))?.plan?.steps[1]?.status === 'done');
    const holder = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write(`BEGIN; SELECT 'held' FROM threads FOR NO KEY UPDATE;\n`);
    await once(holder.stdout, 'data');
    const marking = `FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%agent_state_version + 1%'`;
    await until('the third is being marked', () => stack.sql(`SELECT count(*) AS n ${marking}`)[0].n > 0);
    assert.deepEqual(stack.sql(`SELECT pg_terminate_backend(pid) AS ended ${marking}`), [{ ended: true }]);
    holder.stdin.end('COMMIT;\n');
    const ended = await stack.finished(run, 60000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    const results = JSON.parse((await stack.lastCall()).request).messages.filter((message) => message.role === 'tool').map((message) => message.content);
    assert.deepEqual([results.length, results.filter((result) => !result.startsWith('# Plan\n'))], [5, []]);
    assert.match(results[4], /3\. \[x\] Find the parcel/);
  });
});

test('the tools of planning count among those that an agent and a run may have', async () => {
  const server = await Mcp.start({ era: 'modern', names: ['echo', 'more'] });
  const env = { PENSTOCK_PRIVATE_ADDRESSES: server.host };
  const functions = (count) => Array.from({ length: count }, (_, i) => ({ type: 'function', function: { name: `f${i}`, parameters: { type: 'object' } } }));
  const tools = (count) => [...functions(count), { type: 'mcp', server_label: 'desk', server_url: server.url, require_approval: 'never' }];
  const refusal = (reply) => [reply.status, reply.body.error?.param, reply.body.error?.code];
  try {
    await withStack({ ...options, env }, async (stack) => {
      const wanted = { model: 'openai/gpt-4o-mini', name: 'many', planning: true };
      assert.deepEqual(refusal(await stack.call('POST', '/v1/assistants', { ...wanted, tools: tools(125) })), [400, 'tools', 'array_above_max_length']);
      const named = await stack.assistant({ ...wanted, tools: [{ type: 'plan_update' }, ...functions(125)] });
      assert.equal(named.tools.length, 126, 'what is named counts once');
      const late = await stack.assistant({ tools: tools(127) });
      assert.deepEqual(refusal(await stack.call('POST', `/v1/assistants/${late.id}`, { planning: true })), [400, 'tools', 'array_above_max_length']);
      const open = await stack.assistant({ ...wanted, tools: [], tool_policy: 'open' });
      const body = { assistant_id: open.id, tools: tools(127), thread: { messages: [{ role: 'user', content: 'x' }] } };
      assert.deepEqual(refusal(await stack.call('POST', '/v1/threads/runs', body)), [400, 'tools', 'array_above_max_length']);

      const most = await stack.assistant({ ...wanted, tools: tools(124) });
      const run = await stack.finished(await stack.submit(most, 'in order'));
      assert.deepEqual([run.status, run.mcp_problems.map((problem) => problem.code)], ['completed', ['too_many_tools']], JSON.stringify(run));
      assert.equal(JSON.parse((await stack.lastCall()).request).tools.length, 128);

      // One that was stored before there was such a check.
      stack.exec(`UPDATE agents SET spec = jsonb_set(spec::jsonb, '{planning}', 'true') WHERE id = '${late.id.replace('asst_', '')}'::uuid`);
      const stored = await stack.call('POST', '/v1/threads/runs', { assistant_id: late.id, thread: body.thread });
      assert.deepEqual(refusal(stored), [400, 'tools', 'array_above_max_length']);
    });
  } finally {
    server.stop();
  }
});

test('what does not fit is told to the model, and a run of another may not plan', async () => {
  await withStack(options, async (stack) => {
    const assistant = await stack.assistant({ planning: true, tools: [] });
    const run = await stack.finished(await stack.submit(assistant, 'crooked'));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const results = JSON.parse(stack.ledger().at(-1).request).messages.filter((message) => message.role === 'tool').map((message) => message.content);
    assert.match(results[0], /^Error: there is no plan/);
    assert.match(results[1], /^Error: the arguments do not fit/);
    assert.match(results[2], /^Error: the arguments do not fit/);
    assert.match(results[3], /^Error: the arguments do not fit/);
    assert.equal(results[4], '# Plan\n1. [ ] a\\n# Role');
    assert.match(results[5], /^Error: (the plan has the steps 1 to 1|there is no plan)/);
    const plain = await stack.assistant({ tools: [] });
    const added = await stack.call('POST', '/v1/threads/runs', { assistant_id: plain.id, planning: true, thread: { messages: [{ role: 'user', content: 'x' }] } });
    assert.deepEqual([added.status, added.body.error.code], [400, 'tool_not_permitted'], JSON.stringify(added.body));
    const refused = await stack.call('POST', '/v1/threads/runs', { assistant_id: plain.id, tools: [{ type: 'plan_set' }], thread: { messages: [{ role: 'user', content: 'x' }] } });
    assert.equal(refused.status, 400, JSON.stringify(refused.body));
    const silent = await stack.finished(await stack.submit(assistant, 'at once', { planning: false }));
    assert.equal(silent.status, 'completed');
    const first = stack.ledger().find((line) => line.idempotency_key?.startsWith(silent.id));
    assert.deepEqual(JSON.parse(first.request).tools ?? [], [], 'a run can do without');
  });
});
