// Of what contradicts something known, the newer holds: a model that learns must be shown what it is to replace, among hundreds of other memories.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startModel } from '../lib/model_stand_in.mjs';
import { until, withStack } from '../lib/stack.mjs';

const data = JSON.parse(readFileSync(join(import.meta.dirname, '../data/recall_facts.json')));

/** A stand-in for a model that knows which note a sentence contradicts, where it is shown the note. */
function learn(body) {
  const { known, conversation } = JSON.parse(body.messages[1].content);
  const said = conversation.find((entry) => entry.who === 'user').said;
  const pair = data.contradictions.find((one) => one.new === said);
  const old = known.find((note) => note.text === pair.old);
  return JSON.stringify({ changes: [{ action: old ? 'replace' : 'add', number: old?.number ?? null, kind: 'fact', text: pair.new }] });
}

test('of 40 contradictions among 240 memories the newer holds in 95 of 100 at least', async (t) => {
  const model = await startModel((body) => (body.messages[0].content.startsWith('You keep notes') ? learn(body) : 'Well.'));
  try {
    await withStack({ config: `memory: {learn_after_ms: 0}\nproviders: [{name: own, kind: openai_chat, base_url: '${model.url}', api_key: x}]\n` }, async (stack) => {
      const agent = await stack.ok('POST', '/v1/assistants', { model: 'own/m', memories: { recall: false } });
      for (const text of [...data.facts.map((fact) => fact.told), ...data.contradictions.map((one) => one.old)].sort()) await stack.ok('POST', '/v1/users/ada/memories', { text });
      for (const { new: said } of data.contradictions) {
        const run = await stack.finished(await stack.ok('POST', `/v1/assistants/${agent.id}/run`, { input: said, user: 'ada' }));
        assert.equal(run.status, 'completed');
        await until('it is learned', async () => stack.sql(`SELECT 1 FROM memories WHERE text = $$${said}$$`).length > 0, 60000);
      }
      const living = new Set(stack.sql('SELECT text FROM memories WHERE replaced_at IS NULL').map((row) => row.text));
      const replaced = data.contradictions.filter((one) => living.has(one.new) && !living.has(one.old));
      let [first, stale] = [0, 0];
      for (const one of data.contradictions) {
        const found = (await stack.ok('POST', '/v1/users/ada/memories/search', { query: one.asked, limit: 10 })).data.map((memory) => memory.text);
        stale += found.includes(one.old);
        first += found.includes(one.new) || !found.includes(one.old);
      }
      t.diagnostic(`replaced ${replaced.length} of ${data.contradictions.length}; of as many questions ${stale} find what is not true any more`);
      for (const one of data.contradictions) if (!replaced.includes(one)) t.diagnostic(`not shown: ${one.old} / ${one.new}`);
      assert.ok(first >= data.contradictions.length * 0.95, `${first} of ${data.contradictions.length}`);
      assert.ok(replaced.length >= data.contradictions.length * 0.95, `${replaced.length} of ${data.contradictions.length} were replaced`);
    });
  } finally {
    model.close();
  }
});
