// Receivers of webhooks that do what no receiver should, and tenants that have many of them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { Receiver } from '../lib/receiver.mjs';
import { Stack, checkTook, until } from '../lib/stack.mjs';

let stack;
const open = [];

before(async () => {
  stack = await Stack.start({ script: "rules: [{name: any, then: {text: 'Done.'}}]\n", env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } });
});

after(async () => {
  if (process.exitCode || process.env.SHOW) stack.showLogs();
  for (const each of open) await each();
  const bad = (await stack?.stop()) ?? [];
  assert.deepEqual(bad, []);
});

/** A server that does with each connection what it likes. */
async function raw(talk) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let begun = false;
    socket.on('data', () => {
      if (begun) return;
      begun = true;
      talk(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => { for (const socket of sockets) socket.destroy(); server.close(); });
  return server.address().port;
}

/** Writes again and again, as fast as it is taken. */
function flood(socket, block) {
  const more = () => { while (!socket.destroyed && socket.write(block)); };
  socket.on('drain', more);
  more();
}

function slowly(socket, text, ms) {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length]), ms);
  socket.on('close', () => clearInterval(timer));
}

test('whatever a receiver says is noted, each by its own, and no other waits for it', async () => {
  const as = stack.tenant('odd');
  const agent = await as.assistant();
  const say = (text) => (socket) => socket.end(text);
  const kinds = {
    slow_headers: [(socket) => slowly(socket, 'HTTP/1.1 200 OK\r\nX-A: ' + 'a'.repeat(1000), 200), /no complete response|no further byte/],
    endless_headers: [(socket) => { socket.write('HTTP/1.1 200 OK\r\n'); flood(socket, 'X-Header: some value of it\r\n'.repeat(100)); }, /too many headers|larger than/],
    one_header_line: [(socket) => { socket.write('HTTP/1.1 200 OK\r\nX: '); flood(socket, 'x'.repeat(65536)); }, /too long|larger than/],
    interim: [(socket) => flood(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(100)), /larger than/],
    upgrade: [say('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'), /./],
    not_http: [say('SSH-2.0-OpenSSH_9.2\r\n'), /not valid HTTP|closed/],
    tls_nonsense: [say('\x15\x03\x01\x00\x02\x02\x28'), /./, 'https'],
    tls_garbage: [(socket) => flood(socket, Buffer.alloc(4096, 0x16)), /./, 'https'],
    nothing: [say(''), /without a reply|closed/],
    half_a_head: [say('HTTP/1.1 200 OK\r\nContent-Le'), /./],
    lies: [say('HTTP/1.1 500 No\r\nContent-Length: 99999999999999999999\r\n\r\n'), /./],
    binary: [say(Buffer.from('HTTP/1.1 500 \xff\xfe\r\nContent-Length: 9\r\n\r\n\x00\xff\xc3(\x01\x1b[2J', 'latin1')), /^It answered 500\.$/],
    status: [say('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'), /^It answered 999\.$/],
    redirects: [say('HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n'), /redirects are not followed/],
    much_later: [say('HTTP/1.1 429 No\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n'), /^It answered 429\.$/],
    before: [say('HTTP/1.1 503 No\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n'), /^It answered 503\.$/],
    an_hour: [say('HTTP/1.1 429 No\r\nRetry-After: 2147483647\r\nContent-Length: 0\r\n\r\n'), /^It answered 429\.$/],
    a_date: [say('HTTP/1.1 429 No\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n'), /^It answered 429\.$/],
    gzip_bomb: [(socket) => { socket.write('HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n'); flood(socket, '1000\r\n' + '\x1f\x8b'.repeat(2048) + '\r\n'); }, /^It answered 500\.$/],
    bad_chunks: [say('HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nZZZZ\r\nx\r\n'), /./],
  };
  const well = await Receiver.start();
  open.push(() => well.stop());
  const good = await as.ok('POST', '/v1/webhooks', { url: well.url, events: ['run.completed'] });
  const hooks = {};
  for (const [name, [talk, , scheme = 'http']] of Object.entries(kinds))
    hooks[name] = await as.ok('POST', '/v1/webhooks', { url: `${scheme}://127.0.0.1:${await raw(talk)}/`, events: ['run.completed'], name });
  const start = Date.now();
  await as.finished(await as.submit(agent, 'hi'));
  await until('the one that is well is told', () => well.got.length === 1);
  checkTook(Date.now() - start, 5000, 'the one that is well');
  for (const [name, [, error]] of Object.entries(kinds)) {
    const one = await until(`${name} is tried`, async () => {
      const [first] = (await as.ok('GET', `/v1/webhooks/${hooks[name].id}/deliveries`)).data;
      return first?.attempts.length > 0 && first;
    }, 40000);
    assert.equal(one.state, 'pending', name);
    assert.match(one.error, error, name);
    assert.ok(one.next_try_at - one.attempts[0].created_at <= 3601, `${name}: ${JSON.stringify(one)}`);
    assert.ok((one.attempts[0].answer ?? '').length <= 1024, name);
  }
  assert.equal((await as.ok('GET', `/v1/webhooks/${good.id}/deliveries`)).data[0].state, 'delivered');
  assert.equal(well.got.length, 1);
});

test('a tenant whose many receivers answer at the last moment delays no other one', async () => {
  const many = stack.tenant('many');
  const other = stack.tenant('other');
  const waiting = new Set();
  const late = await Receiver.start((request, response) => {
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
  });
  const well = await Receiver.start();
  open.push(() => late.stop(), () => well.stop());
  for (let i = 0; i < 50; i++) await many.ok('POST', '/v1/webhooks', { url: `${late.url}/${i}`, events: ['run.completed'] });
  await other.ok('POST', '/v1/webhooks', { url: well.url, events: ['run.completed'] });
  // As if many runs had ended, each of which all fifty are told.
  stack.exec(`WITH t AS (SELECT tenant_id FROM webhook_endpoints WHERE url LIKE '${late.url}%' LIMIT 1)
    SELECT penstock_webhook_emit(t.tenant_id, 'run.completed', 'run_' || i, '{}') FROM t, generate_series(1, 40) i`);
  const agent = await other.assistant();
  await until('many are waited for', () => waiting.size >= 100, 20000);
  for (let i = 1; i <= 3; i++) {
    const run = await other.finished(await other.submit(agent, 'hi'));
    const ended = Number(stack.sql(`SELECT extract(epoch FROM completed_at) * 1000 AS ms FROM runs WHERE id = '${run.id.slice(4)}'`)[0].ms);
    await until('it is told', () => well.got.length === i, 30000);
    checkTook(well.got.at(-1).at - ended, 3000, 'from its end until it is told');
  }
  assert.ok(waiting.size <= 128, `${waiting.size} of the others are under way`);
});
