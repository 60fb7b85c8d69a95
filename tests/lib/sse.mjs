// Readers of a run's events: the frames of server-sent events, a reader that goes on behind the last id that it has, and the rules that the events keep, over
// however many connections they come.

import assert from 'node:assert/strict';
import { sleep } from './stack.mjs';

/** Frames out of bytes that come in pieces: {id, event, data, retry, comment}. */
export class Frames {
  #decoder = new TextDecoder('utf-8', { fatal: true });
  #rest = '';

  *take(bytes) {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const lines = this.#rest.slice(0, end).split('\n');
      this.#rest = this.#rest.slice(end + 2);
      yield Frames.#read(lines);
    }
  }

  static #read(lines) {
    const frame = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = colon === 0 ? 'comment' : line.slice(0, colon);
      assert.ok(['comment', 'id', 'event', 'data', 'retry'].includes(name), `a line of a frame is ${JSON.stringify(line)}`);
      const value = line.slice(colon + 1).replace(/^ /, '');
      frame[name] = name === 'data' && frame.data !== undefined ? `${frame.data}\n${value}` : value;
    }
    return frame;
  }
}

const TERMINAL = ['completed', 'failed', 'cancelled', 'expired', 'incomplete'];

/** Which event of a run may follow which. */
const runOrder = {
  '': ['created'],
  created: ['queued'],
  queued: ['in_progress', 'cancelling', ...TERMINAL],
  in_progress: ['requires_action', 'cancelling', ...TERMINAL],
  requires_action: ['queued', 'cancelling', ...TERMINAL],
  cancelling: TERMINAL,
};

/**
 * The rules of OpenAI's events of Assistants. take(frame) throws where one is broken; what they add up to is in `run`, `steps` and `messages`, in the order in which
 * they began. `from`: the status of a run that was followed from its middle.
 */
export class Protocol {
  constructor(from = '') {
    Object.assign(this, { status: from, run: null, steps: new Map(), messages: new Map(), step: null, message: null, names: [], over: false });
  }

  take({ id, event, data }) {
    assert.ok(!this.over, `${event} behind the end`);
    if (event === 'error') {
      this.error = JSON.parse(data).error;
      return;
    }
    assert.ok(id, `${event} has an id`);
    this.names.push(event);
    if (event === 'done') this.#end(data);
    else this.#object(event, JSON.parse(data));
  }

  #end(data) {
    assert.equal(data, '[DONE]');
    assert.ok([...TERMINAL, 'requires_action'].includes(this.status), `done while the run is ${this.status}`);
    this.over = true;
  }

  #object(event, object) {
    const [, kind, what] = /^thread\.(run\.step|run\.reasoning|run|message)?\.?(\w+)$/.exec(event) ?? [];
    assert.ok(what, `there is no event ${event}`);
    const ended = ['created', 'in_progress', 'delta'].includes(what) ? null : what;
    if (kind === 'run') this.#run(what, object);
    else if (kind === 'run.step') this.#step(what, ended, object);
    else if (kind === 'message') this.#message(what, ended, object);
    else if (kind === 'run.reasoning') this.reasoning = (this.reasoning ?? '') + object.delta.text;
    else assert.equal(this.names.length, 1, 'the thread comes first');
  }

  #run(what, run) {
    assert.ok(runOrder[this.status]?.includes(what), `a run that was ${this.status || 'not there'} is ${what}`);
    assert.equal(run.status, what === 'created' ? 'queued' : what);
    assert.ok(!this.run || this.run.id === run.id, 'another run');
    if (what !== 'cancelling') assert.ok(!this.message, `the run is ${what} in the middle of a message`);
    if (TERMINAL.includes(what)) assert.ok(!this.step, `the run is ${what} in the middle of a step`);
    if (what === 'requires_action') assert.equal(this.step?.type, 'tool_calls', 'calls that are asked for are told');
    this.status = what;
    this.run = run;
  }

  #step(what, ended, step) {
    if (what === 'created') {
      assert.ok(!this.step, `a step begins in ${this.step?.id}`);
      assert.ok(!this.steps.has(step.id), `${step.id} begins twice`);
      assert.equal(this.status, 'in_progress', 'steps are of runs at work');
      assert.equal(step.status, 'in_progress');
      this.step = { id: step.id, type: step.type, what, calls: [], message: step.step_details.message_creation?.message_id };
      this.steps.set(step.id, this.step);
      return;
    }
    assert.equal(this.step?.id, step.id, `${what} of a step that is not open`);
    assert.ok(!this.message, `a step is ${what} in the middle of its message`);
    if (what === 'delta') {
      this.#calls(step.delta.step_details.tool_calls);
      return;
    }
    if (what === 'in_progress') assert.equal(this.step.what, 'created');
    Object.assign(this.step, { what, ended: ended ? step : null });
    if (ended) this.#endStep(step);
  }

  #endStep(step) {
    const { calls } = this.step;
    if (this.step.type === 'tool_calls' && step.status !== 'failed') {
      const stored = step.step_details.tool_calls.map((call) => ({ id: call.id, name: call.function.name, arguments: call.function.arguments }));
      assert.deepEqual(calls.map(({ id, name, arguments: said }) => ({ id, name, arguments: said })), stored, 'the calls that were told are those of the step');
    }
    this.step = null;
  }

  #calls(deltas) {
    assert.equal(this.step.what, 'in_progress');
    const { calls } = this.step;
    for (const delta of deltas) {
      if (delta.id !== undefined) {
        assert.equal(delta.index, calls.length, 'calls come in order, and once');
        calls.push({ id: delta.id, name: delta.function.name, arguments: delta.function.arguments, output: delta.function.output });
        continue;
      }
      assert.equal(delta.index, calls.length - 1, 'of the last call');
      assert.equal(delta.function.name, undefined, 'a name is told once');
      calls.at(-1).arguments += delta.function.arguments ?? '';
      if (delta.function.output !== undefined) {
        assert.equal(calls.at(-1).output, null, 'an output is told once');
        calls.at(-1).output = delta.function.output;
      }
    }
  }

  #message(what, ended, message) {
    if (what === 'created') {
      assert.equal(this.step?.type, 'message_creation', 'a message is of its step');
      assert.equal(this.step.what, 'in_progress');
      assert.equal(this.step.message, message.id);
      assert.ok(!this.messages.has(message.id), `${message.id} begins twice`);
      this.message = { id: message.id, what, text: '', refusal: '' };
      this.messages.set(message.id, this.message);
      return;
    }
    assert.equal(this.message?.id, message.id, `${what} of a message that is not open`);
    if (what === 'delta') {
      assert.equal(this.message.what, 'in_progress');
      for (const part of message.delta.content) {
        this.message.text += part.text?.value ?? '';
        this.message.refusal += part.refusal ?? '';
      }
      return;
    }
    Object.assign(this.message, { what, ended: ended ? message : null });
    if (ended === 'completed') {
      const { text, refusal } = message.content[0] ?? {};
      assert.equal(this.message.text + this.message.refusal, (text?.value ?? refusal) || '', 'the text that was told is the message');
    }
    if (ended) this.message = null;
  }

  /** What there was to be read, without regard to where deltas were cut. */
  get told() {
    const names = this.names.filter((name) => name !== 'done').filter((name, i, all) => !(name.endsWith('.delta') && name === all[i - 1]));
    return { names, run: this.run, steps: [...this.steps.values()], messages: [...this.messages.values()] };
  }
}

/**
 * Follows a run to its end, over as many connections as it takes.
 *
 * options: query, lastId; every: goes away behind so many events, and comes again; until(reader): looked at behind each event, true ends it; protocol: null, or
 * another than OpenAI's; urls: of several schedulers, one of them for each connection, as pick(urls) says; retryMs: where the server says nothing, and at most;
 * silentMs: a connection that brings nothing for so long is given up.
 * Afterwards: frames (with an id, or errors), protocol, statuses (of the connections), hints (retry: of the server), ending ('done', 'no more', 'gone', 'until').
 */
export class Reader {
  constructor(stack, run, options = {}) {
    Object.assign(this, { stack, run, options, frames: [], statuses: [], hints: [], comments: 0, cuts: 0, ending: null, lastId: options.lastId });
    this.protocol = options.protocol === undefined ? new Protocol() : options.protocol;
  }

  async follow() {
    while (!this.ending) {
      try {
        await this.#connect();
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        this.cuts++; // the connection was refused, or broke
      }
      if (!this.ending) await sleep(Math.min(this.hints.at(-1) ?? 50, this.options.retryMs ?? 50));
    }
    return this;
  }

  async #connect() {
    const { stack, run, options } = this;
    const urls = options.urls ?? [stack.url];
    const url = options.pick ? options.pick(urls) : urls[0];
    const query = options.query ? `?${options.query}` : '';
    const away = new AbortController();
    const silence = options.silentMs && setInterval(() => performance.now() - this.heardMs > options.silentMs && away.abort(), 1000);
    this.heardMs = performance.now();
    try {
      await this.#read(url + `/v1/threads/${run.thread_id}/runs/${run.id}/events${query}`, away);
    } finally {
      clearInterval(silence);
      away.abort();
    }
  }

  async #read(url, away) {
    const { stack } = this;
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${stack.key}`, ...(this.lastId ? { 'last-event-id': this.lastId } : {}) },
      signal: away.signal,
    });
    this.statuses.push(response.status);
    if (response.status === 204) this.ending = 'no more';
    else if (response.status === 404) this.ending = 'gone';
    if (response.status !== 200) {
      await response.arrayBuffer();
      return;
    }
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    await this.read(response.body);
  }

  /** A body of frames, to its end or to where this one goes away. */
  async read(body) {
    const frames = new Frames();
    let count = 0;
    for await (const bytes of body) {
      this.heardMs = performance.now();
      for (const frame of frames.take(bytes)) {
        if (!this.#take(frame)) continue;
        count++;
        if (this.ending || count === this.options.every) return;
      }
    }
  }

  /** Returns whether it was an event. */
  #take(frame) {
    if (frame.retry) this.hints.push(Number(frame.retry));
    if (frame.comment !== undefined) this.comments++;
    if (!frame.event) return false;
    frame.at = performance.timeOrigin + performance.now();
    this.frames.push(frame);
    if (frame.id) this.lastId = frame.id;
    this.protocol?.take(frame);
    if (frame.event === 'done') this.ending = 'done';
    else if (frame.event === 'error') this.ending = (JSON.parse(frame.data).error ?? JSON.parse(frame.data)).code;
    else if (this.options.until?.(this)) this.ending = 'until';
    return true;
  }
}

export const follow = (stack, run, options) => new Reader(stack, run, options).follow();

/** A request with stream: true, whose reply is the events. */
export async function stream(stack, path, body, options = {}) {
  const response = await fetch(stack.url + path, {
    method: 'POST', headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ ...body, stream: true }),
  });
  const reader = new Reader(stack, null, options);
  reader.statuses.push(response.status);
  if (response.status !== 200 || !response.headers.get('content-type').startsWith('text/event-stream')) {
    reader.body = await response.json();
    return reader;
  }
  await reader.read(response.body);
  return reader;
}
