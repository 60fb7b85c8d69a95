#pragma once
/* The second half of a request that makes a response: its events, or its end. */

#include "scheduler/api/request.h"

/* An endpoint's `finish`: the reply, which shows a response, becomes the response at its end,
 * unless it was asked for in the background. One that is not to be stored is gone then. */
SUSPENDS MUSTCHECK int response_finish(struct request *request);

/* An endpoint's `stream`: the reply becomes its events. */
SUSPENDS MUSTCHECK int response_stream(struct request *request);

/* The events of the run behind a number, -1 being none. Returns 0, or -E_INVALID with
 * request->failure while nothing was sent. */
SUSPENDS MUSTCHECK int response_follow(struct request *request, struct uuid run, int64_t after);
