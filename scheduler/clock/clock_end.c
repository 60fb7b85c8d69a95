/* Runs of schedules that have ended. While something waits for them the next round follows soon. */

#include "scheduler/clock/clock_internal.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/store/schedules/schedule_clock.h"

enum { WAIT_MIN_MS = 100, WAIT_MAX_MS = 1000, PAGES_MAX = 20 };

SUSPENDS static int settle(struct clockwork *clockwork, int64_t *out_count, struct error *err)
{
    int64_t count = FIRINGS_SETTLE_MAX;
    int r = 0;

    for (int i = 0; r == 0 && count == FIRINGS_SETTLE_MAX && i < PAGES_MAX; i++) {
        int64_t paused = 0;

        r = firings_settle(clockwork->options.sweeps, &count, &paused, err);
        if (r < 0)
            return r;
        *out_count += count;
        clockwork->ended += (uint64_t)count;
        clockwork->paused += (uint64_t)paused;
        if (paused > 0)
            log_warn("schedules are paused, since too many of their runs failed",
                     LOG_INT("schedules", paused));
        service_beat(&clockwork->end);
    }
    return r;
}

SUSPENDS static int look(struct clockwork *clockwork, struct error *err)
{
    struct schedule_counts counts;
    int r = schedule_counts(clockwork->options.sweeps, &counts, err);

    if (r < 0)
        return r;
    clockwork->at_work = counts.at_work;
    clockwork->waiting = counts.waiting;
    clockwork->due = counts.due;
    return 0;
}

int clock_end_round(void *arg, struct error *err)
{
    struct clockwork *clockwork = arg;
    int64_t ended = 0, due = 0, told = 0;
    int r = settle(clockwork, &ended, err);

    if (r == 0)
        r = firings_promote(clockwork->options.sweeps, &due, err);
    if (r == 0 && due > 0)
        service_wake(&clockwork->begin);
    if (r == 0)
        r = clock_tell(clockwork, &told, err);
    if (r == 0)
        r = look(clockwork, err);
    if (due > 0 || (ended > 0 && clockwork->waiting > 0))
        clockwork->end_wait_ms = WAIT_MIN_MS;
    else if (clockwork->end_wait_ms < WAIT_MAX_MS)
        clockwork->end_wait_ms = clockwork->end_wait_ms * 3 / 2;
    return r;
}
