// `penstock run` and `penstock threads chat` as they follow a run: against a server that is played, whose line breaks where a
// test says, and on a terminal of its own (script, of util-linux).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin');
const hex = (n) => n.toString(16).padStart(32, '0');
const thread = `thread_${hex(7)}`;

let folder;
let server;
let url;
let plays; // of each run that is made: [{events, cut}], cut: behind how many events the line breaks, one for each connection
let made; // [{path, body, key, play}]
let asked; // ["GET /v1/…"]

const say = (id, value) => ['thread.message.delta', { id, delta: { content: [{ index: 0, type: 'text', text: { value } }] } }];

/** The events of a run that says these words, with what comes before them. */
function told(n, words, { status = 'completed', before = [], more = {} } = {}) {
  const run = { id: `run_${hex(n)}`, object: 'thread.run', thread_id: thread, status: 'queued', ...more };
  const message = { id: `msg_${hex(n)}`, object: 'thread.message', role: 'assistant', status: 'completed' };
  return [
    ['thread.run.created', run],
    ['thread.run.in_progress', { ...run, status: 'in_progress' }],
    ...before,
    ...(words.length ? [['thread.message.created', message], ...words.map((word) => say(message.id, word)), ['thread.message.completed', message]] : []),
    [`thread.run.${status}`, { ...run, status }],
    ['done', '[DONE]'],
  ];
}

const call = ['thread.run.step.completed', { id: 'step_1', object: 'thread.run.step', status: 'completed', step_details: { type: 'tool_calls', tool_calls: [{ id: 'c', type: 'function', function: { name: 'look', arguments: '{"at":1}', output: 'seen' } }] } }];

function stream(response, play, after) {
  const events = play.events.map(([name, data], i) => ({ id: `e/${i + 1}`, name, data }));
  const rest = events.slice(events.findIndex(({ id }) => id === after) + 1);
  const cut = play.cut?.shift() ?? rest.length;
  response.setHeader('content-type', 'text/event-stream');
  response.write(': hello\n\n');
  for (const { id, name, data } of rest.slice(0, cut)) response.write(`id: ${id}\nevent: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  if (play.hold) return;
  if (cut < rest.length) setTimeout(() => response.destroy(), 10);
  else response.end();
}

function reply(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

const refuse = (response, status, message, headers) => reply(response, status, { error: { message, type: 'x', param: null, code: null } }, headers);

function make(response, request, path, body) {
  const key = request.headers['idempotency-key'];
  let one = made.find((other) => other.key === key);
  if (!one) {
    const play = plays.shift();
    if (play.refuse?.length) return refuse(response, ...play.refuse.shift());
    made.push((one = { path, body, key, play }));
  }
  return stream(response, one.play, '');
}

function answer(request, response, text) {
  const { pathname, searchParams } = new URL(request.url, url);
  asked.push(`${request.method} ${pathname}`);
  if (pathname === '/v1/assistants') return reply(response, 200, { object: 'list', data: [{ id: `asst_${hex(1)}`, name: 'guide' }], has_more: false });
  if (request.method === 'POST' && pathname.endsWith('/runs')) return make(response, request, pathname, JSON.parse(text));
  if (pathname.endsWith('/cancel')) {
    for (const { play } of made) play.hold = false;
    return reply(response, 200, { id: 'x', object: 'thread.run', status: 'cancelled' });
  }
  if (pathname.endsWith('/events')) return stream(response, made.find(({ play }) => pathname.includes(play.events[0][1].id)).play, searchParams.get('after') ?? '');
  if (pathname.endsWith('/messages')) {
    const run = made.at(-1)?.play.events.at(-2)[1];
    const words = made.at(-1)?.play.events.filter(([name]) => name === 'thread.message.delta').map(([, data]) => data.delta.content[0].text.value) ?? ['before'];
    return reply(response, 200, { object: 'list', data: [{ id: 'msg_1', role: 'assistant', run_id: run?.id, content: [{ type: 'text', text: { value: words.join('') } }] }], has_more: !run });
  }
  if (pathname === `/v1/threads/${thread}`) return reply(response, 200, { id: thread, object: 'thread', assistant_id: `asst_${hex(1)}` });
  return refuse(response, 404, `No such thing: ${pathname}`);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-live-'));
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => answer(request, response, text));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}`;
});

beforeEach(() => {
  [plays, made, asked] = [[], [], []];
});

after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const env = (more) => ({ PATH: process.env.PATH, HOME: folder, TERM: 'xterm', NO_COLOR: '1', TZ: 'UTC', PENSTOCK_URL: url, PENSTOCK_API_KEY: 'pk_test', ...more });

async function ended(child) {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdin.on('error', () => {});
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** Without a terminal. */
function run(args, input = '') {
  const child = spawn(join(bin, 'penstock'), args, { env: env() });
  child.stdin.end(input);
  return ended(child);
}

/** On a terminal: `type` is [[what has been shown, what is typed then], …]; both outputs are one. */
async function onTerminal(args, type = [], more = {}) {
  const child = spawn('script', ['-qec', `exec ${[join(bin, 'penstock'), ...args].map((word) => `'${word}'`).join(' ')}`, '/dev/null'], { env: env(more) });
  const left = [...type];
  let shown = '';
  child.stdout.on('data', (chunk) => {
    shown += chunk;
    while (left.length && shown.includes(left[0][0])) {
      const [what, keys] = left.shift();
      shown = shown.slice(shown.indexOf(what) + what.length);
      child.stdin.write(keys);
    }
  });
  const stuck = setTimeout(() => child.kill(), 30000); // its terminal hangs up
  const { code, stdout } = await ended(child);
  clearTimeout(stuck);
  assert.deepEqual(left, [], `was not shown: ${JSON.stringify(stdout)}`);
  return { code, text: stdout.replaceAll('\r\n', '\n') };
}

test('run: a line that breaks behind any event is taken up behind it, and nothing is made or printed twice', async () => {
  const count = told(1, ['a', 'b'], { before: [call] }).length;
  for (let cut = 0; cut < count; cut++) {
    [made, asked] = [[], []];
    plays = [{ events: told(1, ['a', 'b'], { before: [call] }), cut: [cut] }];
    const { code, stdout, stderr } = await run(['run', 'guide', 'hello']);
    assert.deepEqual([code, stdout, stderr], [0, 'ab\n', '→ look {"at":1}\n← seen\n'], `cut behind ${cut}`);
    assert.equal(made.length, 1);
    assert.equal(made[0].body.stream, true);
  }
});

test('run: where all streams are taken it is asked again, and a refusal is told', async () => {
  plays = [{ refuse: [[503, 'As many streams are open as may be.', { 'x-should-retry': 'true', 'retry-after-ms': '50' }]] }, { events: told(1, ['there']) }];
  assert.deepEqual(await run(['run', 'guide', 'hello']), { code: 0, stdout: 'there\n', stderr: '' });
  plays = [{ refuse: [[400, "Unknown parameter: 'stream'."]] }];
  assert.deepEqual(await run(['run', 'guide', 'hello']), { code: 1, stdout: '', stderr: "penstock: Unknown parameter: 'stream'.\n" });
});

test('run: a run that fails, or waits for its client, has its exit code and its words', async () => {
  plays = [{ events: told(1, [], { status: 'failed', more: { last_error: { code: 'server_error', message: 'broken' } } }) }];
  const failed = await run(['run', 'guide', 'hello']);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /the run is failed: broken \(server_error\)/);
  const calls = [{ id: 'call_1', type: 'function', function: { name: 'ask', arguments: '{}' } }];
  plays = [{ events: told(2, [], { status: 'requires_action', more: { required_action: { type: 'submit_tool_outputs', submit_tool_outputs: { tool_calls: calls } } } }) }];
  const waits = await run(['run', 'guide', 'hello', '--json']);
  assert.equal(waits.code, 4);
  assert.match(waits.stderr, /waits for tool outputs .* of ask \{\} \(call_1\)/);
  assert.equal(JSON.parse(waits.stdout).status, 'requires_action');
});

test('run: on a terminal words come as they are said, cleaned; what breaks off is said to, and said again', async () => {
  const broken = { id: `msg_${hex(9)}`, object: 'thread.message', role: 'assistant' };
  plays = [
    {
      events: told(1, ['whole ', 'answer\u001b[2J'], {
        before: [['thread.run.reasoning.delta', { delta: { text: 'hm' } }], say(broken.id, 'half an'), ['thread.message.incomplete', { ...broken, status: 'incomplete' }], call],
      }),
    },
  ];
  const { code, text } = await onTerminal(['run', 'guide', 'hello']);
  assert.equal(code, 0);
  assert.equal(text, 'hm\nhalf an\n(this text broke off)\n→ look {"at":1}\n← seen\nwhole answer[2J\n');
  assert.ok(!asked.some((line) => line.endsWith('/messages')), 'the answer is not fetched once more');
});

test('run: who is interrupted is told that the run goes on', async () => {
  plays = [{ events: told(1, ['one ']), cut: [4], hold: true }];
  const { code, text } = await onTerminal(['run', 'guide', 'hello'], [['one ', '\x03']]);
  assert.equal(code, 130);
  assert.match(text, new RegExp(`The run goes on. Look at it:  penstock runs show run_${hex(1)}`));
});

test('chat: lines of a pipe are said in turn, in one thread', async () => {
  plays = [{ events: told(1, ['first']) }, { events: told(2, ['second']) }];
  const { code, stdout, stderr } = await run(['threads', 'chat', '--agent', 'guide', '--user', 'ada'], 'one\n\n  \ntwo \\\nlines\n/quit\nthree\n');
  assert.deepEqual([code, stdout, stderr], [0, 'first\nsecond\n', '']);
  assert.deepEqual(made.map(({ path }) => path), ['/v1/threads/runs', `/v1/threads/${thread}/runs`]);
  assert.equal(made[0].body.thread.messages[0].content, 'one');
  assert.equal(made[0].body.user, 'ada');
  assert.equal(made[1].body.additional_messages[0].content, 'two \nlines');
  assert.equal(made[1].body.multitask_strategy, 'enqueue');
  assert.ok(!existsSync(join(folder, '.local')), 'no history of a pipe');
});

test('chat: what is wrong with the arguments, with a line, and with the server', async () => {
  assert.match((await run(['threads', 'chat'])).stderr, /say a THREAD to go on with, or --agent/);
  assert.equal((await run(['threads', 'chat', '../x'])).code, 2);
  assert.equal((await run(['threads', 'chat', thread, '--agent', 'nobody'])).code, 1);
  const child = await run(['threads', 'chat', thread], Buffer.from([0xff, 0x0a]));
  assert.deepEqual([child.code, child.stderr], [2, 'penstock: a line that is not UTF-8\n']);
  plays = [{ refuse: [[400, 'The thread is full.']] }, { events: told(1, ['x']) }];
  const refused = await run(['threads', 'chat', thread], 'one\ntwo\n');
  assert.deepEqual([refused.code, refused.stderr, made.length], [1, 'penstock: The thread is full.\n', 0], 'nothing is said behind a line that was not taken');
});

test('chat: a person edits, stops an answer and goes on; what was typed is remembered, for its owner alone', async () => {
  plays = [{ events: told(1, ['never ', 'ends']), cut: [4], hold: true }, { refuse: [[400, 'No.']] }, { events: told(2, ['done']) }];
  const { code, text } = await onTerminal(
    ['threads', 'chat', thread],
    [
      ['> ', 'forget this\x03'],
      ['> ', 'caf\u00e9\x7fe\n'], // a whole character is taken back
      ['never ', '\x03'],
      ['(stopped)', ''],
      ['> ', '/help\n'],
      ['> ', 'refused\n'],
      ['No.', ''],
      ['> ', '\x1b[A\x1b[A\n'], // the line before the last one
      ['done', ''],
      ['> ', '\x04'],
    ],
  );
  assert.equal(code, 0, text);
  assert.match(text, /\(earlier: penstock threads show thread_0+7\)\nassistant: before\n/);
  assert.deepEqual(made.map(({ body }) => body.additional_messages[0].content), ['cafe', 'cafe']);
  assert.match(text, new RegExp(`Go on with it:  penstock threads chat ${thread}`));
  const history = join(folder, '.local/state/penstock/chat_history');
  assert.equal(statSync(history).mode & 0o777, 0o600);
  assert.match(readFileSync(history, 'utf8'), /cafe[^]*refused/);
  plays = [{ events: told(3, ['again']) }];
  await onTerminal(['threads', 'chat', thread], [['> ', '\x1b[A\n'], ['again', ''], ['> ', '/quit\n']]);
  assert.equal(made.at(-1).body.additional_messages[0].content, 'cafe', 'a history of an earlier chat');
});

