// What threads, runs and persons count, beside what SQL counts.

/** What the counters say beside what SQL counts, of every thread and person. */
export const crooked = (stack) => ({
  threads: stack.sql(`
    SELECT t.id, t.message_count, t.total_bytes, t.token_count, m.* FROM threads t CROSS JOIN LATERAL (
      SELECT count(*) AS messages, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(token_count), 0) AS tokens FROM (
        SELECT bytes, token_count FROM messages WHERE thread_id = t.id
        UNION ALL SELECT bytes, token_count FROM thread_inputs WHERE thread_id = t.id) e) m
    WHERE t.active_run IS NULL AND (t.message_count, t.total_bytes, t.token_count) IS DISTINCT FROM (m.messages, m.bytes, m.tokens)`),
  runs: stack.sql(`
    SELECT r.id, r.message_count, m.messages FROM runs r CROSS JOIN LATERAL (
      SELECT count(*) AS messages, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(token_count), 0) AS tokens FROM messages WHERE run_id = r.id) m
    WHERE (r.message_count, r.total_bytes, r.token_count) IS DISTINCT FROM (m.messages, m.bytes, m.tokens)`),
  users: stack.sql(`
    SELECT coalesce(a.user_id, b.user_id) AS user_id, a.bytes, b.bytes AS counted FROM
      (SELECT tenant_id, user_id, sum(total_bytes) AS bytes FROM threads WHERE user_id IS NOT NULL GROUP BY 1, 2) a
    FULL JOIN (
      SELECT tenant_id, user_id, sum(bytes) AS bytes FROM (
        SELECT tenant_id, user_id, total_bytes AS bytes FROM user_bytes UNION ALL SELECT * FROM user_deltas) e GROUP BY 1, 2) b
      USING (tenant_id, user_id)
    WHERE coalesce(a.bytes, 0) <> coalesce(b.bytes, 0)`),
});

export const straight = { threads: [], runs: [], users: [] };
