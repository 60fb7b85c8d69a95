// Somebody who reads a document and types what it says: in a folder of their own, with a home of their own, in one shell.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, sleep } from '../lib/stack.mjs';

const BACKGROUND_MS = 120000;
const COMMAND_MS = 120000;

/** Reads what a program prints, line by line. */
class Lines {
  constructor(...streams) {
    this.text = '';
    for (const stream of streams) stream.setEncoding('utf8').on('data', (chunk) => (this.text += chunk));
  }

  async wait(what, found, ms, alive = () => true) {
    const end = Date.now() + ms;
    for (;;) {
      const value = found(this.text);
      if (value) return value;
      if (!alive() || Date.now() > end) throw new Error(`${what}; so far:\n${this.text}`);
      await sleep(20);
    }
  }
}

export class Walk {
  /** `bin` is the folder of the programs, `root` that of the sources. */
  static async begin(bin, root) {
    const walk = new Walk();
    walk.folder = mkdtempSync(join(tmpdir(), 'penstock-docs-'));
    chmodSync(walk.folder, 0o755); // the servers' user, when we are root, walks through it
    mkdirSync(join(walk.folder, 'build/release'), { recursive: true });
    symlinkSync(bin, join(walk.folder, 'build/release/bin'));
    symlinkSync(join(root, 'deploy'), join(walk.folder, 'deploy'));
    mkdirSync(join(walk.folder, 'home'));
    // The documents' ports may be taken on this machine.
    walk.ports = new Map([['8080', String(await freePort())], ['8081', String(await freePort())]]);
    walk.background = [];
    const secret = /_API_KEY$|_BASE_URL$|^PENSTOCK_|^DATABASE_URL$|^REDIS_URL$|^PG/;
    walk.environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !secret.test(name)));
    Object.assign(walk.environment, { HOME: join(walk.folder, 'home'), TZ: 'UTC', LC_ALL: 'C.UTF-8', PATH: `${bin}:${process.env.PATH}` });
    walk.shell = spawn('bash', ['--norc', '--noprofile', '-s'], { cwd: walk.folder, env: walk.environment, stdio: ['pipe', 'pipe', 'pipe'] });
    walk.lines = new Lines(walk.shell.stdout);
    walk.script = walk.shell.stdin;
    walk.script.on('error', () => {}); // a command may have ended the shell; wait() says so
    walk.script.write('exec 2>&1\n__last=0\n');
    walk.count = 0;
    return walk;
  }

  file(name, lines) {
    writeFileSync(join(this.folder, name), `${lines.join('\n')}\n`);
  }

  /** A command as it must be typed here: other ports, and the ids that were shown here. */
  typed(command, ids = new Map()) {
    let text = command.replace(/\b(?:run|thread|asst|key|tenant)_[0-9a-f]{32}\b/g, (one) => ids.get(one) ?? one);
    for (const [theirs, ours] of this.ports) text = text.replaceAll(`:${theirs}`, `:${ours}`);
    if (/\bpenstock dev\b/.test(text)) text = text.replace(/\bpenstock dev\b/, `penstock dev --port ${this.ports.get('8080')}`);
    if (/^penstock-rehearsal .*--script/.test(text) && !text.includes('--check')) text = text.replace('penstock-rehearsal', `penstock-rehearsal --port ${this.ports.get('8081')}`);
    return text;
  }

  /** What was printed, with the document's ports. */
  told(text) {
    for (const [theirs, ours] of this.ports) text = text.replaceAll(`:${ours}`, `:${theirs}`);
    return text.replace(/\n$/, '').split('\n').filter((line, i, all) => all.length > 1 || line !== '');
  }

  /** Runs a command to its end in the shell: {code, lines}. */
  async run(command, ids) {
    const end = `__end_${++this.count}__`;
    const before = this.lines.text.length;
    this.script.write(`(exit $__last)\n{\n${this.typed(command, ids)}\n} </dev/null\n__last=$?; printf '\\n%s %s\\n' ${end} $__last\n`);
    const pattern = new RegExp(`\\n${end} (\\d+)\\n`);
    const [all, code] = await this.lines.wait(`does not end: ${command}`, (text) => pattern.exec(text.slice(before)), COMMAND_MS, () => this.shell.exitCode === null);
    const text = this.lines.text.slice(before);
    return { code: Number(code), lines: this.told(text.slice(0, text.indexOf(all))) };
  }

  /** Starts a command that goes on; judge(lines) is asked until it gives true. */
  async start(command, ids, judge) {
    const child = spawn('bash', ['--norc', '--noprofile', '-c', `exec ${this.typed(command, ids)}`], { cwd: this.folder, env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = new Lines(child.stdout, child.stderr);
    this.background.push(child);
    await lines.wait(`is not ready: ${command}`, (text) => judge(this.told(text)), BACKGROUND_MS, () => child.exitCode === null);
    return this.told(lines.text);
  }

  async end() {
    this.script.end('exit 0\n');
    for (const child of this.background.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    if (this.shell.exitCode === null) await once(this.shell, 'exit');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function help(bin, command) {
  const { stdout } = spawnSync(join(bin, 'penstock'), [...(command ?? '').split(' ').filter(Boolean), '--help'], { encoding: 'utf8' });
  return stdout.replace(/\n$/, '').split('\n');
}
