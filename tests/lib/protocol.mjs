// The order of the events of a run, as a state machine: what may come when, and what must fit to what came before. It is
// OpenAI's (https://platform.openai.com/docs/api-reference/assistants-streaming), in the strictest reading of any major of its SDKs:
//
//     [thread.created] run.created, run.queued, run.in_progress ─► step.created, step.in_progress ─┬─► message.created, .in_progress,
//         ▲                                      │      ▲                                          │   .delta…, .completed|incomplete
//         │                                      │      │                                          └─► step.delta…, a call behind the other
//         └───── run.requires_action ◄───────────┤      └──────── step.completed|failed|… ◄─────────────────┘
//                                                └─► [run.cancelling] run.completed|failed|incomplete|cancelled|expired, done
//
// One step is open at a time. Ids and names of calls are said once, a call's output comes last, and the end of a message or step holds what
// its deltas add up to.

import assert from 'node:assert/strict';

const BEHIND = {
  undefined: ['created'],
  created: ['queued'],
  queued: ['in_progress', 'cancelling', 'cancelled', 'failed', 'expired'],
  in_progress: ['requires_action', 'cancelling', 'completed', 'failed', 'incomplete', 'cancelled', 'expired'],
  requires_action: ['queued', 'cancelling', 'cancelled', 'failed', 'expired'],
  cancelling: ['cancelled', 'completed', 'failed', 'incomplete', 'expired'],
};
const STATUS_OF_STEP = ['completed', 'failed', 'cancelled', 'expired'];

function members(object, names, what) {
  for (const name of Object.keys(object)) assert.ok(names.includes(name), `${what} has '${name}'`);
}

export class Protocol {
  /** options: withThread (thread.created comes first), behindCalls (the stream of tool outputs: it begins with the run queued, and a step open) */
  constructor({ withThread = false, behindCalls = false } = {}) {
    this.withThread = withThread;
    this.behindCalls = behindCalls;
    this.status = behindCalls ? 'requires_action' : undefined; // of the run, as it was told last
    this.statuses = [];
    this.events = []; // names
    this.steps = []; // {id, type, status, calls: [{id, name, arguments, output}]}
    this.messages = []; // {id, status, type, text, deltas}
    this.reasoning = '';
    this.over = false;
  }

  get step() {
    const last = this.steps.at(-1);
    return last?.status === 'in_progress' || last?.status === 'created' ? last : undefined;
  }

  get message() {
    const last = this.messages.at(-1);
    return last?.status === 'in_progress' || last?.status === 'created' ? last : undefined;
  }

  /** The next event: {event, data}, data as it was parsed. Throws when it may not come here. */
  take({ event, data }) {
    const before = this.events.at(-1);
    try {
      this.#take(event, data);
    } catch (error) {
      error.message = `${event} behind ${before ?? 'nothing'}: ${error.message}`;
      throw error;
    }
    this.events.push(event);
  }

  #take(event, data) {
    const [, what, name] = /^thread\.(run\.step|run\.reasoning|run|message)\.(\w+)$/.exec(event) ?? [];

    assert.ok(!this.over, 'the stream is over');
    if (event === 'done') return this.#done(data);
    if (this.withThread && this.events.length === 0) {
      assert.equal(event, 'thread.created');
      assert.equal(data.object, 'thread');
      this.thread = data.id;
      return undefined;
    }
    assert.ok(what, 'no such event');
    if (what === 'run') return this.#run(name, data);
    assert.ok(['in_progress', 'cancelling'].includes(this.status) || this.#closesCalls(name), `the run is ${this.status}`);
    if (what === 'run.step') return name === 'delta' ? this.#callDelta(data) : this.#step(name, data);
    return what === 'message' ? (name === 'delta' ? this.#textDelta(data) : this.#message(name, data)) : this.#think(name, data);
  }

  /** The step of the client's functions ends when they are answered, or with the run. */
  #closesCalls(name) {
    return ['queued', 'requires_action'].includes(this.status) && STATUS_OF_STEP.includes(name);
  }

  #done(data) {
    assert.equal(data, '[DONE]');
    assert.ok(this.status === 'requires_action' || !(this.status in BEHIND), `the run is ${this.status}`);
    this.over = true;
  }

  #run(name, run) {
    assert.ok(BEHIND[this.status]?.includes(name), `the run was ${this.status}`);
    assert.equal(run.object, 'thread.run');
    assert.equal(run.status, name === 'created' ? 'queued' : name);
    assert.equal(run.id, this.run?.id ?? run.id);
    assert.equal(run.thread_id, this.thread ?? run.thread_id);
    if (name !== 'cancelling') assert.ok(!this.message, 'a message is open');
    if (name === 'requires_action') {
      assert.equal(this.step?.type, 'tool_calls');
      const calls = run.required_action.submit_tool_outputs.tool_calls;
      for (const call of calls) assert.ok(this.step.calls.some((one) => one.id === call.id && one.arguments === call.function.arguments), `${call.id} was not told`);
    } else if (!(name in BEHIND)) {
      assert.ok(!this.step, 'a step is open');
      assert.equal(run.required_action, null);
    }
    this.thread = run.thread_id;
    this.run = run;
    this.status = name;
    this.statuses.push(name);
  }

  #belongs(object) {
    assert.equal(object.thread_id, this.thread ?? object.thread_id);
    assert.equal(object.run_id, this.run?.id ?? object.run_id);
  }

  #step(name, step) {
    assert.equal(step.object, 'thread.run.step');
    this.#belongs(step);
    if (name === 'created') {
      assert.ok(!this.step, 'a step is open');
      assert.ok(!this.steps.some((one) => one.id === step.id), 'it was told already');
      assert.equal(step.status, 'in_progress');
      if (step.type === 'tool_calls') assert.deepEqual(step.step_details.tool_calls, []);
      this.steps.push({ id: step.id, type: step.type, status: 'created', calls: [], message: step.step_details.message_creation?.message_id });
      return;
    }
    if (this.behindCalls && this.steps.length === 0) {
      // The step of the calls that are answered now was begun in the stream before.
      assert.equal(step.type, 'tool_calls');
      this.steps.push({ id: step.id, type: step.type, status: 'in_progress', calls: null });
    }
    const open = this.step;
    assert.equal(step.id, open?.id, 'it is not the open step');
    assert.equal(step.type, open.type);
    if (name === 'in_progress') {
      assert.equal(open.status, 'created');
    } else {
      assert.ok(STATUS_OF_STEP.includes(name));
      assert.ok(!this.message, 'a message is open');
      if (name === 'completed') this.#stepAddsUp(open, step);
    }
    assert.equal(step.status, name);
    open.status = name;
  }

  #stepAddsUp(open, step) {
    if (open.type === 'message_creation') {
      assert.equal(step.step_details.message_creation.message_id, open.message);
      assert.equal(this.messages.at(-1)?.id, open.message);
      return;
    }
    const calls = step.step_details.tool_calls.map((call) => ({ id: call.id, name: call.function.name, arguments: call.function.arguments, output: call.function.output }));
    for (const call of calls) assert.equal(typeof call.output, 'string');
    open.calls ??= calls;
    assert.deepEqual(calls.map(({ output, ...rest }) => rest), open.calls.map(({ output, ...rest }) => rest));
    for (const [i, call] of open.calls.entries()) if (call.output !== undefined) assert.equal(call.output, calls[i].output);
    open.outputs = calls.map((call) => call.output);
  }

  #callDelta(delta) {
    const open = this.step;

    assert.equal(delta.object, 'thread.run.step.delta');
    assert.equal(delta.id, open?.id, 'it is not the open step');
    assert.equal(open.status, 'in_progress');
    members(delta, ['id', 'object', 'delta'], 'it');
    members(delta.delta, ['step_details'], 'delta');
    assert.equal(delta.delta.step_details.type, 'tool_calls');
    for (const call of delta.delta.step_details.tool_calls) {
      assert.equal(call.type, 'function');
      if (call.index === open.calls.length) this.#callBegins(open, call);
      else this.#callGoesOn(open, call);
    }
  }

  #callBegins(open, call) {
    members(call, ['index', 'id', 'type', 'function'], 'a call');
    assert.match(call.id, /^[\w-]+$/);
    assert.deepEqual(call.function, { name: call.function.name, arguments: '', output: null });
    assert.ok(!open.calls.some((one) => one.id === call.id), 'two calls have one id');
    open.calls.push({ id: call.id, name: call.function.name, arguments: '', output: undefined });
  }

  #callGoesOn(open, call) {
    const last = open.calls.at(-1);

    assert.equal(call.index, open.calls.length - 1, 'another call has begun');
    members(call, ['index', 'type', 'function'], 'a call that goes on');
    assert.equal(last.output, undefined, 'its output was told');
    if ('output' in call.function) {
      members(call.function, ['output'], 'an output');
      last.output = call.function.output;
    } else {
      members(call.function, ['arguments'], 'arguments');
      assert.ok(call.function.arguments.length > 0);
      last.arguments += call.function.arguments;
    }
  }

  #message(name, message) {
    assert.equal(message.object, 'thread.message');
    this.#belongs(message);
    assert.equal(message.role, 'assistant');
    assert.equal(message.status, name === 'created' ? 'in_progress' : name);
    if (name === 'created') {
      assert.equal(this.step?.status, 'in_progress', 'no step is open');
      assert.equal(this.step.message, message.id, 'it is not the message of the open step');
      assert.ok(!this.messages.some((one) => one.id === message.id), 'it was told already');
      assert.deepEqual(message.content, []);
      this.messages.push({ id: message.id, status: 'created', text: '', deltas: 0 });
      return;
    }
    const open = this.message;
    assert.equal(message.id, open?.id, 'it is not the open message');
    if (name === 'in_progress') {
      assert.equal(open.status, 'created');
      assert.deepEqual(message.content, []);
    } else {
      assert.ok(['completed', 'incomplete'].includes(name));
      assert.equal(open.status, 'in_progress');
      this.#messageAddsUp(open, message);
    }
    open.status = name;
  }

  /** A message that was broken off may have lost what it said. */
  #messageAddsUp(open, message) {
    const [part] = message.content;

    if (message.status === 'incomplete') assert.ok(message.incomplete_details.reason);
    if (message.status === 'incomplete' && !part) return;
    assert.equal((part?.type === 'refusal' ? part.refusal : part?.text.value) ?? '', open.text);
    if (open.deltas > 0) assert.equal(part.type, open.type);
    open.content = message.content;
  }

  #textDelta(delta) {
    const open = this.message;

    assert.equal(delta.object, 'thread.message.delta');
    assert.equal(delta.id, open?.id, 'it is not the open message');
    assert.equal(open.status, 'in_progress');
    members(delta, ['id', 'object', 'delta'], 'it');
    members(delta.delta, ['content'], 'delta');
    for (const part of delta.delta.content) {
      const text = part.type === 'refusal' ? part.refusal : part.text.value;
      assert.equal(part.index, 0);
      open.type ??= part.type;
      assert.equal(part.type, open.type);
      assert.ok(text.length > 0);
      open.text += text;
      open.deltas++;
    }
  }

  #think(name, delta) {
    assert.equal(name, 'delta');
    assert.equal(delta.object, 'thread.run.reasoning.delta');
    assert.equal(delta.id, this.run.id);
    assert.ok(!this.step, 'a step is open');
    assert.ok(delta.delta.text.length > 0);
    this.reasoning += delta.delta.text;
  }

  /** Nothing more comes. SDKs keep the last event, done, to themselves. */
  end({ done = true } = {}) {
    if (done) assert.ok(this.over, `it ends without done, the run ${this.status}`);
    else this.#done('[DONE]');
    return this;
  }
}

/** The frames of a whole stream: [{id, event, data, retry}], data as text; comments are left out. */
export function frames(text) {
  return text
    .split('\n\n')
    .map((frame) => frame.split('\n').filter((line) => line && !line.startsWith(':')))
    .filter((lines) => lines.length > 0)
    .map((lines) => Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])));
}

/** A stream as text, judged: returns its Protocol. */
export function judge(text, options) {
  const protocol = new Protocol(options);

  for (const { event, data } of frames(text)) protocol.take({ event, data: data === '[DONE]' ? data : JSON.parse(data) });
  return protocol.end();
}
