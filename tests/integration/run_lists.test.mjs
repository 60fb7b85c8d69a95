// Lists of all runs of a tenant, by what they may be narrowed by; and what was used, in buckets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const script = `
rules:
  - {name: hello, then: {text: 'Hello.', usage: {prompt_tokens: 10, completion_tokens: 3}}}
`;
const config = `
models:
  - {name: priced, provider: openai, model: priced-1, input_price: 1000000, output_price: 2000000}
  - {name: other, provider: openai, model: other-1, input_price: 5000000, output_price: 5000000}
`;

const HOUR = 3600;
const DAY = 24 * HOUR;

/** All elements of a list that is read in pages of two. */
async function all(stack, path) {
  const found = [];
  for (let after = ''; ; ) {
    const page = await stack.ok('GET', `${path}${path.includes('?') ? '&' : '?'}limit=2${after}`);
    found.push(...page.data);
    if (!page.has_more) return found;
    after = `&after=${page.last_id}`;
  }
}

test('runs of the tenant by status, agent, user, metadata and time, page by page', async () => {
  await withStack({ script, config }, async (stack) => {
    const agents = [await stack.assistant({ model: 'priced', tools: [] }), await stack.assistant({ model: 'other', tools: [], slug: 'two' })];
    const runs = [];
    for (let i = 0; i < 12; i++) {
      const body = { assistant_id: agents[i % 2].id, user: ['ann', 'bob', undefined][i % 3], thread: { messages: [{ role: 'user', content: 'hello' }] } };
      if (i % 4 < 2) body.metadata = { team: i % 4 ? 'blue' : 'red', number: String(i) };
      runs.push(await stack.ok('POST', '/v1/threads/runs', body));
    }
    for (const run of runs) await stack.finished(run);
    const back = (wanted) => runs.filter((_, i) => wanted(i)).map(({ id }) => id).reverse();
    const ids = async (query) => (await all(stack, `/v1/runs?${query}`)).map(({ id }) => id);

    assert.deepEqual(await ids('status=completed'), back(() => true));
    assert.deepEqual(await ids('status=queued'), []);
    assert.deepEqual(await ids('assistant_id=two'), back((i) => i % 2 === 1));
    assert.deepEqual(await ids('user=ann'), back((i) => i % 3 === 0));
    assert.deepEqual(await ids('user=ann&order=asc'), back((i) => i % 3 === 0).reverse());
    assert.deepEqual(await ids('metadata[team]=red'), back((i) => i % 4 === 0));
    assert.deepEqual(await ids('metadata[team]=blue&metadata[number]=5'), back((i) => i === 5));
    assert.deepEqual(await ids('metadata[team]=blue&user=bob'), back((i) => i % 4 === 1 && i % 3 === 1));
    assert.deepEqual(await ids('metadata[team]=blue&assistant_id=two&status=completed'), back((i) => i % 4 === 1));
    assert.deepEqual(await ids('user=nobody'), []);

    // As if some had been made an hour ago: ids tell the time, too, and can't be changed, so the border is within their minute.
    const now = runs.at(-1).created_at;
    assert.deepEqual(await ids(`created_after=${runs[0].created_at}&created_before=${now + 1}`), back(() => true));
    assert.deepEqual(await ids(`created_after=${now + 1}`), []);
    assert.deepEqual(await ids(`created_before=${runs[0].created_at}`), []);
    stack.exec(`UPDATE runs SET created_at = created_at - interval '30 seconds' WHERE metadata @> '{"team": "red"}'`);
    assert.deepEqual(await ids(`created_before=${runs[0].created_at}`), back((i) => i % 4 === 0));
    assert.deepEqual(await ids(`created_after=${runs[0].created_at}`), back((i) => i % 4 !== 0));
    assert.deepEqual(await ids('created_before=0'), []);

    for (const [query, param, code] of [
      ['user=', 'user', 'invalid_value'],
      ['created_after=now', 'created_after', 'invalid_value'],
      ['created_before=-1', 'created_before', 'invalid_value'],
      ['metadata[a]=1&metadata[a]=2', 'metadata[a]', 'invalid_value'],
      ['metadata=1', 'metadata', 'unknown_parameter'],
      ['min_crashes=x', 'min_crashes', 'invalid_value'],
    ]) {
      const { status, body } = await stack.call('GET', `/v1/runs?${query}`);
      assert.deepEqual([status, body.error.param, body.error.code], [400, param, code], query);
    }
    assert.deepEqual((await stack.tenant('other').ok('GET', '/v1/runs?metadata[team]=red')).data, []);
  });
});

test('what was used, in buckets of hours and days, whole and in parts', async () => {
  await withStack({ script, config }, async (stack) => {
    const agents = [await stack.assistant({ model: 'priced', tools: [] }), await stack.assistant({ model: 'other', tools: [] })];
    const use = async (agent, user) => stack.finished(await stack.ok('POST', '/v1/threads/runs', { assistant_id: agent.id, user, thread: { messages: [{ role: 'user', content: 'hello' }] } }));
    await use(agents[0], 'ann');
    await use(agents[0], 'bob');
    await use(agents[1], 'ann');
    await stack.ok('POST', '/v1/chat/completions', { model: 'other', messages: [{ role: 'user', content: 'hello' }] });
    const usage = (query = '') => stack.ok('GET', `/v1/usage?${query}`);
    const [cheap, dear] = [16, 65];

    const days = await usage();
    assert.equal(days.object, 'page');
    assert.equal(days.data.length, 7);
    assert.equal(days.has_more, false);
    assert.equal(days.next_page, null);
    for (const [i, bucket] of days.data.entries()) {
      assert.equal(bucket.start_time % DAY, 0);
      assert.equal(bucket.end_time - bucket.start_time, DAY);
      assert.ok(i === 0 || bucket.start_time === days.data[i - 1].end_time);
    }
    assert.deepEqual(days.data.slice(0, 5).flatMap(({ results }) => results), []);
    const whole = days.data.flatMap(({ results }) => results);
    assert.equal(whole.reduce((sum, one) => sum + one.num_model_requests, 0), 4);
    assert.equal(whole.reduce((sum, one) => sum + one.cost_micros, 0), 2 * cheap + 2 * dear);
    assert.equal(whole[0].assistant_id, null);

    const today = await usage('limit=1');
    assert.deepEqual(today.data.map(({ start_time }) => start_time), [days.data.at(-1).start_time], 'the last one');

    // From here on in one hour, whenever the test runs, and folded or not.
    const hour = 1_700_000_000 - (1_700_000_000 % HOUR);
    stack.exec(`UPDATE usage_deltas SET hour = to_timestamp(${hour})`);
    stack.exec(`UPDATE usage_hourly SET hour = to_timestamp(${hour})`);
    const at = `start_time=${hour + 5}&end_time=${hour + 6}&bucket_width=1h`;
    const one = await usage(at);
    assert.deepEqual(one.data, [{ object: 'bucket', start_time: hour, end_time: hour + HOUR, results: [{
      object: 'usage.result', num_model_requests: 4, input_tokens: 40, input_cached_tokens: 0, input_cache_write_tokens: 0, output_tokens: 12,
      output_reasoning_tokens: 0, cost_micros: 2 * cheap + 2 * dear, assistant_id: null, user_id: null, provider: null, model: null }] }]);
    const lines = async (query) => (await usage(`${at}&${query}`)).data[0].results.map((line) => [line.assistant_id, line.user_id, line.provider, line.model, line.num_model_requests, line.cost_micros]);
    assert.deepEqual(await lines('group_by=model'), [[null, null, null, 'other-1', 2, 2 * dear], [null, null, null, 'priced-1', 2, 2 * cheap]]);
    assert.deepEqual(await lines('group_by=assistant_id'), [
      ...[[null, null, null, null, 1, dear], [agents[1].id, null, null, null, 1, dear]].sort((a, b) => (a[0] ?? '').localeCompare(b[0] ?? '')),
      [agents[0].id, null, null, null, 2, 2 * cheap],
    ]);
    const both = [[null, 'ann', 'openai', null, 2, cheap + dear], [null, null, 'openai', null, 1, dear], [null, 'bob', 'openai', null, 1, cheap]];
    assert.deepEqual(await lines('group_by=user_id,provider'), both);
    assert.deepEqual(await lines('group_by[]=user_id&group_by[]=provider'), both);
    assert.deepEqual(await lines(`assistant_id=${agents[0].id}&user_id=ann`), [[null, null, null, null, 1, cheap]]);
    assert.deepEqual(await lines('provider=openai&model=priced-1'), [[null, null, null, null, 2, 2 * cheap]]);
    assert.deepEqual(await lines('provider=nobody'), []);

    // Pages: the buckets of a day, six at once, and the same numbers whatever the page is.
    const day = hour - (hour % DAY);
    const seen = [];
    for (let query = `start_time=${day}&end_time=${day + DAY}&bucket_width=1h&limit=7`, pages = 1; ; pages++) {
      const page = await usage(query);
      seen.push(...page.data);
      if (!page.has_more) {
        assert.equal(pages, 4);
        break;
      }
      query = `end_time=${day + DAY}&bucket_width=1h&limit=7&page=${page.next_page}`;
    }
    assert.deepEqual(seen.map(({ start_time }) => start_time), Array.from({ length: 24 }, (_, i) => day + i * HOUR));
    assert.deepEqual(seen.filter(({ results }) => results.length).map(({ start_time }) => start_time), [hour]);

    for (const [query, param, code] of [
      ['bucket_width=1m', 'bucket_width', 'invalid_value'],
      ['group_by=model,agent', 'group_by', 'invalid_value'],
      ['start_time=x', 'start_time', 'invalid_value'],
      ['start_time=100000&end_time=50', 'end_time', 'invalid_value'],
      ['start_time=100&end_time=50', 'end_time', 'invalid_value'],
      ['start_time=50&end_time=50', 'end_time', 'invalid_value'],
      ['limit=32', 'limit', 'invalid_value'],
      ['bucket_width=1h&limit=169', 'limit', 'invalid_value'],
      ['page=zz', 'page', 'invalid_value'],
      ['group=model', 'group', 'unknown_parameter'],
    ]) {
      const { status, body } = await stack.call('GET', `/v1/usage?${query}`);
      assert.deepEqual([status, body.error.param, body.error.code], [400, param, code], query);
    }
  });
});

test('a page of usage ends with the last bucket that is whole, and one that is too large is refused', async () => {
  await withStack({ script, workers: 0 }, async (stack) => {
    const [{ tenant }] = stack.sql('SELECT id AS tenant FROM tenants ORDER BY id LIMIT 1');
    const hour = 1_700_000_000 - (1_700_000_000 % HOUR);
    const fill = (at, count) =>
      stack.exec(`INSERT INTO usage_hourly (tenant_id, hour, agent_id, user_id, provider, model, calls, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
        SELECT '${tenant}', to_timestamp(${at}), '00000000-0000-0000-0000-000000000000', 'user ' || i, 'openai', 'm', 1, 1, 1, 0, 0, 0, i FROM generate_series(1, ${count}) i`);
    fill(hour, 6000);
    fill(hour + HOUR, 5000);
    fill(hour + 2 * HOUR, 10001);
    const query = `bucket_width=1h&end_time=${hour + 3 * HOUR}&group_by=user_id`;
    assert.deepEqual((await stack.tenant('other').ok('GET', `/v1/usage?${query}&start_time=${hour}`)).data[0].results, []);
    const page = await stack.ok('GET', `/v1/usage?${query}&start_time=${hour}`);
    assert.deepEqual(page.data.map(({ results }) => results.length), [6000]);
    assert.equal(page.data[0].results[0].user_id, 'user 6000', 'what cost most comes first');
    assert.equal(page.next_page, String(hour + HOUR));
    const next = await stack.ok('GET', `/v1/usage?${query}&page=${page.next_page}`);
    assert.deepEqual(next.data.map(({ results }) => results.length), [5000]);
    const { status, body } = await stack.call('GET', `/v1/usage?${query}&page=${next.next_page}`);
    assert.deepEqual([status, body.error.code], [400, 'too_many_results']);
    assert.equal((await stack.ok('GET', `/v1/usage?bucket_width=1h&start_time=${hour}&end_time=${hour + 3 * HOUR}`)).data[2].results[0].num_model_requests, 10001);
  });
});
