#!/usr/bin/env node
// OpenAI's own tests of their SDK for Node, against a Penstock in place of their mock server, twice: as they are, and with the objects that they name made
// before each request (objects.mjs). What fails even then must have its reason in docs/openai-node.yaml, and no reason may be left over. Writes
// docs/openai-node.json, which docs/make-compatibility reads.
//
// Usage: tests/openai-node/run.mjs FOLDER      (FOLDER: a checkout of openai/openai-node with its packages installed)

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withStack } from '../lib/stack.mjs';
import { script, withObjects } from './objects.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { parse } = createRequire(join(root, 'tests/e2e/package.json'))('yaml');
const FOLDERS = ['beta/assistants', 'beta/threads', 'beta/responses', 'files', 'uploads', 'batches', 'responses', 'conversations', 'chat', 'embeddings', 'models'];
const AREAS = new RegExp(`tests/api-resources/(${FOLDERS.join('|')})[./]`);

const folder = resolve(process.argv[2] ?? '');
if (process.argv.length !== 3) {
  console.error('usage: tests/openai-node/run.mjs FOLDER');
  process.exit(2);
}

/** What their client sends, with a key that is known here. */
async function pass(stack, request, reply, objects) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let path = request.url;
  let body = Buffer.concat(chunks);
  if (objects && !path.includes('/_stainless_unknown_path')) {
    const json = /json/.test(request.headers['content-type']) && body.length ? JSON.parse(body) : undefined;
    const [newPath, newJson] = await withObjects(stack, path, json);
    path = newPath;
    if (json !== undefined) body = Buffer.from(JSON.stringify(newJson));
  }
  const { host, connection, 'content-length': length, 'transfer-encoding': coding, ...headers } = request.headers;
  const answer = await fetch(`${stack.url}${path}`, {
    method: request.method,
    headers: { ...headers, authorization: `Bearer ${stack.key}` },
    body: ['GET', 'HEAD'].includes(request.method) || body.length === 0 ? undefined : body,
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  reply.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain', 'content-length': bytes.length }).end(bytes);
}

/** Each test of theirs: {file, title, passed, message}. */
async function play(stack, objects) {
  const server = createServer((request, reply) =>
    pass(stack, request, reply, objects).catch((error) => {
      console.error(`${request.method} ${request.url}: ${error.stack}`);
      reply.writeHead(500).end();
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const results = join(tmpdir(), `openai-node-${process.pid}.json`);
  const jest = spawn('npx', ['jest', '--silent', '--json', '--outputFile', results, AREAS.source], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { ...process.env, TEST_API_BASE_URL: `http://127.0.0.1:${server.address().port}/v1` },
  });
  await once(jest, 'exit');
  server.close();
  server.closeAllConnections();
  return JSON.parse(readFileSync(results, 'utf8')).testResults.flatMap(({ name, assertionResults, message }) => {
    const file = name.replace(/.*api-resources\//, '').replace('.test.ts', '');
    if (assertionResults.length === 0) throw new Error(`${file} was not run:\n${message}`);
    return assertionResults.map(({ title, status, failureMessages }) => ({ file, title, passed: status === 'passed', message: failureMessages[0]?.split('\n')[0] }));
  });
}

await withStack({ script }, async (stack) => {
  const plain = await play(stack, false);
  const made = await play(stack, true);
  const reasons = new Map(parse(readFileSync(join(root, 'docs/openai-node.yaml'), 'utf8')).flatMap(({ tests }) => Object.keys(tests).map((name) => [name, false])));
  let wrong = 0;
  for (const { file, title, message } of made.filter(({ passed }) => !passed)) {
    const name = `${file}: ${title}`;
    if (!reasons.has(name)) wrong += console.error(`no reason in docs/openai-node.yaml: ${name}\n    ${message}`) ?? 1;
    reasons.set(name, true);
  }
  for (const [name, used] of reasons) if (!used) wrong += console.error(`a reason that is not needed: ${name}`) ?? 1;
  const of = (file) => (tests) => tests.filter((one) => one.file === file && one.passed).length;
  const version = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
  const files = [...new Set(made.map(({ file }) => file))].sort().map((file) => ({
    file,
    tests: made.filter((one) => one.file === file).length,
    unknown_path: made.filter((one) => one.file === file && one.passed && /request options/.test(one.title)).length,
    plain: of(file)(plain),
    with_objects: of(file)(made),
  }));
  const sum = (name) => files.reduce((all, one) => all + one[name], 0);
  console.log(`${sum('tests')} tests: ${sum('plain')} pass as they are, ${sum('with_objects')} with objects`);
  if (wrong) process.exitCode = 1;
  else writeFileSync(join(root, 'docs/openai-node.json'), `${JSON.stringify({ version, files }, null, 1)}\n`);
});
