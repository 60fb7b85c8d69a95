// An authorization server of OAuth that misbehaves on demand, and the metadata that lead to it. It notes exactly what came.

import { once } from 'node:events';
import { createServer } from 'node:http';

export class Tokens {
  /** `answer(request, response, body)`: in place of a token; `life`: expires_in. All fields may be changed while it runs. */
  static async start(options = {}) {
    const tokens = new Tokens();
    Object.assign(tokens, { got: [], given: 0, life: 3600, answer: null, documents: {}, held: [], ...options });
    tokens.http = createServer((request, response) => void tokens.#take(request, response));
    tokens.http.listen(0, '127.0.0.1');
    await once(tokens.http, 'listening');
    tokens.host = `127.0.0.1:${tokens.http.address().port}`;
    tokens.issuer = `http://${tokens.host}/tenant`;
    tokens.url = `http://${tokens.host}/token`;
    return tokens;
  }

  get last() {
    return `token-${this.given}-of-the-desk`;
  }

  /** Those who wait get their tokens. */
  release() {
    this.hold = false;
    for (const response of this.held.splice(0)) this.#give(response);
  }

  asked(verb) {
    return this.got.filter((got) => got.verb === verb);
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }

  #give(response) {
    this.given++;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ access_token: this.last, token_type: 'bearer', ...(this.life === undefined ? {} : { expires_in: this.life }) }));
  }

  async #take(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    this.got.push({ verb: request.method, url: request.url, headers: request.headers, form: Object.fromEntries(new URLSearchParams(body)) });
    if (request.method === 'GET') {
      const document = this.documents[request.url];
      if (!document) return void response.writeHead(404).end('not here');
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(typeof document === 'string' ? document : JSON.stringify(document));
    }
    if (this.answer) return void this.answer(request, response);
    if (this.hold) return void this.held.push(response);
    this.#give(response);
  }
}
