// A page in Chromium that reads runs, through Debian's nginx with the defaults that it has for proxies.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { Document } from '../docs/document.mjs';
import { Protocol } from '../lib/protocol.mjs';
import { Stack, freePort, until } from '../lib/stack.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const find = (...names) => names.flatMap((name) => ['/usr/bin', '/usr/sbin'].map((folder) => join(folder, name))).find(existsSync);
const browserFile = find('chromium-headless-shell', 'chromium');
const nginxFile = find('nginx');
const skip = !(browserFile && nginxFile) && 'Chromium or nginx is not here: deploy/packages browser';

const text = 'Of a text that is read in a page while it is made, through a proxy that comes and goes, and of which nothing is lost and nothing comes twice.';
const script = `
stream: {chunk_ms: 200, chunk_tokens: 1}
rules:
  - when: {user: '^compute'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: '${text}'
  - then: {text: '${text}'}
`;

/** One process, so that a kill leaves nobody behind. */
class Nginx {
  constructor(folder, port, penstock, key) {
    this.folder = folder;
    this.port = port;
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid nginx.pid; error_log nginx.log;
       ${process.getuid() === 0 ? 'user root;' : ''}
       events {}
       http {
         access_log access.log;
         map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
         ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ')}
         server {
           listen 127.0.0.1:${port};
           location = / { default_type text/html; return 200 "<!DOCTYPE html><title>runs</title>"; }
           location /v1/ {
             proxy_pass http://127.0.0.1:${penstock};
             proxy_http_version 1.1;
             proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection $connection_upgrade;
           }
           location = /ticket { proxy_pass http://127.0.0.1:${penstock}/v1/tickets; proxy_set_header Authorization "Bearer ${key}"; }
           location /live/ { proxy_pass http://127.0.0.1:${penstock}/v1/; proxy_set_header Authorization "Bearer ${key}"; }
         }
       }`,
    );
  }

  async start() {
    this.child = spawn(nginxFile, ['-p', this.folder, '-c', 'nginx.conf', '-e', 'nginx.log'], { stdio: 'ignore' });
    await until('nginx listens', () => new Promise((done) => {
      const socket = connect(this.port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      socket.on('connect', () => socket.destroy());
    }));
  }

  async stop(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'exit');
  }
}

let stack;
let folder;
let nginx;
let browser;
let assistant;
before(async () => {
  if (skip) return;
  stack = await Stack.start({ script });
  assistant = await stack.assistant();
  folder = mkdtempSync(join(tmpdir(), 'penstock-nginx-'));
  nginx = new Nginx(folder, await freePort(), stack.port, stack.key);
  await nginx.start();
  browser = await chromium.launch({ executablePath: browserFile, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
});
after(async () => {
  await browser?.close();
  await nginx?.stop('SIGTERM');
  const bad = (await stack?.stop()) ?? [];
  if (folder) rmSync(folder, { recursive: true, force: true });
  assert.deepEqual(bad, []);
});

async function open() {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${nginx.port}/`);
  return page;
}

/** A run that a page reads from its beginning: a reply that begins unread comes in one piece. `read` makes the page read this address. */
async function readFromStart(page, prompt, read) {
  const [worker] = stack.workers;
  worker.child.kill('SIGSTOP');
  try {
    const run = await stack.submit(assistant, prompt);
    await page.evaluate(read, `/live/runs/${run.id}/events`);
    await hears(page, 'the run', 1);
    return run;
  } finally {
    worker.child.kill('SIGCONT');
  }
}

const told = (page) => page.evaluate(() => window.told);
const hears = (page, what, count) => until(what, async () => (await told(page)).length >= count);
const answer = (events) => events.filter(({ name }) => name === 'answer').map(({ data }) => data.text).join('');

test('fetch in a page: a run that is posted comes piece by piece through nginx', { skip }, async () => {
  const page = await open();
  const { chunks, type, all } = await page.evaluate(async ({ key, id }) => {
    const reply = await fetch('/v1/threads/runs', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ assistant_id: id, stream: true, thread: { messages: [{ role: 'user', content: 'compute' }] } }),
    });
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    const chunks = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { chunks: chunks.length, type: reply.headers.get('content-type'), all: chunks.join('') };
      chunks.push(value);
    }
  }, { key: stack.key, id: assistant.id });
  const protocol = new Protocol({ withThread: true });
  for (const frame of all.split('\n\n').map((lines) => /^event: (.*)\ndata: (.*)$/m.exec(lines)).filter(Boolean))
    protocol.take({ event: frame[1], data: frame[2] === '[DONE]' ? frame[2] : JSON.parse(frame[2]) });
  assert.equal(protocol.end().status, 'completed');
  assert.match(type, /^text\/event-stream/);
  assert.ok(chunks > 10, `${chunks} chunks`);
  assert.equal(protocol.messages[0].text, text);
  assert.equal(await stack.answer(protocol.run), text);
  await page.close();
});

test('EventSource comes back behind its last event when nginx was killed, and a 204 ends it', { skip }, async () => {
  const page = await open();
  const run = await readFromStart(page, 'compute', (url) => {
    window.told = [];
    window.breaks = 0;
    window.source = new EventSource(`${url}?format=simple`);
    for (const name of ['run', 'thinking', 'tool_call', 'tool_result', 'answer', 'done'])
      window.source.addEventListener(name, (event) => window.told.push({ name, id: event.lastEventId, data: JSON.parse(event.data) }));
    window.source.onerror = () => window.breaks++;
  });
  for (const more of [7, 14]) {
    await hears(page, `${more} events`, more);
    await nginx.stop('SIGKILL');
    await until('the page knows', () => page.evaluate((breaks) => window.breaks > breaks, more === 7 ? 0 : 1));
    await nginx.start();
  }
  await until('it is ended', () => page.evaluate(() => window.source.readyState === EventSource.CLOSED), 30000);
  const events = await told(page);
  assert.deepEqual(events.map(({ name }) => name).filter((name, i, all) => name !== all[i - 1]), ['run', 'thinking', 'tool_call', 'tool_result', 'answer', 'done']);
  assert.equal(new Set(events.map(({ id, name }) => `${id} ${name}`)).size, events.length);
  assert.equal(answer(events), text);
  assert.equal(await stack.answer(run), text);
  await page.close();
});

test('docs/streams.md: follow.js misses nothing while nginx and the scheduler are killed', { skip }, async () => {
  const page = await open();
  const [{ lines }] = new Document(join(root, 'docs/streams.md')).blocks().filter(({ argument }) => argument === 'follow.js');
  await page.addScriptTag({ content: lines.join('\n') });
  const run = await readFromStart(page, 'go', (url) => {
    window.told = [];
    follow(url, (name, data) => window.told.push({ name, data }));
  });
  await hears(page, 'a few events', 6);
  await nginx.stop('SIGKILL');
  await nginx.start();
  // Now nginx answers 502, which no EventSource comes back from.
  await stack.scheduler.kill('SIGKILL');
  const refused = () => spawnSync('grep', ['-c', ' 502 ', join(folder, 'access.log')], { encoding: 'utf8' }).stdout.trim();
  await until('the page was answered 502', () => Number(refused()) > 0, 30000);
  await stack.startScheduler();
  await until('the run is over', async () => (await told(page)).at(-1).name === 'done', 30000);
  const events = await told(page);
  assert.deepEqual(events.map(({ name }) => name).filter((name, i, all) => name !== all[i - 1]), ['run', 'thinking', 'answer', 'done']);
  assert.equal(answer(events), text);
  assert.equal(await stack.answer(run), text);
  assert.equal(events.at(-1).data.status, 'completed');
  await page.close();
});

test('thread.js of docs/websocket.md holds a thread while nginx and the scheduler are killed', { skip }, async () => {
  const { id: thread } = await stack.ok('POST', '/v1/threads', {});
  const page = await open();
  const source = new Document(join(root, 'docs/websocket.md')).blocks().find(({ argument }) => argument === 'thread.js');
  await page.evaluate(source.lines.join('\n').replace('function openThread', 'window.openThread = function'));
  await page.evaluate((id) => {
    window.told = [];
    window.closes = [];
    const Plain = window.WebSocket;
    window.WebSocket = class extends Plain {
      constructor(...args) {
        super(...args);
        this.addEventListener('close', ({ code }) => window.closes.push(code));
      }
    };
    const getTicket = async () => {
      const reply = await fetch('/ticket', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ thread_id: id }) });
      return (await reply.json()).ticket;
    };
    window.thread = window.openThread(`ws://${location.host}/v1/threads/${id}/ws`, getTicket, (message) => window.told.push(message));
  }, thread);
  const heard = (what, fits) => until(what, async () => (await told(page)).find(fits));
  await heard('ready', (message) => message.type === 'ready');
  const said = await page.evaluate((id) => window.thread.send({ type: 'message', content: 'compute', run: { assistant_id: id } }), assistant.id);
  const ack = await heard('ack', (message) => message.id === said);
  const chunks = async () => (await told(page)).filter((message) => message.type === 'chunk');
  await until('some of it is said', async () => (await chunks()).length > 3);
  await nginx.stop('SIGKILL');
  await until('the page knows', () => page.evaluate(() => window.closes.length === 1));
  // What is said while nothing is there comes when it is.
  const later = await page.evaluate((id) => window.thread.send({ type: 'message', content: 'go on', on_busy: 'queue', run: { assistant_id: id } }), assistant.id);
  await nginx.start();
  const before = (await chunks()).length;
  await until('more of it is said', async () => (await chunks()).length > before);
  await stack.scheduler.kill('SIGKILL');
  await stack.startScheduler();
  // The scheduler may have died with it in hand: then its key is in use for a while yet.
  const second = await until('the second ack', async () => (await told(page)).find((message) => message.type === 'ack' && message.id === later), 120000);
  for (const run of [ack.run_id, second.run_id]) {
    await heard('its end', (message) => message.event === 'done' && message.run_id === run);
    assert.equal((await chunks()).filter((chunk) => chunk.run_id === run).map((chunk) => chunk.text).join(''), text);
  }
  assert.equal(stack.sql(`SELECT 1 FROM messages m JOIN threads t ON t.id = m.thread_id WHERE role = 'user' AND 'thread_' || replace(t.id::text, '-', '') = '${thread}'`).length, 2);
  const closes = await page.evaluate(() => window.closes.length);
  assert.ok(closes >= 2);
  await page.evaluate(() => window.thread.close());
  await until('it is closed', () => page.evaluate((count) => window.closes.length > count && window.closes.at(-1) === 1000, closes));
  await page.close();
});

test('a page learns why its socket is refused', { skip }, async () => {
  const { id: thread } = await stack.ok('POST', '/v1/threads', {});
  const page = await open();
  const close = (path, protocols) => page.evaluate(([url, names]) => new Promise((done) => {
    new WebSocket(`ws://${location.host}${url}`, names).onclose = ({ code, reason }) => done({ code, reason });
  }), [path, protocols]);
  const wrong = await close(`/v1/threads/${thread}/ws`, ['penstock.v1', `ticket.${'x'.repeat(43)}`]);
  assert.equal(wrong.code, 4401);
  assert.match(wrong.reason, /^Incorrect ticket/);
  const { ticket } = await stack.ok('POST', '/v1/tickets', {});
  assert.equal((await close('/v1/threads/thread_00000000000000000000000000000000/ws', ['penstock.v1', `ticket.${ticket}`])).code, 4404);
  await page.close();
});
