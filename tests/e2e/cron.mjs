// What schedules are compared on: sixty expressions, twelve zones, and the times of a year by other programs, which a worker thread of this file
// computes. What fires more often than daily is compared around changes of clocks alone, the others over the whole year: the judges need a
// thousand times as long for a time as we do.

import { CronExpressionParser } from 'cron-parser';
import { Cron } from 'croner';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

/** Zones, each with days of 2026 on which its clocks change. */
const changesOf = {
  UTC: ['2026-02-28'], // never
  'America/New_York': ['2026-03-08', '2026-11-01'], // an hour, at two
  'America/Havana': ['2026-03-08', '2026-11-01'], // an hour, forth at midnight and back to it
  'America/Santiago': ['2026-04-05', '2026-09-06'], // an hour, forth at midnight and back to 23:00; the southern summer
  'America/St_Johns': ['2026-03-08', '2026-11-01'], // half an hour from others
  'Europe/Berlin': ['2026-03-29', '2026-10-25'],
  'Europe/Dublin': ['2026-03-29', '2026-10-25'], // where winter is what differs
  'Africa/Casablanca': ['2026-02-15', '2026-03-22'], // for the month of Ramadan
  'Africa/Cairo': ['2026-04-24', '2026-10-30'], // an hour, at midnight, on a Friday
  'Asia/Kathmandu': ['2026-06-30'], // never; +05:45
  'Australia/Lord_Howe': ['2026-04-05', '2026-10-04'], // half an hour
  'Antarctica/Troll': ['2026-03-29', '2026-10-25'], // two hours
};
export const zones = Object.keys(changesOf);

const year = () => [{ from: '2026-01-01T00:00:00Z', to: '2027-01-01T00:00:00Z' }];
const changes = (zone) =>
  changesOf[zone].map((day) => {
    const at = Date.parse(`${day}T00:00:00Z`);
    return { from: new Date(at - 14 * 3600e3).toISOString(), to: new Date(at + 26 * 3600e3).toISOString() };
  });

const often = [
  '*/5 0-3 * * *', '*/15 * * * *', '*/20 1,2,23 * * *', '*/30 * * * *', '0 * * * *', '@hourly', '10 */3 * * *', '30 */2 * * *', '5-59/27 2 * * *',
  '0 0-23 * * *', '45 0-4 * * *', '0,30 1-3 * * *', '7,37 2,3,14 * * *', '15,45 2 * * *', '0,59 23,0 * * *', '20/20 2 * * *', '0 9-17 * * MON-FRI', '*/7 2 * * SUN', '@daily', '45 1 * * *', '0 3 * * *',
];
const daily = ['0 0 * * *', '30 0 * * *', '30 1 * * *', '30 2 * * *', '30 23 * * *'];
const seldom = [
  '0 9 * * MON', '30 2 * * SUN', '15 2 * * 7', '0 0 * * 0', '@weekly', '0 9 * * 1,3', '0 22 * * 5-7', '0 22 * * FRI-SUN', '30 1 * * sat,sun', '0 0 * * 5',
  '0 0 1 * *', '@monthly', '30 2 29 * *', '0 0 31 * *', '0 12 1,15 * *', '15 14 10-12 * *', '0 8 */10 * *', '0 8 5-25/10 * *', '0 0 L * *', '30 2 L,5 * *', '0 9 15W * *', '0 9 LW * *',
  '0 12 13 * 5', '0 12 1-7 * 1', '30 2 1 * SUN', '0 6 */9 * 3', '0 9 * * 1#1', '30 2 * * SUN#2', '0 9 * * 5L', '30 1 * * 0L',
  '0 0 1 1 *', '@yearly', '0 0 24 4 *', '0 9 * mar,OCT 1',
];
export const expressions = [
  ...often.map((expression) => ({ expression, windowsOf: changes })),
  ...[...daily, ...seldom].map((expression) => ({ expression, windowsOf: year })),
];

const iso = (date) => date.toISOString().replace('.000Z', 'Z');

/** From `from`, which is not included, to `to`, which is. */
const judges = {
  croner(expression, zone, { from, to }) {
    const cron = new Cron(expression, { timezone: zone, fixedTimeRule: 'no-wildcard' });
    const end = new Date(to);
    const times = [];
    for (let at = cron.nextRun(new Date(from)); at && at <= end; at = cron.nextRun(at)) times.push(iso(at));
    return times;
  },
  'cron-parser'(expression, zone, { from, to }) {
    const cron = CronExpressionParser.parse(expression, { tz: zone, currentDate: from, endDate: to });
    const times = [];
    while (cron.hasNext()) times.push(iso(cron.next().toDate()));
    return times;
  },
};

function judge(name) {
  for (const { expression, windowsOf } of expressions) {
    for (const zone of zones) {
      try {
        parentPort.postMessage({ expression, zone, times: windowsOf(zone).map((window) => judges[name](expression, zone, window)) });
      } catch (error) {
        parentPort.postMessage({ expression, zone, refused: error.message });
      }
    }
  }
}

if (!isMainThread) judge(workerData.judge);
