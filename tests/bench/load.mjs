// The clients of the benchmark: node:http on at most 32 kept connections and with a body that is made once, because they
// share the cores with what is measured.

import { Agent, request } from 'node:http';
import { sleep } from '../lib/stack.mjs';

const CONNECTIONS = 32;

export class Client {
  constructor(stack, assistant, prompt = 'standard') {
    this.agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    this.url = new URL(stack.url);
    this.body = JSON.stringify({ assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: prompt }] } });
    this.authorization = `Bearer ${stack.key}`;
  }

  call(method, path, body) {
    return new Promise((done, fail) => {
      const headers = { authorization: this.authorization };
      if (body) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      const out = request({ agent: this.agent, host: this.url.hostname, port: this.url.port, method, path, headers }, (reply) => {
        const chunks = [];
        reply.on('data', (chunk) => chunks.push(chunk));
        reply.on('error', fail);
        reply.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (reply.statusCode < 300) done(text);
          else fail(new Error(`${method} ${path}: ${reply.statusCode} ${text}`));
        });
      });
      out.on('error', fail);
      out.end(body);
    });
  }

  submit() {
    return this.call('POST', '/v1/threads/runs', this.body);
  }

  /** `count` runs as fast as the connections carry them. */
  async submitAll(count, connections = CONNECTIONS) {
    let next = 0;
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (next++ < count) await this.submit();
      }),
    );
  }

  /** `count` polls of these runs in turn, as fast as the connections carry them. */
  async pollAll(runs, count) {
    let next = 0;
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        for (let at = next++; at < count; at = next++) {
          const run = runs[at % runs.length];
          await this.call('GET', `/v1/threads/${run.thread_id}/runs/${run.id}`);
        }
      }),
    );
  }

  /** Milliseconds from the first byte sent to an answer that says "completed". */
  async submitAndWatch() {
    const start = performance.now();
    const run = JSON.parse(await this.submit());
    for (;;) {
      const text = await this.call('GET', `/v1/threads/${run.thread_id}/runs/${run.id}`);
      if (text.includes('"status":"completed"')) return performance.now() - start;
      await sleep(1);
    }
  }

  /**
   * `count` runs at `rate` a second, whatever becomes of them. One in `watched` is polled until it is completed. Returns the
   * times that those took.
   */
  async submitAtRate(count, rate, watched) {
    const start = performance.now();
    const seen = [];
    const all = [];
    while (all.length < count) {
      const due = Math.min(count, Math.floor(((performance.now() - start) * rate) / 1000));
      while (all.length < due)
        all.push(all.length % watched === 0 ? this.submitAndWatch().then((ms) => seen.push(ms)) : this.submit());
      await sleep(1);
    }
    await Promise.all(all);
    return seen;
  }

  close() {
    this.agent.destroy();
  }
}
