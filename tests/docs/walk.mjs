// Somebody who reads a document and types what it says: in a folder of their own, with a home of their own, in one shell.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, sleep } from '../lib/stack.mjs';
import { id } from './output.mjs';
import { Servers } from './servers.mjs';

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
    walk.ports = new Map();
    for (const port of ['8080', '8081', '8090', '5432', '6379']) walk.ports.set(port, String(await freePort()));
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
    writeFileSync(join(this.folder, name), `${this.here(lines.join('\n'))}\n`);
  }

  /** A node package that programs of this folder may import. */
  package(name, folder) {
    mkdirSync(join(this.folder, 'node_modules'), { recursive: true });
    symlinkSync(folder, join(this.folder, 'node_modules', name));
  }

  async startServers() {
    this.servers = await Servers.start(this.ports.get('5432'), this.ports.get('6379'));
  }

  /** A text with the ports and folders of this place. */
  here(text) {
    for (const [theirs, ours] of this.ports) text = text.replace(new RegExp(`(?<=:|--port |_PORT=)${theirs}\\b`, 'g'), ours);
    return text.replaceAll('/etc/penstock', join(this.folder, 'etc/penstock'));
  }

  /** A command as it must be typed here: other ports and folders, the ids that were shown here, and nobody's rights but ours. */
  typed(command, ids = new Map()) {
    let text = this.here(command.replace(id, (one) => ids.get(one) ?? one));
    if (this.servers) text = text.replaceAll('sudo -u postgres', this.servers.asSuperuser).replace(/\bsudo /g, '');
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

  async stop(child) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  /** Starts a command that goes on, in place of an earlier one of the same program; judge(lines) is asked until it gives true. */
  async start(command, ids, judge) {
    const program = command.split(' ').slice(0, 2).join(' ').replace(/ -.*/, '');
    for (const earlier of this.background) if (earlier.program === program) await this.stop(earlier.child);
    const child = spawn('bash', ['--norc', '--noprofile', '-c', `exec ${this.typed(command, ids)}`], { cwd: this.folder, env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = new Lines(child.stdout, child.stderr);
    this.background.push({ program, child });
    await lines.wait(`is not ready: ${command}`, (text) => judge(this.told(text)), BACKGROUND_MS, () => child.exitCode === null);
    return this.told(lines.text);
  }

  async end() {
    this.script.end('kill $(jobs -p) 2>/dev/null\nwait\nexit 0\n');
    for (const { child } of this.background.reverse()) await this.stop(child);
    if (this.shell.exitCode === null) await once(this.shell, 'exit');
    await this.servers?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function help(bin, command) {
  const { stdout } = spawnSync(join(bin, 'penstock'), [...(command ?? '').split(' ').filter(Boolean), '--help'], { encoding: 'utf8' });
  return stdout.replace(/\n$/, '').split('\n');
}
