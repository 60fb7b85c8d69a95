/* The rate at which clients poll. See poll.h. */

#include "scheduler/api/poll.h"

enum { TOOK_MAX_MS = 600000, QUEUE_MAX_MS = 600000 };

void poll_observe(struct poll *poll, int64_t took_ms)
{
    if (took_ms < 0)
        took_ms = 0;
    if (took_ms > TOOK_MAX_MS)
        took_ms = TOOK_MAX_MS;
    poll->average_ms += (took_ms - poll->average_ms) / 8;
}

int64_t poll_after_ms(const struct poll *poll, bool queued, int64_t age_ms)
{
    int64_t expected_ms = poll->average_ms;
    int64_t left_ms;
    int64_t after_ms;

    if (queued) {
        int64_t slots = poll->load.slots > 0 ? poll->load.slots : 1;
        double queue_ms = (double)poll->load.ready * (double)poll->average_ms / (double)slots;

        expected_ms += queue_ms < QUEUE_MAX_MS ? (int64_t)queue_ms : QUEUE_MAX_MS;
    }
    left_ms = expected_ms - age_ms;
    after_ms = left_ms > 0 ? left_ms / 4 : age_ms / 8;
    if (after_ms < POLL_AFTER_MIN_MS)
        return POLL_AFTER_MIN_MS;
    return after_ms < POLL_AFTER_MAX_MS ? after_ms : POLL_AFTER_MAX_MS;
}
