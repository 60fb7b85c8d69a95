/* Erasing threads
 *
 * Two statements of one transaction. The first locks the threads that nobody uses, and marks them
 * by a time that no other transaction ever sees. The second, with a fresh snapshot, sees all that
 * was written there before, since whoever writes to an idle thread locks its row, and deletes what
 * is marked.
 */

#include "shared/store/fleet/erasures.h"

#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/promotions.h"

#define MARK "'infinity'::timestamptz"
#define KEPT SQL_STRING(THREAD_KEPT_MS) " * interval '1 ms'"

/* Where a run is at work it is looked at again a minute later. */
#define AGAIN "interval '1 minute'"

/* clang-format off */
#define IDLE "t.active_run IS NULL AND " SQL_NOTHING_WAITS("t")

static const struct pg_statement erase_look = {
    .name = "erase_look",
    .sql = "SELECT 1 FROM threads t WHERE t.erase_at <= now() LIMIT 1",
    .types = "",
};

static const struct pg_statement erase_mark_due = {
    .name = "erase_mark_due",
    .sql =
        "WITH l AS MATERIALIZED ("
        "    SELECT t.id, CASE"
        "        WHEN NOT (" IDLE ") THEN now() + " AGAIN
        "        WHEN t.last_used_at > now() - " KEPT " THEN t.last_used_at + " KEPT
        "        ELSE " MARK " END AS erase_at"
        "    FROM threads t"
        "    WHERE t.erase_at <= now()"
        "    ORDER BY t.erase_at"
        "    LIMIT " SQL_STRING(ERASE_BATCH)
        "    FOR UPDATE OF t SKIP LOCKED)"
        " UPDATE threads t"
        " SET erase_at = l.erase_at"
        " FROM l"
        " WHERE t.id = ANY (ARRAY[l.id])"
        " RETURNING 1",
    .types = "",
};

static const struct pg_statement erase_mark = {
    .name = "erase_mark",
    .sql =
        "UPDATE threads t"
        " SET erase_at = " MARK
        " WHERE t.id = $1"
        "   AND " SQL_CHECKED("t.tenant_id = $2 AND t.erase_at IS NOT NULL")
        "   AND " IDLE
        " RETURNING 1",
    .types = "uu",
};

static const struct pg_statement erase_marked = {
    .name = "erase_marked",
    .sql =
        "WITH g AS MATERIALIZED (SELECT t.id FROM threads t WHERE t.erase_at = " MARK "),"
        " gone AS ("
        "    DELETE FROM runs r USING g WHERE r.thread_id = ANY (ARRAY[g.id]) RETURNING r.id),"
        " s AS (DELETE FROM run_steps s USING gone WHERE s.run_id = ANY (ARRAY[gone.id])),"
        " c AS (DELETE FROM tool_calls c USING gone WHERE c.run_id = ANY (ARRAY[gone.id])),"
        " m AS (DELETE FROM messages m USING g WHERE m.thread_id = ANY (ARRAY[g.id])),"
        " i AS (DELETE FROM thread_inputs i USING g WHERE i.thread_id = ANY (ARRAY[g.id]))"
        " DELETE FROM threads t"
        " USING g"
        " WHERE t.id = ANY (ARRAY[g.id])"
        " RETURNING 1",
    .types = "",
};
/* clang-format on */

/* *out_marked, *out_erased: how many the two statements touched. */
static int erase(struct pg *pg, const struct pg_query *mark, int *out_marked, int *out_erased,
                 struct error *err)
{
    const struct pg_query queries[2] = {*mark, {&erase_marked, NULL}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    *out_marked = pg_rows(results[0]);
    *out_erased = pg_rows(results[1]);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return 0;
}

int threads_erase(const struct store *store, struct uuid thread, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(thread), pg_uuid(store->tenant)};
    int marked;
    int erased;
    int r = erase(store->pg, &(struct pg_query){&erase_mark, values}, &marked, &erased, err);

    if (r < 0 || erased > 0)
        return r;
    r = thread_look(store, thread, -1, NULL, err);
    return r == 0 ? THREAD_MISSING : r;
}

int threads_erase_due(struct pg *pg, int64_t *out_erased, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *due = NULL;
    int marked = 0;
    int erased = 0;
    int r = pg_exec(pg, &erase_look, NULL, &due, err);

    if (r == 0 && pg_rows(due) > 0)
        r = erase(pg, &(struct pg_query){&erase_mark_due, NULL}, &marked, &erased, err);
    if (r < 0)
        return r;
    *out_erased = erased;
    *out_more = marked == ERASE_BATCH;
    return 0;
}
