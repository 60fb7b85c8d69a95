/* Conditions: a list of waiters, each on its fiber's stack. */

#include "shared/fiber/cond.h"

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"

struct waiter {
    struct list link;
    struct fiber *fiber;
    bool signalled;
};

void cond_init(struct cond *cond)
{
    list_init(&cond->waiters);
}

static void signal_first(struct cond *cond)
{
    struct waiter *waiter = CONTAINER_OF(list_pop(&cond->waiters), struct waiter, link);

    waiter->signalled = true;
    fiber_wake(waiter->fiber);
}

int cond_wait(struct cond *cond, int64_t deadline_ms, struct error *err)
{
    struct waiter waiter = {.fiber = fiber_self()};
    enum wait_result result = WAIT_WOKEN;

    list_add(&cond->waiters, &waiter.link);
    while (!waiter.signalled && result == WAIT_WOKEN)
        result = fiber_wait("condition", deadline_ms);
    list_remove(&waiter.link);
    if (result == WAIT_WOKEN)
        return 0;
    /* A signal that reached a waiter which gave up belongs to the next one. */
    if (waiter.signalled)
        cond_signal(cond);
    if (result == WAIT_TIMEOUT)
        return error_set(err, E_TIMEOUT, "timed out waiting for a condition");
    return error_set(err, E_CANCELED, "cancelled while waiting for a condition");
}

void cond_signal(struct cond *cond)
{
    if (!list_empty(&cond->waiters))
        signal_first(cond);
}

void cond_broadcast(struct cond *cond)
{
    while (!list_empty(&cond->waiters))
        signal_first(cond);
}

bool cond_has_waiters(const struct cond *cond)
{
    return !list_empty(&cond->waiters);
}
