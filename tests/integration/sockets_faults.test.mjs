// A thread over WebSockets while programs and servers come and go: nothing is lost, and nothing comes twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';
import { WebSocketClient, judgeRun, lastId } from '../lib/websocket.mjs';

const text = Array.from({ length: 120 }, (_, i) => `word${i}`).join(' ');
const script = `
stream: {chunk_ms: 30, chunk_tokens: 1}
rules:
  - when: {user: '^short'}
    then: {text: 'short'}
  - then: {text: '${text}'}
`;
const config = 'worker: {lease_ms: 1500, heartbeat_ms: 300}\n';
const wsOf = (thread) => `/v1/threads/${thread}/ws`;

/** A page's client: goes on behind its last event, wherever its line breaks, for as long as it takes. */
class Follower {
  messages = [];
  opened = 0;

  constructor(stack, thread) {
    Object.assign(this, { stack, thread });
  }

  async open() {
    this.client = await until('a socket opens', () => WebSocketClient.open(this.stack, wsOf(this.thread)).catch(() => null));
    this.client.messages = this.messages; // one behind the other
    const from = this.messages.length;
    this.client.send({ type: 'hello', last_event_id: lastId(this.messages) ?? this.start ?? null });
    const ready = await this.client.next((message) => message.type === 'ready', 'ready', from);
    this.start ??= ready.last_event_id;
    this.opened++;
    return this;
  }

  follow() {
    this.over = (async () => {
      while (!this.stopped) {
        await this.client.closed;
        if (!this.stopped) await this.open();
      }
    })();
    return this;
  }

  done(run) {
    return until(`the end of ${run}`, () => this.messages.some((message) => message.run_id === run && message.event === 'done'), 60000);
  }

  said(run) {
    return this.messages.filter((message) => message.event === 'thread.message.delta' && message.run_id === run).length;
  }

  async stop() {
    this.stopped = true;
    this.client.destroy();
    await this.over;
  }
}

test('a scheduler that is killed in the midst of a text loses its readers nothing', async () => {
  await withStack({ script, config }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const follower = (await new Follower(stack, thread).open()).follow();
    const ack = await follower.client.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
    for (let kills = 0; kills < 2; kills++) {
      const before = follower.said(ack.run_id);
      await until('some of it was said', () => follower.said(ack.run_id) > before + 3);
      await stack.scheduler.kill('SIGKILL');
      await stack.startScheduler();
    }
    await follower.done(ack.run_id);
    await follower.stop();
    assert.ok(follower.opened >= 3, `${follower.opened}`);
    const protocol = judgeRun(follower.messages, ack.run_id);
    assert.equal(protocol.status, 'completed');
    assert.deepEqual(protocol.messages.map((message) => message.text), [text]);
  });
});

test('a worker that is killed in the midst of a text ends its message as incomplete, and another one says it anew', async () => {
  await withStack({ script, config, workers: 2 }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const follower = (await new Follower(stack, thread).open()).follow();
    const ack = await follower.client.ask({ type: 'message', content: 'go', run: { assistant_id: assistant.id } });
    await until('some of it was said', () => follower.said(ack.run_id) > 3);
    const busy = [];
    for (const worker of stack.workers) if ((await stack.busy(worker)) > 0) busy.push(worker);
    assert.equal(busy.length, 1);
    await busy[0].kill('SIGKILL');
    await follower.done(ack.run_id);
    await follower.stop();
    const { messages, status } = judgeRun(follower.messages, ack.run_id);
    assert.equal(status, 'completed');
    assert.deepEqual(messages.map((message) => message.status), ['incomplete', 'completed']);
    assert.ok(text.startsWith(messages[0].text));
    assert.equal(messages[1].text, text);
  });
});

test('without Redis all is told that is stored, and with it again at once', async () => {
  await withStack({ script, config }, async (stack) => {
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const follower = (await new Follower(stack, thread).open()).follow();
    stack.stopRedis();
    const runs = [];
    // While Redis is away nothing is hinted: the runs are made, and wait.
    const ack = await follower.client.ask({ type: 'message', content: 'short', run: { assistant_id: assistant.id } });
    runs.push(ack.run_id);
    await until('it is told that it waits', () => follower.messages.some((message) => message.event === 'thread.run.queued'));
    stack.startRedis();
    await follower.done(ack.run_id);
    for (let i = 0; i < 3; i++) {
      const run = await stack.ok('POST', `/v1/threads/${thread}/messages`, { role: 'user', content: 'short', run: { assistant_id: assistant.id } });
      runs.push(run.run.id);
      stack.redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await follower.done(run.run.id);
    }
    await follower.stop();
    for (const run of runs) assert.equal(judgeRun(follower.messages, run).messages[0].text, 'short');
  });
});

test('runs that are made elsewhere, queue, are cancelled or come while nobody listens are told in their order', async () => {
  await withStack({ script, config }, async (stack) => {
    await stack.heard();
    const assistant = await stack.assistant();
    const { id: thread } = await stack.ok('POST', '/v1/threads', {});
    const follower = (await new Follower(stack, thread).open()).follow();
    const idle = await new Follower(stack, thread).open();
    idle.client.destroy();
    const post = async (content, fields = {}) =>
      (await stack.ok('POST', `/v1/threads/${thread}/messages`, { role: 'user', content, on_busy: 'queue', run: { assistant_id: assistant.id }, ...fields })).run.id;
    const first = await post('go');
    await until('some of it was said', () => follower.said(first) > 3);
    const second = await post('short');
    const third = await post('short');
    await stack.ok('POST', `/v1/threads/${thread}/runs/${first}/cancel`);
    for (const run of [first, second, third]) await follower.done(run);
    const order = follower.messages.filter((message) => message.event === 'done').map((message) => message.run_id);
    assert.deepEqual(order, [first, second, third]);
    assert.equal(judgeRun(follower.messages, first).status, 'cancelled');
    assert.equal(judgeRun(follower.messages, third).status, 'completed');
    // Who was not there reads the same, from where he was.
    await idle.open();
    await idle.done(third);
    assert.deepEqual(idle.messages.filter((message) => message.event === 'done').map((message) => message.run_id), order);
    assert.equal(judgeRun(idle.messages, second).messages[0].text, 'short');
    idle.client.destroy();
    await follower.stop();
  });
});
