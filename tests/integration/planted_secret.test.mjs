// A secret is planted, used wherever one may be used, and said back by whoever is sent it. Then it is looked for: in the database, in what passed Redis, in logs, events,
// errors, webhooks, traces, and in all that models were asked.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBatch, endedBatch, lineOf, answers } from '../lib/batches.mjs';
import { Collector } from '../lib/collector.mjs';
import { Receiver, verify } from '../lib/receiver.mjs';
import { masterKey, Shop } from '../lib/shop.mjs';
import { until, withStack } from '../lib/stack.mjs';

const secret = () => `sk-planted/${randomBytes(12).toString('hex')}+"&<é>`;

/** The ways in which servers say it back, and in which it would be found. In base64 wherever it begins, without the ends that depend on what is around it. */
function formsOf(value) {
  const base64 = [0, 1, 2].map((offset) => Buffer.from('x'.repeat(offset) + value).toString('base64').slice(4, -8));
  const json = JSON.stringify(value).slice(1, -1);
  return [value, encodeURIComponent(value), Buffer.from(value).toString('hex'), json, json.replaceAll('/', '\\/'), ...base64, ...base64.map((each) => each.replaceAll('+', '-').replaceAll('/', '_')), value.slice(11, 35)];
}

const parameters = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };
const places = (url) => ({
  in_header: { url: `${url}/header/{{id}}`, headers: { Authorization: 'Bearer ${secret:PLANTED}', 'X-Id': '{{id}}' } },
  in_path: { url: `${url}/path/\${secret:PLANTED}/{{id}}` },
  in_query: { url: `${url}/query?key=\${secret:PLANTED}&id={{id}}`, query: { again: '${secret:PLANTED}' } },
  in_body: { url: `${url}/body`, method: 'POST', body: { key: '${secret:PLANTED}', inside: 'a ${secret:PLANTED} b', id: '{{id}}' } },
  in_form: { url: `${url}/form`, method: 'PUT', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: { key: '${secret:PLANTED}' } },
  pointed: { url: `${url}/header/{{id}}`, headers: { Authorization: 'Bearer ${secret:PLANTED}' }, result_pointer: '/said' },
  cut_short: { url: `${url}/header/{{id}}`, headers: { Authorization: 'Bearer ${secret:PLANTED}' }, max_result_bytes: 256 },
  refused: { url: `${url}/refused/\${secret:PLANTED}`, headers: { Authorization: 'Bearer ${secret:PLANTED}' } },
  moved: { url: `${url}/moved/\${secret:PLANTED}` },
  broken: { url: `${url}/broken/\${secret:PLANTED}`, method: 'POST' },
  away: { url: `http://127.0.0.1:1/\${secret:PLANTED}` },
  slow: { url: `${url}/hang/\${secret:PLANTED}`, timeout_ms: 300 },
});

/** Says everything back, in all the forms that the redactor knows. */
function echo(got, response) {
  const header = got.headers.authorization && Buffer.from(got.headers.authorization, 'latin1').toString('utf8');
  const said = [header, decodeURIComponent(got.url), got.url, got.body].filter(Boolean);
  const forms = said.flatMap((each) => [each, encodeURIComponent(each), Buffer.from(each).toString('base64'), Buffer.from(`x${each}`).toString('base64url'), Buffer.from(each).toString('hex')]);
  const kind = got.url.split('/')[1].split('?')[0];
  if (kind === 'hang') return undefined;
  if (kind === 'broken') return response.destroy();
  if (kind === 'moved') return response.writeHead(302, { location: `/elsewhere${got.url}` }).end(forms.join(' '));
  response.writeHead(kind === 'refused' ? 403 : 200, { 'content-type': 'application/json', 'x-echo': encodeURIComponent(got.url) });
  return response.end(JSON.stringify({ said, forms }));
}

async function everythingPassing(stack) {
  const file = join(stack.dir, 'redis.jsonl');
  const monitor = spawn('redis-cli', ['-s', stack.redisUrl.replace('unix://', ''), 'MONITOR'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = '';
  monitor.stdout.on('data', (bytes) => (seen += bytes));
  await until('Redis is watched', () => seen.includes('OK'));
  return {
    stop() {
      monitor.kill();
      writeFileSync(file, seen);
      return seen;
    },
  };
}

test('a planted secret occurs nowhere, wherever it is used and whoever says it back', async () => {
  const value = secret();
  const shop = await Shop.start(echo);
  const receiver = await Receiver.start((request, response, got) => response.writeHead(got.event.type === 'run.completed' ? 500 : 200).end(`${decodeURIComponent(request.url)} ${request.url} ${Buffer.from(decodeURIComponent(request.url)).toString('base64')}`));
  const collector = await Collector.start();
  const names = Object.keys(places(shop.url));
  const script = `
rules:
  - {name: again, when: {user: again}, steps: [{calls: [{name: in_header, arguments: {id: '8'}}]}, {text: 'Told: {{tool}}'}]}
  - name: all
    steps:
      - calls: [${names.map((name) => `{name: ${name}, arguments: {id: '7'}}`).join(', ')}]
      - text: 'Told: ${names.map((_, i) => `{{tool.${i + 1}}}`).join(' / ')}'
`;
  const env = {
    PENSTOCK_PRIVATE_ADDRESSES: `${shop.host},127.0.0.1:1`,
    PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8',
    PENSTOCK_MASTER_KEY: masterKey(),
    PENSTOCK_LOG_LEVEL: 'debug',
    PENSTOCK_TELEMETRY_CONTENT: 'on',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  };
  const heard = []; // what clients were told
  await withStack({ script, llmArgs: ['--bodies'], env }, async (stack) => {
    const redis = await everythingPassing(stack);
    const ask = async (...call) => {
      const reply = await stack.call(...call);
      heard.push(JSON.stringify(reply.body));
      return reply;
    };
    heard.push(JSON.stringify(await stack.ok('PUT', '/v1/secrets/PLANTED', { value })));
    for (const [name, fields] of Object.entries(places(shop.url))) await ask('POST', '/v1/tools', { type: 'http', name, parameters, ...fields });
    const agent = await stack.assistant({ tools: names.map((type) => ({ type })), secrets: ['PLANTED'] });
    const hook = await stack.ok('POST', '/v1/webhooks', { url: `${receiver.url}/\${secret:PLANTED}?key=\${secret:PLANTED}`, events: ['run.*'], payload: 'full' });
    assert.equal(hook.url, `${receiver.url}/\${secret:PLANTED}?key=\${secret:PLANTED}`, 'as it was said');

    const run = await stack.finished(await stack.submit(agent, 'go'), 60000);
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    const urlOf = (kind) => shop.got.find((got) => got.url.startsWith(`/${kind}`))?.url;
    assert.equal(shop.got.find((got) => got.url === '/header/7').headers.authorization, Buffer.from(`Bearer ${value}`).toString('latin1'), 'it was sent');
    assert.equal(decodeURIComponent(urlOf('path')), `/path/${value}/7`);
    assert.equal(new URL(urlOf('query'), shop.url).searchParams.get('again'), value);
    assert.equal(JSON.parse(shop.got.find((got) => got.url === '/body').body).inside, `a ${value} b`);
    assert.equal(new URLSearchParams(shop.got.find((got) => got.url === '/form').body).get('key'), value);
    for (const kind of ['refused', 'moved', 'broken', 'hang']) assert.ok(urlOf(kind), `${kind} was asked`);
    await until('it is told, and once more after a failure', () => receiver.got.length >= 2, 60000);
    assert.equal(decodeURIComponent(receiver.got[0].path), `/hook/${value}?key=${value}`);
    verify(hook.secret, receiver.got[0].headers, receiver.got[0].body);

    // All the ways to make it work, and to hear of it.
    for (const name of names) await ask('POST', `/v1/tools/${name}/test`, { arguments: { id: '7' } });
    for (const path of [`/v1/threads/${run.thread_id}/messages`, `/v1/threads/${run.thread_id}/runs/${run.id}/steps`, `/v1/webhooks/${hook.id}/deliveries`, '/v1/webhooks', '/v1/tools', '/v1/secrets']) await ask('GET', path);
    await ask('POST', `/v1/webhooks/${hook.id}/test`, { type: 'run.failed' });
    for (const format of ['simple', 'openai']) {
      const events = await fetch(`${stack.url}/v1/runs/${run.id}/events?format=${format}`, { headers: { authorization: `Bearer ${stack.key}` } });
      heard.push(await events.text());
    }
    const streamed = await fetch(`${stack.url}/v1/threads/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ assistant_id: agent.id, thread: { messages: [{ role: 'user', content: 'again' }] }, stream: true }),
    });
    heard.push(await streamed.text());
    await ask('POST', '/v1/responses', { model: agent.id, input: 'again' });
    const batch = await createBatch(stack, [lineOf('one', '/v1/threads/runs', { assistant_id: agent.id, thread: { messages: [{ role: 'user', content: 'again' }] } })], '/v1/threads/runs');
    heard.push(JSON.stringify([...(await answers(stack, await endedBatch(stack, batch.id)))]));
    const schedule = await stack.ok('POST', '/v1/schedules', { assistant_id: agent.id, every: '1h', input: 'again' });
    await ask('POST', `/v1/schedules/${schedule.id}/run`, {});
    await until('the schedule has run', () => stack.sql("SELECT 1 FROM runs WHERE status NOT IN ('completed', 'incomplete', 'failed')").length === 0, 60000);

    // What goes wrong.
    for (const url of [`http://\${secret:PLANTED}/`, `\${secret:PLANTED}`, `${receiver.url}/\${secret:no name}`, `${receiver.url}/${Array.from({ length: 9 }, (_, i) => `\${secret:S${i}}`).join('')}`])
      assert.equal((await ask('POST', '/v1/webhooks', { url, events: ['run.*'] })).status, 400, url);
    const ofRun = await ask('POST', '/v1/threads/runs', { assistant_id: agent.id, thread: { messages: [{ role: 'user', content: 'go' }] }, webhook: { endpoint: hook.id, url: `${receiver.url}/\${secret:PLANTED}` } });
    assert.equal(ofRun.status, 400, 'whoever makes a run sends no secrets where he likes');
    assert.match(ofRun.body.error.message, /a run may send no secrets/);
    await ask('PUT', '/v1/secrets/PLANTED', { value, name: value });
    await ask('DELETE', '/v1/secrets/PLANTED');
    await stack.finished(await stack.submit(agent, 'go'), 60000);
    const lost = await ask('POST', `/v1/webhooks/${hook.id}/test`, { type: 'run.failed' });
    assert.match(JSON.stringify(lost.body), /the secret PLANTED, which it needs, is not there/);

    await until('the traces are there', () => collector.requests.length > 0 && collector.spans.some((span) => span.name.includes('in_header')), 30000);
    const dump = execFileSync('pg_dump', ['--dbname', stack.databaseUrl], { encoding: 'utf8', maxBuffer: 1 << 28 });
    const passed = redis.stop();
    assert.ok(passed.length > 1000 && dump.length > 100000);
    const stats = stack.redis('INFO', 'keyspace');
    stack.redis('SAVE');
    const files = [...readdirSync(stack.dir).map((name) => join(stack.dir, name)), ...readdirSync(stack.serversDir).map((name) => join(stack.serversDir, name))].filter((name) => /\.(log|jsonl|rdb)$/.test(name));
    assert.ok(files.some((name) => name.endsWith('ledger.jsonl')) && files.some((name) => name.endsWith('.rdb')), files.join());
    const haystacks = { dump, passed, stats, heard: heard.join('\n'), webhooks: JSON.stringify(receiver.got.map((got) => got.body)), traces: JSON.stringify(collector.spans) };
    for (const name of files) haystacks[name] = readFileSync(name, 'latin1') + readFileSync(name, 'utf8');
    assert.ok(haystacks.heard.includes('[secret PLANTED]') && haystacks.traces.includes('[secret PLANTED]') && haystacks.dump.includes('[secret PLANTED]'), 'it was said back, and taken out');
    for (const [where, text] of Object.entries(haystacks))
      for (const form of formsOf(value)) {
        const at = text.indexOf(form);
        assert.equal(at, -1, `found as ${form} in ${where}: ${text.slice(Math.max(0, at - 200), at + 100)}`);
      }
  });
  shop.stop();
  await receiver.stop();
  await collector.stop();
});
