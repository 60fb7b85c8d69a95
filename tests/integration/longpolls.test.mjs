// Requests that wait for the end of a run: wait=SECONDS.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { checkTook, freePort, sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: a function
    when: {user: 'weather'}
    then: {calls: [{name: get_weather, arguments: {}}]}
  - name: slow
    when: {user: 'slow'}
    then: {text: 'done slowly', delay_ms: 60000}
  - name: soon
    when: {user: 'soon'}
    then: {text: 'done', delay_ms: 1500}
  - name: at once
    then: {text: 'done'}
`;
const functions = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }];

/** The stack as seen through another scheduler. */
async function anotherScheduler(stack, args = []) {
  const port = await freePort();
  const program = stack.program('penstock-scheduler', ['--port', String(port), ...args], {});
  const url = `http://127.0.0.1:${port}`;
  await stack.ready(program, `${url}/readyz`);
  return Object.assign(Object.create(stack), { url, port, scheduler: program });
}

const at = (run) => `/v1/threads/${run.thread_id}/runs/${run.id}`;

/** What a long poll brought, and when. */
async function wait(stack, run, seconds, path = at(run)) {
  const start = Date.now();
  const reply = await stack.call('GET', `${path}?wait=${seconds}`);
  return { ...reply, took: Date.now() - start, ended: Date.now() };
}

async function metric(stack, name) {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

const waiting = (stack, count) => until(`${count} wait`, async () => (await metric(stack, 'penstock_waiting_requests')) === count);
const endOf = (stack, run) => stack.sql(`SELECT extract(epoch FROM updated_at) * 1000 AS ms FROM runs WHERE id = '${uuid(run.id)}'`)[0].ms;
const uuid = (id) => id.replace(/^[a-z]+_/, '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

test('the answer comes with the end of the run, by either path', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'soon');
    const both = await Promise.all([wait(stack, run, 30), wait(stack, run, 30, `/v1/runs/${run.id}`)]);
    for (const reply of both) {
      assert.equal(reply.status, 200);
      assert.equal(reply.body.status, 'completed');
      assert.ok(reply.took >= 1000, `it waited: ${reply.took} ms`);
      checkTook(reply.ended - endOf(stack, run), 500, 'the answer after the end');
    }
    assert.deepEqual(both[0].body, both[1].body);
    assert.equal(await metric(stack, 'penstock_waiting_requests'), 0);
    assert.ok(Number(both[0].headers.get('openai-processing-ms')) < 1000, 'waiting is no processing');
    const again = await wait(stack, run, 30);
    assert.deepEqual(again.body, both[0].body);
    checkTook(again.took, 500, 'a run that is over');
    assert.equal(await stack.answer(run), 'done');
  });
});

test('it is a message that wakes, not the sweep, and nothing is sent while nobody waits', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const published = () => Number(/cmdstat_publish:calls=(\d+)/.exec(stack.redis('INFO', 'commandstats'))?.[1] ?? 0);
    const before = published();
    for (let i = 0; i < 3; i++) await stack.finished(await stack.submit(assistant, 'at once'));
    assert.equal(published(), before, 'nobody waits');
    let messages = 0;
    // The sweep may come first once, by chance; not ten times of ten.
    for (let i = 0; i < 10; i++) {
      const reply = await wait(stack, await stack.submit(assistant, 'at once'), 30);
      assert.equal(reply.body.status, 'completed');
      messages = await metric(stack, 'penstock_waiting_wakeups_total{by="message"}');
    }
    assert.ok(messages > 0, 'some were woken by messages');
    assert.ok(published() > before);
  });
});

test('it ends when the run needs its client, and with what the client then does', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant({ tools: functions }), 'weather');
    const reply = await wait(stack, run, 30);
    assert.equal(reply.body.status, 'requires_action');
    assert.equal(reply.body.required_action.submit_tool_outputs.tool_calls.length, 1);
    checkTook(reply.took, 5000, 'until it needs its client');
    const again = await wait(stack, run, 30);
    assert.equal(again.body.status, 'requires_action');
    checkTook(again.took, 500, 'a run that needs its client already');
  });
});

test('after so many seconds the run is given as it is', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'slow');
    await until('it runs', async () => (await stack.run(run)).status === 'in_progress');
    const reply = await wait(stack, run, 2);
    assert.equal(reply.status, 200);
    assert.equal(reply.body.status, 'in_progress');
    assert.ok(reply.took >= 1990, `${reply.took} ms`);
    checkTook(reply.took, 2500);
    assert.ok(Number(reply.headers.get('openai-poll-after-ms')) > 0);
    const none = await wait(stack, run, 0);
    assert.equal(none.body.status, 'in_progress');
    checkTook(none.took, 500, 'wait=0');
    await stack.ok('POST', `${at(run)}/cancel`, {});
  });
});

test('bad values are refused, and unknown runs are unknown at once', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'slow');
    for (const bad of ['61', '-1', '1.5', 'x', '', '1e1', '%20', '9999999999999999999999']) {
      const reply = await wait(stack, run, bad);
      assert.equal(reply.status, 400, `wait=${bad}`);
      assert.equal(reply.body.error.param, 'wait');
      assert.match(reply.body.error.message, /expected an integer of 0 to 60/);
    }
    const other = stack.tenant('other');
    for (const path of [at(run), `/v1/runs/${run.id}`]) {
      const reply = await wait(other, run, 30, path);
      assert.equal(reply.status, 404);
      checkTook(reply.took, 1000, 'a 404');
    }
    const nowhere = await wait(stack, run, 30, `/v1/threads/${(await stack.ok('POST', '/v1/threads', {})).id}/runs/${run.id}`);
    assert.equal(nowhere.status, 404, 'in another thread');
    const list = await stack.call('GET', '/v1/runs?wait=5');
    assert.equal(list.status, 400, 'lists do not wait');
    await stack.ok('POST', `${at(run)}/cancel`, {});
  });
});

test('two schedulers: the end, a cancel, an interrupt and a deletion by the other one end the wait', async () => {
  await withStack({ script }, async (stack) => {
    const other = await anotherScheduler(stack);
    const assistant = await stack.assistant({ tools: functions });

    const soon = await stack.submit(assistant, 'soon');
    const both = await Promise.all([wait(stack, soon, 30), wait(other, soon, 30)]);
    for (const reply of both) {
      assert.equal(reply.body.status, 'completed');
      checkTook(reply.ended - endOf(stack, soon), 500, 'the answer after the end');
    }

    // One that no worker has in hand: the cancel itself ends it.
    const held = await stack.finished(await stack.submit(assistant, 'weather'));
    assert.equal(held.status, 'requires_action');
    const queued = await stack.ok('POST', `/v1/threads/${held.thread_id}/runs`, { assistant_id: assistant.id, multitask_strategy: 'enqueue' });
    const canceled = wait(stack, queued, 30);
    await waiting(stack, 1);
    await other.ok('POST', `${at(queued)}/cancel`, {});
    const told = Date.now();
    assert.equal((await canceled).body.status, 'cancelled');
    checkTook((await canceled).ended - told, 300, 'a cancel by another scheduler');

    const second = await stack.ok('POST', `/v1/threads/${held.thread_id}/runs`, { assistant_id: assistant.id, multitask_strategy: 'enqueue' });
    const interrupted = wait(stack, second, 30);
    await waiting(stack, 1);
    await other.ok('POST', `/v1/threads/${held.thread_id}/runs`, { assistant_id: assistant.id, multitask_strategy: 'interrupt' });
    const interruptedAt = Date.now();
    assert.equal((await interrupted).body.status, 'cancelled');
    checkTook((await interrupted).ended - interruptedAt, 300, 'an interrupt by another scheduler');

    const slow = await stack.submit(assistant, 'slow');
    await until('it runs', async () => (await stack.run(slow)).status === 'in_progress');
    const deleted = wait(stack, slow, 30);
    await waiting(stack, 1);
    await other.ok('DELETE', `/v1/threads/${slow.thread_id}`);
    assert.equal((await deleted).status, 404);
    checkTook((await deleted).took, 2500, 'a deletion by another scheduler');
  });
});

test('without Redis a wait ends within two seconds of the run', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant();
    const soon = await stack.submit(assistant, 'soon');
    await until('it runs', async () => (await stack.run(soon)).status === 'in_progress');
    const first = wait(stack, soon, 30);
    await waiting(stack, 1);
    stack.stopRedis();
    assert.equal((await first).body.status, 'completed');
    checkTook((await first).ended - endOf(stack, soon), 2000, 'the answer after the end');
    const later = await stack.submit(assistant, 'soon');
    const second = await wait(stack, later, 30);
    assert.equal(second.body.status, 'completed');
    checkTook(second.ended - endOf(stack, later), 2000, 'the answer after the end');
    assert.ok((await metric(stack, 'penstock_waiting_wakeups_total{by="sweep"}')) > 0);
    assert.equal(await metric(stack, 'penstock_waiting_hears'), 0);
    stack.startRedis();
    await until('it hears again', async () => (await metric(stack, 'penstock_waiting_hears')) === 1);
  });
});

test('a run that its worker leaves behind ends the wait when it is given up', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant({ timeout_seconds: 2 }), 'slow');
    const reply = await wait(stack, run, 30);
    assert.equal(reply.body.status, 'expired');
  });
});

test('a thousand wait at once, many of them for the same run', async () => {
  await withStack({ script, slots: 1000 }, async (stack) => {
    const assistant = await stack.assistant();
    const agent = new http.Agent({ keepAlive: false, maxSockets: Infinity });
    const get = (run) =>
      new Promise((resolve, reject) => {
        http
          .get(`${stack.url}${at(run)}?wait=60`, { agent, headers: { authorization: `Bearer ${stack.key}` } }, (reply) => {
            let text = '';
            reply.on('data', (data) => (text += data));
            reply.on('end', () => resolve({ status: reply.statusCode, body: JSON.parse(text) }));
          })
          .on('error', reject);
      });
    const runs = await Promise.all(Array.from({ length: 200 }, () => stack.submit(assistant, 'soon')));
    const replies = await Promise.all(runs.flatMap((run) => Array.from({ length: 5 }, () => get(run).then((reply) => ({ ...reply, run })))));
    assert.equal(replies.length, 1000);
    for (const reply of replies) {
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
      assert.equal(reply.body.status, 'completed');
      assert.equal(reply.body.id, reply.run.id);
    }
    assert.equal(await metric(stack, 'penstock_waiting_requests'), 0);
  });
});

test('a client that goes away ends its wait, and leaves nothing behind', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'slow');
    const control = new AbortController();
    const gone = fetch(`${stack.url}${at(run)}?wait=60`, { headers: { authorization: `Bearer ${stack.key}` }, signal: control.signal }).catch((error) => error.name);
    await waiting(stack, 1);
    control.abort();
    assert.equal(await gone, 'AbortError');
    await waiting(stack, 0);
    await stack.ok('POST', `${at(run)}/cancel`, {});
    assert.equal((await wait(stack, run, 10)).body.status, 'cancelled');
  });
});

test('beyond the limit of waiting requests the answer comes at once', async () => {
  await withStack({ script, config: 'scheduler: {waiting_requests: 1}\n' }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'slow');
    const first = wait(stack, run, 30);
    await waiting(stack, 1);
    const second = await wait(stack, run, 30);
    assert.equal(second.status, 200);
    assert.ok(['queued', 'in_progress'].includes(second.body.status));
    checkTook(second.took, 1000);
    await stack.ok('POST', `${at(run)}/cancel`, {});
    assert.equal((await first).body.status, 'cancelled');
  });
});

test('a tenant that has as many waiting requests as one may leaves the others\' places free', async () => {
  await withStack({ script, config: 'scheduler: {waiting_requests: 2}\n' }, async (stack) => {
    const other = stack.tenant('globex');
    const run = await stack.submit(await stack.assistant(), 'slow');
    const theirs = await other.submit(await other.assistant(), 'slow');
    const waits = [wait(stack, run, 30)];
    await waiting(stack, 1);
    const beyond = await wait(stack, run, 30);
    assert.equal(beyond.status, 200);
    assert.ok(['queued', 'in_progress'].includes(beyond.body.status));
    waits.push(wait(other, theirs, 30));
    await waiting(stack, 2);
    await stack.ok('POST', `${at(run)}/cancel`, {});
    await other.ok('POST', `${at(theirs)}/cancel`, {});
    for (const { body } of await Promise.all(waits)) assert.equal(body.status, 'cancelled');
  });
});

test('a scheduler that stops answers those who wait, at once', async () => {
  await withStack({ script }, async (stack) => {
    const other = await anotherScheduler(stack);
    const run = await stack.submit(await stack.assistant(), 'slow');
    await until('it runs', async () => (await stack.run(run)).status === 'in_progress');
    const waits = Array.from({ length: 20 }, () => wait(other, run, 60));
    await waiting(other, 20);
    const start = Date.now();
    const stopped = other.scheduler.stop();
    for (const reply of await Promise.all(waits)) {
      assert.equal(reply.status, 200);
      assert.equal(reply.body.status, 'in_progress');
      checkTook(reply.ended - start, 1500, 'the answer after SIGTERM');
    }
    assert.equal((await stopped).code, 0);
    await stack.ok('POST', `${at(run)}/cancel`, {});
  });
});

test('an ended run is shown from memory, and never as it was before a change', async () => {
  await withStack({ script }, async (stack) => {
    const other = await anotherScheduler(stack);
    const assistant = await stack.assistant();
    const run = await stack.finished(await stack.submit(assistant, 'at once'));
    const remembered = () => metric(stack, 'penstock_ended_runs_remembered_total');
    const before = await remembered();
    await stack.run(run);
    await stack.run(run);
    assert.ok((await remembered()) > before, 'the database was not asked');
    const elsewhere = await stack.ok('POST', '/v1/threads', {});
    assert.equal((await stack.call('GET', `/v1/threads/${elsewhere.id}/runs/${run.id}`)).status, 404, 'in another thread');
    assert.equal((await stack.tenant('other').call('GET', `/v1/runs/${run.id}`)).status, 404, 'of another tenant');

    for (let i = 0; i < 20; i++) {
      await stack.run(run);
      await stack.ok('POST', at(run), { metadata: { round: String(i) } });
      assert.deepEqual((await stack.run(run)).metadata, { round: String(i) }, 'through the scheduler that changed it');
    }
    await stack.run(run);
    await other.ok('POST', at(run), { metadata: { by: 'the other' } });
    await until('the other scheduler was heard', async () => (await stack.run(run)).metadata.by === 'the other', 1000);

    await stack.run(run);
    await stack.ok('DELETE', `/v1/threads/${run.thread_id}`);
    assert.equal((await stack.call('GET', at(run))).status, 404);

    // Without Redis nobody is told: it is forgotten after some seconds.
    const second = await stack.finished(await stack.submit(assistant, 'at once'));
    stack.stopRedis();
    await until('it does not hear', async () => (await metric(stack, 'penstock_waiting_hears')) === 0);
    await stack.run(second);
    await other.ok('POST', at(second), { metadata: { by: 'the other' } });
    await until('it was forgotten', async () => (await stack.run(second)).metadata.by === 'the other', 4000);
  });
});

test('a failed run is not kept: a redrive is seen at once', async () => {
  const failing = `
rules:
  - name: fails
    when: {times: 1}
    then: {status: 400, body: '{"error":{"message":"no","code":"invalid_request_error"}}'}
  - name: answers
    then: {text: 'done'}
`;
  await withStack({ script: failing }, async (stack) => {
    const other = await anotherScheduler(stack);
    const run = await stack.finished(await stack.submit(await stack.assistant(), 'go'));
    assert.equal(run.status, 'failed');
    for (let i = 0; i < 3; i++) assert.equal((await stack.run(run)).status, 'failed');
    await other.ok('POST', `${at(run)}/redrive`, {});
    assert.notEqual((await stack.run(run)).status, 'failed');
    assert.equal((await wait(stack, run, 30)).body.status, 'completed');
  });
});

test('requests on one connection keep their order around a wait', async () => {
  await withStack({ script }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'soon');
    const { connect } = await import('node:net');
    const socket = connect(stack.port, '127.0.0.1');
    const head = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${stack.key}\r\n`;
    await once(socket, 'connect');
    socket.write(`${head(`${at(run)}?wait=30`)}\r\n`);
    await waiting(stack, 1);
    socket.write(`${head('/v1/models')}Connection: close\r\n\r\n`);
    await sleep(50); // the second request lies there while the first one waits
    assert.equal(await metric(stack, 'penstock_waiting_requests'), 1);
    let text = '';
    for await (const data of socket) text += data;
    assert.ok(text.indexOf('"completed"') > 0 && text.indexOf('"completed"') < text.indexOf('"object":"list"'), text.slice(0, 300));
  });
});
