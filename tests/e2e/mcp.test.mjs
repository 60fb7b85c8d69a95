// Well-used servers of the Model Context Protocol, from npm, over both transports.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkTook, freePort, until, withStack } from '../lib/stack.mjs';

const modules = realpathSync(fileURLToPath(new URL('node_modules', import.meta.url)));
const everything = join(modules, '@modelcontextprotocol/server-everything/dist/index.js');
const filesystem = join(modules, '@modelcontextprotocol/server-filesystem/dist/index.js');
const node = realpathSync(process.execPath);

const calling = (...calls) => `
rules:
  - steps:
${calls.map(([name, args = {}]) => `      - calls: [{name: ${name}, arguments: ${JSON.stringify(args)}}]`).join('\n')}
      - text: 'Told: {{tool}}'
`;

async function outputs(stack, agent) {
  const run = await stack.finished(await stack.submit(agent, 'go'), 60000);
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return list.data.flatMap((step) => step.step_details.tool_calls ?? []).map((call) => call.function.output);
}

async function names(stack) {
  await stack.llmStats();
  return (JSON.parse(stack.ledger().at(-1).request).tools ?? []).map((tool) => tool.function.name);
}

/** server-everything over HTTP, at a port of its own; `stop` ends it. */
async function overHttp(port = undefined) {
  port ??= await freePort();
  const child = spawn(node, [everything, 'streamableHttp'], { env: { ...process.env, PORT: String(port) }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  await until('the server listens', async () => (await fetch(`http://127.0.0.1:${port}/mcp`).catch(() => null)) !== null);
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { port, url: `http://127.0.0.1:${port}/mcp`, stop };
}

const calls = [
  ['all__echo', { message: 'hällo' }],
  ['all__get-sum', { a: 2, b: 3 }],
  ['all__get-tiny-image'],
  ['all__get-resource-links', { count: 2 }],
  ['all__get-structured-content', { location: 'Chicago' }],
  ['all__trigger-long-running-operation', { duration: 2, steps: 20 }],
  ['all__get-sum', { a: 'two', b: 3 }],
];

async function checkEverything(stack, member) {
  const agent = await stack.assistant({ tools: [{ type: 'mcp', server_label: 'all', require_approval: 'never', trusted: true, timeout_ms: 1000, ...member }] });
  const [echo, sum, image, links, structured, long, wrong] = await outputs(stack, agent);
  assert.equal(echo, 'Echo: hällo');
  assert.match(sum, /5/);
  assert.match(image, /\[image, image\/png, \d+ bytes: not shown\]/);
  assert.match(links, /\[link .*\]/);
  assert.match(structured, /temperature/i);
  assert.match(long, /completed/i, 'two seconds with a patience of one, thanks to its progress');
  assert.match(wrong, /^Error: the arguments do not fit: \$\.a/);
  assert.ok((await names(stack)).length >= 10);
  return agent;
}

test('server-everything over HTTP: list, calls, progress, a cancel, a session lost by its restart', async () => {
  const server = await overHttp();
  try {
    const env = { PENSTOCK_PRIVATE_ADDRESSES: `127.0.0.1:${server.port}` };
    await withStack({ script: calling(...calls), llmArgs: ['--bodies'], env }, async (stack) => {
      await checkEverything(stack, { server_url: server.url, session: 'shared' });
      await server.stop();
      const again = await overHttp(server.port);
      server.stop = again.stop;
      await checkEverything(stack, { server_url: server.url, session: 'shared' });
    });
    await withStack({ script: calling(['all__trigger-long-running-operation', { duration: 60, steps: 60 }]), env }, async (stack) => {
      const agent = await stack.assistant({ tools: [{ type: 'mcp', server_label: 'all', server_url: server.url, require_approval: 'never' }] });
      const run = await stack.submit(agent, 'go');
      await until('the call is under way', () => stack.sql("SELECT 1 FROM tool_calls WHERE state = 'intent'").length === 1);
      const since = Date.now();
      await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
      assert.equal((await stack.finished(run)).status, 'cancelled');
      checkTook(Date.now() - since, 1000, 'the cancel');
    });
  } finally {
    await server.stop();
  }
});

/** A stack with a server that is a program; skipped where this machine can't have a sandbox, or its nobody can't read the packages. */
async function withProgram(t, server, script, body) {
  const config = `mcp_servers: ${JSON.stringify([{ label: 'all', command: node, read: [modules, ...(node.startsWith('/usr/') ? [] : [dirname(node)])], ...server }])}\n`;
  await withStack({ script, llmArgs: ['--bodies'], config }, async (stack) => {
    const none = await stack.assistant({ tools: [{ type: 'mcp', server_label: 'all', require_approval: 'never', allowed_tools: [] }] });
    await stack.finished(await stack.submit(none, 'go'));
    const trouble = stack.workers[0].log().match(/can't be had.*error="([^"]*bwrap[^"]*)"/);
    if (trouble) return t.skip(`no sandbox can be had here: ${trouble[1]}`);
    await body(stack);
  });
}

test('server-everything as a program: the same', async (t) => {
  await withProgram(t, { args: [everything, 'stdio'] }, calling(...calls), async (stack) => {
    await checkEverything(stack, {});
  });
});

test('server-filesystem as a program: it reads and writes where it may, and its sandbox says no elsewhere', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-files-'));
  chmodSync(dir, 0o777); // in its sandbox the program is nobody
  writeFileSync(join(dir, 'note.txt'), 'remember the milk');
  chmodSync(join(dir, 'note.txt'), 0o644);
  const script = calling(['all__read_text_file', { path: join(dir, 'note.txt') }], ['all__write_file', { path: join(dir, 'made.txt'), content: 'made' }], ['all__list_directory', { path: dir }], ['all__read_text_file', { path: '/etc/passwd' }]);
  try {
    await withProgram(t, { args: [filesystem, dir], write: [dir] }, script, async (stack) => {
      const agent = await stack.assistant({ tools: [{ type: 'mcp', server_label: 'all', require_approval: 'never', trusted: true }] });
      const [read, written, list, denied] = await outputs(stack, agent);
      assert.equal(read, 'remember the milk');
      assert.match(written, /Successfully wrote/);
      assert.equal(readFileSync(join(dir, 'made.txt'), 'utf8'), 'made');
      assert.match(list, /\[FILE\] made\.txt\n\[FILE\] note\.txt/);
      assert.match(denied, /^Error: Access denied/);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
