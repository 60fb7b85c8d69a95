// Declared tools under faults: a clerk makes tickets, each once, and looks orders up, again and again if need be but always by the same key. I15.

export const clerkTools = (toolsPort) => {
  const parameters = { type: 'object', properties: { id: { type: 'string' }, wait: { type: 'integer' } }, required: ['id'] };
  const at = (path) => ({ type: 'http', parameters, url: `http://127.0.0.1:${toolsPort}/${path}/{{id}}`, query: { wait: '{{wait}}' } });
  return [{ name: 'ticket_create', method: 'POST', body: { order: '{{id}}' }, ...at('tickets') }, { name: 'order_lookup', ...at('orders') }];
};

const DECLARED = `('ticket_create', 'order_lookup')`;

/** I15: tickets are made once, look-ups by one key, and what nobody knows is told to the model and in the step, and counted. */
export async function ticketsOnce(facts) {
  const bad = [];
  const { ledger, paths } = facts.world.tools;
  const rows = await facts.db(
    `SELECT c.run_id, c.name, c.idempotency_key, c.state, c.is_error, coalesce(c.took_ms, -1), r.status, coalesce(m.content::text, ''), coalesce(s.call::text, '{}')
     FROM tool_calls c JOIN runs r ON r.id = c.run_id
     LEFT JOIN messages m ON m.run_id = c.run_id AND m.tool_call_id = c.call_id
     LEFT JOIN LATERAL (SELECT e.call FROM run_steps p, jsonb_array_elements(p.tool_calls) e (call) WHERE p.run_id = c.run_id AND e.call ->> 'id' = c.call_id) s ON true
     WHERE c.name IN ${DECLARED}`,
  );
  const counts = { tickets: 0, ticketsUnknown: 0, lookups: 0, lookupsRepeated: 0 };
  for (const [run, name, key, state, isError, tookMs, status, told, step] of rows) {
    const times = ledger.get(key)?.length ?? 0;
    const call = JSON.parse(step);
    if (name === 'ticket_create') {
      counts.tickets++;
      if (times > 1) bad.push(`ticket ${key} was made ${times} times`);
    } else {
      counts.lookups++;
      counts.lookupsRepeated += times > 1;
    }
    if (state === 'done' && isError === 'f' && times < 1) bad.push(`${name} ${key} has a result, and nobody was asked`);
    if (state === 'done' && isError === 'f' && Number(tookMs) < 0) bad.push(`${name} ${key} is done, and how long it took is not known`);
    if (state === 'unknown') {
      counts.ticketsUnknown++;
      if (name !== 'ticket_create') bad.push(`${name} ${key} may be repeated, and is unknown`);
      if (status === 'completed' && !/whether it took effect is not known/.test(told)) bad.push(`the model was not told that the end of ${key} is not known: ${told}`);
      if (status === 'completed' && (call.status !== 'unknown' || call.is_error !== true)) bad.push(`the step of ${run} does not tell that the end of ${key} is not known: ${step}`);
    } else if (status === 'completed' && (call.is_error !== (isError === 't') || !(call.duration_ms >= 0) || !(call.tries >= 1))) bad.push(`the step of ${run} does not tell how ${key} went: ${step}`);
  }
  for (const [path, keys] of paths) if (keys.size !== 1) bad.push(`${path} was asked for by the keys ${[...keys].join(', ')}`);
  const counted = await facts.db(
    `SELECT t.tool, coalesce(h.calls, 0), coalesce(h.unknown, 0), t.calls, t.unknown FROM
       (SELECT name AS tool, count(*) FILTER (WHERE took_ms IS NOT NULL OR state = 'unknown') AS calls, count(*) FILTER (WHERE state = 'unknown') AS unknown
        FROM tool_calls WHERE name IN ${DECLARED} GROUP BY 1) t
     LEFT JOIN (SELECT tool, sum(calls) AS calls, coalesce(sum(calls) FILTER (WHERE bucket = -1), 0) AS unknown
        FROM (SELECT * FROM tool_hourly UNION ALL SELECT * FROM tool_deltas) d GROUP BY 1) h USING (tool)
     WHERE (h.calls, h.unknown) IS DISTINCT FROM (t.calls, t.unknown)`,
  );
  for (const [tool, calls, unknown, made, lost] of counted) bad.push(`${tool}: ${calls} calls are counted, ${unknown} of them unknown, where ${made} were made and ${lost} are`);
  facts.counts = { ...facts.counts, ...counts };
  return bad;
}
