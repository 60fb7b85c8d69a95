// A whole Penstock for a test: private Postgres and Redis, the rehearsal LLM, a scheduler and workers, all real
// programs from $PENSTOCK_BIN, on free ports and unix sockets. No packages: node's own modules and psql.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync, readdirSync, readFileSync, rmSync, openSync, closeSync, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { slowness } from './pace.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin');

/** The programs of the newest Postgres. In the path, since Debian's psql is a script of Perl that starts it, and tests ask some thousand times. */
const [postgresBin] = readdirSync('/usr/lib/postgresql')
  .sort((a, b) => b - a)
  .map((version) => `/usr/lib/postgresql/${version}/bin`);
process.env.PATH = `${postgresBin}:${process.env.PATH}`;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Polls `check` until it gives something true, or fails after `ms` (as slow as the machine is) with `what`. */
export async function until(what, check, ms = 15000) {
  const start = Date.now();
  for (;;) {
    const value = await check();
    if (value) return value;
    const took = Date.now() - start;
    if (took > ms && took > ms * slowness()) throw new Error(`not within ${ms} ms, nor within ${took}: ${what}`);
    await sleep(20);
  }
}

/** What took so long is promised within `ms` on a machine that has nothing else to do. */
export function checkTook(took, ms, what = 'it') {
  assert.ok(took < ms || took < ms * slowness(), `${what} took ${took} ms, promised within ${ms}`);
}

const PORTS = { first: 10000, count: 22000 };
const portsGiven = new Set();

async function isFree(port) {
  const server = createServer();
  const listening = await new Promise((done) => server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
  if (listening) await new Promise((done) => server.close(done));
  return listening;
}

/**
 * A port for a program that is about to start. Below those that the kernel gives to clients, and any of many: another test may start a program before ours
 * listens.
 */
export async function freePort() {
  for (let tries = 0; tries < PORTS.count; tries++) {
    const port = PORTS.first + randomInt(PORTS.count);
    if (portsGiven.has(port) || !(await isFree(port))) continue;
    portsGiven.add(port);
    return port;
  }
  throw new Error('no port is free');
}

/** A program of ours, with its log in a file that is shown when a test fails. */
class Program {
  constructor(bin, name, args, env, dir) {
    this.name = name;
    this.logFile = join(dir, `${name}-${Program.count++}.log`);
    const log = openSync(this.logFile, 'a'); // the program's own, so that nothing is missing when it has ended
    this.child = spawn(join(bin, name), args, { env: { ...process.env, ...env }, stdio: ['ignore', log, log] });
    closeSync(log);
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
  }

  static count = 0;

  get pid() {
    return this.child.pid;
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  kill(signal) {
    if (this.running) this.child.kill(signal);
    return this.exited;
  }

  /** SIGTERM, and the exit code. */
  async stop(ms = 60000) {
    if (!this.running) return this.exited;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ms);
    const result = await this.exited;
    clearTimeout(timer);
    return result;
  }
}

export class Stack {
  /**
   * options: bin (folder of the programs), script (YAML text for the LLM), config (YAML text of settings), llmArgs, env, workers (1),
   * slots, schedulerArgs; bare: only the servers and the LLM
   */
  static async start(options = {}) {
    const stack = new Stack();
    stack.options = options;
    stack.bin = options.bin ?? bin;
    stack.dir = mkdtempSync(join(tmpdir(), 'penstock-it-'));
    stack.workers = [];
    stack.programs = [];
    try {
      await stack.#startServers();
      await stack.#startLlm();
      if (!options.bare) {
        await stack.startScheduler();
        for (let i = 0; i < (options.workers ?? 1); i++) await stack.startWorker();
      }
    } catch (error) {
      stack.showLogs();
      await stack.stop();
      throw error;
    }
    return stack;
  }

  async #startServers() {
    this.servers = spawn(join(root, 'tests/lib/with-servers'), ['bash', '-c', 'env; echo READY; exec cat >/dev/null'], {
      env: { ...process.env, ...(this.bin === bin ? { PENSTOCK_BIN: bin, PENSTOCK_TEST_MIGRATED: '1' } : {}) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const chunk of this.servers.stdout) {
      text += chunk;
      if (text.includes('READY\n')) break;
    }
    const env = Object.fromEntries(text.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
    this.serversDir = env.PENSTOCK_TEST_SERVERS;
    this.databaseUrl = env.DATABASE_URL;
    this.redisUrl = env.REDIS_URL;
    this.env = {
      DATABASE_URL: env.DATABASE_URL,
      REDIS_URL: env.REDIS_URL,
      PENSTOCK_LOG_LEVEL: process.env.PENSTOCK_LOG_LEVEL ?? 'info',
      PENSTOCK_CODE_INTERPRETER: 'off', // each worker would try whether it holds: tests of it switch it on
      ...this.options.env,
    };
    if (this.options.config) {
      this.env.PENSTOCK_CONFIG = join(this.dir, 'penstock.yaml');
      writeFileSync(this.env.PENSTOCK_CONFIG, this.options.config);
    }
    this.command('migrate');
    this.key = this.tenant('test').key;
  }

  async #startLlm() {
    this.llmPort = await freePort();
    this.ledgerFile = join(this.dir, 'ledger.jsonl');
    const args = ['--port', String(this.llmPort), '--ledger', this.ledgerFile, ...(this.options.llmArgs ?? [])];
    if (this.options.script) {
      const file = join(this.dir, 'script.yaml');
      writeFileSync(file, this.options.script);
      args.push('--script', file);
    }
    this.llm = this.program('penstock-rehearsal', args, {});
    this.llmUrl = `http://127.0.0.1:${this.llmPort}`;
    this.env.OPENAI_BASE_URL = `${this.llmUrl}/v1`;
    this.env.OPENAI_API_KEY = 'rehearsal';
    await this.ready(this.llm, `${this.llmUrl}/healthz`);
  }

  /** Starts a program with the stack's environment; stopped and checked with the stack. */
  program(name, args, env) {
    const program = new Program(this.bin, name, args, { ...this.env, ...env }, this.dir);
    this.programs.push(program);
    return program;
  }

  /** Waits until `url` answers 2xx; throws when the program ends before. */
  async ready(program, url) {
    await until(`${program.name} ready`, async () => {
      if (!program.running) throw new Error(`${program.name} ended:\n${program.log()}`);
      return (await fetch(url).catch(() => null))?.ok;
    });
  }

  async startScheduler() {
    this.port ??= await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.scheduler = this.program('penstock-scheduler', ['--port', String(this.port), ...(this.options.schedulerArgs ?? [])], {});
    await this.ready(this.scheduler, `${this.url}/readyz`);
  }

  async startWorker(env = {}) {
    const port = await freePort();
    const worker = this.program('penstock-worker', ['--slots', String(this.options.slots ?? 200), '--port', String(port)], env);
    worker.url = `http://127.0.0.1:${port}`;
    this.workers.push(worker);
    await this.ready(worker, `${worker.url}/readyz`);
    return worker;
  }

  /** Waits until all workers hear which runs are read: what they say before that is not told. */
  async heard() {
    for (const worker of this.workers.filter((each) => each.running))
      await until('the worker hears which runs are read', async () => /^penstock_worker_live_hears 1$/m.test(await (await fetch(`${worker.url}/metrics`)).text()));
  }

  /** Runs `penstock ARGS` and returns what it printed. */
  command(...args) {
    return execFileSync(join(this.bin, 'penstock'), args, {
      env: { ...process.env, ...this.env, PENSTOCK_URL: this.url ?? '', PENSTOCK_API_KEY: this.key ?? '' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** The stack as a new tenant sees it: the same programs, his key. */
  tenant(name) {
    this.command('tenants', 'create', name);
    return Object.assign(Object.create(this), { key: this.command('keys', 'create', '--tenant', name).match(/pk_[A-Za-z0-9_-]{43}/)[0] });
  }

  /** Rows of a query, as objects. */
  sql(query) {
    const text = execFileSync('psql', [this.databaseUrl, '-qAtc', `SELECT coalesce(json_agg(q), '[]') FROM (${query}) q`], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    return JSON.parse(text);
  }

  exec(statement) {
    return execFileSync('psql', [this.databaseUrl, '-qAtc', statement], { encoding: 'utf8' });
  }

  redis(...args) {
    return execFileSync('redis-cli', ['-s', this.redisUrl.replace('unix://', ''), ...args], { encoding: 'utf8' });
  }

  stopRedis() {
    this.redis('SHUTDOWN', 'NOSAVE');
  }

  /** Starts it again, empty, as tests/lib/with-servers does, and comes back when it answers. */
  startRedis() {
    const socket = this.redisUrl.replace('unix://', '');
    const command = ['redis-server', '--port', '0', '--unixsocket', socket, '--unixsocketperm', '777', '--save', '', '--appendonly', 'no', '--daemonize',
      'yes', '--pidfile', join(this.serversDir, 'redis.pid'), '--logfile', join(this.serversDir, 'redis.log'), '--dir', this.serversDir];
    const as = process.getuid() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
    const [file, ...rest] = [...as, ...command];
    execFileSync(file, rest, { stdio: 'ignore', cwd: '/' });
    for (let tries = 0; spawnSync('redis-cli', ['-s', socket, 'PING']).status !== 0; tries++) {
      assert.ok(tries < 1000, 'Redis answers');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }

  /** pg_ctl on the private Postgres: 'restart -m immediate', 'stop -m fast', 'start'. */
  postgres(...args) {
    const command = [join(postgresBin, 'pg_ctl'), '-D', join(this.serversDir, 'postgres'), '-w', '-s', '-l', join(this.serversDir, 'postgres.log'), ...args];
    const as = process.getuid() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
    const [file, ...rest] = [...as, ...command];
    execFileSync(file, rest, { stdio: 'ignore', cwd: '/' });
  }

  /** One API call. Returns {status, headers, body}. */
  async call(method, path, body, headers = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
    const text = await response.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // stays text
    }
    return { status: response.status, headers: response.headers, body: parsed };
  }

  /** As call, and throws unless it answered 2xx. Returns the body. */
  async ok(method, path, body, headers) {
    const reply = await this.call(method, path, body, headers);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  assistant(fields = {}) {
    return this.ok('POST', '/v1/assistants', {
      model: 'openai/gpt-4o-mini',
      name: 'assistant',
      instructions: 'You are a careful assistant.',
      tools: [{ type: 'calculator' }, { type: 'current_time' }],
      ...fields,
    });
  }

  submit(assistant, prompt, fields = {}) {
    return this.ok('POST', '/v1/threads/runs', {
      assistant_id: assistant.id,
      thread: { messages: [{ role: 'user', content: prompt }] },
      ...fields,
    });
  }

  run(run) {
    return this.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}`);
  }

  async finished(run, ms = 30000) {
    const live = ['queued', 'in_progress', 'cancelling'];
    let seen;
    await until(`${run.id} ends`, async () => {
      seen = await this.run(run);
      return !live.includes(seen.status);
    }, ms).catch((error) => {
      throw new Error(`${error.message}; its status is ${seen?.status}`);
    });
    await this.llmStats(AbortSignal.timeout(5000)).catch(() => {}); // it notes a call in its ledger after the answer: by now it has
    return seen;
  }

  async answer(run) {
    const list = await this.ok('GET', `/v1/threads/${run.thread_id}/messages?order=desc&limit=1`);
    return list.data[0]?.content[0]?.text?.value;
  }

  /** What the LLM noted, one object per call. */
  ledger() {
    if (!existsSync(this.ledgerFile)) return [];
    return readFileSync(this.ledgerFile, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /**
   * The last one that was answered, when no call is under way: it is noted then, and by that time its run may have ended. A call that its client gave up may be
   * noted later than one that began after it.
   */
  async lastCall() {
    await until('no call is under way', async () => (await this.llmStats()).in_flight === 0);
    return this.ledger().filter((line) => !line.closed).at(-1);
  }

  llmStats(signal) {
    return fetch(`${this.llmUrl}/rehearsal/stats`, { signal }).then((reply) => reply.json());
  }

  /** Runs in work in a worker, as its metrics say. */
  async busy(worker) {
    const text = await (await fetch(`${worker.url}/metrics`)).text();
    return Number(/^penstock_worker_slots_busy (\d+)$/m.exec(text)[1]);
  }

  showLogs() {
    for (const program of this.programs ?? []) {
      const lines = program.log().split('\n');
      if (lines.length > 1) console.error(`--- ${program.name} ${program.pid}\n${lines.slice(-40).join('\n')}`);
    }
  }

  /** Stops what still runs. Returns what did not end well: a crash, a leak, a hang. */
  async stop() {
    const running = (this.programs ?? []).filter((program) => program.running);
    for (const program of running) program.child.kill('SIGCONT');
    const ends = await Promise.all(running.map((program) => program.stop()));
    const bad = running
      .map((program, i) => ({ program, ...ends[i] }))
      .filter((end) => end.code !== 0)
      .map(({ program, code, signal }) => `${program.name} ${program.pid} ended with ${signal ?? code}`);
    if (bad.length > 0) this.showLogs();
    this.servers?.stdin.end();
    if (this.servers && this.servers.exitCode === null) await once(this.servers, 'exit');
    rmSync(this.dir, { recursive: true, force: true });
    return bad;
  }
}

/** Runs `body(stack)` on a fresh stack; shows the logs when it fails, and stops everything. */
export async function withStack(options, body) {
  const stack = await Stack.start(options);
  try {
    await body(stack);
  } catch (error) {
    stack.showLogs();
    await stack.stop();
    throw error;
  }
  const bad = await stack.stop();
  if (bad.length > 0) throw new Error(bad.join('; '));
}
