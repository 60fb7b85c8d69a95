// Declared HTTP tools: what goes out, what a model is told, who may use them, and that secrets stay where they belong.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answers, createBatch, endedBatch, lineOf } from '../lib/batches.mjs';
import { masterKey, Shop } from '../lib/shop.mjs';
import { until, withStack } from '../lib/stack.mjs';

const value = 'sk-planted/0a1b2c+3d4e5f';
const leases = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';

const lookup = (shop, more = {}) => ({
  type: 'http',
  name: 'order_lookup',
  description: 'Looks an order up.',
  parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  url: `${shop.url}/orders/{{id}}`,
  ...more,
});
const withKey = { headers: { Authorization: 'Bearer ${secret:SHOP_KEY}' } };

async function withShop(options, body) {
  const shop = await Shop.start(options.answer);
  try {
    const env = { PENSTOCK_PRIVATE_ADDRESSES: shop.host, PENSTOCK_MASTER_KEY: masterKey(), PENSTOCK_LOG_LEVEL: 'debug', ...options.env };
    await withStack({ script: options.script?.(shop) ?? 'rules: [{then: {text: hello}}]', llmArgs: ['--bodies'], config: options.config, workers: options.workers, env }, async (stack) => body(stack, shop));
  } finally {
    shop.stop();
  }
}

const calling = (name, args = '{id: "7"}', times = 1) => () => `
rules:
  - steps:
${Array.from({ length: times }, () => `      - calls: [{name: ${name}, arguments: ${args}}]`).join('\n')}
      - text: 'Told: {{tool}}'
`;

/** Nothing of it in a dump, in what anybody logged, or in what models were asked. */
function checkNowhere(stack, secret) {
  const dump = execFileSync('pg_dump', ['--dbname', stack.databaseUrl], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const files = readdirSync(stack.dir).filter((name) => name.endsWith('.log') || name.endsWith('.jsonl'));
  assert.ok(files.some((name) => name.endsWith('.jsonl')));
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  for (const text of [dump, ...files.map((name) => readFileSync(join(stack.dir, name), 'utf8'))])
    for (const form of [secret, base64.slice(0, -1), Buffer.from(secret).toString('hex'), encodeURIComponent(secret)]) assert.ok(!text.includes(form), `found ${form}`);
}

async function stepCalls(stack, run) {
  const steps = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return steps.data.flatMap((step) => step.step_details.tool_calls ?? []);
}

test('an agent looks an order up, and what the server says back of the secret reaches nobody', async () => {
  const answer = (got, response) => {
    const said = got.headers.authorization;
    response.end(JSON.stringify({ said, inside: Buffer.from(`x${said}`).toString('base64'), encoded: encodeURIComponent(said), hex: Buffer.from(said).toString('hex') }));
  };
  await withShop({ script: calling('order_lookup'), answer }, async (stack, shop) => {
    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value });
    const tool = await stack.ok('POST', '/v1/tools', lookup(shop, withKey));
    assert.match(tool.id, /^tool_[0-9a-f]{32}$/);
    assert.deepEqual([tool.object, tool.type, tool.version, tool.secrets, tool.method], ['tool', 'http', 1, ['SHOP_KEY'], null]);
    assert.deepEqual(await stack.ok('GET', '/v1/tools/order_lookup'), tool);
    assert.deepEqual(await stack.ok('GET', `/v1/tools/${tool.id}`), tool);

    const agent = await stack.assistant({ tools: [{ type: 'order_lookup' }], secrets: ['SHOP_KEY'] });
    const run = await stack.finished(await stack.submit(agent, 'go'));
    assert.equal(run.status, 'completed', JSON.stringify(run.last_error));
    assert.deepEqual(run.tools, [{ type: 'order_lookup' }], 'what it is, nobody is shown');
    assert.equal(shop.got.length, 1);
    assert.deepEqual([shop.got[0].method, shop.got[0].url, shop.got[0].headers.authorization, shop.got[0].key], ['GET', '/orders/7', `Bearer ${value}`, `${run.id}:1`]);
    const told = await stack.answer(run);
    assert.match(told, /"said":"Bearer \[secret SHOP_KEY\]"/);
    assert.equal(told.match(/\[secret SHOP_KEY\]/g).length, 4, told);
    const [call] = await stepCalls(stack, run);
    assert.deepEqual([call.type, call.function.name, JSON.parse(call.function.arguments)], ['function', 'order_lookup', { id: '7' }]);
    const [asked] = stack.ledger().map((line) => JSON.parse(line.request));
    assert.deepEqual(asked.tools, [{ type: 'function', function: { name: 'order_lookup', description: 'Looks an order up.', parameters: lookup(shop).parameters } }]);

    const tried = await stack.ok('POST', '/v1/tools/order_lookup/test', { arguments: { id: '8' } });
    assert.deepEqual([tried.is_error, tried.status, tried.tries, tried.request.url], [false, 200, 1, `${shop.url}/orders/8`]);
    assert.equal(tried.request.headers.Authorization, 'Bearer [secret SHOP_KEY]');
    assert.ok(!JSON.stringify(tried).includes('planted'));
    assert.ok((await stack.ok('GET', '/v1/secrets/SHOP_KEY')).last_used_at > 0);
    checkNowhere(stack, value);
  });
});

test('400 hostile arguments stay in their places', async () => {
  const parts = ['../', '..', '.', '/', '\\', '?', '#', '&', '=', '%', '%2e%2e', '%2f', '%0d%0a', '\r\n', '\n', '"', "'", '`', '{{n}}', '{{{{', '}}', '${secret:SHOP_KEY}',
    '$${secret:SHOP_KEY}', 'ä', '😀', '\u202e', '@evil.example', ':80', '//evil.example/', 'http://169.254.169.254/', ' ', '\t', ';', '</script>', '\u0001', 'x', '7', '[]', '{"a":1}', 'null', ','];
  await withShop({ workers: 0 }, async (stack, shop) => {
    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value });
    const parameters = { type: 'object', properties: { v: { type: 'string' }, n: { type: 'integer', default: 1 } }, required: ['v'] };
    const make = (name, fields) => stack.ok('POST', '/v1/tools', { type: 'http', name, parameters, ...fields, headers: { 'X-Key': '${secret:SHOP_KEY}', ...fields.headers } });
    await make('in_path', { url: `${shop.url}/a/{{v}}/z?end=1` });
    await make('in_query', { url: `${shop.url}/q?first={{v}}&mid=2`, query: { v: '{{v}}', w: '<{{v}}>', end: 1 } });
    await make('in_header', { url: `${shop.url}/h`, headers: { 'X-Value': '<{{v}}>' } });
    await make('in_body', { url: `${shop.url}/b`, method: 'POST', body: { v: '{{v}}', w: '<{{v}}>', end: true } });
    await make('in_text', { url: `${shop.url}/t`, method: 'POST', body: '{"v": {{v}}, "w": "<{{v}}>", "end": true}' });
    await make('in_form', { url: `${shop.url}/f`, method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: { v: '{{v}}', w: '<{{v}}>', end: 1 } });
    let seed = 7;
    const random = (below) => ((seed = (seed * 48271) % 2147483647) % below);
    const values = Array.from({ length: 400 }, (_, i) => (i < parts.length ? parts[i] : Array.from({ length: 1 + random(4) }, () => parts[random(parts.length)]).join('')));
    const rawHeader = (got, name) => Buffer.from(got.headers[name] ?? '', 'latin1').toString('utf8');
    let refused = 0;
    for (const v of values) {
      for (const name of ['in_path', 'in_query', 'in_header', 'in_body', 'in_text', 'in_form']) {
        shop.got.length = 0;
        const reply = await stack.ok('POST', `/v1/tools/${name}/test`, { arguments: { v } });
        if (reply.is_error) {
          assert.deepEqual(shop.got, [], 'what is refused is not sent');
          assert.match(reply.output, name === 'in_path' ? /"v" has "\." or "\.\." as a part|is empty/ : /line break or another control/, `${name} ${JSON.stringify(v)} ${reply.output}`);
          assert.ok(name === 'in_path' || name === 'in_header');
          refused++;
          continue;
        }
        const [got] = shop.got;
        assert.equal(shop.got.length, 1);
        assert.equal(got.headers['x-key'], value, 'the secret stays in its place');
        assert.equal(got.headers.host, shop.host);
        const url = new URL(got.url, shop.url);
        const said = JSON.stringify([name, v, got]);
        if (name === 'in_path') {
          assert.match(got.url, /^\/a\/[^/?#]+\/z\?end=1$/, said);
          assert.equal(decodeURIComponent(got.url.slice(3, -'/z?end=1'.length)), v, said);
        } else if (name === 'in_query') {
          assert.equal(url.pathname, '/q');
          assert.deepEqual([...url.searchParams], [['first', v], ['mid', '2'], ['v', v], ['w', `<${v}>`], ['end', '1']], said);
        } else if (name === 'in_header') {
          assert.equal(rawHeader(got, 'x-value'), `<${v}>`, said);
        } else if (name === 'in_form') {
          assert.deepEqual([...new URLSearchParams(got.body)], [['v', v], ['w', `<${v}>`], ['end', '1']], said);
        } else {
          assert.deepEqual(JSON.parse(got.body), { v, w: `<${v}>`, end: true }, said);
        }
      }
    }
    assert.ok(refused > 20 && refused < 700, `${refused} were refused`);
  });
});

test('what a server answers becomes what a model can read', async () => {
  const answer = (got, response) => {
    const path = got.url.split('?')[0];
    if (path === '/orders/none') return response.writeHead(404).end('{"error":"no such order"}');
    if (path === '/orders/moved') return response.writeHead(302, { location: '/orders/7' }).end();
    if (path === '/orders/empty') return response.writeHead(204).end();
    if (path === '/orders/image') return response.end(Buffer.from([0x89, 0x50, 0, 1, 2]));
    if (path === '/orders/large') return response.end('ä'.repeat(100000));
    if (path === '/orders/text') return response.end('no JSON');
    if (path === '/orders/reset') return response.destroy();
    return response.end('{"data":{"order":{"id":7,"state":"sent","note":"a\\"b"}}}');
  };
  await withShop({ workers: 0, answer }, async (stack, shop) => {
    await stack.ok('POST', '/v1/tools', lookup(shop, { max_result_bytes: 1000 }));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'state', result_pointer: '/data/order/state' }));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'order', result_pointer: '/data/order' }));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'lost', result_pointer: '/data/nothing' }));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'once', class: 'once' }));
    const said = async (tool, id) => {
      const reply = await stack.ok('POST', `/v1/tools/${tool}/test`, { arguments: { id } });
      return [reply.is_error, reply.output];
    };
    assert.deepEqual(await said('state', '7'), [false, 'sent']);
    assert.deepEqual(await said('order', '7'), [false, '{"id":7,"state":"sent","note":"a\\"b"}']);
    assert.deepEqual(await said('lost', '7'), [true, 'Error: the server\'s answer has nothing at /data/nothing.']);
    assert.deepEqual(await said('state', 'text'), [true, 'Error: the server\'s answer is no JSON that could be read.']);
    assert.deepEqual(await said('order_lookup', 'none'), [true, 'Error: the server answered 404: {"error":"no such order"}']);
    assert.deepEqual(await said('order_lookup', 'moved'), [true, 'Error: the server answered 302, a redirect, which is not followed.']);
    assert.deepEqual(await said('order_lookup', 'empty'), [false, 'The server answered 204, without a body.']);
    assert.deepEqual(await said('order_lookup', 'image'), [false, 'The server answered 200, with 5 bytes that are no UTF-8 text.']);
    assert.deepEqual(await said('order_lookup', 'large'), [false, `${'ä'.repeat(500)}\n[The answer was longer, and is cut here after 1000 bytes.]`]);
    const doubtful = await said('once', 'reset');
    assert.match(doubtful[1], /[a-z]; whether the request took effect is not known/);
    assert.match((await said('order_lookup', ''))[1], /the parameter "id" is empty/);
    const wrong = await stack.ok('POST', '/v1/tools/order_lookup/test', { arguments: { id: 7 } });
    assert.match(wrong.output, /^Error: the arguments do not fit: \$\.id: expected a string/);
    assert.equal(shop.got.filter((got) => got.url === '/orders/moved').length, 1, 'nobody went where it leads');
  });
});

test('a server that is busy is asked again, unless the call may be made once only', async () => {
  const busy = new Map();
  const answer = (got, response) => {
    const tries = (busy.get(got.url) ?? 0) + 1;
    busy.set(got.url, tries);
    if (tries < 3) return response.writeHead(503, { 'retry-after': '0' }).end('busy');
    response.end('at last');
  };
  await withShop({ workers: 0, answer }, async (stack, shop) => {
    for (const klass of ['pure', 'idempotent', 'once'])
      await stack.ok('POST', '/v1/tools', lookup(shop, { name: klass, class: klass, url: `${shop.url}/${klass}/{{id}}` }));
    const tryOut = (tool) => stack.ok('POST', `/v1/tools/${tool}/test`, { arguments: { id: '7' } });
    const pure = await tryOut('pure');
    assert.deepEqual([pure.output, pure.tries], ['at last', 3]);
    const same = await tryOut('idempotent');
    assert.deepEqual([same.output, same.tries], ['at last', 3]);
    const once = await tryOut('once');
    assert.deepEqual([once.output, once.tries, once.is_error], ['Error: the server answered 503: busy', 1, true]);
    const keys = (name) => shop.got.filter((got) => got.url.startsWith(`/${name}/`)).map((got) => got.key);
    assert.deepEqual(keys('pure'), [undefined, undefined, undefined]);
    assert.equal(new Set(keys('idempotent')).size, 1);
    assert.match(keys('idempotent')[0], /^req_/);
    assert.equal(keys('once').length, 1);
  });
});

test('addresses that are not public are refused, whatever the definition says', async () => {
  await withShop({ workers: 0, env: { PENSTOCK_PRIVATE_ADDRESSES: '127.0.0.1:1' } }, async (stack, shop) => {
    for (const [name, url] of [['loop', `${shop.url}/x`], ['named', `http://localhost:${new URL(shop.url).port}/`], ['meta', 'http://169.254.169.254/latest'], ['six', 'http://[::ffff:127.0.0.1]:80/']]) {
      await stack.ok('POST', '/v1/tools', { type: 'http', name, url });
      assert.match((await stack.ok('POST', `/v1/tools/${name}/test`, {})).output, /^Error: .* has no public address/);
    }
    assert.deepEqual(shop.got, []);
  });
});

test('after a crash look-ups are made again with the same key, and tickets are not', async () => {
  const script = () => `
rules:
  - steps:
      - calls: [{name: ticket_create, arguments: {id: "7"}}, {name: order_lookup, arguments: {id: "8"}}]
      - text: 'Told: {{tool.1}} / {{tool.2}}'
`;
  await withShop({ script, config: leases }, async (stack, shop) => {
    await stack.ok('POST', '/v1/tools', lookup(shop, { url: `${shop.url}/slow/{{id}}` }));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'ticket_create', method: 'POST', url: `${shop.url}/slow`, body: { order: '{{id}}' } }));
    const agent = await stack.assistant({ tools: [{ type: 'order_lookup' }, { type: 'ticket_create' }] });
    const runs = await Promise.all(Array.from({ length: 5 }, () => stack.submit(agent, 'go')));
    for (const count of [10, 15]) {
      await until('the calls are under way', () => shop.got.length === count, 30000);
      await stack.workers.at(-1).kill('SIGKILL');
      await stack.startWorker();
    }
    await until('look-ups are made again', () => shop.got.length === 20, 30000);
    shop.release();
    for (const run of runs) {
      assert.equal((await stack.finished(run)).status, 'completed');
      assert.match(await stack.answer(run), /^Told: .*whether it took effect is not known.* \/ .*"state":"sent"/);
      const of = (method) => shop.got.filter((got) => got.method === method && got.key?.startsWith(run.id)).map((got) => got.key);
      assert.deepEqual(of('POST'), [`${run.id}:1`], 'one ticket');
      assert.deepEqual(of('GET'), Array(3).fill(`${run.id}:2`));
    }
    assert.deepEqual(stack.sql('SELECT class, count(*) FROM tool_calls GROUP BY 1 ORDER BY 1'), [{ class: 'idempotent', count: 5 }, { class: 'once', count: 5 }]);
  });
});

test('pure look-ups of a step are made at the same time', async () => {
  const script = () => `
rules:
  - steps:
      - calls: [{name: order_lookup, arguments: {id: "1"}}, {name: order_lookup, arguments: {id: "2"}}, {name: order_lookup, arguments: {id: "3"}}]
      - text: 'Told: {{tool.3}}'
`;
  await withShop({ script }, async (stack, shop) => {
    await stack.ok('POST', '/v1/tools', lookup(shop, { url: `${shop.url}/slow/{{id}}`, class: 'pure' }));
    const run = await stack.submit(await stack.assistant({ tools: [{ type: 'order_lookup' }] }), 'go');
    await until('all three are under way', () => shop.held.length === 3);
    shop.release();
    assert.equal((await stack.finished(run)).status, 'completed');
  });
});

test('nothing widens what an agent may do', async () => {
  await withShop({ script: calling('order_lookup') }, async (stack, shop) => {
    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value });
    await stack.ok('POST', '/v1/tools', lookup(shop, withKey));
    await stack.ok('POST', '/v1/tools', lookup(shop, { name: 'plain' }));
    const refused = async (method, path, body, code, message) => {
      const reply = await stack.call(method, path, body);
      assert.deepEqual([reply.status, reply.body.error?.code], [400, code], `${path} ${JSON.stringify(body)}: ${JSON.stringify(reply.body)}`);
      if (message) assert.match(reply.body.error.message, message);
    };
    const model = 'openai/gpt-4o-mini';
    await refused('POST', '/v1/assistants', { model, tools: [{ type: 'order_lookup' }] }, 'secret_not_permitted', /uses the secret 'SHOP_KEY', which the assistant may not/);
    await refused('POST', '/v1/assistants', { model, tools: [{ type: 'order_lookup' }], secrets: ['OTHER'] }, 'secret_not_permitted');
    await refused('POST', '/v1/assistants/check', { model, tools: [{ type: 'order_lookup' }] }, 'secret_not_permitted');
    await refused('POST', '/v1/assistants', { model, tools: [{ type: 'nobody' }] }, 'invalid_value', /Supported values are/);
    await refused('POST', '/v1/assistants', { model, tools: [{ type: 'plain', class: 'pure' }] }, 'unknown_parameter');
    await refused('POST', '/v1/assistants', { model, tools: [{ type: 'plain' }, { type: 'plain' }] }, 'duplicate_value');

    const may = await stack.assistant({ name: 'may', tools: [{ type: 'order_lookup' }, { type: 'plain' }], secrets: ['SHOP_KEY'] });
    const mayNot = await stack.assistant({ name: 'mayNot', tools: [{ type: 'plain' }] });
    const open = await stack.assistant({ name: 'open', tools: [], tool_policy: 'open' });
    await refused('POST', `/v1/assistants/${may.id}`, { secrets: [] }, 'secret_not_permitted');
    await refused('POST', `/v1/assistants/${mayNot.id}`, { tools: [{ type: 'order_lookup' }] }, 'secret_not_permitted');

    const thread = { messages: [{ role: 'user', content: 'go' }] };
    const { id } = await stack.ok('POST', '/v1/threads', {});
    const tools = [{ type: 'order_lookup' }];
    for (const path of ['/v1/threads/runs', `/v1/threads/${id}/runs`]) {
      const more = path.includes(id) ? {} : { thread };
      await refused('POST', path, { assistant_id: mayNot.id, tools, ...more }, 'tool_not_permitted');
      await refused('POST', path, { assistant_id: mayNot.id, tools, tool_choice: { type: 'order_lookup' }, ...more }, 'tool_not_permitted');
      await refused('POST', path, { assistant_id: mayNot.id, tool_choice: { type: 'order_lookup' }, ...more }, 'invalid_value', /none of the run's tools/);
      await refused('POST', path, { assistant_id: mayNot.id, secrets: ['SHOP_KEY'], ...more }, 'unknown_parameter');
      await refused('POST', path, { assistant_id: open.id, tools, ...more }, 'secret_not_permitted');
      await refused('POST', path, { assistant_id: open.id, tools: [{ type: 'nobody' }], ...more }, 'invalid_value');
      const forged = { type: 'plain', http: { url: `${shop.url}/forged` }, secrets: ['SHOP_KEY'] };
      await refused('POST', path, { assistant_id: may.id, tools: [forged], ...more }, 'unknown_parameter');
    }
    await refused('POST', `/v1/assistants/${mayNot.id}/run`, { input: 'go', tools }, 'tool_not_permitted');
    await refused('POST', '/v1/schedules', { assistant_id: mayNot.id, every: '1h', input: 'go', tools }, 'tool_not_permitted');
    const mcp = { type: 'mcp', server_label: 'penstock', allowed_tools: ['order_lookup'] };
    const response = await stack.call('POST', '/v1/responses', { model: mayNot.id, input: 'go', tools: [mcp] });
    assert.equal(response.status, 400, JSON.stringify(response.body));

    const line = (custom_id, assistant, more) => lineOf(custom_id, '/v1/threads/runs', { assistant_id: assistant.id, thread, ...more });
    const batch = await createBatch(stack, [line('widened', mayNot, { tools }), line('forced', mayNot, { tool_choice: { type: 'order_lookup' } }), line('right', may, {})], '/v1/threads/runs');
    const lines = await answers(stack, await endedBatch(stack, batch.id));
    assert.equal(lines.get('widened').where, 'error');
    assert.equal(lines.get('forced').where, 'error');
    assert.equal(lines.get('right').where, 'output', JSON.stringify(lines.get('right')));
    assert.equal(shop.got.length, 1, 'one look-up was made, by who may');

    // What is true of the agent when a run is made counts, too: a tool that came to need more is not his any more.
    await stack.ok('POST', '/v1/tools/plain', { headers: { 'X-Key': '${secret:SHOP_KEY}' } });
    await refused('POST', '/v1/threads/runs', { assistant_id: mayNot.id, thread }, 'secret_not_permitted');
    assert.equal(shop.got.length, 1);

    const stranger = stack.tenant('stranger');
    assert.equal((await stranger.call('GET', '/v1/tools/plain')).status, 404);
    assert.equal((await stranger.call('POST', '/v1/assistants', { model, tools: [{ type: 'plain' }] })).status, 400);
    assert.equal((await stranger.call('POST', '/v1/tools/plain/test', {})).status, 404);
  });
});

test('actions are narrowed by the tool and by the agent', async () => {
  const parameters = { type: 'object', properties: { action: { type: 'string' } }, required: ['action'] };
  await withShop({ script: calling('crm', '{action: "delete"}') }, async (stack, shop) => {
    await stack.ok('POST', '/v1/tools', { type: 'http', name: 'crm', parameters, url: `${shop.url}/crm`, query: { do: '{{action}}' }, allowed_actions: ['find', 'delete'] });
    const agent = (actions) => stack.assistant({ tools: [{ type: 'crm', ...(actions ? { allowed_actions: actions } : {}) }] });
    assert.equal((await stack.call('POST', '/v1/assistants', { model: 'openai/gpt-4o-mini', tools: [{ type: 'crm', allowed_actions: ['drop'] }] })).status, 400);
    const free = await stack.finished(await stack.submit(await agent(), 'go'));
    assert.match(await stack.answer(free), /\/crm\?do=delete/);
    const bound = await stack.finished(await stack.submit(await agent(['find']), 'go'));
    assert.deepEqual(bound.tools, [{ type: 'crm', allowed_actions: ['find'] }]);
    assert.match(await stack.answer(bound), /Error: the arguments do not fit: \$\.action/);
    assert.equal(shop.got.length, 1);
    const asked = stack.ledger().map((each) => JSON.parse(each.request).tools[0].function.parameters.properties.action.enum);
    assert.deepEqual([asked[0], asked.at(-1)], [['find', 'delete'], ['find']]);
  });
});

test('a run has the tool as it was when it was made; a tool that is in use is not deleted', async () => {
  await withShop({ script: calling('order_lookup', '{id: "slow"}', 2) }, async (stack, shop) => {
    const tool = await stack.ok('POST', '/v1/tools', lookup(shop));
    const agent = await stack.assistant({ name: 'Ann', tools: [{ type: 'order_lookup' }] });
    const run = await stack.submit(agent, 'go');
    await until('the first call is under way', () => shop.held.length === 1);
    const changed = await stack.ok('POST', `/v1/tools/${tool.id}`, { url: `${shop.url}/new/{{id}}`, description: null });
    assert.deepEqual([changed.version, changed.description], [2, null]);
    shop.release();
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.deepEqual(shop.got.map((got) => got.url), ['/orders/slow', '/orders/slow']);
    await stack.finished(await stack.submit(agent, 'go'));
    assert.deepEqual(shop.got.slice(2).map((got) => got.url), ['/new/slow', '/new/slow']);

    const refused = await stack.call('DELETE', '/v1/tools/order_lookup');
    assert.deepEqual([refused.status, refused.body.error.code, refused.headers.get('x-should-retry')], [409, 'tool_in_use', 'false']);
    assert.match(refused.body.error.message, new RegExp(`${agent.id} \\(Ann\\)`));
    const same = await stack.call('POST', '/v1/tools', lookup(shop));
    assert.deepEqual([same.status, same.body.error.code], [409, 'name_taken']);
    assert.equal((await stack.call('POST', '/v1/tools', lookup(shop, { name: 'calculator' }))).status, 400);
    assert.equal((await stack.call('POST', '/v1/tools/order_lookup', { name: 'other' })).body.error.code, 'unknown_parameter');
    assert.equal((await stack.call('POST', '/v1/tools/order_lookup', { url: 'nowhere' })).status, 400);
    await stack.ok('POST', `/v1/assistants/${agent.id}`, { tools: [] });
    assert.equal((await stack.ok('DELETE', '/v1/tools/order_lookup')).deleted, true);
    assert.equal((await stack.call('GET', `/v1/tools/${tool.id}`)).status, 404);
  });
});

test('secrets and the master key are changed under load, and no call fails', async () => {
  await withShop({ script: calling('order_lookup', '{id: "7"}', 4), env: { PENSTOCK_MASTER_KEY: '' } }, async (stack, shop) => {
    const file = join(stack.dir, 'master-keys');
    const keys = [masterKey(), masterKey()];
    writeFileSync(file, keys[0]);
    stack.env.PENSTOCK_MASTER_KEY_FILE = file;
    await stack.scheduler.stop();
    await stack.workers[0].stop();
    await stack.startScheduler();
    await stack.startWorker();
    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value: `${value}-1` });
    await stack.ok('POST', '/v1/tools', lookup(shop, withKey));
    const agent = await stack.assistant({ tools: [{ type: 'order_lookup' }], secrets: ['SHOP_KEY'] });
    const load = Array.from({ length: 20 }, async () => {
      for (let i = 0; i < 5; i++) {
        const run = await stack.finished(await stack.submit(agent, 'go'), 60000);
        assert.equal(run.status, 'completed');
      }
    });
    await until('the load is there', () => shop.got.length > 20);
    for (let round = 2; round <= 6; round++) {
      keys.unshift(masterKey());
      writeFileSync(file, `${keys.slice(0, 2).join('\n')}\n`);
      await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value: `${value}-${round}` });
      stack.command('secrets', 'rotate');
    }
    await Promise.all(load);
    assert.equal(shop.got.length, 400);
    const seen = shop.got.map((got) => got.headers.authorization);
    assert.deepEqual(seen.filter((each) => !/^Bearer sk-planted\/0a1b2c\+3d4e5f-[1-6]$/.test(each)), []);
    assert.deepEqual(stack.sql('SELECT DISTINCT is_error FROM tool_calls'), [{ is_error: false }]);
    const after = shop.got.length;
    await stack.finished(await stack.submit(agent, 'go'));
    assert.ok(shop.got.slice(after).every((got) => got.headers.authorization.endsWith('-6')), 'the newest value is sent');
    await stack.ok('DELETE', '/v1/secrets/SHOP_KEY');
    const without = await stack.finished(await stack.submit(agent, 'go'));
    assert.match(await stack.answer(without), /Error: the secret SHOP_KEY, which it needs, is not there/);
    for (let round = 1; round <= 6; round++) checkNowhere(stack, `${value}-${round}`);
  });
});

test('tools are code, too: apply makes them before the agents that name them, and checks all of it first', async () => {
  await withShop({ script: calling('order_lookup') }, async (stack, shop) => {
    const file = join(stack.dir, 'shop.yaml');
    const yaml = (more = '', secrets = 'secrets: [SHOP_KEY]') => `
tools:
  - name: order_lookup
    type: http
    description: Looks an order up.
    parameters: {type: object, properties: {id: {type: string}}, required: [id]}
    url: ${shop.url}/orders/{{id}}
    headers: {Authorization: 'Bearer \${secret:SHOP_KEY}'}
    result_pointer: /data/order/state
${more}
agents:
  - name: clerk
    slug: clerk
    model: openai/gpt-4o-mini
    tools: [{type: order_lookup}, {type: calculator}]
    ${secrets}
`;
    // Not in one go: the shop that is called answers from this very process.
    const cli = (...args) =>
      new Promise((done) => {
        const env = { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key };
        execFile(join(stack.bin, 'penstock'), args, { env }, (error, stdout, stderr) => done({ status: error?.code ?? 0, stdout, stderr }));
      });
    const apply = async (text, ...args) => {
      writeFileSync(file, text);
      const done = await cli('apply', ...args, '-y', '-f', file);
      return done.status === 0 ? { said: done.stdout } : { failed: done.stderr };
    };
    assert.match((await apply(yaml('', ''))).failed, /shop\.yaml:\d+:5: agent "clerk": tools\[0\]: The tool 'order_lookup' uses the secret 'SHOP_KEY', which the assistant may not/);
    assert.match((await apply(yaml('    class: twice'))).failed, /shop\.yaml:3:5: tool "order_lookup": .*Supported values are: 'pure', 'idempotent', and 'once'/s);
    assert.match((await apply(yaml().replace('type: calculator', 'type: nobody'))).failed, /agent "clerk": .*Supported values are/);
    assert.deepEqual((await stack.ok('GET', '/v1/tools')).data, [], 'nothing was changed');
    assert.match((await apply(yaml(), '--dry-run')).said, /\+ create tool order_lookup[^]*\+ create clerk[^]*2 to create, 0 to update, 0 unchanged/);
    assert.match((await apply(yaml())).said, /created tool order_lookup \(tool_[0-9a-f]{32}\)\ncreated clerk/);
    assert.match((await apply(yaml())).said, /= unchanged tool order_lookup[^]*0 to create, 0 to update, 2 unchanged/);
    assert.match((await apply(yaml('    timeout_ms: 5000').replace('    result_pointer: /data/order/state\n', ''))).said, /~ update tool order_lookup[^]*updated tool order_lookup/);
    const tool = await stack.ok('GET', '/v1/tools/order_lookup');
    assert.deepEqual([tool.version, tool.timeout_ms, tool.result_pointer], [2, 5000, null]);
    await apply(yaml());

    await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value });
    assert.equal((await cli('tools', 'test', 'order_lookup', '{"id": "9"}')).stdout, 'sent\n');
    assert.match(stack.command('tools', 'list'), /^order_lookup +3  GET +http:.*\/orders\/\{\{id\}\}$/m);
    assert.equal(JSON.parse(stack.command('tools', 'show', 'order_lookup')).version, 3);
    assert.equal((await cli('run', 'clerk', 'go')).stdout.trim(), 'Told: sent');
    assert.match((await cli('tools', 'delete', 'order_lookup')).stderr, /named by assistants/);
    const wrong = await cli('tools', 'test', 'order_lookup', '{"id": 9}');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stdout, /^Error: the arguments do not fit: .*expected a string/);
    assert.ok(shop.got.every((got) => got.headers.authorization === `Bearer ${value}`));
  });
});
