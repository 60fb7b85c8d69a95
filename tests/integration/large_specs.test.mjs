// An assistant makes requests of a few bytes large: each of its runs has its spec. Nobody else waits for those, and they hold no more than a
// tenant may.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Flood } from '../hostile/flood.mjs';
import { checkPeak, forgetPeak, peakMiB } from '../lib/memory.mjs';
import { submitAndPoll } from '../lib/neighbour.mjs';
import { slowness } from '../lib/pace.mjs';
import { checkTook, sleep, withStack } from '../lib/stack.mjs';

const SECONDS = 5;
const CLIENTS = 20;
const RUNS = 100;
const POLLS = 300;
const SPEC_BYTES_MAX = 1 << 20;

// The other's median beside them and alone, in the same test on the same machine. They share its cores, so it is 2 to 7 times; where his requests
// stand in one line with the megabytes it is 80 times.
const TIMES_SLOWER = 30;

// A tenant's large replies may hold 32 MiB, twice that while buffers grow; the rest is the program, 40 MiB here, and what malloc keeps.
const PEAK_BYTES = 128 << 20;

const script = `
rules:
  - then: {text: 'done'}
`;

/** Tools that take nearly all that a spec may. Half of them compress well, so what is stored is not what is sent. */
function tools(count = 128) {
  const bytes = Math.floor((SPEC_BYTES_MAX - 2000) / count) - 150;
  return Array.from({ length: count }, (_, i) => {
    const description = i % 2 ? 'p'.repeat(bytes) : randomBytes(bytes / 2).toString('hex');
    return { type: 'function', function: { name: `f${i}`, parameters: { type: 'object', description } } };
  });
}

const at = (list, part) => Math.round(list[Math.floor(list.length * part)]);

test('twenty clients that submit and poll runs of an assistant of a megabyte hold up nobody else, and not much memory', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const large = await stack.assistant({ tools: tools() });
    const other = stack.tenant('other');
    const assistant = await other.assistant({ tools: [] });
    const options = { url: stack.url, key: stack.key, assistant: large.id, bytes: SPEC_BYTES_MAX - 20000 };
    await submitAndPoll(other, assistant, 500);
    const alone = await submitAndPoll(other, assistant, 1000);

    const flood = await Flood.start('specs', { ...options, clients: CLIENTS, runs: RUNS });
    const beside = await submitAndPoll(other, assistant, SECONDS * 1000 * slowness());
    const report = await flood.stop();
    console.log(`# ${report.good} submissions and polls, refused ${JSON.stringify(report.refused)}; the other's p50 ${at(beside, 0.5)} and p99 ${at(beside, 0.99)} ms beside ${at(alone, 0.5)} and ${at(alone, 0.99)} alone (${beside.length} requests); peak ${peakMiB(stack.scheduler)} MiB`);
    assert.deepEqual(report.bad, []);
    assert.ok(report.good >= 2 * CLIENTS, `${report.good} submissions and polls of ${report.asked} asked for`);
    const bound = TIMES_SLOWER * Math.max(2, at(alone, 0.5));
    assert.ok(at(beside, 0.5) <= bound, `the median of the other tenant's requests is ${at(beside, 0.5)} ms beside them, where ${bound} are allowed`);
    checkTook(at(beside, 0.99), 400, "the 99th percentile of the other tenant's requests");
    checkPeak(stack.scheduler, PEAK_BYTES);

    const { data } = await stack.ok('GET', `/v1/runs?assistant_id=${large.id}&limit=100`);
    forgetPeak(stack.scheduler);
    const polls = await Flood.start('specs', { ...options, clients: POLLS, ids: data.map((run) => run.id) });
    await sleep(2000);
    const polled = await polls.stop();
    console.log(`# ${POLLS} at once: ${polled.good} polls, refused ${JSON.stringify(polled.refused)}; peak ${peakMiB(stack.scheduler)} MiB`);
    assert.deepEqual(polled.bad, []);
    assert.ok(polled.good > 0);
    checkPeak(stack.scheduler, PEAK_BYTES);
  });
});

test('whatever gives a large assistant or run goes over the connection for what is large', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const requests = async () => Number(/^penstock_postgres_requests_total\{connection="large"\} (\d+)$/m.exec(await (await fetch(`${stack.url}/metrics`)).text())[1]);
    const large = await stack.assistant({ tools: tools() });
    const small = await stack.assistant({ tools: [] });
    const thread = await stack.ok('POST', '/v1/threads', {});
    const runs = {};
    let before = await requests();
    const step = async (name, isLarge, work) => {
      const result = await work();
      const now = await requests();
      assert.equal(now > before, isLarge, name);
      before = now;
      return result;
    };
    for (const [isLarge, { id }] of [[false, small], [true, large]]) {
      const path = (more) => `/v1/threads/${runs[id].thread_id}/runs/${runs[id].id}${more}`;
      runs[id] = await step('submit', isLarge, () => stack.ok('POST', '/v1/threads/runs', { assistant_id: id }));
      await step('submit on a thread', isLarge, () => stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: id, multitask_strategy: 'enqueue' }));
      await step('poll', isLarge, () => stack.ok('GET', path('')));
      await step('poll without the thread', isLarge, () => stack.ok('GET', `/v1/runs/${runs[id].id}`));
      await step('label', isLarge, () => stack.ok('POST', path(''), { metadata: { a: 'b' } }));
      await step('outputs', isLarge, async () => assert.equal((await stack.call('POST', path('/submit_tool_outputs'), { tool_outputs: [{ tool_call_id: 'x', output: '' }] })).status, 400));
      await step('cancel', isLarge, () => stack.ok('POST', path('/cancel')));
      await step('redrive', isLarge, async () => assert.equal((await stack.call('POST', path('/redrive'))).status, 400));
      const key = { 'Idempotency-Key': id };
      const first = await step('with a key', isLarge, () => stack.ok('POST', '/v1/threads/runs', { assistant_id: id }, key));
      const again = await step('once more', isLarge, () => stack.ok('POST', '/v1/threads/runs', { assistant_id: id }, key));
      assert.equal(again.id, first.id);
      await step('a next try', isLarge, () => stack.ok('POST', '/v1/threads/runs', { assistant_id: id }, { 'x-stainless-retry-count': '1' }));
      await step('and one more', isLarge, () => stack.ok('POST', '/v1/threads/runs', { assistant_id: id }, { 'x-stainless-retry-count': '1' }));
    }
    for (const [name, method, path, body] of [
      ['look', 'GET', `/v1/assistants/${small.id}`],
      ['rename', 'POST', `/v1/assistants/${small.id}`, { name: 'x' }],
      ['version', 'GET', `/v1/assistants/${small.id}/versions/1`],
    ])
      await step(name, true, () => stack.ok(method, path, body));
  });
});
