#pragma once
/* The checkpoints of a step: its reply, calls and results, as one write each.
 *
 * A step whose tools are all pure is one write: message, calls and results together, since
 * repeating such calls after a crash has no effect. Any other tool gets its intent recorded first,
 * so that a crash between effect and result is seen for what it is.
 *
 * Each returns RUN_GO_ON when written, RUN_DROP, RUN_FINISH (the run is to end: cancelled, or these
 * rows can't be written, or make the thread too large), or -E_CANCELED.
 */

#include "shared/base/compiler.h"

struct changes;
struct error;
struct run_task;

/* The reply with its calls, none of which has been made. */
SUSPENDS MUSTCHECK int checkpoint_intents(struct run_task *task, struct error *err);

/* Calls of a stored step that were allowed, and are about to be made. */
SUSPENDS MUSTCHECK int checkpoint_begun(struct run_task *task, struct error *err);

/* Results of calls with an effect, while others of the step still run. */
SUSPENDS MUSTCHECK int checkpoint_some(struct run_task *task, struct error *err);

/* A final answer behind which the run goes on. */
SUSPENDS MUSTCHECK int checkpoint_answer(struct run_task *task, struct error *err);

/* All results of the step, and the reply if checkpoint_intents did not write it. */
SUSPENDS MUSTCHECK int checkpoint_results(struct run_task *task, struct error *err);

/* The same, into a write that ends the run: calls that are left have no result. */
void checkpoint_gather(struct run_task *task, struct changes *changes);

/* What had an effect is recorded, where nothing else of the step can be. Returns as the others. */
SUSPENDS MUSTCHECK int checkpoint_effects(struct run_task *task, struct error *err);

/* As checkpoint_results, of a step some of whose calls are parked: the run is, until somebody
 * outside has brought their results. Returns RUN_PARKED instead of RUN_GO_ON. */
SUSPENDS MUSTCHECK int checkpoint_park(struct run_task *task, struct error *err);
