// The clients: what they ask for is planned from the seed; they keep a note of all that was promised to them.
//
// A client sends a submission until it has an answer, with the same idempotency key, to either scheduler: so a
// submission counts as accepted once, whatever was lost on the way. The lost answers of a key are not told apart.

import { request as httpRequest, Agent } from 'node:http';
import { MIND_KINDS, mindAgents, mindItem } from './minds.mjs';
import { Random } from './random.mjs';
import { llmFaults } from './script.mjs';
import { clerkTools } from './tickets.mjs';
import { createBatch, lineOf } from '../lib/batches.mjs';
import { sleep } from '../lib/stack.mjs';

const CALL_MS = 5000;
// Instructions that go over a scheduler's connection for what is large, and with the message more than a slot of a worker has for a run.
const LARGE = { instructions: 200000, message: 250000 };
export const BATCH_LINES = 150;
const SPENDING = 9;
const BATCH_ENDPOINT = '/v1/threads/runs';
const BATCH_KINDS = ['plain', 'calc2', 'tool', 'tools'];
const TERMINAL = new Set(['completed', 'failed', 'incomplete', 'cancelled', 'expired']);

const weights = {
  plain: 20, calc2: 15, calc4: 8, tool: 18, tools: 10, slow: 8, conversation: 5, cancel: 8,
  ask: 8, askCancel: 2, nap: 6, askNap: 4, enqueue: 3, interrupt: 2, rollback: 2, large: 3, update: 4, queue: 4, steer: 5, spend: 7, tickets: 12, learn: 9, plan: 5, grow: 4,
};

/** What is submitted when: [{at (ms from the start), tenant, kind, prompt, …}], in order of time. */
export function planLoad(seed, seconds, rate, features, bursts = true) {
  const random = new Random(seed, 'load');
  const plan = [];
  const kinds = { ...weights };
  if (!features.functions) kinds.ask = kinds.askCancel = 0;
  if (!features.waits) kinds.nap = kinds.askNap = 0;
  for (const strategy of ['enqueue', 'interrupt', 'rollback']) if (!features[strategy]) kinds[strategy] = 0;
  const add = (at, tenant, kind = random.weighted(kinds)) => {
    const number = plan.length;
    const fault = random.chance(0.2) ? ` #${random.pick(Object.keys(llmFaults))}` : '';
    const tag = MIND_KINDS.has(kind) ? '' : fault; // their model is another one
    plan.push({ at, tenant, kind, number, tag, seed: random.int(1, 1e9), prompt: prompt(kind, number, random) + tag });
  };
  for (let at = 0; at < seconds * 1000; at += random.exponential(1000 / rate)) add(at, random.chance(0.25) ? 'quiet' : 'flooder');
  for (let i = 0; i < SPENDING; i++) add(i * 400, 'flooder', 'spend'); // some of each budget, however short it all is
  for (let i = 0; i < 9; i++) add(i * 300, 'quiet', ['learn', 'plan', 'grow'][i % 3]);
  // The flooder's bursts: more at once than there are slots.
  for (let at = random.int(2000, 8000); bursts && at < seconds * 1000; at += random.int(15000, 40000)) {
    for (let i = random.int(60, 200); i > 0; i--) add(at, 'flooder');
  }
  return plan.sort((a, b) => a.at - b.at);
}

/**
 * Which models a run asks. A model that limits holds back all who ask it, so those that meet limits ask others, a few runs each: else all
 * would go at the pace of these. Where a model breaks, every other run has another one to fall back to.
 */
function models(item) {
  const fault = item.tag.slice(2);
  if (['limited', 'deferred', 'throttled'].includes(fault)) return { model: `openai/gpt-4o-mini-2024-07-${10 + (item.number % 20)}` };
  if (['broken', 'overloaded', 'severed', 'dropped', 'garbled'].includes(fault) && item.number % 2) return { fallbacks: ['openai/gpt-4o-mini-2025-01-01'] };
  return {};
}

function prompt(kind, number, random) {
  const wait = random.chance(0.2) ? random.int(300, 2500) : 0;
  switch (kind) {
    case 'calc2':
    case 'conversation':
    case 'large':
    case 'spend':
    case 'update':
      return `calc 2 of ${number}`;
    case 'calc4':
      return `calc 4 of ${number}`;
    case 'tool':
    case 'enqueue':
      return `tool ${number} wait ${wait}`;
    case 'steer':
    case 'tools':
      return `tools ${number} wait ${wait}`;
    case 'tickets':
      return `tickets ${number} wait ${wait}`;
    case 'slow':
    case 'queue':
    case 'cancel':
    case 'interrupt':
    case 'rollback':
      return `slow ${number}`;
    case 'ask':
    case 'askCancel':
      return `ask ${number}`;
    case 'nap':
      return `nap ${random.int(0, 4)}`;
    case 'askNap':
      return `ask and nap ${random.int(0, 4)}`;
    default:
      return `plain ${number}`;
  }
}

export class Load {
  constructor(world, features) {
    Object.assign(this, { world, features, accepted: new Map(), said: [], sdkKeys: new Set(), unexpected: [], givenUp: [], open: 0, spent: 0, requests: 0, lost: 0, statuses: {} });
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 });
    this.random = new Random(world.options.seed, 'clients');
    this.assistants = {};
  }

  /** Agents for every tenant. Before the faults. */
  async prepare() {
    const tools = [{ type: 'calculator' }, { type: 'http_request' }];
    const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
    for (const tenant of ['flooder', 'quiet']) {
      const body = { model: 'openai/gpt-4o-mini', instructions: 'You are careful.', tools, http_allow: [`127.0.0.1:${this.world.toolsPort}`] };
      const made = await this.#sure(tenant, 'POST', '/v1/assistants', body, `assistant-${tenant}`);
      const asking = await this.#sure(tenant, 'POST', '/v1/assistants', { ...body, tools: [...tools, weather] }, `asking-${tenant}`);
      const waits = [...tools, weather, { type: 'wait' }];
      const waiting = await this.#sure(tenant, 'POST', '/v1/assistants', { ...body, tools: waits }, `waiting-${tenant}`);
      const parts = { slug: 'changing', role: 'You are a clerk.', template: true, instructions: 'You are careful, for {{name}}.' };
      const changing = await this.#sure(tenant, 'POST', '/v1/assistants', { ...body, ...parts }, `changing-${tenant}`);
      for (const tool of clerkTools(this.world.toolsPort)) await this.#sure(tenant, 'POST', '/v1/tools', tool, `${tool.name}-${tenant}`);
      const clerk = await this.#sure(tenant, 'POST', '/v1/assistants', { model: body.model, tools: [{ type: 'ticket_create' }, { type: 'order_lookup' }] }, `clerk-${tenant}`);
      const minds = {};
      for (const [name, agent] of Object.entries(mindAgents())) minds[name] = (await this.#sure(tenant, 'POST', '/v1/assistants', agent, `${name}-${tenant}`)).body.id;
      this.assistants[tenant] = { ...minds, clerk: clerk.body.id, plain: made.body.id, asking: asking.body.id, waiting: waiting.body.id, changing: changing.body.id };
    }
  }

  /** The flooder's batch, of runs as others submit them one by one. Before the faults. */
  async startBatch() {
    const random = new Random(this.world.options.seed, 'batch');
    const lines = Array.from({ length: BATCH_LINES }, (_, n) => lineOf(`l${n}`, BATCH_ENDPOINT, {
      assistant_id: this.assistants.flooder.plain, metadata: { chaos: `l${n}` }, thread: { messages: [{ role: 'user', content: prompt(random.pick(BATCH_KINDS), n, random) }] } }));
    this.batch = await createBatch(this.as('flooder'), lines, BATCH_ENDPOINT);
  }

  /** The stack as a tenant sees it, past all proxies. */
  as(tenant) {
    return Object.assign(Object.create(this.world.stack), { url: this.world.schedulers[0].url, key: this.world.keys[tenant] });
  }

  /** One request through a proxy. Returns {status, body}; status 0: no answer came. */
  #once(tenant, method, path, body, headers, scheduler) {
    this.requests++;
    return new Promise((done) => {
      const data = body === undefined ? undefined : JSON.stringify(body);
      const options = {
        host: '127.0.0.1', port: scheduler.front.port, method, path, agent: this.agent, timeout: this.world.options.callMs ?? CALL_MS,
        headers: { authorization: `Bearer ${this.world.keys[tenant]}`, ...(data ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data) } : {}), ...headers },
      };
      let timer; // from when it has a connection: who queued for one and gave up meanwhile would never be done where all are slow
      const fail = () => {
        clearTimeout(timer);
        this.lost++;
        done({ status: 0 });
      };
      const request = httpRequest(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('error', fail).on('aborted', fail);
        response.on('end', () => {
          clearTimeout(timer);
          let parsed;
          try {
            parsed = JSON.parse(text);
          } catch {
            parsed = text;
          }
          this.statuses[response.statusCode] = (this.statuses[response.statusCode] ?? 0) + 1;
          done({ status: response.statusCode, body: parsed });
        });
      });
      request.on('socket', () => (timer = setTimeout(() => request.destroy(new Error('too slow')), this.world.options.callMs ?? CALL_MS)));
      request.on('error', fail);
      request.end(data);
    });
  }

  call(tenant, method, path, body, headers, scheduler = this.random.pick(this.world.schedulers)) {
    return this.#once(tenant, method, path, body, headers, scheduler);
  }

  /** Until there is an answer that is none of a fault's. With a key, the same one every time; or as OpenAI's SDKs do it. */
  async #sure(tenant, method, path, body, key, first, asSdk) {
    for (let tries = 0; ; tries++) {
      const headers = asSdk ? { 'x-stainless-retry-count': String(tries) } : key ? { 'idempotency-key': key } : {};
      const reply = await this.call(tenant, method, path, body, headers, tries === 0 ? first : undefined);
      const busy = reply.status === 409 && key; // the first request of this key is still at work
      if (reply.status !== 0 && reply.status < 500 && reply.status !== 429 && !busy) return { ...reply, tries: tries + 1 };
      if (this.stopped) return reply;
      await sleep(Math.min(50 << Math.min(tries, 5), 1000) * (0.5 + this.random.next() / 2));
    }
  }

  /** Submits; notes the promise. Returns the run, or null. */
  async #submit(item, key, path, body, note = {}) {
    const { tenant } = item;
    const sent = Date.now();
    // Not where the client is asked for something: a twin that nobody knows of would wait for it forever; nor where each path is one call's.
    const asSdk = this.features.sdkRetries && body.thread && !item.kind.startsWith('ask') && item.kind !== 'tickets' && item.kind !== 'learn' && this.random.chance(0.3);
    if (asSdk) this.sdkKeys.add(key);
    const reply = await this.#sure(tenant, 'POST', path, { ...body, ...models(item), metadata: { chaos: key } }, key, note.scheduler, asSdk);
    if (reply.status === 200) {
      const run = { id: reply.body.id, thread: reply.body.thread_id, key, tenant, kind: item.kind, tag: item.tag, sent, at: Date.now(), tries: reply.tries, ...note };
      this.accepted.set(run.id, run);
      return run;
    }
    if (reply.status === 0 || reply.status >= 500) this.givenUp.push(key);
    else if (!note.mayRefuse?.(reply)) this.unexpected.push(`${key}: POST ${path} was answered ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
    return null;
  }

  first(item, note) {
    const assistant = this.assistants[item.tenant];
    const waits = item.kind === 'nap' || item.kind === 'askNap';
    const assistant_id = item.kind === 'tickets' ? assistant.clerk : waits ? assistant.waiting : item.kind.startsWith('ask') ? assistant.asking : assistant.plain;
    const owner = item.kind === 'queue' || item.kind === 'steer' ? { user: `u${item.number % 7}` } : {};
    const body = { assistant_id, ...owner, thread: { messages: [{ role: 'user', content: item.prompt }] } };
    return this.#submit(item, item.key ?? `c${item.number}`, '/v1/threads/runs', body, note);
  }

  /** In the name of somebody who may spend so much and no more. */
  #spend(item) {
    const user = `spender-${this.spent++ % 3}`;
    const body = { assistant_id: this.assistants.flooder.plain, user, max_output_tokens: 60, thread: { messages: [{ role: 'user', content: item.prompt }] } };
    return this.#submit({ ...item, tenant: 'flooder' }, `c${item.number}`, '/v1/threads/runs', body);
  }

  #next(item, run, place, more = {}, note = {}) {
    const body = { assistant_id: this.assistants[item.tenant].plain, additional_messages: [{ role: 'user', content: item.prompt }], ...more };
    return this.#submit(item, `c${item.number}.${place}`, `/v1/threads/${run.thread}/runs`, body, note);
  }

  /** Asks for a run until `done(run)`; null when stopped before. */
  async #watch(run, done) {
    for (;;) {
      const reply = await this.call(run.tenant, 'GET', `/v1/threads/${run.thread}/runs/${run.id}`);
      if (reply.status === 200) {
        const { status } = reply.body;
        if (run.seen && TERMINAL.has(run.seen) && run.seen !== status) this.unexpected.push(`${run.id} was ${run.seen} and then ${status}`);
        run.seen = status;
        if (done(reply.body)) return reply.body;
      } else if (reply.status !== 0 && reply.status < 500 && reply.status !== 429) {
        this.unexpected.push(`${run.id}: GET was answered ${reply.status}`);
        return null;
      }
      if (this.stopped) return null;
      await sleep(250 + this.random.int(0, 150));
    }
  }

  #cancel(run) {
    run.cancelAsked = true;
    return this.#sure(run.tenant, 'POST', `/v1/threads/${run.thread}/runs/${run.id}/cancel`).then((reply) => {
      if (![0, 200, 400].includes(reply.status) && reply.status < 500) this.unexpected.push(`${run.id}: cancel was answered ${reply.status}`);
    });
  }

  /** A run whose instructions and message are large, and a next one that has to read that message. */
  async #large(item) {
    const instructions = 'Be careful. '.repeat(LARGE.instructions / 12);
    const message = { role: 'user', content: `${item.prompt}\n${'It was a long day. '.repeat(LARGE.message / 19)}` };
    const body = { assistant_id: this.assistants[item.tenant].plain, instructions, thread: { messages: [message] } };
    const run = await this.#submit(item, `c${item.number}`, '/v1/threads/runs', body);
    if (run && (await this.#watch(run, (seen) => TERMINAL.has(seen.status)))) await this.#next(item, run, 1);
  }

  /** Changes the agent that others run at the same time, and runs it, by its slug. Neither may be told that there is no such agent. */
  async #update(item) {
    const assistant_id = this.assistants[item.tenant].changing;
    const body = { assistant_id: 'changing', variables: { name: `number ${item.number}` }, thread: { messages: [{ role: 'user', content: item.prompt }] } };
    const submit = this.#submit(item, `c${item.number}`, '/v1/threads/runs', body);
    const change = { role: `You are clerk ${item.number}.`, instructions: `You are careful, ${item.number} times, for {{name}}.` };
    const reply = await this.#sure(item.tenant, 'POST', `/v1/assistants/${assistant_id}`, change, `u${item.number}`);
    if (reply.status >= 300 && reply.status < 500) this.unexpected.push(`update ${item.number} was answered ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
    return submit;
  }

  async #converse(item) {
    let run = await this.first(item);
    for (let place = 1; run && place < 3; place++) {
      if (!(await this.#watch(run, (seen) => TERMINAL.has(seen.status)))) return;
      run = await this.#next(item, run, place);
    }
  }

  /** A thread that grows: one run after the other, each when the one before has ended. */
  async #think(item) {
    const { agent, runs, user, before = [] } = mindItem(item);
    const assistant_id = this.assistants[item.tenant][agent];
    const scope = agent === 'learn1' ? assistant_id : null;
    let run;
    for (let place = 0; place < runs; place++) {
      const number = String(item.number * 10 + place);
      const message = { role: 'user', content: `${item.kind === 'learn' ? 'remember' : item.kind} ${number}` };
      const note = { user, scope, number };
      const body = { assistant_id, ...(user ? { user } : {}) };
      if (place === 0) run = await this.#submit(item, `c${item.number}`, '/v1/threads/runs', { ...body, thread: { messages: [...before, message] } }, note);
      else run = await this.#submit(item, `c${item.number}.${place}`, `/v1/threads/${run.thread}/runs`, { ...body, additional_messages: [message] }, note);
      if (!run || !(await this.#watch(run, (seen) => TERMINAL.has(seen.status)))) return;
    }
  }

  /** Gives the outputs asked for, sometimes from both schedulers at once. */
  async #answer(run, random) {
    const action = await this.#watch(run, (seen) => seen.status === 'requires_action' || TERMINAL.has(seen.status));
    if (action?.status !== 'requires_action') return;
    const calls = action.required_action.submit_tool_outputs.tool_calls;
    const outputs = { tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: `sunny ${random.int(1, 40)}` })) };
    await sleep(random.chance(0.3) ? random.int(500, 4000) : random.int(0, 200));
    const path = `/v1/threads/${run.thread}/runs/${run.id}/submit_tool_outputs`;
    const give = () => this.#sure(run.tenant, 'POST', path, outputs);
    const replies = await Promise.all(random.chance(0.3) ? [give(), give()] : [give()]);
    for (const reply of replies) {
      if (reply.status >= 300 && reply.status < 500 && reply.status !== 400) this.unexpected.push(`${run.id}: outputs were answered ${reply.status}`);
    }
    if (replies.every((reply) => reply.status === 200)) run.answered = replies.length;
  }

  /** Messages for a run at work, in a thread of somebody; what is accepted has its place. */
  async #talk(item, random) {
    const run = await this.first(item);
    for (let place = 0; run && place < 3; place++) {
      await sleep(random.int(0, 1500));
      const text = `plain ${item.number}.${place}`;
      const body = { role: 'user', content: text, on_busy: item.kind };
      const reply = await this.#sure(item.tenant, 'POST', `/v1/threads/${run.thread}/messages`, body, `m${item.number}.${place}`);
      if (reply.status === 200) this.said.push({ thread: run.thread, text });
      else if (reply.status !== 0 && reply.status < 500) this.unexpected.push(`message ${text} was answered ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
    }
  }

  async #crowd(item, random) {
    const run = await this.first(item);
    if (!run) return;
    if (item.kind === 'enqueue') {
      for (let place = 1; place < 4; place++) await this.#next(item, run, place, { multitask_strategy: 'enqueue' });
      return;
    }
    await sleep(random.int(0, 3000));
    run.displaced = true;
    await this.#next(item, run, 1, { multitask_strategy: item.kind });
  }

  async #play(item) {
    const random = new Random(item.seed, 'item');
    switch (item.kind) {
      case 'conversation':
        return this.#converse(item);
      case 'large':
        return this.#large(item);
      case 'update':
        return this.#update(item);
      case 'learn':
      case 'plan':
      case 'grow':
        return this.#think(item);
      case 'spend':
        return this.#spend(item);
      case 'queue':
      case 'steer':
        return this.#talk(item, random);
      case 'ask':
      case 'askNap':
      case 'askCancel': {
        const run = await this.first(item);
        if (!run) return undefined;
        const answered = this.#answer(run, random);
        if (item.kind === 'askCancel') await sleep(random.int(200, 3000)).then(() => this.#cancel(run));
        return answered;
      }
      case 'enqueue':
      case 'interrupt':
      case 'rollback':
        return this.#crowd(item, random);
      case 'cancel': {
        const run = await this.first(item);
        if (!run) return undefined;
        await sleep(random.chance(0.3) ? 0 : random.int(0, 9000));
        return this.#cancel(run);
      }
      default:
        return this.first(item);
    }
  }

  /** Plays the plan from now on. Resolves when the last item has been begun; open says how many are under way. */
  async play(plan) {
    const start = Date.now();
    for (const item of plan) {
      const wait = start + item.at - Date.now();
      if (wait > 0) await sleep(wait);
      if (this.stopped) break;
      this.open++;
      this.#play(item)
        .catch((error) => this.unexpected.push(`c${item.number}: ${error.stack}`))
        .finally(() => this.open--);
    }
  }

  /** No more retries; what has no answer by now is given up. */
  stop() {
    this.stopped = true;
  }

  close() {
    this.agent.destroy();
  }
}

/** What the API at hand can do, found out by asking it. */
export async function probeFeatures(world) {
  const load = new Load(world, {});
  await load.prepare();
  const tenant = 'quiet';
  const features = { waits: load.assistants[tenant].waiting !== undefined };
  const ask = { tenant, kind: 'ask', key: 'feature-ask', tag: '', prompt: 'ask 1' };
  const run = await load.first(ask);
  for (let i = 0; run && i < 100; i++) {
    const { body } = await load.call(tenant, 'GET', `/v1/threads/${run.thread}/runs/${run.id}`);
    if (body?.status === 'requires_action') features.functions = true;
    if (body?.status === 'requires_action' || TERMINAL.has(body?.status)) break;
    await sleep(100);
  }
  if (features.functions) await load.call(tenant, 'POST', `/v1/threads/${run.thread}/runs/${run.id}/cancel`);
  const twice = { assistant_id: load.assistants[tenant].plain, thread: { messages: [{ role: 'user', content: 'plain' }] }, metadata: { chaos: 'feature-sdk' } };
  const tries = [];
  for (const count of ['0', '1']) tries.push(await load.call(tenant, 'POST', '/v1/threads/runs', twice, { 'x-stainless-retry-count': count }));
  features.sdkRetries = tries[0].body.id !== undefined && tries[0].body.id === tries[1].body.id;
  for (const strategy of ['enqueue', 'interrupt', 'rollback']) {
    const body = { assistant_id: load.assistants[tenant].plain, thread: { messages: [{ role: 'user', content: 'plain' }] } };
    const first = await load.call(tenant, 'POST', '/v1/threads/runs', { ...body, metadata: { chaos: `feature-${strategy}` } });
    const second = await load.call(tenant, 'POST', `/v1/threads/${first.body.thread_id}/runs`, {
      assistant_id: body.assistant_id, multitask_strategy: strategy, metadata: { chaos: `feature-${strategy}-2` } });
    features[strategy] = second.status === 200;
  }
  load.close();
  return features;
}
