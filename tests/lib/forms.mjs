// Forms of files as clients send them, and as none would: bytes over a socket of our own.

import { connect } from 'node:net';

export const BOUNDARY = 'frontier-7f3';

const field = (name, value) => Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);

const part = (name, filename, bytes) =>
  Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);

/** A whole form: `parts` are [name, value], or [name, value, filename]. */
export const form = (...parts) => Buffer.concat([...parts.map(([name, value, filename]) => (filename === undefined ? field(name, value) : part(name, filename, value))), Buffer.from(`--${BOUNDARY}--\r\n`)]);

/** The reply to a POST whose body is `chunks` (buffers, or functions that are awaited in between); {cut: true} leaves before the body ends. */
export function post(stack, path, chunks, { type = `multipart/form-data; boundary=${BOUNDARY}`, length, headers = {}, cut = false } = {}) {
  const bodies = [chunks].flat();
  const bytes = length ?? bodies.reduce((sum, one) => sum + (typeof one === 'function' ? 0 : one.length), 0);
  const chunked = length === null;
  const all = {
    Host: 'penstock',
    Authorization: `Bearer ${stack.key}`,
    ...(type === undefined || type === null ? {} : { 'Content-Type': type }),
    ...(chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': bytes }),
    ...headers,
  };
  const head = `POST ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(stack.port, '127.0.0.1');
    let reply = Buffer.alloc(0);
    const done = () => {
      socket.destroy();
      const text = reply.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
      let body = reply.subarray(end + 4).toString();
      try {
        body = JSON.parse(body);
      } catch {
        // stays text
      }
      resolve({ status, head: text.slice(0, end), body });
    };
    const whole = () => {
      const end = reply.indexOf('\r\n\r\n');
      const length = end < 0 ? null : /content-length: (\d+)/i.exec(reply.subarray(0, end).toString());
      return length && reply.length >= end + 4 + Number(length[1]);
    };
    socket.on('data', (data) => {
      reply = Buffer.concat([reply, data]);
      if (whole()) done();
    });
    socket.on('end', done);
    socket.on('error', (error) => (reply.length > 0 ? done() : cut ? resolve({ status: 0 }) : reject(error)));
    const write = (data) => new Promise((next) => (socket.destroyed || socket.write(data, () => next()) ? next() : socket.once('drain', next)));
    (async () => {
      await write(head);
      for (const one of bodies) {
        if (socket.destroyed) return;
        if (typeof one === 'function') {
          await one();
          continue;
        }
        if (chunked) await write(`${one.length.toString(16)}\r\n`);
        await write(one);
        if (chunked) await write('\r\n');
      }
      if (cut) {
        socket.destroy();
        resolve({ status: 0 });
      } else if (chunked) await write('0\r\n\r\n');
    })().catch(() => {});
  });
}

/** A file by the form that fetch makes. */
export async function send(stack, bytes, { filename = 'a.bin', purpose = 'user_data', headers = {}, ...more } = {}) {
  const body = new FormData();
  body.append('purpose', purpose);
  for (const [name, value] of Object.entries(more)) body.append(name, value);
  body.append('file', new Blob([bytes]), filename);
  const reply = await fetch(`${stack.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}`, ...headers }, body });
  return { status: reply.status, headers: reply.headers, body: await reply.json() };
}

export async function content(stack, id, headers = {}, method = 'GET') {
  const reply = await fetch(`${stack.url}/v1/files/${id}/content`, { method, headers: { authorization: `Bearer ${stack.key}`, ...headers } });
  return { status: reply.status, headers: reply.headers, bytes: Buffer.from(await reply.arrayBuffer()) };
}

/** Bytes that compress to nothing like themselves, the same for the same seed. */
export function noise(count, seed = 1) {
  const bytes = Buffer.alloc(count);
  let x = seed * 2654435761 + 1;
  for (let i = 0; i < count; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}
