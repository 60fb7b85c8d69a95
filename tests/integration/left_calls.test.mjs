// Runs that end with calls of their client, and runs without an agent: what is stored, read and told of them, and what the next run on the thread sends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from '../lib/sse.mjs';
import { withStack } from '../lib/stack.mjs';

const script = `
stream: {chunk_ms: 4, chunk_tokens: 1}
rules:
  - {name: answers, when: {user: '^and'}, then: {text: 'It is fine.'}}
  - name: calls
    when: {user: 'weather'}
    then:
      text: 'Let me see.'
      calls:
        - {name: get_weather, arguments: {city: Rome}}
        - {name: calculator, arguments: {expression: '6*7'}}
        - {name: get_weather, arguments: {city: Oslo}}
`;
const tools = [{ type: 'calculator' }, { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];

/** No endpoint asks for such a run by itself: it is made so before a worker comes. */
async function left(stack, agent) {
  const run = await stack.submit(await stack.assistant({ tools }), 'weather?');
  stack.exec(`UPDATE runs SET spec = (spec::jsonb || '{"client_calls": "end"}')::json ${agent ? '' : ', agent_id = NULL'} WHERE status = 'queued'`);
  return run;
}

const text = (value) => JSON.stringify([{ type: 'text', text: { value, annotations: [] } }]);

test('a run ends with the calls of its client, and the next one sends their results where they belong', async () => {
  await withStack({ script, workers: 0, llmArgs: ['--bodies'] }, async (stack) => {
    const run = await left(stack, true);
    const first = follow(stack, run);
    await stack.startWorker();
    const reader = await first;
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(ended.required_action, null);
    assert.equal(ended.iterations, 1);
    assert.deepEqual(ended.tools_used, ['get_weather', 'calculator']);
    assert.deepEqual(stack.sql('SELECT name, state, kind FROM tool_calls ORDER BY call_no'), [
      { name: 'get_weather', state: 'left', kind: null },
      { name: 'calculator', state: 'done', kind: null },
      { name: 'get_weather', state: 'left', kind: null },
    ]);
    const at = `/v1/threads/${run.thread_id}`;
    const { data: steps } = await stack.ok('GET', `${at}/runs/${run.id}/steps?order=asc`);
    assert.deepEqual(steps.map((step) => [step.type, step.status]), [['message_creation', 'completed'], ['tool_calls', 'completed']]);
    assert.deepEqual(steps[1].step_details.tool_calls.map((call) => call.function.output), [null, '42', null]);
    const { data: messages } = await stack.ok('GET', `${at}/messages?order=asc&hidden=true`);
    assert.deepEqual(messages.map((message) => [message.role, message.content[0].text.value]), [['user', 'weather?'], ['assistant', 'Let me see.'], ['tool', '42']]);

    // Whoever reads it, from its beginning or later, is told the same.
    const later = await follow(stack, run);
    for (const { protocol } of [reader, later]) {
      assert.equal(protocol.status, 'completed');
      assert.deepEqual(protocol.told.steps.map((step) => step.ended), steps);
      assert.deepEqual(protocol.told.run, ended);
    }

    // Their client answers by messages, behind what its person says; one in vain, and one not at all.
    const calls = steps[1].step_details.tool_calls.map((call) => call.id);
    await stack.ok('POST', `${at}/messages`, { role: 'user', content: 'and?' });
    for (const [id, value] of [['call_none', 'lost'], [calls[2], 'rain']])
      stack.exec(`INSERT INTO messages (id, tenant_id, thread_id, role, hidden, content, tool_call_id)
        SELECT gen_random_uuid(), tenant_id, id, 'tool', true, '${text(value)}', '${id}' FROM threads`);
    const next = await stack.finished(await stack.ok('POST', `${at}/runs`, { assistant_id: ended.assistant_id }));
    assert.equal(next.status, 'completed', JSON.stringify(next.last_error));
    const sent = JSON.parse((await stack.lastCall()).request).messages.filter((message) => message.role !== 'system');
    assert.deepEqual(sent.map((message) => message.role), ['user', 'assistant', 'tool', 'tool', 'tool', 'user']);
    assert.deepEqual(sent.slice(2, 5).map((message) => [message.tool_call_id, message.content]), [
      [calls[0], 'This call was not completed, its result is not known.'],
      [calls[1], '42'],
      [calls[2], 'rain'],
    ]);
  });
});

test('a run without an agent is worked on, read and listed', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const run = await left(stack, false);
    await stack.startWorker();
    const ended = await stack.finished(run);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(ended.assistant_id, null);
    const { data: steps } = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps`);
    assert.deepEqual(steps.map((step) => step.assistant_id), [null, null]);
    assert.equal((await follow(stack, run)).protocol.told.run.assistant_id, null);
    assert.match(stack.command('runs', 'list'), new RegExp(`${run.id}.* - `));
    assert.match(stack.command('runs', 'show', run.id), /^status *completed$/m);
    assert.deepEqual(stack.sql(`SELECT agent_id FROM run_results`), [{ agent_id: null }]);
    assert.deepEqual(stack.sql('SELECT DISTINCT agent_id FROM usage_by_hour'), [{ agent_id: '00000000-0000-0000-0000-000000000000' }]);
  });
});
