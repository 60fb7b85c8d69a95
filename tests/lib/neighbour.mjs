// Another tenant, who does what is usual while a test does what is not: how long he waits.

import assert from 'node:assert/strict';
import { sleep } from './stack.mjs';

/**
 * Submissions and polls, one after the other, for so long. Returns what each took, in milliseconds, in order of size.
 * polls: of each run. toTheEnd: a run is awaited, and must complete, before the next is submitted.
 */
export async function submitAndPoll(stack, assistant, ms, { polls = 2, toTheEnd = false } = {}) {
  const took = [];
  const timed = async (work) => {
    const start = performance.now();
    const result = await work();
    took.push(performance.now() - start);
    return result;
  };
  for (const end = performance.now() + ms; performance.now() < end; await sleep(5)) {
    const run = await timed(() => stack.submit(assistant, 'hello'));
    for (let i = 0; i < polls; i++) await timed(() => stack.run(run));
    if (toTheEnd) assert.equal((await stack.finished(run)).status, 'completed');
  }
  return took.sort((a, b) => a - b);
}
