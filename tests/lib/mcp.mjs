// The Model Context Protocol by hand: one POST a message, in either era, and what came back of it.

import assert from 'node:assert/strict';

export const modern = '2026-07-28';
export const legacy = '2025-11-25';

const metaOf = (version) => ({ 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientCapabilities': {} });

/** A request of the modern era, as {headers, body}; `meta` and `headers` come on top. */
export function request(method, params = {}, { id = 1, meta = {}, headers = {}, version = modern } = {}) {
  return {
    headers: { 'mcp-protocol-version': version, 'mcp-method': method, ...(params.name ? { 'mcp-name': params.name } : {}), ...headers },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...metaOf(version), ...meta } } },
  };
}

/** The messages of a response: one of JSON, or those of a stream. */
export async function messagesOf(response) {
  const text = await response.text();
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return text === '' ? [] : [JSON.parse(text)];
  return text
    .split('\n\n')
    .flatMap((frame) => frame.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => JSON.parse(line.slice(6)));
}

/** Sends a message as it is. Returns {status, headers, messages, last}. */
export async function post(stack, body, headers = {}, signal = undefined) {
  const response = await fetch(`${stack.url}/mcp`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const messages = await messagesOf(response);
  return { status: response.status, headers: response.headers, messages, last: messages.at(-1) };
}

/** A request of the modern era, and its result. */
export async function ask(stack, method, params = {}, options = {}) {
  const { headers, body } = request(method, params, options);
  const reply = await post(stack, body, headers, options.signal);
  assert.equal(reply.status, 200, JSON.stringify(reply.last));
  assert.equal(reply.last.id, body.id);
  assert.ok(reply.last.result, JSON.stringify(reply.last));
  return { ...reply.last.result, told: reply.messages.slice(0, -1) };
}

export const call = (stack, name, args = {}, options = {}) => ask(stack, 'tools/call', { name, arguments: args }, options);

/** A client of the legacy era: `initialize`, and then requests with its session. */
export class Legacy {
  static async open(stack, version = legacy) {
    const client = new Legacy();
    Object.assign(client, { stack, version, id: 0 });
    const reply = await post(stack, { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: version, capabilities: {}, clientInfo: { name: 'test', version: '1' } } });
    assert.equal(reply.status, 200, JSON.stringify(reply.last));
    client.hello = reply.last.result;
    client.session = reply.headers.get('mcp-session-id');
    client.headers = { 'mcp-session-id': client.session, 'mcp-protocol-version': client.hello.protocolVersion };
    assert.equal((await client.notify('notifications/initialized')).status, 202);
    return client;
  }

  notify(method, params = undefined) {
    return post(this.stack, { jsonrpc: '2.0', method, params }, this.headers);
  }

  send(method, params = {}, signal = undefined) {
    return post(this.stack, { jsonrpc: '2.0', id: ++this.id, method, params }, this.headers, signal);
  }
}
