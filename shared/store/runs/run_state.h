#pragma once
/* The states of a run and the moves between them. Pure.
 *
 *   create --> queued ------ claim -----> in_progress --> completed, failed, incomplete, expired
 *              |  ^ ^                     | |  |
 *              |  | +--- handed back -----+ |  | cancel
 *              |  |  (crash, drain, backoff)|  v
 *              |  |                         |  cancelling --> cancelled, failed, expired
 *              |  | outputs given           |  ^
 *              |  |                         v  | cancel
 *              |  +-------------- requires_action --> cancelled, expired
 *              v
 *              cancelled, expired, failed
 *
 * Terminal: completed, failed, incomplete, cancelled, expired. While a run is not terminal it is
 * the active run of its thread (threads.active_run), which the statement that makes it terminal
 * clears; or it is queued and held behind that (runs.held). Only a person moves a terminal run: one
 * that failed or expired may be redriven, which makes it queued. The table run_transitions in the
 * database holds the same moves, for people and for the test that compares the two; statements
 * enforce them in their WHERE clauses.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum run_status {
    RUN_QUEUED,
    RUN_IN_PROGRESS,
    RUN_REQUIRES_ACTION,
    RUN_CANCELLING,
    RUN_COMPLETED,
    RUN_FAILED,
    RUN_INCOMPLETE,
    RUN_CANCELLED,
    RUN_EXPIRED,
    RUN_STATUS_COUNT, /* not a status */
};

/* All names, in their order, ended by NULL: for a message that lists them. */
extern const char *const run_status_names[RUN_STATUS_COUNT + 1];

/* As the API and the database spell it: "queued", "in_progress", … */
const char *run_status_name(enum run_status status);

/* False, output untouched, for an unknown word. */
MUSTCHECK bool run_status_parse(struct text word, enum run_status *out);

bool run_status_terminal(enum run_status status);

bool run_transition_allowed(enum run_status from, enum run_status to);
