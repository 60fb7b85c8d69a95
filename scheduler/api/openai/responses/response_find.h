#pragma once
/* Finding the run that is a response, and waiting for its end. */

#include "scheduler/api/request.h"
#include "shared/store/runs/runs.h"

/* The response that the path names, in the store's arena. Returns 0, or -E_INVALID with
 * request->failure. */
MUSTCHECK int response_read_id(struct request *request, struct uuid *out);
SUSPENDS MUSTCHECK int response_find(struct request *request, struct uuid id, struct run *out);

/* Until the run has ended, or for wait_ms; holding neither row nor room meanwhile. Its end is then
 * the reply: the whole response. *out_thread (may be NULL) is the run's. Returns 0;
 * RESPONSE_UNENDED: it has not ended; or -E_INVALID with request->failure. */
enum { RESPONSE_UNENDED = 201 };
SUSPENDS MUSTCHECK int response_await(struct request *request, struct uuid id, int64_t wait_ms,
                                      struct uuid *out_thread);
