// How much of a thread a run is given: what the model is sent, for each strategy, to the message; who outranks whom; and that what the API says of it
// (GET /v1/threads/{thread_id}/context) is what happens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idsOf, longThread, sent, strategy } from '../lib/long_thread.mjs';
import { createSchedule, firingsOf, settledFirings } from '../lib/schedules.mjs';
import { until, withStack } from '../lib/stack.mjs';

const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } };

const script = `
context_tokens: {'gpt-4o-mini': 128000}
rules:
  - name: sum
    when: {user: '^sum'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '6*7'}}]}
      - {text: 'It is {{tool.1}}.'}
  - name: weather
    when: {user: '^weather'}
    steps:
      - {calls: [{name: get_weather, arguments: {}}]}
      - {text: 'It {{tool.1}}.'}
  - {name: any, then: {text: 'So.'}}
`;

test('of a thread of 300 messages each strategy sends exactly its own', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const thread = await longThread(stack, assistant);
    const { messages: all, run } = await sent(stack, assistant, thread);
    assert.equal(all.length, 301, 'nobody says anything: all that fits');
    assert.deepEqual([run.memory_strategy, run.thread_memory, run.truncation_said], [undefined, undefined, undefined]);
    const expect = async (memory, expected, what) => assert.deepEqual((await sent(stack, assistant, thread, memory)).messages, expected, what);

    await expect(strategy('auto'), all, 'auto');
    await expect(strategy('none'), all.slice(-1), 'none');
    await expect(strategy('last_messages'), all.slice(-50), '50 are the default');
    await expect(strategy('buffer', { max_messages: 60 }), all.slice(-60), 'the other word for it');
    await expect(strategy('last_messages', { max_messages: 5 }), all.slice(-5), 'with the last exchange');
    await expect(strategy('last_messages', { max_messages: 4 }), all.slice(-4), 'a call and its result');
    await expect(strategy('last_messages', { max_messages: 3 }), all.slice(-2), 'a result whose call is older is not sent');
    await expect(strategy('last_messages', { max_messages: 400 }), all, 'more than there are');
    await expect(strategy('first_last'), [...all.slice(0, 3), ...all.slice(-50)], '3 and 50 are the default');
    await expect(strategy('first_last', { preserve_first: 4, max_messages: 5 }), [...all.slice(0, 4), ...all.slice(-5)]);
    await expect(strategy('first_last', { preserve_first: 2, max_messages: 5 }), [all[0], ...all.slice(-5)], 'a call whose result is left out goes with it');
    await expect(strategy('first_last', { preserve_first: 0, max_messages: 5 }), all.slice(-5));
    await expect(strategy('first_last', { preserve_first: 2, max_messages: 299 }), all, 'the two meet');
    await expect(strategy('first_last', { preserve_first: 3, max_messages: 300 }), all);

    // Fewer tokens than the messages have: whole turns go, from the older end, and of first_last from the middle.
    const { messages: few } = await sent(stack, assistant, thread, strategy('auto', { max_tokens: 256 }));
    assert.deepEqual(few, all.slice(-few.length));
    assert.ok(few.length > 10 && few.length < 40 && few[0].role === 'user', `${few.length}`);
    const { messages: ends } = await sent(stack, assistant, thread, strategy('first_last', { max_tokens: 256, preserve_first: 4 }));
    assert.deepEqual(ends, [...all.slice(0, 4), ...all.slice(4 - ends.length)]);
    assert.ok(ends.length > 10 && ends.length <= few.length + 1, `${ends.length}`);
  });
});

test('a thread outranks its agent, and a request both', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const plain = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const thread = await longThread(stack, plain);
    const { messages: all } = await sent(stack, plain, thread);
    const agent = await stack.assistant({ tools: [{ type: 'calculator' }], ...strategy('first_last', { max_messages: 7, preserve_first: 1 }) });
    assert.deepEqual([agent.memory_strategy, agent.memory_config], ['first_last', { max_messages: 7, preserve_first: 1 }]);
    const lines = async (memory, request, expected) => {
      const { messages, run } = await sent(stack, agent, thread, memory, request);
      assert.deepEqual(messages, expected, JSON.stringify([memory, request]));
      const view = await stack.ok('GET', `/v1/threads/${run.thread_id}/context?run_id=${run.id}`);
      return [view.strategy, view.from, view.max_messages, view.preserve_first];
    };

    assert.deepEqual(await lines({}, {}, [all[0], ...all.slice(-7)]), ['first_last', 'agent', 7, 1]);
    assert.deepEqual(await lines(strategy('none'), {}, all.slice(-1)), ['none', 'thread', null, null]);
    assert.deepEqual(await lines(strategy('auto'), {}, all), ['auto', 'thread', null, null]);
    assert.deepEqual(await lines(strategy('buffer'), {}, all.slice(-7)), ['last_messages', 'thread', 7, null]);
    assert.deepEqual(await lines({ memory_config: { max_messages: 2 } }, {}, [all[0], ...all.slice(-2)]), ['first_last', 'agent', 2, 1]);
    assert.deepEqual(await lines(strategy('none'), { truncation_strategy: { type: 'auto' } }, all), ['auto', 'run', null, null]);
    assert.deepEqual(await lines(strategy('none'), { truncation_strategy: null }, all.slice(-1)), ['none', 'thread', null, null]);
    const newest = { truncation_strategy: { type: 'last_messages', last_messages: 2 } };
    assert.deepEqual(await lines(strategy('none'), newest, all.slice(-2)), ['last_messages', 'run', 2, null]);
    assert.deepEqual(await lines({}, newest, all.slice(-2)), ['last_messages', 'run', 2, null]);

    // What a run was made with it keeps, whatever is said afterwards.
    const fork = await stack.ok('POST', `/v1/threads/${thread}/fork`, {});
    await stack.ok('POST', `/v1/threads/${fork.id}`, strategy('none'));
    const run = await stack.ok('POST', `/v1/threads/${fork.id}/runs`, { assistant_id: agent.id, input: 'ask', start_after: new Date(Date.now() + 86400_000).toISOString() });
    await stack.ok('POST', `/v1/threads/${fork.id}`, strategy('buffer'));
    await stack.ok('POST', `/v1/assistants/${agent.id}`, { memory_strategy: null });
    const kept = await stack.run(run);
    assert.deepEqual([kept.memory_strategy, kept.thread_memory], ['first_last', { strategy: 'none' }]);
    assert.deepEqual(kept.truncation_strategy, { type: 'auto', last_messages: null }, "as OpenAI's show it");
    assert.equal((await stack.ok('GET', `/v1/threads/${fork.id}/context?run_id=${run.id}`)).strategy, 'none');
    assert.equal((await stack.ok('GET', `/v1/threads/${fork.id}/context`)).from, 'thread');
    const after = await stack.ok('GET', `/v1/threads/${thread}/context?assistant_id=${agent.id}`);
    assert.deepEqual([after.strategy, after.from, after.assistant_id], ['auto', 'default', agent.id]);
  });
});

test('a run that waits sees what it did itself, whatever its strategy', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [weather] });
    for (const memory of [strategy('none'), strategy('last_messages', { max_messages: 1 }), strategy('first_last', { max_messages: 1, preserve_first: 1 })]) {
      const thread = await stack.ok('POST', '/v1/threads', { ...memory, messages: [{ role: 'user', content: 'one' }, { role: 'assistant', content: 'two' }] });
      assert.deepEqual([thread.memory_strategy, thread.memory_config], [memory.memory_strategy, memory.memory_config ?? null]);
      const run = await stack.ok('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: assistant.id, input: 'weather' });
      const waiting = await until('it waits', async () => {
        const now = await stack.run(run);
        return now.status === 'requires_action' && now;
      });
      const [call] = waiting.required_action.submit_tool_outputs.tool_calls;
      const view = await stack.ok('GET', `/v1/threads/${thread.id}/context?run_id=${run.id}`);
      const before = memory.memory_strategy === 'first_last' ? 1 : 0;
      assert.deepEqual([view.run_id, view.sent.count, view.message_count], [run.id, before + 2, 4], JSON.stringify(view));
      await stack.ok('POST', `/v1/threads/${thread.id}/runs/${run.id}/submit_tool_outputs`, { tool_outputs: [{ tool_call_id: call.id, output: 'rains' }] });
      const ended = await stack.finished(run);
      assert.equal(await stack.answer(ended), 'It rains.');
      const messages = JSON.parse((await stack.lastCall()).request).messages.slice(1);
      assert.deepEqual(messages.map((message) => message.role), [...Array(before).fill('user'), 'user', 'assistant', 'tool']);
      assert.deepEqual(messages.at(-3), { role: 'user', content: 'weather' });
    }
  });
});

test('what is left out, and why, is what happens', async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const assistant = await stack.assistant({ tools: [{ type: 'calculator' }] });
    const thread = await longThread(stack, assistant);
    const ids = idsOf(stack, thread);
    const range = (from, to) => ({ count: to - from + 1, first_id: ids[from], last_id: ids[to] });
    const view = async (memory, query = `?assistant_id=${assistant.id}`) => {
      await stack.ok('POST', `/v1/threads/${thread}`, { memory_strategy: null, memory_config: null, ...memory });
      const shown = await stack.ok('GET', `/v1/threads/${thread}/context${query}`);
      assert.deepEqual([shown.object, shown.thread_id, shown.message_count], ['thread.context', thread, 300]);
      assert.equal(shown.sent.count + shown.left_out.reduce((sum, part) => sum + part.count, 0), 300, JSON.stringify(shown));
      return shown;
    };

    const auto = await view({});
    assert.deepEqual([auto.strategy, auto.from, auto.sent, auto.left_out], ['auto', 'default', range(0, 299), []]);
    assert.deepEqual([auto.model, auto.context_tokens], ['openai/gpt-4o-mini', 128000]);
    assert.ok(auto.budget_tokens > 80000 && auto.budget_tokens < 128000 && auto.tokens > 1000 && auto.tokens < 5000, JSON.stringify(auto));

    const last = await view(strategy('buffer', { max_messages: 3 }));
    assert.deepEqual([last.strategy, last.from, last.max_messages, last.sent], ['last_messages', 'thread', 3, range(297, 299)]);
    // The newest three are a call, its result and what was answered; two of these make no whole.
    const parted = await view(strategy('buffer', { max_messages: 2 }));
    assert.deepEqual(parted.left_out, [{ reason: 'max_messages', ...range(0, 297) }, { reason: 'unpaired_tool_calls', ...range(298, 298) }]);
    const none = await view(strategy('none'));
    assert.deepEqual([none.sent, none.left_out], [{ count: 0, first_id: null, last_id: null }, [{ reason: 'earlier_runs', ...range(0, 299) }]]);
    const both = await view(strategy('first_last', { max_messages: 4, preserve_first: 3 }));
    assert.deepEqual([both.preserve_first, both.sent], [3, { ...range(0, 299), count: 7 }]);
    assert.deepEqual(both.left_out, [{ reason: 'max_messages', ...range(3, 295) }]);
    const tight = await view(strategy('first_last', { max_tokens: 256, preserve_first: 4, max_messages: 100 }));
    assert.equal(tight.budget_tokens, 256);
    assert.ok(tight.tokens <= 256 && tight.tokens > 200, JSON.stringify(tight));
    assert.deepEqual(tight.left_out.map((part) => part.reason), ['max_messages', 'max_tokens']);
    assert.deepEqual(tight.left_out[0], { reason: 'max_messages', ...range(4, 199) });
    assert.equal(tight.left_out[1].first_id, ids[200]);

    // And a run is given just these.
    const { messages } = await sent(stack, assistant, thread, strategy('first_last', { max_tokens: 256, preserve_first: 4, max_messages: 100 }));
    const now = await stack.lastCall();
    assert.equal(now.status, 200);
    assert.ok(Math.abs(messages.length - tight.sent.count) <= 4, `${messages.length} and, before 'ask' was there, ${tight.sent.count}`);

    // Of a thread of nobody, and of one that is not there.
    const nobodys = await view({}, '');
    assert.deepEqual([nobodys.model, nobodys.context_tokens, nobodys.budget_tokens, nobodys.assistant_id], [null, null, null, null]);
    const gone = await stack.call('GET', `/v1/threads/thread_${'0'.repeat(31)}1/context`);
    assert.equal(gone.status, 404);
    for (const [query, param] of [['?run_id=run_x', null], [`?assistant_id=asst_${'0'.repeat(31)}1`, null], ['?limit=5', 'limit']]) {
      const reply = await stack.call('GET', `/v1/threads/${thread}/context${query}`);
      assert.ok([400, 404].includes(reply.status), `${query}: ${reply.status}`);
      assert.equal(reply.body.error.param, param, JSON.stringify(reply.body));
    }
  });
});

test('what a thread or an agent may not say is refused by its name', async () => {
  await withStack({ script }, async (stack) => {
    const agent = await stack.assistant();
    const thread = await stack.ok('POST', '/v1/threads', {});
    const bad = [
      [{ memory_strategy: 'newest' }, 'memory_strategy', 'invalid_value'],
      [{ memory_config: { max_messages: 0 } }, 'memory_config.max_messages', 'integer_below_min_value'],
      [{ memory_config: { max_messages: 4001 } }, 'memory_config.max_messages', 'integer_above_max_value'],
      [{ memory_config: { max_tokens: 1 } }, 'memory_config.max_tokens', 'integer_below_min_value'],
      [{ memory_config: { preserve_first: 1001 } }, 'memory_config.preserve_first', 'integer_above_max_value'],
      [{ memory_config: { trigger_tokens: 255 } }, 'memory_config.trigger_tokens', 'integer_below_min_value'],
      [{ memory_config: { summary_model: 'a b' } }, 'memory_config.summary_model', 'invalid_value'],
      [{ memory_config: { summary_model: 'nobody/m' } }, 'memory_config.summary_model', 'model_not_found'],
      [{ memory_config: { top_k: 51 } }, 'memory_config.top_k', 'integer_above_max_value'],
      [{ memory_config: { score_threshold: -0.5 } }, 'memory_config.score_threshold', 'decimal_below_min_value'],
      [{ memory_config: { other: 5 } }, 'memory_config.other', 'unknown_parameter'],
      [{ memory_config: 'all' }, 'memory_config', 'invalid_type'],
    ];
    const places = [
      [(body) => ['/v1/threads', body], ''],
      [(body) => [`/v1/threads/${thread.id}`, body], ''],
      [(body) => ['/v1/assistants', { model: 'openai/gpt-4o-mini', ...body }], ''],
      [(body) => [`/v1/assistants/${agent.id}`, body], ''],
      [(body) => ['/v1/threads/runs', { assistant_id: agent.id, thread: { messages: [{ role: 'user', content: 'x' }], ...body } }], 'thread.'],
    ];
    for (const [body, param, code] of bad) {
      for (const [place, before] of places) {
        const reply = await stack.call('POST', ...place(body));
        const { error } = reply.body;
        assert.deepEqual([reply.status, error?.param, error?.code], [400, before + param, code], `${place(body)[0]}: ${JSON.stringify(reply.body)}`);
      }
    }
    assert.deepEqual((await stack.ok('GET', `/v1/threads/${thread.id}`)).memory_strategy, null);
    // A run says OpenAI's word, and no other.
    const reply = await stack.call('POST', `/v1/threads/${thread.id}/runs`, { assistant_id: agent.id, memory_strategy: 'none' });
    assert.deepEqual([reply.status, reply.body.error.param], [400, 'memory_strategy']);
  });
});

test("a schedule's own newest messages are where nobody says more", async () => {
  await withStack({ script, llmArgs: ['--bodies'] }, async (stack) => {
    const agent = await stack.assistant({ slug: 'watch', ...strategy('none') });
    const schedule = await createSchedule(stack, agent, { cron: '0 0 1 1 *', thread: 'lasting', input: 'look' });
    const lines = [];
    for (const memory of ['none', null, 'buffer']) {
      await stack.ok('POST', `/v1/assistants/${agent.id}`, { memory_strategy: memory });
      const before = (await firingsOf(stack, schedule.id)).length;
      await stack.ok('POST', `/v1/schedules/${schedule.id}/run`);
      const firings = await settledFirings(stack, schedule.id, before + 1);
      const run = await stack.ok('GET', `/v1/runs/${firings.at(-1).run_id}`);
      await stack.finished(run);
      const view = await stack.ok('GET', `/v1/threads/${run.thread_id}/context?run_id=${run.id}`);
      lines.push([view.strategy, view.from, view.max_messages, JSON.parse((await stack.lastCall()).request).messages.length]);
    }
    assert.deepEqual(lines, [['none', 'agent', null, 2], ['last_messages', 'default', 100, 4], ['last_messages', 'agent', 50, 6]]);
  });
});
