// The examples of the documents are run, and what they print is compared with what the documents show (document.mjs says
// how they are marked). DOCS_UPDATE=1 puts what was printed into the documents instead; DOCS_ONLY=README.md,docs/cli.md reads
// these alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Document } from './document.mjs';
import { difference } from './output.mjs';
import { readThrough } from './reader.mjs';
import { help } from './walk.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = resolve(process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin'));
// What needs packages is read by tests/e2e/documents.test.mjs, which has them.
const elsewhere = ['docs/from-openai.md', 'docs/websocket.md'];

const names = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const wanted = process.env.DOCS_ONLY ? process.env.DOCS_ONLY.split(',') : names;

for (const name of names.filter((one) => wanted.includes(one) && !elsewhere.includes(one))) {
  const document = new Document(join(root, name));
  if (document.blocks().length === 0) continue;
  test(`docs: ${name} is what happens`, () => readThrough(document, bin, root));
}

test('docs: each command has its help in docs/cli.md', () => {
  const marked = new Document(join(root, 'docs/cli.md')).blocks().filter(({ kind }) => kind === 'help').map(({ argument }) => argument ?? '');
  const listed = help(bin).filter((line) => /^ {2}[a-z]/.test(line)).map((line) => line.slice(2).split('  ')[0]);
  assert.ok(listed.length > 15);
  for (const command of listed.filter((one) => !['help', 'version'].includes(one))) assert.ok(marked.includes(command), `penstock ${command}`);
});

test('docs: systemd takes the units of deploy/systemd', { skip: spawnSync('systemd-analyze', ['--version']).error && 'systemd-analyze is not here' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-units-'));
  try {
    for (const name of readdirSync(join(root, 'deploy/systemd'))) {
      const file = join(folder, name.replace('@', '@8090'));
      writeFileSync(file, readFileSync(join(root, 'deploy/systemd', name), 'utf8').replace('/usr/local/bin', bin));
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      assert.equal(`${status} ${stdout}${stderr}`, '0 ', name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('docs: what differs between a document and a program is found', () => {
  const ids = new Map();
  const id = `run_${'0123456789abcdef'.repeat(2)}`;
  const other = `run_${'fedcba9876543210'.repeat(2)}`;
  assert.equal(difference([`${id} is queued`], [`${other}  is queued`], ids), null);
  assert.equal(ids.get(id), other);
  assert.equal(difference(['a', '…', 'z'], ['a', 'b', 'c', 'z'], ids), null);
  assert.equal(difference(['took 3 ms'], ['took 17 ms'], ids), null);
  assert.equal(difference(['a … c'], ['a b c'], ids), null);
  assert.deepEqual(difference(['a'], ['b'], ids), { shown: 'a', printed: 'b' });
  assert.deepEqual(difference(['a'], ['a', 'b'], ids), { shown: '(nothing)', printed: 'b' });
  assert.deepEqual(difference(['a', 'b'], ['a'], ids), { shown: 'b', printed: '(nothing)' });
  assert.equal(difference(['a'], ['a', 'b'], ids, true), null);
  assert.ok(difference(['42'], ['43'], ids));
  assert.ok(difference(['database 7, program 7'], ['database 9, program 9'], ids));
  assert.equal(difference(['ok    postgres links     13 of at most 97'], ['ok    postgres links     14 of at most 97'], ids), null);
  assert.ok(difference(['ok    postgres links     13 of at most 97'], ['ok    postgres links     13 of at most 197'], ids));
});
