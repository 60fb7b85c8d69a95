// A WebSocket client over node's own modules, which also says what it should not: frames and bytes of any kind.

import assert from 'node:assert/strict';
import { randomBytes, createHash } from 'node:crypto';
import { request } from 'node:http';
import { Protocol } from './protocol.mjs';
import { Protocol as LenientProtocol } from './sse.mjs';
import { sleep, until } from './stack.mjs';

export const OP = { continues: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
export const FIN = 0x80;

/** A frame as a client sends it: {head: FIN | OP.text, payload, mask: false for one without}. */
export function frame(head, payload = '', { mask = true } = {}) {
  const bytes = Buffer.from(payload);
  const length = bytes.length < 126 ? Buffer.from([bytes.length]) : bytes.length < 65536 ? Buffer.alloc(3) : Buffer.alloc(9);
  if (length.length === 3) (length[0] = 126), length.writeUInt16BE(bytes.length, 1);
  if (length.length === 9) (length[0] = 127), length.writeBigUInt64BE(BigInt(bytes.length), 1);
  if (!mask) return Buffer.concat([Buffer.from([head]), length, bytes]);
  length[0] |= 0x80;
  const key = randomBytes(4);
  return Buffer.concat([Buffer.from([head]), length, key, bytes.map((byte, i) => byte ^ key[i % 4])]);
}

export const close = (code, reason = '') => {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(FIN | OP.close, Buffer.concat([payload, Buffer.from(reason)]));
};

export class WebSocketClient {
  messages = []; // as they came, parsed
  heard = () => {}; // called with each
  pings = 0;
  pongs = [];
  answersPings = true;

  /** options: key (false: none), headers, protocols. Throws {status, headers, body} where the upgrade is refused. */
  static open(stack, path, options = {}) {
    const client = new WebSocketClient();
    const key = randomBytes(16).toString('base64');
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...(options.key === false ? {} : { authorization: `Bearer ${options.key ?? stack.key}` }),
      ...(options.protocols ? { 'sec-websocket-protocol': options.protocols.join(', ') } : {}),
      ...options.headers,
    };
    for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
    return new Promise((done, fail) => {
      request(stack.url + path, { headers })
        .on('upgrade', (response, socket, head) => {
          assert.equal(response.headers['sec-websocket-accept'], createHash('sha1').update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'));
          client.headers = response.headers;
          client.#take(socket, head);
          done(client);
        })
        .on('response', async (response) => {
          let text = '';
          for await (const piece of response) text += piece;
          fail({ status: response.statusCode, headers: response.headers, body: JSON.parse(text) });
        })
        .on('error', fail)
        .end();
    });
  }

  #take(socket, head) {
    this.socket = socket;
    this.bytes = head;
    this.closed = new Promise((done) => {
      this.end = done;
    });
    socket.on('data', (data) => {
      this.bytes = Buffer.concat([this.bytes, data]);
      while (this.#frame());
    });
    socket.on('error', () => {});
    socket.on('close', () => this.end({ code: 1006 }));
    while (this.#frame());
  }

  #frame() {
    const { bytes } = this;
    if (bytes.length < 2) return false;
    let length = bytes[1];
    let at = 2;
    assert.ok(length < 128, 'a server masks nothing');
    if (length === 126 && bytes.length >= 4) (length = bytes.readUInt16BE(2)), (at = 4);
    else if (length === 127 && bytes.length >= 10) (length = Number(bytes.readBigUInt64BE(2))), (at = 10);
    else if (length >= 126) return false;
    if (bytes.length < at + length) return false;
    const payload = bytes.subarray(at, at + length);
    this.bytes = bytes.subarray(at + length);
    assert.ok(bytes[0] & FIN, 'a server cuts nothing');
    this.#hear(bytes[0] & 0x7f, payload);
    return true;
  }

  #hear(opcode, payload) {
    if (opcode === OP.text) {
      this.messages.push(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)));
      this.heard(this.messages.at(-1));
    } else if (opcode === OP.ping) {
      this.pings++;
      if (this.answersPings) this.write(frame(FIN | OP.pong, payload));
    } else if (opcode === OP.pong) {
      this.pongs.push(payload.toString());
    } else {
      assert.equal(opcode, OP.close, 'an opcode of a server');
      this.end({ code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.subarray(2).toString() });
    }
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  send(message) {
    this.write(frame(FIN | OP.text, typeof message === 'string' ? message : JSON.stringify(message)));
  }

  /** The next message for which `fits` says so, from `from` on; or the reason why there is none. */
  async next(fits, what = String(fits), from = 0) {
    let over;
    this.closed.then((how) => (over = how));
    return until(what, () => {
      const found = this.messages.slice(from).find(fits);
      if (!found && over) throw new Error(`${what}: closed with ${over.code} ${over.reason ?? ''} behind ${JSON.stringify(this.messages.at(-1))}`);
      return found;
    }, 30000);
  }

  ofType(type, id) {
    return this.next((message) => message.type === type && (id === undefined || message.id === id), `${type} ${id ?? ''}`);
  }

  /** Says hello, and returns what is answered. */
  async hello(last) {
    this.send({ type: 'hello', ...(last === undefined ? {} : { last_event_id: last }) });
    return this.ofType('ready');
  }

  /** Sends it with an id of its own, and returns its ack or error. */
  async ask(message) {
    const id = message.id ?? randomBytes(8).toString('hex');
    const from = this.messages.length;
    this.send({ id, ...message });
    return this.next((answer) => answer.id === id && ['ack', 'error'].includes(answer.type), `an answer to ${message.type}`, from);
  }

  events() {
    return this.messages.filter((message) => message.type === 'event');
  }

  /** When a run has been told to its end. */
  async done(run) {
    return this.next((message) => message.type === 'event' && message.event === 'done' && (!run || message.run_id === run), `the end of ${run}`);
  }

  destroy() {
    this.socket.destroy();
  }
}

/** The last id of some events, of whichever kind has one. */
export const lastId = (messages) => messages.findLast((message) => message.event_id)?.event_id;

/** What some messages tell of a run, judged: see protocol.mjs. Messages of several sockets, one behind the other, are what one would have got. */
export function judgeRun(messages, run) {
  const protocol = new Protocol();
  for (const { event, data } of messages.filter((message) => message.type === 'event' && message.run_id === run)) protocol.take({ event, data });
  assert.ok(protocol.over, 'it is not over');
  return protocol;
}

/** A reader of one run over its thread's sockets, as many as it takes: as the Reader of sse.mjs, and with the same options (urls, pick, every, silentMs, retryMs). */
export class SocketReader {
  constructor(stack, run, options = {}) {
    Object.assign(this, { stack, run, options, frames: [], statuses: [], hints: [], comments: 0, cuts: 0, ending: null, lastId: `${run.id}.n.0`, protocol: new LenientProtocol() });
  }

  async follow() {
    while (!this.ending) {
      await this.#connect();
      if (this.failure) throw this.failure;
      if (/^run_[0-9a-f]{32}\.e\./.test(this.lastId)) this.ending ??= 'no more'; // `done` has the same id
      if (!this.ending) await sleep(this.options.retryMs ?? 50);
    }
    return this;
  }

  async #connect() {
    const { stack, run, options } = this;
    const url = options.pick ? options.pick(options.urls) : (options.urls?.[0] ?? stack.url);
    const opening = WebSocketClient.open({ url, key: stack.key }, `/v1/threads/${run.thread_id}/ws`).catch(() => null);
    const client = await Promise.race([opening, sleep(5000)]);
    if (!client) {
      opening.then((late) => late?.destroy());
      this.cuts++;
      return;
    }
    let heardMs = performance.now();
    let count = 0;
    const silence = setInterval(() => performance.now() - heardMs > (options.silentMs ?? 60000) && client.destroy(), 1000);
    client.heard = (message) => {
      heardMs = performance.now();
      if (message.type !== 'event' || message.run_id !== run.id || this.ending || count === options.every) return;
      count++;
      this.#take(message);
      if (this.ending || this.failure || count === options.every) client.destroy();
    };
    // The server is silent for as long as nothing happens: so this one asks.
    const asking = setInterval(() => client.send({ type: 'ping', t: count }), 5000);
    client.send({ type: 'hello', last_event_id: this.lastId });
    const { code } = await client.closed;
    clearInterval(silence);
    clearInterval(asking);
    client.destroy();
    this.statuses.push(code);
    if (code === 4404 && !this.ending) this.ending = 'gone';
    else if (!this.ending && count !== options.every) this.cuts++;
  }

  #take({ event, event_id: id, data }) {
    const frame = { event, id, data: typeof data === 'string' ? data : JSON.stringify(data), at: performance.timeOrigin + performance.now() };
    this.frames.push(frame);
    if (id) this.lastId = id;
    try {
      this.protocol.take(frame);
    } catch (error) {
      this.failure = error;
    }
    if (event === 'done') this.ending = 'done';
    else if (event === 'error') this.ending = data.error.code;
  }
}
