#pragma once
/* Inside the store: what every statement that ends runs must do beside, as parts of its WITH.
 *
 * Ending a run takes its row and its thread's, in this order. A statement that ends many runs at
 * once waits for neither row, since a person at a prompt may hold one for hours. It locks the runs,
 * then what SQL_LOCK_THREADS finds, and ends those runs of which SQL_MAY_END is true; the others
 * are left as they are.
 *
 * `ended` is a CTE with columns id, thread_id, status (the new, terminal one). A thread is released
 * only if this run is its active one. A row can't be updated twice in one statement, so a statement
 * that writes steps itself names them in `except` ("AND s.seq NOT IN (…)", or "").
 */

/* clang-format off */
#define SQL_STEP_STATUS_OF(status) \
    "CASE " status " WHEN 'incomplete' THEN 'failed' ELSE " status " END"

/* Locks the threads of runs that are about to end (`ending` has columns id, thread_id). Threads
 * that somebody else has locked are left out. Gives the ids of the runs. */
#define SQL_LOCK_THREADS(ending) \
    "SELECT e.id" \
    " FROM " ending " e" \
    " JOIN threads its ON its.id = ANY (ARRAY[e.thread_id])" \
    "   AND its.active_run = e.id" \
    " FOR NO KEY UPDATE OF its SKIP LOCKED"

/* Of a run `r` of those: its thread is locked by this statement, or the run has no thread to
 * release. `locked` is what SQL_LOCK_THREADS gave. */
#define SQL_MAY_END(r, locked) \
    "(" r ".id IN (SELECT id FROM " locked ")" \
    " OR NOT EXISTS (" \
    "     SELECT 1" \
    "     FROM threads its" \
    "     WHERE its.id = ANY (ARRAY[" r ".thread_id])" \
    "       AND its.active_run = " r ".id))"

#define SQL_RELEASE_THREADS(ended) \
    "UPDATE threads t" \
    " SET active_run = NULL" \
    " FROM " ended " e" \
    " WHERE t.id = e.thread_id" \
    "   AND t.active_run = e.id"

#define SQL_END_STEPS(ended, except) \
    "UPDATE run_steps s" \
    " SET status = " SQL_STEP_STATUS_OF("e.status") ", ended_at = now()" \
    " FROM " ended " e" \
    " WHERE s.run_id = e.id" \
    "   AND s.status = 'in_progress'" \
    "   " except
/* clang-format on */
