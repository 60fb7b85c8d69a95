#pragma once
/* Inside the store: held runs, which wait behind the active run of their thread, get their turn.
 *
 * A run with `held` set is queued but not ready. When its thread is idle, the held run with the
 * least `held` is promoted: it becomes the active run, the messages of its rolls_back leave the
 * thread, those of its `input` (as drafts_encode writes them) join it in their order, and it is due
 * at once. What it has used (a run that is tried again has used something) leaves the sums of the
 * thread: it joins them when the run ends.
 *
 * What releases a thread promotes right after it: in the same transaction, by a statement of its
 * own. The snapshot of that statement is newer, so it sees the runs that were held until the row of
 * the thread was locked. The parts of one statement would not see them.
 *
 *     struct pg_query queries[2] = {{&run_cancel, …}, {&promote_behind, ids}};
 *     pg_exec_all(pg, queries, 2, …)
 *
 * A promotion does not wait for rows that somebody else has locked. What it leaves out for this
 * reason is promoted by the reaper's sweep, every second.
 */

#include "shared/store/threads/drafts.h"
#include "shared/store/usage/usage_rows.h"

/* Promotes in the idle ones of `threads`, a query of one column. Rows: the promoted runs. Threads
 * are locked in the order of their ids, then their runs. A run that was cancelled or promoted
 * meanwhile is found to be so, by a second look at it while it is locked.
 *
 * Each step probes an index by the rows of the one before, whatever sizes the planner assumes:
 * Postgres makes no hash or merge join of "= ANY" and LATERAL, and the second look at a run is
 * written so that the index of the held runs can not serve it. */
/* clang-format off */
#define SQL_PROMOTE(threads) \
    "WITH g (id) AS MATERIALIZED (" threads ")," \
    " t AS MATERIALIZED (" \
    "    SELECT t.id" \
    "    FROM (SELECT DISTINCT g.id FROM g) g" \
    "    CROSS JOIN LATERAL (" \
    "        SELECT r.id" \
    "        FROM runs r" \
    "        WHERE r.thread_id = g.id" \
    "          AND r.status = 'queued'" \
    "          AND r.held IS NOT NULL" \
    "        LIMIT 1) f" \
    "    JOIN threads t ON t.id = ANY (ARRAY[g.id])" \
    "      AND t.active_run IS NULL" \
    "    ORDER BY t.id" \
    "    FOR NO KEY UPDATE OF t SKIP LOCKED)," \
    " f AS MATERIALIZED (" \
    "    SELECT f.*" \
    "    FROM t" \
    "    CROSS JOIN LATERAL (" \
    "        SELECT r.id, r.input, r.rolls_back" \
    "        FROM runs r" \
    "        WHERE r.thread_id = t.id" \
    "          AND r.status = 'queued'" \
    "          AND r.held IS NOT NULL" \
    "        ORDER BY r.held" \
    "        LIMIT 1) f)," \
    " n AS MATERIALIZED (" \
    "    SELECT f.*" \
    "    FROM f" \
    "    JOIN runs r ON r.id = ANY (ARRAY[f.id])" \
    "      AND r.status = 'queued'" \
    "      AND coalesce(r.held, 0) > 0" \
    "    FOR NO KEY UPDATE OF r SKIP LOCKED)," \
    " p AS (" \
    "    UPDATE runs r" \
    "    SET held = NULL, input = NULL, rolls_back = NULL, due_at = now(), updated_at = now()" \
    "    FROM n" \
    "    WHERE r.id = ANY (ARRAY[n.id])" \
    "    RETURNING r.id, r.tenant_id, r.thread_id, n.input, n.rolls_back," \
    "        " USAGE_COLUMNS("r") ")," \
    " a AS (" \
    "    UPDATE threads t" \
    "    SET active_run = p.id, " SQL_USAGE_CHANGES("t", "-", "p") \
    "    FROM p" \
    "    WHERE t.id = p.thread_id)," \
    " x AS (" \
    "    DELETE FROM messages m" \
    "    USING p" \
    "    WHERE m.thread_id = p.thread_id" \
    "      AND (m.run_id = ANY (p.rolls_back) OR m.submitted_with = ANY (p.rolls_back)))," \
    " i AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, role, content, attachments, metadata, submitted_with)" \
    "    SELECT d.id, p.tenant_id, p.thread_id, d.role, d.content, d.attachments," \
    "        coalesce(d.metadata, '{}'), p.id" \
    "    FROM p, " SQL_DRAFTS("p.input") \
    "    ORDER BY d.place)" \
    " SELECT p.id" \
    " FROM p"
/* clang-format on */

/* $1: runs (U) that ended: in their threads. */
extern const struct pg_statement promote_behind;

/* $1 to $3: a run (SQL_THIS_RUN): in its thread. */
extern const struct pg_statement promote_beside;

/* In all threads that are idle and have held runs, PROMOTE_BATCH at once. */
#define PROMOTE_BATCH 1000
extern const struct pg_statement promote_all;
