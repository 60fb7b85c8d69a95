// The tokens of a text as the published vocabularies have them, by the npm package gpt-tokenizer.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const VOCABULARIES = ['o200k', 'cl100k'];

async function load(place, name) {
  const home = join(place, 'npm/gpt-tokenizer');
  const { encode } = await import(pathToFileURL(join(home, `esm/encoding/${name}_base.js`)));
  const bytes = [];
  for (const line of readFileSync(join(home, `data/${name}_base.tiktoken`), 'utf8').split('\n')) {
    const [token, id] = line.split(' ');
    if (id) bytes[Number(id)] = Buffer.from(token, 'base64').length;
  }
  const ids = (text) => encode(text, { allowedSpecial: new Set(), disallowedSpecial: new Set() });
  return {
    name,
    count: (text) => ids(text).length,
    /** For each byte of a text: whether a token begins there. */
    starts(text) {
      const marks = new Uint8Array(Buffer.byteLength(text));
      let at = 0;
      for (const id of ids(text)) {
        marks[at] = 1;
        at += bytes[id];
      }
      if (at !== marks.length) throw new Error(`${name}: the tokens are ${at} bytes of ${marks.length}`);
      return marks;
    },
  };
}

export const vocabularies = (place) => Promise.all(VOCABULARIES.map((name) => load(place, name)));
