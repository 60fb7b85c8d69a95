/* It asks again a second or two after the last answer, so that a slow database is not asked faster
 * than it answers; and for the backlog, which may be long, after ten times as long as the last
 * answer took, so that counting never costs more than a tenth. */

#include "scheduler/dispatch/census.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"

enum {
    PERIOD_MS = 1250,
    STUCK_MS = 20000,
    WAITING_PART = 10,
    WAITING_MAX_MS = 15000,
};

struct census {
    struct census_options options;
    struct service service;
    struct dispatch_counts counts;
    struct arena arena; /* of waiting */
    struct dispatch_waiting waiting;
    int64_t waiting_next_ms; /* when it is to be counted again */
    int64_t answered_ms;     /* 0: not yet */
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
    r = dispatch_count_waiting(census->options.backlog, &arena, &waiting, err);
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

static int count(void *arg, struct error *err)
{
    struct census *census = arg;
    struct dispatch_counts counts;
    int r = dispatch_count(census->options.pg, &counts, err);

    if (r == 0)
        r = count_waiting(census, err);
    if (r < 0)
        return r;
    census->counts = counts;
    census->answered_ms = clock_ms();
    if (census->options.counted)
        census->options.counted(&counts, &census->waiting, census->options.arg);
    return 0;
}

struct census *census_start(const struct census_options *options)
{
    struct census *census = xcalloc(1, sizeof(*census));
    struct service_options service = {
        .name = "census",
        .round = count,
        .arg = census,
        .period_ms = PERIOD_MS,
        .stuck_ms = STUCK_MS,
        .trouble = "the runs can't be counted",
        .recovered = "the runs can be counted again",
    };

    census->options = *options;
    arena_init(&census->arena, 0);
    service_start(&census->service, &service);
    return census;
}

void census_stop(struct census *census)
{
    if (!census)
        return;
    service_stop(&census->service);
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
