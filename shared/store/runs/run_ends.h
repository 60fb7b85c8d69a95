#pragma once
/* Inside the store: the end of a run, said once.
 *
 * Six statements end runs: run_group (a worker's last write), run_cancel and the interrupt of
 * run_multitask.c (a person), the reaper's two, and the hand back of a worker that leaves. They
 * all do it alike, with the parts below:
 *
 *   lock      the run, then its thread. A statement that ends many runs at once waits for neither
 *             row, since a person at a prompt may hold one for hours: it takes what SQL_LOCK_ENDING
 *             gets, and leaves out the runs of which SQL_MAY_BECOME is false
 *   columns   SQL_BECOMES: status, times, error; SQL_WAITS_NO_MORE
 *   after     SQL_AFTER_END: the thread is released, steps end, open calls are cancelled
 *   promote   what waits behind them in their threads, by a statement of its own (promotions.h), in
 *             the same transaction or right after it
 *
 * What follows from an ending is another part of SQL_AFTER_END, set-based over all runs that end.
 */

#include "shared/store/threads/count_rows.h"
#include "shared/store/usage/usage_rows.h"

/* clang-format off */
#define SQL_IS_END(status) \
    status " IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired')"

/* What a run becomes when somebody cancels it: one in progress ends by its worker. */
#define SQL_CANCELLED(status) \
    "CASE " status " WHEN 'in_progress' THEN 'cancelling' ELSE 'cancelled' END"

/* The columns of a run `r` that gets the status `becomes`, which may be an end. */
#define SQL_BECOMES(becomes, error) \
    "status = " becomes "," \
    " updated_at = now()," \
    " last_error = CASE WHEN " SQL_IS_END(becomes) " THEN " error " ELSE r.last_error END," \
    " completed_at = CASE WHEN " becomes " IN ('completed', 'incomplete') THEN now() END," \
    " failed_at = CASE WHEN " becomes " = 'failed' THEN now() END," \
    " cancelled_at = CASE WHEN " becomes " = 'cancelled' THEN now() END"

/* open_calls stays: SQL_AFTER_END looks at it. */
#define SQL_WAITS_NO_MORE \
    "wait_kind = NULL, required_action = NULL, wakes_at = NULL, parked_at = NULL"

/* CTEs behind `l`, the locked runs with columns id, thread_id and becomes: locks the threads of
 * those that end, as far as nobody else has locked them. */
#define SQL_LOCK_ENDING(l) \
    "ending AS (" \
    "    SELECT id, thread_id" \
    "    FROM " l \
    "    WHERE " SQL_IS_END("becomes") ")," \
    " h AS MATERIALIZED (" \
    "    SELECT e.id" \
    "    FROM ending e" \
    "    JOIN threads its ON its.id = ANY (ARRAY[e.thread_id])" \
    "      AND its.active_run = e.id" \
    "    FOR NO KEY UPDATE OF its SKIP LOCKED)"

/* Of a row of `l`, after SQL_LOCK_ENDING: the run does not end, or its thread is locked by this
 * statement, or it has no thread to release. */
#define SQL_MAY_BECOME(l) \
    "(NOT (" SQL_IS_END(l ".becomes") ")" \
    " OR " l ".id IN (SELECT id FROM h)" \
    " OR NOT EXISTS (" \
    "     SELECT 1" \
    "     FROM threads its" \
    "     WHERE its.id = ANY (ARRAY[" l ".thread_id])" \
    "       AND its.active_run = " l ".id))"

/* What SQL_AFTER_END looks at of a run. */
#define ENDED_COLUMNS(r) \
    r ".id, " r ".thread_id, " r ".status, " r ".open_calls, " USAGE_COLUMNS(r) \
    ", " COUNT_COLUMNS(r)

/* CTEs behind `ended`, the runs that ended, with ENDED_COLUMNS (the new status). A thread is
 * released only if this run is its active one, and then it gets what the run has used and written.
 * The steps of a completed run were completed by its worker. A row can't be updated twice in one
 * statement, so a statement that writes steps itself names them in `except` ("AND s.seq NOT IN
 * (…)", or ""). */
#define SQL_AFTER_END(ended, except) \
    "released AS (" \
    "    UPDATE threads t" \
    "    SET active_run = NULL, " SQL_USED ", " SQL_USAGE_CHANGES("t", "+", "e") "," \
    "        " SQL_COUNT_CHANGES("t", "+", "e") \
    "    FROM " ended " e" \
    "    WHERE t.id = e.thread_id" \
    "      AND t.active_run = e.id" \
    "    RETURNING t.id, t.waited)," \
    " steps_ended AS (" \
    "    UPDATE run_steps s" \
    "    SET status = CASE e.status WHEN 'incomplete' THEN 'failed' ELSE e.status END," \
    "        ended_at = now()" \
    "    FROM " ended " e" \
    "    WHERE e.status <> 'completed'" \
    "      AND s.run_id = ANY (ARRAY[e.id])" \
    "      AND s.status = 'in_progress'" \
    "      " except ")," \
    " calls_cancelled AS (" \
    "    UPDATE tool_calls c" \
    "    SET state = 'cancelled'" \
    "    FROM " ended " e" \
    "    WHERE e.open_calls > 0" \
    "      AND c.run_id = ANY (ARRAY[e.id])" \
    "      AND c.state = 'open')"
/* clang-format on */
