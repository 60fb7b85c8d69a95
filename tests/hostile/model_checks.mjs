// What a model may say, one kind a check (see checks.mjs). After each the thread must be usable with a provider that judges
// what it is asked as strictly as OpenAI's API does.

import { gzipSync } from 'node:zlib';
import { until } from '../lib/stack.mjs';

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

const completion = (message, finish = 'stop', used = usage) => ({
  body: { id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish }], usage: used },
});
const text = (content, finish, used) => completion({ content }, finish, used);
const calls = (...list) => completion({ tool_calls: list }, 'tool_calls');
const call = (name, args, id = 'call_1') => ({ id, type: 'function', function: { name, arguments: args } });

const same = (expected) => (fact) => JSON.stringify(fact) === JSON.stringify(expected);
const all = (expected) => (list) => list.length > 0 && list.every((one) => one === expected);
const word = /^[a-zA-Z0-9_-]{1,64}$/;
const SQL = /\b(INSERT|UPDATE|SELECT|jsonb?|relation|column|constraint|null value)\b|\b(22|23|42)[0-9A-Z]{3}: /;

/** Each says it once, then answers. Returns {statuses, threads (of the next run on each), errors, refused (what a strict provider refused)}. */
async function each(stage, name, replies) {
  const before = stage.provider.refused.length;
  const runs = await Promise.all(replies.map((reply, i) => stage.says(`${name} ${i}`, reply)));
  const threads = await Promise.all(runs.map((run) => stage.goesOn(run)));
  return {
    statuses: runs.map((run) => run.status), threads, asked: replies.map((_, i) => stage.asked(`${name} ${i}`)),
    errors: runs.map((run) => run.last_error?.message ?? ''), refused: stage.provider.refused.slice(before),
  };
}

const usable = {
  statuses: { right: all('completed'), wrong: [[], ['completed', 'failed'], ['requires_action']] },
  threads: { right: all('completed'), wrong: [['failed'], ['completed', 'queued']] },
  refused: { right: same([]), wrong: [['the arguments of a call are []']] },
};

/** A run that waits for its client's function: what it shows, and its end when the output is given. */
async function waits(stage, prompt, ...replies) {
  const shown = await stage.says(prompt, ...replies);
  const list = shown.required_action?.submit_tool_outputs.tool_calls ?? [];
  const tool_outputs = list.map((one) => ({ tool_call_id: one.id, output: 'sunny' }));
  const path = `/v1/threads/${shown.thread_id}/runs/${shown.id}`;
  const reply = await stage.hostile.call('POST', `${path}/submit_tool_outputs`, { tool_outputs });
  const again = (await stage.hostile.ok('GET', `${path}/steps`)).data.flatMap((step) => step.step_details.tool_calls ?? []);
  const ended = await stage.hostile.finished(shown);
  return { calls: list, taken: reply.status, ended: ended.status, thread: await stage.goesOn(ended), later: again.map((one) => one.id) };
}

export const modelChecks = [
  {
    name: 'arguments of a call that are no JSON object are told to the model, and sent back as an object',
    play: (stage) => each(stage, 'arguments', ['{"expression": "6*7"', '[]', 'null', '{"expression":"6*7"}{"a":1}'].map((args) => calls(call('calculator', args)))),
    expects: { ...usable, asked: { right: all(2), wrong: [[1], [2, 3]] } },
  },
  {
    name: 'invented, empty, endless and foreign names of calls leave the thread usable',
    play: (stage) => each(stage, 'names', ['invented', '', 'n'.repeat(3000), '天気'].map((name) => calls(call(name, '{}')))),
    expects: { ...usable, asked: { right: all(2), wrong: [[1], [2, 8]] } },
  },
  {
    name: 'calls without a function, null, with a number as name or of another type are as unknown names, without a word of SQL',
    play: (stage) =>
      each(stage, 'forms', [{ id: 'call_1', type: 'function' }, null, call(42, '{}'), { id: 'call_1', type: 'custom', custom: { name: 'x', input: 'y' } }].map((one) => calls(one))),
    expects: { ...usable, errors: { right: (list) => list.length === 4 && !list.some((error) => SQL.test(error)), wrong: [[], ['23502: null value in column "name"', '', '', '']] } },
  },
  {
    name: "a call of a client's function with an id of thousands of characters takes its output",
    play: async (stage) => {
      const seen = await waits(stage, 'long id', calls(call('lookup', '{"city":"Oslo"}', 'i'.repeat(5000))));
      const { calls: shown, later, ...rest } = seen;
      return { ...rest, ids: shown.map((one) => one.id), stable: same(shown.map((one) => one.id))(later) };
    },
    expects: {
      ids: { right: (ids) => ids.length === 1 && word.test(ids[0]), wrong: [[], ['i'.repeat(5000)]] },
      stable: { right: (stable) => stable === true, wrong: [false] },
      taken: { right: (status) => status === 200, wrong: [400, 404] },
      ended: { right: (status) => status === 'completed', wrong: ['requires_action', 'failed'] },
      thread: { right: (status) => status === 'completed', wrong: ['failed'] },
    },
  },
  {
    name: 'answers that say nothing are tried once more, and then fail with a word for it',
    play: async (stage) => {
      const empty = [text(''), completion({ content: '', reasoning_content: 'hm' }), completion({ content: null }, 'tool_calls')];
      const runs = await Promise.all(empty.map((reply, i) => stage.says(`empty ${i}`, reply, reply, reply)));
      return {
        statuses: runs.map((run) => run.status), asked: empty.map((_, i) => stage.asked(`empty ${i}`)), words: runs.map((run) => run.last_error?.message ?? ''),
        once: (await stage.says('empty once', text(''))).status,
      };
    },
    expects: {
      statuses: { right: all('failed'), wrong: [['completed', 'completed', 'completed']] },
      asked: { right: all(2), wrong: [[1, 1, 1], [8, 8, 8]] },
      words: { right: (words) => words.length === 3 && words.every((said) => /empty answer/.test(said)), wrong: [['', '', '']] },
      once: { right: (status) => status === 'completed', wrong: ['failed'] },
    },
  },
  {
    name: 'an answer that was cut by the limit or by a filter is an incomplete message that says so',
    play: async (stage) => {
      const runs = await Promise.all([stage.says('cut', text('The answ', 'length')), stage.says('filtered', text('The', 'content_filter'))]);
      const messages = await Promise.all(runs.map((run) => stage.lastMessage(run)));
      return { runs: runs.map((run) => [run.status, run.incomplete_details?.reason]), messages: messages.map((message) => [message.status, message.incomplete_details?.reason]) };
    },
    expects: {
      runs: { right: same([['incomplete', 'max_completion_tokens'], ['incomplete', 'content_filter']]), wrong: [[['completed', null], ['completed', null]]] },
      messages: { right: same([['incomplete', 'max_tokens'], ['incomplete', 'content_filter']]), wrong: [[['completed', null], ['completed', null]]] },
    },
  },
  {
    name: 'a 429 that says that the request is too large ends the run as one whose prompt is too long',
    play: async (stage) => {
      const error = { error: { message: 'Request too large for gpt-4o: Limit 30000, Requested 90000. The input or output tokens must be reduced in order to run successfully.', type: 'tokens', code: 'rate_limit_exceeded' } };
      const run = await stage.says('too large', ...Array(9).fill({ status: 429, body: error }));
      return { ended: [run.status, run.incomplete_details?.reason], asked: stage.asked('too large') };
    },
    expects: {
      ended: { right: same(['incomplete', 'max_prompt_tokens']), wrong: [['queued', null], ['failed', null]] },
      asked: { right: (n) => n === 1, wrong: [2, 9] },
    },
  },
  {
    name: 'a 429 that names a quota, and says to try again in a second, is waited for as told',
    play: async (stage) => {
      const error = { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded your current quota. Please retry in 1s.', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }] } };
      const start = performance.now();
      const run = await stage.says('quota of the minute', { status: 429, body: error });
      return { ended: run.status, asked: stage.asked('quota of the minute'), waited: performance.now() - start >= 1000 };
    },
    expects: {
      ended: { right: (status) => status === 'completed', wrong: ['failed', 'queued'] },
      asked: { right: (n) => n === 2, wrong: [1, 3] },
      waited: { right: (waited) => waited === true, wrong: [false] },
    },
  },
  {
    name: 'NUL, half a character, a byte order mark and bodies that are compressed unasked cost one call each',
    play: async (stage) => {
      const good = JSON.stringify(text('zipped').body);
      const replies = [text('a\u0000b'), text('half \ud83d'), { body: `\ufeff${JSON.stringify(text('marked').body)}` }, { headers: { 'content-encoding': 'gzip' }, body: gzipSync(good) }];
      const runs = await Promise.all(replies.map((reply, i) => stage.says(`bytes ${i}`, reply)));
      return {
        statuses: runs.map((run) => run.status), asked: replies.map((_, i) => stage.asked(`bytes ${i}`)),
        answers: await Promise.all(runs.map(async (run) => (await stage.lastMessage(run)).content[0].text.value)), threads: await Promise.all(runs.map((run) => stage.goesOn(run))),
      };
    },
    expects: {
      statuses: { right: all('completed'), wrong: [['failed', 'failed', 'failed', 'failed']] },
      asked: { right: same([1, 1, 1, 1]), wrong: [[3, 3, 3, 3]] },
      answers: { right: same(['a\ufffdb', 'half \ufffd', 'marked', 'zipped']), wrong: [['ab', 'half ', 'marked', 'zipped']] },
      threads: usable.threads,
    },
  },
  {
    name: "a call of a client's function without arguments shows an empty object",
    play: async (stage) => {
      const [empty, none] = await Promise.all([waits(stage, 'no arguments', calls(call('lookup', ''))), waits(stage, 'none at all', calls({ id: 'call_1', type: 'function', function: { name: 'lookup' } }))]);
      return { shown: [...empty.calls, ...none.calls].map((one) => one.function.arguments), ended: [empty.ended, none.ended], threads: [empty.thread, none.thread] };
    },
    expects: {
      shown: { right: same(['{}', '{}']), wrong: [['', ''], ['{}']] },
      ended: { right: all('completed'), wrong: [['requires_action', 'failed']] },
      threads: usable.threads,
    },
  },
  {
    name: 'counts of tokens near 2^63, below zero and as decimals are clamped, and paid for once',
    play: async (stage) => {
      const huge = '{"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807,"total_tokens":-2}';
      const counted = (numbers) => ({ body: JSON.stringify(text('counted').body).replace(JSON.stringify(usage), numbers) });
      const twice = { body: JSON.stringify(calls(call('calculator', '{"expression":"6*7"}')).body).replace(JSON.stringify(usage), huge) };
      const runs = await Promise.all([
        stage.says('counts 0', twice, counted(huge)), stage.says('counts 1', counted('{"prompt_tokens":-5,"completion_tokens":-7,"total_tokens":-12}')),
        stage.says('counts 2', counted('{"prompt_tokens":10.0,"completion_tokens":5.0,"total_tokens":15.0}')),
      ]);
      await until('no run is left', () => stage.stack.sql(`SELECT 1 FROM runs WHERE status = 'in_progress' AND id IN (${runs.map((run) => `penstock_uuid('${run.id}')`)})`).length === 0);
      return { statuses: runs.map((run) => run.status), asked: [0, 1, 2].map((i) => stage.asked(`counts ${i}`)), counts: runs.map((run) => [run.usage.prompt_tokens, run.usage.completion_tokens, run.usage.total_tokens]), decimals: Object.fromEntries(['prompt_tokens', 'completion_tokens', 'total_tokens'].map((name) => [name, runs[2].usage[name]])) };
    },
    expects: {
      statuses: { right: all('completed'), wrong: [['queued', 'failed', 'completed'], ['in_progress']] },
      asked: { right: same([2, 1, 1]), wrong: [[3, 1, 1], [2, 2, 1]] },
      counts: { right: (lists) => lists.length === 3 && lists.flat().every((n) => n >= 0) && lists.flat().length === 9, wrong: [[], [[1, 2, -2], [0, 0, 0], [10, 5, 15]]] },
      decimals: { right: same({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }), wrong: [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }] },
    },
  },
];
