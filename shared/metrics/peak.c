/* The largest value of a recent while. */

#include "shared/metrics/peak.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void peak_note(struct peak *peak, int64_t now_ms, int64_t value)
{
    int64_t passed_ms = now_ms - peak->begun_ms;

    if (passed_ms >= PEAK_WINDOW_MS) {
        peak->before = passed_ms < 2 * PEAK_WINDOW_MS ? peak->present : 0;
        peak->present = 0;
        peak->begun_ms = now_ms;
    }
    peak->present = larger(peak->present, value);
}

int64_t peak_get(const struct peak *peak, int64_t now_ms)
{
    int64_t passed_ms = now_ms - peak->begun_ms;

    if (passed_ms < PEAK_WINDOW_MS)
        return larger(peak->present, peak->before);
    return passed_ms < 2 * PEAK_WINDOW_MS ? peak->present : 0;
}
