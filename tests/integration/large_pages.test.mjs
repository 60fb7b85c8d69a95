// A tenant that reads pages of megabytes as fast as it can: its memory is bounded, and nobody else waits for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { content, Flood } from '../hostile/flood.mjs';
import { checkPeak, peakMiB } from '../lib/memory.mjs';
import { submitAndPoll } from '../lib/neighbour.mjs';
import { slowness } from '../lib/pace.mjs';
import { checkTook, withStack } from '../lib/stack.mjs';

const SECONDS = 5;
const CLIENTS = 20;
const MESSAGES = 20;
const MESSAGE_BYTES = 3800000;
const PLAN = { polls: 4, toTheEnd: true };

// A tenant's replies may hold 32 MiB, twice that while buffers grow; the rest is the program, 40 MiB here, and what malloc keeps.
const PEAK_BYTES = 128 << 20;

const script = `
rules:
  - then: {text: 'done'}
`;

test('twenty clients that read pages of megabytes hold up nobody else, and not much memory', async () => {
  await withStack({ script, config: 'threads: {max_bytes: 1000000000}\n' }, async (stack) => {
    const thread = await stack.ok('POST', '/v1/threads', {});
    for (let i = 0; i < MESSAGES; i++)
      await stack.ok('POST', `/v1/threads/${thread.id}/messages`, { role: 'user', content: content(MESSAGE_BYTES, `${i % 10}`) });
    const other = stack.tenant('other');
    const assistant = await other.assistant({ tools: [] });
    await submitAndPoll(other, assistant, 500, PLAN);
    const alone = await submitAndPoll(other, assistant, 1000, PLAN);

    const flood = await Flood.start('pages', { url: stack.url, key: stack.key, thread: thread.id, clients: CLIENTS, messageBytes: MESSAGE_BYTES });
    const beside = await submitAndPoll(other, assistant, SECONDS * 1000 * slowness(), PLAN);
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
