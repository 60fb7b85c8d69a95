// How much memory a program had at most (proc(5): VmHWM, clear_refs).

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

const MIB = 1 << 20;

/** Bytes, since it was started or since forgetPeak. */
export function peakBytes(program) {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))[1]) * 1024;
}

export const peakMiB = (program) => Math.round(peakBytes(program) / MIB);

export function forgetPeak(program) {
  writeFileSync(`/proc/${program.pid}/clear_refs`, '5');
}

/** Sanitizers keep what was freed, so that peaks say nothing; and when the program ends they tell what it had lost. */
export const isSanitized = (program) => readFileSync(`/proc/${program.pid}/exe`).includes('__asan_init');

/** Fails when it was more than `bound` bytes, unless it is under the sanitizers. */
export function checkPeak(program, bound) {
  if (isSanitized(program)) return;
  const peak = peakBytes(program);
  assert.ok(peak <= bound, `${Math.round(peak / MIB)} MiB, where ${Math.round(bound / MIB)} are allowed`);
}
