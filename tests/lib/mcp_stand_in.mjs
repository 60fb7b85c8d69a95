// A server of the Model Context Protocol that misbehaves on demand, in both eras of the protocol. It notes exactly what came.

import { once } from 'node:events';
import { createServer } from 'node:http';

const versions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
const modern = '2026-07-28';
const text = (value) => ({ content: [{ type: 'text', text: value }] });
const object = (properties = {}, required = []) => ({ type: 'object', properties, required });

export const tools = {
  echo: { description: 'Says it back.', inputSchema: object({ text: { type: 'string' } }, ['text']), annotations: { readOnlyHint: true }, call: ({ text: said }) => text(`echo: ${said}`) },
  ticket_create: { description: 'Creates a ticket.', inputSchema: object({ title: { type: 'string' } }, ['title']), call: ({ title }, server) => text(`ticket ${server.tickets.push(title)}`) },
  set_state: { description: 'Idempotent.', inputSchema: object({ state: { type: 'string' } }), annotations: { idempotentHint: true }, call: ({ state }) => text(`state ${state}`) },
  count: { description: 'Counts within its session.', inputSchema: object(), call: (_, server, context) => text(`count ${(context.session.count = (context.session.count ?? 0) + 1)}`) },
  fail: { description: 'Fails.', inputSchema: object(), call: () => ({ ...text('no such order'), isError: true }) },
  refuse: { description: 'Refuses.', inputSchema: object(), call: () => ({ error: { code: -32602, message: 'these arguments are wrong' } }) },
  big: { description: 'A megabyte.', inputSchema: object(), call: () => text('ä'.repeat(1 << 19)) },
  structured: { description: 'Data alone.', inputSchema: object(), call: () => ({ content: [], structuredContent: { order: 7, state: 'sent' } }) },
  media: {
    description: 'All kinds of content.',
    inputSchema: object(),
    call: () => ({
      content: [
        { type: 'text', text: 'a picture:' },
        { type: 'image', mimeType: 'image/png', data: 'A'.repeat(1200) },
        { type: 'audio', mimeType: 'audio/wav', data: 'A'.repeat(400) },
        { type: 'resource_link', uri: 'file:///etc/passwd', name: 'passwords' },
        { type: 'resource', resource: { uri: 'note://1', mimeType: 'text/plain', text: 'remember' } },
        { type: 'resource', resource: { uri: 'data://1', mimeType: 'application/zip', blob: 'A'.repeat(80) } },
        { type: 'hologram' },
      ],
    }),
  },
  slow: { description: 'Answers when it is released.', inputSchema: object(), call: (_, server) => server.held() },
  progress: { description: 'Tells of its progress until it is released.', inputSchema: object(), call: (_, server, context) => server.progressing(context) },
  ask_user: { description: 'Asks for input.', inputSchema: object(), call: () => ({ resultType: 'input_required', inputRequests: {} }) },
  die: { description: 'Cuts the connection.', inputSchema: object(), call: (_, server, context) => void context.response.destroy() },
  cut: { description: 'Ends its stream without a result.', inputSchema: object(), call: (_, server, context) => void context.response.end() },
  nonsense: { description: 'Answers what is no JSON.', inputSchema: object(), call: (_, server, context) => void context.response.end('{"jsonrpc": "2.0", "id": ') },
};

export class Mcp {
  /** `era`: "modern", "legacy" or "both"; `names`: of the tools above; `tools`: instead of those. All fields may be changed while it runs. */
  static async start(options = {}) {
    const server = new Mcp();
    Object.assign(server, {
      era: 'legacy', names: Object.keys(tools), tools: null, pages: 0, sse: true, stateless: false, token: null, lost: 404, got: [], tickets: [], cancelled: [], pongs: [],
      sessions: new Map(), waiting: [], pings: false, listChanged: false, answer: null, ttlMs: undefined, ...options,
    });
    server.http = createServer((request, response) => void server.#take(request, response));
    server.http.listen(options.port ?? 0, '127.0.0.1');
    await once(server.http, 'listening');
    server.host = `127.0.0.1:${server.http.address().port}`;
    server.url = `http://${server.host}/mcp`;
    return server;
  }

  /** Tools are held until this. */
  release(value = 'released') {
    for (const done of this.waiting.splice(0)) done(value);
  }

  held() {
    return new Promise((done) => this.waiting.push(done)).then(text);
  }

  /** Tells of progress every 50 ms until it is released. */
  async progressing(context) {
    const token = context.rpc.params?._meta?.progressToken;
    let step = 0;
    const timer = setInterval(() => token !== undefined && context.say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: ++step } }), 50);
    try {
      return await this.held();
    } finally {
      clearInterval(timer);
    }
  }

  calls(method) {
    return this.got.filter((got) => got.rpc?.method === method);
  }

  forgetSessions() {
    this.sessions.clear();
  }

  stop() {
    this.release();
    this.http.closeAllConnections();
    this.http.close();
  }

  list() {
    const own = this.tools ?? this.names.map((name) => ({ name, ...tools[name] }));
    return own.map(({ call, ...tool }) => tool);
  }

  #page(cursor) {
    const all = this.list();
    if (!this.pages) return { tools: all };
    const from = cursor === undefined ? 0 : Number(cursor);
    const next = from + this.pages;
    if (this.repeatCursor) return { tools: all.slice(from, next), nextCursor: '1' };
    return { tools: all.slice(from, next), ...(next < all.length ? { nextCursor: String(next) } : {}) };
  }

  async #take(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    const got = { verb: request.method, url: request.url, headers: request.headers, body };
    try {
      got.rpc = JSON.parse(body);
    } catch {
      got.rpc = null;
    }
    this.got.push(got);
    if (this.answer && this.answer(got, response) !== false) return;
    if (this.token && request.headers.authorization !== this.token) return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    const rpc = got.rpc;
    if (!rpc) return void response.writeHead(400).end('bad');
    if (rpc.result !== undefined || (rpc.error && !rpc.method)) {
      this.pongs.push(rpc);
      return void response.writeHead(202).end();
    }
    if (rpc.id === undefined) {
      if (rpc.method === 'notifications/cancelled') this.cancelled.push(rpc.params);
      return void response.writeHead(202).end();
    }
    await this.#answer(got, response);
  }

  #refuse(response, status, code, message, rpc, data) {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: rpc?.id ?? null, error: { code, message, data } }));
  }

  async #answer(got, response) {
    const { rpc, headers } = got;
    const says = rpc.params?._meta?.['io.modelcontextprotocol/protocolVersion'];
    if (says) {
      if (this.era === 'legacy') return this.#refuse(response, 400, -32000, 'Bad Request: Server not initialized', null);
      if (says !== modern) return this.#refuse(response, 400, -32022, 'unsupported version', rpc, { supported: [modern] });
      const name = rpc.params?.name;
      if (headers['mcp-protocol-version'] !== modern || headers['mcp-method'] !== rpc.method || (rpc.method === 'tools/call' && headers['mcp-name'] !== name))
        return this.#refuse(response, 400, -32020, 'a header says something else', rpc);
      if (rpc.method === 'initialize') return this.#refuse(response, 404, -32601, 'no such method', rpc);
      return this.#perform(got, response, { count: 0 }, true);
    }
    if (this.era === 'modern') return this.#refuse(response, 400, -32020, 'a header is missing', rpc);
    if (rpc.method === 'initialize') {
      const version = versions.includes(rpc.params.protocolVersion) ? rpc.params.protocolVersion : versions[0];
      const id = `s-${Math.random().toString(36).slice(2)}`;
      if (!this.stateless) {
        this.sessions.set(id, {});
        response.setHeader('mcp-session-id', id);
      }
      return this.#send(response, rpc, { protocolVersion: version, capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'stand-in', version: '1' } }, false);
    }
    const session = this.stateless ? {} : this.sessions.get(headers['mcp-session-id']);
    if (!session) {
      if (this.lost === 404) return this.#refuse(response, 404, -32001, 'Session not found', rpc);
      return this.#refuse(response, this.lost, -32000, 'Bad Request: No valid session ID provided', rpc);
    }
    return this.#perform(got, response, session, false);
  }

  #send(response, rpc, result, isModern) {
    const message = { jsonrpc: '2.0', id: rpc.id, ...(result?.error ? { error: result.error } : { result: isModern ? { resultType: 'complete', ...result } : result }) };
    if (response.writableEnded || response.destroyed) return;
    if (!this.sse) {
      response.setHeader('content-type', 'application/json');
      return void response.end(JSON.stringify(message));
    }
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    if (!this.keepOpen) response.end();
  }

  async #perform(got, response, session, isModern) {
    const { rpc } = got;
    const say = (message) => {
      if (response.writableEnded || response.destroyed) return;
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(message)}\n\n`);
    };
    if (this.sse && !isModern) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': hello\n\nid: 1\ndata:\n\n');
      if (this.pings) say({ jsonrpc: '2.0', id: 'ping-1', method: 'ping' });
      if (this.pings) say({ jsonrpc: '2.0', id: 99, method: 'sampling/createMessage', params: {} });
      if (this.listChanged) say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    }
    if (rpc.method === 'tools/list') return this.#send(response, rpc, { ...this.#page(rpc.params?.cursor), ...(this.ttlMs === undefined ? {} : { ttlMs: this.ttlMs }) }, isModern);
    if (rpc.method !== 'tools/call') return this.#send(response, rpc, { error: { code: -32601, message: 'no such method' } }, isModern);
    const tool = this.tools?.find((one) => one.name === rpc.params.name) ?? tools[rpc.params.name];
    if (!tool) return this.#send(response, rpc, { ...text(`unknown tool ${rpc.params.name}`), isError: true }, isModern);
    const result = await (tool.call ?? (() => text('done')))(rpc.params.arguments ?? {}, this, { rpc, response, session, say });
    if (result) this.#send(response, rpc, result, isModern);
  }
}
