// A TCP proxy in front of a unix socket, for cutting a program off from a server in the ways that networks do.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class TcpProxy {
  /** Listens on a free port of 127.0.0.1 and passes connections on to the socket at `path`. */
  static async start(path) {
    const proxy = new TcpProxy();
    proxy.pairs = new Set();
    proxy.frozen = false;
    proxy.server = createServer((near) => {
      const far = connect({ path });
      const pair = [near, far];
      proxy.pairs.add(pair);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        from.on('data', (chunk) => to.write(chunk));
        from.on('error', () => {});
        from.on('close', () => {
          to.destroy();
          proxy.pairs.delete(pair);
        });
        if (proxy.frozen) from.pause();
      }
    }).listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  /** From now on nothing gets through; connections stay open and take data, as behind a router that drops packets. */
  freeze() {
    this.frozen = true;
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  thaw() {
    this.frozen = false;
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  /** What there is of connections is half-open from now on, for good; new ones work. */
  strand() {
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  /** Ends every connection at once. */
  cut() {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
