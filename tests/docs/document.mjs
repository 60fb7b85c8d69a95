// Markdown as the tests read it: the blocks that a comment marks, and putting other lines in their place.
//
//   <!-- test: run -->          commands behind "$ ", each with the output that it shows, in one shell for the whole document
//   <!-- test: commands -->     a command a line, which must succeed; what it prints is not looked at
//   <!-- test: background -->   one command behind "$ " that goes on; it must print the lines below it, and is stopped at the end
//   <!-- test: file NAME -->    what a file of this name holds
//   <!-- test: help COMMAND --> what `penstock COMMAND --help` prints
//   <!-- test: servers -->      no block: from here on there is a Postgres at port 5432 and a Redis at port 6379
//
// A mark stands on the line before its block, which is fenced or indented by four blanks. "…" in the output stands for any
// text of its line, and alone on a line for any lines. Ids, times, durations, versions and ports are matched by pattern
// (output.mjs); an id that was shown may be used in later commands.

import { readFileSync, writeFileSync } from 'node:fs';

const mark = /^<!-- test: (run|commands|background|file|help|servers)(?: (.*?))? -->$/;

function blockAt(lines, start) {
  let from = start;
  while (lines[from]?.trim() === '') from++;
  if (lines[from]?.startsWith('```')) {
    const end = lines.indexOf('```', from + 1);
    return { from: from + 1, to: end, indent: '' };
  }
  let to = from;
  while (to < lines.length && (lines[to].startsWith('    ') || (lines[to] === '' && lines[to + 1]?.startsWith('    ')))) to++;
  return { from, to, indent: '    ' };
}

export class Document {
  constructor(path) {
    this.path = path;
    this.lines = readFileSync(path, 'utf8').split('\n');
  }

  /** [{kind, argument, line, lines}]: `line` is that of the mark, from 1. */
  blocks() {
    const found = [];
    this.lines.forEach((text, i) => {
      const [, kind, argument] = mark.exec(text) ?? [];
      if (!kind) {
        if (text.startsWith('<!-- test')) throw new Error(`${this.path}:${i + 1}: this mark is none of the known ones`);
        return;
      }
      const block = kind === 'servers' ? { from: i + 1, to: i + 1, indent: '' } : blockAt(this.lines, i + 1);
      if (block.to <= block.from && kind !== 'servers') throw new Error(`${this.path}:${i + 1}: no block follows this mark`);
      found.push({ kind, argument, line: i + 1, place: block, lines: this.lines.slice(block.from, block.to).map((one) => one.slice(block.indent.length)) });
    });
    return found;
  }

  /** Puts other lines in the place of blocks: [{place, lines}]. */
  replace(changes) {
    for (const { place, lines } of [...changes].sort((a, b) => b.place.from - a.place.from)) {
      const indented = lines.map((line) => (line ? place.indent + line : line));
      this.lines.splice(place.from, place.to - place.from, ...indented);
    }
    writeFileSync(this.path, this.lines.join('\n'));
  }
}

/** The commands of a block with "$ ", each with the lines that it shows. */
export function steps(block) {
  const found = [];
  for (const line of block.lines) {
    if (line.startsWith('$ ')) found.push({ command: line.slice(2), output: [] });
    else if (found.length === 0) throw new Error(`line ${block.line}: the block does not begin with "$ "`);
    else if (found.at(-1).command.endsWith('\\') && found.at(-1).output.length === 0) found.at(-1).command += `\n${line}`;
    else found.at(-1).output.push(line);
  }
  return found;
}
