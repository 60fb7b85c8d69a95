/* Firings that are due: their runs are made, many at once, and what came of it is written by one
 * statement. Who dies in between has made runs that bear the ids of their firings: whoever takes
 * those next finds them. */

#include "scheduler/clock/clock_internal.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/schedules/schedule_times.h"
#include "shared/store/schedules/schedule_clock.h"

#define PAGES_MAX 128 /* of a round */

struct beginning {
    struct clockwork *clockwork;
    const struct firing_taken *taken;
    struct fiber *fiber;
    struct arena arena;
    struct firing_start start;
};

static void begin_one(void *arg)
{
    struct beginning *beginning = arg;

    clock_start_run(beginning->clockwork, beginning->taken, &beginning->arena, &beginning->start);
}

static void count(struct clockwork *clockwork, const struct beginning *beginning)
{
    const struct firing *firing = &beginning->taken->firing;
    const struct schedule *schedule = &beginning->taken->schedule;
    int64_t due_s = firing->nominal + schedule_delay_s(schedule->id, schedule->jitter_s);

    clockwork->started += beginning->start.state == FIRING_STARTED;
    clockwork->failed += beginning->start.state == FIRING_FAILED;
    clockwork->retried += beginning->start.state == FIRING_DUE;
    if (firing->cause == CAUSE_TIME && beginning->start.state == FIRING_STARTED)
        histogram_add(&clockwork->late_us, (beginning->taken->now_ms - due_s * 1000) * 1000);
}

SUSPENDS static int begin_all(struct clockwork *clockwork, const struct firings_taken *taken,
                              struct arena *arena, struct error *err)
{
    struct firing_start *starts = arena_calloc(arena, taken->count, sizeof(*starts));
    struct beginning *all = arena_calloc(arena, taken->count, sizeof(*all));
    int64_t done;
    int r;

    if (!starts || !all)
        return error_set(err, E_LIMIT, "too many firings are due");
    for (size_t i = 0; i < taken->count; i++) {
        all[i] = (struct beginning){.clockwork = clockwork, .taken = &taken->items[i]};
        arena_init(&all[i].arena, 0);
        all[i].fiber = fiber_start("firing", begin_one, &all[i]);
    }
    for (size_t i = 0; i < taken->count; i++) {
        fiber_join(all[i].fiber);
        starts[i] = all[i].start;
        count(clockwork, &all[i]);
    }
    r = firings_started(clockwork->options.pg, starts, taken->count, &done, err);
    for (size_t i = 0; i < taken->count; i++)
        arena_deinit(&all[i].arena);
    return r;
}

SUSPENDS static int begin_page(struct clockwork *clockwork, struct arena *arena, bool *out_more,
                               struct error *err)
{
    struct firings_taken taken;
    int r = firings_take(clockwork->options.pg, arena, &taken, err);

    if (r < 0)
        return r;
    *out_more = taken.more;
    if (taken.count == 0)
        return 0;
    r = begin_all(clockwork, &taken, arena, err);
    service_wake(&clockwork->end);
    return r;
}

int clock_begin_round(void *arg, struct error *err)
{
    struct clockwork *clockwork = arg;
    bool more = true;
    int r = 0;

    for (int i = 0; r == 0 && more && i < PAGES_MAX; i++) {
        struct arena arena;

        arena_init(&arena, 0);
        r = begin_page(clockwork, &arena, &more, err);
        arena_deinit(&arena);
        service_beat(&clockwork->begin);
    }
    return r;
}
