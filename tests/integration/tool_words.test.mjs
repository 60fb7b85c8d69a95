// What people are told who write a tool, its secrets or its name as they know it from elsewhere.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { masterKey } from '../lib/shop.mjs';
import { withStack } from '../lib/stack.mjs';

const url = 'https://shop.example.com/orders/{{id}}';
const parameters = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };
const lookup = { type: 'http', name: 'order_lookup', url, parameters };

const stackOf = (body, more = {}) => withStack({ env: { PENSTOCK_MASTER_KEY: masterKey() }, ...more }, body);

/** The CLI of a stack, and `apply` of a text. */
function cliOf(stack) {
  const cli = (...args) =>
    new Promise((done) => {
      const env = { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key };
      const child = execFile(join(stack.bin, 'penstock'), args, { env }, (error, stdout, stderr) => done({ status: error?.code ?? 0, stdout, stderr }));
      child.stdin.end();
    });
  const apply = (text, ...args) => {
    writeFileSync(join(stack.dir, 'a.yaml'), text);
    return cli('apply', ...args, '-y', '-f', join(stack.dir, 'a.yaml'));
  };
  return { cli, apply };
}

const refused = async (stack, path, body, message) => {
  const { status, body: said } = await stack.call('POST', path, body);
  assert.deepEqual([status, said.error.message], [400, message]);
};

test('a tool is refused at once for what would be missing later, also by a check', async () => {
  await stackOf(async (stack) => {
    const { type, ...untyped } = lookup;
    const { url: left, ...elsewhere } = lookup;
    assert.deepEqual([type, left], ['http', url]);
    for (const path of ['/v1/tools', '/v1/tools/check']) {
      await refused(stack, path, untyped, "Missing required parameter: 'type'.");
      await refused(stack, path, elsewhere, "Missing required parameter: 'url'.");
      await refused(stack, path, { ...lookup, headers: { Authorization: 'Bearer ${secret.KEY}' } }, "Invalid 'headers': a reference to a secret is ${secret:NAME}, where NAME has letters, digits and '_', begins with no digit and has at most 64 characters; where it is meant as text, write $${secret.");
    }
    assert.deepEqual((await stack.ok('GET', '/v1/tools')).data, []);
  });
});

test('members that people know by another name are told which one it is here', async () => {
  await stackOf(async (stack) => {
    const path = '/v1/tools/check';
    await refused(stack, path, { ...lookup, params: {} }, "Unknown parameter: 'params'. Did you mean 'parameters'?");
    await refused(stack, path, { ...lookup, input_schema: {} }, "Unknown parameter: 'input_schema'. Did you mean 'parameters'?");
    await refused(stack, path, { ...lookup, result_path: '/a' }, "Unknown parameter: 'result_path'. Did you mean 'result_pointer'?");
    await refused(stack, path, { ...lookup, secrets: ['A'] }, "Unknown parameter: 'secrets'. An assistant names the secrets that its tools may use, in its own 'secrets'; a tool refers to one as ${secret:NAME}.");
    await stack.ok('POST', '/v1/tools', lookup);
    await refused(stack, '/v1/tools/order_lookup', { name: 'x' }, "Unknown parameter: 'name'. A tool keeps its name, by which assistants name it.");

    const agent = (tool) => ({ model: 'openai/gpt-4o-mini', tools: [tool] });
    const check = '/v1/assistants/check';
    await refused(stack, check, agent({ type: 'http', name: 'order_lookup' }), `Unknown parameter: 'tools[0].name'. A tool that was declared (POST /v1/tools) is named by its type alone: {"type": "order_lookup"}.`);
    await refused(stack, check, agent({ type: 'order_lookp' }), "Invalid value: 'order_lookp'. Did you mean 'order_lookup'?");
    await refused(stack, check, agent({ type: 'web_search_preview' }), "Invalid value: 'web_search_preview'. Did you mean 'web_search'?");
    await refused(stack, check, agent({ type: 'calculator', require_approval: 'none' }), "Invalid value: 'none'. Supported values are: 'always', 'never', and an object that has a filter for one of them or both.");
    await refused(stack, check, agent({ type: 'mcp', label: 'x' }), "Unknown parameter: 'tools[0].label'. Did you mean 'server_label'?");
    await refused(stack, check, agent({ type: 'mcp', url: 'https://x.example.com' }), "Unknown parameter: 'tools[0].url'. Did you mean 'server_url'?");
    await refused(stack, check, agent({ type: 'mcp', connector_id: 'x' }), "Unknown parameter: 'tools[0].connector_id'. There are no connectors here: name a server by its 'server_url', or one of the operator's by its 'server_label' alone.");
    await refused(stack, check, agent({ type: 'read_page', allowed_domains: ['a.example'] }), "Unknown parameter: 'tools[0].allowed_domains'. It is a member of 'filters'.");
    await refused(stack, check, agent({ type: 'web_search', user_location: {} }), "Unknown parameter: 'tools[0].user_location'. Searches here do not know where somebody is: leave it out.");
    await refused(stack, '/v1/runs/run_0/approve', { tool_call_id: 'a', foo: 1 }, "Unknown parameter: 'foo'. Supported parameters are: 'tool_call_id', 'note', 'user', and 'arguments'.");
    await refused(stack, '/v1/runs/run_0/approve', { call_id: 'a' }, "Unknown parameter: 'call_id'. Did you mean 'tool_call_id'?");
    await refused(stack, '/v1/runs/run_0/deny', { tool_call_id: 'a', reason: 'b' }, "Unknown parameter: 'reason'. Did you mean 'note'?");
  });
});

test('apply looks at all tools, agents and schedules before it changes one, and names the member in words that are whole', async () => {
  await stackOf(async (stack) => {
    const { apply } = cliOf(stack);
    const tool = (name, more = 'type: http') => `  - {name: ${name}, ${more}, url: 'https://shop.example.com/'}\n`;
    const agent = (tools) => `agents:\n  - {name: clerk, model: openai/gpt-4o-mini, tools: ${tools}}\n`;
    const said = async (text) => {
      const done = await apply(text);
      assert.notEqual(done.status, 0, done.stdout);
      assert.deepEqual((await stack.ok('GET', '/v1/tools')).data, [], 'nothing was changed');
      return done.stderr.replaceAll(stack.dir, '');
    };
    assert.match(await said(`tools:\n${tool('one')}${tool('two', 'method: GET')}`), /\/a\.yaml:3:5: tool "two": Missing required parameter: 'type'\.\n/);
    assert.match(await said(`tools:\n${tool('order_lookup')}${agent('[{type: order_lookp}]')}`), /a\.yaml:4:5: agent "clerk": tools\[0\]\.type: Invalid value: 'order_lookp'\. Did you mean 'order_lookup'\?\n/);
    assert.match(await said(agent('[{type: nobody}]')), /Invalid value: 'nobody'\. Supported values are: 'calculator', .*and names of tools that were declared \(POST \/v1\/tools\), of which there are none\.\n/);
    assert.match(await said(agent('[{type: calculator, require_approval: none}]')), /a\.yaml:2:\d+: tools\[0\]\.require_approval: Invalid value: 'none'\./);
    assert.match(await said(agent('[{type: mcp, server_label: a, session: agent}]')), /tools\[0\]\.session: Invalid value: 'agent'\./);
    const schedule = (what) => `schedules:\n  - {name: often, agent: clerk, input: Hi., ${what}}\n`;
    assert.match(await said(`tools:\n${tool('one')}${agent('[]')}${schedule('every: often')}`), /a\.yaml:6:5: schedule "often": Invalid 'every': [^]*refuses 1 schedule of this file; nothing was changed\n/);
    assert.match(await said(`${agent('[]')}${schedule("run_at: '2020-01-01T00:00:00Z'")}`), /schedule "often": Invalid 'run_at': it is not in the future\.\n/);
    assert.deepEqual((await stack.ok('GET', '/v1/assistants')).data, []);
    assert.equal((await apply(`${agent('[]')}${schedule('every: 1h')}`)).status, 0);
    const [made] = (await stack.ok('GET', '/v1/schedules')).data;
    assert.match(await said(`${agent('[{type: calculator}]')}${schedule('every: 1x')}`), /schedule "often": Invalid 'every': /);
    assert.deepEqual([(await stack.ok('GET', '/v1/assistants')).data[0].tools, (await stack.ok('GET', `/v1/schedules/${made.id}`)).every], [[], made.every]);
    assert.deepEqual(await stack.ok('POST', `/v1/schedules/${made.id}/check`, { every: '2h', assistant_id: made.assistant_id }), { object: 'schedule.check', valid: true });
    assert.match(await said(agent('[{type: http, name: order_lookup}]')), /named by its type alone: \{"type": "order_lookup"\}\.\n/);
  });
});

test('apply notes what is right and hardly meant: variables, secrets without a value, functions with the name of a tool', async () => {
  await stackOf(async (stack) => {
    const { cli, apply } = cliOf(stack);
    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value: 'sk-live-0123456789' });
    const yaml = `
tools:
  - {name: order_lookup, type: http, url: 'https://shop.example.com/', headers: {Authorization: 'Bearer \${SHOP_KEY}', X-Key: '\${secret:DESK_KEY}'}}
agents:
  - name: clerk
    model: openai/gpt-4o-mini
    tools: [{type: function, function: {name: order_lookup}}]
    secrets: [SHOP_KEY, DESK_KEY]
`;
    const done = await apply(yaml);
    assert.equal(done.status, 0, done.stderr);
    assert.deepEqual(done.stderr.replaceAll(`${stack.dir}/`, '').trim().split('\n'), [
      'penstock: note: a.yaml:3:5: tool "order_lookup": ${SHOP_KEY} in headers is sent as it stands; a secret is ${secret:SHOP_KEY}',
      'penstock: note: a.yaml:5:5: agent "clerk": its function order_lookup is yours to answer; the declared tool of that name is {type: order_lookup}',
      'penstock: note: the secret DESK_KEY has no value yet: penstock secrets set DESK_KEY',
    ]);
    const tried = await cli('tools', 'test', 'order_lookup');
    assert.deepEqual([tried.status, tried.stdout], [1, 'Error: the secret DESK_KEY, which it needs, is not there.\n']);
    assert.match(tried.stderr, /penstock: note: the secret DESK_KEY has no value yet: penstock secrets set DESK_KEY\n$/);
    const other = await cli('tools', 'show', 'calculator');
    assert.match(other.stderr, /'calculator' is the type of a tool that nobody declared, and only declared tools can be shown, changed and tested/);
  });
});

test('tools that were called are listed, and who asks for one that never was is told so', async () => {
  const script = `rules: [{steps: [{calls: [{name: calculator, arguments: {expression: '6 * 7'}}, {name: order, arguments: {}}]}, {text: done}]}]`;
  await stackOf(async (stack) => {
    const { cli } = cliOf(stack);
    assert.deepEqual((await stack.ok('GET', '/v1/tools/stats')).data, []);
    const agent = await stack.assistant({ tools: [{ type: 'calculator' }, { type: 'function', function: { name: 'order' } }] });
    const run = await stack.submit(agent, 'go');
    const waiting = await stack.finished(run);
    assert.equal(waiting.status, 'requires_action');
    const [call] = waiting.required_action.submit_tool_outputs.tool_calls;
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: call.id, output: 'yes' }] });
    assert.equal((await stack.finished(run)).status, 'completed');
    const { data, object } = await stack.ok('GET', '/v1/tools/stats');
    assert.equal(object, 'list');
    assert.deepEqual(data.map((tool) => [tool.object, tool.name, tool.calls, tool.errors]), [['tool.stats', 'calculator', 1, 0], ['tool.stats', 'order', 1, 0]]);
    assert.match((await cli('tools', 'stats')).stdout, /^TOOL +CALLS +ERRORS +UNKNOWN +MEAN MS +P50 MS +P95 MS +MAX MS\ncalculator +1 +0 +0 .*\norder +1 +0 +0 .*\n$/);
    assert.deepEqual((await stack.call('GET', '/v1/tools/stats?end_time=3600')).body.data, [], 'of that time');
    const never = await stack.call('GET', '/v1/tools/desk__ticket/stats');
    assert.deepEqual([never.status, never.body.error.message], [404, "No tool of the name 'desk__ticket' is declared, and none was called in this time. GET /v1/tools/stats lists those that were."]);
    await refused(stack, '/v1/tools', { ...lookup, name: 'stats' }, "Invalid 'name': 'stats' is a path of the API, and no name of a tool.");
  }, { script });
});

test('who decides of a call in a wrong way is told the right one first', async () => {
  const script = `rules: [{steps: [{calls: [{name: calculator, arguments: {expression: '6 * 7'}}]}, {text: done}]}]`;
  await stackOf(async (stack) => {
    const { cli } = cliOf(stack);
    const run = await stack.submit(await stack.assistant({ tools: [{ type: 'calculator', require_approval: 'always' }] }), 'go');
    const waiting = await stack.finished(run);
    const [call] = waiting.required_action.submit_tool_outputs.tool_calls;
    const path = `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`;
    const give = async (id) => (await stack.call('POST', path, { tool_outputs: [{ tool_call_id: id, output: 'yes' }] })).body.error.message;
    assert.match(await give(call.id), /^The output of approve_tool_call is \{"approve": true\} or .* Expected tool outputs for call_ids/);
    assert.match(await give('call_nope'), /^Expected tool outputs for call_ids .*, got \['call_nope'\]\..* The output of approve_tool_call is/);
    const nope = await cli('runs', 'approve', run.id, 'call_nope');
    assert.equal(nope.stderr, `penstock: tool_call_id: No tool call found with id 'call_nope' in the run. Those that wait for an approval are: '${call.id}'.\n`);
    assert.equal((await cli('runs', 'approve', run.id, call.id)).status, 0);
    assert.equal((await stack.finished(run)).status, 'completed');
  }, { script });
});

test('a file that is not there is refused where it is named', async () => {
  await stackOf(async (stack) => {
    const tools = [{ type: 'code_interpreter' }];
    const gone = `file-${'0'.repeat(31)}1`;
    const thread = await stack.ok('POST', '/v1/threads', {});
    for (const id of ['file-x', gone]) {
      const message = { role: 'user', content: 'Sum up.', attachments: [{ file_id: id, tools }] };
      const not = `No file found with id '${id}'.`;
      await refused(stack, `/v1/threads/${thread.id}/messages`, message, not);
      await refused(stack, '/v1/threads', { messages: [message] }, not);
      await refused(stack, '/v1/threads', { tool_resources: { code_interpreter: { file_ids: [id] } } }, not);
      await refused(stack, '/v1/assistants', { model: 'openai/gpt-4o-mini', tool_resources: { code_interpreter: { file_ids: [id] } } }, not);
      const { status, body } = await stack.call('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: [{ type: 'image_file', image_file: { file_id: id } }] });
      assert.deepEqual([status, body.error.code], [400, id === gone ? 'file_not_found' : 'invalid_value'], body.error.message);
    }
    assert.deepEqual((await stack.ok('GET', `/v1/threads/${thread.id}/messages`)).data, []);
  });
});

test('secrets set tells what is wrong with the name before it asks for a value, and takes none as an argument', async () => {
  await stackOf(async (stack) => {
    const { cli } = cliOf(stack);
    assert.deepEqual(await cli('secrets', 'set', 'SHOP-KEY'), { status: 2, stdout: '', stderr: `penstock: "SHOP-KEY" can't be a secret's name: that has letters, digits and _, begins with no digit, and has at most 64 characters\n` });
    assert.deepEqual(await cli('secrets', 'set', 'SHOP_KEY', 'value'), { status: 2, stdout: '', stderr: 'penstock: secrets set: too many arguments; usage: penstock secrets set NAME; the value comes from standard input or a prompt, and is no argument\n' });
  });
});

test('who names an agent that is not there is told that there are more than are listed', async () => {
  await stackOf(async (stack) => {
    const { cli } = cliOf(stack);
    for (let i = 0; i < 40; i++) await stack.assistant({ name: `agent number ${i}` });
    assert.match((await cli('run', 'nobody', 'hi')).stderr, /there is no agent with the name "nobody"; there are: agent number 0, .*, agent number \d+, …\n$/);
  });
});
