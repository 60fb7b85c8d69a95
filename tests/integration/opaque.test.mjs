// What a provider wants back with its message (DeepSeek: reasoning_content) survives the worker that received it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const reasoning = 'The product of 6 and 7.\nAsk "calculator": 6×7, \\ and a 😀.';

function completion(message) {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const choice = { index: 0, message: { role: 'assistant', ...message }, finish_reason: message.tool_calls ? 'tool_calls' : 'stop' };
  return JSON.stringify({ id: 'x', object: 'chat.completion', model: 'deepseek-reasoner', choices: [choice], usage });
}

const asking = completion({
  content: '',
  reasoning_content: reasoning,
  tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'calculator', arguments: '{"expression":"6*7"}' } }],
});

/** A DeepSeek that keeps what it was asked. A call with a tool result is answered only once `llm.answers` is true. */
async function startDeepSeek() {
  const llm = { requests: [], answers: false };
  llm.server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { messages } = JSON.parse(body);
    llm.requests.push(messages);
    response.setHeader('content-type', 'application/json');
    if (messages.at(-1).role === 'user') response.end(asking);
    else if (llm.answers) response.end(completion({ content: 'It is 42.', reasoning_content: 'Done.' }));
  });
  llm.server.listen(0, '127.0.0.1');
  await once(llm.server, 'listening');
  llm.url = `http://127.0.0.1:${llm.server.address().port}`;
  return llm;
}

test('after kill -9 the next worker gives the provider its reasoning_content back, word for word', async () => {
  const llm = await startDeepSeek();
  const env = { DEEPSEEK_BASE_URL: llm.url, DEEPSEEK_API_KEY: 'rehearsal' };
  try {
    await withStack({ env }, async (stack) => {
      const assistant = await stack.assistant({ model: 'deepseek/deepseek-reasoner' });
      const run = await stack.submit(assistant, 'What is 6 times 7?');
      await until('the second call is under way', () => llm.requests.length === 2);
      assert.equal(llm.requests[1].find((message) => message.role === 'assistant').reasoning_content, reasoning);
      llm.answers = true;
      await stack.workers[0].kill('SIGKILL');
      await stack.startWorker();
      const ended = await stack.finished(run, 40000);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(llm.requests.length, 3);
      assert.deepEqual(llm.requests[2], llm.requests[1]);

      // A later run of the thread sees the same calls, and nobody outside sees the reasoning.
      await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'And again?' });
      const again = await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id });
      assert.equal((await stack.finished(again)).status, 'completed');
      assert.deepEqual(
        llm.requests[4].filter((message) => message.reasoning_content).map((message) => message.reasoning_content),
        [reasoning],
        'of the present turn only, as the provider demands',
      );
      const stored = stack.sql('SELECT opaque FROM messages WHERE opaque IS NOT NULL');
      assert.equal(stored.length, 2);
      for (const row of stored) assert.equal(row.opaque.message.reasoning_content, reasoning);
      for (const path of ['messages', `runs/${run.id}/steps`]) {
        const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/${path}`);
        assert.doesNotMatch(JSON.stringify(list), /reasoning_content|opaque/);
      }
    });
  } finally {
    llm.server.closeAllConnections();
    llm.server.close();
  }
});

test('a client of the gateway that gives messages back as they came gives the provider its reasoning_content back, too', async () => {
  const llm = await startDeepSeek();
  const env = { DEEPSEEK_BASE_URL: llm.url, DEEPSEEK_API_KEY: 'rehearsal' };
  llm.answers = true;
  try {
    await withStack({ env, workers: 0 }, async (stack) => {
      const tools = [{ type: 'function', function: { name: 'calculator', parameters: { type: 'object', properties: { expression: { type: 'string' } } } } }];
      const ask = (model, messages, more) => ({ model, tools, messages, ...more });
      const question = { role: 'user', content: 'What is 6 times 7?' };
      const asked = await stack.ok('POST', '/v1/chat/completions', ask('deepseek/deepseek-reasoner', [question]));
      const { message } = asked.choices[0];
      const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '42' };
      await stack.ok('POST', '/v1/chat/completions', ask('deepseek/deepseek-reasoner', [question, message, result]));
      assert.equal(llm.requests[1][1].reasoning_content, reasoning);
      // Another model is not shown it, and what is no such state is none.
      await stack.ok('POST', '/v1/chat/completions', ask('deepseek/deepseek-chat', [question, message, result]));
      assert.ok(!llm.requests[2][1].reasoning_content);
      await stack.ok('POST', '/v1/chat/completions', ask('deepseek/deepseek-reasoner', [question, { ...message, provider_state: { provider: 'deepseek', model: [], message: '"' } }, result]));
      assert.ok(!llm.requests[3][1].reasoning_content);
    });
  } finally {
    llm.server.closeAllConnections();
    llm.server.close();
  }
});
