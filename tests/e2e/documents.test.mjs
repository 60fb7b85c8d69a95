// Examples of documents that import a stock SDK, or want a newer node: run as those of tests/docs, with the package where a reader has it.
// DOCS_UPDATE=1 puts what was printed into the document instead.

import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Document } from '../docs/document.mjs';
import { readThrough } from '../docs/reader.mjs';
import { bin } from './dev.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');

for (const major of [5, 6, 7]) {
  test(`docs: docs/from-openai.md is what happens with openai ${major}`, () =>
    readThrough(new Document(join(root, 'docs/from-openai.md')), resolve(bin), root, { openai: join(here, `node_modules/openai-v${major}`) }));
}

test('docs: docs/websocket.md is what happens', () => readThrough(new Document(join(root, 'docs/websocket.md')), resolve(bin), root));
