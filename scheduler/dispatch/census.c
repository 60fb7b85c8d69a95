/* One fiber that counts. It asks again a second or two after the last answer, so that a slow
 * database is not asked faster than it answers; and for the backlog, which may be long, after ten
 * times as long as the last answer took, so that counting never costs more than a tenth. */

#include "scheduler/dispatch/census.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/watchdog.h"

enum {
    PERIOD_MS = 1000,
    JITTER_MS = 500,
    STUCK_MS = 20000,
    WAITING_PART = 10,
    WAITING_MAX_MS = 15000,
};

struct census {
    struct census_options options;
    struct fiber *fiber;
    struct dispatch_counts counts;
    struct arena arena; /* of waiting */
    struct dispatch_waiting waiting;
    int64_t waiting_next_ms; /* when it is to be counted again */
    int64_t answered_ms;     /* 0: not yet */
    bool trouble;
    struct pulse pulse;
};

static int count_waiting(struct census *census, struct error *err)
{
    struct dispatch_waiting waiting;
    struct arena arena;
    int64_t before_ms = clock_ms();
    int64_t wait_ms;
    int r;

    if (before_ms < census->waiting_next_ms)
        return 0;
    arena_init(&arena, 0);
    r = dispatch_count_waiting(census->options.pg, &arena, &waiting, err);
    wait_ms = (clock_ms() - before_ms) * WAITING_PART;
    census->waiting_next_ms = clock_ms() + (wait_ms < WAITING_MAX_MS ? wait_ms : WAITING_MAX_MS);
    if (r < 0) {
        arena_deinit(&arena);
        return r;
    }
    arena_deinit(&census->arena);
    census->arena = arena;
    census->waiting = waiting;
    return 0;
}

static void count(struct census *census)
{
    struct dispatch_counts counts;
    struct error err;
    int r = dispatch_count(census->options.pg, &counts, &err);

    if (r == 0)
        r = count_waiting(census, &err);
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
        census->options.counted(&counts, &census->waiting, census->options.arg);
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
    arena_init(&census->arena, 0);
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
    arena_deinit(&census->arena);
    free(census);
}

const struct dispatch_counts *census_counts(const struct census *census)
{
    return &census->counts;
}

const struct dispatch_waiting *census_waiting(const struct census *census)
{
    return &census->waiting;
}

int64_t census_age_ms(const struct census *census)
{
    return census->answered_ms ? clock_ms() - census->answered_ms : INT64_MAX;
}
