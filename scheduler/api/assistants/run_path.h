#pragma once
/* The thread and run that a path names. */

#include "scheduler/api/request.h"

struct run_path {
    struct uuid thread; /* zero: any; on /v1/runs/{run_id} */
    struct uuid run;
    struct text run_text;
};

/* Reads /v1/runs/{run_id} (`any_thread`) or /v1/threads/{thread_id}/runs/{run_id}. Returns 0, or
 * -E_INVALID with request->failure. */
MUSTCHECK int run_path_read(struct request *request, bool any_thread, struct run_path *out);
