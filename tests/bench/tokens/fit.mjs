// Fits the tables of shared/text/tokens.c and writes them as C.
//
// The model is a sum over bytes (tokens.c says which), so the fit is linear least squares: texts are cut into windows
// of about a hundred bytes at the ends of tokens, a window's error counts relative to its tokens, and a little ridge
// keeps rare entries near zero. Solved by conjugate gradients. The pairs are rounded first, then the triples are fitted
// again beside what was rounded.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const PAIR = { bits: 7, step: 50, zero: 58 };
export const TRIPLE = { bits: 5, step: 32, zero: 68 };
const UNIT = 1600;
const PAIRS = 1 << (2 * PAIR.bits);
const TRIPLES = 1 << (3 * TRIPLE.bits);
const HAN = PAIRS + TRIPLES;
const SIZE = HAN + 4;
const WINDOW_BYTES = 100;
const RIDGE = 1;
const STEPS = 150;
const SOURCE_BYTES = 400_000; // as much is taken of each source
const HAN_FIRST = 0x4e00;
const HAN_COUNT = 0xa000 - HAN_FIRST;
const SCRIPTS = [
  [0xc0, 0xc2], [0xc3, 0xc3], [0xc4, 0xc5], [0xc6, 0xcd], [0xce, 0xcf], [0xd0, 0xd0], [0xd1, 0xd1], [0xd2, 0xd5], [0xd6, 0xd7],
  [0xd8, 0xd8], [0xd9, 0xd9], [0xda, 0xdf], [0xe0, 0xe0], [0xe1, 0xe1], [0xe2, 0xe2], [0xe3, 0xe3], [0xe4, 0xe4], [0xe5, 0xe5],
  [0xe6, 0xe6], [0xe7, 0xe7], [0xe8, 0xe8], [0xe9, 0xe9], [0xea, 0xea], [0xeb, 0xed], [0xee, 0xef], [0xf0, 0xff],
];
const isLetter = (byte) => (byte | 32) >= 97 && (byte | 32) <= 122;

function makeClasses() {
  const classes = new Uint8Array(256);
  let next = 0;
  const one = (first, last) => {
    for (let byte = first; byte <= last; byte++) classes[byte] = next;
    next++;
  };
  for (let byte = 97; byte <= 122; byte++) one(byte, byte);
  for (let byte = 65; byte <= 90; byte++) one(byte, byte);
  one(48, 57);
  for (const blank of [32, 10, 13, 9]) one(blank, blank);
  for (let byte = 33; byte < 127; byte++) if (!isLetter(byte) && !(byte >= 48 && byte <= 57)) one(byte, byte);
  for (const [first, last] of [[0, 8], [11, 12], [14, 31], [127, 127]]) {
    one(first, last);
    next--;
  }
  next++;
  for (let group = 0; group < 8; group++) one(0x80 + 8 * group, 0x87 + 8 * group);
  for (const [first, last] of SCRIPTS) one(first, last);
  return classes;
}

function codeOf(byte) {
  if (isLetter(byte)) return (byte | 32) - 96;
  if (byte >= 48 && byte <= 57) return 27;
  if (byte === 32 || byte === 9) return 28;
  if (byte === 10 || byte === 13) return 29;
  return byte >= 192 ? 30 : byte >= 128 ? 31 : 0;
}

export const classes = makeClasses();
export const codes = Uint8Array.from({ length: 256 }, (_, byte) => codeOf(byte));
const START_PAIR = classes[10];
const START_TRIPLE = (codes[10] << TRIPLE.bits) | codes[10];

/* How many tokens each Chinese character is by itself. */
const countHan = (vocabulary) =>
  Uint8Array.from({ length: HAN_COUNT }, (_, i) => Math.min(3, vocabulary.count(String.fromCodePoint(HAN_FIRST + i))));

/* What a text adds to the sum, byte by byte. */
function indexes(bytes, han) {
  const pairs = new Uint16Array(bytes.length);
  const triples = new Uint16Array(bytes.length);
  const hans = new Uint8Array(bytes.length);
  let pair = START_PAIR;
  let triple = START_TRIPLE;
  for (let i = 0; i < bytes.length; i++) {
    pair = ((pair << PAIR.bits) | classes[bytes[i]]) & (PAIRS - 1);
    triple = ((triple << TRIPLE.bits) | codes[bytes[i]]) & (TRIPLES - 1);
    pairs[i] = pair;
    triples[i] = triple;
    if (i < 2 || bytes[i - 2] < 0xe4 || bytes[i - 2] > 0xe9) continue;
    const character = ((bytes[i - 2] & 15) << 12) | ((bytes[i - 1] & 63) << 6) | (bytes[i] & 63);
    if (character >= HAN_FIRST && character < HAN_FIRST + HAN_COUNT) hans[i] = han[character - HAN_FIRST];
  }
  return { pairs, triples, hans };
}

/* Windows of all texts: where each begins and ends, its tokens, and how much its error counts. */
function cut(sources, vocabulary, han) {
  const windows = [];
  for (const { texts } of sources) {
    let taken = 0;
    for (const text of texts) {
      if ((taken += text.length) > SOURCE_BYTES + text.length) break;
      const bytes = Buffer.from(text);
      const marks = vocabulary.starts(text);
      const at = indexes(bytes, han);
      let from = 0;
      let tokens = 0;
      for (let i = 0; i < bytes.length; i++) {
        if (i - from >= WINDOW_BYTES && marks[i]) {
          windows.push({ at, from, to: i, tokens, counts: 20 / tokens / tokens });
          from = i;
          tokens = 0;
        }
        tokens += marks[i];
      }
    }
  }
  return windows;
}

function sumOf(table, { at, from, to }) {
  let sum = 0;
  for (let i = from; i < to; i++) sum += table[at.pairs[i]] + table[PAIRS + at.triples[i]] + table[HAN + at.hans[i]];
  return sum;
}

function addTo(table, { at, from, to }, value) {
  for (let i = from; i < to; i++) {
    table[at.pairs[i]] += value;
    table[PAIRS + at.triples[i]] += value;
    table[HAN + at.hans[i]] += value;
  }
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/* Least squares from `table` on, where `free` says which entries may move. */
function solve(windows, table, free, steps) {
  const ridge = Float64Array.from({ length: SIZE }, (_, i) => (i < PAIRS ? RIDGE : i < HAN ? 3 * RIDGE : RIDGE / 100));
  const mask = (vector) => vector.forEach((_, i) => free(i) || (vector[i] = 0));
  const rest = new Float64Array(SIZE);
  for (const window of windows) addTo(rest, window, (window.tokens - sumOf(table, window)) * window.counts);
  for (let i = 0; i < SIZE; i++) rest[i] -= ridge[i] * table[i];
  mask(rest);
  let way = rest.slice();
  let size = dot(rest, rest);
  for (let step = 0; step < steps; step++) {
    const image = new Float64Array(SIZE);
    for (const window of windows) addTo(image, window, sumOf(way, window) * window.counts);
    for (let i = 0; i < SIZE; i++) image[i] += ridge[i] * way[i];
    mask(image);
    const length = size / dot(way, image);
    for (let i = 0; i < SIZE; i++) {
      table[i] += length * way[i];
      rest[i] -= length * image[i];
    }
    const before = size;
    size = dot(rest, rest);
    way = way.map((value, i) => rest[i] + (size / before) * value);
  }
  return table;
}

const level = (value, { step, zero }) => Math.max(32, Math.min(126, zero + Math.round((value * UNIT) / step)));
const worth = (character, { step, zero }) => ((character - zero) * step) / UNIT;

function fitOne(sources, vocabulary) {
  const han = countHan(vocabulary);
  const windows = cut(sources, vocabulary, han);
  const isHan = (i) => i > HAN; // number 0 is no Chinese character
  const table = solve(windows, new Float64Array(SIZE), (i) => i < HAN || isHan(i), STEPS);
  for (let i = 0; i < PAIRS; i++) table[i] = worth(level(table[i], PAIR), PAIR);
  solve(windows, table, (i) => (i >= PAIRS && i < HAN) || isHan(i), STEPS / 3);
  return {
    pairs: Array.from(table.slice(0, PAIRS), (value) => level(value, PAIR)),
    triples: Array.from(table.slice(PAIRS, HAN), (value) => level(value, TRIPLE)),
    hanCosts: Array.from(table.slice(HAN), (value) => Math.round(value * UNIT)),
    han,
  };
}

/* ---- as C ---- */

const HEAD = '/* Made by tests/bench/tokens.mjs --fit, not by hand. */\n\n#include "shared/text/tokens_table.h"\n\n/* clang-format off */\n';

/* A C string over many lines, none longer than 100 columns. */
function lines(characters) {
  const out = [];
  let line = '';
  for (const character of characters) {
    const said = String.fromCharCode(character).replace(/["\\]/, '\\$&');
    const next = said === '?' && line.endsWith('?') ? '""?' : said; // two in a row would be a trigraph
    if (line.length + next.length > 93) {
      out.push(`    "${line}"`);
      line = said;
    } else line += next;
  }
  return [...out, `    "${line}"`].join('\n');
}

function packHan(han) {
  const packed = [];
  for (let i = 0; i < han.length; i += 3) packed.push(48 + han[i] + (han[i + 1] ?? 0) * 4 + (han[i + 2] ?? 0) * 16);
  return packed;
}

const rows = (table) =>
  Array.from({ length: 16 }, (_, row) => `    ${Array.from(table.slice(row * 16, row * 16 + 16), (value) => String(value).padStart(3)).join(', ')},`).join('\n');

/** The texts of the two tables of bytes in tokens.c. */
export const byteTables = () => [rows(classes), rows(codes)];

/** Fits both vocabularies and writes their tables into shared/text of `repository`. */
export function fit(sources, vocabularies, repository) {
  let hans = HEAD.replace('#include', '/* Of each character from U+4E00 on, how many tokens it is alone. */\n\n#include');
  for (const vocabulary of vocabularies) {
    const made = fitOne(sources, vocabulary);
    const name = vocabulary.name;
    const file = `${HEAD}const struct tokens_table tokens_${name} = {
    .han = tokens_han_${name},
    .han_costs = {${made.hanCosts.join(', ')}},
    .pairs =
${lines(made.pairs)},
    .triples =
${lines(made.triples)},
};
/* clang-format on */
`;
    writeFileSync(join(repository, `shared/text/tokens_${name}.c`), file);
    hans += `const char tokens_han_${name}[] =\n${lines(packHan(made.han))};\n\n`;
  }
  writeFileSync(join(repository, 'shared/text/tokens_han.c'), `${hans.trimEnd()}\n/* clang-format on */\n`);
}
