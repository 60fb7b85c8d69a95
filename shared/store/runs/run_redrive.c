/* Redriving a run: one that failed or expired is tried again
 *
 * The run becomes a held one, and the promotion that follows makes it the active one; so a run that
 * expired while it was held brings its messages along. It goes on where it stopped: its messages
 * and the results of its calls are stored, and the step that was closed when it ended is opened
 * again. Its fence is raised, so a worker that had the run before can't write. The time until it
 * expires begins anew.
 *
 * Locks: first the run, which no worker has, and then its thread.
 */

#include "shared/store/runs/run_ends.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/promotions.h"

/* clang-format off */
static const struct pg_statement redrive_lock_thread = {
    .name = "redrive_lock_thread",
    .sql =
        "SELECT 1"
        " FROM threads t"
        " JOIN runs r ON r.thread_id = t.id"
        " WHERE " SQL_THIS_RUN
        " FOR NO KEY UPDATE OF t",
    .types = "uuu",
};

/* $4: in how many milliseconds the run expires. */
static const struct pg_statement redrive = {
    .name = "redrive",
    .sql =
        "WITH r AS ("
        "    UPDATE runs r"
        "    SET status = 'queued', fence = r.fence + 1, owner = NULL, crashes = 0, errors = 0,"
        "        last_error = NULL, failed_at = NULL, started_at = NULL,"
        "        " SQL_WAITS_NO_MORE ", open_calls = 0, parked_ms = NULL,"
        "        held = nextval('run_places'), due_at = now(),"
        "        expires_at = now() + $4 * interval '1 ms', updated_at = now()"
        "    FROM threads t"
        "    WHERE " SQL_THIS_RUN
        "      AND t.id = r.thread_id"
        "      AND t.active_run IS NULL"
        "      AND r.status IN ('failed', 'expired')"
        "      AND r.kind = 'agent'"
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM runs h"
        "          WHERE h.thread_id = t.id"
        "            AND h.status = 'queued'"
        "            AND h.held IS NOT NULL)"
        "    RETURNING r.id),"
        " s AS ("
        "    UPDATE run_steps s"
        "    SET status = 'in_progress', ended_at = NULL, last_error = NULL"
        "    FROM r"
        "    WHERE s.run_id = r.id"
        "      AND s.status IN ('failed', 'expired')"
        "      AND s.seq = (SELECT max(o.seq) FROM run_steps o WHERE o.run_id = r.id))"
        " SELECT 1"
        " FROM r",
    .types = "uuui",
};
/* clang-format on */

/* clang-format off */
static const struct pg_statement redrive_look = {
    .name = "redrive_look",
    .sql =
        "SELECT " RUN_COLUMNS ", t.active_run"
        " FROM runs r"
        " LEFT JOIN threads t ON t.id = r.thread_id"
        " WHERE " SQL_THIS_RUN,
    .types = "uuu",
};
/* clang-format on */

#define ATTEMPTS 5

/* What became of the redrive, told from the run as it is now. 0: it was redriven, or nothing is in
 * the way any more. */
static int judge(const struct store *store, const struct pg_result *result, bool redriven,
                 struct run *out, struct uuid *out_active, struct error *err)
{
    struct row row;
    struct run now;
    struct uuid active;
    int r;

    if (pg_rows(result) == 0)
        return RUN_MISSING;
    row = row_at(result, 0, store->arena);
    r = run_read(&row, &now, err);
    if (r < 0)
        return r;
    active = row_uuid(&row);
    *out = now;
    if (redriven)
        return 0;
    if ((now.status != RUN_FAILED && now.status != RUN_EXPIRED) || !text_is(now.kind, "agent"))
        return RUN_UNFIT;
    if (uuid_is_zero(active))
        return 0;
    *out_active = active;
    return THREAD_BUSY;
}

int runs_redrive(const struct store *store, struct uuid thread, struct uuid id,
                 int64_t expires_in_ms, struct run *out, struct uuid *out_active, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread),
                                 pg_int(expires_in_ms)};
    const struct pg_query queries[5] = {{&run_lock, values},
                                        {&redrive_lock_thread, values},
                                        {&redrive, values},
                                        {&promote_beside, values},
                                        {&redrive_look, values}};

    ASSERT(expires_in_ms > 0);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct pg_result *results[5] = {NULL};
        bool redriven;
        int r = pg_exec_all(store->pg, queries, 5, results, err);

        if (r < 0)
            return r;
        redriven = pg_rows(results[2]) > 0;
        r = judge(store, results[4], redriven, out, out_active, err);
        for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
            pg_result_free(results[i]);
        if (r != 0 || redriven)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}
