// Dispatch: several schedulers, loss of Redis, order between tenants and priorities, limits, delays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TcpProxy } from '../lib/proxy.mjs';
import { checkTook, freePort, sleep, until, withStack } from '../lib/stack.mjs';

const quick = `
rules:
  - then: {text: 'done'}
`;

async function secondScheduler(stack, args = [], env = {}) {
  const port = await freePort();
  const scheduler = stack.program('penstock-scheduler', ['--port', String(port), ...args], env);
  scheduler.url = `http://127.0.0.1:${port}`;
  await until('the second scheduler is ready', async () => (await fetch(`${scheduler.url}/readyz`).catch(() => null))?.ok);
  return scheduler;
}

const owners = (stack) =>
  stack.sql(`SELECT owner::text, count(*)::int AS shards FROM shard_leases WHERE lease_until > now() GROUP BY owner ORDER BY 2, 1`);

const evenly = (stack, ...shards) => {
  const now = owners(stack).map((row) => row.shards);
  return now.length === shards.length && now.every((count, i) => count === shards[i]);
};

/** Runs written by SQL, as if their hints had been lost. Returns their ids, in order of due time. */
function insertRuns(stack, count, fields = {}) {
  const of = { tenant: 'test', due_at: 'now()', priority: 1, shard: 0, ...fields };
  return stack
    .exec(
      `WITH i AS MATERIALIZED (SELECT n, gen_random_uuid() AS run, gen_random_uuid() AS thread FROM generate_series(1, ${count}) n),
       a AS (SELECT * FROM agents LIMIT 1), e AS (SELECT id FROM tenants WHERE name = '${of.tenant}'),
       t AS (INSERT INTO threads (id, tenant_id, active_run) SELECT i.thread, e.id, i.run FROM i, e),
       m AS (INSERT INTO messages (id, tenant_id, thread_id, role, content)
         SELECT gen_random_uuid(), e.id, i.thread, 'user', '[{"type":"text","text":{"value":"go","annotations":[]}}]' FROM i, e)
       INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, shard, priority, spec, due_at, expires_at)
         SELECT i.run, e.id, i.thread, a.id, 1, ${of.shard}, ${of.priority},
           (a.spec::jsonb || '{"tool_choice":"auto","parallel_tool_calls":true}')::json, ${of.due_at}, now() + interval '1 h' FROM i, a, e ORDER BY n
         RETURNING id`,
    )
    .trim()
    .split('\n');
}

const insertRun = (stack, fields) => insertRuns(stack, 1, fields)[0];

const started = (stack, id) => stack.sql(`SELECT 1 FROM runs WHERE id = '${id}' AND started_at IS NOT NULL`).length === 1;
const done = (stack) => Number(stack.exec(`SELECT count(*) FROM runs WHERE status = 'completed'`));

async function metric(stack, pattern, url = stack.url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.match(pattern);
  assert.ok(found, `no ${pattern} in\n${text}`);
  return Number(found[1]);
}

test('four shards are shared 2 and 2, taken over when a scheduler dies, and given back at a stop', async () => {
  await withStack({ script: quick, env: { PENSTOCK_SHARDS: '4' } }, async (stack) => {
    await until('the first owns all', () => evenly(stack, 4));
    const second = await secondScheduler(stack);
    await until('2 and 2', () => evenly(stack, 2, 2), 3000);
    await until('it says so', async () => (await metric(stack, /^penstock_shards_owned (\d+)$/m, second.url)) === 2);
    await stack.assistant();
    for (let shard = 0; shard < 4; shard++) {
      const id = insertRun(stack, { shard });
      await until(`a run of shard ${shard} starts`, () => started(stack, id), 2000);
    }
    await second.stop();
    await until('given back at once', () => evenly(stack, 4), 1500);
    const role = await secondScheduler(stack, ['--roles', 'api,reap']);
    await sleep(1500);
    assert.ok(evenly(stack, 4), 'who does not dispatch takes none');
    await role.stop();
    assert.equal(stack.sql('SELECT 1 FROM schedulers').length, 1);
  });
});

test('kill -9 of the scheduler that owns the shard: new runs at once, the sure way within 3 s', async () => {
  await withStack({ script: quick }, async (stack) => {
    const second = await secondScheduler(stack);
    const assistant = await stack.assistant();
    const [{ owner, term: before }] = await until('somebody owns it', () => {
      const list = stack.sql('SELECT owner::text, term FROM shard_leases WHERE owner IS NOT NULL');
      return list.length > 0 && list;
    });
    const ownerPid = stack.sql(`SELECT pid FROM schedulers WHERE scheduler_id = ${owner}`)[0].pid;
    const [dead, alive] = stack.scheduler.pid === ownerPid ? [stack.scheduler, second] : [second, stack.scheduler];
    const killed = Date.now();
    await dead.kill('SIGKILL');
    const [{ until: lapses, seen }] = stack.sql('SELECT lease_until AS until, term AS seen FROM shard_leases');
    if (alive === second) stack.url = second.url;
    const lost = insertRun(stack);
    const run = await stack.submit(assistant, 'go');
    await until('a new run goes on by the fast way', async () => (await stack.run(run)).status === 'completed', 1000);
    const [{ term, lapsed }] = stack.sql(`SELECT term, clock_timestamp() >= '${lapses}' AS lapsed FROM shard_leases`);
    if (seen === before && !lapsed) assert.equal(term, before, 'before the shard was taken over');
    const [{ wait }] = stack.sql(`SELECT extract(epoch FROM started_at - created_at)::float8 AS wait FROM runs WHERE id <> '${lost}'`);
    checkTook(wait * 1000, 1000, 'the start of a new run');
    await until('the lost one, after the lease', () => started(stack, lost), killed + 3000 - Date.now());
    assert.equal(stack.sql('SELECT term FROM shard_leases')[0].term, before + 1);
  });
});

test('a scheduler that cannot reach Redis: another dispatches its shards until it can', async () => {
  await withStack({ script: quick, env: { PENSTOCK_SHARDS: '2' } }, async (stack) => {
    await stack.assistant();
    const proxy = await TcpProxy.start(`${stack.serversDir}/redis.sock`);
    try {
      const cut = await secondScheduler(stack, [], { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
      await until('1 and 1', () => evenly(stack, 1, 1), 3000);
      const [{ shard }] = stack.sql(`SELECT shard FROM shard_leases l JOIN schedulers s ON s.scheduler_id = l.owner WHERE s.pid = ${cut.pid}`);
      proxy.freeze();
      const waiting = insertRun(stack, { shard });
      await until('it starts all the same', () => started(stack, waiting), 4000);
      assert.ok(evenly(stack, 2));
      proxy.thaw();
      await until('1 and 1 again', () => evenly(stack, 1, 1), 3000);
      await cut.stop();
    } finally {
      await proxy.stop();
    }
  });
});

test('FLUSHALL: all that is ready is hinted again within a second', async () => {
  await withStack({ script: quick, workers: 0 }, async (stack) => {
    await stack.assistant();
    insertRuns(stack, 50);
    const hints = () => Number(stack.redis('XLEN', 'q:{s00}:p1')) + Number(stack.redis('XLEN', 'q:{s00}:x'));
    await until('hinted', () => hints() === 50);
    for (let i = 0; i < 3; i++) {
      stack.redis('FLUSHALL');
      await until('hinted again', () => hints() === 50, 1000);
    }
    assert.ok((await metric(stack, /^penstock_queue_forgotten_total\{shard="0"\} (\d+)$/m)) >= 3);
  });
});

test('FLUSHALL while nobody owns the shard: a new run is hinted at once', async () => {
  await withStack({ script: quick }, async (stack) => {
    const assistant = await stack.assistant();
    const alone = await secondScheduler(stack, ['--roles', 'api']);
    await stack.scheduler.stop();
    stack.url = alone.url;
    const hint = async () => {
      const run = await stack.submit(assistant, 'go');
      await until('it goes on by the fast way', async () => (await stack.run(run)).status === 'completed', 1000);
    };
    await hint();
    stack.redis('FLUSHALL');
    await hint();
  });
});

test('Redis away and back, empty: within a second the hints are there', async () => {
  await withStack({ script: quick, workers: 0 }, async (stack) => {
    await stack.assistant();
    insertRuns(stack, 50);
    const hints = () => Number(stack.redis('XLEN', 'q:{s00}:p1')) + Number(stack.redis('XLEN', 'q:{s00}:x'));
    await until('hinted', () => hints() === 50);
    stack.stopRedis();
    await sleep(3000);
    stack.startRedis();
    await until('hinted again', () => hints() === 50, 1000);
  });
});

test('without Redis the workers go on, tenants in turns and within their limits', async () => {
  const script = `
rules:
  - then: {text: 'done', delay_ms: 300}
`;
  await withStack({ script, workers: 0, slots: 8 }, async (stack) => {
    await stack.assistant();
    stack.command('tenants', 'create', 'other');
    stack.command('tenants', 'set', 'test', '--max-running', '2');
    stack.stopRedis();
    insertRuns(stack, 12);
    const other = insertRun(stack, { tenant: 'other' });
    await stack.startWorker();
    await until('the other one starts', () => started(stack, other), 3000);
    await until('all end', () => done(stack) === 13, 20000);
  });
});

test('a run that is due later starts then, and not before', async () => {
  await withStack({ script: quick }, async (stack) => {
    await stack.assistant();
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(insertRun(stack, { due_at: `now() + interval '${1000 + 100 * i} ms'` }));
    await until('all start', () => ids.every((id) => started(stack, id)), 4000);
    const waits = stack.sql('SELECT extract(epoch FROM started_at - due_at)::float8 AS wait FROM runs').map((row) => row.wait);
    assert.ok(Math.min(...waits) >= 0, `never early: ${waits}`);
    checkTook(Math.max(...waits) * 1000, 1000, 'the start of one that is due');
  });
});

test('priorities: the most urgent go first, and the others keep their part', async () => {
  const script = `
rules:
  - then: {text: 'done', delay_ms: 20}
`;
  await withStack({ script, workers: 0, slots: 4 }, async (stack) => {
    await stack.assistant();
    insertRuns(stack, 420, { priority: 'i.n % 3' });
    const hinted = () => [0, 1, 2].map((priority) => Number(stack.redis('XLEN', `q:{s00}:p${priority}`)));
    await until('all are hinted that may be', () => hinted()[0] > 40 && hinted().every((count) => count > 0));
    await stack.startWorker();
    await until('half is done', () => done(stack) >= 210, 30000);
    // Of 20 reads, of four runs each where all have ended by then, one begins with the least urgent: 160 are two rounds at least.
    const order = stack.sql('SELECT priority FROM runs WHERE started_at IS NOT NULL ORDER BY started_at, id LIMIT 160').map((row) => row.priority);
    const count = [0, 1, 2].map((priority) => order.filter((of) => of === priority).length);
    assert.ok(count[0] >= 100 && count[1] >= 10 && count[2] >= 1, `of the first 160: ${count}`);
    assert.ok(count[1] > count[2], `${count}`);
  });
});

test('a backlog of one tenant does not hold another up, and weights are shares', async () => {
  const script = `
rules:
  - then: {text: 'done', delay_ms: 50}
`;
  await withStack({ script, workers: 0, slots: 7 }, async (stack) => {
    await stack.assistant();
    stack.command('tenants', 'create', 'small');
    stack.command('tenants', 'create', 'heavy');
    stack.command('tenants', 'set', 'heavy', '--weight', '3');
    const due_at = `'${new Date(Date.now() + 3000).toISOString()}'`; // ready at once, however long it takes to insert them
    insertRuns(stack, 300, { due_at });
    insertRuns(stack, 20, { tenant: 'small', due_at });
    insertRuns(stack, 300, { tenant: 'heavy', due_at });
    await stack.startWorker();
    await until('a part is done', () => done(stack) >= 280, 30000);
    const rows = stack.sql(
      `SELECT t.name, count(*)::int FROM (SELECT * FROM runs WHERE started_at IS NOT NULL ORDER BY started_at, id LIMIT 140) r
       JOIN tenants t ON t.id = r.tenant_id GROUP BY 1`,
    );
    const count = Object.fromEntries(rows.map((row) => [row.name, row.count]));
    assert.ok(count.small >= 14, `10 times as much of another, and it had its turn: ${JSON.stringify(count)}`);
    const late = stack.sql(
      `SELECT t.name, count(*)::int FROM (SELECT * FROM runs WHERE started_at IS NOT NULL ORDER BY started_at, id OFFSET 130 LIMIT 140) r
       JOIN tenants t ON t.id = r.tenant_id WHERE t.name <> 'small' GROUP BY 1`,
    );
    const share = Object.fromEntries(late.map((row) => [row.name, row.count]));
    assert.ok(share.heavy >= 2 * share.test, `3 to 1: ${JSON.stringify(share)}`);
  });
});

test('a tenant never has more in work than its limit, and uses it', async () => {
  const script = `
rules:
  - then: {text: 'done', delay_ms: 100}
`;
  await withStack({ script, workers: 2, slots: 20, env: { PENSTOCK_SHARDS: '4' } }, async (stack) => {
    // Both count the tenants after that, at their start.
    stack.command('tenants', 'set', 'test', '--max-running', '4');
    await stack.scheduler.stop();
    await stack.startScheduler();
    const second = await secondScheduler(stack);
    await until('2 and 2', () => evenly(stack, 2, 2), 3000);
    const assistant = await stack.assistant();
    const runs = await Promise.all(Array.from({ length: 60 }, () => stack.submit(assistant, 'go')));
    let most = 0;
    await until('all end', async () => {
      most = Math.max(most, (await stack.llmStats()).in_flight);
      return done(stack) === runs.length;
    }, 30000);
    const overlap = stack.sql(
      `SELECT max((SELECT count(*) FROM runs o WHERE o.started_at <= r.started_at AND o.completed_at > r.started_at))::int AS most FROM runs r`,
    )[0].most;
    assert.ok(most <= 4, `${most} calls at once`);
    assert.ok(overlap <= 5 && overlap >= 3, `${overlap} in work at once; completed_at is of the statement's begin`);
    assert.ok(second.running);
  });
});

test('the priority of a submission is that of its run', async () => {
  await withStack({ script: quick }, async (stack) => {
    const assistant = await stack.assistant();
    for (const priority of ['high', undefined, 'low', null]) {
      const run = await stack.submit(assistant, 'go', priority === undefined ? {} : { priority });
      assert.equal((await stack.finished(run)).status, 'completed');
    }
    assert.deepEqual(stack.sql('SELECT priority FROM runs ORDER BY id').map((row) => row.priority), [0, 1, 2, 1]);
  });
});
