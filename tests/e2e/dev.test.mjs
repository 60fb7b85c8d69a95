// `penstock dev` and the command line, as a person uses them.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, statSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../lib/stack.mjs';
import { Dev, bin } from './dev.mjs';

const agents = `agents:
  - name: helper
    model: openai/gpt-4o-mini
    instructions: Use your tools.
    tools: [{type: calculator}, {type: current_time}]
`;

test('dev: starts, works, stops without leaving a process, and starts again on the same data', async () => {
  const dev = await Dev.start();
  try {
    assert.equal(statSync(join(dev.data, 'dev.env')).mode & 0o777, 0o600);
    assert.match(dev.env.DATABASE_URL, /^postgres/);
    assert.ok(dev.env.REDIS_URL);
    const file = join(dev.data, 'agents.yaml');
    writeFileSync(file, agents);
    assert.match(dev.command('apply', '--yes', '-f', file), /helper/);
    assert.match(dev.command('run', 'helper', 'Use the calculator: 6 * 7'), /42/);
    const json = JSON.parse(dev.command('run', 'helper', 'Use the calculator: 6 * 8', '--json'));
    assert.equal(json.status, 'completed');
    const id = dev.command('run', 'helper', 'standard', '--no-wait').trim();
    assert.match(id, /run_[0-9a-f]{32}/);
    assert.match(dev.command('runs', 'list'), /completed/);
    assert.match(dev.command('runs', 'show', json.id ?? json.run_id), /completed/);
    const prompts = join(dev.data, 'batch.jsonl');
    writeFileSync(prompts, Array.from({ length: 20 }, (_, i) => JSON.stringify({ custom_id: `c${i}`, prompt: `Use the calculator: ${i} * 3` })).join('\n'));
    const out = join(dev.data, 'results.jsonl');
    dev.command('batch', 'run', prompts, '--agent', 'helper', '--out', out);
    const results = readFileSync(out, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(results.length, 20);
    results.forEach((result, i) => {
      assert.equal(result.custom_id, `c${i}`);
      assert.equal(result.status, 'completed');
      assert.match(result.answer, new RegExp(String(i * 3)));
    });
    dev.command('doctor');
    assert.throws(() => execFileSync(join(bin, 'penstock'), ['dev', '--data', dev.data, '--port', '0'], { stdio: 'pipe' }), /./, 'a second one on the same data is refused');
    const key = dev.key;
    assert.equal(await dev.stop('SIGINT'), 0);
    assert.deepEqual(dev.processes(), []);

    const again = await Dev.start({ data: dev.data, args: ['--workers', '1'] });
    assert.equal(again.key, key);
    assert.match(again.command('runs', 'show', id), /completed/);
    assert.equal(await again.stop(), 0);
    assert.deepEqual(again.processes(), []);
  } finally {
    await dev.stop('SIGKILL');
    dev.remove();
  }
});

/** undefined: it has ended. */
function environmentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    if (error.code === 'ESRCH' || error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What the children of a process, and theirs, have in their environment: [{name, variables}]. */
function environments(pid) {
  const children = execFileSync('ps', ['-eo', 'pid,ppid,comm', '--no-headers'], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/\s+/));
  const found = [];
  const walk = (parent) => {
    for (const [child, of, name] of children) {
      if (Number(of) !== parent) continue;
      const text = environmentOf(child);
      if (text !== undefined) found.push({ name, variables: text.split('\0').map((entry) => entry.split('=')[0]) });
      walk(Number(child));
    }
  };
  walk(pid);
  return found;
}

test('dev: programs find those variables alone that they read', async () => {
  const dev = await Dev.start({ args: ['--workers', '1'], env: { MY_SECRET: 'x', PENSTOCK_API_KEY: 'pk_mine', AWS_SECRET_ACCESS_KEY: 'x', GROQ_API_KEY: 'gsk_x' } });
  try {
    const all = environments(dev.child.pid);
    assert.ok(all.length >= 5, JSON.stringify(all));
    for (const { name, variables } of all) {
      for (const secret of ['MY_SECRET', 'PENSTOCK_API_KEY', 'AWS_SECRET_ACCESS_KEY']) assert.ok(!variables.includes(secret), `${name} has ${secret}`);
      const calls = name.startsWith('penstock-schedu') || name.startsWith('penstock-worker');
      assert.equal(variables.includes('GROQ_API_KEY'), calls, name);
    }
    assert.ok(all.some(({ name }) => name === 'postgres') && all.some(({ name }) => name.startsWith('redis')));
    assert.match(dev.output, /starting Postgres and Redis[^]*schema[^]*starting the scheduler and 1 worker\n[^]*penstock ready/);
  } finally {
    await dev.stop();
    dev.remove();
  }
});

test('dev: kill -9 leaves no process behind, and the data can be used again', async () => {
  const dev = await Dev.start();
  try {
    await dev.stop('SIGKILL');
    for (let i = 0; i < 100 && dev.processes().length > 0; i++) await new Promise((done) => setTimeout(done, 100));
    assert.deepEqual(dev.processes(), []);
    const again = await Dev.start({ data: dev.data });
    assert.equal(again.key, dev.key);
    await again.stop();
  } finally {
    dev.remove();
  }
});

test('dev: --llm-base-url takes another server for models named openai/…', async () => {
  const seen = [];
  const llm = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      seen.push({ url: request.url, model: JSON.parse(body).model });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({
        id: 'x', object: 'chat.completion', created: 1, model: 'mine',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello from elsewhere.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      }));
    });
  }).listen(0, '127.0.0.1');
  await once(llm, 'listening');
  const dev = await Dev.start({ args: ['--llm-base-url', `http://127.0.0.1:${llm.address().port}/v1`] });
  try {
    const file = join(dev.data, 'agents.yaml');
    writeFileSync(file, agents);
    dev.command('apply', '--yes', '-f', file);
    assert.match((await dev.commandAside('run', 'helper', 'hi')).stdout, /Hello from elsewhere/);
    assert.deepEqual(seen, [{ url: '/v1/chat/completions', model: 'gpt-4o-mini' }]);
  } finally {
    await dev.stop();
    llm.closeAllConnections();
    llm.close();
    dev.remove();
  }
});

test('dev: SIGHUP makes the scheduler and the workers read the configuration again, and ends nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-dev-config-'));
  const file = join(folder, 'penstock.yaml');
  writeFileSync(file, 'models: [{name: one, provider: ollama}]\n');
  const dev = await Dev.start({ args: ['--workers', '2'], env: { PENSTOCK_CONFIG: file } });
  try {
    const ours = () => dev.processes().filter((line) => /penstock-(scheduler|worker)|postgres -D|redis-server/.test(line)).map((line) => line.trim().split(' ')[0]).sort();
    const before = ours();
    writeFileSync(file, 'models: [{name: one, provider: ollama}, {name: two, provider: ollama}]\n');
    dev.child.kill('SIGHUP');
    for (const name of ['scheduler', 'worker-1', 'worker-2'])
      await until(`${name} has read it`, () => /was read again.*changed="model two added"/.test(readFileSync(join(dev.data, 'logs', `${name}.log`), 'utf8')));
    for (const name of ['scheduler', 'worker-1', 'worker-2'])
      await until(`the terminal tells of ${name}`, () => dev.output.includes(`penstock dev: ${name}: "the configuration was read again" changed="model two added" needs_a_new_start=nothing\n`));
    const reply = await fetch(`${dev.url}/v1/models/two`, { headers: { authorization: `Bearer ${dev.key}` } });
    assert.equal(reply.status, 200);
    assert.deepEqual(ours(), before, 'all of them go on');
    assert.equal(await dev.stop('SIGTERM'), 0);
  } finally {
    await dev.stop('SIGKILL');
    dev.remove();
    rmSync(folder, { recursive: true });
  }
});

test('dev: what env exports makes doctor look at what the programs have, and another dev has a key of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-dev-config-'));
  const file = join(folder, 'penstock.yaml');
  writeFileSync(file, "web_search: [{kind: searxng, name: own, base_url: 'http://127.0.0.1:8888'}]\nmodels: [{name: one, provider: ollama}]\n");
  const dev = await Dev.start({ args: ['--workers', '1'], env: { PENSTOCK_CONFIG: file } });
  let other;
  try {
    const set = await fetch(`${dev.url}/v1/secrets/SHOP_KEY`, { method: 'PUT', headers: { authorization: `Bearer ${dev.key}`, 'content-type': 'application/json' }, body: '{"value": "sk-live-0123"}' });
    assert.equal(set.status, 200);
    const exported = execFileSync(join(bin, 'penstock'), ['env', '--data', dev.data], { encoding: 'utf8' });
    assert.ok(exported.includes(`export PENSTOCK_MASTER_KEY_FILE='${join(dev.data, 'master-key')}'\nexport PENSTOCK_CONFIG='${file}'\n`), exported);
    const found = dev.doctor();
    assert.match(found, /^ok +secrets +1, and the master key opens them$/m);
    assert.match(found, /^ok +web search +own \(searxng\)$/m);
    other = await Dev.start({ args: ['--workers', '1'], env: { PENSTOCK_MASTER_KEY_FILE: dev.env.PENSTOCK_MASTER_KEY_FILE } });
    assert.equal(other.env.PENSTOCK_MASTER_KEY_FILE, join(other.data, 'master-key'));
    assert.match(other.doctor(), /^ok +secrets +0, and the master key opens them$/m);
    assert.doesNotMatch(other.doctor(), /^fail/m);
  } finally {
    for (const each of [dev, other].filter(Boolean)) {
      await each.stop('SIGKILL');
      each.remove();
    }
    rmSync(folder, { recursive: true });
  }
});

test('dev: a terminal that is closed ends it', async () => {
  const data = mkdtempSync(join(tmpdir(), 'penstock-dev-'));
  const terminal = spawn('script', ['-qec', `exec ${join(bin, 'penstock')} dev --port 0 --data ${data}`, '/dev/null'], { stdio: ['ignore', 'ignore', 'ignore'] });
  const processes = () => execFileSync('ps', ['-eo', 'args', '--no-headers'], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(data) && !line.startsWith('script '));
  try {
    await until('it is ready', () => existsSync(join(data, 'dev.env')), 60000);
    assert.ok(processes().length > 0);
    terminal.kill('SIGKILL');
    await until('nothing is left of it', () => processes().length === 0, 60000);
  } finally {
    terminal.kill('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  }
});
