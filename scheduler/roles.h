#pragma once
/* The parts of a scheduler, as a table (roles.c): the roles for which each is started, how to start
 * and stop it, and its metrics. A new part is a row there. */

#include "shared/base/compiler.h"

struct buf;
struct scheduler;

/* Starts the parts of the scheduler's roles, in their order. */
void roles_start(struct scheduler *scheduler);
/* Stops those that were started, in the reverse order. */
SUSPENDS void roles_stop(struct scheduler *scheduler);

void roles_metrics_render(struct scheduler *scheduler, struct buf *out);
