/* One fiber that counts. It asks again a second or two after the last answer, so that a slow
 * database is not asked faster than it answers. */

#include "scheduler/census.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/watchdog.h"

enum { PERIOD_MS = 1000, JITTER_MS = 500, STUCK_MS = 20000 };

struct census {
    struct census_options options;
    struct fiber *fiber;
    struct dispatch_counts counts;
    int64_t answered_ms; /* 0: not yet */
    bool trouble;
    struct pulse pulse;
};

static void count(struct census *census)
{
    struct dispatch_counts counts;
    struct error err;
    int r = dispatch_count(census->options.pg, &counts, &err);

    if (r == -E_CANCELED)
        return;
    if (r < 0 && !census->trouble)
        log_warn("the runs can't be counted", LOG_ERROR(&err));
    if (r == 0 && census->trouble)
        log_info("the runs can be counted again");
    census->trouble = r < 0;
    if (r < 0)
        return;
    census->counts = counts;
    census->answered_ms = clock_ms();
    if (census->options.counted)
        census->options.counted(&counts, census->options.arg);
}

static void census_run(void *arg)
{
    struct census *census = arg;
    struct error err;

    do {
        count(census);
        pulse_beat(&census->pulse);
    } while (fiber_sleep(PERIOD_MS + (int64_t)random_below(JITTER_MS), &err) == 0);
}

struct census *census_start(const struct census_options *options)
{
    struct census *census = xcalloc(1, sizeof(*census));

    census->options = *options;
    pulse_start(&census->pulse, "census", STUCK_MS);
    census->fiber = fiber_start("census", census_run, census);
    return census;
}

void census_stop(struct census *census)
{
    if (!census)
        return;
    fiber_cancel(census->fiber);
    fiber_join(census->fiber);
    pulse_stop(&census->pulse);
    free(census);
}

const struct dispatch_counts *census_counts(const struct census *census)
{
    return &census->counts;
}

int64_t census_age_ms(const struct census *census)
{
    return census->answered_ms ? clock_ms() - census->answered_ms : INT64_MAX;
}
