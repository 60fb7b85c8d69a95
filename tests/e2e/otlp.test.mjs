// Traces as OpenTelemetry's own definition of the protocol reads them: the messages that the package @opentelemetry/otlp-transformer has made from
// opentelemetry-proto. What it does not know is lost on the way through its binary form, so what comes back is what was sent only where all of it is right.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import OpenAI from 'openai-v6';
import { Collector } from '../lib/collector.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { until } from '../lib/stack.mjs';
import { Dev } from './dev.mjs';

const { opentelemetry } = createRequire(import.meta.url)('@opentelemetry/otlp-transformer/build/src/generated/root.js');
const { ExportTraceServiceRequest } = opentelemetry.proto.collector.trace.v1;

/** Ids are hex in OTLP's JSON, and not base64 as elsewhere in that of protobuf. */
const IDS = ['traceId', 'spanId', 'parentSpanId'];
const mapped = (value, change) => {
  if (Array.isArray(value)) return value.map((each) => mapped(each, change));
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, IDS.includes(name) ? change(inner) : mapped(inner, change)]));
};
/** Lists that are empty are the same as none. */
const full = (value) => {
  if (Array.isArray(value)) return value.map(full);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => !Array.isArray(inner) || inner.length).map(([name, inner]) => [name, full(inner)]));
};

/** A request as the definition understands it, by way of its bytes. */
function understood(json) {
  const bytes = ExportTraceServiceRequest.encode(ExportTraceServiceRequest.fromObject(mapped(json, (hex) => Buffer.from(hex, 'hex')))).finish();
  const read = ExportTraceServiceRequest.decode(bytes);
  assert.equal(ExportTraceServiceRequest.verify(read), null);
  const object = ExportTraceServiceRequest.toObject(read, { longs: String, enums: Number, bytes: Buffer, oneofs: false });
  return mapped(object, (id) => Buffer.from(id).toString('hex'));
}

let dev;
let collector;
let to;
before(async () => {
  collector = await Collector.start();
  to = await Receiver.start((request, response) => { response.statusCode = 500; response.end(); });
  dev = await Dev.start({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=t%C3%A9st',
      PENSTOCK_TELEMETRY_CONTENT: 'on',
      PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8',
    },
  });
});
after(async () => {
  await dev?.stop();
  dev?.remove();
  await to?.stop();
  await collector?.stop();
});

test('each request is understood whole: spans, kinds, links, states, values and failures', async () => {
  const openai = new OpenAI({ baseURL: `${dev.url}/v1`, apiKey: dev.key, maxRetries: 0, defaultHeaders: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'rojo=1' } });
  const ask = (method, path, body) => fetch(dev.url + path, { method, headers: { authorization: `Bearer ${dev.key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  assert.equal((await ask('POST', '/v1/webhooks', { url: to.url, events: ['run.*'] })).status, 200);
  const assistant = await openai.beta.assistants.create({ model: 'openai/gpt-4o-mini', name: 'Ünï', tools: [{ type: 'calculator' }] });
  const run = await openai.beta.threads.createAndRunPoll({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'What is 6 * 7?' }] } }, { pollIntervalMs: 100 });
  assert.equal(run.status, 'completed');
  const lines = [JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: { model: 'openai/text-embedding-3-small', input: 'hi' } })].join('\n');
  const file = await openai.files.create({ purpose: 'batch', file: new File([lines], 'lines.jsonl') });
  await openai.batches.create({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' });
  await openai.chat.completions.create({ model: 'openai/nobody-has-this', messages: [{ role: 'user', content: 'hi' }] }).catch(() => {});
  const wanted = ['POST webhook', 'process runs', 'create runs', 'send runs', 'execute_tool calculator', 'embeddings text-embedding-3-small'];
  const missing = () => wanted.filter((name) => !collector.spans.some((span) => span.name === name));
  await until('the spans', () => missing().length === 0, 15000).catch((error) => assert.fail(`${error.message}: there are no ${missing()}, but ${collector.spans.map(({ name }) => name)}; ${collector.problems}`));

  const bodies = collector.requests.map(({ text }) => JSON.parse(text));
  const spansOf = ({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  for (const body of bodies) {
    const read = understood(body);
    spansOf(body).forEach((span, i) => assert.deepEqual(full(spansOf(read)[i]), full(span))); // one by one: what differs is short then
    assert.ok(isDeepStrictEqual(full(read), full(body)), 'and what is around the spans');
  }
  const spans = bodies.flatMap(spansOf);
  const kinds = Object.entries(opentelemetry.proto.trace.v1.Span.SpanKind).filter(([, number]) => spans.some(({ kind }) => kind === number)).map(([name]) => name);
  assert.deepEqual(kinds.filter((name) => name.startsWith('SPAN_KIND')).sort(), ['SPAN_KIND_CLIENT', 'SPAN_KIND_CONSUMER', 'SPAN_KIND_INTERNAL', 'SPAN_KIND_PRODUCER', 'SPAN_KIND_SERVER']);
  assert.ok(spans.some(({ status }) => status?.code === opentelemetry.proto.trace.v1.Status.StatusCode.STATUS_CODE_ERROR));
  assert.ok(spans.some(({ links }) => links?.length));
  assert.ok(spans.some(({ traceState }) => traceState === 'rojo=1'));
  const values = new Set(spans.flatMap(({ attributes }) => attributes.map(({ value }) => Object.keys(value)[0])));
  for (const kind of ['stringValue', 'intValue', 'doubleValue', 'arrayValue']) assert.ok(values.has(kind), kind);
});

test('what would not be understood is found', () => {
  const span = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', name: 'x', kind: 3, startTimeUnixNano: '1', endTimeUnixNano: '2' };
  const of = (more) => ({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: 'penstock' }, spans: [{ ...span, ...more }] }] }] });
  assert.deepEqual(understood(of({})), of({}));
  for (const wrong of [{ spanKind: 3 }, { trace_state: 'a=1' }, { attributes: [{ key: 'a', value: { intvalue: '1' } }] }, { status: { code: 2, text: 'x' } }])
    assert.notDeepEqual(understood(of(wrong)), of(wrong), JSON.stringify(wrong));
});
