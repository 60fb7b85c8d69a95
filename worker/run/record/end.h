#pragma once
/* The last write of a run on this worker, and what the logs and counters say of it. */

#include "shared/base/compiler.h"

struct run_task;

/* Does what `next` (an enum run_next other than RUN_GO_ON) says. Returns RUN_FINISH: that was the
 * last write; or what is next, since input came that the run is to see before it is completed. */
SUSPENDS int end_run(struct run_task *task, int next);
