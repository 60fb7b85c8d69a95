#pragma once
/* Budgets before a call of a model: whether it may be made, by which model, and how long its answer
 * may be. Part of the stage think. */

#include "shared/base/compiler.h"
#include "worker/run/task/ending.h"

struct chat_request;
struct error;
struct provider_target;
struct run_task;

/* The run's setup names another model from now on: begin again with that. */
#define SPEND_OTHER_MODEL 100

/* Returns RUN_GO_ON, with the answer of *request bounded by what is left; SPEND_OTHER_MODEL; how
 * the run ends, or waits; or an error. */
SUSPENDS MUSTCHECK int spend_before(struct run_task *task, const struct provider_target *target,
                                    struct chat_request *request, struct error *err);

/* The same of a call beside the run's own: nothing becomes of the run, and no other model is asked.
 * Returns RUN_GO_ON: it may be made, with as long an answer as it asks for; SPEND_REFUSED; or an
 * error. */
#define SPEND_REFUSED 102
SUSPENDS MUSTCHECK int spend_aside(struct run_task *task, const struct provider_target *target,
                                   const struct chat_request *request, struct error *err);

/* The call is over, or was not made. Waits for nothing. */
void spend_after(struct run_task *task);
