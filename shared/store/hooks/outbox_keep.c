/* What is done for webhooks beside sending: steps that are bounded. */

#include "shared/store/hooks/outbox.h"

#include "shared/store/rows.h"

#define MARK_RUNS   2000
#define SKIP_ROWS   2000
#define FORGET_ROWS 1000

/* A host that runs name and that failed to the end is not known to fail any more. */
#define LANE_DAYS "4"

/* clang-format off */
/* Runs of a tenant that were made before its webhook was seen by whoever made them. All unfinished
 * runs are walked through in the order in which they expire, twice: what was being made meanwhile
 * is found by the second walk, which begins later. A run whose row somebody is at is left to it,
 * too. Lines of batches, which are no runs of agents, are told of by their batch. */
static const struct pg_statement mark = {
    .name = "outbox_mark",
    .sql =
        "WITH w AS MATERIALIZED ("
        "    SELECT w.id, w.tenant_id, w.marked_until"
        "    FROM webhook_endpoints w"
        "    WHERE w.marks_left > 0"
        "      AND (w.marks_left > 1 OR w.marked_until > '-infinity'"
        "          OR w.created_at < now() - interval '30 s')"
        "    ORDER BY w.id"
        "    LIMIT 1"
        "    FOR UPDATE SKIP LOCKED),"
        " c AS MATERIALIZED ("
        "    SELECT r.id, r.tenant_id, r.kind, r.notify, r.expires_at"
        "    FROM w"
        "    CROSS JOIN LATERAL ("
        "        SELECT r.*"
        "        FROM runs r"
        "        WHERE r.status IN ('queued', 'in_progress', 'requires_action', 'cancelling')"
        "          AND r.expires_at > w.marked_until"
        "        ORDER BY r.expires_at"
        "        FETCH FIRST " SQL_STRING(MARK_RUNS) " ROWS WITH TIES) r),"
        " free AS MATERIALIZED ("
        "    SELECT r.id"
        "    FROM c"
        "    JOIN w ON w.tenant_id = c.tenant_id"
        "    JOIN runs r ON r.id = ANY (ARRAY[c.id])"
        "    WHERE c.kind = 'agent'"
        "      AND NOT c.notify"
        "    FOR NO KEY UPDATE OF r SKIP LOCKED),"
        " m AS ("
        "    UPDATE runs r"
        "    SET notify = true"
        "    FROM free"
        "    WHERE r.id = ANY (ARRAY[free.id])),"
        " n AS (SELECT count(*) AS runs, max(c.expires_at) AS until FROM c)"
        " UPDATE webhook_endpoints e"
        " SET marks_left = e.marks_left"
        "         - CASE WHEN n.runs < " SQL_STRING(MARK_RUNS) " THEN 1 ELSE 0 END,"
        "     marked_until = CASE WHEN n.runs < " SQL_STRING(MARK_RUNS) " THEN '-infinity'"
        "         ELSE n.until END"
        " FROM w, n"
        " WHERE e.id = w.id"
        " RETURNING n.runs",
    .types = "",
};

static const struct pg_statement skip = {
    .name = "outbox_skip",
    .sql =
        "WITH d AS MATERIALIZED ("
        "    SELECT d.id"
        "    FROM webhook_endpoints w"
        "    CROSS JOIN LATERAL ("
        "        SELECT d.id"
        "        FROM webhook_deliveries d"
        "        WHERE d.state = 'pending'"
        "          AND d.lane = w.id"
        "        LIMIT " SQL_STRING(SKIP_ROWS)
        "        FOR UPDATE SKIP LOCKED) d"
        "    WHERE w.state = 'disabled'"
        "    LIMIT " SQL_STRING(SKIP_ROWS) "),"
        " u AS ("
        "    UPDATE webhook_deliveries d"
        "    SET state = 'skipped', holder = NULL, ended_at = now(),"
        "        error = coalesce(d.error, 'The webhook is disabled.')"
        "    FROM d o"
        "    WHERE d.id = ANY (ARRAY[o.id]))"
        " SELECT count(*)"
        " FROM d",
    .types = "",
};

static const struct pg_statement forget = {
    .name = "outbox_forget",
    .sql =
        "WITH e AS ("
        "    DELETE FROM webhook_events e"
        "    WHERE e.id = ANY (ARRAY("
        "        SELECT o.id"
        "        FROM webhook_events o"
        "        WHERE o.id < penstock_uuid7_least(now() - $1 * interval '1 day')"
        "        ORDER BY o.id"
        "        LIMIT " SQL_STRING(FORGET_ROWS)
        "        FOR UPDATE SKIP LOCKED))"
        "    RETURNING e.id),"
        " d AS ("
        "    DELETE FROM webhook_deliveries d"
        "    USING e"
        "    WHERE d.event_id = ANY (ARRAY[e.id])"
        "    RETURNING d.id),"
        " a AS ("
        "    DELETE FROM webhook_attempts a"
        "    USING d"
        "    WHERE a.delivery_id = ANY (ARRAY[d.id])),"
        " l AS ("
        "    DELETE FROM webhook_lanes l"
        "    WHERE l.not_before < now() - interval '" LANE_DAYS " days'"
        "      AND NOT EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.id = l.lane)"
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM webhook_deliveries o"
        "          WHERE o.lane = l.lane"
        "            AND o.state = 'pending'))"
        " SELECT count(*)"
        " FROM e",
    .types = "i",
};

static const struct pg_statement counts = {
    .name = "outbox_count",
    .sql =
        "SELECT ("
        "        SELECT count(*)"
        "        FROM ("
        "            SELECT 1"
        "            FROM webhook_events"
        "            WHERE NOT moved"
        "            LIMIT " SQL_STRING(OUTBOX_COUNTED) ") e),"
        "    (SELECT count(*) FROM webhook_lanes"
        "     WHERE failures >= " SQL_STRING(OUTBOX_FAILURES) "),"
        "    (SELECT count(*) FROM webhook_endpoints"
        "     WHERE state = 'disabled' AND reason <> 'asked')",
    .types = "",
};
/* clang-format on */

SUSPENDS static int step(struct pg *pg, const struct pg_query *query, int64_t rows, bool *out,
                         struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, query->statement, query->values, &result, err);

    if (r == 0)
        *out = pg_rows(result) > 0 && pg_get_int(result, 0, 0) >= rows;
    return r;
}

int outbox_mark(struct pg *pg, bool *out, struct error *err)
{
    return step(pg, &(struct pg_query){&mark, NULL}, MARK_RUNS, out, err);
}

int outbox_skip(struct pg *pg, bool *out, struct error *err)
{
    return step(pg, &(struct pg_query){&skip, NULL}, SKIP_ROWS, out, err);
}

int outbox_forget(struct pg *pg, int64_t keep_days, bool *out, struct error *err)
{
    struct pg_value value = pg_int(keep_days);

    return step(pg, &(struct pg_query){&forget, &value}, FORGET_ROWS, out, err);
}

int outbox_count(struct pg *pg, struct outbox_counts *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &counts, NULL, &result, err);

    if (r == 0)
        *out = (struct outbox_counts){pg_get_int(result, 0, 0), pg_get_int(result, 0, 1),
                                      pg_get_int(result, 0, 2)};
    return r;
}
