// WebSockets of a thread with clients that others made: npm's ws, and node's own.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import WebSocketOfNpm from 'ws';
import { Stack, until } from '../lib/stack.mjs';
import { judgeRun, lastId } from '../lib/websocket.mjs';

const text = 'A text that other clients of WebSockets read while it is made, word by word, and to its end.';
const script = `
stream: {chunk_ms: 20, chunk_tokens: 1}
rules:
  - then: {text: '${text}'}
`;

let stack;
let assistant;
before(async () => {
  stack = await Stack.start({ script });
  await stack.heard();
  assistant = await stack.assistant();
});
after(async () => assert.deepEqual(await stack.stop(), []));

const threadOf = async () => (await stack.ok('POST', '/v1/threads', {})).id;
const urlOf = (thread) => `${stack.url.replace('http', 'ws')}/v1/threads/${thread}/ws`;
const has = (messages, fits) => until(String(fits), () => messages.find(fits));

test('ws: with a key, whole and in fragments, with pings, and without the compression that it offers', async () => {
  const thread = await threadOf();
  const socket = new WebSocketOfNpm(urlOf(thread), 'penstock.v1', { headers: { authorization: `Bearer ${stack.key}` } });
  const messages = [];
  socket.on('message', (data, isBinary) => (assert.ok(!isBinary), messages.push(JSON.parse(data))));
  await once(socket, 'open');
  assert.equal(socket.protocol, 'penstock.v1');
  assert.equal(socket.extensions, '');
  socket.send(JSON.stringify({ type: 'hello' }));
  await has(messages, (message) => message.type === 'ready');
  const pong = once(socket, 'pong');
  socket.ping('are you there?');
  assert.equal(String(await pong), 'are you there?');
  const said = JSON.stringify({ type: 'message', id: 'parts', content: 'go', run: { assistant_id: assistant.id } });
  socket.send(said.slice(0, 10), { fin: false });
  socket.ping();
  socket.send(said.slice(10, 50), { fin: false });
  socket.send(said.slice(50), { fin: true });
  const ack = await has(messages, (message) => message.type === 'ack');
  await has(messages, (message) => message.event === 'done');
  assert.equal(judgeRun(messages, ack.run_id).messages[0].text, text);
  const closed = once(socket, 'close');
  socket.close(4000, 'enough');
  const [code] = await closed;
  assert.equal(code, 4000);
});

test('ws: what it takes for an error is closed with its code', async () => {
  const thread = await threadOf();
  for (const [say, expected] of [
    [(socket) => socket.send(Buffer.from('binary')), 1003],
    [(socket) => socket.send('no JSON'), 1007],
    [(socket) => socket.send(JSON.stringify({ type: 'ping', t: 'x'.repeat(70000) })), 1009],
  ]) {
    const socket = new WebSocketOfNpm(urlOf(thread), { headers: { authorization: `Bearer ${stack.key}` } });
    socket.on('open', () => say(socket));
    const [code, reason] = await once(socket, 'close');
    assert.equal(code, expected);
    assert.ok(String(reason).length > 0);
  }
});

test('the WebSocket of node: with a ticket, on behind its last event', async () => {
  const thread = await threadOf();
  const connect = async (ticket) => {
    const secret = ticket ?? (await stack.ok('POST', '/v1/tickets', { thread_id: thread })).ticket;
    const socket = new WebSocket(urlOf(thread), ['penstock.v1', `ticket.${secret}`]);
    const heard = { socket, messages: [], closed: new Promise((done) => (socket.onclose = ({ code, reason, wasClean }) => done({ code, reason, wasClean }))) };
    socket.onmessage = ({ data }) => heard.messages.push(JSON.parse(data));
    return heard;
  };
  const wrong = await (await connect('x'.repeat(43))).closed;
  assert.equal(wrong.code, 4401);
  assert.ok(wrong.wasClean && wrong.reason.startsWith('Incorrect ticket'));

  const first = await connect();
  await until('it is open', () => first.socket.readyState === WebSocket.OPEN);
  assert.equal(first.socket.protocol, 'penstock.v1');
  first.socket.send(JSON.stringify({ type: 'hello' }));
  first.socket.send(JSON.stringify({ type: 'message', id: crypto.randomUUID(), content: 'go', run: { assistant_id: assistant.id } }));
  const ack = await has(first.messages, (message) => message.type === 'ack');
  await until('some of it was said', () => first.messages.filter((message) => message.event === 'thread.message.delta').length > 3);
  first.socket.close();
  await first.closed;
  const second = await connect();
  await until('it is open', () => second.socket.readyState === WebSocket.OPEN);
  second.socket.send(JSON.stringify({ type: 'hello', last_event_id: lastId(first.messages) }));
  await has(second.messages, (message) => message.event === 'done');
  assert.equal(judgeRun([...first.messages, ...second.messages], ack.run_id).messages[0].text, text);
  second.socket.close();
});
