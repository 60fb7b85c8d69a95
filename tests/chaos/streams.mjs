#!/usr/bin/env node
// Readers of runs under random faults: each of them follows a run over as many connections as it takes, streams or WebSockets, and in the end has the text that is stored, each
// token once, told in an order that clients take.
//
//   tests/chaos/streams.mjs --seed N [--faults 200] [--readers 200] [--gap MS]
//
// The seed decides the load and the faults. Programs come from $PENSTOCK_BIN (build/dev/bin). The exit code is 0 when every reader has read what it should.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { shortLeases } from './chaos.mjs';
import { Faults, planFaults } from './faults.mjs';
import { Random } from './random.mjs';
import { World } from './world.mjs';
import { Frames, Reader } from '../lib/sse.mjs';
import { sleep } from '../lib/stack.mjs';
import { SocketReader } from '../lib/websocket.mjs';

const READERS_OF_A_RUN = 2;
const WAIT_MS = 150000; // for what is left when the faults are over
const SILENT_MS = 18000; // the server says something every 15 s
const TAGS = ['', '', '', ' #cut', ' #error', ' #silent'];
/** The way of a reader, for who looks for a fault. */
const way = (reader) => reader.frames.filter(({ event }, i, all) => !event.endsWith('.delta') || all[i + 1]?.event !== event).map(({ event, id }) => `${event.replace('thread.', '')} ${id}`).slice(-16).join(', ');

const words = (count) => Array.from({ length: count }, (_, i) => `{{1}}.${i}ä漢😀`).join(' ');

/** Replies that break off in their middle are tried again. */
const script = (seed) => `
seed: ${(Number(seed) % 1000000) + 1}
stream: {chunk_ms: 30, chunk_tokens: 1}
rules:
  - {name: cut, when: {user: '([0-9]+).*#cut', probability: 0.4}, then: {text: 'Cut. ${words(20)}', cut_after: 14}}
  - {name: error, when: {user: '([0-9]+).*#error', probability: 0.4}, then: {text: 'Broken. ${words(20)}', error_after: {events: 9, status: 529}}}
  - {name: silent, when: {user: '([0-9]+).*#silent', probability: 0.2}, then: {text: 'Silent. ${words(20)}', stall_after: 11}}
  - name: both
    when: {user: 'both ([0-9]+)'}
    steps: [{text: 'I calculate. ${words(5)}', calls: [{name: calculator, arguments: {expression: '{{1}} + 1'}}]}, {text: 'It is {{tool}}. ${words(20)}'}]
  - name: calls
    when: {user: 'calls ([0-9]+)'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '{{1}} + 1'}}, {name: calculator, arguments: {expression: '{{1}} + 2'}}]
      - {text: 'They are {{tool.1}} and {{tool.2}}. ${words(20)}'}
  - {name: text, when: {user: 'text ([0-9]+)'}, then: {text: '${words(40)}'}}
`;

/** What the promise gives, or undefined after `ms`: without a timer that would keep the process. */
function within(ms, promise) {
  let timer;
  const late = new Promise((done) => (timer = setTimeout(done, ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Audience {
  constructor(world, options) {
    Object.assign(this, { world, options, runs: [], readers: [], violations: [], stopped: false });
    this.random = new Random(options.seed, 'readers');
    this.stack = Object.assign(Object.create(world.stack), { key: world.keys.quiet });
    this.urls = world.schedulers.map((scheduler) => `http://127.0.0.1:${scheduler.front.port}`);
  }

  /** Until some scheduler has answered, with the same key. */
  async sure(path, body, key) {
    for (;;) {
      const stack = Object.assign(Object.create(this.stack), { url: this.random.pick(this.urls) });
      const reply = await within(5000, stack.call('POST', path, body, { 'idempotency-key': key })).catch(() => null);
      if (reply?.status === 200) return reply.body;
      if (reply && reply.status < 500 && reply.status !== 429 && reply.status !== 409) throw new Error(`${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
      await sleep(200);
    }
  }

  /** As one that asks for a stream, and goes away when he knows his run: its first reply is told, too. */
  async #submit(body, key) {
    for (;;) {
      const made = await this.#once(body, key).catch((error) => {
        if (error.refused) throw error;
      });
      if (made) return made;
      await sleep(200);
    }
  }

  async #once(body, key) {
    const response = await fetch(`${this.random.pick(this.urls)}/v1/threads/runs`, {
      method: 'POST', signal: AbortSignal.timeout(5000), body: JSON.stringify({ ...body, stream: true }),
      headers: { authorization: `Bearer ${this.stack.key}`, 'content-type': 'application/json', 'idempotency-key': key },
    });
    if (response.status !== 200) {
      const text = await response.text();
      if (response.status < 500 && response.status !== 429 && response.status !== 409) throw Object.assign(new Error(`a run: ${response.status} ${text}`), { refused: true });
      return null;
    }
    const frames = new Frames();
    for await (const bytes of response.body) for (const { event, data } of frames.take(bytes)) if (event === 'thread.run.created') return JSON.parse(data);
    return null;
  }

  async #follow(run) {
    const every = this.random.chance(0.3) ? this.random.int(1, 10) : undefined;
    const Kind = this.random.chance(0.5) ? SocketReader : Reader;
    const reader = new Kind(this.stack, run, { urls: this.urls, pick: (urls) => this.random.pick(urls), every, silentMs: SILENT_MS, retryMs: 300 });
    this.readers.push(reader);
    await reader.follow().catch((error) => this.violations.push(`${run.id} (${run.prompt}): ${error.message}: ${way(reader)}`));
  }

  /** One run after the other, each read by several. */
  async #play(place) {
    for (let number = place; !this.stopped; number += 1000) {
      const prompt = `${this.random.pick(['text', 'both', 'calls'])} ${number}${this.random.pick(this.options.tags ?? TAGS)}`;
      const body = { assistant_id: this.assistant.id, thread: { messages: [{ role: 'user', content: prompt }] } };
      const run = await this.#submit(body, `run-${number}`);
      Object.assign(run, { prompt });
      this.runs.push(run);
      await Promise.all(Array.from({ length: READERS_OF_A_RUN }, () => this.#follow(run)));
    }
  }

  async play(faults) {
    this.assistant = await this.sure('/v1/assistants', { model: 'openai/gpt-4o-mini', tools: [{ type: 'calculator' }] }, 'assistant');
    const loops = Array.from({ length: this.options.readers / READERS_OF_A_RUN }, (_, i) => this.#play(i + 1));
    await faults();
    this.stopped = true;
    await this.world.heal().then((late) => this.violations.push(...late));
    let timer;
    const late = new Promise((done) => (timer = setTimeout(done, this.options.waitMs ?? WAIT_MS)));
    const done = await Promise.race([Promise.all(loops), late]);
    clearTimeout(timer);
    if (!done) this.violations.push(...this.readers.filter((reader) => !reader.ending).map(({ run, lastId }) => `${run.id} (${run.prompt}): a reader still reads, behind ${lastId}`));
  }

  /** Each reader's text is what is stored of its run. */
  async check() {
    const stack = Object.assign(Object.create(this.stack), { url: this.world.schedulers[0].url });
    const statuses = {};
    for (const run of this.runs) {
      const { status } = await stack.run(run);
      statuses[status] = (statuses[status] ?? 0) + 1;
      const { data } = await stack.ok('GET', `/v1/threads/${run.thread_id}/messages?order=asc&limit=100`);
      const stored = data.filter((message) => message.run_id === run.id).map((message) => message.content[0].text.value);
      for (const reader of this.readers.filter((each) => each.run === run && each.ending)) {
        const { protocol } = reader;
        const told = [...protocol.messages.values()].filter((message) => message.what === 'completed').map((message) => message.text);
        if (protocol.status !== status) this.violations.push(`${run.id} is ${status}, and was told to be ${protocol.status}`);
        if (JSON.stringify(told) !== JSON.stringify(stored)) this.violations.push(`${run.id} (${run.prompt}): told ${JSON.stringify(told)}, stored ${JSON.stringify(stored)}: ${way(reader)}`);
      }
    }
    return statuses;
  }
}

/** options: seed, faults, readers, gapMs, tags (of prompts), say(text), only and except (parts of faults' names). Returns the report; report.violations has what does not hold. */
export async function streams(options) {
  const say = options.say ?? (() => {});
  const world = await World.open({ ...shortLeases, slots: 300, ...options, script: script(options.seed) });
  const started = Date.now();
  options.opened?.(world);
  try {
    const audience = new Audience(world, options);
    const faults = new Faults(world, { first: async () => null });
    const plan = planFaults(options.seed, 100000, options.gapMs, shortLeases.leaseMs, options.only, options.except).slice(0, options.faults);
    const ticker = setInterval(() => say(`${faults.done.length + faults.skipped} of ${plan.length} faults, ${audience.runs.length} runs, ${audience.violations.length} violations`), 10000);
    await audience.play(() => faults.play(plan)).finally(() => clearInterval(ticker));
    const statuses = await audience.check();
    const sum = (of) => audience.readers.reduce((all, reader) => all + of(reader), 0);
    const report = {
      seed: options.seed, took: Math.round((Date.now() - started) / 1000), runs: audience.runs.length, statuses, readers: audience.readers.length, sockets: audience.readers.filter((reader) => reader instanceof SocketReader).length,
      connections: sum(({ statuses: all }) => all.length), cuts: sum(({ cuts }) => cuts), deltas: sum(({ protocol }) => protocol.names.filter((name) => name.endsWith('.delta')).length),
      brokenOff: sum(({ protocol }) => [...protocol.steps.values()].filter((step) => step.what === 'failed').length), faults: faults.done.length, skipped: faults.skipped,
      violations: [...audience.violations, ...faults.errors],
    };
    report.violations.push(...(await world.close()));
    return report;
  } catch (error) {
    world.killAll();
    await world.close();
    throw error;
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 1000000) }, faults: { type: 'string', default: '200' }, readers: { type: 'string', default: '200' },
      gap: { type: 'string', default: '600' }, only: { type: 'string', multiple: true }, except: { type: 'string', multiple: true },
    },
  });
  let world;
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (world?.killAll(), process.exit(130)));
  const report = await streams({
    seed: Number(values.seed), faults: Number(values.faults), readers: Number(values.readers), gapMs: Number(values.gap), only: values.only, except: values.except,
    say: (text) => console.error(text), opened: (opened) => (world = opened),
  });
  const { violations, ...rest } = report;
  console.log(JSON.stringify(rest, null, 1));
  for (const text of violations.slice(0, 20)) console.log(`VIOLATION ${text}`);
  console.log(`seed ${report.seed}: ${violations.length === 0 ? 'every reader has read what is stored' : `FAILED, ${violations.length} times`}`);
  process.exit(violations.length === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
