// The faults: planned from the seed, each with a probe that is submitted as it strikes and tells when work goes on.

import { Random } from './random.mjs';
import { sleep } from '../lib/stack.mjs';

const linkNames = { postgres: 'Postgres', redis: 'Redis', llm: 'LLM', front: 'client', tools: 'tool' };

/** kind: weight, how long it lasts (ms), and what it does: begin(world, fault), end(world, fault). */
const kinds = {
  'worker kill -9': { weight: 10, ms: [300, 3000], target: 'worker', begin: (m) => m.kill(), end: (m) => restart(m) },
  'worker stopped': { weight: 6, lease: [1.1, 2], target: 'worker', begin: (m) => m.pause(), end: (m) => m.resume() },
  'worker stopped shortly': { weight: 3, lease: [0.2, 0.7], target: 'worker', begin: (m) => m.pause(), end: (m) => m.resume() },
  'worker drained': { weight: 7, ms: [0, 0], target: 'worker', begin: drain, end: async () => {} },
  'scheduler kill -9': { weight: 6, ms: [300, 4000], target: 'scheduler', begin: (m) => m.kill(), end: (m) => restart(m) },
  'scheduler stopped': { weight: 4, ms: [1000, 9000], target: 'scheduler', begin: (m) => m.pause(), end: (m) => m.resume() },
  'Postgres restart, fast': { weight: 3, ms: [0, 0], postgres: true, begin: (w, f) => restartPostgres(w, f, 'fast') },
  'Postgres restart, immediate': { weight: 3, ms: [0, 0], postgres: true, begin: (w, f) => restartPostgres(w, f, 'immediate') },
  'Redis kill -9': { weight: 4, ms: [200, 4000], begin: (w) => w.killRedis(), end: (w) => w.startRedis(), redis: true },
  'Redis FLUSHALL': { weight: 6, ms: [0, 0], begin: (w) => w.redis('FLUSHALL'), redis: true },
  ...links('cut', { postgres: 5, redis: 5, llm: 5, front: 4, tools: 2 }, [0, 0], (p) => p.cut()),
  ...links('delayed', { postgres: 3, redis: 2, llm: 2, front: 2 }, [1000, 5000], (p, f) => (p.delayMs = f.random.int(20, 400))),
  ...links('half-open', { postgres: 4, redis: 5, llm: 3, front: 3, tools: 2 }, [500, 8000], (p) => p.freeze()),
  ...links('black hole', { postgres: 3, redis: 3, llm: 2 }, [1000, 15000], (p) => p.startBlackhole()),
};

function links(what, weights, ms, strike) {
  return Object.fromEntries(
    Object.entries(weights).map(([link, weight]) => [
      `${linkNames[link]} connections ${what}`,
      {
        weight, ms, link,
        begin: (world, fault) => fault.proxies.forEach((proxy) => strike(proxy, fault)),
        end: (world, fault) => fault.proxies.forEach((proxy) => proxy.heal()),
      },
    ]),
  );
}

async function restart(member) {
  if (!member.running) member.start();
}

/** A rolling restart of one: its replacement first would need a fourth port; here it comes after. */
async function drain(member, fault) {
  await member.drain();
  fault.t1 = Date.now();
  member.start();
}

async function restartPostgres(world, fault, mode) {
  await world.postgres('restart', '-m', mode);
  fault.t1 = Date.now();
}

/** [{at, kind, for, …}] in order of time. gap: mean time between two, ms. */
export function planFaults(seed, seconds, gapMs, leaseMs, only, except) {
  const random = new Random(seed, 'faults');
  const matches = (name, part) => name.toLowerCase().includes(part.toLowerCase());
  const names = Object.keys(kinds).filter((name) => (!only || only.some((part) => matches(name, part))) && !(except ?? []).some((part) => matches(name, part)));
  if (names.length === 0) throw new Error(`no fault is named like '${only.join("', '")}': ${Object.keys(kinds).join(', ')}`);
  const weights = Object.fromEntries(names.map((name) => [name, kinds[name].weight]));
  const plan = [];
  for (let at = 1500; at < seconds * 1000; at += 200 + random.exponential(gapMs)) {
    const kind = random.weighted(weights);
    const { ms, lease } = kinds[kind];
    const [from, to] = lease ? [lease[0] * leaseMs, lease[1] * leaseMs] : ms;
    plan.push({ at, kind, number: plan.length, place: random.int(0, 1000), all: random.chance(0.3), forMs: Math.round(from + random.next() * (to - from)), seed: random.int(1, 1e9) });
  }
  return plan;
}

export class Faults {
  constructor(world, load) {
    Object.assign(this, { world, load, done: [], skipped: 0, errors: [], open: new Set() });
  }

  /** What it strikes: a member, proxies, or the world. Null: not now, something else has hold of it. */
  #aim(fault, spec) {
    const { world } = this;
    if (spec.target) {
      const members = world[`${spec.target}s`];
      const member = members[fault.place % members.length];
      const others = members.filter((m) => m !== member && m.running && !m.paused);
      // At least one of a kind is left alone, else there is nothing to measure.
      if (!member.running || member.paused || member.busy || others.length === 0) return null;
      member.busy = fault;
      fault.member = member;
      fault.who = member.app;
      return member;
    }
    if (spec.link) {
      const proxies = world.links(spec.link);
      fault.proxies = fault.all ? proxies : [proxies[fault.place % proxies.length]];
      if (fault.proxies.some((proxy) => proxy.busy)) return null;
      for (const proxy of fault.proxies) proxy.busy = fault;
      fault.who = fault.all ? 'all' : fault.proxies[0].name;
      return world;
    }
    const server = spec.postgres ? 'postgres' : 'redis';
    if (world[`${server}Busy`]) return null;
    world[`${server}Busy`] = fault;
    fault.who = server;
    return world;
  }

  #release(fault, spec) {
    if (fault.member) fault.member.busy = null;
    for (const proxy of fault.proxies ?? []) proxy.busy = null;
    if (spec.postgres) this.world.postgresBusy = null;
    if (spec.redis) this.world.redisBusy = null;
  }

  /** A short run of the quiet tenant, submitted through a scheduler that the fault leaves alone. */
  async #probe(fault) {
    const scheduler = this.world.schedulers.find((s) => s !== fault.member && s.running && !s.paused);
    const run = await this.load.first({ tenant: 'quiet', kind: 'probe', number: `probe-${fault.number}`, tag: '', prompt: 'plain probe' }, { scheduler, probe: fault.kind });
    fault.probe = run?.id;
  }

  async #strike(fault) {
    const spec = kinds[fault.kind];
    const target = this.#aim(fault, spec);
    if (!target) {
      this.skipped++;
      return;
    }
    fault.random = new Random(fault.seed, 'fault');
    fault.t0 = Date.now();
    this.done.push(fault);
    const begun = Promise.resolve(spec.begin(target, fault));
    this.#probe(fault).catch((error) => this.errors.push(`probe of ${fault.kind}: ${error.message}`));
    await begun;
    await sleep(fault.forMs);
    fault.healing = Date.now();
    await spec.end?.(target, fault);
    fault.t1 ??= Date.now();
    this.#release(fault, spec);
  }

  async play(plan) {
    const start = Date.now();
    for (const fault of plan) {
      const wait = start + fault.at - Date.now();
      if (wait > 0) await sleep(wait);
      const struck = this.#strike(fault)
        .catch((error) => this.errors.push(`${fault.kind}: ${error.stack}`))
        .finally(() => this.open.delete(struck));
      this.open.add(struck);
    }
    await Promise.all(this.open);
  }
}
