/* What became of deliveries, of their lanes, and of the webhooks that they went to. */

#include "shared/store/hooks/outbox.h"

#include "shared/store/columns.h"

/* clang-format off */
#define OUTCOME_ROWS(COLUMN) \
    COLUMN(2, OUTCOME_N, "n", 'I') \
    COLUMN(3, OUTCOME_ID, "id", 'U') \
    COLUMN(4, OUTCOME_END, "outcome", 'T') \
    COLUMN(5, OUTCOME_STATUS, "status", 'I') \
    COLUMN(6, OUTCOME_DURATION, "duration_ms", 'I') \
    COLUMN(7, OUTCOME_ERROR, "error", 'T') \
    COLUMN(8, OUTCOME_ANSWER, "answer", 'T') \
    COLUMN(9, OUTCOME_WAIT, "wait_ms", 'I') \
    COLUMN(10, OUTCOME_LANE_WAIT, "lane_wait_ms", 'I')

enum outcome_column { HOLDER, OUTCOME_ROWS(COLUMN_ENUM) };
enum { COLUMNS = 1 OUTCOME_ROWS(COLUMN_COUNT) };

static const char types[] = {'i', OUTCOME_ROWS(COLUMN_TYPE) [COLUMNS] = '\0'};
_Static_assert(sizeof(types) == COLUMNS + 1, "each number has its column");

#define WAS_SENT(d) d ".outcome IN ('delivered', 'failed', 'gone')"

/* A failure in a lane where something was delivered at the same time is none of the lane. */
#define LANES \
    "ok AS (" \
    "    SELECT DISTINCT d.lane" \
    "    FROM d" \
    "    WHERE d.outcome = 'delivered')," \
    " well AS (" \
    "    DELETE FROM webhook_lanes l" \
    "    USING ok" \
    "    WHERE l.lane = ok.lane)," \
    " bad AS (" \
    "    SELECT d.lane, count(*)::int4 AS failures, max(d.lane_wait_ms) AS lane_wait_ms" \
    "    FROM d" \
    "    WHERE d.outcome IN ('failed', 'gone')" \
    "      AND d.lane NOT IN (SELECT ok.lane FROM ok)" \
    "    GROUP BY d.lane)," \
    " ill AS (" \
    "    INSERT INTO webhook_lanes AS l (lane, failures, failing_since, not_before)" \
    "    SELECT bad.lane, bad.failures, now(), now() + " WAIT("bad.failures", "bad.lane_wait_ms") \
    "    FROM bad" \
    "    ORDER BY bad.lane" \
    "    ON CONFLICT (lane) DO UPDATE" \
    "    SET failures = least(l.failures + excluded.failures, 1000000)," \
    "        not_before = greatest(excluded.not_before, now() + " \
                 WAIT("l.failures + excluded.failures", "0") ")" \
    "    RETURNING l.lane, l.failing_since)"

/* Seconds double from the failure on that makes the lane a failing one. */
#define WAIT(failures, asked_ms) \
    "greatest(" \
    "    coalesce(" asked_ms ", 0) * interval '1 ms'," \
    "    CASE WHEN " failures " >= " SQL_STRING(OUTBOX_FAILURES) " THEN least(" \
    "        2 ^ least(" failures " - " SQL_STRING(OUTBOX_FAILURES) ", 20)," \
    "        " SQL_STRING(OUTBOX_WAIT_MAX_S) ") ELSE 0 END * interval '1 s')"

#define ENDPOINTS \
    "off AS (" \
    "    UPDATE webhook_endpoints w" \
    "    SET state = 'disabled', disabled_at = now()," \
    "        reason = CASE WHEN gone.lane IS NOT NULL THEN 'gone' ELSE 'failing' END" \
    "    FROM ill" \
    "    LEFT JOIN (SELECT DISTINCT d.lane FROM d WHERE d.outcome = 'gone') gone" \
    "        ON gone.lane = ill.lane" \
    "    WHERE w.id = ill.lane" \
    "      AND w.state = 'enabled'" \
    "      AND (gone.lane IS NOT NULL" \
    "          OR ill.failing_since < now() - " SQL_STRING(OUTBOX_DISABLE_HOURS) \
    "              * interval '1 hour')" \
    "    RETURNING w.*)," \
    " told AS (" \
    "    INSERT INTO webhook_events (id, tenant_id, type, data)" \
    "    SELECT penstock_uuid7(), off.tenant_id, 'webhook_endpoint.disabled', json_build_object(" \
    "        'id', 'whk_' || replace(off.id::text, '-', ''), 'object', 'webhook_endpoint'," \
    "        'url', off.url, 'reason', off.reason)" \
    "    FROM off" \
    "    WHERE EXISTS (" \
    "        SELECT 1" \
    "        FROM webhook_endpoints w" \
    "        WHERE w.tenant_id = off.tenant_id" \
    "          AND w.id <> off.id" \
    "          AND w.state = 'enabled'" \
    "          AND penstock_webhook_wants(w.events, 'webhook_endpoint.disabled')))"

static const struct pg_statement settle = {
    .name = "outbox_settle",
    .sql =
        "WITH o AS MATERIALIZED (" SQL_MANY_ROWS(OUTCOME_ROWS, "$2") "),"
        " d AS ("
        "    UPDATE webhook_deliveries d"
        "    SET state = CASE"
        "            WHEN o.outcome IN ('delivered', 'skipped') THEN o.outcome"
        "            WHEN o.outcome = 'gone' THEN 'dead'"
        "            WHEN o.outcome = 'failed' AND o.wait_ms < 0 THEN 'dead'"
        "            ELSE 'pending'"
        "        END,"
        "        tries = d.tries + CASE WHEN " WAS_SENT("o") " THEN 1 ELSE 0 END,"
        "        next_at = now() + greatest(o.wait_ms, 0) * interval '1 ms', holder = NULL,"
        "        status_code = CASE WHEN " WAS_SENT("o") " THEN o.status ELSE d.status_code END,"
        "        error = CASE WHEN o.outcome = 'released' THEN d.error ELSE o.error END,"
        "        ended_at = CASE"
        "            WHEN o.outcome = 'released' OR (o.outcome = 'failed' AND o.wait_ms >= 0)"
        "                THEN NULL"
        "            ELSE now()"
        "        END"
        "    FROM o"
        "    WHERE d.id = ANY (ARRAY[o.id])"
        "      AND " SQL_CHECKED("d.state = 'pending'")
        "      AND d.holder = $1"
        "    RETURNING d.lane, d.cause, o.*),"
        " a AS ("
        "    INSERT INTO webhook_attempts ("
        "        id, delivery_id, cause, status_code, duration_ms, answer, error)"
        "    SELECT penstock_uuid7(), d.id,"
        "        CASE WHEN d.cause = 'event' AND tries.before > 0 THEN 'retry' ELSE d.cause END,"
        "        d.status, d.duration_ms, d.answer, d.error"
        "    FROM d"
        "    CROSS JOIN LATERAL ("
        "        SELECT p.tries AS before"
        "        FROM webhook_deliveries p"
        "        WHERE p.id = d.id) tries"
        "    WHERE " WAS_SENT("d") "),"
        " " LANES ","
        " " ENDPOINTS
        " SELECT off.id, off.reason, off.url"
        " FROM off",
    .types = types,
};
/* clang-format on */

static const char *const ends[] = {
    [OUTBOX_DELIVERED] = "delivered", [OUTBOX_FAILED] = "failed",     [OUTBOX_GONE] = "gone",
    [OUTBOX_SKIPPED] = "skipped",     [OUTBOX_RELEASED] = "released",
};

static void write_outcome(struct buf *columns, size_t n, const struct outbox_outcome *outcome)
{
    struct column_row row = column_row(columns, OUTCOME_N, n);

    column_uuid(row, OUTCOME_ID, outcome->id);
    column_text(row, OUTCOME_END, text_of(ends[outcome->end]));
    column_int_if(row, OUTCOME_STATUS, outcome->status);
    column_int(row, OUTCOME_DURATION, outcome->duration_ms);
    column_text(row, OUTCOME_ERROR, outcome->error);
    column_text(row, OUTCOME_ANSWER, outcome->answer);
    column_int(row, OUTCOME_WAIT, outcome->wait_ms);
    column_int_if(row, OUTCOME_LANE_WAIT, outcome->lane_wait_ms);
}

static int read_disabled(struct row *row, void *out, struct error *err)
{
    struct outbox_disabled disabled = {.id = row_uuid(row)};

    disabled.reason = row_text(row);
    disabled.url = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct outbox_disabled *)out = disabled;
    return 0;
}

int outbox_settle(const struct store *store, int64_t holder, const struct outbox_outcome *outcomes,
                  size_t count, struct outbox_disabled_list *out, struct error *err)
{
    static const struct row_kind kind = {read_disabled, sizeof(struct outbox_disabled),
                                         WEBHOOK_MISSING};
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[COLUMNS];
    struct buf columns[COLUMNS];
    struct rows rows;
    int r;

    columns_init(columns, COLUMNS);
    for (size_t i = 0; i < count; i++)
        write_outcome(columns, i, &outcomes[i]);
    columns_values(columns, types, values);
    values[HOLDER] = pg_int(holder);
    r = pg_exec(store->pg, &settle, values, &result, err);
    columns_deinit(columns, COLUMNS);
    if (r == 0)
        r = rows_read(store->arena, &kind, result, NULL, &rows, err);
    if (r == 0)
        *out = (struct outbox_disabled_list){rows.items, rows.count};
    return r;
}
