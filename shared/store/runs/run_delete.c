/* Deleting a run
 *
 * Locks as everywhere: the run, then its thread, each by a statement of its own, so that the one
 * that deletes sees all that was written before. The last one looks whether a hidden thread has a
 * run left.
 */

#include "shared/store/rows.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/summaries/summary_rows.h"

/* clang-format off */
static const struct pg_statement delete_look = {
    .name = "run_delete_look",
    .sql = "SELECT r.thread_id, " SQL_IS_END("r.status") " FROM runs r WHERE " SQL_THIS_RUN,
    .types = "uuu",
};

static const struct pg_statement delete_lock_thread = {
    .name = "run_delete_lock_thread",
    .sql =
        "SELECT 1 FROM threads t WHERE t.id = $3 AND t.tenant_id = $2 AND " SQL_UNUSED_ID("$1")
        " FOR UPDATE",
    .types = "uuu",
};

/* $1 the run, $2 its tenant, $3 its thread, in all statements. */
#define ITS_MESSAGES \
    "m.thread_id = $3 AND " SQL_CHECKED("m.run_id = $1 OR m.submitted_with = $1")

/* k: whether its messages go with it. */
static const struct pg_statement run_delete = {
    .name = "run_delete",
    .sql =
        "WITH r AS ("
        "    DELETE FROM runs r"
        "    WHERE " SQL_THIS_RUN
        "      AND " SQL_CHECKED(SQL_IS_END("r.status"))
        "    RETURNING r.id),"
        " s AS (DELETE FROM run_steps s USING r WHERE s.run_id = ANY (ARRAY[r.id])),"
        " c AS (DELETE FROM tool_calls c USING r WHERE c.run_id = ANY (ARRAY[r.id])),"
        " k AS MATERIALIZED ("
        "    SELECT t.hidden AND t.active_run IS NULL AND coalesce(("
        "        SELECT m.run_id IS NOT DISTINCT FROM r.id"
        "            OR m.submitted_with IS NOT DISTINCT FROM r.id"
        "        FROM messages m"
        "        WHERE m.thread_id = t.id"
        "        ORDER BY m.position DESC"
        "        LIMIT 1), false) AS goes"
        "    FROM r"
        "    JOIN threads t ON t.id = $3),"
        " d AS ("
        "    DELETE FROM messages m"
        "    USING k"
        "    WHERE k.goes"
        "      AND " ITS_MESSAGES
        "    RETURNING m.thread_id, m.position, m.bytes, m.token_count),"
        " z AS (" SQL_SUMMARY_FORGET("d") "),"
        " u AS ("
        "    UPDATE messages m"
        "    SET run_id = NULL, seq = NULL, submitted_with = NULL"
        "    FROM k"
        "    WHERE NOT k.goes"
        "      AND " ITS_MESSAGES "),"
        " n AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count - d.messages,"
        "        total_bytes = t.total_bytes - d.bytes, token_count = t.token_count - d.tokens"
        "    FROM ("
        "        SELECT count(*) AS messages, sum(d.bytes)::int8 AS bytes,"
        "            sum(d.token_count)::int8 AS tokens"
        "        FROM d"
        "        HAVING count(*) > 0) d"
        "    WHERE t.id = $3)"
        " SELECT 1"
        " FROM r",
    .types = "uuu",
};

static const struct pg_statement delete_bare_thread = {
    .name = "run_delete_bare_thread",
    .sql =
        "WITH g AS MATERIALIZED ("
        "    SELECT t.id"
        "    FROM threads t"
        "    WHERE t.id = $3"
        "      AND " SQL_CHECKED("t.tenant_id = $2 AND t.hidden")
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM runs r"
        "          WHERE r.thread_id = $3"
        "            AND " SQL_CHECKED("r.kind <> 'memory'") ")"
        "      AND " SQL_UNUSED_ID("$1") "),"
        " m AS (DELETE FROM messages m USING g WHERE m.thread_id = ANY (ARRAY[g.id])),"
        " i AS (DELETE FROM thread_inputs i USING g WHERE i.thread_id = ANY (ARRAY[g.id])),"
        " b AS ("
        "    DELETE FROM runs r"
        "    USING g"
        "    WHERE r.thread_id = ANY (ARRAY[g.id])"
        "    RETURNING r.id),"
        " s AS (DELETE FROM run_steps s USING b WHERE s.run_id = ANY (ARRAY[b.id]))"
        " DELETE FROM threads t"
        " USING g"
        " WHERE t.id = ANY (ARRAY[g.id])"
        " RETURNING 1",
    .types = "uuu",
};
/* clang-format on */

/* Returns 0 with the thread, RUN_MISSING or RUN_UNFIT. */
static int look(const struct store *store, struct uuid id, struct uuid *out_thread,
                struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), pg_null()};
    int r = pg_exec(store->pg, &delete_look, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return RUN_MISSING;
    *out_thread = pg_get_uuid(result, 0, 0);
    return pg_get_bool(result, 0, 1) ? 0 : RUN_UNFIT;
}

int runs_delete(const struct store *store, struct uuid id, struct run_gone *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant)};
    const struct pg_query queries[4] = {{&run_lock, values},
                                        {&delete_lock_thread, values},
                                        {&run_delete, values},
                                        {&delete_bare_thread, values}};
    struct pg_result *results[4] = {NULL};
    struct run_gone gone;
    bool deleted;
    int r = look(store, id, &gone.thread, err);

    if (r != 0)
        return r;
    values[2] = value_uuid_or_null(gone.thread);
    r = pg_exec_all(store->pg, queries, 4, results, err);
    if (r < 0)
        return r;
    deleted = pg_rows(results[2]) > 0;
    gone.with_thread = pg_rows(results[3]) > 0;
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    if (!deleted) { /* it was redriven or deleted meanwhile */
        r = look(store, id, &gone.thread, err);
        return r == 0 ? error_set(err, E_UNAVAILABLE, "the run changes too fast; try again") : r;
    }
    *out = gone;
    return 0;
}
