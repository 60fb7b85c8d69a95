// The command line against a server that is played here: what is asked before anything changes, what is said of mistakes,
// exit codes, and what becomes of output that can't be written. No database: these tests need the program alone.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../lib/stack.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin');
const hex = (n) => n.toString(16).padStart(32, '0');

let folder;
let server;
let url;
let api; // what the server is told to answer, and what it was asked

function reset() {
  api = { agents: [], asked: [], known: ['openai/gpt-4o-mini'], runs: [], hasCheck: true, lose: null, byKey: new Map(), cut: [], said: null };
}

function refuse(response, status, message) {
  response.statusCode = status;
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

const list = (data) => JSON.stringify({ object: 'list', data, first_id: data[0]?.id, last_id: data.at(-1)?.id, has_more: false });

/** What api.lose matches is done, and the reply to the first try is a 503; a key is answered as it was the first time. */
function makeOnce(request, response, pathname, made) {
  const key = request.headers['idempotency-key'];
  if (key) api.byKey.set(key, made);
  if (api.lose !== pathname) return response.end(JSON.stringify(made));
  api.lose = null;
  response.setHeader('x-should-retry', 'true');
  return refuse(response, 503, 'The server is busy.');
}

/** What a line of a batch comes to. */
function lineAnswer({ custom_id, body }) {
  const prompt = body.thread.messages[0].content;
  const n = api.runs.length + 1;
  const run = { id: `run_${hex(n)}`, thread_id: `thread_${hex(n)}`, status: 'completed', messages: [{}], output_text: `answer to ${prompt}`, usage: { prompt_tokens: 1, completion_tokens: 2 }, prompt };
  api.runs.push(run);
  if (!prompt.includes('weather')) return { custom_id, response: { status_code: 200, body: run }, error: null };
  const error = { code: 'client_tool_in_batch', message: 'The run called a function of its client.' };
  return { custom_id, response: { status_code: 400, body: { error, run: { ...run, messages: [] } } }, error: null };
}

/** What happens in a run, as [name, data] with the ids e1, e2, …: api.said are further events, before its end. */
function eventsOf(run) {
  const message = { id: `msg_${hex(1)}`, object: 'thread.message', role: 'assistant', status: 'completed' };
  const words = [`answer to `, run.prompt].map((value) => ['thread.message.delta', { id: message.id, delta: { content: [{ index: 0, type: 'text', text: { value } }] } }]);
  return [
    ['thread.run.created', { ...run, status: 'queued' }],
    ['thread.run.in_progress', { ...run, status: 'in_progress' }],
    ...(run.steps ?? []).map((step) => ['thread.run.step.completed', { object: 'thread.run.step', ...step }]),
    ...(api.said ?? []),
    ...(run.status === 'completed' ? [['thread.message.created', message], ...words, ['thread.message.completed', message]] : []),
    [`thread.run.${run.status}`, run],
    ['done', '[DONE]'],
  ];
}

/** The events behind `after`; api.cut says behind how many of them the line breaks, once for each stream. */
function stream(response, run, after = '') {
  const events = eventsOf(run).map(([name, data], i) => ({ id: `e${i + 1}`, name, data }));
  const rest = events.slice(events.findIndex(({ id }) => id === after) + 1);
  const cut = api.cut.shift() ?? rest.length;
  response.setHeader('content-type', 'text/event-stream');
  response.write(': hello\n\n');
  for (const { id, name, data } of rest.slice(0, cut))
    response.write(`id: ${id}\nevent: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  if (cut < rest.length) setTimeout(() => response.destroy(), 20);
  else response.end();
}

function answer(request, response, text) {
  const { pathname, searchParams } = new URL(request.url, url);
  const form = request.headers['content-type']?.startsWith('multipart/');
  const body = text && !form ? JSON.parse(text) : {};
  const known = api.byKey.get(request.headers['idempotency-key']);
  api.asked.push(`${request.method} ${pathname}`);
  response.setHeader('content-type', 'application/json');
  if (request.headers.authorization !== 'Bearer pk_test') return refuse(response, 401, 'Incorrect API key.');
  if (known && body.stream) return stream(response, known);
  if (known) return response.end(JSON.stringify(known));
  if (request.method === 'GET' && pathname === '/v1/assistants') return response.end(list(api.agents));
  if (pathname === '/v1/assistants/check' && !api.hasCheck) return refuse(response, 404, "No assistant found with id 'check'.");
  const agent = api.agents.find((one) => pathname === `/v1/assistants/${one.id}`);
  if (agent && request.method === 'GET') return response.end(JSON.stringify(agent));
  if (pathname.startsWith('/v1/assistants') && request.method === 'POST') {
    if (body.model && !api.known.includes(body.model)) return refuse(response, 400, `The model '${body.model}' does not exist.`);
    if (pathname === '/v1/assistants/check') return response.end('{"object":"assistant.check","valid":true}');
    const made = { id: `asst_${hex(api.agents.length + 1)}`, object: 'assistant', tools: [], metadata: {}, ...body };
    api.agents.push(made);
    return makeOnce(request, response, pathname, made);
  }
  if (form) {
    api.lines = text.split('\r\n\r\n').at(-1).split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    return response.end(`{"id":"file-1"}`);
  }
  if (pathname === '/v1/batches') {
    api.output = api.lines.map((line) => JSON.stringify(lineAnswer(line))).reverse().join('\n');
    api.batch = { id: 'batch_1', object: 'batch', status: 'completed', output_file_id: 'file-2', error_file_id: null, request_counts: {}, metadata: body.metadata };
    return response.end(JSON.stringify(api.batch));
  }
  if (pathname === '/v1/batches/batch_1') return response.end(JSON.stringify({ ...api.batch, status: api.goesOn ? 'in_progress' : 'completed' }));
  if (pathname === '/v1/files/file-2') return response.end(JSON.stringify({ id: 'file-2', bytes: Buffer.byteLength(api.output) }));
  if (pathname === '/v1/files/file-2/content') {
    response.setHeader('etag', `"${createHash('sha256').update(api.output).digest('hex')}"`);
    return response.end(api.output);
  }
  if (request.method === 'POST' && /^\/v1\/threads\/([^/]+\/)?runs$/.test(pathname)) {
    const prompt = (body.thread?.messages ?? body.additional_messages)[0].content;
    const n = api.runs.length + 1;
    const run = { id: `run_${hex(n)}`, object: 'thread.run', thread_id: pathname.split('/')[3] === 'runs' ? `thread_${hex(n)}` : pathname.split('/')[3], assistant_id: body.assistant_id, created_at: 1000, started_at: 1000, prompt };
    run.status = prompt.includes('weather') ? 'requires_action' : 'completed';
    if (run.status === 'completed') run.completed_at = 1065;
    if (run.status === 'requires_action')
      run.required_action = { type: 'submit_tool_outputs', submit_tool_outputs: { tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } }] } };
    run.usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    run.model = 'openai/gpt-4o-mini';
    run.asked = body;
    api.runs.push(run);
    if (body.stream && api.lose !== pathname) {
      api.byKey.set(request.headers['idempotency-key'], run);
      return stream(response, run);
    }
    return makeOnce(request, response, pathname, run);
  }
  const run = api.runs.find((one) => pathname.includes(one.id) || pathname.includes(one.thread_id));
  if (pathname === '/v1/runs') return response.end(list(searchParams.has('min_crashes') ? [] : [...api.runs].reverse()));
  if (run && pathname.endsWith('/events')) return stream(response, run, searchParams.get('after') ?? '');
  if (run && pathname.endsWith('/messages'))
    return response.end(list(run.status === 'completed' ? [{ id: `msg_${hex(1)}`, role: 'assistant', run_id: run.id, content: [{ type: 'text', text: { value: `answer to ${run.prompt}` } }] }] : []));
  if (run && pathname.endsWith('/steps')) return response.end(list(run.steps ?? []));
  if (run) return response.end(JSON.stringify(run));
  return refuse(response, 404, `No such thing: ${pathname}`);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => answer(request, response, text));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}`;
});

beforeEach(reset);

after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program of ours to its end: {code, stdout, stderr}. */
async function run(args, { program = 'penstock', input = '', stdout = 'pipe', env = {}, cwd = folder } = {}) {
  const child = spawn(join(bin, program), args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: folder, TZ: 'UTC', PENSTOCK_URL: url, PENSTOCK_API_KEY: 'pk_test', ...env },
    stdio: ['pipe', stdout, 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, stdout: out, stderr: err };
}

function file(name, text) {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const agents = (...models) => `agents:\n${models.map((model, i) => `  - {name: agent-${i + 1}, model: ${model}}\n`).join('')}`;

test('apply: refuses to change anything where nobody can be asked, unless -y', async () => {
  const path = file('agents.yaml', agents('openai/gpt-4o-mini'));
  const asked = await run(['apply', '-f', path]);
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /standard input is no terminal.*-y.*--dry-run/s);
  assert.equal(api.agents.length, 0);
  const piped = await run(['apply', '-f', '-'], { input: agents('openai/gpt-4o-mini') });
  assert.equal(piped.code, 2);
  assert.equal(api.agents.length, 0);
  const told = await run(['apply', '-y', '-f', path]);
  assert.equal(told.code, 0, told.stderr);
  assert.equal(api.agents.length, 1);
  assert.equal((await run(['apply', '-f', path])).code, 0, 'nothing is to be changed, so nothing is to be asked');
});

test('apply: a file is checked whole by the server before anything is made', async () => {
  const path = file('agents.yaml', agents('openai/gpt-4o-mini', 'openai/none', 'openai/gpt-4o-mini', 'openai/nothing'));
  for (const how of ['-y', '--dry-run']) {
    const wrong = await run(['apply', how, '-f', path]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /agents\.yaml:3:5: agent "agent-2": The model 'openai\/none' does not exist/);
    assert.match(wrong.stderr, /agents\.yaml:5:5: agent "agent-4": The model 'openai\/nothing'/, 'the second mistake is told, too');
    assert.match(wrong.stderr, /2 agents.*nothing was changed/);
    assert.equal(wrong.stdout, '');
  }
  assert.equal(api.agents.length, 0);
  assert.equal((await run(['apply', '--dry-run', '-f', file('agents.yaml', agents('openai/gpt-4o-mini'))])).code, 0);
  assert.equal(api.agents.length, 0);
});

test('apply: an agent whose reply was lost is made once', async () => {
  api.lose = '/v1/assistants';
  const { code, stdout, stderr } = await run(['apply', '-y', '-f', file('lost.yaml', agents('openai/gpt-4o-mini'))]);
  assert.equal(code, 0, stderr);
  assert.equal(api.lose, null);
  assert.equal(api.agents.length, 1);
  assert.match(stdout, /created agent-1/);
});

test('apply: a server that can not check is not tried out', async () => {
  api.hasCheck = false;
  const refused = await run(['apply', '-y', '-f', file('agents.yaml', agents('openai/gpt-4o-mini'))]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /older/);
  assert.equal(api.agents.length, 0);
});

/** All commands that print something and need no database. */
const printing = () => [
  ['--help'],
  ['--version'],
  ['help'],
  ['version'],
  ['run', '--help'],
  ['runs', '--help'],
  ['runs', 'list'],
  ['runs', 'list', '--json'],
  ['runs', 'show', api.runs[0].id],
  ['threads', 'show', api.runs[0].thread_id],
  ['run', 'agent-1', 'hello'],
  ['run', 'agent-1', 'hello', '--json'],
  ['run', 'agent-1', 'hello', '--no-wait'],
  ['batch', 'run', file('one.jsonl', '{"prompt":"a"}\n'), '--agent', 'agent-1'],
  ['batch', 'run', file('one.jsonl', '{"prompt":"a"}\n'), '--agent', 'agent-1', '--out', '/dev/null'],
  ['apply', '-f', file('agents.yaml', agents('openai/gpt-4o-mini')), '--dry-run'],
];

async function oneRun() {
  await run(['apply', '-y', '-f', file('agents.yaml', agents('openai/gpt-4o-mini'))]);
  assert.equal((await run(['run', 'agent-1', 'first'])).code, 0);
}

test('output: what can not be written to a full device is a failure of every command', async () => {
  await oneRun();
  for (const args of printing()) {
    assert.equal((await run(args)).code, 0, args.join(' '));
    const full = openSync('/dev/full', 'w');
    const { code, stderr } = await run(args, { stdout: full });
    closeSync(full);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /penstock: standard output: No space left on device/, args.join(' '));
  }
});

test('output: a pipe that nobody reads, and none at all, are a failure of every command', async () => {
  await oneRun();
  const quoted = (args) => args.map((arg) => `'${arg}'`).join(' ');
  for (const args of printing()) {
    for (const to of ['| (exec <&-; sleep 0.2)', '>&-']) {
      const script = `( sleep ${to === '>&-' ? 0 : 0.1}; '${join(bin, 'penstock')}' ${quoted(args)}; echo $? >'${folder}/code' ) ${to}`;
      const child = spawn('bash', ['-c', script], {
        cwd: folder,
        env: { PATH: process.env.PATH, HOME: folder, PENSTOCK_URL: url, PENSTOCK_API_KEY: 'pk_test' },
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      await once(child, 'close');
      assert.equal(readFileSync(join(folder, 'code'), 'utf8').trim(), '1', `${args.join(' ')} ${to}`);
    }
  }
});

test('batch: all bad lines are told, up to twenty', async () => {
  await oneRun();
  const submitted = api.runs.length;
  const lines = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? '{"prompt":"fine"}' : '{"promt":"bad"}'));
  const path = file('bad.jsonl', lines.join('\n'));
  const { code, stderr } = await run(['batch', 'run', path, '--agent', 'agent-1']);
  assert.equal(code, 2);
  assert.match(stderr, /bad\.jsonl:2: there is no "promt"/);
  assert.match(stderr, /bad\.jsonl:3: /);
  assert.equal(stderr.match(/bad\.jsonl:\d+: /g).length, 20);
  assert.match(stderr, /bad\.jsonl has 20 bad lines of 30.*--skip-bad/);
  assert.equal(api.runs.length, submitted);
  const more = file('bad.jsonl', Array.from({ length: 25 }, () => 'bad').join('\n'));
  assert.match((await run(['batch', 'run', more, '--agent', 'agent-1'])).stderr, /5 more/);
  const one = await run(['batch', 'run', file('bad.jsonl', '{"prompt":"a"}\nbad\n'), '--agent', 'agent-1', '--skip-bad']);
  assert.equal(one.code, 1);
  assert.match(one.stderr, /left out: .*bad\.jsonl:2: /);
});

test('batch: a byte order mark before the first line is no part of it', async () => {
  await oneRun();
  const { code, stdout } = await run(['batch', 'run', file('bom.jsonl', '\uFEFF{"prompt":"a"}\r\n{"prompt":"b"}\r\n'), '--agent', 'agent-1']);
  assert.equal(code, 0);
  assert.equal(stdout.trim().split('\n').length, 2);
});

test('batch: runs that called a function are counted by themselves, and the exit code says so', async () => {
  await oneRun();
  const path = file('waits.jsonl', '{"prompt":"weather?"}\n{"prompt":"b"}\n{"prompt":"weather!"}\n');
  const { code, stdout, stderr } = await run(['batch', 'run', path, '--agent', 'agent-1', '--out', join(folder, 'out.jsonl')]);
  assert.equal(code, 4);
  assert.match(stdout, /runs +3 \(1 completed, 0 failed, 2 called functions\)/);
  assert.match(stderr, /2 runs called functions/);
  const results = readFileSync(join(folder, 'out.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(results.map((result) => [result.custom_id, result.answer, result.error?.code ?? null]), [['line-1', null, 'client_tool_in_batch'], ['line-2', 'answer to b', null], ['line-3', null, 'client_tool_in_batch']]);
});

test('batch: what was interrupted is gone on with, and no other prompts are taken for it', async () => {
  await oneRun();
  const path = file('more.jsonl', '{"prompt":"a"}\n');
  const out = join(folder, 'kept.jsonl');
  writeFileSync(out, 'old\n');
  const args = ['batch', 'run', path, '--agent', 'agent-1', '--out', out];
  const posted = (pathname) => api.asked.filter((asked) => asked === `POST ${pathname}`).length;
  api.goesOn = true;
  const child = spawn(join(bin, 'penstock'), args, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, PENSTOCK_URL: url, PENSTOCK_API_KEY: 'pk_test' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  await until('it looks', () => api.asked.includes('GET /v1/batches/batch_1'));
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'close'), [130, null]);
  assert.match(said, /batch_1 goes on\. The same command collects its results;\npenstock batches cancel batch_1 stops it/);
  assert.equal(readFileSync(out, 'utf8'), 'old\n', 'old results stay until there are new ones');
  api.goesOn = false;
  const other = await run(['batch', 'run', file('other.jsonl', '{"prompt":"b"}\n'), '--agent', 'agent-1', '--out', out]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /kept\.jsonl\.batch says that a batch of other prompts.*batch_1/);
  assert.equal((await run(['batch', 'run', file('other.jsonl', '{"prompt":"b"}\n'), '--agent', 'agent-1', '--batch-id', 'batch_1'])).code, 2);
  assert.equal((await run(args)).code, 0);
  assert.deepEqual([posted('/v1/files'), posted('/v1/batches'), existsSync(`${out}.batch`)], [1, 1, false]);
  assert.equal(JSON.parse(readFileSync(out, 'utf8')).answer, 'answer to a');
  assert.equal((await run([...args.slice(0, -2), '--batch-id', 'batch_1'])).code, 0);
  assert.deepEqual([posted('/v1/files'), posted('/v1/batches')], [1, 1]);
  assert.equal((await run(args)).code, 0, 'what was done is begun anew');
  assert.deepEqual([posted('/v1/files'), posted('/v1/batches')], [2, 2]);
});

test('usage: what is wrong with it is exit code 2 of every program', async () => {
  const wrong = [
    ['penstock', ['nonsense']],
    ['penstock', ['runs']],
    ['penstock', ['run']],
    ['penstock', ['runs', 'show']],
    ['penstock', ['runs', 'list', '--limit', '0']],
    ['penstock', ['runs', 'list', '--nonsense']],
    ['penstock', ['runs', 'list', '--status', 'strange']],
    ['penstock', ['help', 'nonsense']],
    ['penstock', ['apply', '-f', 'not-there.yaml']],
    ['penstock', ['batch', 'run', 'not-there.jsonl', '--agent', 'x']],
    ['penstock', ['dev', '--workers', '0']],
    ['penstock', ['doctor', '--config', 'not-there.yaml']],
    ['penstock-scheduler', ['--nonsense']],
    ['penstock-scheduler', ['word']],
    ['penstock-scheduler', ['--roles', 'foo']],
    ['penstock-scheduler', ['--port', '99999']],
    ['penstock-scheduler', ['--config', 'not-there.yaml']],
    ['penstock-worker', ['--nonsense']],
    ['penstock-worker', ['word']],
    ['penstock-worker', ['--slots', '0']],
    ['penstock-worker', ['--config', 'not-there.yaml']],
    ['penstock-rehearsal', ['--nonsense']],
    ['penstock-rehearsal', ['word']],
    ['penstock-rehearsal', ['--script', 'not-there.yaml']],
  ];
  for (const [program, args] of wrong) {
    const { code, stderr, stdout } = await run(args, { program });
    assert.equal(code, 2, `${program} ${args.join(' ')}: ${code} ${stderr}`);
    assert.notEqual(stderr, '', `${program} ${args.join(' ')}`);
    assert.equal(stdout, program === 'penstock' && args[0] === 'doctor' ? stdout : '');
  }
  assert.match((await run(['--roles', 'foo'], { program: 'penstock-scheduler' })).stderr, /--roles must be some of api, dispatch, reap, .* and retention/);
});

test('usage: help and version are asked for in every form', async () => {
  const usage = (await run(['--help'])).stdout;
  assert.match(usage, /^Usage: penstock COMMAND/);
  assert.equal((await run(['help'])).stdout, usage);
  assert.equal((await run(['-h'])).stdout, usage);
  const own = (await run(['runs', 'list', '--help'])).stdout;
  assert.match(own, /^Usage: penstock runs list/);
  assert.equal((await run(['help', 'runs', 'list'])).stdout, own);
  assert.match((await run(['help', 'runs'])).stdout, /penstock runs show RUN/);
  assert.match((await run(['help', 'help'])).stdout, /Usage: penstock help/);
  const version = (await run(['--version'])).stdout;
  assert.match(version, /^penstock \d+\.\d+\.\d+\n$/);
  assert.equal((await run(['version'])).stdout, version);
});

test('usage: a prompt may begin with a dash', async () => {
  await oneRun();
  for (const prompt of ['-5+3?', '- is this a list?', '--really? yes, with blanks']) {
    const { code, stdout, stderr } = await run(['run', 'agent-1', prompt]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `answer to ${prompt}\n`);
  }
  const wrong = await run(['run', 'agent-1', '--really']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /put "--" in front of/);
  assert.equal((await run(['run', 'agent-1', '--', '--really'])).stdout, 'answer to --really\n');
});

test('run: what goes on in a thread is one request, whose reply may be lost', async () => {
  await oneRun();
  const [first] = api.runs;
  api.lose = `/v1/threads/${first.thread_id}/runs`;
  api.asked.length = 0;
  const { code, stdout, stderr } = await run(['run', 'agent-1', 'And now?', '--thread', first.thread_id, '--json']);
  assert.equal(code, 0, stderr);
  assert.equal(api.lose, null);
  assert.equal(api.runs.length, 2);
  const { id, thread_id } = JSON.parse(stdout);
  assert.deepEqual([id, thread_id], [api.runs[1].id, first.thread_id]);
  const posts = api.asked.filter((one) => one.startsWith('POST'));
  assert.deepEqual([...new Set(posts)], [`POST /v1/threads/${first.thread_id}/runs`]);
});

test('run: what becomes of it where its thread is busy is asked for', async () => {
  await oneRun();
  const [{ thread_id }] = api.runs;
  assert.equal((await run(['run', 'agent-1', 'And now?', '--thread', thread_id, '--when-busy', 'interrupt'])).code, 0);
  assert.equal(api.runs[1].asked.multitask_strategy, 'interrupt');
  const alone = await run(['run', 'agent-1', 'And now?', '--when-busy', 'interrupt']);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /--when-busy is about --thread/);
  assert.equal(api.runs.length, 2);
});

test('runs show: a run that is held, and one whose workers died, say so', async () => {
  await oneRun();
  Object.assign(api.runs[0], { status: 'queued', held: true, crashes: 2 });
  const { stdout } = await run(['runs', 'show', api.runs[0].id]);
  assert.match(stdout, /^crashes +2 /m);
  assert.match(stdout, /^outcome +the run is queued: another run of its thread comes first$/m);
});

test('runs show: what a run waits for, until when, and which models could not answer', async () => {
  await oneRun();
  Object.assign(api.runs[0], { status: 'queued', held: false, waits_for: 'rate_limit', waits_until: 1000 });
  api.runs[0].steps = [{ id: `step_${hex(1)}`, status: 'completed', model: 'spare/m', tried: [{ model: 'openai/down', code: 'overloaded', message: 'busy\u001b[2J' }] }];
  const { stdout } = await run(['runs', 'show', api.runs[0].id]);
  assert.match(stdout, /^outcome +the run is queued: it waits for its turn in the limits of .*, not before 1970-01-01 00:16:40\+00:00$/m);
  assert.match(stdout, /^! openai\/down could not answer: busy.{1,6}2J \(overloaded\)\n! answered by spare\/m$/m);
  Object.assign(api.runs[0], { waits_for: 'backoff' });
  assert.match((await run(['runs', 'show', api.runs[0].id])).stdout, /queued: it waits after a try that failed/);
  Object.assign(api.runs[0], { waits_for: 'time' });
  assert.match((await run(['runs', 'show', api.runs[0].id])).stdout, /queued: it waits for the time /);
});

test('run: a prompt with a NUL character is refused, not cut', async () => {
  const before = api.runs.length;
  const child = spawnSync(join(bin, 'penstock'), ['run', 'agent-1', '-'], { input: 'a\0b', encoding: 'utf8', env: { ...process.env, PENSTOCK_URL: url, PENSTOCK_API_KEY: 'pk_test' } });
  assert.equal(child.status, 2);
  assert.match(child.stderr, /NUL character, at byte 2/);
  assert.equal(api.runs.length, before);
});

test('runs show: what is no id is refused before anybody is asked', async () => {
  for (const id of ['x'.repeat(200), 'a/b', '']) {
    const { code, stderr } = await run(['runs', 'show', id]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /is no id of a run/);
  }
});

test('run: a list of names is one line, whatever is in them', async () => {
  api.agents.push({ id: `asst_${hex(7)}`, name: 'two\nlines', tools: [], metadata: {} });
  const { stderr } = await run(['run', 'nobody', 'hello']);
  assert.match(stderr, /^penstock: there is no agent with the name "nobody"; there are: two lines\n$/);
});

test('run: a name that is mistyped is told with the one that may be meant', async () => {
  const before = api.agents.length;
  api.agents.push({ id: `asst_${hex(8)}`, name: 'Help desk', slug: 'desk', tools: [], metadata: {} }, { id: `asst_${hex(9)}`, name: null, slug: 'front-desk', tools: [], metadata: {} });
  for (const [said, near] of [['deks', 'desk'], ['Help desc', 'Help desk'], ['front', 'front-desk']]) {
    const { code, stderr } = await run(['run', said, 'hello']);
    assert.equal(stderr, `penstock: there is no agent with the name "${said}"; did you mean "${near}"?\n`);
    assert.equal(code, 1);
  }
  const { code, stderr } = await run(['run', 'front-desk', 'hello']);
  assert.equal(code, 0, stderr);
  api.agents.length = before;
});

test('client: an address that ends with a slash or with /v1 is the same server', async () => {
  await oneRun();
  for (const end of ['/', '/v1', '/v1/', '//']) {
    const { code, stderr } = await run(['runs', 'list'], { env: { PENSTOCK_URL: `${url}${end}` } });
    assert.equal(code, 0, `${end}: ${stderr}`);
  }
});

test('runs list: no head before an error; agent, time with zone, and how long it took', async () => {
  await oneRun();
  const refused = await run(['runs', 'list'], { env: { PENSTOCK_API_KEY: 'pk_other' } });
  assert.equal(refused.code, 3);
  assert.equal(refused.stdout, '');
  const wrong = await run(['runs', 'list', '--status', 'done']);
  assert.equal(wrong.code, 2);
  assert.equal(wrong.stderr, `penstock: there is no status "done"; there are 'queued', 'in_progress', 'requires_action', 'cancelling', 'completed', 'failed', 'incomplete', 'cancelled', and 'expired'\n`);
  const [head, row] = (await run(['runs', 'list'])).stdout.split('\n');
  assert.match(head, /^RUN +STATUS +CREATED +TOOK +TOKENS +AGENT +MODEL$/);
  assert.match(row, /completed +1970-01-01 00:16:40\+00:00 +1m05s +3 +agent-1 +openai\/gpt-4o-mini$/);
  const there = await run(['runs', 'list'], { env: { TZ: 'Asia/Kolkata' } });
  assert.match(there.stdout, /1970-01-01 05:46:40\+05:30/);
  assert.match((await run(['runs', 'show', api.runs[0].id])).stdout, /^took +1m05s$/m);
});

test('runs redrive: with nothing to do says so', async () => {
  await oneRun();
  const { code, stdout } = await run(['runs', 'redrive', '--poison']);
  assert.equal(code, 0);
  assert.match(stdout, /nothing to redrive/);
});

test('terminal: messages carry no control characters of a file to the terminal', async () => {
  const path = file('esc.yaml', 'agents:\n  - {name: "\\e]0;owned\\a\\e[31mred", model: 3, modle: x}\n');
  const { code, stderr } = await run(['apply', '-y', '-f', path]);
  assert.equal(code, 2);
  assert.doesNotMatch(stderr, /[\x00-\x08\x0B-\x1F\x7F]/);
  const name = file('twice.yaml', 'agents:\n  - {name: "\\e[31mred", model: m}\n  - {name: "\\e[31mred", model: m}\n');
  const twice = await run(['apply', '-y', '-f', name]);
  assert.match(twice.stderr, /red/);
  assert.doesNotMatch(twice.stderr, /[\x00-\x08\x0B-\x1F\x7F]/);
});

test('env: prints what a shell takes over, with the programs on its path', async () => {
  const place = join(folder, 'place');
  mkdirSync(join(place, '.penstock'), { recursive: true });
  writeFileSync(join(place, '.penstock/dev.env'), "export PENSTOCK_URL='http://127.0.0.1:1'\nexport PENSTOCK_API_KEY='it'\\''s'\n");
  const script = `eval "$('${join(bin, 'penstock')}' env)" && echo "$PENSTOCK_URL $PENSTOCK_API_KEY" && sh -c 'echo $PENSTOCK_URL' && command -v penstock && eval "$(penstock env)" && echo "$PATH"`;
  const shell = spawnSync('sh', ['-c', script], { cwd: place, encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(shell.stdout, `http://127.0.0.1:1 it's\nhttp://127.0.0.1:1\n${join(bin, 'penstock')}\n${bin}:/usr/bin:/bin\n`, shell.stderr);
  const none = await run(['env']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /penstock dev/);
  assert.equal(none.stdout, '');
});

test('schedules next: times of a cron expression in its zone, and of an interval from its start, without any server', async () => {
  const next = (...args) => run(['schedules', 'next', ...args], { env: { PENSTOCK_URL: 'http://127.0.0.1:1' } });
  const times = async (...args) => {
    const { code, stdout, stderr } = await next(...args);
    assert.equal(code, 0, stderr);
    return stdout.split('\n').slice(0, -1);
  };
  assert.deepEqual(await times('30 2 * * *', '--zone', 'Europe/Berlin', '--from', '2026-03-28T02:30:00', '-n', '2'), [
    '2026-03-29T03:00:00+02:00  Sun', // after the time that is given, and at the end of an hour that never happens
    '2026-03-30T02:30:00+02:00  Mon',
  ]);
  assert.deepEqual(await times('@hourly', '--from', '2026-10-25T22:30:00Z', '--to', '2026-10-26T00:00:00Z'), ['2026-10-25T23:00:00+00:00  Sun', '2026-10-26T00:00:00+00:00  Mon']);
  assert.deepEqual(await times('@hourly', '--from', '2026-10-25T22:30:00Z', '--to', '2026-10-25T22:59:59Z'), []);
  assert.deepEqual(await times('90m', '-z', 'Asia/Kolkata', '-f', '2026-01-01T00:00:00', '-n', '2'), ['2026-01-01T01:30:00+05:30  Thu', '2026-01-01T03:00:00+05:30  Thu']);
  const before = Math.floor(Date.now() / 1000) * 1000; // to the second, as it counts
  const [first, ...more] = (await times('* * * * *')).map((line) => Date.parse(line.split(' ')[0]));
  assert.ok(first > before && first <= Date.now() + 60000);
  assert.equal(more.length, 4);
});

test('schedules next: what is wrong is told with what would be right', async () => {
  for (const [args, code, said] of [
    [['0 25 * * *'], 2, 'penstock: hour "25": expected 0 to 23\n'],
    [['5m10h'], 2, 'penstock: "5m10h" is no interval: expected numbers with units, such as 15m, 1h30m or 2d (w, d, h, m and s, in this order)\n'],
    [['@daily', '--zone', 'Mars/Olympus'], 2, 'penstock: unknown time zone "Mars/Olympus": expected an IANA name such as Europe/Berlin, America/New_York or UTC\n'],
    [['@daily', '--from', 'noon'], 2, /^penstock: --from: "noon" is no time: expected RFC 3339 such as /],
    [['@daily', '--count', '0'], 2, /count/],
    [['*/15 2 * 3 0#2', '--zone', 'America/New_York'], 1, "penstock: there is no other time: this zone's clocks skip what it matches\n"],
  ]) {
    const result = await run(['schedules', 'next', ...args]);
    assert.equal(result.code, code, args.join(' '));
    assert.equal(result.stdout, '');
    if (typeof said === 'string') assert.equal(result.stderr, said);
    else assert.match(result.stderr, said);
  }
});
