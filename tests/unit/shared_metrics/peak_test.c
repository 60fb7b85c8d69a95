/* The largest value of a recent while. */

#include <criterion/criterion.h>

#include "shared/metrics/peak.h"

#define W PEAK_WINDOW_MS

Test(peak, stays_for_a_window_at_least_and_two_at_most_whoever_looks)
{
    for (int64_t at = 0; at < 3 * W; at += 500) {
        struct peak peak = {.begun_ms = 0};
        int64_t shown_until = 0;

        for (int64_t now = 0; now < at + 3 * W; now += 100) {
            peak_note(&peak, now, now == at ? 900 : 5);
            if (now >= at && peak_get(&peak, now) == 900)
                shown_until = now;
            cr_assert_eq(peak_get(&peak, now), peak_get(&peak, now));
        }
        cr_assert_geq(shown_until - at, W - 100, "%ld", (long)at);
        cr_assert_leq(shown_until - at, 2 * W, "%ld", (long)at);
    }
}

Test(peak, is_forgotten_when_nothing_more_is_noted)
{
    struct peak peak = {.begun_ms = 0};

    peak_note(&peak, 10, 7);
    cr_assert_eq(peak_get(&peak, W - 1), 7);
    cr_assert_eq(peak_get(&peak, 2 * W - 1), 7);
    cr_assert_eq(peak_get(&peak, 2 * W), 0);
    peak_note(&peak, 5 * W, 3);
    cr_assert_eq(peak_get(&peak, 5 * W), 3);
}
