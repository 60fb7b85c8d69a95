#pragma once
/* The life of a run as its kind has it: the stages of the beginning, then rounds, until one of them
 * says how it ends. */

#include "shared/base/compiler.h"

struct run_task;

/* Works on the run and makes its last write. */
SUSPENDS void execute_run(struct run_task *task);
