// What webhooks are told of schedules: each event of docs/webhooks.md, once, with what it says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Receiver, verify } from '../lib/receiver.mjs';
import { createSchedule, firingsOf, firingsWhere, passed, settledFirings } from '../lib/schedules.mjs';
import { Stack, until } from '../lib/stack.mjs';

const script = `
rules:
  - {name: stalls, when: {user: '^stall'}, then: {stall: true}}
  - {name: fails, when: {user: '^fail'}, then: {status: 400}}
  - {name: other, then: {text: 'Hello.'}}
`;

let stack;
let to;
let webhook;
before(async () => {
  stack = await Stack.start({ script, env: { PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: '127.0.0.0/8' } });
  to = await Receiver.start();
  webhook = await stack.ok('POST', '/v1/webhooks', { url: to.url, events: ['schedule.*', 'run.failed'] });
});

after(async () => {
  if (process.exitCode || process.env.SHOW) stack?.showLogs();
  await to?.stop();
  await stack?.stop();
});

const told = (schedule) => to.got.filter(({ event }) => event.data.id === schedule.id);

async function toldOf(schedule, ...types) {
  const all = await until(`${types} of ${schedule.id}`, () => told(schedule).length >= types.length && told(schedule));
  assert.deepEqual(all.map(({ event }) => event.type).sort(), [...types].sort());
  for (const { headers, body } of all) verify(webhook.secret, headers, body);
  return all.map(({ event }) => event.data);
}

/** What each event says of its schedule. */
const about = (schedule, state = 'active') => ({ id: schedule.id, object: 'schedule', name: schedule.name, agent: schedule.assistant_id, state, metadata: schedule.metadata });
const instant = (text) => Date.parse(text) / 1000;

test('times that were missed are told of together', async () => {
  const assistant = await stack.assistant();
  const schedule = await createSchedule(stack, assistant, { name: 'missed', every: '10m', catch_up: 'none', input: 'hi', metadata: { of: 'tests' } });
  await stack.scheduler.kill('SIGKILL');
  passed(stack, schedule.id, 7200 + 120);
  await stack.startScheduler();
  const [firing] = await settledFirings(stack, schedule.id, 1);
  const [data] = await toldOf(schedule, 'schedule.missed');
  assert.deepEqual({ ...data, firing: { ...data.firing, fire_time: instant(data.firing.fire_time), last_missed_time: instant(data.firing.last_missed_time) } }, {
    ...about(schedule),
    firing: { cause: 'time', fire_time: instant(firing.fire_time), last_missed_time: instant(firing.last_missed_time), times: 12, detail: firing.detail },
  });
});

test('a time that is skipped is told of, and one that is run is not', async () => {
  const schedule = await createSchedule(stack, await stack.assistant(), { every: '1h', overlap: 'skip', input: 'stall' });
  passed(stack, schedule.id, 3600);
  await firingsWhere(stack, schedule.id, 'one is at work', (all) => all.length === 1 && all[0].state === 'started');
  passed(stack, schedule.id, 3600);
  const [data] = await toldOf(schedule, 'schedule.skipped');
  const [first, skipped] = await firingsOf(stack, schedule.id);
  assert.deepEqual({ ...data, firing: { ...data.firing, fire_time: instant(data.firing.fire_time) } }, {
    ...about(schedule),
    firing: { cause: 'time', fire_time: instant(skipped.fire_time), last_missed_time: null, times: 1, detail: `${first.run_id} was still at work` },
  });
  await stack.ok('DELETE', `/v1/schedules/${schedule.id}`);
});

test('a schedule whose runs fail is paused, which is told once; its runs are told of like any', async () => {
  const schedule = await createSchedule(stack, await stack.assistant(), { every: '1h', input: 'fail', max_failures: 2 });
  for (let count = 1; count <= 2; count++) {
    passed(stack, schedule.id, 3600);
    await settledFirings(stack, schedule.id, count);
  }
  const [data] = await toldOf(schedule, 'schedule.paused');
  assert.match(data.paused_reason.message, /^2 runs in a row have failed\. The last one: \S/);
  assert.deepEqual(data, { ...about(schedule, 'paused'), paused_reason: { code: 'failures', message: data.paused_reason.message } });
  await until('both runs are told of', () => to.of('run.failed').filter(({ event }) => event.data.metadata.schedule_id === schedule.id).length === 2);
  await stack.ok('POST', `/v1/schedules/${schedule.id}/run`); // by hand, of one that is paused
  await settledFirings(stack, schedule.id, 3);
  await until('so is the third', () => to.of('run.failed').filter(({ event }) => event.data.metadata.schedule_id === schedule.id).length === 3);
  assert.equal(told(schedule).length, 1, 'it is paused already');
});

test('a run that can not be made is told of, and what pauses for it', async () => {
  const assistant = await stack.assistant();
  const schedule = await createSchedule(stack, assistant, { every: '1h', input: 'hi' });
  await stack.ok('DELETE', `/v1/assistants/${assistant.id}`);
  passed(stack, schedule.id, 3600);
  const all = await toldOf(schedule, 'schedule.failed', 'schedule.paused');
  const [firing] = await firingsOf(stack, schedule.id);
  const failed = all.find((each) => each.firing);
  assert.equal(failed.firing.detail, firing.detail);
  assert.match(failed.firing.detail, /No assistant/);
  assert.equal(instant(failed.firing.fire_time), instant(firing.fire_time));
  assert.deepEqual(all.find((each) => each.paused_reason).paused_reason, { code: 'assistant_deleted', message: 'The assistant was deleted.' });
});

test('one that has no times left has ended; one that a person pauses is not told of', async () => {
  const assistant = await stack.assistant();
  const once = await createSchedule(stack, assistant, { run_at: new Date(Date.now() + 2000).toISOString(), input: 'once' });
  const paused = await createSchedule(stack, assistant, { every: '1h', input: 'hi' });
  await stack.ok('POST', `/v1/schedules/${paused.id}/pause`, { reason: 'holidays' });
  const [data] = await toldOf(once, 'schedule.ended');
  assert.deepEqual(data, about(once, 'ended'));
  await settledFirings(stack, once.id, 1);
  assert.equal(told(paused).length, 0);
});

test('the types are those that a webhook may ask for, and each can be tried', async () => {
  const types = ['missed', 'skipped', 'failed', 'paused', 'ended'].map((each) => `schedule.${each}`);
  for (const type of types) {
    const tried = await stack.ok('POST', `/v1/webhooks/${webhook.id}/test`, { type });
    assert.deepEqual([tried.success, tried.type], [true, type]);
  }
  const refused = await stack.call('POST', '/v1/webhooks', { url: to.url, events: ['schedule.late'] });
  assert.equal(refused.status, 400);
  for (const type of types) assert.ok(refused.body.error.message.includes(`'${type}'`), refused.body.error.message);
});
