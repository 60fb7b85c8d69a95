/* A circuit breaker. */

#include <criterion/criterion.h>

#include "shared/limits/breaker.h"

#define MIDDLE ((uint32_t)1 << 31)

static int64_t wait_ms;

static void fail(struct breaker *breaker, int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++)
        (void)breaker_failed(breaker, now_ms, MIDDLE);
}

Test(breaker, opens_after_failures_in_a_row_only)
{
    struct breaker breaker = {0};

    for (int i = 0; i < 100; i++) {
        fail(&breaker, BREAKER_FAILURES - 1, 1000);
        cr_assert_eq(breaker_ask(&breaker, 1000, &wait_ms), BREAKER_CLOSED);
        cr_assert_not(breaker_succeeded(&breaker), "nothing has changed");
    }
    fail(&breaker, BREAKER_FAILURES - 1, 1000);
    cr_assert(breaker_failed(&breaker, 1000, MIDDLE), "now it has");
    cr_assert_eq(breaker_ask(&breaker, 1000, &wait_ms), BREAKER_OPEN);
    cr_assert(wait_ms >= BREAKER_BASE_MS / 2 && wait_ms <= BREAKER_BASE_MS);
}

Test(breaker, lets_one_try_and_a_success_closes_it)
{
    struct breaker breaker = {0};

    fail(&breaker, BREAKER_FAILURES, 1000);
    cr_assert_eq(breaker_ask(&breaker, 10000, &wait_ms), BREAKER_TRIAL);
    cr_assert_eq(breaker_ask(&breaker, 10000, &wait_ms), BREAKER_OPEN);
    cr_assert_gt(wait_ms, 0);
    cr_assert(breaker_succeeded(&breaker));
    cr_assert_eq(breaker_ask(&breaker, 10000, &wait_ms), BREAKER_CLOSED);
    fail(&breaker, BREAKER_FAILURES - 1, 10000);
    cr_assert_eq(breaker_ask(&breaker, 10000, &wait_ms), BREAKER_CLOSED, "it counts anew");
}

Test(breaker, each_failed_trial_opens_it_for_longer_up_to_a_cap)
{
    struct breaker breaker = {0};
    int64_t now_ms = 1000;
    int64_t before_ms = 0;

    fail(&breaker, BREAKER_FAILURES, now_ms);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(breaker_ask(&breaker, now_ms, &wait_ms), BREAKER_OPEN);
        cr_assert_geq(wait_ms, before_ms);
        cr_assert_leq(wait_ms, BREAKER_CAP_MS);
        before_ms = wait_ms;
        now_ms += wait_ms;
        cr_assert_eq(breaker_ask(&breaker, now_ms, &wait_ms), BREAKER_TRIAL);
        cr_assert(breaker_failed(&breaker, now_ms, MIDDLE));
    }
    cr_assert_geq(before_ms, BREAKER_CAP_MS / 2);
}

Test(breaker, calls_that_were_under_way_change_nothing)
{
    struct breaker breaker = {0};

    fail(&breaker, BREAKER_FAILURES, 1000);
    (void)breaker_ask(&breaker, 1000, &wait_ms);
    for (int i = 0; i < 1000; i++)
        cr_assert_not(breaker_failed(&breaker, 1001, MIDDLE));
    cr_assert_eq(breaker_ask(&breaker, 1000 + wait_ms, &wait_ms), BREAKER_TRIAL);
}

Test(breaker, a_trial_that_nobody_hears_of_is_followed_by_another)
{
    struct breaker breaker = {0};

    fail(&breaker, BREAKER_FAILURES, 1000);
    cr_assert_eq(breaker_ask(&breaker, 10000, &wait_ms), BREAKER_TRIAL);
    cr_assert_eq(breaker_ask(&breaker, 10000 + BREAKER_TRIAL_MS, &wait_ms), BREAKER_TRIAL);
    breaker_unknown(&breaker);
    cr_assert_eq(breaker_ask(&breaker, 10001 + BREAKER_TRIAL_MS, &wait_ms), BREAKER_TRIAL);
}

Test(breaker, what_others_found_holds_here)
{
    struct breaker breaker = {0};

    breaker_told(&breaker, 5000);
    cr_assert_eq(breaker_ask(&breaker, 1000, &wait_ms), BREAKER_OPEN);
    cr_assert_eq(wait_ms, 4000);
    breaker_told(&breaker, 3000);
    cr_assert_eq(breaker_ask(&breaker, 4000, &wait_ms), BREAKER_OPEN, "never shorter");
    breaker_told(&breaker, 0);
    cr_assert_eq(breaker_ask(&breaker, 4000, &wait_ms), BREAKER_CLOSED);
}
