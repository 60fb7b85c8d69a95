// The examples of the documents are run, and what they print is compared with what the documents show (document.mjs says
// how they are marked). DOCS_UPDATE=1 puts what was printed into the documents instead; DOCS_ONLY=README.md,docs/cli.md reads
// these alone.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Document, steps } from './document.mjs';
import { difference, forDocument } from './output.mjs';
import { Walk, help } from './walk.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = resolve(process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin'));
const updating = process.env.DOCS_UPDATE === '1';

/** A reader of one document: what it showed so far, and what of it is not so. */
class Reader {
  constructor(document, walk) {
    Object.assign(this, { document, walk, ids: new Map(), changes: [] });
  }

  fail(block, command, { shown, printed }) {
    assert.fail(`${relative(root, this.document.path)}:${block.line}: $ ${command}\n  the document: ${shown}\n  the program:  ${printed}`);
  }

  /** Compares; when updating, notes what was printed instead. Returns the lines for the document. */
  compare(block, command, shown, printed, begins = false) {
    const wrong = difference(shown, printed, this.ids, begins);
    if (!wrong) return shown;
    if (!updating) this.fail(block, command, wrong);
    const lines = forDocument(printed, this.ids);
    difference(lines, printed, this.ids);
    return lines;
  }

  async run(block) {
    const lines = [];
    for (const { command, output } of steps(block)) {
      const result = await this.walk.run(command, this.ids);
      lines.push(...`$ ${command}`.split('\n'), ...this.compare(block, command, output, result.lines));
    }
    this.changes.push({ place: block.place, lines });
  }

  async commands(block) {
    for (const command of block.lines.filter(Boolean)) {
      const { code, lines } = await this.walk.run(command, this.ids);
      assert.equal(code, 0, `${relative(root, this.document.path)}:${block.line}: ${command}\n${lines.join('\n')}`);
    }
  }

  async background(block) {
    const lines = [];
    for (const { command, output } of steps(block)) {
      const ready = (printed) => (updating ? printed.some((line) => /ready/.test(line)) : !difference(output, printed, this.ids, true));
      const printed = await this.walk.start(command, this.ids, ready);
      lines.push(`$ ${command}`, ...this.compare(block, command, output, printed, true));
    }
    this.changes.push({ place: block.place, lines });
  }

  file(block) {
    this.walk.file(block.argument, block.lines);
  }

  help(block) {
    this.changes.push({ place: block.place, lines: this.compare(block, `penstock ${block.argument ?? ''} --help`, block.lines, help(bin, block.argument)) });
  }

  async read() {
    for (const block of this.document.blocks()) await this[block.kind](block);
    if (updating) this.document.replace(this.changes.filter(({ lines }) => lines));
  }
}

const names = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const wanted = process.env.DOCS_ONLY ? process.env.DOCS_ONLY.split(',') : names;

for (const name of names.filter((one) => wanted.includes(one))) {
  const document = new Document(join(root, name));
  if (document.blocks().length === 0) continue;
  test(`docs: ${name} is what happens`, async () => {
    const walk = await Walk.begin(bin, root);
    try {
      await new Reader(document, walk).read();
    } finally {
      await walk.end();
    }
  });
}

test('docs: each command has its help in docs/cli.md', () => {
  const marked = new Document(join(root, 'docs/cli.md')).blocks().filter(({ kind }) => kind === 'help').map(({ argument }) => argument ?? '');
  const listed = help(bin).filter((line) => /^ {2}[a-z]/.test(line)).map((line) => line.slice(2, 18).trim());
  assert.ok(listed.length > 15);
  for (const command of listed.filter((one) => !['help', 'version'].includes(one))) assert.ok(marked.includes(command), `penstock ${command}`);
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
});
