#pragma once
/* Inside the store: what every statement that ends runs must do beside, as parts of its WITH.
 *
 * `ended` is a CTE with columns id, thread_id, status (the new, terminal one). A thread is released
 * only if this run is its active one. A row can't be updated twice in one statement, so a statement
 * that writes steps itself names them in `except` ("AND s.seq NOT IN (…)", or "").
 */

#define SQL_STEP_STATUS_OF(status)                                                                 \
    "CASE " status " WHEN 'incomplete' THEN 'failed' ELSE " status " END"

#define SQL_RELEASE_THREADS(ended)                                                                 \
    "UPDATE threads t SET active_run = NULL FROM " ended                                           \
    " e WHERE t.id = e.thread_id AND t.active_run = e.id"

#define SQL_END_STEPS(ended, except)                                                               \
    "UPDATE run_steps s SET status = " SQL_STEP_STATUS_OF(                                         \
        "e.status") ", ended_at = now() FROM " ended                                               \
                    " e WHERE s.run_id = e.id AND s.status = 'in_progress' " except
