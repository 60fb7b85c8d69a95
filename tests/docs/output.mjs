// What a command printed, beside what the document shows.

export const id = /\b(?:run|thread|asst|msg|step|call|key|tenant|resp|conv|fc|mcp|fco|mem)_[0-9a-f]{12,34}\b/g;

/** What differs from run to run, by pattern. */
const patterns = [
  [id, (text) => `${text.split('_')[0]}_ID`],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UUID'],
  [/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?/g, 'TIME'],
  [/\b\d+(?:\.\d+)? (?:ms|s|runs a second|MB)\b/g, (text) => `N ${text.replace(/^\S+ /, '')}`],
  [/(?<=TIME +)(?:\d+[smhd](?:\d\d[smh])?|-)(?= )/g, 'SPAN'],
  [/^(took +)\S+$/g, '$1SPAN'],
  [/\b(PostgreSQL|Redis|penstock) \d+(?:\.\d+)*/g, '$1 VERSION'],
  [/"(ms|\w+_at)":\d+/g, '"$1":N'],
  [/\bpk_[A-Za-z0-9_-]+/g, 'pk_KEY'],
  [/^ok +postgres links +\d+ of/g, 'ok postgres links N of'],
  [/^(?:ok|warn) +(descriptors|memory maps) .*$/g, '$1 of this machine'],
];

function plain(line) {
  let text = line;
  for (const [pattern, name] of patterns) text = text.replace(pattern, name);
  return text.replace(/ +/g, ' ').trimEnd();
}

function matches(shown, printed) {
  if (!shown.includes('…')) return plain(shown) === plain(printed);
  const parts = plain(shown).split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(plain(printed));
}

/** The first line that differs, or null; notes which printed ids stand for the document's. With `begins`, more may follow. */
export function difference(shown, printed, ids, begins = false) {
  let at = 0;
  for (let i = 0; i < shown.length; i++) {
    if (shown[i] === '…') {
      if (i === shown.length - 1) return null;
      while (at < printed.length && !matches(shown[i + 1], printed[at])) at++;
      continue;
    }
    if (at >= printed.length || !matches(shown[i], printed[at])) return { shown: shown[i], printed: printed[at] ?? '(nothing)' };
    const theirs = printed[at++].match(id) ?? [];
    for (const [n, one] of (shown[i].match(id) ?? []).entries()) {
      if (!theirs[n]) continue;
      if (ids.has(one) && ids.get(one) !== theirs[n]) return { shown: `${shown[i]} (${one} was ${ids.get(one)} before)`, printed: printed[at - 1] };
      ids.set(one, theirs[n]);
    }
  }
  if (!begins && at < printed.length) return { shown: '(nothing)', printed: printed[at] };
  return null;
}

/** What was printed as a document may show it: without keys, and with the ids that it has for the same things. */
export function forDocument(printed, ids) {
  const theirs = new Map([...ids].map(([shown, real]) => [real, shown]));
  return printed.map((line) => line.replace(/\bpk_[A-Za-z0-9_-]{20,}/g, 'pk_…').replace(id, (one) => theirs.get(one) ?? one));
}
