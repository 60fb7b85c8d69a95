/* Tests of who waits for which run. Pure: nobody sleeps here. */

#include <criterion/criterion.h>

#include "scheduler/waits/waiting.h"

Test(waiting, a_wake_up_reaches_all_who_wait_for_the_run_and_nobody_else)
{
    struct waiting *waiting = waiting_new(10);
    struct uuid run = uuid_new();
    struct uuid other = uuid_new();
    struct waiter waiters[3];

    cr_assert(waiting_join(waiting, &waiters[0], run));
    cr_assert(waiting_join(waiting, &waiters[1], other));
    cr_assert(waiting_join(waiting, &waiters[2], run));
    cr_assert_eq(waiting_count(waiting), 3);
    cr_assert_eq(waiting_runs_count(waiting), 2);
    cr_assert_eq(waiting_wake(waiting, run), 2);
    cr_assert(waiters[0].woken && !waiters[1].woken && waiters[2].woken);
    cr_assert_eq(waiting_wake(waiting, run), 0, "they are awake already");
    waiters[0].woken = false; /* it has looked, and waits again */
    cr_assert_eq(waiting_wake(waiting, run), 1);
    cr_assert_eq(waiting_wake(waiting, uuid_new()), 0);
    for (size_t i = 0; i < 3; i++)
        waiting_leave(waiting, &waiters[i]);
    cr_assert_eq(waiting_count(waiting), 0);
    cr_assert_eq(waiting_runs_count(waiting), 0);
    cr_assert_eq(waiting_wake(waiting, run), 0);
    waiting_free(waiting);
}

Test(waiting, a_wake_up_before_the_sleep_is_remembered)
{
    struct waiting *waiting = waiting_new(1);
    struct uuid run = uuid_new();
    struct waiter waiter;

    cr_assert(waiting_join(waiting, &waiter, run));
    cr_assert_not(waiter.woken);
    cr_assert_eq(waiting_wake(waiting, run), 1); /* while it reads the run */
    cr_assert(waiter.woken);
    waiting_leave(waiting, &waiter);
    waiting_free(waiting);
}

Test(waiting, no_more_wait_than_may)
{
    struct waiting *waiting = waiting_new(2);
    struct uuid run = uuid_new();
    struct waiter waiters[3];

    cr_assert(waiting_join(waiting, &waiters[0], run));
    cr_assert(waiting_join(waiting, &waiters[1], run));
    cr_assert_not(waiting_join(waiting, &waiters[2], run));
    waiting_leave(waiting, &waiters[0]);
    cr_assert(waiting_join(waiting, &waiters[2], uuid_new()));
    waiting_leave(waiting, &waiters[1]);
    waiting_leave(waiting, &waiters[2]);
    waiting_free(waiting);
}

Test(waiting, where_none_may_wait_none_does)
{
    struct waiting *waiting = waiting_new(0);
    struct waiter waiter;

    cr_assert_not(waiting_join(waiting, &waiter, uuid_new()));
    waiting_free(waiting);
}

Test(waiting, at_the_end_all_are_woken_and_nobody_joins)
{
    struct waiting *waiting = waiting_new(10);
    struct waiter waiters[3];

    for (size_t i = 0; i < 2; i++)
        cr_assert(waiting_join(waiting, &waiters[i], uuid_new()));
    cr_assert_not(waiting_has_ended(waiting));
    waiting_end(waiting);
    cr_assert(waiting_has_ended(waiting));
    cr_assert(waiters[0].woken && waiters[1].woken);
    cr_assert_not(waiting_join(waiting, &waiters[2], uuid_new()));
    for (size_t i = 0; i < 2; i++)
        waiting_leave(waiting, &waiters[i]);
    waiting_free(waiting);
}

Test(waiting, the_runs_are_listed_once_each)
{
    enum { RUNS = 500, EACH = 3 };
    struct waiting *waiting = waiting_new(RUNS * EACH);
    static struct waiter waiters[RUNS][EACH];
    static struct uuid runs[RUNS];
    static struct uuid listed[RUNS + 1];

    for (size_t i = 0; i < RUNS; i++) {
        runs[i] = uuid_new();
        for (size_t k = 0; k < EACH; k++)
            cr_assert(waiting_join(waiting, &waiters[i][k], runs[i]));
    }
    cr_assert_eq(waiting_runs(waiting, listed, RUNS + 1), RUNS);
    for (size_t i = 0; i < RUNS; i++)
        cr_assert(uuid_equal(listed[i], runs[i]), "the longest waited for comes first");
    cr_assert_eq(waiting_runs(waiting, listed, 7), 7);
    for (size_t i = 0; i < RUNS; i++)
        for (size_t k = 0; k < EACH; k++)
            waiting_leave(waiting, &waiters[i][k]);
    cr_assert_eq(waiting_runs(waiting, listed, RUNS), 0);
    waiting_free(waiting);
}
