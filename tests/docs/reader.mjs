// Somebody who tries whether a document is true: runs its examples in order, and compares.

import assert from 'node:assert/strict';
import { relative } from 'node:path';
import { steps } from './document.mjs';
import { difference, forDocument } from './output.mjs';
import { Walk, help } from './walk.mjs';

const updating = process.env.DOCS_UPDATE === '1';

/** A reader of one document: what it showed so far, and what of it is not so. */
class Reader {
  /** `bin` is the folder of the programs, `root` that of the sources. */
  constructor(document, walk, bin, root) {
    Object.assign(this, { document, walk, bin, root, ids: new Map(), changes: [] });
  }

  fail(block, command, { shown, printed }) {
    assert.fail(`${relative(this.root, this.document.path)}:${block.line}: $ ${command}\n  the document: ${shown}\n  the program:  ${printed}`);
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
      assert.equal(code, 0, `${relative(this.root, this.document.path)}:${block.line}: ${command}\n${lines.join('\n')}`);
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

  /** The walk has them from now on. */
  servers() {
    return this.walk.startServers();
  }

  file(block) {
    this.walk.file(block.argument, block.lines);
  }

  help(block) {
    this.changes.push({ place: block.place, lines: this.compare(block, `penstock ${block.argument ?? ''} --help`, block.lines, help(this.bin, block.argument)) });
  }

  async read() {
    for (const block of this.document.blocks()) await this[block.kind](block);
    if (updating) this.document.replace(this.changes.filter(({ lines }) => lines));
  }
}

/** Reads a document from top to bottom as a test. `packages`: {name: folder} of node packages that its examples import. */
export async function readThrough(document, bin, root, packages = {}) {
  const walk = await Walk.begin(bin, root);
  try {
    for (const [name, folder] of Object.entries(packages)) walk.package(name, folder);
    await new Reader(document, walk, bin, root).read();
  } finally {
    await walk.end();
  }
}
