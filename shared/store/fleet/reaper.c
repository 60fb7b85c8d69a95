/* Sweeping
 *
 * Declaring workers dead and taking their runs are two statements, since the parts of one statement
 * all see the workers as they were before. The second looks at the owners of runs under way (a
 * loose index scan: one probe per owner, however many runs) and takes those who are not alive; so
 * it also finds runs that a worker claimed in the very moment it was declared dead, and those whose
 * owner's row is gone. Every statement raises the fence of what it takes away, so that a worker
 * that only seemed dead can't write any more. Rows that somebody else is at are left for the next
 * sweep.
 */

#include "shared/store/fleet/reaper.h"

#include "shared/store/rows.h"
#include "shared/store/runs/open_calls.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/threads/promotions.h"

#define LAPSED "w.lease_until < now()"
#define LATE   "w.renewed_at < now() - (w.lease_until - w.renewed_at) / 2"
#define BACK   "w.back_at > now() - interval '10 s'"
#define MANY   "(n.shaken > 2 AND n.shaken * 10 > n.alive * 3)"

/* A lease that lapses is seen at that moment, the others' an instant or a beat later: so those who
 * are late count, and are spared, too. A worker is spared once for each lease that lapses. The
 * conditions on spared_until stand in the WHERE of the updates, where Postgres checks them again on
 * a row that another scheduler has just changed. alive counts all who are not dead. */
/* clang-format off */
static const struct pg_statement reap_workers = {
    .name = "reap_workers",
    .sql =
        "WITH n AS MATERIALIZED ("
        "    SELECT count(*) AS alive,"
        "        count(*) FILTER (WHERE " LAPSED ") AS lapsed,"
        "        count(*) FILTER (WHERE " LAPSED " OR " LATE " OR " BACK ") AS shaken"
        "    FROM workers w"
        "    WHERE w.state <> 'dead'),"
        " s AS ("
        "    UPDATE workers w"
        "    SET spared_until = now() + interval '10 s'"
        "    FROM n"
        "    WHERE w.state <> 'dead'"
        "      AND (" LAPSED " OR " LATE ")"
        "      AND w.spared_until IS NULL"
        "      AND " MANY "),"
        " d AS ("
        "    UPDATE workers w"
        "    SET state = 'dead'"
        "    FROM n"
        "    WHERE w.state <> 'dead'"
        "      AND " LAPSED
        "      AND (w.spared_until < now() OR (w.spared_until IS NULL AND NOT " MANY "))"
        "      AND extract(epoch FROM now()) * 1000 <= $1"
        "    RETURNING w.worker_id, w.host, w.pid)"
        " SELECT n.lapsed, d.dead, d.names"
        " FROM n, (SELECT count(*) AS dead, " SQL_WORKER_NAMES("d") " AS names FROM d) d",
    .types = "i",
};

#define GIVEN_UP "r.status <> 'cancelling' AND r.crashes + 1 >= " SQL_STRING(CRASHES_MAX)

#define AFTER_A_CRASH \
    "CASE WHEN r.status = 'cancelling' THEN 'cancelled' WHEN " GIVEN_UP " THEN 'failed'" \
    "     ELSE 'queued' END"

#define GIVEN_UP_ERROR \
    "CASE WHEN l.becomes = 'failed' THEN jsonb_build_object('code', 'server_error', 'message'," \
    "    'The run was given up after its workers failed ' || r.crashes + 1 || ' times.') END"

/* After its first crash a run keeps its place, before those that came later; after the second it
 * waits up to 1 s: a run that kills its workers shall not take the next one at once. */
#define DUE_AGAIN "CASE WHEN r.crashes = 0 THEN r.due_at ELSE now() + random() * interval '1 s' END"

/* The owners of runs under way, and of them those who are not alive. */
#define LOST_OWNERS \
    "o (owner) AS (" \
    "    (SELECT owner" \
    "     FROM runs" \
    "     WHERE status IN ('in_progress', 'cancelling')" \
    "       AND owner IS NOT NULL" \
    "     ORDER BY owner" \
    "     LIMIT 1)" \
    "    UNION ALL" \
    "    SELECT (" \
    "        SELECT r.owner" \
    "        FROM runs r" \
    "        WHERE r.status IN ('in_progress', 'cancelling')" \
    "          AND r.owner > o.owner" \
    "        ORDER BY r.owner" \
    "        LIMIT 1)" \
    "    FROM o" \
    "    WHERE o.owner IS NOT NULL)," \
    " lost AS MATERIALIZED (" \
    "    SELECT o.owner" \
    "    FROM o" \
    "    WHERE o.owner IS NOT NULL" \
    "      AND NOT EXISTS (" \
    "          SELECT 1" \
    "          FROM workers w" \
    "          WHERE w.worker_id = o.owner" \
    "            AND w.state <> 'dead'))"

static const struct pg_statement reap_runs = {
    .name = "reap_runs",
    .sql =
        "WITH RECURSIVE " LOST_OWNERS ","
        " l AS MATERIALIZED ("
        "    SELECT r.id, r.thread_id, " AFTER_A_CRASH " AS becomes"
        "    FROM lost o"
        "    JOIN runs r ON r.owner = o.owner"
        "    WHERE r.status IN ('in_progress', 'cancelling')"
        "    LIMIT " SQL_STRING(REAPER_BATCH_RUNS)
        "    FOR UPDATE OF r SKIP LOCKED),"
        " " SQL_LOCK_ENDING("l") ","
        " u AS ("
        "    UPDATE runs r"
        "    SET fence = r.fence + 1, owner = NULL, crashes = r.crashes + 1,"
        "        due_at = " DUE_AGAIN ","
        "        " SQL_BECOMES("l.becomes", GIVEN_UP_ERROR) ","
        "        " SQL_WAITS_NO_MORE
        "    FROM l"
        "    WHERE r.id = l.id"
        "      AND r.status IN ('in_progress', 'cancelling')"
        "      AND " SQL_MAY_BECOME("l")
        "    RETURNING " ENDED_COLUMNS("r") "),"
        " ended AS ("
        "    SELECT *"
        "    FROM u"
        "    WHERE " SQL_IS_END("status") "),"
        " " SQL_AFTER_END("ended", "")
        " SELECT id, status"
        " FROM u",
    .types = "",
};

/* What people are told of a run that had calls open. */
#define EXPIRED_ERROR \
    "CASE WHEN r.wait_kind = 'budget' THEN jsonb_build_object('code', 'wait_expired', 'message'," \
    "    'The run expired while it waited for its budget.')" \
    " WHEN r.open_calls > 0 THEN jsonb_build_object('code', 'wait_expired', 'message'," \
    "    CASE r.status WHEN 'requires_action'" \
    "        THEN 'The run expired while it waited for ' || CASE WHEN jsonb_path_exists(" \
    "                r.required_action, '$.submit_tool_outputs.tool_calls[*].approval')" \
    "            THEN 'an approval.' ELSE 'the outputs of its tool calls.' END" \
    "        ELSE 'The run expired while it waited.' END) END"

/* `s` is the run as this statement's snapshot has it, `r` as it was locked: one that was promoted
 * in between is left for the next sweep, since the snapshot does not show yet that it holds the
 * thread which must be released. */
static const struct pg_statement reap_expired = {
    .name = "reap_expired",
    .sql =
        "WITH l AS MATERIALIZED ("
        "    SELECT r.id, r.thread_id, 'expired' AS becomes"
        "    FROM runs r"
        "    JOIN runs s ON s.id = r.id"
        "      AND s.held IS NOT DISTINCT FROM r.held"
        "    WHERE r.expires_at < now()"
        "      AND r.status IN ('queued', 'in_progress', 'requires_action', 'cancelling')"
        "      AND (r.status IN ('queued', 'requires_action')"
        "          OR r.expires_at < now() - interval '10 s')"
        "    ORDER BY r.expires_at"
        "    LIMIT " SQL_STRING(REAPER_BATCH_RUNS)
        "    FOR UPDATE OF r SKIP LOCKED),"
        " " SQL_LOCK_ENDING("l") ","
        " ended AS ("
        "    UPDATE runs r"
        "    SET fence = r.fence + 1,"
        "        " SQL_BECOMES("l.becomes", EXPIRED_ERROR) ","
        "        " SQL_WAITS_NO_MORE
        "    FROM l"
        "    WHERE r.id = l.id"
        "      AND " SQL_MAY_BECOME("l")
        "    RETURNING " ENDED_COLUMNS("r") "),"
        " " SQL_AFTER_END("ended", "")
        " SELECT id"
        " FROM ended",
    .types = "",
};

static const struct pg_statement reap_rows = {
    .name = "reap_rows",
    .sql =
        "WITH w AS ("
        "    DELETE FROM workers"
        "    WHERE state = 'dead'"
        "      AND lease_until < now() - interval '1 hour'"
        "    RETURNING 1),"
        " k AS ("
        "    DELETE FROM idempotency_keys"
        "    WHERE (tenant_id, key) IN ("
        "        SELECT tenant_id, key"
        "        FROM idempotency_keys"
        "        WHERE created_at < now() - interval '1 day'"
        "        ORDER BY created_at"
        "        LIMIT 10000"
        "        FOR UPDATE SKIP LOCKED)"
        "    RETURNING 1),"
        " t AS ("
        "    DELETE FROM tickets"
        "    WHERE hash IN ("
        "        SELECT hash"
        "        FROM tickets"
        "        WHERE expires_at < now() - interval '1 minute'"
        "        ORDER BY expires_at"
        "        LIMIT 10000"
        "        FOR UPDATE SKIP LOCKED)"
        "    RETURNING 1)"
        " SELECT (SELECT count(*) FROM w) + (SELECT count(*) FROM k) + (SELECT count(*) FROM t)",
    .types = "",
};
/* clang-format on */

int reaper_declare_lapsed(struct pg *pg, int64_t judge_until_wall_ms, struct dead_workers *out_dead,
                          bool *out_paused, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(judge_until_wall_ms)};
    int r;

    r = pg_exec(pg, &reap_workers, values, &result, err);
    if (r < 0)
        return r;
    dead_workers_read(result, 1, out_dead);
    *out_paused = pg_get_int(result, 0, 0) > out_dead->count;
    return 0;
}

static void tell(const struct reaper_listener *listener, struct uuid run)
{
    if (listener && listener->ended)
        listener->ended(run, listener->arg);
}

/* Of dead workers: what was ended is told, the rest is given back. */
static void note_reaped(const struct pg_result *runs, const struct reaper_listener *listener,
                        struct reaper_report *out)
{
    for (int row = 0; row < pg_rows(runs); row++) {
        struct text status = pg_get_text(runs, row, 1);

        if (text_is(status, "queued")) {
            out->requeued++;
            continue;
        }
        out->failed += text_is(status, "failed");
        out->cancelled += text_is(status, "cancelled");
        tell(listener, pg_get_uuid(runs, row, 0));
    }
}

int reaper_sweep(struct pg *pg, const struct reaper_listener *listener, struct reaper_report *out,
                 struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *runs = NULL;
    CLEANUP(pg_result_freep) struct pg_result *expired = NULL;
    CLEANUP(pg_result_freep) struct pg_result *promoted = NULL;
    CLEANUP(pg_result_freep) struct pg_result *rows = NULL;
    bool more = false;
    int r;

    *out = (struct reaper_report){0};
    r = pg_exec(pg, &reap_runs, NULL, &runs, err);
    if (r < 0)
        return r;
    out->more = pg_rows(runs) == REAPER_BATCH_RUNS;
    note_reaped(runs, listener, out);

    r = pg_exec(pg, &reap_expired, NULL, &expired, err);
    if (r < 0)
        return r;
    out->expired = pg_rows(expired);
    for (int row = 0; row < pg_rows(expired); row++)
        tell(listener, pg_get_uuid(expired, row, 0));
    out->more = out->more || out->expired == REAPER_BATCH_RUNS;

    r = open_calls_sweep(pg, &out->settled, &more, err);
    if (r < 0)
        return r;
    out->more = out->more || more;

    r = pg_exec(pg, &promote_all, NULL, &promoted, err);
    if (r < 0)
        return r;
    out->promoted = pg_rows(promoted);
    out->more = out->more || out->promoted == PROMOTE_BATCH;

    r = pg_exec(pg, &reap_rows, NULL, &rows, err);
    if (r < 0)
        return r;
    out->rows_deleted = pg_get_int(rows, 0, 0);
    return 0;
}
