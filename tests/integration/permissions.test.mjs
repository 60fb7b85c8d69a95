// What an agent may use is said by the agent: each kind of tool that the server runs, and each way to come by one that the agent has not.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answers, createBatch, endedBatch, lineOf } from '../lib/batches.mjs';
import { masterKey, Shop } from '../lib/shop.mjs';
import { until, withStack } from '../lib/stack.mjs';

const model = 'openai/gpt-4o-mini';
const thread = { messages: [{ role: 'user', content: 'go' }] };
const asked = (line) => JSON.parse(line.request).tools?.map((tool) => tool.function.name) ?? [];

/** Each kind that the server runs: how an agent or a run would name it. Functions are the client's to run, so they may be added. */
const kinds = (shop) => ({
  calculator: { type: 'calculator' },
  current_time: { type: 'current_time' },
  wait: { type: 'wait' },
  sleep_until: { type: 'sleep_until' },
  http_request: { type: 'http_request', class: 'idempotent' },
  code_interpreter: { type: 'code_interpreter' },
  order_lookup: { type: 'order_lookup' }, // declared
  with_secret: { type: 'with_secret' }, // declared, and needs what the agent may not send
  nobody: { type: 'nobody' }, // there is none
  forged: { type: 'order_lookup', http: { url: `${shop.url}/forged` } }, // what a spec has, said by a client
});

test('no way to make a run gives it a tool that its agent has not', async () => {
  const shop = await Shop.start();
  const names = Object.keys(kinds(shop));
  // A model that would use each of them, if it were let.
  const script = `
rules:
  - steps:
      - calls: [${names.filter((name) => name !== 'forged').map((name) => `{name: ${name}, arguments: {}}`).join(', ')}]
      - text: 'Told: {{tool.1}}'
`;
  const env = { PENSTOCK_PRIVATE_ADDRESSES: shop.host, PENSTOCK_MASTER_KEY: masterKey() };
  await withStack({ script, llmArgs: ['--bodies'], env }, async (stack) => {
    await stack.ok('PUT', '/v1/secrets/KEY', { value: 'a-secret-value' });
    await stack.ok('POST', '/v1/tools', { type: 'http', name: 'order_lookup', url: `${shop.url}/orders` });
    await stack.ok('POST', '/v1/tools', { type: 'http', name: 'with_secret', url: `${shop.url}/secret`, headers: { 'X-Key': '${secret:KEY}' } });
    const bare = await stack.assistant({ name: 'bare', slug: 'bare', tools: [] });
    const { id } = await stack.ok('POST', '/v1/threads', {});
    const before = stack.sql('SELECT count(*) FROM runs')[0].count;
    const cli = (file) =>
      new Promise((done) => {
        const options = { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key } };
        execFile(join(stack.bin, 'penstock'), ['apply', '-y', '-f', file], options, (error, stdout, stderr) => done({ status: error?.code ?? 0, said: stdout + stderr }));
      });
    const yaml = async (name, tool) => {
      const file = join(stack.dir, `${name}.yaml`);
      writeFileSync(file, `agents:\n  - {name: bare, slug: bare, model: ${model}, tools: []}\nschedules:\n  - {name: widening, agent: bare, every: 1h, input: go, tools: [${JSON.stringify(tool)}]}\n`);
      const done = await cli(file);
      return { status: done.status === 0 ? 200 : 400, body: { error: { message: done.said } } };
    };
    /** Each way; all are to be refused. */
    const ways = {
      'a run on a new thread': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tools: [tool] }),
      'a run on a thread': (tool) => stack.call('POST', `/v1/threads/${id}/runs`, { assistant_id: bare.id, tools: [tool] }),
      'a run that is streamed': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tools: [tool], stream: true }),
      'a run by its agent': (tool) => stack.call('POST', `/v1/assistants/${bare.id}/run`, { input: 'go', tools: [tool] }),
      'a run that forces it': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tool_choice: { type: tool.type } }),
      'a run that forces it as a function': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tool_choice: { type: 'function', function: { name: tool.type } } }),
      'a run that brings and forces it': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tools: [tool], tool_choice: { type: tool.type } }),
      'a run that opens the policy': (tool) => stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, tools: [tool], tool_policy: 'open' }),
      'a schedule': (tool) => stack.call('POST', '/v1/schedules', { assistant_id: bare.id, every: '1h', input: 'go', tools: [tool] }),
      'a schedule that forces it': (tool) => stack.call('POST', '/v1/schedules', { assistant_id: bare.id, every: '1h', input: 'go', tool_choice: { type: tool.type } }),
      'a schedule of a file': (tool) => yaml(tool.type, tool),
      'a response': (tool) => stack.call('POST', '/v1/responses', { model: bare.id, input: 'go', tools: [{ type: 'mcp', server_label: 'penstock', allowed_tools: [tool.type], require_approval: 'never' }] }),
      'a response that names it': (tool) => stack.call('POST', '/v1/responses', { model: bare.id, input: 'go', tools: [tool] }),
      'a response that forces it': (tool) => stack.call('POST', '/v1/responses', { model: bare.id, input: 'go', tool_choice: { type: 'mcp', server_label: 'penstock', name: tool.type } }),
      'a response of a model alone': (tool) => stack.call('POST', '/v1/responses', { model, input: 'go', tools: [{ type: 'mcp', server_label: 'penstock', allowed_tools: [tool.type] }] }),
    };
    for (const [name, tool] of Object.entries(kinds(shop)))
      for (const [way, go] of Object.entries(ways)) {
        const reply = await go(tool);
        assert.equal(reply.status, 400, `${way}, ${name}: ${JSON.stringify(reply.body)}`);
        assert.match(reply.body.error.message, /tool|parameter/i, `${way}, ${name}`);
      }
    const hosts = await stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, http_allow: [shop.host] });
    assert.equal(hosts.status, 400, 'nor is there a host more');
    const secrets = await stack.call('POST', '/v1/threads/runs', { assistant_id: bare.id, thread, secrets: ['KEY'] });
    assert.equal(secrets.status, 400, 'nor a secret');

    const lines = Object.entries(kinds(shop)).flatMap(([name, tool]) => [
      lineOf(`tools-${name}`, '/v1/threads/runs', { assistant_id: bare.id, thread, tools: [tool] }),
      lineOf(`choice-${name}`, '/v1/threads/runs', { assistant_id: bare.id, thread, tool_choice: { type: tool.type } }),
    ]);
    const batch = await createBatch(stack, lines, '/v1/threads/runs');
    for (const [line, answer] of await answers(stack, await endedBatch(stack, batch.id))) {
      assert.equal(answer.where, 'error', line);
      assert.equal(answer.response.status_code, 400, `${line}: ${JSON.stringify(answer)}`);
    }
    assert.equal(stack.sql('SELECT count(*) FROM runs')[0].count, before, 'no run was made');
    assert.equal(stack.sql('SELECT count(*) FROM schedules')[0].count, 0);

    // What a model invents is refused to the model, whatever its name; and so is what the agent has no more.
    const run = await stack.finished(await stack.submit(bare, 'go'));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
    const calls = steps.data.flatMap((step) => step.step_details.tool_calls ?? []);
    assert.equal(calls.length, names.length - 1);
    for (const call of calls) {
      assert.match(call.function.output, /^Error: there is no tool named/);
      assert.deepEqual([call.is_error, call.duration_ms], [true, undefined], 'nobody made it');
    }
    assert.deepEqual(asked(stack.ledger()[0]), [], 'the model was shown no tool; later it is shown names that it invented itself');
    assert.deepEqual(shop.got, []);

    // A run may have fewer, and then a line of the same agent has them all the same.
    const rich = await stack.assistant({ name: 'rich', tools: [{ type: 'calculator' }, { type: 'order_lookup' }] });
    const narrow = await stack.finished(await stack.submit(rich, 'go', { tools: [{ type: 'calculator' }] }));
    assert.deepEqual(narrow.tools, [{ type: 'calculator' }]);
    await until('it is noted', () => stack.ledger().length >= 4);
    assert.ok(stack.ledger().slice(2).every((line) => asked(line).join() === 'calculator'));
    assert.deepEqual(shop.got, []);
  });
  shop.stop();
});

test('a run may take fewer actions of a tool than its agent, and no others', async (t) => {
  const shop = await Shop.start();
  t.after(() => shop.stop());
  const script = "rules: [{steps: [{calls: [{name: crm, arguments: {action: delete}}]}, {text: 'Told: {{tool}}'}]}]";
  await withStack({ script, env: { PENSTOCK_PRIVATE_ADDRESSES: shop.host } }, async (stack) => {
    const parameters = { type: 'object', properties: { action: { type: 'string' } }, required: ['action'] };
    await stack.ok('POST', '/v1/tools', { type: 'http', name: 'crm', url: `${shop.url}/{{action}}`, parameters, allowed_actions: ['find', 'delete', 'make'] });
    const crm = (...actions) => [{ type: 'crm', allowed_actions: actions }];
    const all = await stack.assistant({ name: 'all', tools: [{ type: 'crm' }] });
    const some = await stack.assistant({ name: 'some', tools: crm('find', 'delete') });
    for (const agent of [all, some]) {
      const run = await stack.finished(await stack.submit(agent, 'go', { tools: crm('find') }));
      assert.deepEqual(run.tools, crm('find'));
      assert.match(await stack.answer(run), /^Told: Error: /);
      assert.deepEqual(shop.got, [], 'the action that the run left out is not taken');
    }
    for (const [agent, ...actions] of [[some, 'make'], [some, 'find', 'make'], [all, 'burn']]) {
      const ways = [
        await stack.call('POST', '/v1/threads/runs', { assistant_id: agent.id, thread, tools: crm(...actions) }),
        await stack.call('POST', '/v1/schedules', { assistant_id: agent.id, every: '1h', input: 'go', tools: crm(...actions) }),
      ];
      for (const reply of ways) assert.deepEqual([reply.status, reply.body.error?.code], [400, 'tool_not_permitted'], JSON.stringify(reply.body));
    }
    // What the request does not speak of stays as the agent says it.
    const plain = await stack.finished(await stack.submit(some, 'go', { tools: [{ type: 'crm' }] }));
    assert.deepEqual(plain.tools, crm('find', 'delete'));
    assert.deepEqual(shop.got.map((got) => got.url), ['/delete']);
  });
});
