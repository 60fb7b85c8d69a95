// How slow the machine is just now. What Penstock promises within a time, it promises on a machine that has nothing else to do;
// tests also run on slower ones, and beside other work. There they give it as much longer as this file measures.

const YARDSTICK_MS = 17; // one measure on the machine where the promises were measured, with nothing else to do
const FRESH_MS = 2000;
const MEASURES = 5;

function measure() {
  const start = performance.now();
  let x = 1;
  for (let i = 0; i < 1e7; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x === 0 ? 0 : performance.now() - start;
}

let last = { at: -Infinity, times: 1 };

/** 1 where the promises hold. Above, how many times longer the processor takes, and as much again for what is not the processor's. */
export function slowness() {
  if (performance.now() - last.at > FRESH_MS) {
    measure(); // which is compiled now
    const sum = Array.from({ length: MEASURES }, measure).reduce((all, one) => all + one, 0);
    last = { at: performance.now(), times: sum / MEASURES / YARDSTICK_MS };
  }
  return last.times < 1.3 ? 1 : 2 * last.times;
}
