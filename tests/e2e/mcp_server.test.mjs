// Agents as tools, for the official SDK's clients: the one of the field, and the newest in each era.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Stack, until } from '../lib/stack.mjs';

const script = `
rules:
  - {name: weather, when: {user: 'weather'}, steps: [{calls: [{name: get_weather, arguments: {city: Rome}}]}, {text: 'In Rome it {{tool}}.'}]}
  - {name: sums, when: {user: 'sums'}, steps: [{calls: [{name: calculator, arguments: {expression: '6*7'}}]}, {text: 'It is {{tool}}.'}]}
  - {name: slow, when: {user: 'slow'}, then: {text: 'done slowly', delay_ms: 60000}}
  - {name: at once, then: {text: 'You said something.'}}
`;
const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } };

let stack;
before(async () => {
  stack = await Stack.start({ script });
  await stack.heard();
  await stack.assistant({ slug: 'helper', description: 'Helps.', tools: [{ type: 'calculator' }, weather] });
  for (let i = 0; i < 120; i++) await stack.assistant({ slug: `agent-${i}` });
});
after(async () => assert.deepEqual(await stack.stop(), []));

const info = { name: 'judge', version: '1' };
const options = () => ({ requestInit: { headers: { authorization: `Bearer ${stack.key}` } } });
const url = () => new URL(`${stack.url}/mcp`);

const clients = {
  'sdk 1': { era: 'legacy', make: () => [new Client(info), new StreamableHTTPClientTransport(url(), options())], revision: '2025-11-25' },
  'client 2, legacy': { era: 'legacy', make: () => [new NewClient(info, { versionNegotiation: { mode: 'legacy' } }), new NewTransport(url(), options())], revision: '2025-11-25' },
  'client 2, auto': { era: 'modern', make: () => [new NewClient(info, { versionNegotiation: { mode: 'auto' } }), new NewTransport(url(), options())], revision: '2026-07-28' },
  'client 2, pinned': { era: 'modern', make: () => [new NewClient(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } }), new NewTransport(url(), options())], revision: '2026-07-28' },
};

/** `callTool` of either SDK: the older one takes a schema between. */
const callWith = (client, params, given) => (client instanceof Client ? client.callTool(params, undefined, given) : client.callTool(params, given));
const newest = async () => (await stack.ok('GET', '/v1/runs?limit=1')).data[0];

for (const [name, { era, make, revision }] of Object.entries(clients)) {
  const withClient = async (body) => {
    const [client, transport] = make();
    const errors = [];
    client.onerror = (error) => errors.push(error.message);
    await client.connect(transport);
    try {
      await body(client, transport);
    } finally {
      await client.close();
    }
    return errors;
  };

  test(`${name}: connects, lists in pages, calls, and reads what it is given by its schemas`, async () => {
    const errors = await withClient(async (client, transport) => {
      assert.equal(client.getServerVersion().name, 'penstock');
      assert.equal(transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.(), revision);
      assert.match(client.getInstructions(), /run_get/);
      const names = [];
      let cursor;
      do {
        const page = await client.listTools(cursor === undefined ? {} : { cursor });
        names.push(...page.tools.map((tool) => tool.name));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      if (era === 'legacy') await client.ping();
      assert.equal(new Set(names).size, 125);
      const result = await callWith(client, { name: 'helper', arguments: { input: 'hello' } });
      assert.deepEqual([result.isError ?? false, result.content[0].text, result.structuredContent.status], [false, 'You said something.', 'completed']);
      const agents = await callWith(client, { name: 'agents_list', arguments: {} });
      assert.equal(agents.structuredContent.agents.length, 100);
      await assert.rejects(callWith(client, { name: 'nobody', arguments: {} }), (error) => error.code === -32602);
    });
    assert.deepEqual(errors, []);
  });

  test(`${name}: is told of progress, polls what it did not wait for, answers and cancels`, async () => {
    await withClient(async (client) => {
      const told = [];
      const result = await callWith(client, { name: 'helper', arguments: { input: 'sums' } }, { onprogress: (progress) => told.push(progress) });
      assert.equal(result.structuredContent.output, 'It is 42.');
      assert.ok(told.length >= 2 && told.every(({ progress, message }, i) => progress === i + 1 && message), JSON.stringify(told));
      const slow = await callWith(client, { name: 'helper', arguments: { input: 'slow', wait_s: 1 } });
      const { run_id } = slow.structuredContent;
      assert.ok(['queued', 'in_progress'].includes(slow.structuredContent.status));
      await callWith(client, { name: 'run_cancel', arguments: { run_id } });
      const end = await callWith(client, { name: 'run_get', arguments: { run_id, wait_s: 20 } });
      assert.deepEqual([end.structuredContent.status, end.isError], ['cancelled', true]);
      const parked = await callWith(client, { name: 'helper', arguments: { input: 'weather' } });
      const [asked] = parked.structuredContent.required_action.submit_tool_outputs.tool_calls;
      const done = await callWith(client, { name: 'run_submit_outputs', arguments: { run_id: parked.structuredContent.run_id, tool_outputs: [{ tool_call_id: asked.id, output: 'rains' }] } });
      assert.equal(done.structuredContent.output, 'In Rome it rains.');
    });
  });

  test(`${name}: a call that is aborted gives its run up`, async () => {
    await withClient(async (client) => {
      for (const given of [{}, { onprogress: () => {} }]) {
        const before = (await newest()).id;
        const abort = new AbortController();
        const called = callWith(client, { name: 'helper', arguments: { input: 'slow' } }, { signal: abort.signal, ...given });
        called.catch(() => {});
        const run = await until('the run is at work', async () => {
          const found = await newest();
          return found.id !== before && found.status === 'in_progress' && found;
        });
        abort.abort('enough');
        await assert.rejects(called);
        await until('it is cancelled', async () => (await stack.ok('GET', `/v1/runs/${run.id}`)).status === 'cancelled');
      }
    });
  });
}

test('a wrong key is told as what it is', async () => {
  const transport = new NewTransport(url(), { requestInit: { headers: { authorization: 'Bearer pk_wrong' } } });
  await assert.rejects(new NewClient(info, { versionNegotiation: { mode: 'auto' } }).connect(transport), /401|authoriz/i);
  const old = new StreamableHTTPClientTransport(url(), { requestInit: { headers: { authorization: 'Bearer pk_wrong' } } });
  await assert.rejects(new Client(info).connect(old), /401|API key|authoriz/i);
});
