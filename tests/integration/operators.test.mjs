// What operators are told: no worker, a database that is away or unmigrated, shards that differ, metrics and where they are.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Collector } from '../lib/collector.mjs';
import { freePort, sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: quick
    steps: [{text: 'done'}]
`;

const readyz = async (url) => (await fetch(`${url}/readyz`)).json();

/** `penstock ARGS` and what it printed, whatever its exit code. */
function tried(stack, ...args) {
  try {
    return stack.command(...args);
  } catch (error) {
    return error.stdout;
  }
}

test('no worker is up: readiness, doctor, the run and who waits for it say so', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    await until('readiness says it', async () => (await readyz(stack.url)).degraded.includes('workers: no worker is up'));
    assert.match(tried(stack, 'doctor'), /fail +workers +no worker is up/);
    const assistant = await stack.assistant({ name: 'waits', tools: [] });
    const run = await stack.submit(assistant, 'hello');
    assert.match(stack.command('runs', 'show', run.id), /outcome +the run is queued: no worker is up/);

    const waiting = spawn(join(stack.bin, 'penstock'), ['run', 'waits', 'hello'], {
      env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key },
    });
    let said = '';
    waiting.stderr.on('data', (chunk) => (said += chunk));
    await until('the command says it', () => said.includes('the run is queued: no worker is up'));
    await stack.startWorker();
    const [code] = await once(waiting, 'exit');
    assert.equal(code, 0);
    await until('readiness is content', async () => (await readyz(stack.url)).degraded.length === 0);
    assert.match(stack.command('doctor'), /ok +workers +1 up/);
  });
});

test('Postgres away under a worker is a line when it is lost and one when it is back', async () => {
  await withStack({ script }, async (stack) => {
    const worker = stack.workers[0];
    stack.postgres('stop', '-m', 'fast');
    await until('the worker tells', () => /Postgres does not serve/.test(worker.log()));
    await until('the scheduler tells', () => /Postgres does not serve/.test(stack.scheduler.log()));
    assert.ok((await readyz(worker.url)).missing.some((reason) => /^postgres: (away|not ready)$/.test(reason)));
    stack.postgres('start');
    await until('the worker is content', async () => (await readyz(worker.url)).status === 'ready', 30000);
    await until('it says so', () => /Postgres serves again/.test(worker.log()));
    assert.equal(worker.log().match(/Postgres serves again/g).length, 1);
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [] }), 'hello'));
    assert.equal(run.status, 'completed');
  });
});

test('a worker that is started without Postgres says that it waits, and begins when it comes', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    stack.postgres('stop', '-m', 'fast');
    const starting = stack.startWorker();
    await until('it says that it waits', () => /waiting for Postgres/.test(stack.workers[0]?.log() ?? ''));
    stack.postgres('start');
    await starting;
    assert.match(stack.workers[0].log(), /Postgres is there/);
  });
});

test('a database that is not migrated: both programs say what to run', async () => {
  await withStack({ script, bare: true }, async (stack) => {
    execFileSync('psql', [stack.databaseUrl, '-qc', 'CREATE DATABASE empty'], { stdio: 'ignore' });
    const DATABASE_URL = stack.databaseUrl.replace(/(dbname=|\/)penstock(?=$|[?& ])/, '$1empty');
    assert.notEqual(DATABASE_URL, stack.databaseUrl, stack.databaseUrl);
    for (const name of ['penstock-scheduler', 'penstock-worker']) {
      const program = stack.program(name, ['--port', '0'], { DATABASE_URL });
      assert.equal((await program.exited).code, 1, name);
      assert.match(program.log(), /run `penstock migrate`/, name);
      assert.doesNotMatch(program.log(), /42P01/, name);
    }
    const listed = spawnSync(join(stack.bin, 'penstock'), ['tenants', 'list'], { encoding: 'utf8', env: { ...process.env, ...stack.env, DATABASE_URL } });
    assert.equal(listed.status, 1);
    assert.match(listed.stderr, /run `penstock migrate`/);
  });
});

test('what Postgres warns of while it is migrated is told', async () => {
  await withStack({ script, bare: true }, async (stack) => {
    const sql = (text) => execFileSync('psql', [stack.databaseUrl, '-qc', text], { stdio: 'ignore' });
    sql('DROP OWNED BY penstock_reader');
    sql('DROP ROLE penstock_reader');
    sql('CREATE ROLE plain LOGIN');
    sql('CREATE DATABASE plain OWNER plain');
    const DATABASE_URL = stack.databaseUrl.replace(/(dbname=|\/)penstock(?=$|[?& ])/, '$1plain') + '&user=plain';
    const migrated = spawnSync(join(stack.bin, 'penstock'), ['migrate'], { encoding: 'utf8', env: { ...process.env, ...stack.env, DATABASE_URL } });
    assert.equal(migrated.status, 0, migrated.stderr);
    assert.match(migrated.stderr, /Postgres warns.*not allowed to create the role penstock_reader/);
  });
});

test('another number of shards than the others use is refused with a sentence', async () => {
  await withStack({ script }, async (stack) => {
    for (const name of ['penstock-scheduler', 'penstock-worker']) {
      const program = stack.program(name, ['--port', '0'], { PENSTOCK_SHARDS: '4' });
      assert.equal((await program.exited).code, 1, name);
      assert.match(program.log(), /shards \(PENSTOCK_SHARDS\) is 4 here, but the scheduler of process \d+ on .* uses 1/, name);
    }
  });
});

test('runs of shards that are no more are dispatched, those too that come back from waiting', async () => {
  const waits = `
rules:
  - name: asks
    when: {user: 'weather'}
    steps: [{calls: [{name: get_weather, arguments: {}}]}, {text: 'sunny'}]
  - name: quick
    steps: [{text: 'done'}]
`;
  await withStack({ script: waits, env: { PENSTOCK_SHARDS: '16' } }, async (stack) => {
    const asks = await stack.assistant({ tools: [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }] });
    const plain = await stack.assistant({ tools: [] });
    const parked = [];
    for (let i = 0; i < 12; i++) parked.push(await stack.finished(await stack.submit(asks, 'weather?')));
    await stack.workers[0].stop();
    const queued = [];
    for (let i = 0; i < 12; i++) queued.push(await stack.submit(plain, 'hello'));
    assert.ok(stack.sql('SELECT 1 FROM runs WHERE shard > 0').length > 5, 'they are spread over the shards');
    await stack.scheduler.stop();

    stack.env.PENSTOCK_SHARDS = '1';
    await stack.startScheduler();
    await stack.startWorker();
    for (const run of queued) assert.equal((await stack.finished(run)).status, 'completed');
    for (const run of parked) {
      const { tool_calls: calls } = run.required_action.submit_tool_outputs;
      await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: calls[0].id, output: 'sunny' }] });
      assert.equal((await stack.finished(run)).status, 'completed');
    }
    assert.ok(stack.scheduler.running);
  });
});

test('metrics may have a port of their own, or none', async () => {
  const port = await freePort();
  await withStack({ script, workers: 0, env: { PENSTOCK_METRICS: `127.0.0.1:${port}` } }, async (stack) => {
    assert.equal((await fetch(`${stack.url}/metrics`)).status, 404, 'it is no page of the API');
    assert.match(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), /^penstock_workers_up 0$/m);
    await stack.scheduler.stop();
    stack.env.PENSTOCK_METRICS = 'off';
    await stack.startScheduler();
    assert.equal((await fetch(`${stack.url}/metrics`)).status, 404);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
  });
});

test('every metric of both pages is in the tables that they say they have, and in docs/metrics.md', async () => {
  await withStack({ script }, async (stack) => {
    const docs = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    await stack.finished(await stack.submit(await stack.assistant({ tools: [] }), 'hello'));
    await sleep(100);
    for (const [name, url] of [['penstock-scheduler', stack.url], ['penstock-worker', stack.workers[0].url]]) {
      const listed = execFileSync(join(stack.bin, name), ['--list-metrics'], { encoding: 'utf8' });
      const page = await (await fetch(`${url}/metrics`)).text();
      const families = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
      assert.ok(families.length > 20, name);
      for (const [, family, type] of families) assert.ok(listed.includes(`| \`${family}\` | ${type} |`), `${name} lists ${family}`);
      assert.ok(docs.includes(listed), `docs/metrics.md has what ${name} --list-metrics prints: run docs/make-metrics`);
    }
  });
});

test('requests that hold up the connection of the API delay no lease of a shard and no readiness', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const held = await stack.finished(await stack.submit(assistant, 'hello'));
    const thread = stack.sql('SELECT id FROM threads')[0].id;
    const terms = async () => /^penstock_shard_term\{shard="0"\} (\d+)$/m.exec(await (await fetch(`${stack.url}/metrics`)).text())?.[1];
    const term = await until('the shard has an owner', terms);
    const holder = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write(`BEGIN; SELECT 'held' FROM threads WHERE id = '${thread}' FOR UPDATE;\n`);
    await once(holder.stdout, 'data');

    let going = true;
    let refused = 0;
    const blocked = Array.from({ length: 4 }, async () => {
      while (going) {
        const reply = await stack.call('POST', `/v1/threads/${held.thread_id}/messages`, { role: 'user', content: 'more' });
        if (reply.status === 503) refused++;
      }
    });
    const ready = [];
    for (let i = 0; i < 20; i++) {
      ready.push((await fetch(`${stack.url}/readyz`)).status);
      assert.equal(await terms(), term, 'the lease of the shard did not lapse');
      await sleep(200);
    }
    going = false;
    holder.stdin.end('ROLLBACK;\n');
    await Promise.all(blocked);
    assert.ok(refused > 0, 'requests were held up');
    assert.deepEqual([...new Set(ready)], [200]);
  });
});

test('a connection that Postgres does not grant is told, and what the others carry goes on', async () => {
  await withStack({ script, workers: 0, bare: true }, async (stack) => {
    stack.exec('CREATE ROLE bounded LOGIN IN ROLE pg_read_all_data, pg_write_all_data');
    stack.env.DATABASE_URL = stack.databaseUrl.replace('user=penstock', 'user=bounded');
    await stack.startScheduler();
    await until('all are there', async () => {
      const lines = (await (await fetch(`${stack.url}/metrics`)).text()).match(/^penstock_postgres_connection_up\{.*$/gm) ?? [];
      return lines.length >= 5 && lines.every((line) => line.endsWith(' 1'));
    });
    stack.exec('ALTER ROLE bounded CONNECTION LIMIT 1');
    // Leases and ticks ask something every second: who has been silent for longest carries requests.
    stack.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bounded' ORDER BY state_change LIMIT 1`);
    const away = await until('it is told', async () => (await readyz(stack.url)).degraded.find((reason) => /^postgres: .+ \(connection \w+\)$/.test(reason)));
    const name = /connection (\w+)/.exec(away)[1];
    assert.ok(['api', 'large', 'search', 'batches', 'files', 'chunks'].includes(name), away);
    assert.equal((await readyz(stack.url)).status, 'ready');
    const page = await (await fetch(`${stack.url}/metrics`)).text();
    assert.match(page, new RegExp(`^penstock_postgres_connection_up\\{connection="${name}"\\} 0$`, 'm'));
    assert.match(page, /^penstock_postgres_connection_up\{connection="core"\} 1$/m);
  });
});

test('doctor looks at the master key as it is here, and at calls whose effect nobody knows', async () => {
  await withStack({ bare: true }, async (stack) => {
    const file = join(stack.dir, 'master-key');
    const key = (byte) => Buffer.alloc(32, byte).toString('base64');
    const doctor = (env = {}) => {
      const done = spawnSync(join(stack.bin, 'penstock'), ['doctor'], { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key, ...env }, encoding: 'utf8' });
      return done.stdout;
    };
    writeFileSync(file, key(1), { mode: 0o600 });
    stack.env.PENSTOCK_MASTER_KEY_FILE = file;
    await stack.startScheduler();
    assert.match(doctor({ PENSTOCK_MASTER_KEY_FILE: '' }), /^ok +secrets +none; without a master key/m);
    await stack.ok('PUT', '/v1/secrets/KEY', { value: 'a-secret-value' });
    await stack.ok('POST', '/v1/tools', { type: 'http', name: 'ticket_create', method: 'POST', url: 'https://desk.example.com/' });
    const well = doctor();
    assert.match(well, /^ok +secrets +1, and the master key opens them$/m);
    assert.match(well, /^ok +tools +1 declared, calls of 1 may be made once only/m);
    assert.doesNotMatch(well, /control groups/, 'no worker runs programs, and none is named');
    assert.match(doctor({ PENSTOCK_CODE_INTERPRETER_CGROUPS: '/no/such/group' }), /^warn +control groups +\/no\/such\/group can't be written here/m);
    assert.match(doctor({ PENSTOCK_MASTER_KEY_FILE: '' }), /^fail +secrets +there are 1, and no master key here/m);
    assert.match(doctor({ PENSTOCK_MASTER_KEY_FILE: '', PENSTOCK_MASTER_KEY: key(1) }), /^ok +secrets +1; the master key is in the environment/m);
    assert.match(doctor({ PENSTOCK_MASTER_KEY_FILE: '', PENSTOCK_MASTER_KEY: key(2) }), /^fail +secrets +1 of 1 are sealed under a master key that is not here/m);
    assert.match(doctor({ PENSTOCK_MASTER_KEY_FILE: join(stack.dir, 'none') }), /^fail +secrets +/m);
    chmodSync(file, 0o640);
    assert.match(doctor(), /^warn +secrets +others may read the master key: chmod 600 .*master-key \(it has mode 640\)$/m);
    stack.exec(`INSERT INTO tool_deltas (tenant_id, tool, bucket, calls, errors, took_ms, max_ms) SELECT id, 'ticket_create', -1, 2, 2, 0, 0 FROM tenants`);
    assert.match(doctor(), /^warn +tools +2 calls of the last day may or may not have had their effect.*\(ticket_create\)/m);
  });
});

test('doctor names webhooks that are disabled, schedules that are paused for failures, and a collector that does not take traces', async () => {
  const collector = await Collector.start();
  try {
    await withStack({ workers: 0, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } }, async (stack) => {
      const doctor = async (env = {}) => { // not at once: the collector is in this process
        const child = spawn(join(stack.bin, 'penstock'), ['doctor'], { env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key, ...env } });
        let out = '';
        child.stdout.on('data', (chunk) => { out += chunk; });
        await once(child, 'close');
        return out;
      };
      assert.doesNotMatch(await doctor(), /webhooks|schedules|telemetry/, 'nothing is said of what is not used');
      const assistant = await stack.assistant();
      const hooks = [];
      for (let i = 0; i < 5; i++) hooks.push(await stack.ok('POST', '/v1/webhooks', { url: `${collector.url}/${i}`, events: ['run.*'] }));
      const schedules = [];
      for (let i = 0; i < 2; i++) schedules.push(await stack.ok('POST', '/v1/schedules', { assistant_id: assistant.id, every: '1h', input: 'hi' }));
      await stack.ok('POST', `/v1/webhooks/${hooks[0].id}`, { enabled: false });
      await stack.ok('POST', `/v1/schedules/${schedules[0].id}/pause`, {});
      const well = await doctor({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
      assert.match(well, /^ok +webhooks +5, none is disabled$/m, 'what a person wanted is well');
      assert.match(well, /^ok +schedules +2, none is paused for failures$/m);
      assert.match(well, /^ok +telemetry +the collector takes traces$/m);
      assert.equal(collector.requests.length, 1);

      stack.exec(`UPDATE webhook_endpoints SET state = 'disabled', reason = 'gone' WHERE id <> '${hooks[0].id.slice(4)}';
        UPDATE schedules SET state = 'paused', pause_code = 'failures' WHERE id = '${schedules[1].id.slice(6)}'`);
      collector.answer = () => ({ status: 401 });
      const ill = await doctor({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
      assert.match(ill, new RegExp(`^warn +webhooks +4 of 5 are disabled .*\\(${hooks.slice(1, 4).map(({ id }) => id).join(', ')}, …\\)`, 'm'));
      assert.match(ill, new RegExp(`^warn +schedules +1 of 2 are paused .*\\(${schedules[1].id}\\)`, 'm'));
      assert.match(ill, /^warn +telemetry +the collector answered with status 401: traces are dropped/m);
      assert.match(await doctor({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }), /^warn +telemetry +.*: traces are dropped/m);
    });
  } finally {
    await collector.stop();
  }
});
