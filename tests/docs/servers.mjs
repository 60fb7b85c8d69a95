// A Postgres and a Redis as a reader finds them on a machine: at ports of loopback, empty, with a superuser named postgres.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

export class Servers {
  static async start(postgresPort, redisPort) {
    const servers = new Servers();
    const options = `${process.env.PENSTOCK_TEST_PG_OPTIONS ?? ''} -c listen_addresses=127.0.0.1 -c port=${postgresPort}`;
    servers.child = spawn(join(root, 'tests/lib/with-servers'), ['bash', '-c', 'echo "$PENSTOCK_TEST_SERVERS"; exec cat >/dev/null'], {
      env: { ...process.env, PENSTOCK_TEST_PG_OPTIONS: options, PGPORT: String(postgresPort) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let folder = '';
    for await (const chunk of servers.child.stdout) {
      folder += chunk;
      if (folder.includes('\n')) break;
    }
    servers.folder = folder.trim();
    servers.port = postgresPort;
    // The superuser that it was made with is named as the user and the database that a reader makes.
    servers.sql('penstock', 'CREATE ROLE maker SUPERUSER LOGIN');
    servers.sql('maker', 'ALTER ROLE penstock RENAME TO postgres');
    servers.sql('postgres', 'DROP ROLE maker');
    servers.sql('postgres', 'DROP DATABASE penstock');
    for (const [name, value] of [['bind', '127.0.0.1'], ['port', String(redisPort)]]) {
      execFileSync('redis-cli', ['-s', join(servers.folder, 'redis.sock'), 'CONFIG', 'SET', name, value], { stdio: ['ignore', 'pipe', 'inherit'] });
    }
    return servers;
  }

  sql(user, statement) {
    execFileSync('psql', ['-q', '-h', this.folder, '-p', String(this.port), '-U', user, '-d', 'postgres', '-c', statement], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** What stands in the place of "sudo -u postgres" in front of a command. */
  get asSuperuser() {
    return `env PGHOST=${this.folder} PGPORT=${this.port} PGUSER=postgres`;
  }

  async stop() {
    this.child.stdin.end();
    if (this.child.exitCode === null) await once(this.child, 'exit');
  }
}
