/* Steps of a pass
 *
 * What a step deletes it finds itself. A row is found by its index, one by one ("= ANY
 * (ARRAY[…])"), whatever the tables are thought to hold when the statement is planned.
 */

#include "shared/store/retention/sweeps.h"

#include "shared/store/retention/due_rows.h"

/* clang-format off */
static const struct pg_statement hold = {
    .name = "retention_hold",
    .sql =
        "WITH u AS ("
        "    UPDATE retention_state s"
        "    SET owner = $1, lease_until = now() + " SECONDS(SQL_STRING(RETENTION_LEASE_S)) ","
        "        began_at = CASE WHEN $2 < 0 THEN s.began_at ELSE now() END"
        "    WHERE s.id = 1"
        "      AND CASE WHEN $2 < 0 THEN s.owner = $1"
        "          ELSE (s.owner IS NULL OR s.lease_until < now())"
        "              AND s.done_to <= now() - $2 * interval '1 ms' END"
        "    RETURNING 1)"
        " SELECT EXISTS (SELECT 1 FROM u), " SQL_SECONDS("now() - s.done_to")
        " FROM retention_state s",
    .types = "ii",
};

static const struct pg_statement release = {
    .name = "retention_release",
    .sql =
        "UPDATE retention_state"
        " SET owner = NULL, lease_until = 'epoch', done_to = began_at, began_at = NULL"
        " WHERE owner = $1",
    .types = "i",
};

#define THAT_GO(table) \
    "(SELECT count(*) FROM " table " o WHERE o.retention ->> 'action' <> 'keep')"

static const struct pg_statement state = {
    .name = "retention_state",
    .sql =
        "SELECT " THAT_GO("tenants") " + " THAT_GO("agents") " + " THAT_GO("schedules") ","
        "    " SQL_SECONDS("now() - s.done_to")
        " FROM retention_state s",
    .types = "",
};

#define POLICIES_OF(table) \
    "SELECT o.retention FROM " table " o WHERE o.tenant_id = t.id AND o.retention IS NOT NULL"

static const struct pg_statement next_tenant = {
    .name = "retention_next_tenant",
    .sql =
        "SELECT t.id,"
        "    least((t.retention ->> 'after')::int8, a.after_s, s.after_s),"
        "    least(penstock_delete_after(t.retention), a.delete_s, s.delete_s),"
        "    penstock_delete_after(t.retention)"
        " FROM tenants t"
        " CROSS JOIN LATERAL ("
        "    SELECT count(*) AS policies, min((p.retention ->> 'after')::int8) AS after_s,"
        "        min(penstock_delete_after(p.retention)) AS delete_s"
        "    FROM (" POLICIES_OF("agents") ") p) a"
        " CROSS JOIN LATERAL ("
        "    SELECT count(*) AS policies, min((p.retention ->> 'after')::int8) AS after_s,"
        "        min(penstock_delete_after(p.retention)) AS delete_s"
        "    FROM (" POLICIES_OF("schedules") ") p) s"
        " WHERE t.id > $1"
        "   AND (t.retention IS NOT NULL OR a.policies > 0 OR s.policies > 0)"
        " ORDER BY t.id"
        " LIMIT 1",
    .types = "u",
};

/* Whoever lost the turn leaves the rest to its new owner. */
#define HELD "EXISTS (SELECT 1 FROM retention_state s WHERE s.id = 1 AND s.owner = $6)"

#define SWEEP_THREADS(hidden) \
    "WITH " DUE_THREADS(hidden) "," \
    " g AS MATERIALIZED (" \
    "    SELECT t.id, d.goes" \
    "    FROM d" \
    "    JOIN threads t ON t.id = ANY (ARRAY[d.id])" \
    "    WHERE (d.goes OR d.stored)" \
    "      AND " HELD \
    "      AND " IS_FREE_THREAD \
    "    FOR UPDATE OF t SKIP LOCKED)," \
    " gone AS (" \
    "    DELETE FROM runs r" \
    "    USING g" \
    "    WHERE g.goes" \
    "      AND r.thread_id = ANY (ARRAY[g.id])" \
    "    RETURNING r.id)," \
    " s AS (DELETE FROM run_steps s USING gone WHERE s.run_id = ANY (ARRAY[gone.id]))," \
    " k AS (DELETE FROM tool_calls k USING gone WHERE k.run_id = ANY (ARRAY[gone.id]))," \
    " m AS (DELETE FROM messages m USING g WHERE g.goes AND m.thread_id = ANY (ARRAY[g.id]))," \
    " i AS (" \
    "    DELETE FROM thread_inputs i USING g WHERE g.goes AND i.thread_id = ANY (ARRAY[g.id]))," \
    " x AS (" \
    "    DELETE FROM threads t USING g WHERE g.goes AND t.id = ANY (ARRAY[g.id]) RETURNING 1)," \
    " a AS (" \
    "    UPDATE threads t" \
    "    SET archived_at = now(), active = false" \
    "    FROM g" \
    "    WHERE NOT g.goes" \
    "      AND t.id = ANY (ARRAY[g.id])" \
    "    RETURNING 1)" \
    " SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM a), (SELECT count(*) FROM gone)," \
    "    (SELECT count(*) FROM c) = $4 OR (SELECT count(*) FROM d) < (SELECT count(*) FROM c)," \
    "    d.used_hour, d.id" \
    " FROM d" \
    " ORDER BY d.used_hour DESC, d.id DESC" \
    " LIMIT 1"

static const struct pg_statement sweep_threads = {
    .name = "retention_threads",
    .sql = SWEEP_THREADS("NOT t.hidden"),
    .types = "uiuiii",
};

static const struct pg_statement sweep_hidden = {
    .name = "retention_hidden",
    .sql = SWEEP_THREADS("t.hidden"),
    .types = "uiuiii",
};

static const struct pg_statement sweep_runs = {
    .name = "retention_runs",
    .sql =
        "WITH " DUE_RUNS ","
        " g AS MATERIALIZED ("
        "    SELECT r.id"
        "    FROM d"
        "    JOIN runs r ON r.id = ANY (ARRAY[d.id])"
        "    WHERE " HELD
        "      AND " IS_FREE_RUN
        "      AND " IS_NOT_LAST_RUN
        "    FOR UPDATE OF r SKIP LOCKED),"
        " s AS (DELETE FROM run_steps s USING g WHERE s.run_id = ANY (ARRAY[g.id])),"
        " k AS (DELETE FROM tool_calls k USING g WHERE k.run_id = ANY (ARRAY[g.id])),"
        " x AS (DELETE FROM runs r USING g WHERE r.id = ANY (ARRAY[g.id]) RETURNING 1)"
        " SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM d) = $4, d.id"
        " FROM d"
        " ORDER BY d.id DESC"
        " LIMIT 1",
    .types = "uiuiui",
};

static const struct pg_statement sweep_batches = {
    .name = "retention_batches",
    .sql =
        "DELETE FROM batches b"
        " WHERE b.id = ANY (ARRAY(" DUE_BATCHES("$3") " FOR UPDATE SKIP LOCKED))"
        " RETURNING 1",
    .types = "uui",
};

/* Their ids are by clocks of schedulers, which may be wrong: how old they are says the database. */
static const struct pg_statement sweep_firings = {
    .name = "retention_firings",
    .sql =
        "WITH c AS MATERIALIZED ("
        "    SELECT f.schedule_id, f.id,"
        "        f.state IN ('ended', 'skipped', 'missed', 'failed') AND NOT f.tell"
        "            AND f.created_at < now() - $5 * interval '1 day' AS over"
        "    FROM schedule_firings f"
        "    WHERE f.id > $1"
        "      AND f.id < $2"
        "    ORDER BY f.id"
        "    LIMIT $3),"
        " g AS MATERIALIZED ("
        "    SELECT f.schedule_id, f.id"
        "    FROM c"
        "    JOIN schedule_firings f ON f.id = ANY (ARRAY[c.id]) AND f.schedule_id = c.schedule_id"
        "    WHERE c.over"
        "      AND EXISTS (SELECT 1 FROM retention_state s WHERE s.id = 1 AND s.owner = $4)"
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM schedules s"
        "          WHERE s.id = c.schedule_id"
        "            AND " SQL_CHECKED("s.last_run = c.id OR s.last_completed = c.id"
                                       " OR s.retention IS NOT NULL"
                                       " AND EXISTS (SELECT 1 FROM runs r WHERE r.id = c.id)") ")"
        "    FOR UPDATE OF f SKIP LOCKED),"
        " x AS ("
        "    DELETE FROM schedule_firings f"
        "    USING g"
        "    WHERE f.schedule_id = g.schedule_id"
        "      AND f.id = ANY (ARRAY[g.id])"
        "    RETURNING 1)"
        " SELECT (SELECT count(*) FROM x), (SELECT count(*) FROM c) = $3, c.id"
        " FROM c"
        " ORDER BY c.id DESC"
        " LIMIT 1",
    .types = "uuiii",
};
/* clang-format on */

int retention_hold(struct pg *pg, int64_t owner, int64_t pause_ms, struct retention_turn *out,
                   struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_int(owner), pg_int(pause_ms)};
    int r = pg_exec(pg, &hold, values, &result, err);

    if (r == 0)
        *out = (struct retention_turn){pg_get_bool(result, 0, 0), pg_get_int(result, 0, 1)};
    return r;
}

int retention_release(struct pg *pg, int64_t owner, struct error *err)
{
    struct pg_value value = pg_int(owner);

    return pg_exec(pg, &release, &value, NULL, err);
}

int retention_state(struct pg *pg, struct retention_state *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &state, NULL, &result, err);

    if (r == 0)
        *out = (struct retention_state){pg_get_int(result, 0, 0), pg_get_int(result, 0, 1)};
    return r;
}

static int64_t seconds_or_never(const struct pg_result *result, int column)
{
    return pg_is_null(result, 0, column) ? -1 : pg_get_int(result, 0, column);
}

int retention_next_tenant(struct pg *pg, struct uuid after, struct retention_tenant *out,
                          struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value value = pg_uuid(after);
    int r = pg_exec(pg, &next_tenant, &value, &result, err);

    if (r < 0)
        return r;
    *out = (struct retention_tenant){.after_s = -1, .delete_s = -1};
    if (pg_rows(result) == 0)
        return 0;
    out->id = pg_get_uuid(result, 0, 0);
    out->after_s = seconds_or_never(result, 1);
    out->delete_s = seconds_or_never(result, 2);
    out->own_delete_s = seconds_or_never(result, 3);
    return 0;
}

int retention_threads(struct pg *pg, const struct retention_step *step, bool hidden,
                      struct retention_cursor *cursor, struct retention_swept *out,
                      struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[DUE_VALUES + 1];
    int r;

    due_thread_values(step->tenant, cursor, step->rows, values);
    values[DUE_VALUES] = pg_int(step->owner);
    r = pg_exec(pg, hidden ? &sweep_hidden : &sweep_threads, values, &result, err);
    if (r < 0)
        return r;
    *out = (struct retention_swept){.more = false};
    if (pg_rows(result) == 0)
        return 0;
    out->threads_deleted = pg_get_int(result, 0, 0);
    out->threads_archived = pg_get_int(result, 0, 1);
    out->runs_deleted = pg_get_int(result, 0, 2);
    out->more = pg_get_bool(result, 0, 3);
    cursor->hour = pg_get_int(result, 0, 4);
    cursor->id = pg_get_uuid(result, 0, 5);
    return 0;
}

int retention_runs(struct pg *pg, const struct retention_step *step,
                   struct retention_cursor *cursor, struct retention_swept *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[DUE_VALUES + 1];
    int r;

    due_run_values(step->tenant, cursor, step->rows, values);
    values[DUE_VALUES] = pg_int(step->owner);
    r = pg_exec(pg, &sweep_runs, values, &result, err);
    if (r < 0)
        return r;
    *out = (struct retention_swept){.more = false};
    if (pg_rows(result) == 0)
        return 0;
    out->runs_deleted = pg_get_int(result, 0, 0);
    out->more = pg_get_bool(result, 0, 1);
    cursor->id = pg_get_uuid(result, 0, 2);
    return 0;
}

int retention_batches(struct pg *pg, const struct retention_step *step, int64_t *out_count,
                      bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int64_t delete_s = step->tenant->own_delete_s;
    struct pg_value values[3] = {pg_uuid(step->tenant->id), pg_uuid(due_id(delete_s)),
                                 pg_int(step->rows)};
    int r;

    ASSERT(delete_s >= 0);
    r = pg_exec(pg, &sweep_batches, values, &result, err);
    if (r < 0)
        return r;
    *out_count = pg_rows(result);
    *out_more = pg_rows(result) == step->rows;
    return 0;
}

int retention_firings(struct pg *pg, int64_t owner, int64_t days, int64_t rows,
                      struct retention_cursor *cursor, int64_t *out_count, bool *out_more,
                      struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[5] = {pg_uuid(cursor->id), pg_uuid(due_id(days * 86400)), pg_int(rows),
                                 pg_int(owner), pg_int(days)};
    int r = pg_exec(pg, &sweep_firings, values, &result, err);

    if (r < 0)
        return r;
    *out_count = 0;
    *out_more = false;
    if (pg_rows(result) == 0)
        return 0;
    *out_count = pg_get_int(result, 0, 0);
    *out_more = pg_get_bool(result, 0, 1);
    cursor->id = pg_get_uuid(result, 0, 2);
    return 0;
}
