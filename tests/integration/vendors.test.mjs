// Each vendor's API as the worker speaks it, against the rehearsal's side of it, which refuses what the vendor refuses and
// wants back what the vendor wants back. A thread that goes from one to the other: histories.test.mjs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';
import { assistantOf, config, startWithVendors } from '../lib/vendors.mjs';

const script = `
stream: {chunk_tokens: 2}
rules:
  - name: vendor
    when: {user: '^twice'}
    steps:
      - reasoning: 'First one, then the other.'
        calls:
          - {name: calculator, arguments: {expression: '6*7'}}
          - {name: calculator, arguments: {expression: '{{user}}'}}
        usage: {prompt_tokens: 100, completion_tokens: 30, cached_tokens: 40, reasoning_tokens: 12}
      - reasoning: 'Once more.'
        calls: [{name: calculator, arguments: {expression: '{{tool.1}}+1'}}]
        usage: {prompt_tokens: 200, completion_tokens: 20, cached_tokens: 90, reasoning_tokens: 5}
      - text: 'It is {{tool.1}}, then {{tool.3}}.'
        usage: {prompt_tokens: 300, completion_tokens: 10}
  - {name: again, then: {text: 'And so on, ça va.'}}
`;

/** Models by the dialect that they are asked in. */
const models = {
  openai_chat: ['openai/gpt-4o-mini', 'deepseek/deepseek-reasoner', 'openai-streamed/gpt-4o-mini', 'deepseek-streamed/deepseek-reasoner'],
  openai_responses: ['responses/gpt-5', 'responses-streamed/gpt-5'],
  groq: ['groq/llama-3.3-70b-versatile', 'groq-streamed/llama-3.3-70b-versatile'],
  mistral: ['mistral/mistral-large-latest', 'mistral-streamed'],
  anthropic: ['anthropic/claude-sonnet-5', 'anthropic-streamed/claude-sonnet-5'],
  gemini: ['google/gemini-3-pro-preview', 'google/gemini-2.5-flash', 'google-streamed/gemini-3-pro-preview'],
  ollama: ['ollama/qwen3', 'ollama-streamed/qwen3'],
};

test('rounds of tools with what a vendor wants back, whole and streamed, and a thread that goes on', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    await startWithVendors(stack);
    for (const [dialect, names] of Object.entries(models))
      for (const model of names) {
        const assistant = await assistantOf(stack, model);
        const run = await stack.submit(assistant, 'twice');
        const ended = await stack.finished(run);
        assert.equal(ended.status, 'completed', `${model}: ${JSON.stringify(ended.last_error)}`);
        const answer = await stack.answer(run);
        assert.equal(answer, 'It is 42, then 43.', model);
        assert.deepEqual([ended.usage.prompt_tokens, ended.usage.completion_tokens], [600, 60], model);
        await stack.ok('POST', `/v1/threads/${run.thread_id}/messages`, { role: 'user', content: 'And?' });
        const again = await stack.finished(await stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, { assistant_id: assistant.id }));
        assert.equal(again.status, 'completed', `${model}: ${JSON.stringify(again.last_error)}`);
        assert.equal(await stack.answer(run), 'And so on, ça va.', model);
        const lines = stack.ledger().slice(-4);
        assert.deepEqual(lines.map((line) => [line.dialect, line.status, line.stream]), Array(4).fill([dialect, 200, model.includes('streamed')]), model);
      }
  });
});

test('a call of system messages alone is one that each vendor takes', async () => {
  await withStack({ bare: true, script, config, llmArgs: ['--bodies'] }, async (stack) => {
    await startWithVendors(stack);
    const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'developer', content: 'Say hello.' }];
    for (const [model] of Object.values(models)) {
      const reply = await stack.ok('POST', '/v1/chat/completions', { model, messages });
      assert.equal(reply.choices[0].message.content, 'And so on, ça va.', model);
      const sent = JSON.parse((await stack.lastCall()).request);
      assert.match(JSON.stringify(sent), /Be brief\.[^]*Say hello\.|Say hello\.[^]*Be brief\./, model);
      if (model.startsWith('openai/')) assert.deepEqual(sent.messages.map(({ role, content }) => [role, content]), [['system', 'Be brief.'], ['system', 'Say hello.']]);
    }
  });
});
