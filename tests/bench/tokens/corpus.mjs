// Texts of many kinds, from packages of Debian and npm, and samples cut out of them.
//
// Each source belongs to one half: texts of 'fit' make the tables, texts of 'held' measure them. A package is in one
// half alone, except where one holds nearly all there is of a kind; then each of its files is in one half.
import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const DEBIAN = [
  'debian-reference-en', 'debian-policy', 'developers-reference', 'debian-faq', 'bible-kjv-text', 'fortunes',
  'manpages-de', 'debian-reference-de', 'developers-reference-de', 'debian-faq-de', 'fortunes-de',
  'manpages-zh', 'debian-reference-zh-cn', 'debian-faq-zh-cn', 'maint-guide-zh-cn', 'fortunes-zh',
  'manpages-ja', 'debian-reference-ja', 'debian-faq-ja', 'manpages-ru', 'debian-faq-ru', 'aptitude-doc-ru',
  'installation-guide-amd64', 'iso-codes', 'manpages-dev', 'python3-django', 'libsdl2-dev', 'libglib2.0-dev', 'wesnoth-1.16-data',
];
const NPM = [
  'gpt-tokenizer@4.0.0', 'rxjs@7', 'zod@4', 'openai@6', '@tanstack/query-core@5', '@reduxjs/toolkit@2', 'argon2@0.41',
  'secp256k1@5', 'mime-db@1', 'world-countries@5', 'language-subtag-registry@0.3', 'ajv@8', 'cldr-core@47',
];

/* A game's tales, help and menus, in many languages. */
const STORIES = 'deb/wesnoth-1.16-data/usr/share/games/wesnoth/1.16/locale';

const KINDS = {
  english: [
    ['both', `${STORIES}/en_GB`, /\.mo$/],
    ['fit', 'deb/debian-reference-en', /\.html$/], ['held', 'deb/developers-reference', /\.html$/],
    ['fit', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/en', /\.html$/],
    ['held', 'deb/debian-policy', /policy\.html\/[^/]*\.html$/], ['fit', 'deb/debian-faq', /\.html$/],
    ['both', 'deb/fortunes', /fortunes\/[a-z-]+$/], ['both', 'deb/manpages-dev', /man[2357]\/.*\.gz$/],
    ['both', '/usr/share/common-licenses', /[A-Z]/],
  ],
  c: [
    ['fit', 'deb/libglib2.0-dev', /\.h$/], ['held', 'deb/libsdl2-dev', /\.h$/], ['both', '/usr/include', /^\/usr\/include\/[a-z_]+\.h$/],
    ['both', 'npm/argon2', /\.[ch]$/], ['both', 'npm/secp256k1', /src\/(?!precomputed).*\.[ch]$/], ['both', 'repository', /\/(?!tokens_)[^/]*\.c$/],
  ],
  python: [['held', 'deb/python3-django', /\.py$/], ['fit', '/usr/lib/python3.11', /^[^_]*\.py$/]],
  json: [
    ['both', 'deb/iso-codes', /\.json$/], ['fit', 'npm/mime-db', /\.json$/], ['held', 'npm/language-subtag-registry', /\.json$/],
    ['both', 'npm/ajv', /\.json$/], ['fit', 'npm/cldr-core', /\.json$/], ['held', 'npm/world-countries', /countries\.json$/],
    ['both', 'npm', /package(-lock)?\.json$/],
  ],
  typescript: [
    ['fit', 'npm/rxjs', /src\/.*\.ts$/], ['held', 'npm/zod', /src\/(?!.*locales).*\.ts$/], ['fit', 'npm/openai', /src\/.*\.ts$/],
    ['held', 'npm/@reduxjs', /src\/.*\.ts$/], ['both', 'npm/@tanstack', /src\/.*\.ts$/], ['both', 'npm/ajv', /lib\/.*\.ts$/],
  ],
  german: [
    ['both', `${STORIES}/de`, /\.mo$/],
    ['fit', 'deb/debian-reference-de', /\.html$/], ['held', 'deb/developers-reference-de', /\.html$/],
    ['fit', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/de', /\.html$/],
    ['held', 'deb/debian-faq-de', /\.html$/], ['both', 'deb/fortunes-de', /fortunes\/de\/[a-z-]+$/],
    ['both', 'deb/manpages-de', /man[1578]\/.*\.gz$/],
  ],
  chinese: [
    ['both', `${STORIES}/zh_CN`, /\.mo$/],
    ['fit', 'deb/debian-reference-zh-cn', /\.html$/], ['held', 'deb/maint-guide-zh-cn', /\.html$/],
    ['fit', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/zh_CN', /\.html$/],
    ['held', 'deb/debian-faq-zh-cn', /\.html$/], ['both', 'deb/manpages-zh', /zh_CN\/man[1578]\/.*\.gz$/],
      ],
  'chinese poems': [['held', 'deb/fortunes-zh', /fortunes\/(?:tang|song)[0-9]+$/]],
  japanese: [
    ['both', `${STORIES}/ja`, /\.mo$/],
    ['fit', 'deb/debian-reference-ja', /\.html$/], ['held', 'deb/debian-faq-ja', /\.html$/], ['both', 'deb/manpages-ja', /man[1578]\/.*\.gz$/],
  ],
  russian: [
    ['both', `${STORIES}/ru`, /\.mo$/],
    ['fit', 'deb/aptitude-doc-ru', /\.html$/], ['held', 'deb/debian-faq-ru', /\.html$/], ['both', 'deb/manpages-ru', /man[1578]\/.*\.gz$/],
  ],
  arabic: [['both', '/usr/share/locale/ar', /\.mo$/]],
  korean: [['both', `${STORIES}/ko`, /\.mo$/], ['both', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/ko', /\.html$/]],
  french: [['both', `${STORIES}/fr`, /\.mo$/], ['both', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/fr', /\.html$/]],
  spanish: [['both', `${STORIES}/es`, /\.mo$/], ['both', 'deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/es', /\.html$/]],
  html: [['both', 'raw:deb/debian-policy', /policy\.html\/[^/]*\.html$/], ['both', 'raw:deb/installation-guide-amd64/usr/share/doc/installation-guide-amd64/en', /\.html$/]],
};

const hash = (text) => createHash('sha256').update(text).digest().readUInt32BE(0);

/** What has to be there, in `place`/deb and `place`/npm. */
export function fetchPackages(place) {
  mkdirSync(join(place, 'deb'), { recursive: true });
  for (const name of DEBIAN) {
    const to = join(place, 'deb', name);
    if (existsSync(to)) continue;
    const downloads = join(place, 'downloads', name);
    mkdirSync(downloads, { recursive: true });
    execFileSync('apt-get', ['download', name], { cwd: downloads, stdio: 'ignore' });
    execFileSync('dpkg', ['-x', readdirSync(downloads)[0], to], { cwd: downloads });
  }
  if (existsSync(join(place, 'npm'))) return;
  execFileSync('npm', ['install', '--prefix', place, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...NPM]);
  symlinkSync('node_modules', join(place, 'npm'));
}

function walk(path, found = []) {
  for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = join(path, entry.name);
    if (entry.isDirectory() && !['.git', 'build'].includes(entry.name)) walk(at, found);
    else if (entry.isFile()) found.push(at);
  }
  return found;
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', copy: '©', '#8212': '—' };

function htmlToText(html) {
  return html
    .replace(/<(script|style|head)\b[\s\S]*?<\/\1>/g, '')
    .replace(/<(?:br|p|div|li|h\d|tr|pre|dt|dd|table|title)\b[^>]*>/g, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&(#?\w+);/g, (all, name) => ENTITIES[name] ?? (name[0] === '#' ? String.fromCodePoint(Number(name.slice(1).replace(/^x/, '0x'))) : ' '))
    .replace(/[ \t]+\n/g, '\n')
    .replace(/\n{3,}/g, '\n\n');
}

/* The sentences of a manual page; its markup is dropped. */
function roffToText(roff) {
  return roff
    .split('\n')
    .map((line) => (/^\.(?:B|I|BR|IR|BI|IB|RB|RI|SH|SS|TP|Nm|Ar)\b/.test(line) ? line.replace(/^\.\w+ ?/, '').replaceAll('"', '') : line))
    .filter((line) => !/^['.]/.test(line))
    .join('\n')
    .replace(/\\f(?:\(..|\[[^\]]*\]|.)/g, '')
    .replace(/\\\((..)/g, (all, name) => ({ aq: "'", lq: '“', rq: '”', em: '—', co: '©', bu: '•' })[name] ?? ' ')
    .replace(/\\([-e.&' ~|])/g, (all, c) => ({ e: '\\', '&': '', '|': '', '~': ' ' })[c] ?? c);
}

function moToText(bytes) {
  const read = (at) => bytes.readUInt32LE(at);
  const lines = [];
  if (read(0) !== 0x950412de) return '';
  for (let i = 1; i < read(8); i++) {
    const at = read(16) + 8 * i;
    lines.push(bytes.subarray(read(at + 4), read(at + 4) + read(at)).toString().replaceAll('\0', '\n'));
  }
  return lines.join('\n');
}

function readText(path, raw) {
  let bytes = readFileSync(path);
  if (path.endsWith('.gz')) bytes = gunzipSync(bytes);
  if (path.endsWith('.mo')) return moToText(bytes);
  const text = bytes.toString();
  if (text.includes('\uFFFD') || text.includes('\0')) return '';
  if (/\.[1-8](\.gz)?$/.test(path)) return roffToText(text);
  return path.endsWith('.html') && !raw ? htmlToText(text) : text;
}

/** A random number generator that gives the same each time. */
export function* randoms(seed) {
  for (let n = 0; ; n++) {
    const block = createHmac('sha256', seed).update(String(n)).digest();
    for (let i = 0; i < 32; i += 4) yield block.readUInt32BE(i) / 2 ** 32;
  }
}

/* What no package has: bytes, numbers and blanks, made. */
function made(kind, half) {
  const random = randoms(kind + half);
  const next = () => random.next().value;
  const below = (n) => Math.floor(next() * n);
  const bytes = (n) => Buffer.from(Array.from({ length: n }, () => below(256)));
  const hex = (n) => bytes(n).toString('hex');
  const lines = {
    base64: () => bytes(57 * 20).toString('base64').replace(/.{76}/g, '$&\n'),
    hex: () => [hex(32), `${hex(4)}-${hex(2)}-${hex(2)}-${hex(2)}-${hex(6)}`, hex(20)][below(3)],
    numbers: () => Array.from({ length: 8 }, () => (next() * 10 ** below(6)).toFixed(below(4))).join([',', ' ', '\t'][below(3)]),
    blanks: () => ' '.repeat(below(60)) + ['|', 'x', '42', 'total', '-'][below(5)] + ' '.repeat(below(40)) + '|' + ['', '\n', '\n\n\n'][below(3)] + '\t'.repeat(below(6)),
  };
  let text = '';
  while (text.length < 400_000) text += `${lines[kind]()}\n`;
  return text;
}
const MADE = ['base64', 'hex', 'numbers', 'blanks'];

const FILE_MAX = 200_000;
const HALF_MAX = 3_000_000; // of a source

function readSource(place, half, [which, from, pattern]) {
  const raw = from.startsWith('raw:');
  const path = from.replace('raw:', '');
  const root = path === 'repository' ? new URL('../../..', import.meta.url).pathname : path[0] === '/' ? path : join(place, path);
  const texts = [];
  let size = 0;
  if (which !== 'both' && which !== half) return texts;
  for (const file of walk(root).filter((one) => pattern.test(one)).sort((a, b) => hash(a) - hash(b))) {
    if (which === 'both' && (hash(file) % 2 === 0 ? 'fit' : 'held') !== half) continue;
    const text = readText(file, raw);
    if (text.length > 150) texts.push(text);
    if ((size += text.length) > HALF_MAX) break;
  }
  return texts;
}

/** The texts of one half: [{ kind, source, texts }]. */
export function readHalf(place, half) {
  const sources = [];
  for (const [kind, list] of Object.entries(KINDS))
    for (const source of list) {
      const texts = readSource(place, half, source);
      const add = (name, more) => more.length && sources.push({ kind, source: name, texts: more.map((text) => text.slice(0, FILE_MAX)) });
      add(source[1], texts);
      if (kind === 'json') add(`${source[1]}, without blanks`, texts.flatMap((text) => { try { return [JSON.stringify(JSON.parse(text))]; } catch { return []; } }));
    }
  for (const kind of MADE) sources.push({ kind, source: 'made', texts: [made(kind, half)] });
  return sources;
}
