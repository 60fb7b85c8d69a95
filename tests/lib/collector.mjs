// A collector of traces for tests: takes OTLP/HTTP as JSON and checks each request by its own reading of the protocol
// (https://opentelemetry.io/docs/specs/otlp/, proto3's JSON with ids in hex), and not by what Penstock happens to send.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { until } from './stack.mjs';

const KINDS = { 1: 'internal', 2: 'server', 3: 'client', 4: 'producer', 5: 'consumer' };
const VALUES = {
  stringValue: (value) => typeof value === 'string',
  intValue: (value) => typeof value === 'string' && /^-?\d{1,19}$/.test(value),
  doubleValue: (value) => typeof value === 'number',
  boolValue: (value) => typeof value === 'boolean',
  arrayValue: (value) => value.values.every((each) => valueOf(each) !== undefined),
};

function valueOf(value) {
  const [[kind, inner], ...more] = Object.entries(value);
  assert.equal(more.length, 0, `one kind of value, not ${JSON.stringify(value)}`);
  assert.ok(VALUES[kind]?.(inner), `a value of its kind, not ${JSON.stringify(value)}`);
  if (kind === 'intValue') return Number(inner);
  return kind === 'arrayValue' ? inner.values.map(valueOf) : inner;
}

function attributesOf(list = []) {
  const names = list.map(({ key }) => key);
  assert.equal(new Set(names).size, names.length, `each attribute once: ${names}`);
  for (const each of list) assert.deepEqual(Object.keys(each), ['key', 'value']);
  return Object.fromEntries(list.map(({ key, value }) => [key, valueOf(value)]));
}

const onlyMembers = (object, ...known) => assert.deepEqual(Object.keys(object).filter((name) => !known.includes(name)), []);

function checkIds(object) {
  assert.match(object.traceId, /^(?!0{32})[0-9a-f]{32}$/);
  assert.match(object.spanId, /^(?!0{16})[0-9a-f]{16}$/);
  assert.ok(Number.isInteger(object.flags) && object.flags & 0x100, 'flags say whether the parent is remote');
}

function readSpan(span, resource) {
  onlyMembers(span, 'traceId', 'spanId', 'traceState', 'parentSpanId', 'flags', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano', 'attributes', 'links', 'status');
  checkIds(span);
  if (span.parentSpanId !== undefined) assert.match(span.parentSpanId, /^(?!0{16})[0-9a-f]{16}$/);
  assert.ok(span.name.length > 0 && KINDS[span.kind]);
  for (const time of [span.startTimeUnixNano, span.endTimeUnixNano]) assert.match(time, /^\d{19}$/);
  assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano));
  assert.ok(span.status === undefined || [0, 1, 2].includes(span.status.code));
  for (const link of span.links ?? []) checkIds(link);
  return {
    ...span,
    kind: KINDS[span.kind],
    remote: Boolean(span.flags & 0x200),
    attributes: attributesOf(span.attributes),
    links: span.links ?? [],
    service: resource['service.name'],
    instance: resource['service.instance.id'],
  };
}

function readRequest(headers, body) {
  assert.equal(headers['content-type'], 'application/json');
  onlyMembers(body, 'resourceSpans');
  return body.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const about = attributesOf(resource.attributes);
    assert.ok(about['service.name']);
    return scopeSpans.flatMap(({ scope, spans }) => {
      assert.equal(scope.name, 'penstock');
      return spans.map((span) => ({ ...readSpan(span, about), resource: about }));
    });
  });
}

export class Collector {
  spans = [];
  requests = [];
  problems = [];
  /** What is answered: {status, headers, body}; never, where it is 'hang'. */
  answer = () => ({ status: 200, body: {} });

  static async start() {
    const collector = new Collector();
    collector.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      collector.#take(request, Buffer.concat(chunks).toString(), response);
    });
    await new Promise((done) => collector.server.listen(0, '127.0.0.1', done));
    collector.port = collector.server.address().port;
    collector.url = `http://127.0.0.1:${collector.port}`;
    return collector;
  }

  #take(request, text, response) {
    const seen = { method: request.method, path: request.url, headers: request.headers, text, spans: [] };
    try {
      seen.spans = readRequest(request.headers, JSON.parse(text));
    } catch (error) {
      this.problems.push(error);
    }
    const answer = this.answer(seen, this.requests.length);
    this.requests.push(seen);
    if (answer === 'hang') return;
    if (answer.status === 200) this.spans.push(...seen.spans);
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(JSON.stringify(answer.body ?? {}));
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
    if (this.problems.length) throw this.problems[0];
  }

  /** The spans of a trace, once `enough` of them says so. */
  trace(traceId, enough, ms) {
    const of = () => this.spans.filter((span) => span.traceId === traceId);
    return until(`the spans of ${traceId}`, () => enough(of()) && of(), ms).catch((error) => {
      throw new Error(`${error.message}; there are ${JSON.stringify(of().map(({ name, service }) => [service, name]))}`);
    });
  }

  /** Spans as a tree of names: {name: {below…}}, of those that stand below `parent` (a span's id). */
  static tree(spans, parent) {
    const below = spans.filter((span) => span.parentSpanId === parent).sort((a, b) => (BigInt(a.startTimeUnixNano) < BigInt(b.startTimeUnixNano) ? -1 : 1));
    return below.map((span) => {
      const more = Collector.tree(spans, span.spanId);
      return more.length ? [span.name, more] : span.name;
    });
  }
}

/** A server that keeps what it was asked, for tools and as a way to a provider of models (`target`: its url). */
export class Listener {
  requests = [];

  static async start(target) {
    const listener = new Listener();
    listener.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      listener.requests.push({ method: request.method, path: request.url, headers: request.headers });
      if (!target) return response.end('ok');
      const { host, connection, 'content-length': length, ...headers } = request.headers;
      const reply = await fetch(target + request.url, { method: request.method, headers, body: chunks.length ? Buffer.concat(chunks) : undefined });
      response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'text/plain' });
      response.end(Buffer.from(await reply.arrayBuffer()));
    });
    await new Promise((done) => listener.server.listen(0, '127.0.0.1', done));
    listener.host = `127.0.0.1:${listener.server.address().port}`;
    listener.url = `http://${listener.host}`;
    return listener;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}
