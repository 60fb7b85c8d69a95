// What readers of the events of runs cost, and how soon they hear what a model says.
//
//   tests/bench/streams.mjs [--websockets] [--readers 10000] [--slow 500] [--dead 50] [--runs 1000] [--seconds 40] [--json FILE]
//   tests/bench/streams.mjs --runs 2000 --listeners [--repeat 3] [--before-bin DIR] [--json FILE]
//
// The first: one scheduler, one worker, and a model of the bench's own, in a process of its own, that writes a piece of each run's reply every second or two, with the time at which it does.
// Readers are sockets of this process, spread over the runs. Slow ones take 4 KiB a second of runs that say 16 KiB a second, dead ones nothing of the
// same. Measured: the memory of the scheduler for each reader, its CPU for each event, and the time from the model's write to the reader, of those that
// read (--websockets: each reads the run's thread over a WebSocket); how long it took from one step of all runs at the same moment until readers were told of it, what CPU that was, and how long until all of them had heard of what came next; and how many were cut: no slow one should be, and all that are dead, after half a minute. The exit code is 1 when a reader got nothing.
//
// The second: standard runs (tests/bench/run) that are made before the worker starts, with a reader of each and without, in turn: CPU for each run. --before-bin: of other
// programs, too.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client } from './load.mjs';
import { fold, median, percentiles, perRun, rss, sample, starved } from './probe.mjs';
import { Stack, sleep, until } from '../lib/stack.mjs';
import { FIN, OP, frame } from '../lib/websocket.mjs';

const { values: options } = parseArgs({
  options: {
    readers: { type: 'string', default: '10000' }, slow: { type: 'string', default: '500' }, dead: { type: 'string', default: '50' },
    runs: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '40' }, listeners: { type: 'boolean', default: false }, websockets: { type: 'boolean', default: false },
    repeat: { type: 'string', default: '3' }, 'before-bin': { type: 'string' }, json: { type: 'string' }, model: { type: 'boolean', default: false },
  },
});
const LOUD_BYTES = 4000; // of a piece, four a second
const SLOW_BYTES = 4096; // that a slow reader takes in a second
const now = () => performance.timeOrigin + performance.now();
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';

/**
 * The model: when it is told, it calls a tool in each run, and then it speaks, with the time in each piece: `<1795976888123.4>`. Whoever listens to a run by then hears
 * all that it says.
 */
async function model() {
  const speakers = new Set();
  const held = [];
  let over = false;
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const bytes of request) text += bytes;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (!text.includes('"role":"tool"')) held.push(response);
    else speakers.add({ response, loud: text.includes('loud'), next: now() + Math.random() * 2000 });
    process.send({ asked: held.length, speaks: speakers.size });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chunk = (choice) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
  const speak = (speaker) => speaker.response.write(chunk({ delta: { content: `<${now()}>${speaker.loud ? 'x'.repeat(LOUD_BYTES) : ' and so on, a few words more'}` } }));
  process.on('message', (what) => {
    if (what === 'end') {
      over = true;
      for (const { response } of speakers) response.end(`${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`);
      return;
    }
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'calculator', arguments: '{"expression":"6*7"}' } };
    for (const response of held) response.end(`${chunk({ delta: { tool_calls: [call] } })}${chunk({ delta: {}, finish_reason: 'tool_calls' })}data: [DONE]\n\n`);
    setInterval(() => {
      if (over) return;
      const at = now();
      for (const speaker of speakers) {
        if (speaker.next > at) continue;
        speak(speaker);
        speaker.next = at + (speaker.loud ? 250 : 1000 + Math.random() * 1000);
      }
    }, 5);
  });
  process.send({ port: server.address().port });
}

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const rest = (stack) => `HTTP/1.1\r\nHost: ${new URL(stack.url).host}\r\nAuthorization: Bearer ${stack.key}\r\n`;
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const HELLO = frame(FIN | OP.text, JSON.stringify({ type: 'hello' }));

/** What a reader sends: it reads a run, or that run's thread. */
const head = (stack, run) =>
  options.websockets
    ? Buffer.concat([Buffer.from(`GET /v1/threads/${run.thread_id}/ws ${rest(stack)}${upgrade}\r\n`), HELLO])
    : `GET /v1/threads/${run.thread_id}/runs/${run.id}/events ${rest(stack)}\r\n`;

/** Takes the next message off the front of what a server has sent behind its head: {message, to}, without a message for a ping; null: it is not whole. */
function nextMessage(text, from) {
  let length = text.charCodeAt(from + 1);
  let at = from + 2;
  if (length === 126) (length = text.charCodeAt(at) * 256 + text.charCodeAt(at + 1)), (at += 2);
  else if (length === 127) (length = [4, 5, 6, 7].reduce((sum, i) => sum * 256 + text.charCodeAt(at + i), 0)), (at += 8);
  if (!(at + length <= text.length)) return null;
  return { message: text.charCodeAt(from) === 0x81 ? text.slice(at, at + length) : undefined, to: at + length };
}

/** A reader on a socket of its own. kind: fast, slow, dead. */
class Listener {
  constructor(stack, run, kind) {
    Object.assign(this, { kind, events: 0, bytes: 0, together: 0, late: [], closed: false, text: '' });
    this.done = new Promise((done) => (this.finish = done));
    const take = { fast: (length) => this.#take(length), slow: (length) => ((this.bytes += length), false), dead: () => false }[kind];
    this.buffer = Buffer.alloc(kind === 'fast' ? 16384 : SLOW_BYTES);
    this.opened = new Promise((done) => {
      this.socket = connect({ port: Number(stack.port), host: '127.0.0.1', onread: { buffer: this.buffer, callback: take } }, () => {
        this.socket.write(head(stack, run));
        done();
      });
    });
    this.socket.setNoDelay(true);
    if (kind === 'slow') this.timer = setInterval(() => this.socket.resume(), 1000);
    if (kind === 'slow' && options.websockets) this.pongs = setInterval(() => this.socket.write(PONG), 10000); // it sees no pings among what it has not read
    for (const end of ['error', 'close', 'end']) this.socket.on(end, () => this.#end());
  }

  #end() {
    this.closed = true;
    clearInterval(this.timer);
    clearInterval(this.pongs);
    this.finish();
  }

  #take(length) {
    const at = now();
    this.bytes += length;
    const text = this.text + this.buffer.latin1Slice(0, length);
    if (options.websockets) return this.#takeMessages(text, at);
    let from = 0;
    for (let end = text.indexOf('\n\n', from); end >= 0; end = text.indexOf('\n\n', from)) {
      this.#hear(text.slice(from, end), 'event: ', at);
      from = end + 2;
    }
    this.text = text.slice(from);
    return true;
  }

  #takeMessages(text, at) {
    let from = 0;
    if (!this.upgraded) {
      from = text.indexOf('\r\n\r\n') + 4;
      this.upgraded = from >= 4;
      if (!this.upgraded) from = 0;
    }
    for (let next = this.upgraded && nextMessage(text, from); next; next = nextMessage(text, from)) {
      if (next.message === undefined) this.socket.write(PONG);
      else if (next.message.startsWith('{"type":"event"')) this.#hear(next.message, '"event":"', at);
      from = next.to;
    }
    this.text = text.slice(from);
    return true;
  }

  #hear(event, name, at) {
    this.events++;
    if (!this.stepAt && event.includes(`${name}thread.run.step.completed`)) this.stepAt = at;
    if (event.includes(`${name}thread.message.delta`)) {
      const written = [...event.matchAll(/<([\d.]+)>/g)].map(([, time]) => Number(time));
      for (const time of written) this.late.push(at - time);
      if (written.length > 1) this.together += written.length - 1;
    }
    if (event.includes(`${name}done`)) this.finish();
  }

  close() {
    this.socket.destroy();
  }
}

async function metrics(stack) {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return (name) => Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
}

async function openAll(stack, runs, kinds) {
  const listeners = [];
  for (let i = 0; i < kinds.length; i += 250) { // the backlog of the listening socket is finite
    const some = kinds.slice(i, i + 250).map((kind, place) => new Listener(stack, runs[kind === 'fast' ? 'quiet' : 'loud'].at((i + place) % runs[kind === 'fast' ? 'quiet' : 'loud'].length), kind));
    listeners.push(...some);
    await Promise.all(some.map((listener) => listener.opened));
  }
  return listeners;
}

async function submitAll(client, count) {
  const runs = [];
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (runs.length < count) {
      const place = runs.push(null) - 1;
      runs[place] = JSON.parse(await client.submit());
    }
  }));
  return runs;
}

/** Many readers at once. */
async function crowd() {
  const count = Number(options.readers);
  const [slow, dead] = [Number(options.slow), Number(options.dead)];
  const child = fork(fileURLToPath(import.meta.url), ['--model']);
  let counts = {};
  const port = await new Promise((done) => child.on('message', (message) => (message.port ? done(message.port) : (counts = message))));
  const config = `providers: [{name: own, kind: openai_chat, base_url: 'http://127.0.0.1:${port}/v1', api_key: x, first_byte_timeout_ms: 600000, total_timeout_ms: 900000, stream: true}]
scheduler: {max_connections: ${4 * count + 1000}, stream_readers: ${count + 1000}, tenant_places_percent: 100, key_sockets: ${count}}\n`;
  const stack = await Stack.start({ config, slots: 2 * Number(options.runs), workers: 0 });
  let listeners = [];
  try {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }], model: 'own/own' });
    const loud = await submitAll(new Client(stack, assistant, 'loud'), 20);
    const quiet = await submitAll(new Client(stack, assistant, 'quiet'), Number(options.runs));
    const before = rss(stack.scheduler.pid);
    const kinds = Array.from({ length: count }, (_, i) => (i < dead ? 'dead' : i < dead + slow ? 'slow' : 'fast'));
    listeners = await openAll(stack, { loud, quiet }, kinds);
    await until('all read', async () => (await metrics(stack))('penstock_live_readers') === count, 120000);
    await sleep(1000);
    const waiting = rss(stack.scheduler.pid);
    const idleFrom = [sample(stack), now()];
    await sleep(5000);
    const idle = sample(stack).scheduler - idleFrom[0].scheduler;
    const idleMs = now() - idleFrom[1];
    const worker = await stack.startWorker();
    const all = loud.length + quiet.length;
    await until('all runs ask the model', () => counts.asked === all, 120000);
    await sleep(6000); // every listener is asked for every five seconds
    const quietly = sample(stack, worker.pid);
    child.send('speak');
    const spoken = now();
    const fast = listeners.filter(({ kind }) => kind === 'fast');
    await until('all are told of the step', () => fast.every((listener) => listener.stepAt), 120000);
    const stepCpuMs = Object.fromEntries(Object.entries(sample(stack, worker.pid)).map(([who, ms]) => [who, ms - quietly[who]]));
    await until('all hear', () => counts.speaks === all && fast.every((listener) => listener.late.length > 0), 120000);
    const hearMs = now() - spoken;
    const stepMs = percentiles(fast.map(({ stepAt }) => stepAt - spoken));
    await sleep(2000);
    for (const listener of fast) Object.assign(listener, { events: 0, together: 0, late: [] });
    const lag = monitorEventLoopDelay({ resolution: 10 });
    lag.enable();
    const from = [sample(stack, worker.pid), now(), starved(stack.scheduler.pid)];
    await sleep(Number(options.seconds) * 1000);
    const to = [sample(stack, worker.pid), now(), starved(stack.scheduler.pid)];
    const events = fast.reduce((all, { events: each }) => all + each, 0);
    const late = percentiles(fast.flatMap((listener) => listener.late));
    const firsts = fast.filter((listener) => listener.late.length > 0).length;
    const peak = rss(stack.scheduler.pid);
    const ms = to[1] - from[1];
    const stay = (await metrics(stack))('penstock_live_readers');
    const slowOnes = listeners.filter(({ kind }) => kind === 'slow');
    return {
      readers: count, runs: quiet.length, memoryBeforeKiB: before, memoryPerReaderKiB: (waiting - before) / count, memoryPerReaderWhileToldKiB: (peak - before) / count,
      schedulerIdlePercent: (idle / idleMs) * 100, events, eventsPerSecond: (events * 1000) / ms, schedulerMicrosPerEvent: ((to[0].scheduler - from[0].scheduler) * 1000) / events,
      cpuPercent: Object.fromEntries(['scheduler', 'worker', 'redis', 'postgres'].map((who) => [who, ((to[0][who] - from[0][who]) / ms) * 100])),
      stepMs, stepCpuMs, allHearMs: hearMs, lateMs: late, toldWithTheNext: fast.reduce((all, { together }) => all + together, 0), clientLateMs: { p50: lag.percentile(50) / 1e6, p99: lag.percentile(99) / 1e6 }, schedulerWithoutCoreMsPerSecond: ((to[2] - from[2]) * 1000) / ms, starvedReaders: fast.length - firsts,
      slowBytes: slowOnes.length > 0 ? median(slowOnes.map(({ bytes }) => bytes)) : 0, slowCut: slowOnes.filter(({ closed }) => closed).length, fastCut: fast.filter(({ closed }) => closed).length, cut: count - stay,
    };
  } finally {
    child.send('end');
    for (const listener of listeners) listener.close();
    await stack.stop();
    child.kill();
  }
}

/** CPU of standard runs, each with a reader or without. */
async function standard(bin, listen) {
  const count = Number(options.runs);
  const stack = await Stack.start({ bin, workers: 0, slots: 256 });
  let listeners = [];
  try {
    const client = new Client(stack, await stack.assistant());
    await submitAll(client, 300);
    const warm = await stack.startWorker();
    const ended = async (number) => Number(stack.exec(`SELECT count(*) FROM runs WHERE status = 'completed'`)) >= number || (await sleep(100), false);
    await until('warm-up', () => ended(300), 60000);
    await warm.stop();
    const runs = await submitAll(client, count);
    await sleep(500);
    const before = sample(stack);
    if (listen) {
      listeners = await openAll(stack, { quiet: runs }, runs.map(() => 'fast'));
      await until('all read', async () => (await metrics(stack))('penstock_live_readers') === count, 60000);
    }
    const worker = await stack.startWorker();
    await Promise.all(listeners.map((listener) => listener.done));
    await until('all runs end', () => ended(count + 300), 120000);
    const work = perRun({ ...before, worker: 0 }, sample(stack, worker.pid), count);
    client.close();
    return { ...work, together: work.worker + work.scheduler + work.redis + work.postgres, events: listeners.reduce((all, { events }) => all + events, 0) / count };
  } finally {
    for (const listener of listeners) listener.close();
    await stack.stop();
  }
}

async function compare() {
  const subjects = [{ name: 'without', listen: false }, { name: 'with a reader', listen: true }, ...(options['before-bin'] ? [{ name: 'before', bin: options['before-bin'], listen: false }, { name: 'before, with a reader', bin: options['before-bin'], listen: true }] : [])];
  for (const subject of subjects) subject.samples = [];
  for (let i = 0; i < Number(options.repeat); i++) for (const { bin, listen, samples } of subjects) samples.push(await standard(bin, listen));
  const result = Object.fromEntries(subjects.map(({ name, samples }) => [name, { ...fold(samples, median), spread: `${Math.min(...samples.map((s) => s.together)).toFixed(3)}-${Math.max(...samples.map((s) => s.together)).toFixed(3)}` }]));
  const more = (less, with_) => `${((result[with_].together / result[less].together - 1) * 100).toFixed(0)} %`;
  result.more = more('without', 'with a reader');
  if (options['before-bin']) result.moreBefore = more('before', 'before, with a reader');
  return result;
}

if (options.model) {
  await model();
} else {
  const figures = await (options.listeners ? compare() : crowd());
  const text = JSON.stringify(figures, (key, value) => (typeof value === 'number' ? Number(value.toFixed(3)) : value), 2);
  console.log(text);
  if (options.json) writeFileSync(options.json, `${text}\n`);
  process.exit(figures.starvedReaders > 0 ? 1 : 0);
}
