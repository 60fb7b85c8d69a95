#pragma once
/* Older messages of the thread that are near to what was said last, for a run whose strategy says
 * so (providers/nearest). They are chosen once, before its first call, and kept with it: each of
 * its attempts is given the same. */

#include "providers/context/context.h"
#include "shared/base/compiler.h"

struct error;
struct run_task;

/* Puts them in front of the newest messages. Returns 0, RUN_DROP: the run is somebody else's now;
 * or an error. */
SUSPENDS MUSTCHECK int near_read(struct run_task *task, struct message_list *history,
                                 struct context_history *source, struct error *err);
