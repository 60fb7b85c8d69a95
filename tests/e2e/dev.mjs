// `penstock dev` for a test: started in a folder of its own, asked to stop, and checked to leave nothing behind.

import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, chmodSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../lib/stack.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const bin = process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin');

const secrets = ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'GROQ_API_KEY', 'DEEPSEEK_API_KEY', 'ANTHROPIC_API_KEY'];
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !secrets.includes(name)));

export class Dev {
  static async start(options = {}) {
    const dev = new Dev();
    dev.data = options.data ?? mkdtempSync(join(tmpdir(), 'penstock-dev-'));
    chmodSync(dev.data, 0o755);
    dev.port = await freePort();
    dev.child = spawn(join(bin, 'penstock'), ['dev', '--port', String(dev.port), '--data', dev.data, ...(options.args ?? [])], {
      env: { ...environment, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    dev.output = '';
    const ready = new Promise((done, fail) => {
      const read = (chunk) => {
        dev.output += chunk;
        if (/^penstock ready/m.test(dev.output)) done();
      };
      dev.child.stdout.on('data', read);
      dev.child.stderr.on('data', read);
      dev.child.on('exit', () => fail(new Error(`penstock dev ended:\n${dev.output}`)));
      setTimeout(() => fail(new Error(`penstock dev is not ready:\n${dev.output}`)), 60000).unref();
    });
    await ready;
    dev.env = Object.fromEntries(
      readFileSync(join(dev.data, 'dev.env'), 'utf8')
        .split('\n')
        .map((line) => /^(?:export )?([A-Z_]+)=['"]?(.*?)['"]?$/.exec(line))
        .filter(Boolean)
        .map(([, name, value]) => [name, value]),
    );
    dev.url = dev.env.PENSTOCK_URL;
    dev.key = dev.env.PENSTOCK_API_KEY;
    return dev;
  }

  command(...args) {
    return execFileSync(join(bin, 'penstock'), args, { env: { ...environment, ...this.env }, encoding: 'utf8', cwd: root });
  }

  /** What doctor prints, whatever it comes to. */
  doctor() {
    return spawnSync(join(bin, 'penstock'), ['doctor'], { env: { ...environment, ...this.env }, encoding: 'utf8', cwd: root }).stdout;
  }

  /** As command, while this process goes on serving: returns {stdout, stderr}. */
  commandAside(...args) {
    return promisify(execFile)(join(bin, 'penstock'), args, { env: { ...environment, ...this.env }, encoding: 'utf8', cwd: root });
  }

  /** Processes whose command line or environment names the data folder. */
  processes() {
    const list = execFileSync('ps', ['-eo', 'pid,args', '--no-headers'], { encoding: 'utf8' });
    return list.split('\n').filter((line) => line.includes(this.data) && !line.includes('ps -eo'));
  }

  async stop(signal = 'SIGTERM') {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await once(this.child, 'exit');
    }
    return this.child.exitCode;
  }

  remove() {
    rmSync(this.data, { recursive: true, force: true });
  }
}
