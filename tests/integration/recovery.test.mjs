// Workers that die, stand still or are cut off: how soon their runs go on elsewhere, and who must not be taken for dead.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTook, sleep, until, withStack } from '../lib/stack.mjs';
import { TcpProxy } from '../lib/proxy.mjs';

const slow = `
rules:
  - steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - {text: 'It is {{tool}}.', delay_ms: 60000}
`;
const steady = `
rules:
  - steps:
      - {calls: [{name: calculator, arguments: {expression: '6 * 7'}}], delay_ms: [200, 600]}
      - {calls: [{name: calculator, arguments: {expression: '{{tool}} + 1'}}], delay_ms: [200, 600]}
      - {text: 'It is {{tool}}.', delay_ms: [200, 600]}
`;

const crashes = (stack) => stack.sql('SELECT coalesce(sum(crashes), 0)::int AS n FROM runs')[0].n;
const dead = (stack) => stack.sql(`SELECT 1 FROM workers WHERE state = 'dead'`).length;
const locked = (stack) => stack.sql(`SELECT 1 FROM workers WHERE state <> 'dead' AND lock_boot = pg_postmaster_start_time()`).length;

const metric = async (stack, name) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${stack.url}/metrics`)).text())?.[1]);
const sweeps = (stack) => metric(stack, 'penstock_reaper_sweeps_total');
const judging = (stack) => until('lapsed leases are judged', async () => (await metric(stack, 'penstock_reaper_judges_leases')) === 1);

function checkOnce(stack, messagesPerRun) {
  assert.equal(stack.sql('SELECT 1 FROM messages WHERE run_id IS NOT NULL GROUP BY run_id, seq HAVING count(*) > 1').length, 0);
  const odd = stack.sql(
    `SELECT r.id, count(m.id) FROM runs r LEFT JOIN messages m ON m.run_id = r.id GROUP BY r.id HAVING count(m.id) <> ${messagesPerRun}`,
  );
  assert.deepEqual(odd, []);
  assert.equal(stack.sql('SELECT 1 FROM threads WHERE active_run IS NOT NULL').length, 0);
}

async function submit(stack, count) {
  const assistant = await stack.assistant();
  return Promise.all(Array.from({ length: count }, () => stack.submit(assistant, 'go')));
}

async function allCompleted(stack, runs, ms = 30000) {
  for (const run of runs) {
    const ended = await stack.finished(run, ms);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
  }
}

test('kill -9 of a worker: its runs are claimed again within 2.5 seconds', async (context) => {
  await withStack({ script: slow, config: 'worker: {drain_ms: 100}\n', workers: 2, slots: 20 }, async (stack) => {
    const runs = await submit(stack, 10);
    const took = [];
    for (let i = 0; i < 2; i++) {
      await until('all are in work', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress' AND step >= 1`).length === runs.length);
      await until('the locks are held', () => locked(stack) === 2);
      const [victim] = stack.workers;
      const owned = stack.sql(`SELECT r.id FROM runs r JOIN workers w ON w.worker_id = r.owner WHERE w.pid = ${victim.pid}`);
      assert.ok(owned.length > 0);
      const killed = Date.now();
      victim.kill('SIGKILL');
      await until('claimed again', () => {
        const list = owned.map(({ id }) => `'${id}'`).join();
        return stack.sql(`SELECT 1 FROM runs r JOIN workers w ON w.worker_id = r.owner
          WHERE r.id IN (${list}) AND r.status = 'in_progress' AND w.pid <> ${victim.pid}`).length === owned.length;
      });
      took.push(Date.now() - killed);
      assert.match(stack.scheduler.log(), new RegExp(`their processes are gone" workers="\\d+ \\(host [^ ]+, pid ${victim.pid}\\)"`));
      stack.workers.shift();
      await stack.startWorker();
    }
    context.diagnostic(`claimed again after ${took.join(', ')} ms`);
    for (const ms of took) checkTook(ms, 2500);
    assert.ok((await Promise.all(runs.map((run) => stack.run(run)))).some((run) => run.crashes > 0), 'the run tells of it');
    const [{ workers, owners }] = stack.sql(`SELECT count(*) FILTER (WHERE state = 'dead') AS workers,
      (SELECT count(*) FROM runs r JOIN workers w ON w.worker_id = r.owner WHERE w.state = 'dead') AS owners FROM workers`);
    assert.deepEqual({ workers, owners }, { workers: 2, owners: 0 });
    stack.exec(`UPDATE runs SET expires_at = now() - interval '1 minute'`); // nobody waits for the model
    await until('all ended', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'expired'`).length === runs.length);
  });
});

test('three of four workers killed at once: held back for five seconds, then taken over', async () => {
  await withStack({ script: slow, config: 'worker: {drain_ms: 100}\n', workers: 4, slots: 20 }, async (stack) => {
    const runs = await submit(stack, 12);
    await until('all are in work', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress'`).length === runs.length);
    await until('the locks are held', () => locked(stack) === 4);
    const killed = Date.now();
    for (const worker of stack.workers.slice(0, 3)) worker.kill('SIGKILL');
    const pid = stack.workers[3].pid;
    await until('all with the fourth', () => stack.sql(`SELECT 1 FROM runs r JOIN workers w ON w.worker_id = r.owner
      WHERE r.status = 'in_progress' AND w.pid = ${pid}`).length === runs.length);
    const took = Date.now() - killed;
    assert.ok(took >= 4500, `${took} ms`);
    checkTook(took, 9000);
    stack.exec(`UPDATE runs SET expires_at = now() - interval '1 minute'`);
    await until('all ended', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'expired'`).length === runs.length);
  });
});

test('a worker that stood still is replaced, writes nothing when it wakes, registers anew and works again', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  const script = `
rules:
  - steps:
      - calls: [{name: calculator, arguments: {expression: '6 * 7'}}]
      - {text: 'It is {{tool}}.', delay_ms: 2500}
`;
  await withStack({ script, config, workers: 1, slots: 20 }, async (stack) => {
    await judging(stack);
    const runs = await submit(stack, 6);
    const [sleeper] = stack.workers;
    await until('the second call is under way', async () => (await stack.llmStats()).in_flight === 6);
    const [{ id }] = stack.sql('SELECT worker_id::text AS id FROM workers');
    sleeper.child.kill('SIGSTOP');
    const stopped = Date.now();
    await stack.startWorker();
    await until('taken back', () => stack.sql('SELECT 1 FROM runs WHERE crashes = 1').length === 6);
    checkTook(Date.now() - stopped, 3000 + 1000, 'taking them as soon as the lease has lapsed');
    await allCompleted(stack, runs);
    sleeper.child.kill('SIGCONT');
    await until('registered anew', () => stack.sql(`SELECT 1 FROM workers WHERE pid = ${sleeper.pid} AND state = 'up'`).length === 1);
    assert.deepEqual(stack.sql(`SELECT state FROM workers WHERE worker_id = ${id}`), [{ state: 'dead' }]);
    await until('it said so', () => /declared dead/.test(sleeper.log()));
    checkOnce(stack, 3);
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 1, errors: 0 }]);
    await stack.workers[1].stop();
    await allCompleted(stack, await submit(stack, 3));
    checkOnce(stack, 3);
  });
});

test('Postgres restarts, fast and at once: nobody is declared dead, no crash is counted', async () => {
  await withStack({ script: steady, workers: 3, slots: 20 }, async (stack) => {
    await until('the locks are held', () => locked(stack) === 3);
    const runs = await submit(stack, 30);
    await sleep(300);
    for (const mode of ['fast', 'immediate']) {
      stack.postgres('restart', '-m', mode);
      await until('the locks are held again', () => locked(stack) === 3, 5000);
      await sleep(1000);
    }
    for (const run of runs)
      await until('completed', async () => (await stack.run(run).catch(() => null))?.status === 'completed', 30000);
    assert.equal(dead(stack), 0);
    assert.equal(crashes(stack), 0);
    checkOnce(stack, 5);
  });
});

test('an outage of Postgres longer than the leases: runs wait, nobody is declared dead', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withStack({ script: slow.replace('60000', '9000'), config, workers: 2, slots: 20 }, async (stack) => {
    await until('the locks are held', () => locked(stack) === 2);
    const runs = await submit(stack, 6);
    await until('the second call is under way', async () => (await stack.llmStats()).in_flight === 6);
    await judging(stack);
    stack.postgres('stop', '-m', 'fast');
    await sleep(6000);
    stack.postgres('start');
    await until('the locks are held again', () => locked(stack) === 2, 5000);
    await sleep(2000);
    assert.equal(dead(stack), 0);
    for (const run of runs)
      await until('completed', async () => (await stack.run(run).catch(() => null))?.status === 'completed', 30000);
    assert.equal(dead(stack), 0);
    assert.equal(crashes(stack), 0);
    assert.ok(stack.programs.every((program) => program.running), 'nobody ended');
    checkOnce(stack, 3);
  });
});

const alive = (stack) => stack.sql(`SELECT 1 FROM workers WHERE state <> 'dead' AND lease_until > now()`).length;

test('the clock of Postgres jumps ahead: leases lapse, and nobody is declared dead, also not who renews late', async () => {
  // As if the clock had jumped: every lease lapsed in one moment. Two workers renew theirs within two seconds, two stand still
  // for two more.
  await withStack({ script: steady, workers: 4, slots: 20 }, async (stack) => {
    const runs = await submit(stack, 20);
    await judging(stack);
    const late = stack.workers.slice(2);
    for (const worker of late) worker.child.kill('SIGSTOP');
    stack.exec(`UPDATE workers SET lease_until = now() - interval '1 s'`);
    await until('two are back', () => alive(stack) === 2);
    const looks = await sweeps(stack);
    await until('the scheduler has looked again and again', async () => (await sweeps(stack)) >= looks + 3);
    assert.equal(dead(stack), 0);
    for (const worker of late) worker.child.kill('SIGCONT');
    await until('all are back', () => alive(stack) === 4);
    await allCompleted(stack, runs);
    assert.equal(dead(stack), 0);
    assert.equal(crashes(stack), 0);
  });
});

test('all workers stand still, and their leases lapse one after the other: nobody is declared dead', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withStack({ script: steady, config, workers: 4, slots: 20 }, async (stack) => {
    await judging(stack);
    const runs = await submit(stack, 20);
    await until('all are in work', () => stack.sql(`SELECT 1 FROM runs WHERE status <> 'queued'`).length === runs.length);
    for (const worker of stack.workers) {
      worker.child.kill('SIGSTOP');
      await sleep(100); // their beats are not in step
    }
    await until('all leases lapsed', () => alive(stack) === 0);
    const looks = await sweeps(stack);
    await until('the scheduler has looked again and again', async () => (await sweeps(stack)) >= looks + 3);
    for (const worker of stack.workers) worker.child.kill('SIGCONT');
    await until('all are back', () => alive(stack) === 4);
    await allCompleted(stack, runs);
    assert.equal(dead(stack), 0);
    assert.equal(crashes(stack), 0);
    checkOnce(stack, 5);
  });
});

test('heartbeat connections are cut again and again: nobody is declared dead', async () => {
  await withStack({ script: steady, workers: 2, slots: 20 }, async (stack) => {
    await until('the locks are held', () => locked(stack) === 2);
    const runs = await submit(stack, 20);
    for (let i = 0; i < 5; i++) {
      const cut = stack.sql(`SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE application_name = 'penstock-heartbeat'`);
      assert.ok(i > 0 || cut.length === 2);
      await sleep(700);
    }
    await allCompleted(stack, runs);
    await until('the locks are held again', () => locked(stack) === 2);
    assert.equal(stack.sql(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'`).length, 2);
    assert.equal(dead(stack), 0);
    assert.equal(crashes(stack), 0);
    checkOnce(stack, 5);
  });
});

test('a worker cut off from Postgres ends its calls before its lease lapses, and goes on with them when it is back', async () => {
  const config = 'worker: {lease_ms: 5000, heartbeat_ms: 500}\n';
  await withStack({ script: slow.replace('60000', '6000'), config, workers: 0 }, async (stack) => {
    const proxy = await TcpProxy.start(`${stack.serversDir}/.s.PGSQL.5432`);
    const worker = await stack.startWorker({ DATABASE_URL: `postgresql://penstock@127.0.0.1:${proxy.port}/penstock` });
    const runs = await submit(stack, 5);
    await until('the second call is under way', async () => (await stack.llmStats()).in_flight === 5);
    const calls = stack.ledger().length;
    proxy.freeze();
    const frozen = Date.now();
    await until('the calls are cut off', async () => (await stack.llmStats()).in_flight === 0);
    // Trusted for four fifths of the lease after the last renewal, which was up to 0.5 s before.
    const after = Date.now() - frozen;
    assert.ok(after > 3000, `${after} ms`);
    checkTook(after, 5000);
    assert.equal((await (await fetch(`${worker.url}/readyz`)).json()).missing.includes('lease'), true);
    proxy.thaw();
    await allCompleted(stack, runs);
    assert.equal(dead(stack), 0);
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
    checkOnce(stack, 3);
    await until('each second step was called twice', () => stack.ledger().length === calls + 10);
    const metrics = await (await fetch(`${worker.url}/metrics`)).text();
    assert.match(metrics, /^penstock_worker_runs_suspended_total 5$/m);
    await worker.stop();
    await proxy.stop();
  });
});

test('a worker cut off from Postgres for longer than its lease: others have its runs, and it registers anew', async () => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withStack({ script: slow.replace('60000', '3000'), config, workers: 0 }, async (stack) => {
    await judging(stack);
    const proxy = await TcpProxy.start(`${stack.serversDir}/.s.PGSQL.5432`);
    const lonely = await stack.startWorker({ DATABASE_URL: `postgresql://penstock@127.0.0.1:${proxy.port}/penstock` });
    const runs = await submit(stack, 5);
    await until('the second call is under way', async () => (await stack.llmStats()).in_flight === 5);
    proxy.freeze();
    const frozen = Date.now();
    await stack.startWorker();
    await until('claimed by the other', () => stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress' AND crashes = 1`).length === 5);
    checkTook(Date.now() - frozen, 3000 + 2500);
    await allCompleted(stack, runs);
    proxy.thaw();
    await until('registered anew', () => stack.sql(`SELECT 1 FROM workers WHERE pid = ${lonely.pid} AND state = 'up'`).length === 1);
    checkOnce(stack, 3);
    await lonely.stop();
    await proxy.stop();
  });
});

test('half-open connections to Postgres: scheduler and worker are at work again within seconds', async (context) => {
  await withStack({ script: steady, workers: 0 }, async (stack) => {
    const proxy = await TcpProxy.start(`${stack.serversDir}/.s.PGSQL.5432`);
    const env = { DATABASE_URL: `postgresql://penstock@127.0.0.1:${proxy.port}/penstock` };
    await stack.scheduler.stop();
    stack.scheduler = stack.program('penstock-scheduler', ['--port', String(stack.port)], env);
    await stack.ready(stack.scheduler, `${stack.url}/readyz`);
    await stack.startWorker(env);
    const assistant = await stack.assistant();
    const before = await Promise.all(Array.from({ length: 10 }, () => stack.submit(assistant, 'go')));
    await until('some are at their second step', () => stack.sql('SELECT 1 FROM runs WHERE step >= 1').length > 3);
    proxy.strand();
    const stranded = Date.now();
    const body = { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'go' }] } };
    let after;
    await until('the API takes a run', async () => {
      const reply = await stack.call('POST', '/v1/threads/runs', body, { 'idempotency-key': 'after' });
      after = reply.body;
      return reply.status === 200;
    });
    const taken = Date.now() - stranded;
    for (const run of before) await until('it ends', () => stack.sql(`SELECT 1 FROM run_results WHERE run_id = '${run.id}' AND finished_at IS NOT NULL`).length === 1);
    const done = Date.now() - stranded;
    await allCompleted(stack, [after]);
    context.diagnostic(`a run taken after ${taken} ms; those before ended within ${done} ms`);
    checkTook(taken, 5000, 'the first answer');
    checkTook(done, 8000, 'those before');
    assert.equal(dead(stack), 0);
    assert.deepEqual(stack.sql('SELECT DISTINCT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
    checkOnce(stack, 5);
    await stack.scheduler.stop();
    await stack.workers[0].stop();
    await proxy.stop();
  });
});

test('kill -9 at any moment of the first half second of a worker: every run completes', async (context) => {
  await withStack({ script: steady.replaceAll('[200, 600]', '[20, 60]'), workers: 1, slots: 50 }, async (stack) => {
    const runs = await submit(stack, 20);
    for (let i = 0; i < 8; i++) {
      const worker = stack.program('penstock-worker', ['--slots', '50', '--port', '0'], {});
      runs.push(...(await submit(stack, 10)));
      await sleep(i * 40);
      await worker.kill('SIGKILL');
    }
    await allCompleted(stack, runs, 30000);
    checkOnce(stack, 5);
    const counts = stack.sql('SELECT crashes, count(*)::int AS runs FROM runs GROUP BY crashes ORDER BY crashes');
    context.diagnostic(`crashes: ${JSON.stringify(counts)}`);
  });
});

test('a run that its worker was given without knowing is found within some seconds, uncounted', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const run = await stack.submit(await stack.assistant(), 'standard');
    stack.exec(`UPDATE runs SET due_at = now() + interval '1 hour'`);
    await stack.startWorker();
    // As after a run whose last write failed for good: Postgres says that it is in work, and nobody works on it.
    stack.exec(`UPDATE runs SET status = 'in_progress', owner = (SELECT worker_id FROM workers), fence = fence + 1`);
    assert.equal((await stack.finished(run, 15000)).status, 'completed');
    assert.deepEqual(stack.sql('SELECT crashes, errors FROM runs'), [{ crashes: 0, errors: 0 }]);
  });
});
