/* The clocks of the process. */

#include "shared/base/clock.h"

#include <time.h>

static bool frozen;
static int64_t frozen_ms;
static int64_t frozen_wall_ms;

static int64_t read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_us(void)
{
    return frozen ? frozen_ms * 1000 : read_us(CLOCK_BOOTTIME);
}

int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return frozen ? frozen_wall_ms * 1000 : read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t deadline_in(int64_t wait_ms)
{
    int64_t deadline_ms;

    if (wait_ms < 0 || __builtin_add_overflow(clock_ms(), wait_ms, &deadline_ms))
        return DEADLINE_NONE;
    return deadline_ms;
}

int64_t deadline_min(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

void clock_freeze(int64_t now_ms, int64_t wall_ms)
{
    frozen = true;
    frozen_ms = now_ms;
    frozen_wall_ms = wall_ms;
}

void clock_thaw(void)
{
    frozen = false;
}
