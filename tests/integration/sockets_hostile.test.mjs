// What clients may do to a WebSocket: frames of every wrong kind, floods, silence, and reading nothing. tests/unit/shared_websocket has the frames one by one.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { checkPeak, forgetPeak } from '../lib/memory.mjs';
import { sleep, until, withStack } from '../lib/stack.mjs';
import { FIN, OP, WebSocketClient, close, frame, judgeRun } from '../lib/websocket.mjs';

const long = 'Of a text that is much longer than what a line takes. '.repeat(4000);
const script = `
rules:
  - when: {user: '^long'}
    then: {text: '${long}'}
  - then: {text: 'ok'}
`;

const wsOf = (thread) => `/v1/threads/${thread}/ws`;
const json = (value) => JSON.stringify(value);

/** Reads so many bytes in each tenth of a second, and sees a ping when it comes to it. Returns a function that ends this. */
function readSlowly({ socket }, bytes) {
  let left = bytes;
  socket.on('data', (data) => {
    left -= data.length;
    if (left <= 0 && timer) socket.pause();
  });
  let timer = setInterval(() => {
    left = Math.min(left + bytes, bytes);
    if (left > 0) socket.resume();
  }, 100);
  return () => {
    clearInterval(timer);
    timer = null;
    socket.resume();
  };
}

/** `how` to a fresh socket, and how that is closed. */
async function closes(stack, thread, how) {
  const client = await WebSocketClient.open(stack, wsOf(thread));
  await how(client);
  const { code, reason } = await client.closed;
  client.destroy();
  return { code, reason };
}

test('each wrong frame closes with its code, and nobody else is touched', async () => {
  await withStack({ script }, async (stack) => {
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const bystander = await WebSocketClient.open(stack, wsOf(thread));
    await bystander.hello();
    const big = json({ type: 'ping', t: 1, filler: 'x'.repeat(65536) });
    const part = `"${'x'.repeat(60000)}`;
    const cases = [
      ['binary', [frame(FIN | OP.binary, 'x')], 1003],
      ['not JSON', [frame(FIN | OP.text, 'hello')], 1007],
      ['no object', [frame(FIN | OP.text, '[1]')], 1007],
      ['nothing', [frame(FIN | OP.text, '')], 1007],
      ['null', [frame(FIN | OP.text, 'null')], 1007],
      ['too deep', [frame(FIN | OP.text, `{"a":${'['.repeat(500)}${']'.repeat(500)}}`)], 1007],
      ['no UTF-8', [frame(FIN | OP.text, Buffer.from([0x7b, 0xff, 0x7d]))], 1007],
      ['without a mask', [frame(FIN | OP.text, '{}', { mask: false })], 1002],
      ['a reserved bit', [frame(FIN | 0x40 | OP.text, '{}')], 1002],
      ['no opcode', [frame(FIN | 3, '{}')], 1002],
      ['a continuation of nothing', [frame(FIN | OP.continues, '{}')], 1002],
      ['a text in a text', [frame(OP.text, '{'), frame(FIN | OP.text, '}')], 1002],
      ['a ping in parts', [frame(OP.ping, 'x')], 1002],
      ['a long ping', [frame(FIN | OP.ping, 'x'.repeat(126))], 1002],
      ['a frame that is too big', [frame(FIN | OP.text, big)], 1009],
      ['a message that is too big', [frame(OP.text, part), ...Array(4).fill(frame(OP.continues, part))], 1009],
      ['a length without an end', [Buffer.from([FIN | OP.text, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 5])], 1009],
      ['a message of crumbs', Array(1100).fill(frame(OP.continues, '')).fill(frame(OP.text, ''), 0, 1), 1008],
      ['a close without a code', [frame(FIN | OP.close, '')], 1005],
      ['half a code', [frame(FIN | OP.close, '\x03')], 1002],
      ['a close', [close(1000, 'bye')], 1000],
      ['a close with a code of its own', [close(4999)], 4999],
      ['a code that there is not', [close(1005)], 1002],
    ];
    for (const [name, frames, code] of cases) {
      const how = await closes(stack, thread, (client) => client.write(Buffer.concat(frames)));
      assert.equal(how.code, code, name);
      // The same, byte by byte, as far as nobody has hung up.
      if (frames.length > 4) continue;
      const slowly = await closes(stack, thread, async (client) => {
        client.socket.setNoDelay(true);
        for (const byte of Buffer.concat(frames).subarray(0, 300)) client.write(Buffer.from([byte]));
        if (Buffer.concat(frames).length > 300) client.write(Buffer.concat(frames).subarray(300));
      });
      assert.equal(slowly.code, code, `${name}, slowly`);
    }
    bystander.send({ type: 'ping', t: 'still here' });
    await bystander.ofType('pong');
    bystander.destroy();
  });
});

test('what is right is taken however it is cut, also right behind the handshake', async () => {
  await withStack({ script }, async (stack) => {
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const client = await WebSocketClient.open(stack, wsOf(thread));
    const ping = json({ type: 'ping', t: 'ä€😀' });
    const bytes = Buffer.from(ping);
    client.write(frame(OP.text, bytes.subarray(0, 20)));
    client.write(frame(FIN | OP.ping, 'between'));
    for (let i = 20; i < bytes.length - 1; i++) client.write(frame(OP.continues, bytes.subarray(i, i + 1)));
    client.write(frame(FIN | OP.continues, bytes.subarray(-1)));
    assert.equal((await client.ofType('pong')).t, 'ä€😀');
    assert.deepEqual(client.pongs, ['between']);
    const large = await client.ask({ type: 'message', content: 'x'.repeat(60000) });
    assert.match(large.message_id, /^msg_/);
    const parts = json({ type: 'message', id: 'parts', content: 'y'.repeat(200000) });
    for (let at = 0; at < parts.length; at += 50000)
      client.write(frame((at === 0 ? OP.text : OP.continues) | (at + 50000 >= parts.length ? FIN : 0), parts.slice(at, at + 50000)));
    assert.match((await client.ofType('ack', 'parts')).message_id, /^msg_/);
    client.destroy();

    const early = connect(stack.port, '127.0.0.1');
    early.write(Buffer.concat([
      Buffer.from(`GET ${wsOf(thread)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nAuthorization: Bearer ${stack.key}\r\n\r\n`),
      frame(FIN | OP.text, json({ type: 'hello' })),
      frame(FIN | OP.ping, 'early'),
    ]));
    let heard = '';
    early.on('data', (data) => (heard += data.toString('latin1')));
    await until('both are answered', () => heard.includes('"type":"ready"') && heard.includes('early'));
    assert.match(heard, /^HTTP\/1\.1 101 /);
    early.destroy();
  });
});

test('who sends too much is told, then closed; who rests goes on', async () => {
  await withStack({ script }, async (stack) => {
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const client = await WebSocketClient.open(stack, wsOf(thread));
    await client.hello();
    for (let i = 0; i < 60; i++) client.send({ type: 'ping', id: `id ${i}`, t: i });
    const error = await client.ofType('error');
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.match(error.id, /^id [345]\d$/);
    assert.ok(error.retry_after_ms > 0 && error.retry_after_ms <= 2000, `${error.retry_after_ms}`);
    await sleep(error.retry_after_ms + 500);
    client.send({ type: 'ping', t: 'later' });
    await client.next((message) => message.t === 'later', 'a pong');
    client.destroy();
    assert.equal((await closes(stack, thread, (flood) => { for (let i = 0; i < 1000; i++) flood.send({ type: 'ping', t: i }); })).code, 4429);
    assert.equal((await closes(stack, thread, (flood) => { for (let i = 0; i < 1000; i++) flood.write(frame(FIN | OP.ping, 'x')); })).code, 4429);
    assert.equal((await closes(stack, thread, (flood) => { for (let i = 0; i < 1000; i++) flood.write(frame(FIN | OP.pong, 'x')); })).code, 4429);
  });
});

test('a reader that takes nothing costs no memory, and reads all of it when he comes back to it', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const clients = [];
    for (let i = 0; i < 30; i++) {
      clients.push(await WebSocketClient.open(stack, wsOf(thread)));
      await clients[i].hello();
    }
    const [reader, ...sleepers] = clients;
    for (const client of sleepers) client.socket.pause();
    forgetPeak(stack.scheduler);
    const runs = [];
    for (let i = 0; i < 10; i++) {
      const ack = await reader.ask({ type: 'message', content: 'long', run: { assistant_id: assistant.id } });
      runs.push(ack.run_id);
      await reader.done(ack.run_id);
    }
    // Each has missed megabytes: the text twice in each of ten runs.
    checkPeak(stack.scheduler, 80 << 20);
    for (const client of sleepers) client.socket.resume();
    for (const client of clients) {
      await client.done(runs.at(-1));
      for (const run of runs) assert.equal(judgeRun(client.messages, run).messages[0].text.length, long.length);
      client.destroy();
    }
  });
});

test('the clocks of a socket: no hello, no answer to pings, a key that is revoked, nothing taken', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const started = Date.now();
    const ended = async (client) => ({ ...(await client.closed), ms: Date.now() - started });
    const open = (options) => WebSocketClient.open(stack, wsOf(thread), options);
    const made = stack.command('keys', 'create', '--tenant', 'test');
    const [mute, silent, patient, revoked, stuck, slow] = [await open(), await open(), await open(), await open({ key: made.match(/pk_[A-Za-z0-9_-]{43}/)[0] }), await open(), await open()];
    const ends = { mute: ended(mute), silent: ended(silent), revoked: ended(revoked), stuck: ended(stuck) };
    for (const client of [silent, patient, revoked, stuck, slow]) await client.hello();
    silent.answersPings = false;
    stack.command('keys', 'revoke', stack.sql(`SELECT 'key_' || replace(id::text, '-', '') AS id FROM api_keys ORDER BY id DESC LIMIT 1`)[0].id);

    // Until the kernel's buffers are full; then its 30 s begin.
    stuck.socket.pause();
    // Who is written to all the time, and answers a ping a minute late, is not silent.
    const asFastAsItCan = readSlowly(slow, 12 << 10);
    const full = (async () => {
      for (let i = 0; i < 40; i++) {
        const run = await stack.ok('POST', `/v1/threads/${thread}/messages`, { role: 'user', content: 'long', run: { assistant_id: assistant.id } });
        await stack.finished(run.run);
      }
      return stack.sql(`SELECT 'run_' || replace(id::text, '-', '') AS id FROM runs ORDER BY id DESC LIMIT 1`)[0].id;
    })();
    const noHello = await ends.mute;
    assert.equal(noHello.code, 4408);
    assert.ok(noHello.ms > 9000 && noHello.ms < 20000, `${noHello.ms}`);
    const over = await ends.revoked;
    assert.equal(over.code, 4401);
    assert.ok(over.ms > 20000 && over.ms < 40000, `${over.ms}`);
    const idle = await ends.silent;
    assert.equal(idle.code, 4408);
    assert.ok(idle.ms > 55000 && idle.ms < 75000, `${idle.ms}`);
    assert.equal(silent.pings, 2);
    const last = await full;
    asFastAsItCan();
    await slow.done(last);
    assert.equal(judgeRun(slow.messages, last).messages[0].text.length, long.length);
    slow.destroy();
    stuck.socket.resume();
    assert.equal((await ends.stuck).code, 1006);
    patient.send({ type: 'ping', t: 1 });
    await patient.ofType('pong');
    assert.ok(patient.pings >= 2);
    patient.destroy();
  });
});
