// A Penstock with faults between its parts: two schedulers, three workers, Postgres, Redis, the rehearsal LLM and a tool
// server, every connection through a proxy of its own for each process. A supervisor starts again what ended.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Stack, freePort, sleep, until } from '../lib/stack.mjs';
import { auditSql, rows } from './audit.mjs';
import { Mind } from './mind.mjs';
import { Proxy } from './proxy.mjs';
import { script } from './script.mjs';
import { ToolServer } from './tool_server.mjs';

const run = promisify(execFile);
const SUPERVISOR_MS = 500;

/** A process of Penstock, over all its incarnations. */
class Member {
  constructor(world, kind, name) {
    Object.assign(this, { world, kind, name, incarnation: 0, wanted: false, paused: false, draining: null, incarnations: [] });
  }

  async open() {
    const { stack } = this.world;
    this.postgres = await Proxy.open(`${this.name}-postgres`, { path: join(stack.serversDir, '.s.PGSQL.5432') });
    this.redis = await Proxy.open(`${this.name}-redis`, { path: join(stack.serversDir, 'redis.sock') });
    if (this.kind === 'worker') this.llm = await Proxy.open(`${this.name}-llm`, { host: '127.0.0.1', port: stack.llmPort });
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    if (this.kind === 'scheduler') this.front = await Proxy.open(`${this.name}-front`, { host: '127.0.0.1', port: this.port });
  }

  get proxies() {
    return [this.postgres, this.redis, this.llm, this.front].filter(Boolean);
  }

  get running() {
    return Boolean(this.program?.running);
  }

  log(lines) {
    return this.program.log().split('\n').slice(-lines).join('\n');
  }

  start() {
    const { stack, options } = this.world;
    this.incarnation++;
    this.app = `${this.name}.${this.incarnation}`;
    this.paused = false;
    this.wanted = true;
    const args = ['--port', String(this.port), ...(this.kind === 'worker' ? ['--slots', String(options.slots)] : [])];
    const program = stack.program(`penstock-${this.kind}`, args, {
      DATABASE_URL: `postgresql://penstock@127.0.0.1:${this.postgres.port}/penstock?application_name=${this.app}`,
      REDIS_URL: `redis://127.0.0.1:${this.redis.port}`,
      ...(this.llm ? { OPENAI_BASE_URL: `http://127.0.0.1:${this.llm.port}/v1` } : {}),
      PENSTOCK_PRIVATE_ADDRESSES: `127.0.0.1:${this.world.toolsPort}`,
      PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8',
    });
    this.program = program;
    this.incarnations.push({ app: this.app, pid: program.pid, from: Date.now() });
    program.exited.then(({ code, signal }) => this.#ended(program, code, signal));
  }

  ready(ms = 15000) {
    return until(`${this.name} ready`, async () => (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(1000) }).catch(() => null))?.ok, ms);
  }

  #ended(program, code, signal) {
    if (program !== this.program || !this.wanted) return;
    // By itself: whatever the reason, a supervisor starts it again, and the report says so.
    this.world.surprises.push({ who: this.app, code, signal, at: Date.now(), pausedBefore: Boolean(this.wasPaused), log: this.log(12) });
    setTimeout(() => this.wanted && !this.running && this.start(), SUPERVISOR_MS);
  }

  /** SIGKILL, and no restart until start(). */
  async kill() {
    this.wanted = false;
    await this.program?.kill('SIGKILL');
  }

  pause() {
    this.paused = this.wasPaused = true;
    this.program.child.kill('SIGSTOP');
  }

  resume() {
    this.paused = false;
    if (this.running) this.program.child.kill('SIGCONT');
  }

  /** SIGTERM. Returns how it ended. */
  async drain(ms = 40000) {
    this.wanted = false;
    const end = await this.program.stop(ms);
    if (end.code !== 0) this.world.surprises.push({ who: this.app, ...end, at: Date.now(), drained: true, log: this.log(12) });
    return end;
  }
}

export class World {
  /** options: seed, workers, schedulers, slots, config (YAML), slowMs, silenceMs, script (YAML, in place of that of script.mjs) */
  static async open(options) {
    const world = new World();
    world.options = { workers: 3, schedulers: 2, slots: 40, config: '', ...options };
    world.surprises = [];
    world.members = [];
    world.tools = await ToolServer.open();
    world.toolsProxy = await Proxy.open('tools', { host: '127.0.0.1', port: world.tools.port });
    world.toolsPort = world.toolsProxy.port;
    world.mind = await Mind.open(options.seed);
    world.mindProxy = await Proxy.open('mind', { host: '127.0.0.1', port: world.mind.port });
    try {
      await world.#start();
    } catch (error) {
      world.stack?.showLogs();
      await world.close();
      throw error;
    }
    return world;
  }

  async #start() {
    const { options } = this;
    const patience = `connect_timeout_ms: 3000, first_byte_timeout_ms: ${options.silenceMs}, total_timeout_ms: 30000`;
    const mind = `{name: mind, kind: openai_chat, base_url: 'http://127.0.0.1:${this.mindProxy.port}/v1', api_key: x, ${patience}}`;
    const provider = `providers: [{name: openai, ${patience}}, ${mind}]\nmemory: {learn_after_ms: 300}\n`;
    this.stack = await Stack.start({ bare: true, script: options.script ?? script(options.seed, this.toolsPort, options.slowMs), config: provider + options.config });
    this.killer = () => this.killAll();
    process.on('exit', this.killer);
    const tenants = ['flooder', 'quiet'].map((name) => [name, this.stack.tenant(name)]);
    this.keys = Object.fromEntries(tenants.map(([name, tenant]) => [name, tenant.key]));
    this.tenants = Object.fromEntries(this.stack.sql('SELECT name, id FROM tenants').map(({ name, id }) => [name, id]));
    this.stack.exec(auditSql);
    for (let i = 1; i <= options.schedulers; i++) this.members.push(new Member(this, 'scheduler', `s${i}`));
    for (let i = 1; i <= options.workers; i++) this.members.push(new Member(this, 'worker', `w${i}`));
    for (const member of this.members) await member.open();
    for (const member of this.members) member.start();
    await Promise.all(this.members.map((member) => member.ready()));
  }

  get schedulers() {
    return this.members.filter((member) => member.kind === 'scheduler');
  }

  get workers() {
    return this.members.filter((member) => member.kind === 'worker');
  }

  get proxies() {
    return [this.toolsProxy, this.mindProxy, ...this.members.flatMap((member) => member.proxies)];
  }

  /** The proxies of a kind of link: postgres, redis, llm, front, tools. */
  links(kind) {
    if (kind === 'tools') return [this.toolsProxy];
    return [...this.members.map((member) => member[kind]), kind === 'llm' && this.mindProxy].filter(Boolean);
  }

  rows(query) {
    return rows(this.stack.databaseUrl, query);
  }

  async #asNobody(file, args) {
    const as = process.getuid() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
    const [first, ...rest] = [...as, file, ...args];
    // Nothing is read from it: what it starts keeps its descriptors.
    const child = spawn(first, rest, { cwd: '/', stdio: 'ignore' });
    return new Promise((done, fail) => child.on('error', fail).on('exit', (code) => (code === 0 ? done() : fail(new Error(`${file} ended with ${code}`)))));
  }

  /** pg_ctl, without standing in the proxies' way. */
  postgres(...args) {
    this.pgCtl ??= execFileSync('bash', ['-c', 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1'], { encoding: 'utf8' }).trim() + '/pg_ctl';
    const { serversDir } = this.stack;
    return this.#asNobody(this.pgCtl, ['-D', join(serversDir, 'postgres'), '-w', '-s', '-l', join(serversDir, 'postgres.log'), ...args]);
  }

  redis(...args) {
    return run('redis-cli', ['-s', join(this.stack.serversDir, 'redis.sock'), ...args]);
  }

  killRedis() {
    process.kill(Number(readFileSync(join(this.stack.serversDir, 'redis.pid'), 'utf8')), 'SIGKILL');
  }

  startRedis() {
    const dir = this.stack.serversDir;
    return this.#asNobody('redis-server', ['--port', '0', '--unixsocket', `${dir}/redis.sock`, '--unixsocketperm', '777', '--save', '',
      '--appendonly', 'no', '--daemonize', 'yes', '--pidfile', `${dir}/redis.pid`, '--logfile', `${dir}/redis.log`, '--dir', dir]);
  }

  /** Everything runs, every link is whole. Returns who did not become ready, with the end of its log. */
  async heal() {
    for (const proxy of this.proxies) proxy.heal();
    for (const member of this.members) {
      if (member.paused) member.resume();
      if (!member.running) member.start();
    }
    const late = [];
    const wait = (member) => member.ready(30000).catch(() => late.push(`${member.app} was not ready 30 s after the last fault:\n${member.log(30)}`));
    await Promise.all(this.members.map(wait));
    return late;
  }

  /** For an end without ceremony: nothing of ours survives this process. */
  killAll() {
    for (const program of this.stack?.programs ?? []) if (program.running) program.child.kill('SIGKILL');
  }

  /** Stops all, workers first. Returns what did not end well. */
  async close() {
    const bad = [];
    for (const member of this.members) member.wanted = false;
    if (this.stack) {
      await Promise.all(this.members.map((member) => member.paused && member.resume()));
      for (const kind of ['worker', 'scheduler']) {
        const running = this.members.filter((member) => member.kind === kind && member.running);
        const ends = await Promise.all(running.map((member) => member.program.stop(40000)));
        ends.forEach((end, i) => end.code !== 0 && bad.push(`${running[i].app} ended with ${end.signal ?? end.code}`));
      }
      bad.push(...(await this.stack.stop()));
    }
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    this.tools.close();
    this.mind.close();
    if (this.killer) process.removeListener('exit', this.killer);
    await sleep(0);
    return bad;
  }
}
