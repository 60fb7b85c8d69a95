// `cmake --install`: the programs run where they were put, and man pages and completions say what --help says.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = dirname(process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin'));
const programs = ['penstock', 'penstock-scheduler', 'penstock-worker', 'penstock-rehearsal'];
const prefix = mkdtempSync(join(tmpdir(), 'penstock-install-'));
const share = (path) => join(prefix, 'share', path);

const run = (file, ...args) => execFileSync(file, args, { encoding: 'utf8' });
const help = (...words) => run(join(prefix, 'bin', words[0]), ...words.slice(1), '--help');
const has = (command) => {
  try {
    return run('sh', '-c', `command -v ${command}`) !== '';
  } catch {
    return false;
  }
};
/** Commands of `penstock`, with the options that their --help lists. */
const commands = () =>
  [...help('penstock').matchAll(/^ {2}([a-z]+(?: [a-z]+)*) {2,}/gm)].map(([, name]) => ({
    name,
    options: [...help('penstock', ...name.split(' ')).matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option),
  }));

before(() => run('cmake', '--install', build, '--prefix', prefix));
after(() => rmSync(prefix, { recursive: true, force: true }));

test('the programs say their usage where they were put', () => {
  for (const program of programs) assert.match(help(program), new RegExp(`^Usage: ${program} `));
});

test('each option and command has its place in the man page, which man takes without a warning', () => {
  const plain = (text) => text.replace(/\\f[BIR]/g, '').replace(/\\-/g, '-');
  for (const program of programs) {
    const file = share(`man/man1/${program}.1`);
    const page = plain(readFileSync(file, 'utf8'));
    for (const [option] of help(program).matchAll(/(?<=^ +)--[a-z-]+/gm)) assert.ok(page.includes(option), `${program} ${option}`);
    if (has('groff')) assert.equal(run('sh', '-c', `groff -man -Tutf8 -ww -z '${file}' 2>&1`), '');
  }
  const page = plain(readFileSync(share('man/man1/penstock.1'), 'utf8'));
  assert.ok(commands().length > 10);
  for (const { name, options } of commands()) {
    assert.ok(page.includes(`.SS ${name}`), name);
    for (const option of options) assert.ok(page.includes(option), `${name} ${option}`);
  }
});

/** What bash proposes for a line, the last word of which is being typed. */
function bash(...words) {
  const file = share(`bash-completion/completions/${words[0]}`);
  const line = words.map((word) => `'${word}'`).join(' ');
  const text = run('bash', '-c', `source '${file}'; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}
    _${words[0].replaceAll('-', '_')}; printf '%s\\n' "\${COMPREPLY[@]}"`);
  return text.split('\n').filter(Boolean);
}

test('bash completes commands, options and files', () => {
  assert.deepEqual(bash('penstock', 'doc'), ['doctor']);
  assert.deepEqual(bash('penstock', 'runs', 'l'), ['list']);
  for (const { name, options } of commands()) {
    const [one, two, three] = name.split(' ');
    assert.ok(bash('penstock', one.slice(0, -1)).includes(one), one);
    if (two) assert.ok(bash('penstock', one, '').includes(two), name);
    if (three) assert.ok(bash('penstock', one, two, '').includes(three), name);
    const proposed = bash('penstock', ...name.split(' '), '--');
    for (const option of options) assert.ok(proposed.includes(option), `${name} ${option}`);
  }
  const file = join(prefix, 'agents.yaml');
  writeFileSync(file, '');
  assert.deepEqual(bash('penstock', 'apply', '-f', join(prefix, 'agents.')), [file]);
  assert.deepEqual(bash('penstock', 'batch', 'run', join(prefix, 'agents.')), [file]);
  assert.deepEqual(bash('penstock', 'runs', 'list', '--limit', ''), []);
  assert.ok(bash('penstock-worker', '--').includes('--slots'));
  assert.deepEqual(bash('penstock-worker', '--config', join(prefix, 'agents.')), [file]);
});

test('zsh and fish take what is made for them', () => {
  for (const program of programs) {
    const zsh = share(`zsh/site-functions/_${program}`);
    const fish = share(`fish/vendor_completions.d/${program}.fish`);
    assert.ok(existsSync(zsh) && existsSync(fish));
    if (has('zsh')) assert.equal(run('sh', '-c', `zsh -n '${zsh}' 2>&1`), '');
    if (has('fish')) assert.equal(run('sh', '-c', `fish -n '${fish}' 2>&1`), '');
  }
  const made = readFileSync(share('zsh/site-functions/_penstock'), 'utf8') + readFileSync(share('fish/vendor_completions.d/penstock.fish'), 'utf8');
  for (const { name, options } of commands()) {
    assert.ok(made.includes(`'${name}'`) || made.includes(`${name}' '*`), name);
    for (const option of options) assert.ok(made.includes(`-l ${option.slice(2)}`) && made.includes(option), `${name} ${option}`);
  }
  if (!has('fish')) return;
  const fish = (line) => run('fish', '--no-config', '-c', `source ${share('fish/vendor_completions.d/penstock.fish')}; complete -C '${line}'`).split('\n');
  assert.ok(fish('penstock runs ').some((found) => found.startsWith('redrive\t')));
  assert.ok(fish('penstock batch run --').some((found) => found.startsWith('--concurrency\t')));
});
