// Numbers that only a seed decides (sfc32): the same seed, the same load and the same faults.

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

export class Random {
  #a;
  #b;
  #c;
  #d = 1;

  /** name: a stream of its own for each use, so that one more number here changes nothing there. */
  constructor(seed, name = '') {
    this.#a = Number(seed) >>> 0;
    this.#b = hash(name);
    this.#c = hash(`${name}/${seed}`);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** [0, 1) */
  next() {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return (t >>> 0) / 4294967296;
  }

  /** from..to, both included */
  int(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(p) {
    return this.next() < p;
  }

  pick(list) {
    return list[this.int(0, list.length - 1)];
  }

  shuffled(list) {
    const rest = [...list];
    return list.map(() => rest.splice(this.int(0, rest.length - 1), 1)[0]);
  }

  /** {name: weight} */
  weighted(weights) {
    let left = this.next() * Object.values(weights).reduce((a, b) => a + b, 0);
    for (const [name, weight] of Object.entries(weights)) {
      left -= weight;
      if (left < 0) return name;
    }
    return Object.keys(weights)[0];
  }

  /** Time to the next of events that come `mean` apart. */
  exponential(mean) {
    return -Math.log(1 - this.next()) * mean;
  }
}
