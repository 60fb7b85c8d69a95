#include "shared/store/schedules/thread_compaction.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement compact = {
    .name = "thread_compact",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT id, active_run"
        "    FROM threads"
        "    WHERE id = $1"
        "      AND tenant_id = $2"
        "    FOR NO KEY UPDATE),"
        " c AS MATERIALIZED ("
        "    SELECT m.id, m.position, m.role,"
        "        sum(m.bytes) OVER (ORDER BY m.position DESC) AS held"
        "    FROM messages m"
        "    JOIN t ON t.id = m.thread_id"
        "    WHERE t.active_run IS NULL),"
        " k AS MATERIALIZED ("
        "    SELECT coalesce("
        "        min(position) FILTER (WHERE held <= $3 AND role = 'user'),"
        "        min(position) FILTER (WHERE held <= $3),"
        "        max(position) + 1) AS first"
        "    FROM c),"
        " d AS ("
        "    DELETE FROM messages m"
        "    USING c, k"
        "    WHERE m.id = c.id"
        "      AND c.position < k.first"
        "    RETURNING m.run_id, m.bytes, m.token_count),"
        " u AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count - s.messages,"
        "        total_bytes = t.total_bytes - s.bytes, token_count = t.token_count - s.tokens"
        "    FROM ("
        "        SELECT count(*) AS messages, sum(bytes) AS bytes, sum(token_count) AS tokens"
        "        FROM d) s"
        "    WHERE t.id = $1"
        "      AND s.messages > 0),"
        " r AS ("
        "    UPDATE runs r"
        "    SET message_count = r.message_count - s.messages,"
        "        total_bytes = r.total_bytes - s.bytes, token_count = r.token_count - s.tokens"
        "    FROM ("
        "        SELECT run_id, count(*) AS messages, sum(bytes) AS bytes,"
        "            sum(token_count) AS tokens"
        "        FROM d"
        "        WHERE run_id IS NOT NULL"
        "        GROUP BY run_id) s"
        "    WHERE r.id = s.run_id)"
        " SELECT t.active_run IS NOT NULL, (SELECT count(*) FROM d)"
        " FROM t",
    .types = "uui",
};
/* clang-format on */

int thread_compact(const struct store *store, struct uuid thread, int64_t bytes, int64_t *out_count,
                   struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(thread), pg_uuid(store->tenant), pg_int(bytes)};
    int r = pg_exec(store->pg, &compact, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (pg_get_bool(result, 0, 0))
        return THREAD_BUSY;
    *out_count = pg_get_int(result, 0, 1);
    return 0;
}
