// Runs of other kinds than an agent's: one call of a model, without a thread.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const error = (code, message = 'no') => `{"error":{"message":"${message}","type":"x","code":"${code}"}}`;
const script = `
rules:
  - {name: refused, when: {user: '^refused$'}, then: {status: 400, body: '${error('invalid_value', 'I do not like it')}'}}
  - {name: overflow, when: {user: '^overflow$'}, then: {status: 400, body: '${error('context_length_exceeded')}'}}
  - {name: quota, when: {user: '^quota$'}, then: {status: 429, body: '${error('insufficient_quota')}'}}
  - {name: busy, when: {user: '^busy$', times: 1}, then: {status: 503, body: '${error('overloaded')}'}}
  - {name: stall, when: {user: '^stall$'}, then: {stall: true}}
  - {name: slow, when: {user: '^slow$'}, then: {text: 'Slowly.', delay_ms: 3000}}
  - {name: hello, then: {text: 'Hello, wörld.', usage: {prompt_tokens: 11, completion_tokens: 7}}}
`;

/** Makes a run as a batch makes it. */
function make(stack, kind, spec) {
  const body = JSON.stringify(spec).replaceAll("'", "''");
  const time = Date.now().toString(16).padStart(12, '0');
  const id = `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`; // as ids are: by time
  stack.exec(`INSERT INTO runs (id, tenant_id, agent_version, kind, spec, due_at, expires_at)
    SELECT '${id}', id, 0, '${kind}', '${body}', now(), now() + interval '1 h' FROM tenants LIMIT 1`);
  return `run_${id.replaceAll('-', '')}`;
}

const say = (content, more = {}) => ({ model: 'openai/gpt-4o-mini', messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content }], ...more });
const run = (stack, id) => stack.sql(`SELECT status::text, result, last_error, prompt_tokens::int, completion_tokens::int, iterations::int FROM runs WHERE id = penstock_uuid('${id}')`)[0];

async function ended(stack, id) {
  await until('the run has ended', () => /^(completed|failed|cancelled|expired|incomplete)$/.test(run(stack, id).status), 30000);
  return run(stack, id);
}

test('a completion and an embedding bring what the endpoints answer, and count as any run', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const id = make(stack, 'completion', say('hi', { user: 'ada', temperature: 0.5, stop: 'x', max_tokens: 77 }));
    const { status, result, prompt_tokens, completion_tokens, iterations } = await ended(stack, id);
    const { body, ...rest } = result;
    assert.deepEqual([status, prompt_tokens, completion_tokens, iterations], ['completed', 11, 7, 1]);
    assert.deepEqual(rest, { status_code: 200, request_id: id });
    assert.deepEqual([body.object, body.id, body.model, body.choices[0].message.content, body.choices[0].finish_reason, body.usage.total_tokens],
      ['chat.completion', id.replace('run_', 'chatcmpl-'), 'openai/gpt-4o-mini', 'Hello, wörld.', 'stop', 18]);
    const asked = JSON.parse(stack.ledger().at(-1).request);
    assert.deepEqual([asked.temperature, asked.stop, asked.max_completion_tokens ?? asked.max_tokens, asked.messages.length], [0.5, ['x'], 77, 2]);

    const vectors = await ended(stack, make(stack, 'embedding', { model: 'openai/text-embedding-3-small', input: ['one', 'two'], dimensions: 8 }));
    assert.deepEqual([vectors.status, vectors.result.status_code], ['completed', 200]);
    assert.deepEqual(vectors.result.body.data.map((one) => [one.index, one.embedding.length]), [[0, 8], [1, 8]]);
    assert.ok(vectors.prompt_tokens > 0 && vectors.result.body.usage.prompt_tokens === vectors.prompt_tokens);
    const packed = await ended(stack, make(stack, 'embedding', { model: 'openai/text-embedding-3-small', input: 'one', dimensions: 8, encoding_format: 'base64' }));
    assert.equal(Buffer.from(packed.result.body.data[0].embedding, 'base64').readFloatLE(0), Math.fround(vectors.result.body.data[0].embedding[0]));

    await until('it is counted', () => stack.sql(`SELECT 1 FROM usage_deltas UNION ALL SELECT 1 FROM usage_hourly`).length > 0);
    const list = (query) => stack.ok('GET', `/v1/runs?${query}`).then((page) => page.data.map((one) => one.kind));
    assert.deepEqual(await list('kind=completion'), ['completion']);
    assert.deepEqual(await list('kind=agent'), []);
    assert.equal((await list('')).length, 3);
    const shown = await stack.ok('GET', `/v1/runs/${id}`);
    assert.deepEqual([shown.kind, shown.thread_id, shown.assistant_id, shown.status], ['completion', null, null, 'completed']);
    assert.deepEqual((await stack.ok('GET', '/v1/threads')).data, []);
  });
});

test('what a provider refuses is the result, after the retries of any run', async () => {
  await withStack({ script }, async (stack) => {
    const of = async (spec, kind = 'completion') => {
      const { status, result, last_error } = await ended(stack, make(stack, kind, spec));
      return [status, result?.status_code, result?.body.error?.code ?? null, last_error?.code];
    };
    assert.deepEqual(await of(say('refused')), ['failed', 400, null, 'server_error']);
    assert.deepEqual(await of(say('overflow')), ['failed', 400, 'context_length_exceeded', 'invalid_prompt']);
    assert.deepEqual(await of(say('quota')), ['failed', 429, 'insufficient_quota', 'rate_limit_exceeded']);
    assert.deepEqual(await of(say('x', { model: 'nobody/serves-it' })), ['failed', 400, null, 'server_error']);
    assert.deepEqual(await of(say('refused', { fallbacks: ['openai/gpt-4o'] })), ['failed', 400, null, 'server_error']);
    assert.deepEqual((await of(say('busy'))).slice(0, 2), ['completed', 200]);
    assert.deepEqual(await of({ model: 'openai/text-embedding-3-small', input: Array(2048).fill('many words'), dimensions: 1024 }, 'embedding'),
      ['failed', 502, 'reply_too_large', 'server_error']);
    const [{ id: failed }] = (await stack.ok('GET', '/v1/runs?status=failed&limit=1')).data;
    assert.equal((await stack.call('POST', `/v1/runs/${failed}/redrive`)).status, 400);
    const odd = await ended(stack, make(stack, 'completion', { messages: 1 }));
    assert.deepEqual([odd.status, odd.result], ['failed', null]);
  });
});

test('one is cancelled, expires and outlives its worker like any run', async () => {
  await withStack({ script, workers: 1 }, async (stack) => {
    const stalled = make(stack, 'completion', say('stall'));
    await until('it is at work', () => run(stack, stalled).status === 'in_progress');
    assert.equal((await stack.ok('POST', `/v1/runs/${stalled}/cancel`)).status, 'cancelling');
    assert.deepEqual([(await ended(stack, stalled)).status, run(stack, stalled).result], ['cancelled', null]);

    const late = make(stack, 'completion', say('stall'));
    await until('it is at work', () => run(stack, late).status === 'in_progress');
    stack.exec(`UPDATE runs SET expires_at = now() - interval '1 min' WHERE id = penstock_uuid('${late}')`);
    assert.equal((await ended(stack, late)).status, 'expired');

    const slow = make(stack, 'completion', say('slow'));
    await until('it is at work', () => run(stack, slow).status === 'in_progress');
    stack.workers[0].child.kill('SIGKILL');
    await stack.startWorker();
    const done = await ended(stack, slow);
    assert.deepEqual([done.status, done.result.body.choices[0].message.content], ['completed', 'Slowly.']);
    assert.equal(stack.sql(`SELECT crashes FROM runs WHERE id = penstock_uuid('${slow}')`)[0].crashes, 1);
  });
});
