// Redis in each state in which it answers and does not serve: work goes on from Postgres, and all is said.
//
// By hand, each state for 30 s instead of a few: node --test tests/integration/redis_states.test.mjs --seconds 30

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { sleep, until, withStack } from '../lib/stack.mjs';

const at = process.argv.findIndex((word) => word.startsWith('--seconds'));
const SECONDS = Number(at < 0 ? (process.env.PENSTOCK_STATE_SECONDS ?? 4) : (process.argv[at].split('=')[1] ?? process.argv[at + 1]));
const IN_FLIGHT = 40; // runs that are asked for and have not ended

const script = `
rules:
  - name: quick
    steps: [{text: 'done', delay_ms: 20}]
`;

/** Keeps IN_FLIGHT runs under way until it is stopped. */
class Load {
  constructor(stack, assistant) {
    this.stack = stack;
    this.assistant = assistant;
    this.going = true;
    this.ended = 0;
    this.bad = [];
    this.loops = Array.from({ length: IN_FLIGHT }, () => this.#loop().catch((error) => this.bad.push(error.message)));
  }

  async #loop() {
    while (this.going) {
      const run = await this.stack.finished(await this.stack.submit(this.assistant, 'hello'), 60000);
      if (run.status !== 'completed') this.bad.push(run);
      this.ended++;
    }
  }

  /** Runs a second over so many seconds. */
  async rate(seconds) {
    const before = this.ended;
    await sleep(seconds * 1000);
    return (this.ended - before) / seconds;
  }

  async stop() {
    this.going = false;
    await Promise.all(this.loops);
    assert.deepEqual(this.bad, []);
  }
}

const readyz = async (url) => (await fetch(`${url}/readyz`)).json();
const metrics = async (url) => (await fetch(`${url}/metrics`)).text();

/** What both programs say while Redis is in the state `word`. One that only holds us up may answer in between, so all of it must be said at the same time. */
async function isSaid(stack, word) {
  const state = new RegExp(`^penstock_redis_state\\{state="${word}"\\} 1$`, 'm');
  for (const [name, url] of [['scheduler', stack.url], ['worker', stack.workers[0].url]]) {
    let said;
    await until(`${name} says "${word}"`, async () => {
      said = { degraded: (await readyz(url)).degraded, page: await metrics(url) };
      return said.degraded.includes(`redis: ${word}`) && /^penstock_redis_up 0$/m.test(said.page) && state.test(said.page);
    }, 10000).catch((error) => {
      throw new Error(`${error.message}; it says ${JSON.stringify(said.degraded)} and ${said.page.match(/^penstock_redis_(up|state).*$/gm).join(', ')}`);
    });
  }
}

async function servesAgain(stack) {
  for (const url of [stack.url, stack.workers[0].url])
    await until('Redis serves again', async () => !(await readyz(url)).degraded.some((reason) => reason.startsWith('redis')), 15000);
}

/** What a program's log said of Redis, in order: the state's word, or `serves`. */
function told(program) {
  const lines = program.log().matchAll(/msg="Redis (?:serves again"|does not serve[^"]*" state=(?:"([^"]+)"|(\S+)))/g);
  return [...lines].map(([, quoted, bare]) => quoted ?? bare ?? 'serves');
}

/** Under load: the state begins, holds for SECONDS, and ends. */
async function lives(state) {
  await withStack({ script, slots: 60 }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    const load = new Load(stack, assistant);
    await until('runs end', () => load.ended > IN_FLIGHT);
    const usual = await load.rate(Math.min(SECONDS, 10));
    const end = await state.begin(stack);
    await isSaid(stack, state.word);
    if (state.doctor) {
      let said = '';
      try {
        said = stack.command('doctor');
      } catch (error) {
        said = error.stdout;
      }
      assert.match(said, new RegExp(`redis +.*${state.word}`), said);
    }
    const rate = await load.rate(SECONDS);
    await end();
    await servesAgain(stack);
    await load.rate(1);
    await load.stop();
    console.log(`# ${state.word} (${state.name}): ${rate.toFixed(0)} runs/s beside ${usual.toFixed(0)}`);
    // In a few seconds on a busy machine the two rates differ by chance alone.
    assert.ok(rate >= usual / (SECONDS >= 20 ? 2 : 4), `${rate} runs/s in the state, ${usual} before`);
    for (const program of [stack.scheduler, stack.workers[0]]) {
      await until(`${program.name} says that it is over`, () => told(program).at(-1) === 'serves');
      const words = told(program);
      // A machine that stands still for a while makes Redis slow, or away, once more.
      const times = words.filter((word) => word === state.word).length;
      assert.ok(times >= 1 && times <= 3, `${program.name}: ${words}`);
      assert.ok(words.every((word, i) => word !== words[i - 1]), `${program.name} says a change once: ${words}`);
    }
  });
}

const states = [
  {
    name: 'maxmemory with noeviction',
    word: 'refuses writes',
    doctor: true,
    async begin(stack) {
      stack.redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      stack.redis('CONFIG', 'SET', 'maxmemory', '1mb');
      return () => stack.redis('CONFIG', 'SET', 'maxmemory', '0');
    },
  },
  {
    name: 'a replica of a server that is away',
    word: 'refuses writes',
    async begin(stack) {
      stack.redis('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
      stack.redis('REPLICAOF', '127.0.0.1', '1');
      return () => stack.redis('REPLICAOF', 'NO', 'ONE');
    },
  },
  {
    name: 'a replica that serves nothing until it has its primary',
    word: 'not ready',
    async begin(stack) {
      stack.redis('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
      stack.redis('REPLICAOF', '127.0.0.1', '1');
      return () => stack.redis('REPLICAOF', 'NO', 'ONE');
    },
  },
  {
    name: 'a user without rights to write',
    word: 'refuses us',
    doctor: true,
    async begin(stack) {
      stack.redis('ACL', 'SETUSER', 'default', '-xadd');
      return () => stack.redis('ACL', 'SETUSER', 'default', '+xadd');
    },
  },
  {
    name: 'snapshots that fail',
    word: 'refuses writes',
    async begin(stack) {
      const dir = stack.redis('CONFIG', 'GET', 'dir').split('\n')[1];
      // A file where the snapshot's folder should be: the next one fails, and writes are refused.
      stack.redis('CONFIG', 'SET', 'dbfilename', 'dump.rdb');
      execFileSync('mkdir', ['-p', `${dir}/dump.rdb`]);
      stack.redis('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes');
      stack.redis('CONFIG', 'SET', 'save', '3600 1');
      stack.redis('BGSAVE');
      await until('the snapshot failed', () => stack.redis('INFO', 'persistence').includes('rdb_last_bgsave_status:err'));
      return () => {
        stack.redis('CONFIG', 'SET', 'save', '');
        execFileSync('rmdir', [`${dir}/dump.rdb`]);
      };
    },
  },
  {
    name: 'a script that holds it up',
    word: 'slow',
    async begin(stack) {
      stack.redis('CLIENT', 'PAUSE', String(SECONDS * 1000 + 8000), 'WRITE');
      return () => stack.redis('CLIENT', 'UNPAUSE');
    },
  },
];

for (const state of states) test(`work goes on with ${state.name} (Redis: ${state.word})`, () => lives(state));

test('work goes on with a Redis that loads its data', async () => {
  await withStack({ script }, async (stack) => {
    const assistant = await stack.assistant({ tools: [] });
    await stack.finished(await stack.submit(assistant, 'hello'));
    const path = stack.redisUrl.replace('unix://', '');
    stack.stopRedis();
    const connections = new Set();
    const loading = createServer((socket) => {
      connections.add(socket);
      socket.on('data', () => socket.write('-LOADING Redis is loading the dataset in memory\r\n'));
      socket.on('error', () => {});
    });
    await until('the socket is free', () => new Promise((done) => {
      loading.once('error', () => done(false));
      execFileSync('rm', ['-f', path]);
      loading.listen(path, () => done(true));
    }));
    execFileSync('chmod', ['777', path]);
    await isSaid(stack, 'not ready');
    const run = await stack.finished(await stack.submit(assistant, 'hello'));
    assert.equal(run.status, 'completed');
    for (const socket of connections) socket.destroy();
    await new Promise((done) => loading.close(done));
    stack.startRedis();
    await servesAgain(stack);
  });
});

test('a right that only the schedulers lack: the workers find what nobody hinted', async () => {
  await withStack({ script, bare: true }, async (stack) => {
    stack.redis('ACL', 'SETUSER', 'half', 'on', '>half', '~*', '&*', '+@all', '-xadd');
    const whole = stack.env.REDIS_URL;
    stack.env.REDIS_URL = whole.replace('unix://', 'unix://half:half@');
    await stack.startScheduler();
    stack.env.REDIS_URL = whole;
    await stack.startWorker();
    const assistant = await stack.assistant({ tools: [] });
    const run = await stack.finished(await stack.submit(assistant, 'hello'), 20000);
    assert.equal(run.status, 'completed');
    assert.ok((await readyz(stack.url)).degraded.includes('redis: refuses us'));
  });
});
