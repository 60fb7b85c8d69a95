// What a tenant has is nobody else's, on whichever endpoint its id is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBatch, endedBatch, lineOf } from '../lib/batches.mjs';
import { createSchedule } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const script = "rules: [{name: any, then: {text: 'Done.'}}]\n";

/** What a body says so that it is about the id, and not about what is missing. */
const bodies = {
  'POST /v1/schedules/{schedule_id}/backfill': { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
  'PUT /v1/budgets/{kind}/{id}': { period: 'day', max_tokens: 1 },
};

test('on no endpoint is something of another tenant found by its id', async () => {
  await withStack({ script, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack) => {
    const assistant = await stack.assistant({ slug: 'ours' });
    const schedule = await createSchedule(stack, assistant, { every: '1h', input: 'hi', user: 'ada' });
    const webhook = await stack.ok('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/', events: ['*'], name: 'ours' });
    const firing = await stack.ok('POST', `/v1/schedules/${schedule.id}/run`);
    const run = await stack.finished(await stack.submit(assistant, 'hi'));
    const message = (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages`)).data[0];
    const step = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps`)).data[0];
    const batch = await createBatch(stack, [lineOf('one', '/v1/chat/completions', { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] })], '/v1/chat/completions');
    await endedBatch(stack, batch.id);
    const delivery = await until('it is told', async () => (await stack.ok('GET', `/v1/webhooks/${webhook.id}/deliveries`)).data[0]);
    await stack.ok('PUT', `/v1/budgets/thread/${run.thread_id}`, { period: 'day', max_tokens: 1000000 });
    const ids = {
      schedule_id: schedule.id, webhook_id: webhook.id, webhook_endpoint_id: webhook.id.replace('whk_', 'whe_'), delivery_id: delivery.id, event_id: delivery.event_id, assistant_id: assistant.id,
      thread_id: run.thread_id, run_id: run.id, message_id: message.id, step_id: step.id, batch_id: batch.id, file_id: batch.input_file_id, kind: 'thread', id: run.thread_id,
    };
    const stranger = stack.tenant('stranger');
    const document = await (await fetch(`${stack.url}/v1/openapi.json`)).json();
    const tried = new Set();
    const before = stack.sql('SELECT (SELECT count(*)::int FROM runs) AS runs, (SELECT count(*)::int FROM schedule_firings) AS firings, (SELECT count(*)::int FROM budgets) AS budgets')[0];
    for (const [pattern, methods] of Object.entries(document.paths)) {
      const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      if (names.length === 0 || !names.every((name) => ids[name] && !(name === 'id' && !pattern.includes('{kind}')))) continue;
      const path = (pattern.startsWith('/v1') ? '' : '/v1') + pattern.replace(/\{(\w+)\}/g, (_, name) => ids[name]);
      for (const method of Object.keys(methods).filter((name) => ['get', 'post', 'put', 'patch', 'delete'].includes(name))) {
        const key = `${method.toUpperCase()} ${pattern.startsWith('/v1') ? '' : '/v1'}${pattern}`;
        const body = ['post', 'put', 'patch'].includes(method) ? bodies[key] ?? {} : undefined;
        const { status, body: answer } = await stranger.call(method.toUpperCase(), path, body);
        assert.ok([400, 404, 426].includes(status), `${key}: ${status} ${JSON.stringify(answer)}`);
        if (status === 400) assert.match(answer.error.code ?? '', /missing_required_parameter|unknown_parameter|invalid/, `${key}: ${JSON.stringify(answer)}`);
        assert.ok(!JSON.stringify(answer).includes('Done.'), key);
        tried.add(key);
      }
    }
    for (const key of ['POST /v1/schedules/{schedule_id}/run', 'POST /v1/schedules/{schedule_id}/backfill', 'POST /v1/schedules/{schedule_id}/pause', 'GET /v1/schedules/{schedule_id}/firings', 'POST /v1/webhooks/{webhook_id}/rotate_secret',
      'POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver', 'GET /v1/webhook_events/{event_id}', 'DELETE /v1/budgets/{kind}/{id}'])
      assert.ok(tried.has(key), `${key} is not among ${[...tried].sort().join('\n')}`);
    const theirs = await stranger.assistant();
    const make = async (path, fields) => (await stranger.call('POST', path, fields)).status;
    assert.equal(await make('/v1/schedules', { assistant_id: assistant.id, every: '1h', input: 'hi' }), 404);
    assert.equal(await make('/v1/schedules', { assistant_id: 'ours', every: '1h', input: 'hi' }), 404);
    assert.equal(await make('/v1/schedules', { assistant_id: theirs.id, every: '1h', input: 'hi', thread_id: run.thread_id }), 404);
    assert.equal(await make('/v1/threads/runs', { assistant_id: theirs.id, input: 'hi', webhook: { url: 'http://127.0.0.1:9/', endpoint: webhook.id } }), 400);
    for (const query of [`schedules?assistant_id=${assistant.id}`, 'schedules?user=ada', 'webhooks', 'budgets', `runs?assistant_id=${assistant.id}`]) {
      const { status, body } = await stranger.call('GET', `/v1/${query}`);
      assert.ok(status === 404 || body.data.length === 0, `${query}: ${JSON.stringify(body)}`);
    }
    assert.deepEqual(stack.sql('SELECT (SELECT count(*)::int FROM runs) AS runs, (SELECT count(*)::int FROM schedule_firings) AS firings, (SELECT count(*)::int FROM budgets) AS budgets')[0], before);
    for (const path of [`/v1/schedules/${schedule.id}`, `/v1/webhooks/${webhook.id}`, `/v1/threads/${run.thread_id}`, `/v1/assistants/${assistant.id}`]) await stack.ok('GET', path);
    assert.equal(firing.schedule_id, schedule.id);
  });
});
