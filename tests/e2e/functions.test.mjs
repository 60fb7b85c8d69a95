// Functions that the client runs, as each SDK has them: by hand, and with its polling helpers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import OpenAI4 from 'openai-v4';
import OpenAI5 from 'openai-v5';
import OpenAI6 from 'openai-v6';
import OpenAI7 from 'openai-v7';
import { Dev } from './dev.mjs';

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

let dev;
let llm;
before(async () => {
  // A model that asks for the weather in two cities and for 6 * 7, and answers with the results.
  llm = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { messages } = JSON.parse(body);
      const results = messages.filter((message) => message.role === 'tool').map((message) => message.content);
      const call = (id, name, args) => ({ id: `${id}_${messages.length}`, type: 'function', function: { name, arguments: JSON.stringify(args) } });
      const message = results.length > 0
        ? { role: 'assistant', content: results.join(', ') }
        : { role: 'assistant', content: null, tool_calls: [call('r', 'get_weather', { city: 'Rome' }), call('c', 'calculator', { expression: '6*7' }), call('o', 'get_weather', { city: 'Oslo' })] };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({
        id: 'x', object: 'chat.completion', created: 1, model: 'mine',
        choices: [{ index: 0, message, finish_reason: message.tool_calls ? 'tool_calls' : 'stop' }],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      }));
    });
  }).listen(0, '127.0.0.1');
  await once(llm, 'listening');
  dev = await Dev.start({ args: ['--llm-base-url', `http://127.0.0.1:${llm.address().port}/v1`] });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  llm?.closeAllConnections();
  llm?.close();
});

// Version 4 takes ids by position, later ones name those of the path.
const shapes = {
  4: {
    OpenAI: OpenAI4,
    on: (run) => [run.thread_id, run.id],
    submit: (runs, verb, run, body, ...rest) => runs[verb](run.thread_id, run.id, body, ...rest),
  },
};
for (const [major, OpenAI] of [[5, OpenAI5], [6, OpenAI6], [7, OpenAI7]]) {
  shapes[major] = {
    OpenAI,
    on: (run) => [run.id, { thread_id: run.thread_id }],
    submit: (runs, verb, run, body, ...rest) => runs[verb](run.id, { thread_id: run.thread_id, ...body }, ...rest),
  };
}

function outputs(run) {
  assert.equal(run.status, 'requires_action', JSON.stringify(run.last_error));
  assert.equal(run.required_action.type, 'submit_tool_outputs');
  return run.required_action.submit_tool_outputs.tool_calls.map((call) => {
    assert.equal(call.type, 'function');
    assert.equal(call.function.name, 'get_weather');
    return { tool_call_id: call.id, output: `sun in ${JSON.parse(call.function.arguments).city}` };
  });
}

const fast = { pollIntervalMs: 50 };

for (const [major, shape] of Object.entries(shapes)) {
  const client = (options = {}) => new shape.OpenAI({ apiKey: dev.key, baseURL: `${dev.url}/v1`, ...options });
  const start = async (openai) => {
    const assistant = await openai.beta.assistants.create({ model: 'openai/m', name: `functions ${major}`, tools: [weather, { type: 'calculator' }] });
    const thread = await openai.beta.threads.create({ messages: [{ role: 'user', content: 'How is the weather?' }] });
    return { assistant, thread, runs: openai.beta.threads.runs };
  };

  test(`openai ${major}: a run waits for its functions and uses their outputs`, async () => {
    const openai = client();
    const { assistant, thread, runs } = await start(openai);
    const run = await runs.poll(...shape.on(await runs.create(thread.id, { assistant_id: assistant.id })), fast);
    const given = await shape.submit(runs, 'submitToolOutputs', run, { tool_outputs: outputs(run) });
    assert.equal(given.status, 'queued');
    assert.equal(given.required_action, null);
    const ended = await runs.poll(...shape.on(given), fast);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    assert.equal(ended.usage.total_tokens, 10);
    const messages = await openai.beta.threads.messages.list(thread.id);
    assert.equal(messages.data[0].content[0].text.value, 'sun in Rome, 42, sun in Oslo');
    const steps = await runs.steps.list(...shape.on(run), { order: 'asc' });
    const calls = (steps.data.find((step) => step.type === 'tool_calls')).step_details.tool_calls;
    assert.deepEqual(calls.map((call) => call.function.output), ['sun in Rome', '42', 'sun in Oslo']);
  });

  test(`openai ${major}: createAndPoll and submitToolOutputsAndPoll`, async () => {
    const openai = client();
    const { assistant, thread, runs } = await start(openai);
    const run = await runs.createAndPoll(thread.id, { assistant_id: assistant.id }, fast);
    const ended = await shape.submit(runs, 'submitToolOutputsAndPoll', run, { tool_outputs: outputs(run) }, fast);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
  });

  test(`openai ${major}: a call that needs an approval is a function that no program has, and an output allows it only by saying so`, async () => {
    const openai = client();
    const assistant = await openai.beta.assistants.create({ model: 'openai/m', name: `approvals ${major}`, tools: [weather, { type: 'calculator', require_approval: 'always' }] });
    const thread = await openai.beta.threads.create({ messages: [{ role: 'user', content: 'How is the weather?' }] });
    const { runs } = openai.beta.threads;
    const run = await runs.createAndPoll(thread.id, { assistant_id: assistant.id }, fast);
    assert.equal(run.status, 'requires_action', JSON.stringify(run.last_error));
    const mine = { get_weather: ({ city }) => `sun in ${city}` };
    const answered = (approve) => run.required_action.submit_tool_outputs.tool_calls.map((call) => ({
      tool_call_id: call.id,
      output: mine[call.function.name]?.(JSON.parse(call.function.arguments)) ?? approve(call),
    }));
    const blind = (error) => error instanceof shape.OpenAI.BadRequestError && /approve_tool_call is \{"approve": true\}/.test(error.message);
    await assert.rejects(shape.submit(runs, 'submitToolOutputs', run, { tool_outputs: answered((call) => `Error: there is no function ${call.function.name}`) }), blind);
    const seen = [];
    const tool_outputs = answered((call) => (seen.push([call.function.name, JSON.parse(call.function.arguments)]), '{"approve": true}'));
    assert.deepEqual(seen, [['approve_tool_call', { tool: 'calculator', arguments: { expression: '6*7' } }]]);
    const ended = await shape.submit(runs, 'submitToolOutputsAndPoll', run, { tool_outputs }, fast);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
    const messages = await openai.beta.threads.messages.list(thread.id);
    assert.equal(messages.data[0].content[0].text.value, 'sun in Rome, 42, sun in Oslo');

    // Requests of ours, by the same client: what was decided is not decided again, and no SDK tries.
    const late = openai.post(`/threads/${thread.id}/runs/${run.id}/deny`, { body: { tool_call_id: run.required_action.submit_tool_outputs.tool_calls[1].id } });
    await assert.rejects(late, (error) => error instanceof shape.OpenAI.ConflictError && error.code === 'approval_decided');
  });

  test(`openai ${major}: outputs that do not fit are refused, a lost reply is made good by the SDK's retry`, async () => {
    let lose = false;
    const openai = client({
      fetch: async (url, init) => {
        const reply = await fetch(url, init);
        if (!lose) return reply;
        lose = false;
        throw new TypeError('the connection broke');
      },
    });
    const { assistant, thread, runs } = await start(openai);
    const run = await runs.createAndPoll(thread.id, { assistant_id: assistant.id }, fast);
    const all = outputs(run);
    const refused = (error) => error instanceof shape.OpenAI.BadRequestError && error.message.includes(all[1].tool_call_id);
    await assert.rejects(shape.submit(runs, 'submitToolOutputs', run, { tool_outputs: all.slice(0, 1) }), refused);
    lose = true;
    const given = await shape.submit(runs, 'submitToolOutputs', run, { tool_outputs: all });
    assert.match(given.status, /^(queued|in_progress|completed)$/);
    assert.equal((await runs.poll(...shape.on(given), fast)).status, 'completed');
    const late = (error) => error instanceof shape.OpenAI.BadRequestError && /do not accept tool outputs/.test(error.message);
    await assert.rejects(shape.submit(runs, 'submitToolOutputs', run, { tool_outputs: all.map((each) => ({ ...each, output: 'x' })) }), late);
  });
}
