#!/usr/bin/env node
// Writes deploy/grafana/penstock.json, the dashboard, from the list of its panels. Run it after a change.

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ds = { type: 'prometheus', uid: '${ds}' };
const quantile = (q, name, by = '') => `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (rate(${name}_bucket[$__rate_interval])))`;
const rate = (name, by) => `sum${by ? ` by (${by})` : ''} (rate(${name}[$__rate_interval]))`;

/** Title, unit, and pairs of a query and its legend. */
const rows = {
  Runs: [
    ['Runs by status', 'short', [['sum by (status) (max by (status) (penstock_runs))', '{{status}}']]],
    ['Runs that end', 'ops', [[rate('penstock_worker_runs_ended_total', 'status'), '{{status}}']]],
    ['Wait of the oldest ready run', 's', [['max(penstock_oldest_ready_seconds)', 'oldest']]],
    ['Wait in the queue', 's', [[quantile(0.5, 'penstock_worker_queue_wait_seconds'), 'p50'], [quantile(0.99, 'penstock_worker_queue_wait_seconds'), 'p99']]],
    ['Time of a run (p95), by agent', 's', [[quantile(0.95, 'penstock_worker_run_seconds', 'agent'), '{{agent}}']]],
    ['Slots', 'short', [['max(penstock_slots)', 'slots'], ['max(penstock_slots_busy)', 'busy'], ['max(penstock_workers_up)', 'workers']]],
  ],
  'Models and tools': [
    ['Calls of models', 'ops', [[rate('penstock_worker_model_calls_total', 'provider, model'), '{{provider}}/{{model}}']]],
    ['Time of a call (p95)', 's', [[quantile(0.95, 'penstock_worker_model_call_seconds', 'provider, outcome'), '{{provider}} {{outcome}}']]],
    ['Time to the first token (p95)', 's', [[quantile(0.95, 'penstock_worker_first_token_seconds', 'provider'), '{{provider}}']]],
    ['Calls that fail', 'ops', [[rate('penstock_worker_model_failures_total', 'provider, class'), '{{provider}} {{class}}']]],
    ['Tokens a second', 'short', [[rate('penstock_worker_input_tokens_total'), 'in'], [rate('penstock_worker_output_tokens_total'), 'out']]],
    ['Time of a tool call (p95)', 's', [[quantile(0.95, 'penstock_worker_tool_call_seconds', 'source, tool'), '{{source}} {{tool}}']]],
  ],
  'The API': [
    ['Requests by status', 'reqps', [[rate('penstock_http_requests_total', 'status'), '{{status}}']]],
    ['Time of a request', 's', [[quantile(0.5, 'penstock_http_request_seconds'), 'p50'], [quantile(0.99, 'penstock_http_request_seconds'), 'p99']]],
    ['Who waits and reads', 'short', [['sum(penstock_waiting_requests)', 'waiting requests'], ['sum(penstock_live_readers)', 'readers'], ['sum(penstock_web_sockets)', 'sockets']]],
  ],
  Health: [
    ['Postgres and Redis', 'bool_yes_no', [['penstock_postgres_up', 'Postgres {{instance}}'], ['penstock_redis_up', 'Redis {{instance}}']]],
    ['How late the loop is', 's', [['penstock_loop_lag_seconds', '{{instance}}']]],
    ['Memory of runs', 'bytes', [['penstock_worker_memory_used_bytes', '{{instance}}']]],
    ['Reaped', 'short', [['sum by (what) (increase(penstock_reaped_total[$__rate_interval]))', '{{what}}']]],
    ['Writes of runs (p99)', 's', [[quantile(0.99, 'penstock_worker_checkpoint_seconds'), 'p99']]],
    ['Spans', 'ops', [[rate('penstock_spans_sent_total'), 'sent'], [rate('penstock_spans_dropped_total'), 'dropped']]],
  ],
};

const panels = [];
let y = 0;
for (const [title, list] of Object.entries(rows)) {
  panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos: { h: 1, w: 24, x: 0, y: y++ }, panels: [] });
  list.forEach(([name, unit, targets], i) => {
    panels.push({
      id: panels.length + 1,
      type: 'timeseries',
      title: name,
      datasource: ds,
      gridPos: { h: 8, w: 8, x: (i % 3) * 8, y: y + Math.floor(i / 3) * 8 },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: targets.map(([expr, legendFormat], at) => ({ refId: 'ABC'[at], datasource: ds, expr, legendFormat })),
    });
  });
  y += Math.ceil(list.length / 3) * 8;
}

const dashboard = {
  uid: 'penstock',
  title: 'Penstock',
  tags: ['penstock'],
  schemaVersion: 39,
  refresh: '30s',
  time: { from: 'now-3h', to: 'now' },
  templating: { list: [{ type: 'datasource', name: 'ds', label: 'Prometheus', query: 'prometheus' }] },
  panels,
};
const file = join(dirname(fileURLToPath(import.meta.url)), 'penstock.json');
writeFileSync(file, `${JSON.stringify(dashboard, null, 1)}\n`);
