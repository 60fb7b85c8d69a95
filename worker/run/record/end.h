#pragma once
/* The last write of a run on this worker, and what the logs and counters say of it. */

#include "shared/base/compiler.h"

struct run_task;

/* Does what `next` (an enum run_next other than RUN_GO_ON) says. */
SUSPENDS void end_run(struct run_task *task, int next);
