#pragma once
/* Runs of megabytes: most are small, and go along with what others ask for. */

#include "scheduler/api/request.h"

/* To be asked before a statement that gives this run: where it takes more than SMALL_BYTES_MAX,
 * waits for room for it, and request->store is on the connection for what is large from then on.
 * `thread` zero: any. Returns 0, RUN_MISSING, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int run_make_room(struct request *request, struct uuid thread, struct uuid run);
