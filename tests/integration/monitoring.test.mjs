// What deploy/ has for Prometheus and Grafana, against the metrics that the programs have.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until, withStack } from '../lib/stack.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const bin = process.env.PENSTOCK_BIN ?? join(root, 'build/dev/bin');
const rulesFile = join(root, 'deploy/prometheus/alerts.yml');
const rules = readFileSync(rulesFile, 'utf8');
const dashboard = JSON.parse(readFileSync(join(root, 'deploy/grafana/penstock.json'), 'utf8'));
const promtool = process.env.PROMTOOL ?? 'promtool';

/** Metrics by name: {type, labels}, of both programs. */
function known() {
  const metrics = new Map();
  for (const program of ['penstock-scheduler', 'penstock-worker'])
    for (const line of execFileSync(join(bin, program), ['--list-metrics'], { encoding: 'utf8' }).split('\n')) {
      const row = /^\| `(\w+)` \| (\w+) \| ([^|]*) \|/.exec(line);
      if (row) metrics.set(row[1], { type: row[2], labels: row[3].trim().split(', ').filter(Boolean) });
    }
  return metrics;
}

/** What is wrong with an expression: names, labels and functions that do not go with a metric's type. */
function mistakes(expression, metrics) {
  const wrong = [];
  for (const [, name, selector, range] of expression.matchAll(/\b(penstock_\w+)(\{[^}]*\})?(\[[^\]]*\])?/g)) {
    const base = name.replace(/_(bucket|sum|count)$/, '');
    const metric = metrics.get(name) ?? (metrics.get(base)?.type === 'histogram' ? metrics.get(base) : undefined);
    if (!metric) {
      wrong.push(`no metric ${name}`);
      continue;
    }
    if (metric.type === 'histogram' && name === base) wrong.push(`${name} is a histogram`);
    if (metric.type === 'gauge' && range && !expression.includes('_over_time')) wrong.push(`a rate of the gauge ${name}`);
    if (metric.type !== 'gauge' && !range) wrong.push(`${name} counts, and is no rate`);
    for (const [, label] of (selector ?? '').matchAll(/(\w+)(?:=~|!~|!=|=)"/g)) if (!metric.labels.includes(label)) wrong.push(`${name} has no label ${label}`);
    for (const [, list] of expression.matchAll(/\bby \(([^)]*)\)/g))
      for (const label of list.split(',').map((each) => each.trim()))
        if (![...metric.labels, 'le', 'instance'].includes(label)) wrong.push(`${name} has no label ${label}`);
  }
  const depth = [...expression].reduce((at, c) => (at < 0 ? at : at + (c === '(') - (c === ')')), 0);
  if (depth !== 0) wrong.push('brackets');
  return wrong;
}

test('what judges an expression finds what is wrong with it', () => {
  const metrics = new Map([
    ['penstock_a', { type: 'gauge', labels: ['x'] }],
    ['penstock_b_total', { type: 'counter', labels: [] }],
    ['penstock_c_seconds', { type: 'histogram', labels: [] }],
  ]);
  assert.deepEqual(mistakes('max by (x) (penstock_a{x="1"}) / rate(penstock_b_total[5m])', new Map([...metrics, ['penstock_b_total', { type: 'counter', labels: ['x'] }]])), []);
  assert.deepEqual(mistakes('penstock_z', metrics), ['no metric penstock_z']);
  assert.deepEqual(mistakes('penstock_a{y="1"} > 0', metrics), ['penstock_a has no label y']);
  assert.deepEqual(mistakes('sum by (y) (penstock_a)', metrics), ['penstock_a has no label y']);
  assert.deepEqual(mistakes('penstock_b_total > 0', metrics), ['penstock_b_total counts, and is no rate']);
  assert.deepEqual(mistakes('rate(penstock_a[5m])', metrics), ['a rate of the gauge penstock_a']);
  assert.deepEqual(mistakes('rate(penstock_c_seconds[5m])', metrics), ['penstock_c_seconds is a histogram']);
  assert.deepEqual(mistakes('sum(rate(penstock_b_total[5m])', metrics), ['brackets']);
});

test('alert rules ask for metrics and labels that there are', () => {
  const metrics = known();
  const flat = rules.replace(/expr: >-\n((?: {10}.*\n)+)/g, (_, text) => `expr: ${text.trim().replace(/\s+/g, ' ')}\n`);
  const alerts = [...flat.matchAll(/- alert: (\w+)\n\s+expr: (.*)\n/g)];
  assert.equal(alerts.length, [...rules.matchAll(/- alert:/g)].length);
  assert.equal(new Set(alerts.map(([, name]) => name)).size, alerts.length);
  for (const [, name, expression] of alerts) assert.deepEqual(mistakes(expression, metrics), [], name);
});

test('promtool takes the alert rules', (context) => {
  if (spawnSync(promtool, ['--version']).error) {
    console.log('NOT TESTED: promtool is not here (Debian: prometheus); say where with PROMTOOL');
    return context.skip('promtool is not here');
  }
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'rules', rulesFile], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
});

test('the dashboard asks for metrics and labels that there are, in panels that do not overlap', () => {
  const metrics = known();
  const taken = new Set();
  assert.equal(dashboard.uid, 'penstock');
  assert.ok(!('__inputs' in dashboard), 'it can be provisioned');
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const panel of dashboard.panels) {
    const { x, y, w, h } = panel.gridPos;
    assert.ok(x + w <= 24);
    for (let i = x; i < x + w; i++)
      for (let j = y; j < y + h; j++) {
        assert.ok(!taken.has(`${i},${j}`), panel.title);
        taken.add(`${i},${j}`);
      }
    for (const { expr, refId } of panel.targets ?? []) {
      assert.ok(refId);
      assert.deepEqual(mistakes(expr, metrics), [], panel.title);
    }
  }
});

test('a worker tells the time of runs by their agent, and the time to the first token where replies are streamed', async () => {
  const config = 'providers: [{name: openai, stream: true}]\n';
  await withStack({ script: `rules: [{steps: [{text: 'hello'}]}]`, config }, async (stack) => {
    const mailer = await stack.assistant({ slug: 'mailer' });
    const nameless = await stack.assistant();
    for (const assistant of [mailer, mailer, nameless]) await stack.finished(await stack.submit(assistant, 'go'));
    const page = await (await fetch(`${stack.workers[0].url}/metrics`)).text();
    assert.match(page, /^penstock_worker_run_seconds_count\{agent="mailer",outcome="completed"\} 2$/m);
    assert.match(page, /^penstock_worker_run_seconds_count\{agent="none",outcome="completed"\} 1$/m);
    assert.match(page, /^penstock_worker_first_token_seconds_count\{provider="openai"\} 3$/m);
    if (spawnSync(promtool, ['--version']).error) return;
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: page, encoding: 'utf8' });
    assert.ok(status !== 1, stdout + stderr); // 3 is a matter of style
  });
});

test('penstock top shows scheduler and workers, once where there is no terminal, and live on one', async () => {
  await withStack({ script: `rules: [{steps: [{text: 'hello'}]}]` }, async (stack) => {
    const assistant = await stack.assistant();
    await stack.finished(await stack.submit(assistant, 'go'));
    const worker = stack.workers[0];
    await until('the scheduler counts it', async () => /^penstock_workers_up 1$/m.test(await (await fetch(`${stack.url}/metrics`)).text()));
    const text = stack.command('top', '--worker', worker.url);
    assert.ok(!text.includes('\u001b'), 'no sequences');
    assert.match(text, /^workers {3}1 up, 0 of 200 slots busy$/m);
    assert.match(text, /^servers {3}Postgres up, Redis up$/m);
    assert.match(text, new RegExp(`^${worker.url}/metrics$`, 'm'));
    assert.match(text, /^ {10}openai\/gpt-4o-mini {2}0\.0 calls\/s/m);
    const away = spawnSync(join(bin, 'penstock'), ['top', '--scheduler', 'http://127.0.0.1:1'], { env: { ...process.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key }, encoding: 'utf8' });
    assert.equal(away.status, 3);
    assert.match(away.stdout, /127\.0\.0\.1:1\/metrics: /);

    const live = spawn('script', ['-qfec', `exec ${join(bin, 'penstock')} top`, '/dev/null'], { env: { ...process.env, TERM: 'xterm', PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key } });
    let seen = '';
    live.stdout.on('data', (chunk) => (seen += chunk));
    const ended = once(live, 'close'); // after its last words, unlike 'exit'
    await until('two pictures', () => seen.split('\u001b[H').length > 2);
    live.stdin.write('\u0003');
    const [code] = await ended;
    assert.equal(code, 0);
    assert.ok(seen.startsWith('\u001b[?1049h') && seen.trimEnd().endsWith('\u001b[?1049l'), 'the screen is as it was');
  });
});
