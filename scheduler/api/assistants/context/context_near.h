#pragma once
/* What a run of the strategy vector would be given beside the newest messages (providers/nearest):
 * chosen as the run would choose it, or as one has. */

#include "scheduler/api/assistants/context/context_view.h"
#include "shared/base/compiler.h"

struct request;

/* Puts it in front of the newest messages of view->list, which are there, with what lies between.
 * `has_more`: there are older ones. Returns 0, or as request_failed. */
SUSPENDS MUSTCHECK int context_near_read(struct request *request, struct context_view *view,
                                         bool has_more, struct error *err);
