// A tenant that reads pages of megabytes as fast as it can: its memory is bounded, and nobody else waits for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { content, Flood } from '../hostile/flood.mjs';
import { checkPeak, peakMiB } from '../lib/memory.mjs';
import { checkTook, sleep, until, withStack } from '../lib/stack.mjs';

const SECONDS = 5;
const CLIENTS = 20;
const MESSAGES = 20;
const MESSAGE_BYTES = 3800000;

// A tenant's replies may hold 32 MiB, twice that while buffers grow; the rest is the program, 40 MiB here, and what malloc keeps.
const PEAK_BYTES = 128 << 20;

const script = `
rules:
  - then: {text: 'done'}
`;

/** Another tenant's submissions and polls, one after the other, for so long. Returns what each took, in milliseconds. */
async function submitAndPoll(stack, assistant, ms) {
  const took = [];
  const timed = async (work) => {
    const start = performance.now();
    const result = await work();
    took.push(performance.now() - start);
    return result;
  };
  for (const end = performance.now() + ms; performance.now() < end; await sleep(5)) {
    const run = await timed(() => stack.submit(assistant, 'hello'));
    for (let i = 0; i < 4; i++) await timed(() => stack.run(run));
    assert.equal((await stack.finished(run)).status, 'completed');
  }
  return took.sort((a, b) => a - b);
}

test('twenty clients that read pages of megabytes hold up nobody else, and not much memory', async () => {
  await withStack({ script }, async (stack) => {
    const thread = await stack.ok('POST', '/v1/threads', {});
    for (let i = 0; i < MESSAGES; i++)
      await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: content(MESSAGE_BYTES, `${i % 10}`) });
    const greedy = stack.key;
    stack.command('tenants', 'create', 'other');
    stack.key = stack.command('keys', 'create', '--tenant', 'other').match(/pk_[A-Za-z0-9_-]{43}/)[0];
    const assistant = await stack.assistant({ tools: [] });
    await submitAndPoll(stack, assistant, 500);
    const alone = await submitAndPoll(stack, assistant, 1000);

    const flood = await Flood.start('pages', { url: stack.url, key: greedy, thread: thread.id, clients: CLIENTS, messageBytes: MESSAGE_BYTES });
    const beside = await submitAndPoll(stack, assistant, SECONDS * 1000);
    const metrics = await (await fetch(`${stack.url}/metrics`)).text();
    const report = await flood.stop();

    const p99 = (list) => Math.round(list[Math.floor(list.length * 0.99)]);
    console.log(`# ${report.good} pages, refused ${JSON.stringify(report.refused)}; the other's p99 ${p99(beside)} ms beside ${p99(alone)} alone (${beside.length} requests); peak ${peakMiB(stack.scheduler)} MiB`);
    assert.deepEqual(report.bad, []);
    assert.ok(report.good >= CLIENTS, `${report.good} pages of ${report.asked} asked for`);
    assert.match(metrics, /^penstock_postgres_requests_total\{connection="large"\} [1-9]/m);
    checkTook(p99(beside), 250, "the 99th percentile of the other tenant's requests");
    checkPeak(stack.scheduler, PEAK_BYTES);
  });
});

test('what is large goes over a connection of its own, and what is small never does', async () => {
  await withStack({ script }, async (stack) => {
    const requests = async (connection) => {
      const page = await (await fetch(`${stack.url}/metrics`)).text();
      return Number(new RegExp(`^penstock_postgres_requests_total\\{connection="${connection}"\\} (\\d+)$`, 'm').exec(page)[1]);
    };
    const thread = await stack.ok('POST', '/v1/threads', {});
    const message = await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: 'small' });
    const assistant = await stack.assistant({ tools: [] });
    assert.equal((await stack.finished(await stack.submit(assistant, 'hello'))).status, 'completed');
    assert.equal(await requests('large'), 0);
    const large = [
      ['GET', `/v1/threads/${thread.id}/messages`],
      ['GET', `/v1/threads/${thread.id}/messages/${message.id}`],
      ['GET', '/v1/runs'],
      ['POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: content(70000) }],
    ];
    for (const [i, [method, path, body]] of large.entries()) {
      await stack.ok(method, path, body);
      assert.ok((await requests('large')) > i, `${method} ${path}`);
    }
  });
});
