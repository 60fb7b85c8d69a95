// Webhooks: who asked to be told is told, signed, at least once, whatever its receiver or Penstock does meanwhile.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Receiver, verify } from '../lib/receiver.mjs';
import { Stack, checkTook, sleep, until } from '../lib/stack.mjs';

let stack;
const receivers = [];

const script = `
rules:
  - {name: asks, when: {user: '^ask'}, then: {calls: [{name: ask, arguments: {}}]}}
  - {name: spends, when: {user: '^spend'}, then: {text: 'Spent.', usage: {prompt_tokens: 800, completion_tokens: 50}}}
  - {name: other, then: {text: 'Hello.'}}
`;
const ask = { tools: [{ type: 'function', function: { name: 'ask', parameters: { type: 'object' } } }] };

before(async () => {
  stack = await Stack.start({ script, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } });
});

after(async () => {
  if (process.exitCode || process.env.SHOW) stack.showLogs();
  for (const each of receivers) await each.stop();
  await stack?.stop();
});

async function receiver(answer) {
  const made = await Receiver.start(answer);
  receivers.push(made);
  return made;
}

const hook = (as, url, events = ['run.*'], more = {}) => as.ok('POST', '/v1/webhooks', { url, events, ...more });
const deliveries = async (as, webhook, query = '') => (await as.ok('GET', `/v1/webhooks/${webhook.id}/deliveries${query}`)).data;

/** Runs of a tenant of its own, so that tests do not meet. */
function tenant(name) {
  const as = stack.tenant(name);
  as.agent = async () => (as.made ??= await as.assistant());
  as.go = async (fields, said = 'hello') => as.submit(await as.agent(), said, fields);
  return as;
}

test('a run that ends is told once, signed, by the same id as its event', async () => {
  const as = tenant('told');
  const to = await receiver();
  const webhook = await hook(as, to.url);
  assert.match(webhook.secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const run = await as.go({ metadata: { order: '7' } });
  await until('it is told', () => to.got.length > 0);
  const [got] = to.got;
  verify(webhook.secret, got.headers, got.body);
  assert.equal(got.event.type, 'run.completed');
  assert.equal(got.event.id, got.headers['webhook-id']);
  assert.deepEqual(got.event.data, {
    id: run.id, object: 'thread.run', status: 'completed', thread_id: run.thread_id, agent: run.assistant_id, metadata: { order: '7' },
  });
  assert.equal(Date.parse(got.event.timestamp) / 1000, got.event.created_at);
  const seen = await as.ok('GET', `/v1/webhook_events/${got.event.id}`);
  assert.deepEqual(seen, got.event);
  const list = await until('it is noted', async () => {
    const all = await deliveries(as, webhook, '?state=delivered');
    return all.length === 1 && all;
  });
  assert.equal(list[0].status_code, 200);
  assert.equal(list[0].attempts.length, 1);
  assert.equal(list[0].attempts[0].answer, 'fine');
  assert.equal(to.got.length, 1);
  const shown = await as.ok('GET', `/v1/webhooks/${webhook.id}`);
  assert.equal(shown.secret, undefined);
  assert.ok(webhook.secret.replace(/=$/, '').endsWith(shown.secret_hint.slice(-4)));
});

test('filters choose; another tenant is told nothing', async () => {
  const as = tenant('filters');
  const [all, failures, none, other] = [await receiver(), await receiver(), await receiver(), await receiver()];
  await hook(as, all.url, ['*']);
  await hook(as, failures.url, ['run.failed', 'run.cancelled']);
  await hook(as, none.url, []);
  await hook(tenant('others'), other.url, ['*']);
  await as.finished(await as.go());
  const busy = await as.go(ask, 'ask');
  await until('it asks', () => all.of('run.requires_action').length === 1);
  await as.ok('POST', `/v1/threads/${busy.thread_id}/runs/${busy.id}/cancel`);
  await until('all of it', () => all.of('run.completed').length === 1 && all.of('run.cancelled').length === 1 && failures.got.length === 1);
  assert.equal(failures.got[0].event.type, 'run.cancelled');
  assert.equal(none.got.length + other.got.length, 0);
});

test('a run that was made before the webhook is told of', async () => {
  const as = tenant('before');
  const to = await receiver();
  const run = await as.go(ask, 'ask');
  await until('it asks', async () => (await as.run(run)).status === 'requires_action');
  await hook(as, to.url);
  await as.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
  await until('it is told', () => to.of('run.cancelled').length === 1);
});

test('texts go along where they are wanted', async () => {
  const as = tenant('full');
  const to = await receiver();
  await hook(as, to.url, ['run.completed'], { payload: 'full' });
  const run = await as.finished(await as.go());
  await until('it is told', () => to.got.length === 1);
  assert.equal(to.got[0].event.data.output, await as.answer(run));
});

test('a run may name one more URL, signed as the webhook that it names; its failures are its own', async () => {
  const as = tenant('own');
  const [to, own] = [await receiver(), await receiver()];
  const webhook = await hook(as, to.url);
  const run = await as.go({ webhook: { url: `${own.url}/callback?x=1`, endpoint: webhook.id } });
  assert.deepEqual(run.webhook, { url: `${own.url}/callback?x=1`, endpoint: webhook.id });
  await until('both are told', () => to.got.length === 1 && own.got.length === 1);
  assert.equal(own.got[0].path, '/hook/callback?x=1');
  verify(webhook.secret, own.got[0].headers, own.got[0].body);
  assert.equal(own.got[0].headers['webhook-id'], to.got[0].headers['webhook-id']);
  const shown = (await deliveries(as, webhook)).map((each) => each.url).sort();
  assert.deepEqual(shown, [`${own.url}/callback?x=1`, null].sort());
  for (const [bad, param] of [
    [{ url: own.url, endpoint: 'whk_00000000000000000000000000000000' }, 'webhook.endpoint'],
    [{ url: 'ftp://example.com', endpoint: webhook.id }, 'webhook.url'],
    [{ url: 'http://10.0.0.1/', endpoint: webhook.id }, 'webhook.url'],
    [{ url: own.url }, 'webhook.endpoint'],
  ]) {
    const refused = await as.call('POST', '/v1/threads/runs', { assistant_id: (await as.agent()).id, webhook: bad });
    assert.equal(refused.status, 400, JSON.stringify(refused.body));
    assert.equal(refused.body.error.param, param);
  }
});

test('a URL that can not be is refused when it is set', async () => {
  const as = tenant('urls');
  const to = await receiver();
  const webhook = await hook(as, to.url);
  for (const url of ['example.com', 'ftp://example.com/', 'https://user:secret@example.com/', 'http://10.1.2.3/', 'http://[::ffff:192.168.0.1]/', 'http://169.254.169.254/latest',
    'http://2130706434:80@x/', 'http:///x', 'http://100.64.0.1/', `http://example.com/${'x'.repeat(2050)}`]) {
    const refused = await as.call('POST', '/v1/webhooks', { url, events: ['*'] });
    assert.equal(refused.status, 400, url);
    assert.equal(refused.body.error.param, 'url', JSON.stringify(refused.body));
    assert.equal((await as.call('POST', `/v1/webhooks/${webhook.id}`, { url })).status, 400, url);
  }
  for (const events of [['run.done'], ['*.*'], [7], 'run.*', undefined])
    assert.equal((await as.call('POST', '/v1/webhooks', { url: to.url, events })).status, 400, JSON.stringify(events));
  assert.equal((await as.ok('GET', '/v1/webhooks')).data.length, 1);
});

test('what fails is tried again by the same id, and is dead in the end', async () => {
  const as = tenant('fails');
  let status = 500;
  const to = await receiver((request, response) => { response.statusCode = status; response.end('no'); });
  const webhook = await hook(as, to.url);
  await as.finished(await as.go());
  const due = () => stack.exec(`UPDATE webhook_deliveries SET next_at = now() WHERE state = 'pending'; UPDATE webhook_lanes SET not_before = now()`);
  for (let tries = 1; tries <= 9; tries++) {
    await until(`try ${tries}`, async () => (await deliveries(as, webhook))[0]?.tries === tries);
    const [seen] = await deliveries(as, webhook);
    assert.equal(seen.state, 'pending');
    assert.equal(seen.error, 'It answered 500.');
    due();
  }
  await until('it is given up', async () => (await deliveries(as, webhook, '?state=dead')).length === 1);
  assert.equal(to.got.length, 10);
  assert.equal(to.ids().size, 1);
  assert.equal(new Set(to.got.map((each) => each.body)).size, 1);
  for (const each of to.got) verify(webhook.secret, each.headers, each.body);
  status = 204;
  const [dead] = await deliveries(as, webhook);
  assert.deepEqual(dead.attempts.map((each) => each.cause), ['event', ...Array(9).fill('retry')]);
  await as.ok('POST', `/v1/webhooks/${webhook.id}/deliveries/${dead.id}/redeliver`);
  await until('it is delivered', async () => (await deliveries(as, webhook, '?state=delivered')).length === 1);
  assert.equal(to.ids().size, 1);
});

test('receivers that hang, redirect, trickle, send a gigabyte, or lead astray', async () => {
  const as = tenant('odd');
  const evil = await receiver();
  const odd = {
    redirect: await receiver((request, response) => { response.writeHead(302, { location: evil.url }); response.end(); }),
    gigabyte: await receiver((request, response) => {
      const block = Buffer.alloc(1 << 20, 'x');
      let left = 1 << 10;
      const more = () => { while (left-- > 0 && response.write(block)); if (left > 0) response.once('drain', more); else response.end(); };
      more();
    }),
    trickle: await receiver((request, response) => { response.writeHead(200); const timer = setInterval(() => response.write('.'), 100); response.on('close', () => clearInterval(timer)); }),
    hang: await receiver(() => {}),
    later: await receiver((request, response) => { response.writeHead(429, { 'retry-after': '120' }); response.end(); }),
    closes: await receiver((request) => request.socket.destroy()),
  };
  const hooks = {};
  for (const [name, each] of Object.entries(odd)) hooks[name] = await hook(as, each.url);
  const well = await receiver();
  const good = await hook(as, well.url);
  const start = Date.now();
  await as.finished(await as.go());
  await until('the one that is well is told', () => well.got.length === 1);
  checkTook(Date.now() - start, 5000, 'the one that is well');
  const tried = async (name, state = 'pending') => {
    const [one] = await until(name, async () => { const all = await deliveries(as, hooks[name]); return all[0]?.attempts.length > 0 && all; }, 30000);
    assert.equal(one.state, state, name);
    return one;
  };
  assert.match((await tried('redirect')).error, /redirects are not followed/);
  assert.equal(evil.got.length, 0);
  assert.equal((await tried('gigabyte', 'delivered')).attempts[0].answer.length, 1024);
  assert.ok((await tried('trickle', 'delivered')).attempts[0].duration_ms < 5000);
  const later = await tried('later');
  assert.ok(later.next_try_at - later.attempts[0].created_at >= 119, JSON.stringify(later));
  assert.match((await tried('closes')).error, /./);
  const hang = await tried('hang');
  assert.ok(hang.attempts[0].duration_ms >= 14900 && hang.attempts[0].duration_ms < 25000, String(hang.attempts[0].duration_ms));
  assert.equal(hang.status_code, null);
  assert.equal((await deliveries(as, good))[0].state, 'delivered');
});

test('an address that became private is not reached, and nothing of it is told', async () => {
  const as = tenant('private');
  const webhook = await hook(as, 'https://example.invalid/', []).catch((error) => error);
  assert.match(webhook.message, /no host of this name/);
  const to = await receiver();
  const made = await hook(as, to.url);
  stack.exec(`UPDATE webhook_endpoints SET url = 'http://10.11.12.13:81/secret' WHERE url = '${to.url}'`); // as a name would that now leads elsewhere
  await as.finished(await as.go());
  const one = await until('it is tried', async () => { const [first] = await deliveries(as, made); return first?.tries > 0 && first; });
  assert.equal(one.state, 'pending');
  assert.equal(one.error, '10.11.12.13 has no public address.');
  assert.equal(one.attempts[0].answer, null);
});

test('410 disables; what was missed can be recovered', async () => {
  const as = tenant('gone');
  let gone = true;
  const to = await receiver((request, response) => { response.statusCode = gone ? 410 : 200; response.end(); });
  const watcher = await receiver();
  const webhook = await hook(as, to.url);
  await hook(as, watcher.url, ['webhook_endpoint.*']);
  const since = Math.floor(Date.now() / 1000) - 1;
  await as.finished(await as.go());
  await until('it is disabled', async () => !(await as.ok('GET', `/v1/webhooks/${webhook.id}`)).enabled);
  assert.equal((await as.ok('GET', `/v1/webhooks/${webhook.id}`)).disabled_reason, 'gone');
  await until('others are told', () => watcher.of('webhook_endpoint.disabled').length === 1);
  assert.equal(watcher.got[0].event.data.id, webhook.id);
  assert.match(stack.scheduler.log(), /a webhook is disabled/);
  await as.finished(await as.go());
  await until('the outbox is empty', () => stack.sql(`SELECT 1 FROM webhook_events WHERE NOT moved`).length === 0);
  assert.equal(to.got.length, 1);
  assert.equal((await as.call('POST', `/v1/webhooks/${webhook.id}/recover`, { since })).status, 409);
  gone = false;
  await as.ok('POST', `/v1/webhooks/${webhook.id}`, { enabled: true });
  const recovered = await as.ok('POST', `/v1/webhooks/${webhook.id}/recover`, { since });
  assert.deepEqual({ recovered: recovered.recovered, has_more: recovered.has_more }, { recovered: 2, has_more: false });
  await until('both are there', async () => (await deliveries(as, webhook, '?state=delivered')).length === 2);
  assert.equal(to.ids().size, 2);
});

test('days of failures disable a webhook', async () => {
  const as = tenant('days');
  const to = await receiver((request, response) => { response.statusCode = 503; response.end(); });
  const webhook = await hook(as, to.url);
  await as.finished(await as.go());
  await until('it fails', async () => (await as.ok('GET', `/v1/webhooks/${webhook.id}`)).failing_since);
  const id = webhook.id.slice(4);
  stack.exec(`UPDATE webhook_lanes SET failing_since = now() - interval '121 hours', not_before = now() WHERE lane = '${id}'; UPDATE webhook_deliveries SET next_at = now() WHERE lane = '${id}'`);
  const seen = await until('it is disabled', async () => { const one = await as.ok('GET', `/v1/webhooks/${webhook.id}`); return !one.enabled && one; });
  assert.equal(seen.disabled_reason, 'failing');
  await until('what waits is skipped', async () => (await deliveries(as, webhook, '?state=skipped')).length === 1);
});

test('a new secret and the one before sign until the time is over', async () => {
  const as = tenant('rotates');
  const to = await receiver();
  const webhook = await hook(as, to.url);
  const second = await as.ok('POST', `/v1/webhooks/${webhook.id}/rotate_secret`, { keep_seconds: 3600 });
  assert.notEqual(second.secret, webhook.secret);
  await as.finished(await as.go());
  await until('it is told', () => to.got.length === 1);
  verify(webhook.secret, to.got[0].headers, to.got[0].body);
  verify(second.secret, to.got[0].headers, to.got[0].body);
  await as.ok('POST', `/v1/webhooks/${webhook.id}/test`, {});
  verify(webhook.secret, to.got[1].headers, to.got[1].body);
  verify(second.secret, to.got[1].headers, to.got[1].body);
  const third = await as.ok('POST', `/v1/webhooks/${webhook.id}/rotate_secret`, { keep_seconds: 0 });
  await as.finished(await as.go());
  await until('it is told', () => to.got.length === 3);
  await as.ok('POST', `/v1/webhooks/${webhook.id}/test`, {});
  for (const { headers, body } of to.got.slice(2)) {
    verify(third.secret, headers, body);
    assert.throws(() => verify(second.secret, headers, body), /no signature/);
  }
});

test('a test event comes back with what was answered', async () => {
  const as = tenant('tests');
  const to = await receiver((request, response) => { response.statusCode = 418; response.end('a teapot'); });
  const webhook = await hook(as, to.url, ['run.failed']);
  const tried = await as.ok('POST', `/v1/webhooks/${webhook.id}/test`, {});
  assert.deepEqual({ ...tried, duration_ms: 0 }, { object: 'webhook.test', webhook_id: webhook.id, type: 'run.failed', success: false, status_code: 418, duration_ms: 0, answer: 'a teapot', error: 'It answered 418.' });
  verify(webhook.secret, to.got[0].headers, to.got[0].body);
  assert.equal(to.got[0].event.data.test, true);
  assert.equal((await as.call('POST', `/v1/webhooks/${webhook.id}/test`, { type: 'run.*' })).status, 400);
});

test('on the command line a webhook is named by its id, its name, or the beginning of its URL', async () => {
  const as = tenant('named');
  const to = await receiver();
  const one = await hook(as, `${to.url}/one`, ['run.*'], { name: 'billing' });
  const two = await hook(as, `${to.url}/two`, ['run.*'], { name: 'http' });
  const show = (word) => as.command('webhooks', 'show', word, '--json');
  for (const word of [one.id, 'billing', `${to.url}/o`]) assert.equal(JSON.parse(show(word)).id, one.id, word);
  assert.equal(JSON.parse(show('http')).id, two.id, 'a name goes before a URL');
  assert.match(as.command('webhooks', 'deliveries', 'billing'), /^DELIVERY/);
  const refused = (word) => {
    const { status, stderr } = spawnSync(join(as.bin, 'penstock'), ['webhooks', 'delete', word], { env: { ...process.env, ...as.env, PENSTOCK_URL: as.url, PENSTOCK_API_KEY: as.key }, encoding: 'utf8' });
    assert.notEqual(status, 0);
    return stderr;
  };
  assert.match(refused(to.url), /may be 2 webhooks: name one by its id/);
  assert.match(refused('nobody'), /there is no webhook of the id or the name "nobody"/);
  assert.match(refused(''), /there is no webhook/);
  assert.match(as.command('webhooks', 'delete', 'billing'), /billing is deleted/);
});

test('a webhook that is deleted is told nothing any more, and is nobody\'s', async () => {
  const as = tenant('deletes');
  const to = await receiver();
  const webhook = await hook(as, to.url);
  const stranger = tenant('stranger');
  assert.equal((await stranger.call('GET', `/v1/webhooks/${webhook.id}`)).status, 404);
  assert.equal((await stranger.call('DELETE', `/v1/webhooks/${webhook.id}`)).status, 404);
  await as.ok('DELETE', `/v1/webhooks/${webhook.id}`);
  assert.equal((await as.call('GET', `/v1/webhooks/${webhook.id}`)).status, 404);
  await as.finished(await as.go());
  await sleep(1500);
  assert.equal(to.got.length, 0);
});

test('a scheduler that is killed on the way, and Postgres that restarts: each event arrives, by its one id', async () => {
  const as = tenant('killed');
  const to = await receiver((request, response) => setTimeout(() => response.end(), 100));
  const webhook = await hook(as, to.url);
  const agent = await as.agent();
  const runs = [];
  for (let i = 0; i < 40; i++) runs.push(await as.submit(agent, `run ${i}`));
  await until('some are told', () => to.got.length >= 3);
  await stack.scheduler.kill('SIGKILL'); // in the midst of deliveries
  await until('all have ended', () => stack.sql(`SELECT 1 FROM runs WHERE status <> 'completed' AND tenant_id = (SELECT id FROM tenants WHERE name = 'killed')`).length === 0);
  await stack.startScheduler(); // what was committed and not moved is found now
  stack.postgres('restart', '-m', 'immediate');
  stack.exec(`UPDATE webhook_deliveries SET next_at = least(next_at, now() + interval '1 s') WHERE state = 'pending'`); // leases of the dead are over sooner
  await until('all are told', () => to.ids().size === 40, 60000);
  await until('all is noted', async () => (await deliveries(as, webhook, '?state=delivered&limit=100')).length === 40, 60000);
  assert.deepEqual(new Set(to.got.map((each) => each.event.data.id)), new Set(runs.map((each) => each.id)));
  assert.ok(to.got.length <= 40 + 16, `${to.got.length} deliveries of 40 events`);
});

test('a dead webhook with 100,000 waiting deliveries does not delay another one by a second', async () => {
  const as = tenant('flood');
  const [dead, live] = [await receiver(() => {}), await receiver()];
  const first = await hook(as, dead.url);
  await hook(as, live.url, ['run.completed']);
  const id = first.id.slice(4);
  stack.exec(`
    INSERT INTO webhook_events (id, tenant_id, type, data, moved)
      SELECT penstock_uuid7(), tenant_id, 'run.failed', '{}', true FROM webhook_endpoints, generate_series(1, 100000) WHERE id = '${id}';
    INSERT INTO webhook_deliveries (id, tenant_id, event_id, endpoint_id, lane, type)
      SELECT penstock_uuid7(), tenant_id, id, '${id}', '${id}', type FROM webhook_events WHERE type = 'run.failed' AND moved AND tenant_id = (SELECT tenant_id FROM webhook_endpoints WHERE id = '${id}')`);
  await until('it is being tried', () => dead.got.length >= 8);
  const waits = [];
  for (let i = 0; i < 20; i++) {
    const run = await as.finished(await as.go());
    const got = await until('it is told', () => live.got.find((each) => each.event.data.id === run.id));
    waits.push(Math.round(got.at - Number(stack.sql(`SELECT extract(epoch FROM completed_at) * 1000 AS ms FROM runs WHERE id = '${run.id.slice(4)}'`)[0].ms)));
    await sleep(200);
  }
  waits.sort((a, b) => a - b);
  checkTook(waits.at(-1), 1000, `the live one waits ${waits.join(', ')} ms`);
  assert.ok(stack.sql(`SELECT count(*)::int AS n FROM webhook_deliveries WHERE lane = '${id}' AND state = 'pending'`)[0].n > 99000);
  assert.ok(dead.got.length < 40, `${dead.got.length} tries of the dead one`);
});

test('a tenant is told once when most of a budget is spent', async () => {
  const as = tenant('spends');
  const to = await receiver();
  await hook(as, to.url, ['budget.*']);
  const budget = await as.ok('PUT', '/v1/budgets/user/ann', { period: 'day', max_tokens: 1000 });
  await as.finished(await as.go({ user: 'ann', max_output_tokens: 100 }, 'spend'));
  await until('it is told', () => to.got.length > 0, 60_000);
  assert.equal(to.got[0].event.type, 'budget.warning');
  assert.deepEqual(to.got[0].event.data, {
    id: budget.id, object: 'budget', kind: 'user', subject: 'ann', period: 'day', max_tokens: 1000, max_cost_micros: null, spent_tokens: 850,
    spent_cost_micros: (await as.ok('GET', '/v1/budgets/user/ann')).spent_cost_micros,
  });
  assert.equal(to.got.length, 1);
});
