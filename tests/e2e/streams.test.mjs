// Streams of runs, judged by OpenAI's own SDKs: by the events of their helpers, by what these add up to, and by the order of what comes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import OpenAI5 from 'openai-v5';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Protocol } from '../lib/protocol.mjs';
import { until } from '../lib/stack.mjs';
import { Dev } from './dev.mjs';
import { Rehearsal } from './rehearsal.mjs';

const refusing = ['I can', 'not help ', 'with that.']
  .map((refusal) => JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { role: 'assistant', refusal }, finish_reason: null }] }))
  .concat(JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }), '[DONE]')
  .map((data) => `data: ${data}\n\n`)
  .join('');
const refusal = 'I cannot help with that.';

/** Deltas of the poem, as each major was told it: a reader that a slow machine keeps waiting is told more at once. */
const pieces = [];
const poem = 'Of pieces that come one by one, and of whoever reads them while they are made.';
const script = `
stream: {chunk_ms: 30, chunk_tokens: 2}
rules:
  - {name: poem, when: {user: '^poem'}, then: {text: '${poem}'}}
  - {name: whole the second time, when: {user: '^broken', every: 2}, then: {text: '${poem}'}}
  - {name: broken off, when: {user: '^broken'}, then: {text: 'Of something else that nobody will ever read to its end.', cut_after: 8}}
  - {name: slow, when: {user: '^slow'}, then: {text: '${poem}', chunk_ms: 150}}
  - {name: thinks, when: {user: '^think'}, then: {reasoning: 'First the numbers, then the words.', text: '${poem}'}}
  - name: one tool
    when: {user: '^compute'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: 'It is {{tool}}, as it always was.'
  - name: text, then calls
    when: {user: '^text and tools'}
    steps:
      - text: 'Let me look at that, one thing after the other.'
        calls: [{name: calculator, arguments: {expression: '6*7'}}, {name: calculator, arguments: {expression: '8*9'}}]
      - text: 'They are {{tool.1}} and {{tool.2}}.'
  - name: functions
    when: {user: '^weather'}
    steps:
      - calls: [{name: get_weather, arguments: {city: Rome}}, {name: get_weather, arguments: {city: Oslo}}]
      - text: 'Rome: {{tool.1}}, Oslo: {{tool.2}}.'
  - {name: refuses, when: {user: '^refuse'}, then: {status: 200, body: ${JSON.stringify(refusing)}}}
  - {name: fails, when: {user: '^fail'}, then: {status: 400}}
  - {name: too long, when: {user: '^lengthy'}, then: {text: '${poem}', finish_reason: length}}
`;

let llm;
let dev;
before(async () => {
  llm = await Rehearsal.start(script);
  dev = await Dev.start({ args: ['--llm-base-url', `${llm.url}/v1`] });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  await llm?.stop();
});

const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };

// Version 4 takes ids by position, later ones name those of the path.
const shapes = {
  4: {
    OpenAI: OpenAI4,
    on: (runs, verb, run, body) => runs[verb](run.thread_id, run.id, ...(body ? [body] : [])),
    message: (client, thread, id) => client.beta.threads.messages.retrieve(thread, id),
    removeThread: (client, id) => client.beta.threads.del(id),
  },
};
for (const [major, OpenAI] of [[5, OpenAI5], [6, OpenAI6], [7, OpenAI7]])
  shapes[major] = {
    OpenAI,
    on: (runs, verb, run, body = {}) => runs[verb](run.id, { thread_id: run.thread_id, ...body }),
    message: (client, thread, id) => client.beta.threads.messages.retrieve(id, { thread_id: thread }),
    removeThread: (client, id) => client.beta.threads.delete(id),
  };

/** What a stream of the SDK's helper tells, in the order in which it does; each event is judged besides. */
class Heard {
  constructor(stream, options) {
    this.stream = stream;
    this.protocol = new Protocol(options);
    this.names = [];
    this.texts = [];
    this.calls = [];
    this.messages = [];
    this.steps = [];
    let text = '';
    stream
      .on('event', (event) => this.protocol.take(event))
      .on('textCreated', () => this.names.push('textCreated'))
      .on('textDelta', (delta, snapshot) => {
        if (this.names.at(-1) === 'textCreated') text = '';
        text += delta.value ?? '';
        assert.equal(snapshot.value, text);
        this.#once('textDelta');
      })
      .on('textDone', (content, message) => {
        assert.equal(content.value, message.content[0].text.value);
        this.texts.push(content.value);
        this.names.push('textDone');
      })
      .on('toolCallCreated', () => this.names.push('toolCallCreated'))
      .on('toolCallDelta', () => this.#once('toolCallDelta'))
      .on('toolCallDone', (call) => {
        this.calls.push(structuredClone({ id: call.id, ...call.function }));
        this.names.push('toolCallDone');
      })
      .on('messageCreated', () => this.names.push('messageCreated'))
      .on('messageDone', (message) => {
        this.messages.push(message);
        this.names.push('messageDone');
      })
      .on('runStepCreated', () => this.names.push('runStepCreated'))
      .on('runStepDone', (step) => {
        this.steps.push(step);
        this.names.push('runStepDone');
      })
      .on('end', () => this.names.push('end'));
  }

  /** However often it comes. */
  #once(name) {
    if (this.names.at(-1) !== name) this.names.push(name);
  }

  /** The run at the end, after all that was told was found in order. */
  async run() {
    const run = await this.stream.finalRun();
    this.protocol.end({ done: false });
    assert.deepEqual(this.stream.currentRun(), run);
    assert.equal(run.status, this.protocol.status);
    return run;
  }
}

const SAID = ['runStepCreated', 'messageCreated', 'textCreated', 'textDelta', 'textDone', 'messageDone', 'runStepDone'];
const CALLED = ['toolCallCreated', 'toolCallDelta', 'toolCallDone'];

for (const [major, shape] of Object.entries(shapes)) {
  const client = () => new shape.OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1` });
  const begin = async (content) => {
    const openai = client();
    const assistant = await openai.beta.assistants.create({ model: 'openai/m', name: `streams ${major}`, tools: [{ type: 'calculator' }, weather] });
    const thread = await openai.beta.threads.create({ messages: [{ role: 'user', content }] });
    const body = { assistant_id: assistant.id };
    return { openai, thread, body, runs: openai.beta.threads.runs, stream: (options) => openai.beta.threads.runs.stream(thread.id, body, options) };
  };

  for (const verb of ['createAndStream', 'stream'])
    test(`openai ${major}: runs.${verb} tells a text while it is made, and what it came to`, async () => {
      const { openai, thread, body, runs } = await begin('poem');
      const heard = new Heard(runs[verb](thread.id, body));
      const run = await heard.run();
      assert.equal(run.status, 'completed');
      assert.ok(run.usage.total_tokens > 0);
      pieces.push(heard.protocol.messages[0].deltas);
      assert.deepEqual(heard.names, [...SAID, 'end']);
      assert.deepEqual(heard.texts, [poem]);
      const stored = await shape.message(openai, thread.id, heard.messages[0].id);
      assert.deepEqual(heard.messages, [stored]);
      // Before major 7 the SDK gives what deltas add up to, with what the message said of itself when it began.
      const [message, ...others] = await heard.stream.finalMessages();
      assert.equal(others.length, 0);
      assert.deepEqual([message.id, message.content[0].text], [stored.id, stored.content[0].text]);
      if (major === '7') assert.deepEqual(message, stored);
      const [step] = await heard.stream.finalRunSteps();
      assert.equal(step.step_details.message_creation.message_id, message.id);
      assert.equal(step.usage.total_tokens, run.usage.total_tokens);
      assert.deepEqual(await shape.on(runs, 'retrieve', run), run);
    });

  test(`openai ${major}: threads.createAndRunStream begins with the thread`, async () => {
    const { openai, body } = await begin('poem');
    const stream = openai.beta.threads.createAndRunStream({ ...body, thread: { messages: [{ role: 'user', content: 'poem' }], metadata: { made: 'here' } } });
    const heard = new Heard(stream, { withThread: true });
    const run = await heard.run();
    assert.equal(heard.protocol.events[0], 'thread.created');
    assert.deepEqual(heard.texts, [poem]);
    assert.deepEqual((await openai.beta.threads.retrieve(run.thread_id)).metadata, { made: 'here' });
  });

  test(`openai ${major}: a tool of the server is told with its arguments and its output`, async () => {
    const { stream } = await begin('compute');
    const heard = new Heard(stream());
    assert.equal((await heard.run()).status, 'completed');
    assert.deepEqual(heard.names, ['runStepCreated', ...CALLED, 'runStepDone', ...SAID, 'end']);
    assert.deepEqual(heard.calls, [{ id: heard.calls[0].id, name: 'calculator', arguments: '{"expression":"6*7"}', output: '42' }]);
    assert.deepEqual(heard.steps[0].step_details.tool_calls[0].function, { name: 'calculator', arguments: '{"expression":"6*7"}', output: '42' });
    assert.deepEqual(heard.texts, ['It is 42, as it always was.']);
  });

  test(`openai ${major}: a reply of a text and two calls is a message, and then a step with both calls`, async () => {
    const { stream } = await begin('text and tools');
    const heard = new Heard(stream());
    assert.equal((await heard.run()).status, 'completed');
    assert.deepEqual(heard.names, [...SAID, 'runStepCreated', ...CALLED, ...CALLED, 'runStepDone', ...SAID, 'end']);
    assert.deepEqual(heard.calls.map((call) => JSON.parse(call.arguments).expression), ['6*7', '8*9']);
    assert.deepEqual(heard.steps[1].step_details.tool_calls.map((call) => call.function.output), ['42', '72']);
    assert.deepEqual(heard.texts, ['Let me look at that, one thing after the other.', 'They are 42 and 72.']);
    assert.equal((await heard.stream.finalMessages()).length, 2);
  });

  test(`openai ${major}: a stream ends where the client is needed, and submitToolOutputsStream goes on behind it`, async () => {
    const { runs, stream } = await begin('weather');
    const first = new Heard(stream());
    const run = await first.run();
    assert.equal(run.status, 'requires_action');
    assert.deepEqual(first.names, ['runStepCreated', ...CALLED, ...CALLED, 'end']);
    const calls = run.required_action.submit_tool_outputs.tool_calls;
    assert.deepEqual(first.calls.map(({ id, name, arguments: text }) => ({ id, name, text })), calls.map(({ id, function: { name, arguments: text } }) => ({ id, name, text })));
    const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: `sunny in ${JSON.parse(call.function.arguments).city}` }));
    const second = new Heard(shape.on(runs, 'submitToolOutputsStream', run, { tool_outputs }), { behindCalls: true });
    assert.equal((await second.run()).status, 'completed');
    assert.deepEqual(second.protocol.statuses, ['queued', 'in_progress', 'completed']);
    assert.deepEqual(second.names, ['runStepDone', ...SAID, 'end']);
    assert.equal(second.steps[0].id, first.protocol.steps[0].id);
    assert.deepEqual(second.steps[0].step_details.tool_calls.map((call) => call.function.output), ['sunny in Rome', 'sunny in Oslo']);
    assert.deepEqual(second.texts, ['Rome: sunny in Rome, Oslo: sunny in Oslo.']);
  });

  test(`openai ${major}: what a model thinks is passed over by those who do not know of it`, async () => {
    const { stream } = await begin('think');
    const heard = new Heard(stream());
    assert.equal((await heard.run()).status, 'completed');
    assert.equal(heard.protocol.reasoning, 'First the numbers, then the words.');
    assert.deepEqual(heard.names, [...SAID, 'end']);
    assert.deepEqual(heard.texts, [poem]);
  });

  test(`openai ${major}: a refusal is a message whose content refuses`, async () => {
    const { stream } = await begin('refuse');
    const heard = new Heard(stream());
    assert.equal((await heard.run()).status, 'completed');
    assert.deepEqual(heard.messages[0].content, [{ type: 'refusal', refusal }]);
    assert.ok(heard.protocol.messages[0].deltas >= 1);
    assert.deepEqual(heard.names, SAID.filter((name) => !name.startsWith('text')).concat('end'));
  });

  test(`openai ${major}: a run that fails is a stream that ends, and says why`, async () => {
    const { stream } = await begin('fail');
    const heard = new Heard(stream());
    const run = await heard.run();
    assert.equal(run.status, 'failed');
    assert.equal(run.last_error.code, 'server_error');
    assert.deepEqual(heard.names, ['end']);
  });

  test(`openai ${major}: a run that is cancelled while it speaks leaves an incomplete message`, async () => {
    const { runs, stream } = await begin('slow');
    const heard = new Heard(stream());
    const cancelling = new Promise((done, fail) => heard.stream.once('textDelta', () => shape.on(runs, 'cancel', heard.protocol.run).then(done, fail)));
    assert.match((await cancelling).status, /^cancell(ing|ed)$/);
    assert.equal((await heard.run()).status, 'cancelled');
    assert.equal(heard.protocol.messages[0].status, 'incomplete');
    assert.equal(heard.protocol.steps[0].status, 'cancelled');
    assert.ok(poem.startsWith(heard.protocol.messages[0].text) && heard.protocol.messages[0].text !== poem);
    assert.equal((await shape.on(runs, 'retrieve', heard.protocol.run)).status, 'cancelled');
  });

  test(`openai ${major}: a reply that breaks off is an incomplete message, and another one comes`, async () => {
    const { openai, stream, thread } = await begin('broken');
    const heard = new Heard(stream());
    assert.equal((await heard.run()).status, 'completed');
    assert.deepEqual(heard.names, [...SAID.filter((name) => name !== 'textDone'), ...SAID, 'end']);
    const [broken, whole] = heard.protocol.messages;
    assert.ok(broken.status === 'incomplete' && broken.text.startsWith('Of something else'));
    assert.deepEqual(heard.steps.map((step) => step.status), ['failed', 'completed']);
    assert.equal(whole.text, poem);
    const stored = await openai.beta.threads.messages.list(thread.id);
    assert.deepEqual(stored.data.map((message) => message.id).includes(broken.id), false);
    assert.equal(stored.data[0].id, whole.id);
  });

  test(`openai ${major}: an incomplete run ends its stream, too`, async () => {
    const { stream } = await begin('lengthy');
    const heard = new Heard(stream());
    if (major === '4') {
      // The SDK's own mistake: this end of a run is none to its helper. All events have come, and raw streams are well.
      await assert.rejects(heard.stream.finalRun(), /Final run has not been received/);
      heard.protocol.end({ done: false });
    } else {
      assert.equal((await heard.run()).incomplete_details.reason, 'max_completion_tokens');
    }
    assert.equal(heard.protocol.status, 'incomplete');
    assert.equal(heard.messages[0].status, 'incomplete');
    assert.deepEqual(heard.texts, [poem]);
  });

  test(`openai ${major}: what is wrong before a stream begins is an error like any other`, async () => {
    const { runs, thread, openai, body } = await begin('poem');
    const refused = (kind, param) => (error) => error instanceof shape.OpenAI[kind] && error.param === param;
    await assert.rejects(runs.stream(thread.id, { ...body, temperature: 9 }).finalRun(), refused('BadRequestError', 'temperature'));
    await assert.rejects(runs.create(thread.id, { ...body, stream: true, model: 'nope' }), refused('BadRequestError', 'model'));
    await assert.rejects(openai.beta.threads.runs.stream('thread_nope', body).finalRun(), refused('NotFoundError', null));
    assert.equal((await runs.list(thread.id)).data.length, 0);
  });

  test(`openai ${major}: what goes wrong within a stream is told as an error`, async () => {
    const { openai, thread, stream } = await begin('slow');
    const heard = new Heard(stream());
    await heard.stream.emitted('textDelta');
    await shape.removeThread(openai, thread.id);
    await assert.rejects(heard.stream.finalRun(), (error) => error instanceof shape.OpenAI.APIError && error.code === 'run_deleted' && /was deleted/.test(error.message));
  });

  test(`openai ${major}: a stream whose beginning was lost is asked for again, and one run is made`, async () => {
    let losses = 0;
    const losing = async (url, init) => {
      const reply = await fetch(url, init);
      if (init?.method?.toUpperCase() !== 'POST' || losses-- <= 0) return reply;
      await reply.body.cancel();
      throw new TypeError('fetch failed');
    };
    const { thread, body } = await begin('weather');
    const { runs } = new shape.OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, fetch: losing }).beta.threads;
    losses = 1;
    const first = new Heard(runs.stream(thread.id, body));
    const run = await first.run();
    assert.equal(run.status, 'requires_action');
    losses = 2;
    const tool_outputs = run.required_action.submit_tool_outputs.tool_calls.map((call) => ({ tool_call_id: call.id, output: 'sunny' }));
    // What has happened meanwhile is told, too, but for what became of the calls.
    const stream = shape.on(runs, 'submitToolOutputsStream', run, { tool_outputs });
    const texts = [];
    stream.on('textDone', (content) => texts.push(content.value));
    assert.equal((await stream.finalRun()).status, 'completed');
    assert.deepEqual(texts, ['Rome: sunny, Oslo: sunny.']);
    assert.equal((await runs.list(thread.id)).data.length, 1);
  });

  test(`openai ${major}: a client that goes away does not stop its run`, async () => {
    const { openai, runs, stream } = await begin('slow');
    const heard = new Heard(stream());
    await heard.stream.emitted('textDelta');
    heard.stream.abort();
    await assert.rejects(heard.stream.finalRun(), shape.OpenAI.APIUserAbortError);
    const run = await until('the run ends', async () => {
      const now = await shape.on(runs, 'retrieve', heard.protocol.run);
      return now.status === 'completed' && now;
    });
    const messages = await openai.beta.threads.messages.list(run.thread_id);
    assert.equal(messages.data[0].content[0].text.value, poem);
  });

  test(`openai ${major}: raw events come in OpenAI's order`, async () => {
    for (const [content, ends] of [['poem', 'completed'], ['text and tools', 'completed'], ['compute', 'completed'], ['weather', 'requires_action'], ['lengthy', 'incomplete'], ['fail', 'failed']]) {
      const { thread, body, runs, openai } = await begin(content);
      const judge = new Protocol();
      for await (const event of await runs.create(thread.id, { ...body, stream: true })) judge.take(event);
      assert.equal(judge.end({ done: false }).status, ends, content);
      const whole = new Protocol({ withThread: true });
      for await (const event of await openai.beta.threads.createAndRun({ ...body, thread: { messages: [{ role: 'user', content }] }, stream: true })) whole.take(event);
      assert.deepEqual(whole.end({ done: false }).statuses, judge.statuses);
      if (ends !== 'requires_action') continue;
      const tool_outputs = judge.steps[0].calls.map((call) => ({ tool_call_id: call.id, output: 'sunny' }));
      const behind = new Protocol({ behindCalls: true });
      for await (const event of await shape.on(runs, 'submitToolOutputs', judge.run, { tool_outputs, stream: true })) behind.take(event);
      assert.equal(behind.end({ done: false }).status, 'completed');
    }
  });

  test(`openai ${major}: a stream passes through toReadableStream, as a server of one's own hands it on`, async () => {
    const { stream } = await begin('compute');
    const lines = await new Response(stream().toReadableStream()).text();
    const judge = new Protocol();
    for (const line of lines.split('\n').filter(Boolean)) judge.take(JSON.parse(line));
    assert.equal(judge.end({ done: false }).status, 'completed');
  });
}

test('a text comes in pieces', () => {
  assert.ok(pieces.every((count) => count > 0) && Math.max(...pieces) > 2, `${pieces}`);
});
