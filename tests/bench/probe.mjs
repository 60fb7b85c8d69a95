// What the benchmark reads: CPU and memory of processes from /proc, one cheap session of psql, and plain statistics.

import { spawn, execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU milliseconds of a process so far; with its children, the ended ones included, when `family`. */
export function cpu(pid, family = false) {
  const fields = stat(pid);
  let total = Number(fields[11]) + Number(fields[12]);
  if (family) {
    total += Number(fields[13]) + Number(fields[14]);
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const child = stat(name);
        if (Number(child[1]) === pid) total += Number(child[11]) + Number(child[12]);
      } catch {
        // ended meanwhile: counted by its parent next time
      }
    }
  }
  return (total * 1000) / ticks;
}

/** How long a process was ready to run and had no core, so far, in milliseconds. */
export function starved(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

export function rss(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** CPU of everything in a stack; of `worker`, a pid, when given. */
export function sample(stack, worker) {
  const postgres = Number(readFileSync(join(stack.serversDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
  const redis = Number(readFileSync(join(stack.serversDir, 'redis.pid'), 'utf8'));
  return {
    worker: worker ? cpu(worker) : 0,
    scheduler: stack.scheduler.running ? cpu(stack.scheduler.pid) : 0,
    redis: cpu(redis),
    postgres: cpu(postgres, true),
    llm: cpu(stack.llm.pid),
  };
}

export const perRun = (before, after, runs) =>
  Object.fromEntries(Object.keys(after).map((key) => [key, (after[key] - before[key]) / runs]));

/** One psql that stays: to ask ten times a second must not cost a process and a connection each time. */
export class Sql {
  constructor(url) {
    this.child = spawn('psql', [url, '-qAt', '-v', 'ON_ERROR_STOP=1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** The rows of a query, as arrays of texts. */
  async rows(query) {
    this.child.stdin.write(`${query};\n\\echo END\n`);
    const rows = [];
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`psql ended at: ${query}`);
      if (value === 'END') return rows;
      rows.push(value.split('|'));
    }
  }

  async number(query) {
    return Number((await this.rows(query))[0][0]);
  }

  close() {
    this.child.stdin.end();
  }
}

/** The value below which the share `q` of the sorted values lies. */
export const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];

export const percentiles = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), p99: quantile(sorted, 0.99), most: sorted.at(-1) };
};

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

/** Of several equally shaped objects of numbers: one with `of` applied to each member's values. */
export function fold(objects, of) {
  if (typeof objects[0] === 'number') return of(objects);
  return Object.fromEntries(Object.keys(objects[0]).map((key) => [key, fold(objects.map((object) => object[key]), of)]));
}
