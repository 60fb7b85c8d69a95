#include "shared/metrics/worst.h"

void worst_note(struct worst *worst, int64_t value, int64_t now_ms)
{
    int64_t age_ms = now_ms - worst->since_ms;

    if (age_ms >= WORST_WINDOW_MS) {
        worst->before = age_ms < 2 * WORST_WINDOW_MS ? worst->now : 0;
        worst->now = 0;
        worst->since_ms = now_ms;
    }
    if (value > worst->now)
        worst->now = value;
}

int64_t worst_of(const struct worst *worst, int64_t now_ms)
{
    int64_t age_ms = now_ms - worst->since_ms;

    if (age_ms >= 2 * WORST_WINDOW_MS)
        return 0;
    if (age_ms >= WORST_WINDOW_MS)
        return worst->now;
    return worst->now > worst->before ? worst->now : worst->before;
}
