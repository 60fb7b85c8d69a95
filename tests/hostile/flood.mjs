// A tenant that asks for as much as it may, from a process of its own: what it costs to ask shall not show in what is measured.
//
//   const flood = await Flood.start('pages', {url, key, thread, clients: 20});
//   … measure …
//   const report = await flood.stop();    // {asked, good, refused: {429: 17}, bad: ['…']}
//
// An answer is good, or a refusal that says what to do (429 or 503 with retry-after and an error), or else bad.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const KEPT_BAD = 5;
const PART_BYTES = 256000; // what a part of a message may be

/** The content of a message with so many bytes of text. */
export function content(bytes, letter = 'p') {
  const parts = [];
  for (let left = bytes; left > 0; left -= PART_BYTES) parts.push({ type: 'text', text: letter.repeat(Math.min(left, PART_BYTES)) });
  return parts;
}

export class Flood {
  /** kind: one of the kinds below. nice: as of nice(1), for what shares the cores with what is measured. */
  static async start(kind, options, nice = 0) {
    const flood = new Flood();
    const file = fileURLToPath(import.meta.url);
    flood.child = spawn('nice', ['-n', String(nice), process.execPath, file, kind, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
    flood.lines = createInterface({ input: flood.child.stdout })[Symbol.asyncIterator]();
    flood.began = await flood.#line(); // what it has to say at its start: {port}
    return flood;
  }

  async #line() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the flood ended by itself');
    return JSON.parse(value);
  }

  async stop() {
    this.child.stdin.end();
    const report = await this.#line();
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return report;
  }
}

class Requests {
  going = true;
  report = { asked: 0, good: 0, refused: {}, bad: [] };

  constructor(options) {
    this.options = options;
    this.url = new URL(options.url);
    this.agent = new Agent({ keepAlive: true, maxSockets: options.clients });
  }

  /** Returns {status, headers, bytes}; a connection that was cut is an answer without status. */
  ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.options.key}` };
    if (body) Object.assign(headers, { 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' });
    return new Promise((done) => {
      const out = request({ agent: this.agent, host: this.url.hostname, port: this.url.port, method, path, headers }, (reply) => {
        const pieces = [];
        reply.on('data', (piece) => pieces.push(piece));
        reply.on('error', (error) => done({ status: 0, bytes: Buffer.from(error.message) }));
        reply.on('end', () => done({ status: reply.statusCode, headers: reply.headers, bytes: Buffer.concat(pieces) }));
      });
      out.on('error', (error) => done({ status: 0, bytes: Buffer.from(error.message) }));
      if (body) out.on('continue', () => out.end(body));
      else out.end();
    });
  }

  /** judge(bytes) says what is wrong with a good answer, or nothing. */
  note(reply, judge) {
    this.report.asked++;
    const wrong = reply.status === 200 ? judge(reply.bytes) : wrongRefusal(reply);
    if (wrong && this.report.bad.length < KEPT_BAD) this.report.bad.push(wrong);
    if (!wrong && reply.status === 200) this.report.good++;
    if (!wrong && reply.status !== 200) this.report.refused[reply.status] = (this.report.refused[reply.status] ?? 0) + 1;
  }

  /** `clients` loops, each with one request at a time. */
  async loop(ask, judge) {
    const one = async (client) => {
      while (this.going) {
        const reply = await ask(client);
        this.note(reply, judge);
        // As the answer asks for, but in a hundredth of the time.
        if (reply.status !== 200) await new Promise((done) => setTimeout(done, 10));
      }
    };
    await Promise.all(Array.from({ length: this.options.clients }, (_, client) => one(client)));
  }
}

function wrongRefusal({ status, headers, bytes }) {
  const text = bytes.toString().slice(0, 200);
  if (status !== 429 && status !== 503) return `${status || 'no answer'}: ${text}`;
  if (!headers['retry-after'] || headers['x-should-retry'] !== 'true') return `${status} does not say when to try again: ${text}`;
  return JSON.parse(bytes).error?.message ? null : `${status} without an error: ${text}`;
}

/** Pages of a thread; the first is looked at closely, the others must be the same. */
async function pages(requests) {
  const { thread, messageBytes } = requests.options;
  let right;
  const judge = (bytes) => {
    if (right) return bytes.equals(right) ? null : `a page is not as the first one: ${bytes.length} bytes and ${right.length}`;
    const page = JSON.parse(bytes);
    if (page.object !== 'list' || page.data.length === 0 || page.has_more !== true) return `a page of ${page.data?.length} messages, has_more ${page.has_more}`;
    const sizes = page.data.map((message) => message.content.reduce((sum, part) => sum + part.text.value.length, 0));
    if (sizes.some((size) => size !== messageBytes)) return `messages have ${sizes} bytes`;
    right = bytes;
    return null;
  };
  await requests.loop(() => requests.ask('GET', `/v1/threads/${thread}/messages?limit=100`), judge);
}

/** Messages as large as a body may be, each client on a thread of its own. */
async function posts(requests) {
  const { threads, bytes } = requests.options;
  const body = Buffer.from(JSON.stringify({ role: 'user', content: content(bytes) }));
  const judge = (reply) => (reply.length > bytes && reply.subarray(0, 80).includes('thread.message') ? null : `a message of ${reply.length} bytes`);
  await requests.loop((client) => requests.ask('POST', `/v1/threads/${threads[client]}/messages`, body), judge);
}

/** Runs of an assistant whose spec is large, by requests of a few bytes: each client submits one and polls it, again and again. No more than `runs` are
 * made, which are polled from then on; `ids` of runs that are there are polled alone. */
async function specs(requests) {
  const { assistant, bytes, clients, ids = [], runs = 0 } = requests.options;
  const body = Buffer.from(JSON.stringify({ assistant_id: assistant }));
  const polled = Array.from({ length: clients }, (_, client) => ids[client % ids.length]);
  let made = 0;
  let turn = 0;
  const judge = (reply) => {
    const id = /"id":\s?"(run_[0-9a-f]{32})"/.exec(reply.subarray(0, 200).toString())?.[1];
    return id && reply.length > bytes ? null : `a run of ${reply.length} bytes`;
  };
  await requests.loop(async (client) => {
    if (polled[client] && (made >= runs || turn++ % 4)) return requests.ask('GET', `/v1/runs/${polled[client]}`);
    made++;
    const reply = await requests.ask('POST', '/v1/threads/runs', body);
    if (reply.status === 200) polled[client] = /run_[0-9a-f]{32}/.exec(reply.bytes.subarray(0, 200).toString())[0];
    return reply;
  }, judge);
}

/** Connections that say nothing; one that is closed is opened again. */
async function silent(requests) {
  const { count } = requests.options;
  const { hostname, port } = requests.url;
  const open = new Set();
  const add = () => {
    const socket = connect(port, hostname);
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(socket);
      requests.report.asked++;
      if (requests.going) setTimeout(add, 1000);
    });
  };
  for (let i = 0; i < count; i++) {
    add();
    if (i % 100 === 99) await new Promise((done) => setTimeout(done, 5));
  }
  requests.end = () => open.forEach((socket) => socket.destroy());
}

/** A model at `port` (0: any) that answers so many bytes after so long, whatever it is asked. */
async function model(requests) {
  const message = { role: 'assistant', content: 'm'.repeat(requests.options.bytes) };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const answer = Buffer.from(JSON.stringify({ id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }], usage }));
  const server = createServer((asked, response) => {
    asked.resume();
    asked.on('end', () => setTimeout(() => {
      requests.report.asked++;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    }, requests.options.delayMs ?? 0));
  });
  server.listen(requests.options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  requests.began = { port: server.address().port };
  requests.end = () => server.closeAllConnections();
}

const kinds = { pages, posts, specs, silent, model };

async function main(kind, options) {
  const requests = new Requests({ url: 'http://127.0.0.1', clients: 1, ...options });
  const work = kinds[kind](requests);
  if (!options.clients) await work;
  console.log(JSON.stringify(requests.began ?? {}));
  process.stdin.resume();
  await once(process.stdin, 'end');
  requests.going = false;
  await work;
  requests.end?.();
  console.log(JSON.stringify(requests.report));
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2], JSON.parse(process.argv[3]));
