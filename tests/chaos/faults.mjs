// The faults: planned from the seed, each with a probe that is submitted as it strikes and tells when work goes on.

import { Random } from './random.mjs';
import { uuidOf } from './report.mjs';
import { sleep } from '../lib/stack.mjs';

const QUIET_MS = 1000; // between the recovery from one fault and the next, where they come alone
const RECOVERY_MS = 45000; // then the next one strikes all the same

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

function names(only, except) {
  const matches = (name, part) => name.toLowerCase().includes(part.toLowerCase());
  const found = Object.keys(kinds).filter((name) => (!only || only.some((part) => matches(name, part))) && !(except ?? []).some((part) => matches(name, part)));
  if (found.length === 0) throw new Error(`no fault is named like '${only.join("', '")}': ${Object.keys(kinds).join(', ')}`);
  return found;
}

function planFault(random, kind, number, leaseMs) {
  const { ms, lease } = kinds[kind];
  const [from, to] = lease ? [lease[0] * leaseMs, lease[1] * leaseMs] : ms;
  return { kind, number, place: random.int(0, 1000), all: random.chance(0.3), forMs: Math.round(from + random.next() * (to - from)), seed: random.int(1, 1e9) };
}

/** [{at, kind, for, …}] in order of time. gap: mean time between two, ms. */
export function planFaults(seed, seconds, gapMs, leaseMs, only, except) {
  const random = new Random(seed, 'faults');
  const weights = Object.fromEntries(names(only, except).map((name) => [name, kinds[name].weight]));
  const plan = [];
  for (let at = 1500; at < seconds * 1000; at += 200 + random.exponential(gapMs)) plan.push({ at, ...planFault(random, random.weighted(weights), plan.length, leaseMs) });
  return plan;
}

/** Faults without end, for one at a time: every kind once, in some order, then every kind again. */
export function* planAlone(seed, leaseMs, only, except) {
  const random = new Random(seed, 'faults alone');
  const all = names(only, except);
  for (let number = 0; ; ) for (const kind of random.shuffled(all)) yield planFault(random, kind, number++, leaseMs);
}

export class Faults {
  constructor(world, load) {
    Object.assign(this, { world, load, done: [], skipped: 0, errors: [], unrecovered: [], open: new Set() });
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

  /** What the fault still holds up, as text; '' when all has recovered from it. */
  async #heldUp(fault) {
    if (fault.member && !(await fault.member.ready(5000).then(() => true, () => false))) return `${fault.who} is not ready`;
    if (!fault.probe) return 'the probe is not accepted';
    const [[probe, lost, late]] = await this.world.rows(
      `SELECT (SELECT count(*) FROM runs WHERE id = '${uuidOf(fault.probe)}' AND status = 'queued'),
         (SELECT count(*) FROM runs r WHERE r.status IN ('in_progress', 'cancelling')
            AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.worker_id = r.owner AND w.state <> 'dead' AND w.lease_until > now())),
         (SELECT count(*) FROM runs WHERE status = 'queued' AND held IS NULL AND due_at < now() - interval '0.5 s')`,
    );
    if (probe !== '0') return 'the probe has not started';
    if (lost !== '0') return `${lost} runs have an owner that is gone`;
    return late === '0' ? '' : `${late} runs wait for a worker`;
  }

  async #recovered(fault) {
    const deadline = Date.now() + RECOVERY_MS;
    for (;;) {
      const what = await this.#heldUp(fault).catch((error) => error.message);
      if (what === '') break;
      if (Date.now() > deadline) {
        this.unrecovered.push(`${fault.kind} (${fault.who}, ${RECOVERY_MS / 1000} s after it was healed): ${what}`);
        break;
      }
      await sleep(200);
    }
    fault.recovered = Date.now();
    await sleep(QUIET_MS);
  }

  /** One at a time: the next strikes when the one before is healed and nothing is held up by it any more. */
  async playAlone(plan, seconds) {
    const end = Date.now() + seconds * 1000;
    await sleep(1500);
    for (const fault of plan) {
      if (Date.now() + fault.forMs > end) break;
      await this.#strike(fault).catch((error) => this.errors.push(`${fault.kind}: ${error.stack}`));
      if (fault.t0) await this.#recovered(fault);
    }
  }
}
