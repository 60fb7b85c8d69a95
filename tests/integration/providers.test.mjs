// `penstock providers list|test`: what is configured, and what of a model works.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const script = `
stream: {chunk_tokens: 2}
rules:
  - {name: broken, when: {model: broken}, then: {status: 500}}
  - {name: no key, when: {model: locked}, then: {status: 401, body: '{"error":{"message":"Incorrect API key provided: sk-rehearsal-secret","code":"invalid_api_key"}}'}}
  - {name: hangs, when: {model: hangs}, then: {stall: true}}
  - {name: garbage, when: {model: garbage}, then: {text: 'x', malformed: true}}
  - {name: deaf, when: {model: deaf}, then: {text: 'I know no tools, but I can count: one, two, three.'}}
  - {name: wrong, when: {model: wrong, user: '^Call the tool'}, then: {calls: [{name: echo, arguments: {word: other}}]}}
  - {name: in words, when: {model: wordy, user: '^Call the tool'}, then: {text: '<tool_call><name>echo</name><arguments>{"word":"penstock"}</arguments></tool_call>'}}
  - {name: tool, when: {user: '^Call the tool'}, then: {calls: [{name: echo, arguments: {word: penstock}}]}}
  - {name: count, then: {text: 'one, two, three, four, five, six, seven, eight, nine, ten'}}
`;

const config = `
providers:
  - {name: openai, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: sk-rehearsal-secret, api_keys: [sk-rehearsal-other], concurrent_calls: 4}
  - {name: claude, kind: anthropic, base_url: '\${ROOT:-http://127.0.0.1:1}/v1', api_key: sk-rehearsal-secret}
  - {name: gemini, kind: gemini, base_url: '\${ROOT:-http://127.0.0.1:1}/v1beta', api_key: sk-rehearsal-secret}
  - {name: llama, kind: ollama, base_url: '\${ROOT:-http://127.0.0.1:1}', stream: true}
  - {name: responses, kind: openai_responses, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: sk-rehearsal-secret}
  - {name: away, base_url: 'http://127.0.0.1:1/v1', api_key: x}
models:
  - {name: fine, provider: openai, model: fine-1, input_price: 1000000, output_price: 1000000}
  - {name: wordy, provider: openai, model: wordy, tools: false}
`;

/** As a person types it. Returns {code, out, err}. */
function penstock(stack, ...args) {
  const env = { ...process.env, ...stack.env, ROOT: stack.llmUrl };
  const done = spawnSync(join(stack.bin, 'penstock'), args, { env, encoding: 'utf8', timeout: 60000 });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

const rows = (done) => Object.fromEntries(done.out.trim().split('\n').map((line) => JSON.parse(line)).map((row) => [row.model ?? row.name, row]));

test('each provider is listed with its key told but not shown', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const list = penstock(stack, 'providers', 'list');
    assert.equal(list.code, 0, list.err);
    assert.match(list.out, /^openai +openai_chat +2 keys +\d+ +no +4 +http/m);
    assert.match(list.out, /^llama +ollama +none +0 +yes +- /m);
    assert.match(list.out, /^groq +openai_chat +GROQ_API_KEY is missing/m);
    assert.doesNotMatch(list.out, /sk-rehearsal/);
    const json = rows(penstock(stack, 'providers', 'list', '--json'));
    assert.equal(json.claude.key, 'set');
    assert.equal(json.claude.kind, 'anthropic');
  });
});

test('models of every API are tried, and all works', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const names = ['fine', 'openai/gpt-4o-mini', 'claude/claude-haiku-4-5', 'gemini/gemini-2.5-flash', 'llama/qwen3', 'responses/gpt-5'];
    const done = penstock(stack, 'providers', 'test', '--json', ...names);
    assert.equal(done.code, 0, done.out + done.err);
    const tried = rows(done);
    for (const name of names) {
      const { model, first_token_ms: first, total_ms: total, cost_micros: cost, ...rest } = tried[name];
      assert.deepEqual(rest, { text: true, tools: true, stream: true, usage: true, problem: null }, name);
      assert.ok(first >= 0 && total >= first, name);
      if (name === 'fine') assert.ok(cost > 0);
    }
    const table = penstock(stack, 'providers', 'test', 'wordy', 'openai');
    assert.equal(table.code, 0, table.out + table.err);
    assert.match(table.out, /^wordy +yes +in words +yes +yes/m);
    assert.match(table.out, /^fine +yes +yes +yes +yes +\d+ ms +\d+ ms +\$0\.0\d+/m);
    assert.equal(table.out.trim().split('\n').length, 3, 'none twice');
  });
});

test('what does not work is told by its class and in words, and no key with it', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const names = ['broken', 'locked', 'hangs', 'garbage', 'deaf', 'wrong'].map((name) => `openai/${name}`);
    const done = penstock(stack, 'providers', 'test', '--json', '--timeout', '2', ...names, 'away/x');
    assert.equal(done.code, 1, done.err);
    assert.doesNotMatch(done.out, /sk-rehearsal-secret/);
    const tried = rows(done);
    const expected = {
      'openai/broken': [false, false, null, null, /overloaded/],
      'openai/locked': [false, false, null, null, /auth, .*Incorrect API key/],
      'openai/hangs': [false, false, null, null, /timed_out/],
      'openai/garbage': [false, false, null, null, /malformed_reply|stream_cut/],
      'openai/deaf': [true, false, true, true, /did not call the tool/],
      'openai/wrong': [true, false, true, true, /not the one that was asked for/],
      'away/x': [false, false, null, null, /could not be reached/],
    };
    for (const [name, [text, tools, stream, usage, problem]] of Object.entries(expected)) {
      const row = tried[name];
      assert.deepEqual([row.text, row.tools, row.stream, row.usage], [text, tools, stream, usage], `${name}: ${row.problem}`);
      assert.match(row.problem, problem, name);
    }
  });
});

test('names that mean nothing, and nothing to try, are wrong usage', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    for (const [args, words] of [[['nobody/x'], /no such provider/], [['llama'], /llama\/NAME/], [['--timeout', '0', 'fine'], /timeout/]]) {
      const done = penstock(stack, 'providers', 'test', ...args);
      assert.equal(done.code, 2, done.err);
      assert.match(done.err, words);
      assert.equal(done.out, '');
    }
  });
});
