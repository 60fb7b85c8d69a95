// The strategy vector: of a long thread a run is given the newest messages and the older turns that are near to what was said last, and the same ones
// whatever becomes of it and of the thread.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const script = `
context_tokens: {'gpt-4o-mini': 128000}
rules:
  - name: sum
    when: {user: 'calculate'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool.1}}.'}
  - {name: any, then: {text: 'So.'}}
`;

const MARK = 'Here lie other messages of this conversation, which are not shown.';
const vector = (config) => ({ memory_strategy: 'vector', ...(config ? { memory_config: config } : {}) });
const said = (role, content) => ({ role, content });

/** What is about nothing that anybody asks for. */
const subjects = ['gardens', 'trains', 'opera', 'chess', 'volcanoes', 'harbours', 'beetles', 'ovens'];
const filler = (count, from = 0) => Array.from({ length: count }, (_, i) => said(i % 2 ? 'assistant' : 'user',
  `Entry ${from + i} about ${subjects[(from + i) % 8]} and ${subjects[(from + i * 3 + 1) % 8]}.`));

/** A thread of these messages; a hundred a request. */
async function threadOf(stack, messages, more = {}) {
  const thread = await stack.ok('POST', '/v1/threads', { messages: messages.slice(0, 30), ...more });
  for (let at = 30; at < messages.length; at += 30) {
    const fork = messages.slice(at, at + 30);
    for (const one of fork) await stack.ok('POST', `/v1/threads/${thread.id}/messages`, one);
  }
  return thread;
}

/** What the model is sent for a question, without the system prompt: "role: text", or "role: calls". */
async function ask(stack, thread, assistant, input, request = {}) {
  const run = await stack.finished(await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input, ...request }));
  assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
  const messages = JSON.parse((await stack.lastCall()).request).messages.slice(1);
  return { run, messages, texts: messages.map((one) => (one.tool_calls ? `${one.role} calls` : `${one.role}: ${one.content}`)) };
}

const isMark = (text) => text.endsWith(MARK);

test('of a thread of 300 messages a run is given the newest, and what is near to the question', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }], ...vector({ max_messages: 10, top_k: 2 }) });
    const messages = [
      ...filler(40),
      said('user', 'My cat is called Minka and she is afraid of thunder.'), said('assistant', 'I will remember Minka.'),
      ...filler(100, 40),
      said('user', 'The passport of my brother ends in March.'), said('assistant', 'Noted, March.'),
      ...filler(156, 140),
    ];
    const thread = await threadOf(stack, messages);
    const cat = await ask(stack, thread, assistant, 'What is my cat called?');
    assert.deepEqual(cat.texts.slice(0, 2), ['user: My cat is called Minka and she is afraid of thunder.', 'assistant: I will remember Minka.']);
    assert.ok(cat.texts.some(isMark), JSON.stringify(cat.texts));
    // The newest ten: nine of the thread, and the question.
    assert.deepEqual(cat.texts.slice(-10), [...messages.slice(-9).map((one) => `${one.role}: ${one.content}`), 'user: What is my cat called?']);
    assert.ok(isMark(cat.texts.at(-11)), 'others lie between what is near and the newest');
    const passport = await ask(stack, thread, assistant, 'When does the passport of my brother end?');
    assert.ok(passport.texts.includes('user: The passport of my brother ends in March.'), JSON.stringify(passport.texts));
    assert.ok(passport.texts.includes('assistant: Noted, March.'), 'with its answer');
    assert.ok(!passport.texts.some((text) => text.includes('Minka')), 'and nothing else');
    const nothing = await ask(stack, thread, assistant, 'Xylophone quartz?');
    assert.equal(nothing.texts.length, 10, JSON.stringify(nothing.texts));
  });
});
