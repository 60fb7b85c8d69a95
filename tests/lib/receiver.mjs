// A receiver of webhooks for tests: an HTTP server that notes what it is sent and answers as it is told.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** What Standard Webhooks asks of a receiver. Throws where something is wrong. */
export function verify(secret, headers, body, now = Date.now() / 1000) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const at = Number(headers['webhook-timestamp']);
  if (!(Math.abs(now - at) <= 300)) throw new Error(`the timestamp ${headers['webhook-timestamp']} is too old or too new`);
  const right = createHmac('sha256', key).update(`${headers['webhook-id']}.${at}.${body}`).digest();
  const found = headers['webhook-signature'].split(' ').some((each) => {
    const said = Buffer.from(each.replace(/^v1,/, ''), 'base64');
    return each.startsWith('v1,') && said.length === right.length && timingSafeEqual(said, right);
  });
  if (!found) throw new Error(`no signature of ${headers['webhook-signature']} is right`);
}

export class Receiver {
  /** `answer(request, response, got)`: how it answers; 200 otherwise. */
  static async start(answer) {
    const receiver = new Receiver();
    receiver.got = [];
    receiver.answer = answer;
    receiver.server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const got = { path: request.url, headers: request.headers, body, event: JSON.parse(body), at: Date.now() };
      receiver.got.push(got);
      if (receiver.answer) return receiver.answer(request, response, got);
      response.end('fine');
    });
    receiver.server.on('clientError', () => {});
    receiver.server.listen(0, '127.0.0.1');
    await once(receiver.server, 'listening');
    receiver.port = receiver.server.address().port;
    receiver.url = `http://127.0.0.1:${receiver.port}/hook`;
    return receiver;
  }

  of(type) {
    return this.got.filter((each) => each.event.type === type);
  }

  ids() {
    return new Set(this.got.map((each) => each.headers['webhook-id']));
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
