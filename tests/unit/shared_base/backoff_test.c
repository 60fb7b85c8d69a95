/* Backoff with jitter. */

#include <criterion/criterion.h>

#include "shared/base/backoff.h"

Test(backoff, doubles_up_to_its_cap_and_is_never_below_half)
{
    const struct backoff_policy policy = {.base_ms = 100, .cap_ms = 1500};
    const int64_t most[] = {100, 200, 400, 800, 1500, 1500};

    for (int tries = 0; tries < (int)ARRAY_LENGTH(most); tries++) {
        cr_assert_eq(backoff_wait_ms(&policy, tries, 0), most[tries] - most[tries] / 2);
        cr_assert_eq(backoff_wait_ms(&policy, tries, UINT32_MAX), most[tries]);
    }
    cr_assert_eq(backoff_wait_ms(&policy, INT32_MAX, UINT32_MAX), 1500);
}

Test(backoff, counts_failures_until_one_went_well)
{
    struct backoff backoff = {.policy = {.base_ms = 10, .cap_ms = 1000}};

    for (int64_t most = 10; most < 1000; most *= 2) {
        int64_t wait_ms = backoff_next_ms(&backoff);

        cr_assert(wait_ms >= most / 2 && wait_ms <= most);
    }
    backoff_reset(&backoff);
    cr_assert(backoff_next_ms(&backoff) <= 10);
}
