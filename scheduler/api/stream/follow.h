#pragma once
/* Following a run: its events as server-sent events, until its end. */

#include "scheduler/api/request.h"
#include "scheduler/api/stream/event_format.h"

struct follow {
    struct uuid thread; /* zero: whatever its thread */
    struct uuid run;
    struct shown shown; /* what the client has; zeroed: nothing */
    bool with_thread;   /* the thread was made with the run, and is told first */
    bool until_action;  /* it is over where the run needs its client, too */
    bool is_there;      /* the run was there just now */
    const struct event_format *format;
    void *memory; /* of the format */
    /* 0: until the run's end. Else the stream is over then, too, or when the scheduler ends: the
     * format's `end` says how far the run is. */
    int64_t deadline_ms;
    bool *gone; /* NULL, or set where the client goes away before the end */
};

/* Replies by itself, and returns 0 when that is over; or, while nothing was sent, RUN_MISSING or
 * -E_INVALID with request->failure. The run goes on when its client goes away. */
SUSPENDS MUSTCHECK int follow_run(struct request *request, const struct follow *follow);
