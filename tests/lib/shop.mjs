// A server with a ledger of its own, which declared tools talk to: it notes exactly what came.

import { once } from 'node:events';
import { createServer } from 'node:http';

export const masterKey = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');

export class Shop {
  /** `answer(got, response)`: how it answers; what it got, otherwise. Paths with "slow" are answered once it is released. */
  static async start(answer) {
    const shop = new Shop();
    shop.got = [];
    shop.held = [];
    shop.answer = answer;
    shop.server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      const got = { method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders, body: Buffer.concat(pieces).toString() };
      got.key = request.headers['idempotency-key'];
      shop.got.push(got);
      const reply = () => {
        if (shop.answer) return shop.answer(got, response);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ method: got.method, url: got.url, data: { order: { id: 7, state: 'sent' } } }));
      };
      if (shop.open || !request.url.includes('slow')) reply();
      else shop.held.push(reply);
    });
    shop.server.listen(0, '127.0.0.1');
    await once(shop.server, 'listening');
    shop.host = `127.0.0.1:${shop.server.address().port}`;
    shop.url = `http://${shop.host}`;
    return shop;
  }

  release() {
    this.open = true;
    for (const reply of this.held.splice(0)) reply();
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
