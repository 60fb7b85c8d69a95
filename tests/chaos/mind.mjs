// A model that plans, remembers and learns: what no script can say beforehand. It refuses what OpenAI's API refuses, calls without their results and results
// without calls, and what an agent of its strategy must not be sent; and it keeps note of what it answered to whom.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Random } from './random.mjs';

export const PLAN = ['Read the order', 'Ask the carrier', 'Find the parcel', 'Write to the customer', 'Close the ticket'];
export const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
/** Of an agent, by what its instructions say: the messages that it may be sent of a thread up to what the user said last; 0: of vectors nobody can say. */
const MOST = { 'last_messages': 4, 'first_last': 5, vector: 0 };

const textOf = (message) => (typeof message?.content === 'string' ? message.content : (message?.content ?? []).map((part) => part.text ?? '').join(''));
const learns = (body) => textOf(body.messages[0]).startsWith('You keep notes about a user');

/** What is wrong with the calls and results of a request, as text; '' when each has its other part, right behind it. */
export function unpaired(messages) {
  let open = new Set();
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id)) return `the result of ${message.tool_call_id} has no call`;
      continue;
    }
    if (open.size > 0) return `the calls ${[...open].join(', ')} have no results`;
    open = new Set((message.tool_calls ?? []).map((call) => call.id));
  }
  return open.size > 0 ? `the calls ${[...open].join(', ')} have no results at the end` : '';
}

/** What is known of number N is said in words that no other note has, each time it is learned: so none is taken for another. */
const note = (number, heard) => `No. ${number} is ${createHash('sha256').update(`${number} ${heard}`).digest('hex').slice(0, 40).replace(/(.{8})/g, '$1 ')}`.trim();

export class Mind {
  static async open(seed) {
    const mind = new Mind();
    mind.random = new Random(seed, 'mind');
    mind.refused = []; // requests that no model would take, as text
    mind.ledger = []; // as the rehearsal's: what was answered
    mind.heard = 0;
    mind.server = createServer((request, response) => mind.#serve(request, response)).listen(0, '127.0.0.1');
    mind.server.keepAliveTimeout = 2000;
    await once(mind.server, 'listening');
    mind.port = mind.server.address().port;
    return mind;
  }

  #learn(body) {
    const { conversation } = JSON.parse(textOf(body.messages[1]));
    const numbers = conversation.filter((entry) => entry.who === 'user').flatMap((entry) => [...entry.said.matchAll(/remember ([0-9]+)/g)].map((match) => match[1]));
    const changes = numbers.map((number) => ({ action: 'add', number: null, kind: 'fact', text: note(number, ++this.heard) }));
    return { content: JSON.stringify({ changes }) };
  }

  #call(calls) {
    return { tool_calls: calls.map(([name, args], i) => ({ id: `call_${this.ledger.length}_${i}`, type: 'function', function: { name, arguments: JSON.stringify(args) } })) };
  }

  /** Five steps, each marked by a call: one call at a time, or (every other run) all at once. */
  #plan(body, said, results) {
    const done = [1, 2, 3, 4, 5].map((step) => ['plan_update', { step, status: 'done' }]);
    if (results === 0) return this.#call([['plan_set', { steps: PLAN }]]);
    const marks = (textOf(body.messages[0]).match(/^[0-9]+\. \[x\] /gm) ?? []).length;
    if (marks < results - 1) return this.#refuse(body, `${results - 1} steps were marked, and the prompt shows ${marks}`);
    if (results <= 5) return this.#call(Number(/plan ([0-9]+)/.exec(said)?.[1]) % 2 ? done : [done[results - 1]]);
    return { content: 'All is done.' };
  }

  #refuse(body, why) {
    const text = JSON.stringify(body.messages);
    this.refused.push(`${why}: ${text.slice(0, 1500)} … ${text.slice(-1000)}`);
    return { status: 400, body: { error: { message: why, type: 'invalid_request_error' } } };
  }

  answer(body) {
    const wrong = unpaired(body.messages);
    if (wrong) return this.#refuse(body, wrong);
    if (learns(body)) return body.tools ? this.#refuse(body, 'who learns was given tools') : this.#learn(body);
    const last = body.messages.findLastIndex((message) => message.role === 'user');
    const said = textOf(body.messages[last]);
    if (!/^(remember|plan|grow) [0-9]+/.test(said)) return this.#refuse(body, 'what the user said last is not there');
    const results = body.messages.slice(last).filter((message) => message.role === 'tool').length;
    if (said.startsWith('plan ')) return this.#plan(body, said, results);
    const strategy = /Strategy ([a-z_]+)/.exec(textOf(body.messages[0]))?.[1];
    const sent = body.messages.slice(0, last + 1).filter((message) => message.role !== 'system').length;
    if (MOST[strategy] && sent > MOST[strategy]) return this.#refuse(body, `${strategy} was sent ${sent} messages`);
    return results === 0 && body.tools ? this.#call([['calculator', { expression: `${/[0-9]+/.exec(said)[0]} + 1` }]]) : { content: `I see, ${said.slice(0, 40)}.` };
  }

  async #serve(request, response) {
    let text = '';
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      for await (const chunk of request.setEncoding('utf8')) text += chunk;
    } catch {
      return; // cut on its way
    }
    const body = JSON.parse(text);
    const given = this.answer(body);
    if (!given.status) this.ledger.push({ idempotency_key: request.headers['idempotency-key'] ?? '', usage: USAGE, free: true });
    await new Promise((done) => setTimeout(done, this.random.int(20, 200)));
    if (response.destroyed) return;
    const choice = { index: 0, message: { role: 'assistant', content: null, ...given }, finish_reason: given.tool_calls ? 'tool_calls' : 'stop' };
    const whole = given.status ? given.body : { id: 'x', object: 'chat.completion', model: body.model, choices: [choice], usage: USAGE };
    response.writeHead(given.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
