/* Tests of who waits for which run. Pure: nobody sleeps here. */

#include <criterion/criterion.h>

#include "scheduler/waits/waiting.h"

Test(waiting, a_wake_up_reaches_all_who_wait_for_the_run_and_nobody_else)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 10});
    struct uuid run = uuid_new();
    struct uuid other = uuid_new();
    struct waiter waiters[3];

    cr_assert(waiting_join(waiting, &waiters[0], run, NULL));
    cr_assert(waiting_join(waiting, &waiters[1], other, NULL));
    cr_assert(waiting_join(waiting, &waiters[2], run, NULL));
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
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 1});
    struct uuid run = uuid_new();
    struct waiter waiter;

    cr_assert(waiting_join(waiting, &waiter, run, NULL));
    cr_assert_not(waiter.woken);
    cr_assert_eq(waiting_wake(waiting, run), 1); /* while it reads the run */
    cr_assert(waiter.woken);
    waiting_leave(waiting, &waiter);
    waiting_free(waiting);
}

Test(waiting, no_more_wait_than_may)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 2});
    struct uuid run = uuid_new();
    struct waiter waiters[3];

    cr_assert(waiting_join(waiting, &waiters[0], run, NULL));
    cr_assert(waiting_join(waiting, &waiters[1], run, NULL));
    cr_assert_not(waiting_join(waiting, &waiters[2], run, NULL));
    waiting_leave(waiting, &waiters[0]);
    cr_assert(waiting_join(waiting, &waiters[2], uuid_new(), NULL));
    waiting_leave(waiting, &waiters[1]);
    waiting_leave(waiting, &waiters[2]);
    waiting_free(waiting);
}

Test(waiting, who_has_a_place_may_wait_for_something_else_besides)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 1});
    struct uuid run = uuid_new();
    struct waiter first;
    struct waiter besides;
    struct waiter more;

    cr_assert(waiting_join(waiting, &first, uuid_new(), NULL));
    cr_assert_not(waiting_join(waiting, &more, run, NULL));
    cr_assert(waiting_join_besides(waiting, &besides, run));
    cr_assert_eq(waiting_count(waiting), 1);
    cr_assert_eq(waiting_runs_count(waiting), 2);
    cr_assert_eq(waiting_wake(waiting, run), 1);
    waiting_leave(waiting, &besides);
    cr_assert_eq(waiting_count(waiting), 1);
    cr_assert_eq(waiting_runs_count(waiting), 1);
    waiting_end(waiting);
    cr_assert_not(waiting_join_besides(waiting, &besides, run));
    waiting_leave(waiting, &first);
    waiting_free(waiting);
}

Test(waiting, who_holds_as_many_places_as_one_may_gets_no_further_one)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 4, .max_of_one = 2});
    struct waiter waiters[5];
    size_t mine = 0;
    size_t yours = 0;

    cr_assert(waiting_join(waiting, &waiters[0], uuid_new(), &mine));
    cr_assert(waiting_join(waiting, &waiters[1], uuid_new(), &mine));
    cr_assert_not(waiting_has_room(waiting, mine));
    cr_assert_not(waiting_join(waiting, &waiters[2], uuid_new(), &mine));
    cr_assert(waiting_has_room(waiting, yours));
    cr_assert(waiting_join(waiting, &waiters[2], uuid_new(), &yours));
    waiting_leave(waiting, &waiters[0]);
    cr_assert_eq(mine, 1);
    cr_assert(waiting_join(waiting, &waiters[0], uuid_new(), &mine));
    cr_assert(waiting_join(waiting, &waiters[3], uuid_new(), &yours));
    cr_assert_not(waiting_has_room(waiting, 0), "all places are taken");
    for (size_t i = 0; i < 4; i++)
        waiting_leave(waiting, &waiters[i]);
    cr_assert(mine == 0 && yours == 0);
    waiting_free(waiting);
}

struct counted_run {
    struct waited_run waited;
    int kept;
};

static int begun;
static int ended;

static void begin_counted(void *arg, struct waited_run *run)
{
    struct counted_run *counted = CONTAINER_OF(run, struct counted_run, waited);

    cr_assert_eq(arg, &begun);
    cr_assert_eq(counted->kept, 0);
    counted->kept = ++begun;
}

static void end_counted(void *arg, struct waited_run *run)
{
    cr_assert_eq(arg, &begun);
    ended += CONTAINER_OF(run, struct counted_run, waited)->kept;
}

Test(waiting, a_run_has_what_its_user_adds_from_its_first_waiter_to_its_last)
{
    struct waiting_options options = {.max = 4,
                                      .run_bytes = sizeof(struct counted_run),
                                      .begin = begin_counted,
                                      .end = end_counted,
                                      .arg = &begun};
    struct waiting *waiting = waiting_new(&options);
    struct uuid run = uuid_new();
    struct waiter waiters[3];

    cr_assert_null(waiting_find(waiting, run));
    for (size_t i = 0; i < 2; i++)
        cr_assert(waiting_join(waiting, &waiters[i], run, NULL));
    cr_assert(waiting_join(waiting, &waiters[2], uuid_new(), NULL));
    cr_assert_eq(begun, 2);
    cr_assert_eq(waiting_find(waiting, run), waiters[0].run);
    waiting_leave(waiting, &waiters[0]);
    cr_assert_eq(ended, 0);
    waiting_leave(waiting, &waiters[1]);
    cr_assert_eq(ended, 1);
    waiting_leave(waiting, &waiters[2]);
    cr_assert_eq(ended, 3);
    waiting_free(waiting);
}

Test(waiting, where_none_may_wait_none_does)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 0});
    struct waiter waiter;

    cr_assert_not(waiting_join(waiting, &waiter, uuid_new(), NULL));
    waiting_free(waiting);
}

Test(waiting, at_the_end_all_are_woken_and_nobody_joins)
{
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = 10});
    struct waiter waiters[3];

    for (size_t i = 0; i < 2; i++)
        cr_assert(waiting_join(waiting, &waiters[i], uuid_new(), NULL));
    cr_assert_not(waiting_has_ended(waiting));
    waiting_end(waiting);
    cr_assert(waiting_has_ended(waiting));
    cr_assert(waiters[0].woken && waiters[1].woken);
    cr_assert_not(waiting_join(waiting, &waiters[2], uuid_new(), NULL));
    for (size_t i = 0; i < 2; i++)
        waiting_leave(waiting, &waiters[i]);
    waiting_free(waiting);
}

Test(waiting, the_runs_are_listed_once_each)
{
    enum { RUNS = 500, EACH = 3 };
    struct waiting *waiting = waiting_new(&(struct waiting_options){.max = RUNS * EACH});
    static struct waiter waiters[RUNS][EACH];
    static struct uuid runs[RUNS];
    static struct uuid listed[RUNS + 1];

    for (size_t i = 0; i < RUNS; i++) {
        runs[i] = uuid_new();
        for (size_t k = 0; k < EACH; k++)
            cr_assert(waiting_join(waiting, &waiters[i][k], runs[i], NULL));
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
