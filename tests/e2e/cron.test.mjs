// When cron expressions fire, by `penstock schedules next`, against croner and cron-parser: sixty expressions in twelve zones over a year, days on which
// clocks change among them. Every time that only one of two programs has is explained by a row of the table below, and every row is needed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expressions, zones } from './cron.mjs';

const bin = process.env.PENSTOCK_BIN ?? resolve(import.meta.dirname, '../../build/dev/bin');
const run = promisify(execFile);
const HOUR = 3600e3;

const explained = [
  {
    judge: 'croner',
    why: 'a step behind a single value (20/20) is refused; we read it as a range from there on, as Quartz, robfig/cron and cron-parser do',
    refused: ({ expression }) => /^\d+\/\d+ /.test(expression),
  },
  {
    judge: 'cron-parser',
    why: 'W is refused',
    refused: ({ expression }) => / (15W|LW) /.test(expression),
  },
  {
    judge: 'cron-parser',
    why: 'SUN is 0 alone, so that FRI-SUN runs backwards',
    refused: ({ expression }) => expression.endsWith('FRI-SUN'),
  },
  {
    judge: 'cron-parser',
    why: 'a fixed time that clocks skip is put off by as much as they skip (02:30 to 03:30), each such time by itself, or not at all where hours are a range; ours fires at the end of what is skipped, several together once',
    differs: ({ fixed, at, change }) => fixed && change?.skips && at >= change.at && at < change.at + change.length,
  },
  {
    judge: 'cron-parser',
    why: 'a pattern whose hours are restricted is put off likewise, and may lose what follows within the hour; ours goes by the clock on the wall, and nothing is made up',
    differs: ({ fixed, at, change }) => !fixed && change?.skips && at >= change.at && at < change.at + (change.length < HOUR ? 1.5 * HOUR : change.length),
  },
  {
    judge: 'cron-parser',
    why: 'a fixed time that happens twice fires twice where hours or minutes are lists or ranges, and the second time alone at midnight in Havana; ours fires the first time',
    differs: ({ fixed, at, change }) => fixed && change && !change.skips && at >= change.at - change.length && at < change.at + change.length,
  },
  {
    judge: 'cron-parser',
    why: 'a pattern whose hours are restricted fires in one of the two passes of a repeated hour alone; ours fires in both',
    differs: ({ fixed, at, change, side }) => !fixed && side === 'ours' && change && !change.skips && at >= change.at - change.length && at < change.at + change.length,
  },
  {
    judge: 'cron-parser',
    why: 'it is lost where clocks go back by half an hour ("loop limit exceeded"), and finds nothing more from there on',
    differs: ({ zone, at, side }) => zone === 'Australia/Lord_Howe' && side === 'ours' && at >= Date.parse('2026-04-04T14:30:00Z'),
  },
];

/** Seconds east of UTC, by the database of the JavaScript engine. */
function offsets(zone) {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  return (at) => {
    const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(at));
    return sign ? (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60 : 0;
  };
}

/** Where a zone's clocks change from December 2025 to January 2027: [{at, skips, length}]. */
function changesOf(zone) {
  const offset = offsets(zone);
  const changes = [];
  for (let at = Date.parse('2025-12-01T00:00:00Z'); at < Date.parse('2027-02-01T00:00:00Z'); at += HOUR / 2) {
    const by = offset(at) - offset(at - HOUR / 2);
    if (by) changes.push({ at, skips: by > 0, length: Math.abs(by) * 1000 });
  }
  return changes;
}

/** What ours prints, with offsets: 2026-03-29T03:00:00+02:00. */
async function printed(expression, zone, { from, to }) {
  const { stdout } = await run(join(bin, 'penstock'), ['schedules', 'next', expression, '--zone', zone, '--from', from, '--to', to, '--count', '100000'], { maxBuffer: 1 << 25 });
  return stdout.split('\n').slice(0, -1).map((line) => line.split(' ')[0]);
}

const utc = (time) => new Date(time).toISOString().replace('.000Z', 'Z');
const ours = async (...what) => (await printed(...what)).map(utc);

/** The first half hour of which the machine's database and that of the JavaScript engine, which may be of another year, have different offsets. */
async function databasesAgreeUntil(zone) {
  const offset = offsets(zone);
  for (const time of await printed('*/30 * * * *', zone, { from: '2025-12-31T00:00:00Z', to: '2027-01-02T00:00:00Z' })) {
    const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(time);
    if (offset(Date.parse(time)) !== (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60) return Date.parse(time);
  }
  return Infinity;
}

async function allOurs() {
  const all = new Map();
  const left = expressions.flatMap(({ expression, windowsOf }) => zones.map((zone) => ({ expression, zone, windows: windowsOf(zone) })));
  const some = async () => {
    for (let one = left.pop(); one; one = left.pop()) {
      const times = [];
      for (const window of one.windows) times.push(await ours(one.expression, one.zone, window));
      all.set(`${one.expression}|${one.zone}`, times);
    }
  };
  await Promise.all([some(), some()]);
  return all;
}

function theirs(judge) {
  return new Promise((done, fail) => {
    const said = [];
    const worker = new Worker(new URL('cron.mjs', import.meta.url), { workerData: { judge } });
    worker.on('message', (message) => said.push(message)).on('error', fail).on('exit', () => done(said));
  });
}

/** Instants that one of two lists has alone: [{side, at}]. */
function differences(mine, other) {
  const alone = (list, others, side) => list.filter((time) => !others.has(time)).map((time) => ({ side, at: Date.parse(time) }));
  return [...alone(mine, new Set(other), 'ours'), ...alone(other, new Set(mine), 'theirs')];
}

/** Neither "*" nor "/" in minute and hour. */
function isFixed(expression) {
  if (expression.startsWith('@')) return expression !== '@hourly';
  return !/[*/]/.test(expression.split(' ').slice(0, 2).join(' '));
}

function explain(judge, said, mine, agreed, used) {
  let times = 0;
  const unexplained = [];
  const changes = Object.fromEntries(zones.map((zone) => [zone, changesOf(zone)]));
  const note = (row, what) => {
    if (row) used.set(row, (used.get(row) ?? 0) + 1);
    else unexplained.push(what);
  };
  for (const { expression, zone, times: found, refused } of said) {
    if (refused) {
      note(explained.find((row) => row.judge === judge && row.refused?.({ expression })), `${expression} is refused: ${refused}`);
      continue;
    }
    const ownTimes = mine.get(`${expression}|${zone}`);
    found.forEach((window, i) => {
      assert.equal(new Set(ownTimes[i]).size, ownTimes[i].length, `${expression} in ${zone} has a time twice`);
      assert.deepEqual(ownTimes[i], [...ownTimes[i]].sort());
      times += window.length;
      for (const { side, at } of differences(ownTimes[i], window)) {
        if (at >= agreed[zone] - 2 * HOUR) continue;
        const change = changes[zone].find((one) => Math.abs(one.at - at) <= 3 * HOUR);
        const row = explained.find((one) => one.judge === judge && one.differs?.({ zone, fixed: isFixed(expression), side, at, change }));
        note(row, `${new Date(at).toISOString()} of ${expression} in ${zone} is in ${side} alone`);
      }
    });
  }
  assert.deepEqual(unexplained, [], `${judge} differs, and nothing explains it`);
  return times;
}

test('sixty expressions fire in twelve zones as croner and cron-parser say, every difference explained', async () => {
  assert.equal(expressions.length, 60);
  assert.equal(new Set(expressions.map(({ expression }) => expression)).size, 60);
  assert.equal(zones.length, 12);
  const [mine, croner, cronParser] = await Promise.all([allOurs(), theirs('croner'), theirs('cron-parser')]);
  const used = new Map();
  const agreed = {};
  for (const zone of zones) {
    agreed[zone] = await databasesAgreeUntil(zone);
    if (agreed[zone] < Infinity) console.log(`# ${zone} is compared until ${utc(agreed[zone])}: the databases of zones differ from there on`);
  }
  assert.ok(zones.filter((zone) => agreed[zone] < Infinity).length <= 3, 'the databases of zones are too far apart to compare');
  for (const [judge, said] of [['croner', croner], ['cron-parser', cronParser]]) {
    assert.equal(said.length, 720);
    const times = explain(judge, said, mine, agreed, used);
    assert.ok(times > 30000, `${judge} found ${times} times`);
    console.log(`# ${judge}: ${times} times`);
  }
  for (const row of explained) {
    assert.ok(used.has(row), `nothing differs any more: ${row.why}`);
    console.log(`# ${row.judge}: ${used.get(row)} times: ${row.why}`);
  }
});
