// Servers of the Model Context Protocol that are programs of the operator's, in their sandbox.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const calling = (...calls) => `
rules:
  - steps:
${calls.map(([name, args = {}]) => `      - calls: [{name: ${name}, arguments: ${JSON.stringify(args)}}]`).join('\n')}
      - text: 'Told: {{tool}}'
`;

/** A folder with the program in it, which everybody may read: in its sandbox the program is nobody. */
async function withPrograms(options, body) {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-mcp-'));
  const program = join(dir, 'server.mjs');
  copyFileSync(new URL('../lib/mcp_stdio.mjs', import.meta.url), program);
  mkdirSync(join(dir, 'secret'));
  const { chmodSync } = await import('node:fs');
  chmodSync(dir, 0o755);
  chmodSync(program, 0o644);
  const servers = Object.entries(options.servers ?? { local: ['legacy'] }).map(([label, args]) => {
    const more = typeof args[0] === 'object' ? args.shift() : {};
    return { label, command: process.execPath, args: [program, ...args], read: [dir], ...more };
  });
  const config = `${options.config ?? ''}mcp_servers: ${JSON.stringify(servers)}\n`;
  try {
    await withStack({ script: options.script ?? 'rules: [{then: {text: hello}}]', llmArgs: ['--bodies'], config, workers: options.workers, env: options.env }, body);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const agentOf = (stack, label = 'local', more = {}) => stack.assistant({ tools: [{ type: 'mcp', server_label: label, require_approval: 'never', trusted: true, ...more }] });

async function outputs(stack, agent) {
  const run = await stack.finished(await stack.submit(agent, 'go'));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return list.data.flatMap((step) => step.step_details.tool_calls ?? []).map((call) => call.function.output);
}

async function system(stack) {
  await stack.llmStats();
  const request = JSON.parse(stack.ledger().at(-1).request);
  return request.messages.filter((message) => message.role !== 'user').map((message) => message.content).join('\n');
}

/** Whether this machine can have a sandbox; a test without one shows that nothing runs then. */
async function confined(t, stack) {
  const agent = await agentOf(stack, 'local', { allowed_tools: [] });
  await stack.finished(await stack.submit(agent, 'go'));
  const trouble = stack.workers[0].log().match(/the tools of a server can't be had.*error="([^"]*(bwrap|namespace|uid map)[^"]*)"/);
  if (trouble) t.skip(`no sandbox can be had here: ${trouble[1]}`);
  return !trouble;
}

for (const [era, ...manners] of [['legacy'], ['modern'], ['legacy', 'silent'], ['legacy', 'dies-of-probe']])
  test(`a program of the era ${era} is started${manners.map((manner) => `, though it ${manner}`)}, and called by many runs`, async (t) => {
    const script = calling(['local__echo', { text: 'a' }], ['local__count'], ['local__big'], ['local__noise']);
    await withPrograms({ script, servers: { local: [era, ...manners] } }, async (stack) => {
      if (!(await confined(t, stack))) return;
      const agent = await agentOf(stack);
      const all = await Promise.all(Array.from({ length: 5 }, () => outputs(stack, agent)));
      for (const [echo, , big, noise] of all) {
        assert.equal(echo, 'echo: a');
        assert.equal(big, `${'x'.repeat(65536)}\n[The answer was longer, and is cut here after 65536 bytes.]`);
        assert.equal(noise, 'behind noise');
      }
      assert.equal(new Set(all.map(([, count]) => count.replace(/call \d+ /, ''))).size, 1, 'one process');
      assert.equal(new Set(all.map(([, count]) => count)).size, 5);
    });
  });

test('a program sees what its operator shows it, and nothing else', async (t) => {
  const servers = { local: [{ env: ['TOKEN=planted-token'] }, 'legacy'] };
  await withPrograms({ script: calling(['local__look']), servers, env: { SOME_SECRET: 'x' } }, async (stack) => {
    if (!(await confined(t, stack))) return;
    const [look] = await outputs(stack, await agentOf(stack));
    assert.ok(look.startsWith('{'), look);
    const seen = JSON.parse(look);
    assert.deepEqual(seen.env.filter((name) => name !== 'PWD'), ['HOME', 'LANG', 'PATH', 'TOKEN']);
    assert.equal(seen.passwd, 'ENOENT');
    assert.equal(seen.root, 'EROFS');
    assert.deepEqual(seen.interfaces, ['lo']);
    if (process.getuid() === 0) assert.ok(seen.uid >= 59100, `uid ${seen.uid}`);
    const { execFileSync } = await import('node:child_process');
    assert.ok(!execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' }).includes('planted-token'), 'its environment is no argument');
  });
});

test('progress prolongs a call of a program, a cancel ends one, and it is told', async (t) => {
  const script = calling(['local__progress'], ['local__cancels'], ['local__hold']);
  await withPrograms({ script }, async (stack) => {
    if (!(await confined(t, stack))) return;
    const agent = await agentOf(stack, 'local', { timeout_ms: 400 });
    assert.match((await outputs(stack, agent)).join('|'), /^after 20 steps\|0 cancelled\|Error: the server did not answer within 0\.\d seconds/);
    const [, cancels] = await outputs(stack, agent);
    assert.equal(cancels, '1 cancelled');
    const patient = await agentOf(stack, 'local');
    const run = await stack.submit(patient, 'go');
    await until('its last call is under way', () => stack.sql(`SELECT 1 FROM tool_calls WHERE run_id = '${run.id.slice(4)}' AND name = 'local__hold' AND state = 'intent'`).length === 1);
    const since = Date.now();
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal((await stack.finished(run)).status, 'cancelled');
    checkTook(Date.now() - since, 1000, 'the cancel');
  });
});

test('a program that ends in the midst of a call is started again, and a call that may be made once is not', async (t) => {
  const script = calling(['local__exit'], ['local__count']);
  await withPrograms({ script }, async (stack) => {
    if (!(await confined(t, stack))) return;
    const [exit] = await outputs(stack, await agentOf(stack));
    assert.match(exit, /^Error: the server's program ended; whether the call took effect is not known/);
  });
});

test('a program that does not start is told of, with what it complained of in the log', async () => {
  await withPrograms({ servers: { local: [{ sandbox: 'false' }, 'legacy', 'dies'], none: [{ sandbox: 'false', command: '/nowhere/at/all' }] } }, async (stack) => {
    await outputs(stack, await agentOf(stack, 'local'));
    assert.match(await system(stack), /The tools of the server "local" are not there in this run, since it could not be reached/);
    assert.match(stack.workers[0].log(), /server=local error="the server's program ended/);
    await outputs(stack, await agentOf(stack, 'none'));
    assert.match(await system(stack), /The tools of the server "none" are not there/);
  });
});

test('no process is left behind: not by a worker that leaves, nor by one that is killed', async (t) => {
  await withPrograms({ script: calling(['local__count']), config: 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n' }, async (stack) => {
    if (!(await confined(t, stack))) return;
    const { execFileSync } = await import('node:child_process');
    const running = () => execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' }).split('\n').filter((line) => line.includes('/server.mjs legacy')).length;
    const agent = await agentOf(stack);
    await outputs(stack, agent);
    await until('it runs', () => running() > 0);
    await stack.workers[0].stop();
    await until('it is gone', () => running() === 0);
    await stack.startWorker();
    await outputs(stack, agent);
    await until('it runs again', () => running() > 0);
    await stack.workers.at(-1).kill('SIGKILL');
    await until('it is gone', () => running() === 0);
  });
});

test('a label that is not configured is refused when the agent is made, and so are settings that mean nothing', async () => {
  await withPrograms({ workers: 0, servers: { local: ['legacy'], other: ['legacy'] } }, async (stack) => {
    const reply = await stack.call('POST', '/v1/assistants', { model: 'openai/gpt-4o-mini', tools: [{ type: 'mcp', server_label: 'lokal', require_approval: 'never' }] });
    assert.deepEqual([reply.status, reply.body.error.message], [400, "No server of the label 'lokal' is configured here (there are: 'local', 'other'). Give its 'server_url', or have the operator add it to 'mcp_servers'."]);
  });
});
