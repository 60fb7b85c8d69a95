// Requests as our encoders write them (tests/golden), judged by the types of the vendors' own SDKs.

import { GoogleGenAI } from '@google/genai';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { before, test } from 'node:test';
import { compile, goldenFiles, judges, moduleOf, takeOff } from './golden.mjs';

// What we send although the type does not know it, and why. It is taken off before a body is judged.
const exemptions = [
  {
    sdk: '@anthropic-ai/sdk',
    folder: 'anthropic',
    members: ['temperature', 'top_p'],
    why: 'We speak version 2023-06-01 of the API, which has both, as the types of 0.137 say; this SDK speaks 2026-10-21.',
  },
  {
    sdk: 'ollama',
    folder: 'ollama',
    members: ['truncate'],
    why: 'A member of ChatRequest in https://github.com/ollama/ollama/blob/main/api/types.go since 0.12.4; its npm package has it of embeddings alone.',
  },
  {
    sdk: 'ollama',
    folder: 'ollama',
    members: ['tools[].function.parameters.additionalProperties'],
    why: 'The schema is the one of whoever wrote the tool. ToolFunctionParameters in api/types.go there names what the server looks at, and JSON in Go passes over the rest.',
  },
  {
    sdk: 'openai',
    folder: 'openai_chat/deepseek',
    members: ['messages[].reasoning_content'],
    why: 'Refused without it: https://api-docs.deepseek.com/guides/thinking_mode',
  },
  {
    sdk: 'openai',
    folder: 'openai_chat/vllm',
    members: ['messages[].reasoning_content'],
    why: 'Versions that give it take it back: https://docs.vllm.ai/en/v0.11.2/features/reasoning_outputs/',
  },
  {
    sdk: 'openai',
    folder: 'openai_chat/llama_cpp',
    members: ['messages[].reasoning_content'],
    why: 'Given with --reasoning-format, and taken back: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
  },
  {
    sdk: 'openai',
    folder: 'openai_chat/lm_studio',
    members: ['messages[].reasoning_content'],
    why: 'Given where the setting for it is on: https://lmstudio.ai/docs/developer/api-changelog',
  },
];

// The same bodies with something wrong in them, which each judge has to see.
const setting = (path, value) => (body) => {
  const steps = path.split('.');
  const last = steps.pop();
  const at = steps.reduce((place, step) => place[step], body);
  assert.ok(at && typeof at === 'object', `${path} leads nowhere`);
  at[last] = value;
};
const unknown = /'"surprise"' does not exist|'surprise' does not exist/;
const mistakes = [
  ['openai_chat/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['openai_chat/calls.json', 'a member of a message', setting('messages.1.surprise', 1), unknown],
  ['openai_chat/calls.json', 'a member of a call', setting('messages.1.tool_calls.0.function.surprise', 1), unknown],
  ['openai_chat/tools.json', 'a member of a tool', setting('tools.0.function.surprise', 1), unknown],
  ['openai_chat/text.json', 'a role', setting('messages.0.role', 'model'), /"model"/],
  ['openai_chat/effort_low.json', 'an effort', setting('reasoning_effort', 'lowest'), /"lowest"/],
  ['openai_chat/tools_required.json', 'a choice', setting('tool_choice', 'any'), /"any"/],
  ['openai_chat/calls.json', 'a call without a name', (body) => delete body.messages[1].tool_calls[0].function.name, /name/],
  ['openai_chat/embedding.json', 'a member of the body', setting('surprise', 1), unknown],
  ['openai_chat/embedding.json', 'a format', setting('encoding_format', 'base32'), /"base32"/],
  ['openai_chat/groq/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['openai_chat/groq/calls.json', 'a member of a message', setting('messages.1.surprise', 1), unknown],
  ['openai_chat/groq/effort_low.json', 'an effort', setting('reasoning_effort', 'minimal'), /"minimal"/],
  ['openai_responses/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['openai_responses/tools.json', 'a member of a tool', setting('tools.0.surprise', 1), unknown],
  ['openai_responses/tools.json', 'a tool without its strictness', (body) => delete body.tools[0].strict, /strict/],
  ['openai_responses/calls.json', 'a type of an item', setting('input.1.type', 'tool_call'), /"tool_call"/],
  ['openai_responses/calls_after_reasoning.json', 'what is included', setting('include.0', 'reasoning'), /"reasoning"/],
  ['anthropic/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['anthropic/calls.json', 'a member of a block', setting('messages.1.content.1.surprise', 1), unknown],
  ['anthropic/calls.json', 'arguments that are a text', setting('messages.1.content.1.name', {}), /string/],
  ['anthropic/tools_required.json', 'a choice', setting('tool_choice.type', 'required'), /"required"/],
  ['anthropic/effort_low.json', 'an effort', setting('output_config.effort', 'minimal'), /"minimal"/],
  ['anthropic/text.json', 'a body without its limit', (body) => delete body.max_tokens, /max_tokens/],
  ['gemini/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['gemini/calls.json', 'a member of a part', setting('contents.1.parts.1.functionCall.surprise', 1), unknown],
  ['gemini/tools.json', 'a member of a tool', setting('tools.0.functionDeclarations.0.surprise', 1), unknown],
  ['gemini/tools_required.json', 'a mode', setting('toolConfig.functionCallingConfig.mode', 'REQUIRED'), /"REQUIRED"/],
  ['gemini/effort_low.json', 'a level', setting('generationConfig.thinkingConfig.thinkingLevel', 'MAX'), /"MAX"/],
  ['gemini/limits.json', 'a number that is a text', setting('generationConfig.temperature', '0.2'), /number/],
  ['gemini/embedding.json', 'a member of a request', setting('requests.0.surprise', 1), unknown],
  ['ollama/text.json', 'a member of the body', setting('surprise', 1), unknown],
  ['ollama/calls.json', 'a member of a message', setting('messages.1.surprise', 1), unknown],
  ['ollama/calls.json', 'arguments that are a text', setting('messages.1.tool_calls.0.function.arguments', '{}'), /string/],
  ['ollama/effort_low.json', 'a level', setting('think', 'minimal'), /"minimal"/],
  ['ollama/limits.json', 'an option', setting('options.surprise', 1), unknown],
  ['ollama/embedding.json', 'a member of the body', setting('surprise', 1), unknown],
];

const files = goldenFiles();
const judged = files.flatMap((file) => (judges[file.folder] ?? []).map((judge) => ({ file, judge, key: `${file.name} by ${judge.sdk}` })));
const wrong = mistakes.flatMap(([name, what, change, pattern]) =>
  judged.filter(({ file }) => file.name === name).map(({ file, judge }) => ({ file, judge, change, pattern, key: `${what} in ${name} by ${judge.sdk}` })),
);
const used = new Set(); // of members of exemptions
let said;

/** The text to be judged: as it is, unless something has to be taken off it. */
function textFor({ file, judge, change }) {
  const body = JSON.parse(file.text);
  let taken = 0;
  for (const exemption of exemptions) {
    if (exemption.sdk !== judge.sdk || exemption.folder !== file.folder || file.name.endsWith('/embedding.json')) continue;
    for (const member of exemption.members) {
      const times = takeOff(body, member);
      if (times > 0 && !change) used.add(`${member} of ${judge.sdk} in ${file.folder}`);
      taken += times;
    }
  }
  change?.(body);
  return taken > 0 || change ? JSON.stringify(body, null, 2) : file.text;
}

before(() => {
  said = compile(Object.fromEntries([...judged, ...wrong].map((one) => [one.key, moduleOf(one.judge, one.file.name, textFor(one))])));
});

test('golden requests: each has a judge, and each judge has requests', () => {
  for (const file of files) {
    const judge = judges[file.folder]?.[0];
    assert.ok(judge, `nobody judges ${file.name}: add its folder to judges`);
    assert.ok(!file.name.endsWith('/embedding.json') || judge.embedding, `nobody judges ${file.name}`);
  }
  for (const folder of Object.keys(judges)) assert.ok(files.some((file) => file.folder === folder), `there is no request in ${folder}`);
});

for (const folder of Object.keys(judges))
  for (const judge of judges[folder])
    test(`golden requests of ${folder} are of the types of ${judge.sdk}`, () => {
      const refused = judged.filter((one) => one.file.folder === folder && one.judge === judge && said[one.key].length > 0);
      assert.equal(refused.length, 0, refused.map((one) => `${one.file.name}: ${said[one.key].join('\n')}`).join('\n'));
    });

test('golden requests: what is taken off is there', () => {
  for (const { sdk, folder, members } of exemptions)
    for (const member of members) assert.ok(used.has(`${member} of ${sdk} in ${folder}`), `${folder} sends no ${member} any more: take its exemption away`);
});

test('golden requests: a mistake is seen by each judge', () => {
  for (const [name] of mistakes) assert.ok(judged.some(({ file }) => file.name === name), `there is no ${name} to make a mistake in`);
  for (const { key, pattern } of wrong) assert.match(said[key].join('\n'), pattern, key);
  const seen = (kind) => new Set(wrong.filter((one) => one.file.name.endsWith('/embedding.json') === (kind === 'embedding')).map((one) => one.judge));
  for (const judge of Object.values(judges).flat())
    for (const kind of ['chat', 'embedding'])
      if (judge[kind]) assert.ok(seen(kind).has(judge), `no mistake is shown to ${judge.sdk} (${judge[kind]})`);
  assert.match(compile({ twice: moduleOf(judges.ollama[0], 'text.json', '{ "model": "m", "model": "n" }') }).twice.join('\n'), /multiple properties/);
});

test('golden requests of gemini have the members that @google/genai sends', async (t) => {
  const bodies = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    bodies.push(JSON.parse(text));
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const ai = new GoogleGenAI({ apiKey: 'AIza-judge', httpOptions: { baseUrl: `http://127.0.0.1:${server.address().port}` } });
  await ai.models.generateContent({
    model: 'gemini-3-flash-preview',
    contents: 'hi',
    config: {
      systemInstruction: 'Be kind.',
      tools: [{ functionDeclarations: [{ name: 'clock' }] }],
      toolConfig: { functionCallingConfig: { mode: 'AUTO' } },
      temperature: 0.2,
    },
  });
  await ai.models.embedContent({ model: 'gemini-embedding-001', contents: ['one', 'two'], config: { outputDimensionality: 256 } });
  const [chat, embedding] = bodies;
  const ours = (name) => JSON.parse(files.find((file) => file.name === name).text);
  const known = new Set(Object.keys(chat));
  for (const file of files.filter(({ name }) => name.startsWith('gemini/') && !name.endsWith('/embedding.json')))
    for (const member of Object.keys(JSON.parse(file.text))) assert.ok(known.has(member), `${member} of ${file.name} is not among ${[...known]}`);
  assert.deepEqual(Object.keys(ours('gemini/embedding.json')), Object.keys(embedding));
  assert.deepEqual(Object.keys(ours('gemini/embedding.json').requests[0]).sort(), Object.keys(embedding.requests[0]).sort());
});
