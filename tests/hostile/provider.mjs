// A provider for tests: `nonsense` says what a model should not say, `strict` looks closely at what it is asked, `told` does
// so too and says what it was told to.
//
// The n-th reply to a run is decided by the seed and the prompt alone ("case 17"). A case says nonsense a few times and
// then answers, or (one in twenty) says the same nonsense for ever. Bodies leave in pieces of random sizes.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { Random } from '../chaos/random.mjs';
import { form } from './forms.mjs';
import { wrongWith } from './strict.mjs';

const answer = JSON.stringify({ id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } });
const plain = { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(answer) };

export class Provider {
  refused = []; // what `strict` had to refuse
  calls = new Map(); // of `nonsense`: idempotency key -> {made, limited}
  served = 0;
  #replies = new Map(); // case -> replies given
  #told = new Map(); // prompt -> {replies, heard}

  static async start(seed) {
    const provider = new Provider();
    provider.seed = seed;
    provider.server = createServer((request, response) => provider.#serve(request, response).catch(() => response.destroy()));
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.url = `http://127.0.0.1:${provider.server.address().port}`;
    return provider;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #serve(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const body = JSON.parse(bytes.toString());
    this.served++;
    if (body.model === 'strict' || body.model === 'told') {
      const wrong = wrongWith(bytes);
      if (wrong) this.refused.push(wrong);
      const reply = !wrong && this.#saysAsTold(body);
      if (reply) return this.#send(response, { ...plain, ...reply, random: new Random(this.seed, 'told') });
      response.writeHead(wrong ? 400 : 200, { 'content-type': 'application/json' });
      response.end(wrong ? JSON.stringify({ error: { message: wrong, type: 'invalid_request_error' } }) : answer);
      return;
    }
    await this.#send(response, this.#reply(request, body));
  }

  /** What `told` replies to this prompt, one after the other: {status, headers, body}, JSON where body is no text or bytes. */
  tell(prompt, replies) {
    this.#told.set(prompt, { replies, heard: 0 });
  }

  /** How often `told` was asked. */
  heard(prompt) {
    return this.#told.get(prompt).heard;
  }

  #saysAsTold(body) {
    const told = this.#told.get(body.messages.findLast((message) => message.role === 'user').content);
    const reply = told?.replies[told.heard];
    if (told) told.heard++;
    if (!reply) return null;
    const bytes = Buffer.isBuffer(reply.body) || typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
    return { ...reply, headers: { ...plain.headers, ...reply.headers }, body: Buffer.from(bytes) };
  }

  #reply(request, body) {
    const number = Number(/case (\d+)/.exec(body.messages.findLast((message) => message.role === 'user').content)[1]);
    const given = this.#replies.get(number) ?? 0;
    this.#replies.set(number, given + 1);
    const random = new Random(this.seed, `case ${number}`);
    const rounds = random.int(1, 3);
    const stubborn = random.chance(0.05);
    if (!stubborn && given >= rounds) return { ...plain, random };
    const said = new Random(this.seed, `case ${number}/${stubborn ? 0 : given}`);
    const reply = { ...form(said), random: said };
    if (reply.status === 429 && given >= 3) return { ...plain, random };
    const counts = this.calls.get(request.headers['idempotency-key']) ?? { made: 0, limited: 0 };
    this.calls.set(request.headers['idempotency-key'], counts);
    if (reply.status === 429) counts.limited++;
    else counts.made++;
    return reply;
  }

  async #send(response, { status, headers, body, cut, random }) {
    const end = cut ?? body.length;
    const chunked = random.chance(0.5);
    response.writeHead(status, chunked || status === 204 ? headers : { ...headers, 'content-length': body.length });
    response.flushHeaders();
    let at = 0;
    for (let pieces = random.int(1, 6); pieces > 0 && at < end; pieces--) {
      const to = pieces === 1 ? end : Math.min(end, at + random.int(1, Math.max(1, end - at)));
      response.write(body.subarray(at, to));
      at = to;
      if (random.chance(0.3)) await new Promise((done) => setImmediate(done));
    }
    if (cut !== undefined) response.destroy();
    else response.end();
  }
}
