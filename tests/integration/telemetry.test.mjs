// Traces: from a client's traceparent to the last call of a tool, in whichever process; and what a collector can't disturb.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { putFile } from '../lib/batches.mjs';
import { Collector, Listener } from '../lib/collector.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { checkTook, until, withStack } from '../lib/stack.mjs';

const hex = (bytes) => randomBytes(bytes).toString('hex');

/** A traceparent as a client sends it. */
function context(sampled = true) {
  const traceId = hex(16);
  const spanId = hex(8);
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-0${sampled ? 1 : 0}` } };
}

const calculator = `
rules:
  - steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - text: 'It is {{tool}}.'
`;

async function withTelemetry(options, body) {
  const collector = await Collector.start();
  try {
    await withStack({
      script: calculator,
      ...options,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...options.env },
    }, (stack) => body(stack, collector));
  } finally {
    await collector.stop();
  }
}

const submit = (stack, assistant, headers, prompt = 'go') => stack.ok('POST', '/v1/threads/runs', {
  assistant_id: assistant.id,
  thread: { messages: [{ role: 'user', content: prompt }] },
}, headers);

const named = (spans, name) => spans.find((span) => span.name === name);
const ended = (spans) => spans.some((span) => span.name === 'process runs');

async function metric(url, name) {
  const line = new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${url}/metrics`)).text());
  return line ? Number(line[1]) : undefined;
}

test('one trace goes from the client through scheduler, worker and model to the server that a tool asks', async () => {
  const site = await Listener.start();
  const script = `
rules:
  - steps:
      - calls:
          - {name: http_request, arguments: {method: GET, url: '${site.url}/page'}}
          - {name: calculator, arguments: {expression: '6 *'}}
      - text: 'done'
`;
  try {
    await withTelemetry({
      script,
      bare: true,
      env: { PENSTOCK_PRIVATE_ADDRESSES: site.host, PENSTOCK_TELEMETRY_TELL_PROVIDERS: 'on', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=a%20test' },
    }, async (stack, collector) => {
      const model = await Listener.start(stack.llmUrl);
      stack.env.OPENAI_BASE_URL = `${model.url}/v1`;
      await stack.startScheduler();
      await stack.startWorker();
      const assistant = await stack.assistant({ name: 'Ann', tools: [{ type: 'http_request' }, { type: 'calculator' }], http_allow: [site.host] });
      const client = context();
      const run = await submit(stack, assistant, client.headers);
      assert.equal((await stack.finished(run)).status, 'completed');
      const spans = await collector.trace(client.traceId, (all) => ended(all) && named(all, 'POST /v1/threads/runs'));

      assert.deepEqual(Collector.tree(spans, client.spanId), [
        ['POST /v1/threads/runs', [
          ['send runs', [
            ['process runs', [
              ['invoke_agent Ann', ['chat gpt-4o-mini', 'execute_tool http_request', 'execute_tool calculator', 'chat gpt-4o-mini']],
            ]],
          ]],
        ]],
      ]);
      assert.equal(spans.length, 8, 'and there are no others');
      assert.equal(new Set(spans.map((span) => span.spanId)).size, 8);
      assert.deepEqual(spans.filter((span) => span.service === 'penstock-scheduler').map((span) => span.kind).sort(), ['producer', 'server']);
      assert.deepEqual(spans.filter((span) => span.remote).map((span) => span.kind).sort(), ['consumer', 'server']);
      assert.ok(spans.every((span) => span.resource['deployment.environment.name'] === 'a test'));
      assert.equal(new Set(spans.map((span) => span.instance)).size, 2);

      const server = named(spans, 'POST /v1/threads/runs').attributes;
      assert.equal(server['http.request.method'], 'POST');
      assert.equal(server['http.route'], '/v1/threads/runs');
      assert.equal(server['http.response.status_code'], 200);
      const claim = named(spans, 'process runs').attributes;
      assert.equal(claim['messaging.message.id'], run.id);
      assert.equal(claim['penstock.run.end'], 'completed');
      assert.equal(claim['penstock.run.claim'], 1);
      const agent = named(spans, 'invoke_agent Ann').attributes;
      assert.equal(agent['gen_ai.operation.name'], 'invoke_agent');
      assert.equal(agent['gen_ai.agent.id'], assistant.id);
      assert.equal(agent['gen_ai.agent.name'], 'Ann');
      assert.equal(agent['gen_ai.conversation.id'], run.thread_id);
      const [first, second] = spans.filter((span) => span.kind === 'client');
      assert.equal(first.attributes['gen_ai.operation.name'], 'chat');
      assert.equal(first.attributes['gen_ai.provider.name'], 'openai');
      assert.equal(first.attributes['gen_ai.request.model'], 'gpt-4o-mini');
      assert.equal(first.attributes['server.address'], '127.0.0.1');
      assert.equal(first.attributes['server.port'], Number(new URL(model.url).port));
      assert.deepEqual(first.attributes['gen_ai.response.finish_reasons'], ['tool_call']);
      assert.deepEqual(second.attributes['gen_ai.response.finish_reasons'], ['stop']);
      const usage = (await stack.run(run)).usage;
      assert.equal(first.attributes['gen_ai.usage.input_tokens'] + second.attributes['gen_ai.usage.input_tokens'], usage.prompt_tokens);
      assert.equal(agent['gen_ai.usage.output_tokens'], usage.completion_tokens);
      const tool = named(spans, 'execute_tool http_request');
      assert.equal(tool.attributes['gen_ai.tool.name'], 'http_request');
      assert.ok(tool.attributes['gen_ai.tool.call.id']);
      const wrong = named(spans, 'execute_tool calculator');
      assert.equal(wrong.status.code, 2);
      assert.equal(wrong.attributes['error.type'], 'tool_error');
      assert.ok(!JSON.stringify(spans).includes(site.url), 'nothing of what was said is in a span');

      assert.deepEqual(site.requests.map(({ headers }) => headers.traceparent), [`00-${client.traceId}-${tool.spanId}-01`]);
      assert.deepEqual(model.requests.map(({ headers }) => headers.traceparent), [first, second].map(({ spanId }) => `00-${client.traceId}-${spanId}-01`));
      await model.stop();
    });
  } finally {
    await site.stop();
  }
});

test('the trace goes on to webhooks, which are told tracestate as it came; so are tools and models', async () => {
  const site = await Listener.start();
  const to = await Receiver.start((request, response) => { response.statusCode = to.got.length === 1 ? 503 : 200; response.end(); });
  const script = `
rules:
  - steps:
      - calls: [{name: http_request, arguments: {method: GET, url: '${site.url}/page'}}]
      - text: 'done'
`;
  try {
    await withTelemetry({
      script,
      bare: true,
      env: { PENSTOCK_PRIVATE_ADDRESSES: site.host, PENSTOCK_TELEMETRY_TELL_PROVIDERS: 'on', PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' },
    }, async (stack, collector) => {
      const model = await Listener.start(stack.llmUrl);
      stack.env.OPENAI_BASE_URL = `${model.url}/v1`;
      await stack.startScheduler();
      await stack.startWorker();
      const webhook = await stack.ok('POST', '/v1/webhooks', { url: `${to.url}/secret`, events: ['run.*'] });
      const assistant = await stack.assistant({ tools: [{ type: 'http_request' }], http_allow: [site.host] });
      const client = context();
      const run = await submit(stack, assistant, { ...client.headers, tracestate: 'rojo=00f067aa0ba902b7, congo=t61rcWkgMzE' });
      assert.equal((await stack.finished(run)).status, 'completed');
      await until('it was refused once', () => to.got.length === 1);
      stack.exec(`UPDATE webhook_deliveries SET next_at = now() WHERE state = 'pending'; UPDATE webhook_lanes SET not_before = now()`);
      await until('it is tried again', () => to.got.length === 2);
      const spans = await collector.trace(client.traceId, (all) => ended(all) && all.filter(({ name }) => name === 'POST webhook').length === 2);
      assert.deepEqual(Collector.tree(spans, named(spans, 'send runs').spanId).flat().filter((name) => typeof name === 'string'), ['process runs', 'POST webhook', 'POST webhook']);
      const [first, second] = spans.filter(({ name }) => name === 'POST webhook').sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)));
      assert.deepEqual([first.kind, first.service, first.status?.code, second.status?.code], ['client', 'penstock-scheduler', 2, undefined]);
      const { event } = to.got[0];
      const about = { 'http.request.method': 'POST', 'penstock.event.id': event.id, 'penstock.event.type': 'run.completed', 'server.address': '127.0.0.1', 'server.port': to.port };
      assert.deepEqual(first.attributes, { ...about, 'http.response.status_code': 503, 'error.type': '503' });
      assert.deepEqual(second.attributes, { ...about, 'http.response.status_code': 200, 'http.request.resend_count': 1 });
      assert.ok(!JSON.stringify(spans).includes('secret'), 'the URL is in no span');

      const tracestate = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE';
      const traceOf = ({ headers }) => [headers.traceparent, headers.tracestate];
      assert.deepEqual(to.got.map(traceOf), [first, second].map(({ spanId }) => [`00-${client.traceId}-${spanId}-01`, tracestate]));
      assert.deepEqual(site.requests.map(traceOf), [[`00-${client.traceId}-${named(spans, 'execute_tool http_request').spanId}-01`, tracestate]]);
      assert.deepEqual(new Set(model.requests.map(({ headers }) => headers.tracestate)), new Set([tracestate]));
      assert.ok(spans.every((span) => span.traceState === tracestate));

      const other = context();
      const tried = await stack.ok('POST', `/v1/webhooks/${webhook.id}/test`, {}, other.headers);
      assert.equal(tried.success, true);
      const tree = await collector.trace(other.traceId, (all) => all.length === 2);
      assert.deepEqual(Collector.tree(tree, other.spanId), [['POST /v1/webhooks/{webhook_id}/test', ['POST webhook']]]);
      await model.stop();
    });
  } finally {
    await site.stop();
    await to.stop();
  }
});

test('what a schedule runs is a trace of its own, to the webhook that tells of it', async () => {
  const to = await Receiver.start();
  try {
    await withTelemetry({ env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack, collector) => {
      await stack.ok('POST', '/v1/webhooks', { url: to.url, events: ['run.completed'] });
      const assistant = await stack.assistant({ name: 'Ann' });
      const schedule = await stack.ok('POST', '/v1/schedules', { assistant_id: assistant.id, cron: '0 0 1 1 *', input: 'go' });
      const firing = await stack.ok('POST', `/v1/schedules/${schedule.id}/run`, {});
      await until('it is told', () => to.of('run.completed').length === 1);
      const [, traceId] = to.got[0].headers.traceparent.split('-');
      const spans = await collector.trace(traceId, (all) => ended(all) && named(all, 'POST webhook') && named(all, 'send runs'));
      const root = named(spans, 'send runs');
      assert.equal(root.parentSpanId, undefined);
      assert.equal(root.kind, 'producer');
      assert.equal(root.attributes['messaging.message.id'], firing.run_id);
      assert.equal(root.attributes['penstock.schedule.id'], schedule.id);
      assert.equal(root.attributes['penstock.schedule.cause'], 'manual');
      assert.ok(Math.abs(Date.parse(root.attributes['penstock.schedule.fire_time']) - Date.now()) < 60000);
      assert.deepEqual(Collector.tree(spans, root.spanId), [
        ['process runs', [['invoke_agent Ann', ['chat gpt-4o-mini', 'execute_tool calculator', 'chat gpt-4o-mini']]]],
        'POST webhook',
      ]);
    });
  } finally {
    await to.stop();
  }
});

for (const [endpoint, work] of [
  ['/v1/chat/completions', ['chat gpt-4o-mini']],
  ['/v1/responses', [['invoke_agent', ['chat gpt-4o-mini']]]],
])
  test(`each line of a batch for ${endpoint} is a trace of its own, linked to the request for the batch; the batch's end is told in that`, async () => {
    const to = await Receiver.start();
    try {
      await withTelemetry({ script: `rules: [{steps: [{text: 'hello'}]}]`, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack, collector) => {
        await stack.ok('POST', '/v1/webhooks', { url: to.url, events: ['batch.*'] });
        const body = endpoint === '/v1/responses' ? { model: 'openai/gpt-4o-mini', input: 'hi' } : { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] };
        const file = await putFile(stack, [1, 2, 3].map((n) => JSON.stringify({ custom_id: `c${n}`, method: 'POST', url: endpoint, body })).join('\n'));
        const client = context();
        const batch = await stack.ok('POST', '/v1/batches', { input_file_id: file, endpoint, completion_window: '24h' }, client.headers);
        await until('it is told', () => to.of('batch.completed').length === 1, 60000);
        const asked = await collector.trace(client.traceId, (all) => named(all, 'POST webhook'));
        const request = named(asked, 'POST /v1/batches');
        assert.deepEqual(Collector.tree(asked, client.spanId), [['POST /v1/batches', ['POST webhook']]]);
        assert.equal(asked.length, 2);
        const lines = await until('the lines', () => {
          const all = collector.spans.filter(({ attributes }) => attributes['penstock.batch.id'] === batch.id);
          return all.length === 3 && all;
        });
        assert.equal(new Set([client.traceId, ...lines.map(({ traceId }) => traceId)]).size, 4);
        for (const line of lines) {
          assert.deepEqual([line.name, line.kind, line.parentSpanId], ['create runs', 'producer', undefined]);
          assert.deepEqual(line.links.map(({ traceId, spanId }) => [traceId, spanId]), [[client.traceId, request.spanId]]);
          const spans = await collector.trace(line.traceId, ended);
          assert.deepEqual(Collector.tree(spans, line.spanId), [['process runs', work]]);
        }
      });
    } finally {
      await to.stop();
    }
  });

test('what a client does not sample is not recorded, and tools are told of its trace all the same', async () => {
  const site = await Listener.start();
  const script = `
rules:
  - steps:
      - calls: [{name: http_request, arguments: {method: GET, url: '${site.url}/page'}}]
      - text: 'done'
`;
  try {
    await withTelemetry({ script, env: { PENSTOCK_PRIVATE_ADDRESSES: site.host } }, async (stack, collector) => {
      const assistant = await stack.assistant({ tools: [{ type: 'http_request' }], http_allow: [site.host] });
      const client = context(false);
      const other = context();
      await stack.finished(await submit(stack, assistant, client.headers));
      await stack.finished(await submit(stack, assistant, other.headers));
      await collector.trace(other.traceId, ended);
      assert.deepEqual(collector.spans.filter((span) => span.traceId === client.traceId), []);
      assert.deepEqual(site.requests[0].headers.traceparent, `00-${client.traceId}-${client.spanId}-00`);
    });
  } finally {
    await site.stop();
  }
});

test('where telemetry is off a run carries nothing of a trace', async () => {
  await withStack({ script: calculator }, async (stack) => {
    const run = await submit(stack, await stack.assistant(), context().headers);
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.equal(stack.sql(`SELECT 1 FROM runs WHERE spec::jsonb ? 'trace'`).length, 0);
    for (const { url } of [stack, stack.workers[0]]) assert.equal(await metric(url, 'penstock_spans_recorded_total'), undefined);
  });
});

test('without a traceparent the ratio decides, and a run goes the way of its request', async () => {
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' };
  await withTelemetry({ env }, async (stack, collector) => {
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 40 }, () => submit(stack, assistant, {})));
    for (const run of runs) await stack.finished(run);
    const traced = stack.sql(`SELECT substr(spec->'trace'->>'parent', 4, 32) AS id, right(spec->'trace'->>'parent', 1) AS flag FROM runs WHERE spec::jsonb ? 'trace'`);
    assert.ok(traced.length > 5 && traced.length < 35, `about half: ${traced.length}`);
    for (const { id, flag } of traced) {
      assert.ok(Number.parseInt(flag, 16) & 1);
      const spans = await collector.trace(id, (all) => ended(all) && named(all, 'POST /v1/threads/runs'));
      assert.equal(named(spans, 'POST /v1/threads/runs').parentSpanId, undefined);
      assert.equal(spans.filter((span) => span.name === 'chat gpt-4o-mini').length, 2);
    }
    const claims = collector.spans.filter((span) => span.name === 'process runs');
    assert.equal(claims.length, traced.length, 'no worker has begun a trace of its own');
  });
});

test('a run that is claimed again after kill -9 is linked to what made it, in the same trace', async () => {
  const script = `
rules:
  - steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - {text: 'It is {{tool}}.', delay_ms: 1500}
`;
  await withTelemetry({ script }, async (stack, collector) => {
    const client = context();
    const run = await submit(stack, await stack.assistant(), client.headers);
    await until('it has made its call', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress' AND step >= 1`).length === 1);
    await stack.workers[0].kill('SIGKILL');
    await stack.startWorker();
    assert.equal((await stack.finished(run)).status, 'completed');
    const spans = await collector.trace(client.traceId, (all) => all.some((span) => span.name === 'process runs' && span.attributes['penstock.run.claim'] > 1));
    const again = spans.find((span) => span.attributes['penstock.run.claim'] > 1);
    assert.equal(again.parentSpanId, undefined);
    assert.deepEqual(again.links.map(({ traceId, spanId }) => [traceId, spanId]), [[client.traceId, named(spans, 'send runs').spanId]]);
    assert.equal(again.attributes['penstock.run.crashes'], 1);
    assert.deepEqual(Collector.tree(spans, again.spanId), [['invoke_agent assistant', ['chat gpt-4o-mini']]]);
  });
});

test('a model that fails leaves a span for each try, with the class of its failure', async () => {
  const script = `
rules:
  - {name: down, when: {model: down}, then: {status: 503}}
  - steps: [{text: 'done'}]
`;
  await withTelemetry({ script }, async (stack, collector) => {
    const client = context();
    const assistant = await stack.assistant({ model: 'openai/down', fallbacks: ['openai/gpt-4o-mini'] });
    const run = await submit(stack, assistant, client.headers);
    assert.equal((await stack.finished(run)).status, 'completed');
    const spans = await collector.trace(client.traceId, ended);
    const tries = spans.filter((span) => span.kind === 'client');
    assert.deepEqual(tries.map((span) => [span.name, span.attributes['http.response.status_code'], span.attributes['error.type'], span.status?.code]), [
      ['chat down', 503, 'overloaded', 2],
      ['chat gpt-4o-mini', undefined, undefined, undefined],
    ]);
  });
});

test('what was said is in spans only where that is switched on', async () => {
  await withTelemetry({ env: { PENSTOCK_TELEMETRY_CONTENT: 'on' } }, async (stack, collector) => {
    const client = context();
    await stack.finished(await submit(stack, await stack.assistant(), client.headers, 'What is "six" times seven?'));
    const spans = await collector.trace(client.traceId, ended);
    const [first, second] = spans.filter((span) => span.kind === 'client').map((span) => span.attributes);
    assert.deepEqual(JSON.parse(first['gen_ai.input.messages']), [{ role: 'user', parts: [{ type: 'text', content: 'What is "six" times seven?' }] }]);
    assert.match(JSON.parse(first['gen_ai.system_instructions'])[0].content, /careful assistant/);
    assert.equal(JSON.parse(first['gen_ai.output.messages'])[0].parts[0].name, 'calculator');
    assert.deepEqual(JSON.parse(second['gen_ai.input.messages']).map(({ role }) => role), ['user', 'assistant', 'tool']);
    assert.deepEqual(JSON.parse(second['gen_ai.output.messages']), [{ role: 'assistant', parts: [{ type: 'text', content: 'It is 42.' }], finish_reason: 'stop' }]);
    const tool = named(spans, 'execute_tool calculator').attributes;
    assert.deepEqual(JSON.parse(tool['gen_ai.tool.call.arguments']), { expression: '6 * 7' });
    assert.equal(tool['gen_ai.tool.call.result'], '42');
  });
});

test('calls of models for clients are in the trace of their request', async () => {
  await withTelemetry({ script: `rules: [{steps: [{text: 'hello'}]}]`, workers: 0 }, async (stack, collector) => {
    const client = context();
    await stack.ok('POST', '/v1/chat/completions', { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }, client.headers);
    const spans = await collector.trace(client.traceId, (all) => all.length >= 2);
    assert.deepEqual(Collector.tree(spans, client.spanId), [['POST /v1/chat/completions', ['chat gpt-4o-mini']]]);
  });
});

test('a batch is sent again after 503, when Retry-After says, and not after 500, nor for what was rejected', async () => {
  await withTelemetry({ workers: 0 }, async (stack, collector) => {
    const all = () => collector.requests.flatMap(({ spans }) => spans.map(({ spanId }) => spanId));
    const ask = async () => {
      const client = context();
      await stack.ok('GET', '/v1/assistants', undefined, client.headers);
      return client.traceId;
    };
    const arrived = (id) => until('it arrived', () => collector.requests.find(({ spans }) => spans.some(({ traceId }) => traceId === id)));

    const times = [];
    collector.answer = (request, number) => {
      times.push(Date.now());
      return number === 0 ? { status: 503, headers: { 'retry-after': '1' } } : { status: 200 };
    };
    const first = await ask();
    await collector.trace(first, (spans) => spans.length === 1);
    assert.equal(all().filter((id, at, list) => list.indexOf(id) !== at).length, 1, 'the same span twice');
    assert.ok(times[1] - times[0] >= 1000, `as long as it says: ${times[1] - times[0]}`);

    collector.answer = () => ({ status: 500 });
    await arrived(await ask());
    await until('it is given up', async () => (await metric(stack.url, 'penstock_spans_dropped_total')) === 1);
    const seen = collector.requests.length;
    collector.answer = () => ({ status: 200, body: { partialSuccess: { rejectedSpans: '1', errorMessage: 'too old' } } });
    await arrived(await ask());
    await until('it is told', async () => (await metric(stack.url, 'penstock_spans_rejected_total')) === 1);
    assert.match(stack.scheduler.log(), /rejected spans" spans=1 message="too old"/);
    collector.answer = () => ({ status: 200 });
    await collector.trace(await ask(), (spans) => spans.length === 1);
    assert.deepEqual(collector.requests.slice(seen).map(({ spans }) => spans.length), [1, 1], 'each once');
    await until('its answer is read', async () => (await metric(stack.url, 'penstock_spans_sent_total')) === 2);
    assert.equal(await metric(stack.url, 'penstock_spans_queued'), 0);
  });
});

test('a batch that is too large for the collector is sent in parts, and only what is too large alone is dropped', async () => {
  await withTelemetry({ workers: 0 }, async (stack, collector) => {
    const wanted = new Set();
    collector.answer = (request) => request.spans.length > 3 ? { status: 413 } : { status: 200, headers: { 'content-encoding': 'gzip' }, body: { partialSuccess: { rejectedSpans: -5, errorMessage: '\u001b[31m' } } };
    await Promise.all(Array.from({ length: 40 }, async () => {
      const client = context();
      wanted.add(client.traceId);
      await stack.ok('GET', '/v1/assistants', undefined, client.headers);
    }));
    const taken = () => collector.requests.filter(({ spans }) => spans.length <= 3).flatMap(({ spans }) => spans.map(({ traceId }) => traceId));
    await until('all have arrived', () => wanted.size === new Set(taken()).size, 30000);
    assert.equal(taken().length, wanted.size, 'each once');
    assert.equal(await metric(stack.url, 'penstock_spans_dropped_total'), 0);
    collector.answer = () => ({ status: 413 });
    await stack.ok('GET', '/v1/assistants', undefined, context().headers);
    await until('it is given up', async () => (await metric(stack.url, 'penstock_spans_dropped_total')) === 1);
  });
});

test('whatever a client says is its trace, it is served', async () => {
  await withTelemetry({ workers: 0 }, async (stack, collector) => {
    const right = context();
    const parent = right.headers.traceparent;
    for (const traceparent of ['', '00', '-'.repeat(55), `${parent}-`, `${parent}x`, parent.toUpperCase(), parent.replace('00-', 'ff-'), parent.replace('00-', 'cc-'), `cc${parent.slice(2)}-what-is-this`,
      `00-${'0'.repeat(32)}-${right.spanId}-01`, `00-${right.traceId}-${'0'.repeat(16)}-01`, `00-${'g'.repeat(32)}-${right.spanId}-01`, 'x'.repeat(4000), `${parent}, ${parent}`, parent.replace('-', '\t'), `00-${right.traceId}-${right.spanId}-ff`])
      for (const tracestate of [undefined, '', ',,,', '=', 'a=b,a=b', 'A=b', 'k='.padEnd(3000, 'v'), Array(40).fill('k=v').join(','), 'a=b\t,c=d', 'a@b@c=d', '\u00fc=x'])
        assert.equal((await stack.call('GET', '/v1/assistants', undefined, { traceparent, ...(tracestate === undefined ? {} : { tracestate }) })).status, 200, `${traceparent} ${tracestate}`);
    const client = context();
    await stack.ok('GET', '/v1/assistants', undefined, client.headers);
    await collector.trace(client.traceId, (spans) => spans.length === 1); // which reads all that came before, by the rules
  });
});

test('a collector that hangs or is away delays no run, and is told once in the log', async () => {
  await withTelemetry({}, async (stack, collector) => {
    collector.answer = () => 'hang';
    const assistant = await stack.assistant();
    const client = context();
    for (let i = 0; i < 3; i++) {
      const start = Date.now();
      assert.equal((await stack.finished(await submit(stack, assistant, client.headers))).status, 'completed');
      checkTook(Date.now() - start, 2000);
      await until('the collector was asked', () => collector.requests.length > 0);
    }
    const { port } = collector;
    collector.server.closeAllConnections();
    await new Promise((done) => collector.server.close(done));
    assert.equal((await stack.finished(await submit(stack, assistant, client.headers))).status, 'completed');
    await until('it is in the log', () => /traces can't be sent now/.test(stack.workers[0].log()));
    await new Promise((done) => collector.server.listen(port, '127.0.0.1', done));
    collector.answer = () => ({ status: 200 });
    await collector.trace(client.traceId, (spans) => spans.filter(({ name }) => name === 'process runs').length === 4, 60000);
    assert.equal(stack.workers[0].log().match(/traces can't be sent now/g).length, 1);
    await until('it is told', () => /traces are sent again/.test(stack.workers[0].log()));
  });
});

test('a program that ends sends what is left', async () => {
  await withTelemetry({}, async (stack, collector) => {
    const client = context();
    const run = await submit(stack, await stack.assistant(), client.headers);
    await until('it ends', () => stack.sql(`SELECT 1 FROM runs WHERE id = '${run.id.slice(4)}' AND status = 'completed'`).length === 1);
    await stack.workers[0].stop();
    assert.ok(collector.spans.some((span) => span.traceId === client.traceId && span.name === 'process runs'));
  });
});

test('a setting that is wrong is refused with what would be right', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    for (const [env, words] of [
      [{ OTEL_TRACES_SAMPLER: 'jaeger' }, /the sampler must be always_on/],
      [{ OTEL_TRACES_SAMPLER_ARG: '2', OTEL_TRACES_SAMPLER: 'traceidratio' }, /must be a number from 0 to 1/],
      [{ OTEL_EXPORTER_OTLP_HEADERS: 'secret' }, /the headers for the collector must be pairs/],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, /OTEL_EXPORTER_OTLP_ENDPOINT/],
    ]) {
      const worker = stack.program('penstock-worker', ['--port', '0'], { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', ...env });
      const { code } = await worker.exited;
      assert.ok(code === 1 || code === 2);
      assert.match(worker.log(), words);
      assert.ok(!worker.log().includes('secret'));
    }
  });
});
