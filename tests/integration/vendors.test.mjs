// Each vendor's API as the worker speaks it, against the rehearsal's side of it, which refuses what the vendor refuses and
// wants back what the vendor wants back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

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

const config = `
providers:
  - {name: responses, kind: openai_responses, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal}
  - {name: responses-streamed, kind: openai_responses, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: openai-streamed, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: deepseek-streamed, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: anthropic-streamed, kind: anthropic, base_url: '\${ANTHROPIC_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: google-streamed, kind: gemini, base_url: '\${GEMINI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: ollama-streamed, kind: ollama, base_url: '\${OLLAMA_BASE_URL:-http://127.0.0.1:1}', stream: true}
`;

/** Models by the dialect that they are asked in. */
const models = {
  openai_chat: ['openai/gpt-4o-mini', 'deepseek/deepseek-reasoner', 'openai-streamed/gpt-4o-mini', 'deepseek-streamed/deepseek-reasoner'],
  openai_responses: ['responses/gpt-5', 'responses-streamed/gpt-5'],
  groq: ['groq/llama-3.3-70b-versatile'],
  anthropic: ['anthropic/claude-sonnet-5', 'anthropic-streamed/claude-sonnet-5'],
  gemini: ['google/gemini-3-pro-preview', 'google/gemini-2.5-flash', 'google-streamed/gemini-3-pro-preview'],
  ollama: ['ollama/qwen3', 'ollama-streamed/qwen3'],
};

test('rounds of tools with what a vendor wants back, whole and streamed, and a thread that goes on', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    Object.assign(stack.env, {
      ANTHROPIC_BASE_URL: `${stack.llmUrl}/v1`,
      DEEPSEEK_BASE_URL: `${stack.llmUrl}/v1`,
      GEMINI_BASE_URL: `${stack.llmUrl}/v1beta`,
      GROQ_BASE_URL: `${stack.llmUrl}/openai/v1`,
      OLLAMA_BASE_URL: stack.llmUrl,
    });
    for (const name of ['ANTHROPIC', 'DEEPSEEK', 'GEMINI', 'GROQ']) stack.env[`${name}_API_KEY`] = 'rehearsal';
    await stack.startScheduler();
    await stack.startWorker();
    for (const [dialect, names] of Object.entries(models))
      for (const model of names) {
        // The worker asks for encrypted reasoning where a model is known to reason.
        const effort = dialect === 'openai_responses' && { reasoning_effort: 'low' };
        const assistant = await stack.assistant({ model, tools: [{ type: 'calculator' }], ...effort });
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

    // A thread goes from vendor to vendor: what one gave is sent to no other.
    const assistants = [];
    for (const model of Object.values(models).flat()) assistants.push(await stack.assistant({ model, tools: [{ type: 'calculator' }] }));
    const first = await stack.submit(assistants[0], 'twice');
    await stack.finished(first);
    for (const assistant of assistants) {
      await stack.ok('POST', `/v1/threads/${first.thread_id}/messages`, { role: 'user', content: 'twice' });
      const ended = await stack.finished(await stack.ok('POST', `/v1/threads/${first.thread_id}/runs`, { assistant_id: assistant.id }));
      assert.equal(ended.status, 'completed', `${assistant.model}: ${JSON.stringify(ended.last_error)}`);
      assert.equal(await stack.answer(first), 'It is 42, then 43.', assistant.model);
    }
  });
});
