#pragma once
/* A run that was given back to wait for a budget. */

#include "shared/base/compiler.h"

struct run_task;

/* It looks again soon where its budgets were changed or deleted between its look and the write that
 * gave it back: whoever changed them did not find it then. */
SUSPENDS void parked_recheck(struct run_task *task);
