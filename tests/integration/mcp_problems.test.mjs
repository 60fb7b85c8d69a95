// Servers of the Model Context Protocol that are not as their agent wants them: who is told of it, and in which words.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { Mcp } from '../lib/mcp_stand_in.mjs';
import { masterKey } from '../lib/shop.mjs';
import { withStack } from '../lib/stack.mjs';

const calling = (...names) => `
rules:
  - steps:
${names.map((name) => `      - calls: [{name: ${name}, arguments: {text: a}}]`).join('\n')}
      - text: 'Told: {{tool}}'
`;

async function withMcp(options, body) {
  const server = await Mcp.start(options.server);
  try {
    const env = { PENSTOCK_PRIVATE_ADDRESSES: server.host, PENSTOCK_MASTER_KEY: masterKey(), ...options.env };
    const config = typeof options.config === 'function' ? options.config(server) : options.config;
    await withStack({ script: options.script ?? calling('desk__echo'), llmArgs: ['--bodies'], config, workers: options.workers, env }, async (stack) => body(stack, server));
  } finally {
    server.stop();
  }
}

const member = (server, more = {}) => ({ type: 'mcp', server_label: 'desk', server_url: server.url, require_approval: 'never', ...more });

async function penstock(stack, ...args) {
  const child = spawn(join(stack.bin, 'penstock'), args, { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (said[name] += text));
  const [code] = await once(child, 'close');
  return { code, ...said };
}

/** What a run of these tools says of its servers, and what its calls were told. */
async function play(stack, tools, fields = {}) {
  const agent = await stack.assistant({ tools, ...fields });
  const run = await stack.finished(await stack.submit(agent, 'go'), 60000);
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return { agent, run, problems: run.mcp_problems, outputs: list.data.flatMap((step) => step.step_details.tool_calls ?? []).map((call) => call.function.output) };
}

const missing = (why) => `Error: the tools of the server 'desk' are not there in this run, since it ${why}; tools here: none.`;

test('a private address is told to the model, to who reads the run, and by the command line', async () => {
  await withMcp({ env: { PENSTOCK_PRIVATE_ADDRESSES: '127.0.0.1:1' } }, async (stack, server) => {
    const { agent, run, problems, outputs } = await play(stack, [member(server)]);
    assert.equal(server.got.length, 0);
    assert.deepEqual(problems, [
      {
        server_label: 'desk',
        code: 'setting_refused',
        message: 'its tools are not in this run, since it is not set up as it would have to be: 127.0.0.1 has no public address, and others are not allowed',
      },
    ]);
    assert.deepEqual(outputs, [missing('is not set up as it would have to be')]);
    const line = /^! mcp desk: its tools are not in this run, since it is not set up as it would have to be: 127\.0\.0\.1 has no public address, and others are not allowed \(setting_refused\)$/gm;
    const shown = await penstock(stack, 'runs', 'show', run.id);
    assert.equal(shown.stdout.match(line)?.length, 1, shown.stdout);
    const ran = await penstock(stack, 'run', agent.id, 'go');
    assert.equal(ran.stderr.match(line)?.length, 1, ran.stderr);
    assert.deepEqual([ran.code, ran.stdout], [0, `Told: ${missing('is not set up as it would have to be')}\n`]);
    const json = await penstock(stack, 'run', '--json', agent.id, 'go');
    assert.equal(json.stderr.match(line)?.length, 1, json.stderr);
    const again = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs?limit=1`);
    assert.deepEqual(again.data[0].mcp_problems, problems);
  });
});

test('a missing secret, a server that refuses, one that speaks nonsense, and one that is down are told apart', async () => {
  await withMcp({}, async (stack, server) => {
    await stack.ok('PUT', '/v1/secrets/GONE', { value: 'soon-gone' });
    const agent = await stack.assistant({ tools: [member(server, { authorization: '${secret:GONE}' })], secrets: ['GONE'] });
    await stack.ok('DELETE', '/v1/secrets/GONE');
    const lost = await stack.finished(await stack.submit(agent, 'go'));
    assert.deepEqual([lost.mcp_problems[0].code, /GONE/.test(lost.mcp_problems[0].message)], ['setting_refused', true], JSON.stringify(lost.mcp_problems));

    await stack.ok('PUT', '/v1/secrets/DESK', { value: 'sk-planted-desk' });
    server.answer = (got, response) => response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: got.rpc.id, error: { code: -32020, message: `no such key: ${got.headers.authorization}` } }));
    const said = await play(stack, [member(server, { authorization: '${secret:DESK}' })], { secrets: ['DESK'] });
    assert.equal(said.problems[0].code, 'protocol_error', JSON.stringify(said.problems));
    assert.ok(said.problems[0].message.includes('[secret DESK]'), said.problems[0].message);
    assert.ok(!JSON.stringify(said.run).includes('planted') && !stack.workers[0].log().includes('planted'));
    server.answer = null;

    server.token = 'Bearer right';
    await stack.ok('PUT', '/v1/secrets/DESK', { value: 'wrong-one' });
    const refused = await play(stack, [member(server, { authorization: '${secret:DESK}' })], { secrets: ['DESK'] });
    assert.equal(refused.problems[0].code, 'credentials_refused');
    assert.match(refused.problems[0].message, /since it could not be used with the credentials for it: the server answered 401/);
    assert.deepEqual(refused.outputs, [missing('could not be used with the credentials for it')]);

    server.stop();
    const down = await play(stack, [member(server), { type: 'calculator' }]);
    assert.equal(down.problems[0].code, 'unreachable');
    assert.equal(down.outputs[0], "Error: the tools of the server 'desk' are not there in this run, since it could not be reached; tools here: calculator.");
  });
});

test('a name in allowed_tools that the server has not is told, with what there is', async () => {
  await withMcp({ server: { names: ['echo', 'fail', 'big'] } }, async (stack, server) => {
    const { problems, run } = await play(stack, [member(server, { allowed_tools: ['echo', 'desk__fail', 'tickt'] })]);
    assert.deepEqual(problems, [{ server_label: 'desk', code: 'unknown_tools', message: "'allowed_tools' names what it has not: 'desk__fail', 'tickt'; it has echo, fail, big" }]);
    assert.match(stack.workers[0].log(), /allowed_tools names what its server has not.* server=desk.*unknown="'desk__fail', 'tickt'".*has="echo, fail, big"/);
    assert.match((await penstock(stack, 'runs', 'show', run.id)).stdout, /^! mcp desk: 'allowed_tools' names what it has not: 'desk__fail', 'tickt'; it has echo, fail, big \(unknown_tools\)$/m);
    const fine = await play(stack, [member(server, { allowed_tools: { tool_names: ['echo'], read_only: true } })]);
    assert.deepEqual(fine.problems, []);
  });
});

test('of a server of the operator a tenant is told no more than that it is away', async () => {
  const config = (server) => `mcp_servers: [{label: desk, url: 'http://${server.host}/mcp', headers: ['Authorization: planted-token']}]\n`;
  await withMcp({ config }, async (stack, server) => {
    server.answer = (got, response) => response.writeHead(400).end(`{"you": "${got.headers.authorization}"}`);
    const { problems, run } = await play(stack, [{ type: 'mcp', server_label: 'desk', require_approval: 'never' }]);
    assert.deepEqual(problems.map((problem) => problem.message), ["its tools are not in this run, since it answered in a way that can't be understood; it is the operator's, whose workers' logs say more"]);
    assert.ok(!JSON.stringify(run).includes(server.host));
  });
});

test('doctor asks the servers of the operator for their tools, and says what is wrong with those that have none', async () => {
  const dies = "console.error('first'); console.error('Error: Cannot find module wrench'); console.error('bye'); process.exit(1)";
  const config = (server) =>
    `mcp_servers: ${JSON.stringify([
      { label: 'good', url: `http://${server.host}/mcp` },
      { label: 'down', url: 'http://127.0.0.1:1/mcp' },
      { label: 'nope', command: '/usr/bin/nope-not-there', sandbox: 'false' },
      { label: 'dies', command: process.execPath, args: ['-e', dies], sandbox: 'false' },
    ])}\n`;
  await withMcp({ config, server: { names: ['echo', 'fail'] } }, async (stack) => {
    const { stdout } = await penstock(stack, 'doctor');
    assert.match(stdout, /^ok +mcp good +2 tools$/m);
    assert.match(stdout, /^fail +mcp down +.+: agents that name it have none of its tools$/m);
    assert.match(stdout, /^fail +mcp nope +there is no program \/usr\/bin\/nope-not-there, or it may not be started: agents/m);
    assert.match(stdout, /^fail +mcp dies +the server's program ended: Error: Cannot find module wrench(; it is started again later)?: agents/m);
    const { problems } = await play(stack, [{ type: 'mcp', server_label: 'nope', require_approval: 'never' }]);
    assert.deepEqual(problems.map((problem) => problem.code), ['setting_refused']);
    await play(stack, [{ type: 'mcp', server_label: 'dies', require_approval: 'never' }]);
    const log = stack.workers[0].log();
    assert.match(log, /msg="the tools of a server can't be had".* server=nope error="there is no program \/usr\/bin\/nope-not-there/);
    assert.match(log, /msg="the program of a server could not be started, or ended at once".* server=dies said="first[^"]*Error: Cannot find module wrench[^"]*bye".*error="the server's program ended: Error: Cannot find module wrench"/);
  });
});

test('a tool of a server is not tested by a scheduler, which says what there is instead', async () => {
  await withMcp({ workers: 0 }, async (stack) => {
    const reply = await stack.call('POST', '/v1/tools/desk__echo/test', { arguments: {} });
    assert.deepEqual([reply.status, reply.body.error.code], [404, 'tool_of_server']);
    assert.match(reply.body.error.message, /`penstock doctor` asks the servers of the operator/);
    assert.match((await penstock(stack, 'tools', 'test', 'desk__echo')).stderr, /Run an agent that has it/);
    assert.equal((await stack.call('POST', '/v1/tools/desk/test', { arguments: {} })).body.error.code, null);
  });
});
