// What tools call: it keeps count of what it did for which idempotency key, before it answers.

import { createServer } from 'node:http';
import { once } from 'node:events';

export class ToolServer {
  static async open() {
    const tools = new ToolServer();
    tools.ledger = new Map(); // key -> [time of each execution]
    tools.paths = new Map(); // of declared tools, whose paths are each one call's: the keys by which it was asked for
    tools.withoutKey = 0;
    tools.http = createServer((request, response) => tools.#serve(request, response)).listen(0, '127.0.0.1');
    tools.http.keepAliveTimeout = 2000; // connections that end just as they are used again
    await once(tools.http, 'listening');
    tools.port = tools.http.address().port;
    return tools;
  }

  #serve(request, response) {
    request.resume();
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const url = new URL(request.url, 'http://tools');
      const key = request.headers['idempotency-key'];
      if (!key) this.withoutKey++;
      const times = this.ledger.get(key) ?? [];
      times.push(Date.now());
      this.ledger.set(key, times);
      if (/^\/(tickets|orders)\//.test(url.pathname)) this.paths.set(url.pathname, (this.paths.get(url.pathname) ?? new Set()).add(key));
      const reply = () => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"done":"${url.pathname}"}`);
      setTimeout(reply, Number(url.searchParams.get('wait') ?? 0));
    });
  }

  get executions() {
    let sum = 0;
    for (const times of this.ledger.values()) sum += times.length;
    return sum;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}
