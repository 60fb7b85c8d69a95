// `penstock providers list|test`: what is configured, and what of a model works.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
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
  - {name: echoes the key, when: {model: leaky, user: '^Call the tool'}, then: {calls: [{name: echo, arguments: {word: sk-rehearsal-secret}}]}}
  - {name: cut, when: {model: cut, user: '^Count'}, then: {text: 'one two three four five six', cut_after: 3}}
  - {name: stalls, when: {model: stalls}, then: {text: 'one two three four five six', stall_after: 3}}
  - {name: error within, when: {model: breaks, user: '^Count'}, then: {text: 'one two three four five six', error_after: 3}}
  - {name: at once, when: {model: at-once, user: '^Count'}, then: {text: 'one, two', chunk_tokens: 1000}}
  - {name: silent, when: {model: silent, user: '^Count'}, then: {text: ''}}
  - {name: ugly, when: {model: ugly, user: '^Call the tool'}, then: {text: "\\u001b[2Jgone\\u0007"}}
  - {name: counts nothing, when: {model: uncounted, user: '^Call the tool'}, then: {calls: [{name: echo, arguments: {word: penstock}}], usage: {prompt_tokens: 0, completion_tokens: 0}}}
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
  - {name: walled, base_url: 'http://me:pass-of-me@127.0.0.1:1/v1'}
  - {name: keyless, base_url: 'https://api.openai.com/v1'}
  - {name: flow, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1/v1}', api_key: sk-rehearsal-secret, stream: true}
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
    assert.match(list.out, /^openai +openai_chat +2 keys +\d+ +0 +no +4 +http/m);
    assert.match(list.out, /^llama +ollama +none +0 +0 +yes +- /m);
    assert.match(list.out, /^anthropic +anthropic +ANTHROPIC_API_KEY is missing +\d+ +3 +no /m);
    assert.match(list.out, /^walled .* http:\/\/\*\*\*@127.0.0.1:1\/v1$/m);
    assert.doesNotMatch(list.out, /pass-of-me/);
    assert.match(list.out, /^groq +openai_chat +GROQ_API_KEY is missing/m);
    assert.doesNotMatch(list.out, /sk-rehearsal/);
    const json = rows(penstock(stack, 'providers', 'list', '--json'));
    assert.equal(json.claude.key, 'set');
    assert.equal(json.claude.kind, 'anthropic');
    assert.deepEqual([json.claude.in_use, json.groq.in_use, json.anthropic.limited], [true, false, 3]);
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
      assert.deepEqual(rest, { works: true, text: true, tools: true, stream: true, stream_is_on: model === 'llama/qwen3', usage: true, problem: null }, name);
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

test("the rehearsal's own script has all that is asked for", async () => {
  await withStack({ bare: true, config }, async (stack) => {
    const done = penstock(stack, 'providers', 'test', 'fine', 'claude/claude-haiku-4-5', 'gemini/gemini-2.5-flash', 'llama/qwen3', 'responses/gpt-5');
    assert.equal(done.code, 0, done.out + done.err);
  });
});

test('what does not work is told by its class and in words, and no key with it', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const expected = {
      'openai/broken': [false, null, null, null, /overloaded/],
      'openai/locked': [false, null, null, null, /auth, .*Incorrect API key/],
      'openai/hangs': [false, null, null, null, /timed_out/],
      'openai/garbage': [false, false, false, null, /malformed_reply|stream_cut/],
      'openai/deaf': [true, false, true, true, /did not call the tool/],
      'openai/wrong': [true, false, true, true, /not the one that was asked for/],
      'openai/leaky': [true, false, true, true, /not the one that was asked for: echo\(/],
      'openai/ugly': [true, false, true, true, /and said: /],
      'openai/silent': [false, true, false, true, /empty_reply/],
      'openai/uncounted': [true, true, true, false, /tools: no usage is told/],
      'flow/cut': [false, true, false, true, /text: stream_cut/],
      'flow/stalls': [false, null, null, null, /text: timed_out/],
      'flow/breaks': [false, null, null, null, /text: overloaded/],
      'flow/at-once': [true, true, false, true, /in one piece/],
      'away/x': [false, null, null, null, /could not be reached/],
      'keyless/x': [false, null, null, null, /set OPENAI_API_KEY/],
    };
    const done = penstock(stack, 'providers', 'test', '--json', '--timeout', '2', ...Object.keys(expected));
    assert.equal(done.code, 1, done.err);
    assert.doesNotMatch(done.out, /sk-rehearsal-secret/);
    const tried = rows(done);
    for (const [name, [text, tools, stream, usage, problem]] of Object.entries(expected)) {
      const row = tried[name];
      assert.deepEqual([row.text, row.tools, row.stream, row.usage], [text, tools, stream, usage], `${name}: ${row.problem}`);
      assert.match(row.problem, problem, name);
      assert.equal(row.works, false, name);
    }
    const table = penstock(stack, 'providers', 'test', 'openai/ugly', 'openai/leaky');
    assert.doesNotMatch(table.out, /[\x00-\x09\x0b-\x1f\x7f]|sk-rehearsal-secret/);
  });
});

test('a model that does not stream works where streaming is off, and not where it is on', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const done = penstock(stack, 'providers', 'test', '--json', 'openai/at-once', 'openai/cut', 'flow/fine-1');
    const tried = rows(done);
    assert.equal(done.code, 0, done.out);
    assert.deepEqual([tried['openai/at-once'].works, tried['openai/at-once'].stream], [true, false]);
    assert.match(tried['openai/cut'].problem, /^stream: stream_cut/);
    assert.deepEqual([tried['openai/cut'].works, tried['openai/cut'].text, tried['openai/cut'].stream], [true, true, false]);
    assert.match(penstock(stack, 'providers', 'test', 'openai/cut').out, /^openai\/cut +yes +yes +no +yes /m);
    const calls = stack.ledger().filter((line) => line.model === 'fine-1').map((line) => line.stream);
    assert.deepEqual(calls, [true, true], 'tools are asked for as workers ask');
  });
});

test('without names all that is in use is tried, and what can not be is said', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    const done = penstock(stack, 'providers', 'test', '--json');
    assert.equal(done.code, 1, done.err);
    const tried = rows(done);
    assert.deepEqual(Object.keys(tried).sort(), ['away', 'claude', 'fine', 'flow', 'gemini', 'keyless', 'llama', 'responses', 'walled', 'wordy']);
    assert.match(tried.away.problem, /name one, as in away\/NAME/);
    assert.equal(tried.fine.works, true);
    const bare = spawnSync(join(stack.bin, 'penstock'), ['providers', 'test', '--json'], { encoding: 'utf8', env: { PATH: process.env.PATH, OPENAI_API_KEY: 'x', OPENAI_BASE_URL: `${stack.llmUrl}/v1` } });
    assert.equal(bare.status, 0, bare.stdout + bare.stderr);
    assert.deepEqual(Object.keys(rows({ out: bare.stdout })), ['openai/gpt-5-nano'], 'the cheapest that is known');
  });
});

test('doctor says what the programs would refuse, and which provider misses its key', async () => {
  await withStack({ bare: true, script, config }, async (stack) => {
    assert.match(penstock(stack, 'doctor').out, /^warn +provider keyless +it has no API key in this environment: set OPENAI_API_KEY/m);
    writeFileSync(stack.env.PENSTOCK_CONFIG, 'providers: [{name: odd, base_url: "http://h", kind: morse}]\n');
    const refused = penstock(stack, 'doctor');
    assert.equal(refused.code, 2);
    assert.match(refused.out, /^fail +configuration +provider 'odd' has kind 'morse'/m);
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
