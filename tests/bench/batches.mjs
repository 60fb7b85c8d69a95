// What batches cost beside the same runs submitted one by one, and what they do to somebody else's requests.
//
//   tests/bench/batches.mjs [--lines 20000] [--interactive 400] [--only submission|costs|beside] [--json FILE]
//
// One scheduler and one worker, and a model that answers at once; the programs are those of $PENSTOCK_BIN. First `lines` runs of an agent by POST
// /v1/threads/runs over 32 connections, to the end of the last; then the same as one batch, from its request to its end, and as many completions. CPU is of
// all processes of the stack but the model and this one, for each run; memory is the scheduler's greatest. Submission is what runs cost until they are
// there, with no worker: by 32 clients, whose requests share statements, by one, and as lines; what the upload of these costs is said beside it. Last, another tenant makes `interactive` runs one after the other and waits for each (wait=30), alone and while a batch is at work.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { answers, createBatch, endedBatch, lineOf, putFile } from '../lib/batches.mjs';
import { forgetPeak, peakMiB } from '../lib/memory.mjs';
import { sleep, Stack, until } from '../lib/stack.mjs';
import { Client } from './load.mjs';
import { percentiles, sample, Sql } from './probe.mjs';

const { values: options } = parseArgs({
  options: { lines: { type: 'string', default: '20000' }, interactive: { type: 'string', default: '400' }, only: { type: 'string' }, json: { type: 'string' } },
});
const lines = Number(options.lines);
process.env.PENSTOCK_LOG_LEVEL ??= 'warn';
const script = `
rules:
  - {name: slow, when: {user: '^slow'}, then: {text: 'done', delay_ms: 100}}
  - {then: {text: 'done'}}
`;
const report = { lines };

const cpuOf = (before, after, count) => Object.fromEntries(['scheduler', 'worker', 'postgres', 'redis'].map((name) => [name, Number(((after[name] - before[name]) / count).toFixed(4))]));

/** Does a thing, and says what it took for each line, but for what it does `apart`. */
async function measured(stack, name, body, count = lines) {
  const worker = stack.workers[0]?.running ? stack.workers[0].pid : undefined;
  const look = () => ({ ...sample(stack, worker), ms: Date.now() });
  const without = (all, part) => Object.fromEntries(Object.keys(all).map((key) => [key, all[key] - part[key]]));
  forgetPeak(stack.scheduler);
  let before = look();
  await body(async (other) => {
    const from = look();
    await other();
    const took = without(look(), from);
    before = Object.fromEntries(Object.keys(before).map((key) => [key, before[key] + took[key]]));
  });
  const after = look();
  const seconds = (after.ms - before.ms) / 1000;
  const cpu = cpuOf(before, after, count);
  report[name] = { seconds: Number(seconds.toFixed(1)), perSecond: Math.round(count / seconds), cpuMs: cpu,
    cpuMsInAll: Number(Object.values(cpu).reduce((sum, ms) => sum + ms, 0).toFixed(4)), schedulerMiB: peakMiB(stack.scheduler) };
  console.log(name, JSON.stringify(report[name]));
}

const ROUNDS = 10;
const BATCHES = 20;
const LINES_AT_WORK = 100; // as many as a batch has at first

/**
 * Lines of batches become runs: 100 of each of 20 batches at a time, since no more may wait for a worker at first. When all of these are there they are
 * taken off, as if they had been answered, so each batch begins its next 100. With the look at each line.
 */
async function submissions(stack, name, all, endpoint) {
  const sql = new Sql(stack.databaseUrl);
  await measured(stack, `${name}Upload`, async () => {
    await putFile(stack, `${all.join('\n')}\n`);
  }, all.length);
  const file = await putFile(stack, `${all.slice(0, ROUNDS * LINES_AT_WORK).join('\n')}\n`);
  const begun = async () => Number((await sql.rows('SELECT count(*) FROM batch_lines WHERE made'))[0][0]);
  await measured(stack, name, async (apart) => {
    for (let i = 0; i < BATCHES; i++) await stack.ok('POST', '/v1/batches', { input_file_id: file, endpoint, completion_window: '24h' });
    for (let round = 0; round < ROUNDS; round++) {
      await until('all are begun', async () => {
        await sleep(80);
        return (await begun()) === BATCHES * LINES_AT_WORK;
      }, 60000);
      await apart(() => sql.rows('DELETE FROM batch_lines'));
    }
  }, ROUNDS * BATCHES * LINES_AT_WORK);
  await until('all have ended', async () => (await sql.rows(`SELECT 1 FROM batches WHERE state IN ('validating', 'in_progress', 'finalizing')`)).length === 0, 60000);
  stack.exec('TRUNCATE runs, threads, messages, run_steps, tool_calls CASCADE');
  sql.close();
}

const ended = (stack, count) => until('all have ended', () => stack.sql(`SELECT count(*)::int AS n FROM runs WHERE status = 'completed'`)[0].n >= count, 3600000);

async function costs() {
  const stack = await Stack.start({ script, workers: 0, slots: 200 });
  try {
    const assistant = await stack.assistant({ tools: [] });
    const client = new Client(stack, assistant, 'hi');
    const agentLines = Array.from({ length: lines }, (_, n) => lineOf(`l${n}`, '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'hi' }] } }));
    const chat = '/v1/chat/completions';
    const chatLines = Array.from({ length: Math.min(lines, 50000) }, (_, n) => lineOf(`l${n}`, chat, { model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }));
    await measured(stack, 'submissionOneByOne', () => client.submitAll(lines));
    await measured(stack, 'submissionOneAfterTheOther', () => client.submitAll(Math.ceil(lines / 4), 1), Math.ceil(lines / 4));
    stack.exec('TRUNCATE runs, threads, messages, run_steps, tool_calls CASCADE');
    await submissions(stack, 'submissionOfRuns', agentLines, '/v1/threads/runs');
    await submissions(stack, 'submissionOfCompletions', chatLines, chat);
    if (options.only === 'submission') return;
    await stack.startWorker();

    await measured(stack, 'oneByOne', async () => {
      await client.submitAll(lines);
      await ended(stack, lines);
    });
    stack.exec('TRUNCATE runs, threads, messages, run_steps, tool_calls CASCADE');
    let batch;
    await measured(stack, 'batchOfRuns', async () => {
      batch = await createBatch(stack, agentLines, '/v1/threads/runs');
      batch = await endedBatch(stack, batch.id, 3600000);
    });
    report.batchOfRuns.answered = (await answers(stack, batch)).size;
    stack.exec('TRUNCATE runs, threads, messages, run_steps, tool_calls CASCADE');
    await measured(stack, 'batchOfCompletions', async () => {
      batch = await createBatch(stack, chatLines, chat);
      batch = await endedBatch(stack, batch.id, 3600000);
    }, chatLines.length);
    report.batchOfCompletions.answered = (await answers(stack, batch)).size;
  } finally {
    await stack.stop();
  }
}

/** How long runs take, one after the other, as their client sees it. */
async function latencies(tenant, assistant, count) {
  const took = [];
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    const run = await tenant.ok('POST', '/v1/threads/runs', { assistant_id: assistant.id, thread: { messages: [{ role: 'user', content: 'slow' }] } });
    const done = await tenant.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}?wait=30`);
    if (done.status !== 'completed') throw new Error(`${run.id} is ${done.status}`);
    took.push(performance.now() - from);
  }
  return percentiles(took);
}

async function beside() {
  const stack = await Stack.start({ script, workers: 1, slots: 50 });
  try {
    const count = Number(options.interactive);
    const assistant = await stack.assistant({ tools: [] });
    const other = stack.tenant('interactive');
    const theirs = await other.assistant({ tools: [] });
    await latencies(other, theirs, 20);
    report.interactiveAlone = await latencies(other, theirs, count);
    const batch = await createBatch(stack, Array.from({ length: Math.max(lines, 40000) }, (_, n) => lineOf(`l${n}`, '/v1/threads/runs', { assistant_id: assistant.id, input: 'slow' })), '/v1/threads/runs');
    await until('it is at work', async () => (await stack.ok('GET', `/v1/batches/${batch.id}`)).request_counts.completed > 500, 120000);
    report.interactiveBesideBatch = await latencies(other, theirs, count);
    report.batchWent = (await stack.ok('GET', `/v1/batches/${batch.id}`)).status;
    await stack.ok('POST', `/v1/batches/${batch.id}/cancel`);
    await endedBatch(stack, batch.id, 120000);
    console.log(JSON.stringify({ alone: report.interactiveAlone, beside: report.interactiveBesideBatch, batch: report.batchWent }));
  } finally {
    await stack.stop();
  }
}

if (options.only !== 'beside') await costs();
if (!['costs', 'submission'].includes(options.only)) await beside();
if (options.json) writeFileSync(options.json, JSON.stringify(report, null, 2));
