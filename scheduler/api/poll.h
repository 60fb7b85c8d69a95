#pragma once
/* How soon should a client look again? The SDKs sleep as long as the header openai-poll-after-ms
 * says. Pure.
 *
 * The guess: a run takes as long as runs took lately, and a queued one waits first until those
 * before it have had their turn. A quarter of what is left of that, between 100 ms and 5 s; a run
 * that takes longer than expected is asked for ever less often.
 */

#include "shared/base/compiler.h"

/* What poll_after_ms knows of the queue. */
struct api_load {
    int64_t ready; /* runs that wait for a worker */
    int64_t slots; /* of all workers */
};

struct poll {
    int64_t average_ms; /* of recent runs, from created to ended */
    struct api_load load;
};

#define POLL_AFTER_MIN_MS 100
#define POLL_AFTER_MAX_MS 5000

/* A run ended that took this long. Each new one counts an eighth. */
void poll_observe(struct poll *poll, int64_t took_ms);

/* `queued`: it waits for a worker. `age_ms`: since it was created. */
int64_t poll_after_ms(const struct poll *poll, bool queued, int64_t age_ms);
