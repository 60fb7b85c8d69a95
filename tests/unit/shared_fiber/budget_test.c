/* Budgets. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/budget.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"

static struct budget budget;
static char order[16];
static size_t served;

struct asker {
    char name;
    size_t amount;
    int64_t wait_ms;
    int result;
    struct fiber *fiber;
};

static void ask(void *arg)
{
    struct asker *asker = arg;

    asker->result = budget_take(&budget, asker->amount, deadline_in(asker->wait_ms), NULL);
    if (asker->result == 0)
        order[served++] = asker->name;
}

static void start(struct asker *asker)
{
    asker->fiber = fiber_start("asker", ask, asker);
    fiber_yield();
}

static void in_order(void *arg)
{
    struct asker large = {'l', 90, 5000, 1, NULL};
    struct asker small = {'s', 10, 5000, 1, NULL};

    (void)arg;
    budget_init(&budget, 100);
    cr_assert_eq(budget_take(&budget, 50, DEADLINE_NONE, NULL), 0);
    start(&large);
    start(&small);
    cr_assert_eq(served, 0, "a small one must not overtake");
    budget_give(&budget, 40);
    fiber_join(large.fiber);
    cr_assert_eq(small.result, 1);
    budget_give(&budget, 10);
    fiber_join(small.fiber);
    cr_assert_str_eq(order, "ls");
    cr_assert_eq(budget.used, 100);
    budget_give(&budget, 100);
}

Test(budget, serves_in_the_order_of_arrival)
{
    loop_run(in_order, NULL);
}

static void giving_up(void *arg)
{
    struct asker large = {'l', 90, 20, 1, NULL};
    struct asker small = {'s', 10, 5000, 1, NULL};
    struct asker cancelled = {'c', 95, 5000, 1, NULL};

    (void)arg;
    budget_init(&budget, 100);
    cr_assert_eq(budget_take(&budget, 50, DEADLINE_NONE, NULL), 0);
    start(&large);
    start(&small);
    fiber_join(large.fiber);
    fiber_join(small.fiber);
    cr_assert_eq(large.result, -E_TIMEOUT);
    cr_assert_str_eq(order, "s");
    start(&cancelled);
    fiber_cancel(cancelled.fiber);
    fiber_join(cancelled.fiber);
    cr_assert_eq(cancelled.result, -E_CANCELED);
    cr_assert_eq(budget.used, 60);
    budget_give(&budget, 60);
}

Test(budget, one_that_gives_up_lets_those_behind_it_pass)
{
    loop_run(giving_up, NULL);
}

static void granted_and_cancelled(void *arg)
{
    struct asker asker = {'a', 60, 5000, 1, NULL};

    (void)arg;
    budget_init(&budget, 100);
    cr_assert_eq(budget_take(&budget, 50, DEADLINE_NONE, NULL), 0);
    start(&asker);
    budget_give(&budget, 50); /* granted, not yet run */
    fiber_cancel(asker.fiber);
    fiber_join(asker.fiber);
    cr_assert_eq(asker.result, -E_CANCELED);
    cr_assert_eq(budget.used, 0);
}

Test(budget, a_grant_that_meets_a_cancel_is_given_back)
{
    loop_run(granted_and_cancelled, NULL);
}

static void at_once(void *arg)
{
    struct asker waits = {'w', 60, 5000, 1, NULL};

    (void)arg;
    budget_init(&budget, 100);
    cr_assert(budget_try(&budget, 50));
    cr_assert_not(budget_try(&budget, 51));
    start(&waits);
    cr_assert_not(budget_try(&budget, 1), "somebody waits before it");
    budget_give(&budget, 50);
    fiber_join(waits.fiber);
    cr_assert(budget_try(&budget, 40));
    budget_give(&budget, 100);
}

Test(budget, is_taken_at_once_or_not_at_all)
{
    loop_run(at_once, NULL);
}

static void too_much(void *arg)
{
    (void)arg;
    budget_init(&budget, 100);
    cr_assert_eq(budget_take(&budget, 150, deadline_in(1000), NULL), 0);
    cr_assert_eq(budget_take(&budget, 1, deadline_in(10), NULL), -E_TIMEOUT);
    budget_give(&budget, 150);
    cr_assert_eq(budget_take(&budget, 1, deadline_in(10), NULL), 0);
    cr_assert_eq(budget_take(&budget, 150, deadline_in(10), NULL), -E_TIMEOUT);
    budget_give(&budget, 1);
}

Test(budget, more_than_all_is_given_when_all_is_free)
{
    loop_run(too_much, NULL);
}
