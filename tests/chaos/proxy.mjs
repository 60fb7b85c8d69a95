// A TCP proxy that does to connections what networks do.
//
//   cut       RST to both sides, now (a unix socket knows only an end)
//   delay     every chunk arrives so much later, in order
//   freeze    half-open: what is sent vanishes, neither side notices; for good, for the connections of that moment
//   blackhole as freeze, and new connections are taken and swallowed, too, until heal()
//   refuse    new connections are reset until heal()
//
// A frozen connection never comes back: whoever waits on it has to notice by himself. Its other side is not told that
// the client gave up until the fault is over, as when a host or its network has gone.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

class Link {
  constructor(proxy, client) {
    this.proxy = proxy;
    this.client = client;
    this.server = connect({ ...proxy.target, allowHalfOpen: true });
    this.frozenAt = 0;
    this.noticedAt = 0;
    this.#pipe(client, this.server);
    this.#pipe(this.server, client);
    for (const socket of [client, this.server]) {
      socket.setNoDelay?.(true);
      socket.on('error', () => {});
    }
    client.on('close', (failed) => this.#closed('client', failed));
    this.server.on('close', (failed) => this.#closed('server', failed));
  }

  #pipe(from, to) {
    const queue = [];
    let busy = false;
    const pump = () => {
      while (queue.length > 0) {
        const wait = queue[0].due - Date.now();
        if (wait > 0) {
          setTimeout(pump, wait);
          return;
        }
        const { chunk } = queue.shift();
        if (this.frozenAt || to.destroyed) continue;
        if (chunk === null) to.end();
        else if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      }
      busy = false;
    };
    const add = (chunk) => {
      if (this.frozenAt) {
        if (chunk === null) this.#closed(from === this.client ? 'client' : 'server', true);
        return;
      }
      queue.push({ chunk, due: this.proxy.delayMs ? Date.now() + this.proxy.delayMs : 0 });
      if (busy) return;
      busy = true;
      pump();
    };
    from.on('data', add);
    from.on('end', () => add(null));
  }

  #closed(side, failed) {
    if (this.frozenAt && side === 'client' && !this.noticedAt) this.noticedAt = Date.now();
    if (this.frozenAt && this.proxy.faulty) return; // heal() ends the other side
    if (failed || this.frozenAt || (this.client.destroyed && this.server.destroyed)) this.cut();
  }

  freeze() {
    this.frozenAt ||= Date.now();
  }

  cut() {
    if (!this.client.destroyed) this.client.resetAndDestroy();
    if (!this.server.destroyed) this.proxy.target.path ? this.server.destroy() : this.server.resetAndDestroy();
    this.proxy.links.delete(this);
    if (this.frozenAt) this.proxy.noticed.push({ afterMs: this.noticedAt ? this.noticedAt - this.frozenAt : null });
    this.frozenAt = 0;
  }
}

export class Proxy {
  /** target: what net.connect takes, {path} or {host, port}. */
  static async open(name, target) {
    const proxy = new Proxy();
    Object.assign(proxy, { name, target, links: new Set(), noticed: [], delayMs: 0, faulty: 0, blackhole: false, refuse: false, total: 0 });
    proxy.server = createServer({ allowHalfOpen: true }, (client) => proxy.#take(client)).listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  #take(client) {
    this.total++;
    if (this.refuse) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const link = new Link(this, client);
    this.links.add(link);
    if (this.blackhole) link.freeze();
  }

  /** pick(link): which connections; all without it. */
  cut(pick = () => true) {
    for (const link of [...this.links]) if (pick(link)) link.cut();
  }

  freeze(pick = () => true) {
    this.faulty++;
    for (const link of this.links) if (pick(link)) link.freeze();
  }

  startBlackhole() {
    this.freeze();
    this.blackhole = true;
  }

  /** Ends every fault. Frozen connections whose client has given up end on their other side, too; others stay frozen. */
  heal() {
    Object.assign(this, { delayMs: 0, faulty: 0, blackhole: false, refuse: false });
    for (const link of [...this.links]) if (link.noticedAt) link.cut();
  }

  get frozen() {
    return [...this.links].filter((link) => link.frozenAt && !link.noticedAt).length;
  }

  async close() {
    this.server.close();
    this.cut();
  }
}
