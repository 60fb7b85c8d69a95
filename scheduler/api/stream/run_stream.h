#pragma once
/* Streams of runs, for the endpoints that make a run or give it something. */

#include "scheduler/api/request.h"

struct event_format;

/* The reply, which shows a run (or a message with its `run`), becomes the run's events: an
 * endpoint's `stream`. */
SUSPENDS MUSTCHECK int run_stream(struct request *request);

/* The same, of a reply that shows a run whose thread was made with it. */
SUSPENDS MUSTCHECK int run_stream_with_thread(struct request *request);

/* Before an endpoint makes this run, or lets it go on: where it is to be followed, whether it can
 * be, so that nothing is done otherwise; and workers are told that somebody listens. Returns 0, or
 * -E_INVALID with request->failure. */
MUSTCHECK int run_stream_expect(struct request *request, struct uuid run);

extern const char *const stream_query[]; /* members of the query of such an endpoint */

/* The vocabulary that the query asks for (format=NAME). Returns 0, or -E_INVALID with
 * request->failure. */
MUSTCHECK int run_stream_format(struct request *request, const struct event_format **out);

/* What a client has been shown of a run that needed it: all but what becomes of the calls that came
 * with this one. Sets request->shown, where there is such a call. Returns 0, or -E_INVALID with
 * request->failure. */
SUSPENDS MUSTCHECK int run_stream_behind_calls(struct request *request, struct uuid run,
                                               struct text call);
