/* Budgets: a counter and a queue. Who gives back hands on to those who wait. */

#include "shared/fiber/budget.h"

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"

struct budget_waiter {
    struct list link;
    struct fiber *fiber;
    size_t amount;
    bool granted;
};

void budget_init(struct budget *budget, size_t max)
{
    ASSERT(max > 0);
    *budget = (struct budget){.max = max};
    list_init(&budget->waiters);
}

void budget_charge(struct budget *budget, size_t amount)
{
    budget->used += amount;
}

static size_t capped(const struct budget *budget, size_t amount)
{
    return amount < budget->max ? amount : budget->max;
}

static bool fits(const struct budget *budget, size_t amount)
{
    return budget->used <= budget->max - capped(budget, amount); /* false while overdrawn */
}

bool budget_try(struct budget *budget, size_t amount)
{
    if (!list_empty(&budget->waiters) || !fits(budget, amount))
        return false;
    budget->used += amount;
    return true;
}

static void hand_on(struct budget *budget)
{
    while (!list_empty(&budget->waiters)) {
        struct budget_waiter *first =
            CONTAINER_OF(budget->waiters.next, struct budget_waiter, link);

        if (!fits(budget, first->amount))
            return;
        list_remove(&first->link);
        budget->used += first->amount;
        first->granted = true;
        fiber_wake(first->fiber);
    }
}

int budget_take(struct budget *budget, size_t amount, int64_t deadline_ms, struct error *err)
{
    struct budget_waiter waiter = {.fiber = fiber_self(), .amount = amount};
    enum wait_result result = WAIT_WOKEN;

    if (budget_try(budget, amount))
        return 0;
    list_add(&budget->waiters, &waiter.link);
    while (!waiter.granted && result == WAIT_WOKEN)
        result = fiber_wait("budget", deadline_ms);
    if (waiter.granted && result != WAIT_CANCELED)
        return 0;
    if (waiter.granted) {
        budget_give(budget, amount);
    } else {
        list_remove(&waiter.link);
        hand_on(budget); /* those behind it may be smaller */
    }
    if (result == WAIT_CANCELED)
        return error_set(err, E_CANCELED, "cancelled while waiting for a share of a budget");
    return error_set(err, E_TIMEOUT, "no share of the budget came free in time");
}

void budget_give(struct budget *budget, size_t amount)
{
    ASSERT(amount <= budget->used);
    budget->used -= amount;
    hand_on(budget);
}
