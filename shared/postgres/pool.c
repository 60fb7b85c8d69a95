/* The connections for transactions: permits, waiters, and the closing of idle ones.
 *
 * A permit that comes back is handed to the longest waiter directly; a fiber that comes later can't
 * take it first. The latest used connection is taken first, so that those not needed grow old and
 * are closed.
 */

#include "shared/postgres/pool.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"

#define IDLE_MS        60000
#define REAPER_TICK_MS 10000

struct waiter {
    struct list link;
    struct fiber *fiber;
    struct pg_session *session;
    bool granted;
    bool refused;
};

static void close_idle(struct pg_pool *pool, int64_t since_ms)
{
    list_for_each_safe (item, &pool->idle) {
        struct pg_session *session = CONTAINER_OF(item, struct pg_session, link);

        if (session->idle_since_ms > since_ms)
            continue;
        pool->idle_count--;
        pg_session_close(session);
    }
}

static void reaper_main(void *arg)
{
    struct pg_pool *pool = arg;

    while (fiber_sleep(REAPER_TICK_MS, NULL) == 0)
        close_idle(pool, clock_ms() - IDLE_MS);
}

void pg_pool_open(struct pg_pool *pool, const struct pg_conninfo *info, size_t size)
{
    ASSERT(size > 0);
    pool->info = info;
    pool->size = size;
    list_init(&pool->idle);
    list_init(&pool->waiters);
    cond_init(&pool->drained);
    pool->reaper = fiber_start("postgres pool", reaper_main, pool);
}

bool pg_pool_close(struct pg_pool *pool, int64_t grace_ms)
{
    int64_t deadline_ms = deadline_in(grace_ms);
    struct list *item;

    pool->closing = true;
    fiber_shield_enter();
    fiber_cancel(pool->reaper);
    fiber_join(pool->reaper);
    while ((item = list_pop(&pool->waiters))) {
        struct waiter *waiter = CONTAINER_OF(item, struct waiter, link);

        waiter->refused = true;
        fiber_wake(waiter->fiber);
    }
    close_idle(pool, INT64_MAX);
    while (pool->permits_out > 0) {
        if (cond_wait(&pool->drained, deadline_ms, NULL) < 0)
            break;
    }
    fiber_shield_leave();
    return pool->permits_out == 0;
}

static struct pg_session *take_idle(struct pg_pool *pool)
{
    struct list *item = list_pop(&pool->idle);

    if (!item)
        return NULL;
    pool->idle_count--;
    return CONTAINER_OF(item, struct pg_session, link);
}

static int refuse(struct error *err)
{
    return error_set(err, E_UNAVAILABLE, "the database connections are closing");
}

static int wait_for_permit(struct pg_pool *pool, int64_t deadline_ms, struct pg_session **out,
                           struct error *err)
{
    struct waiter waiter = {.fiber = fiber_self()};
    enum wait_result result = WAIT_WOKEN;

    list_add(&pool->waiters, &waiter.link);
    while (!waiter.granted && !waiter.refused && result == WAIT_WOKEN)
        result = fiber_wait("postgres transaction", deadline_ms);
    list_remove(&waiter.link);
    if (waiter.refused)
        return refuse(err);
    if (waiter.granted && result != WAIT_CANCELED) {
        *out = waiter.session;
        return 0;
    }
    if (waiter.granted)
        pg_pool_release(pool, waiter.session);
    if (result == WAIT_CANCELED)
        return error_set(err, E_CANCELED, "cancelled while waiting for a database connection");
    return error_set(err, E_UNAVAILABLE, "all %zu connections for transactions are in use",
                     pool->size);
}

int pg_pool_acquire(struct pg_pool *pool, int64_t deadline_ms, struct pg_session **out,
                    struct error *err)
{
    if (pool->closing)
        return refuse(err);
    if (fiber_canceled())
        return error_set(err, E_CANCELED, "cancelled before the transaction began");
    if (pool->permits_out >= pool->size)
        return wait_for_permit(pool, deadline_ms, out, err);
    pool->permits_out++;
    *out = take_idle(pool);
    return 0;
}

void pg_pool_release(struct pg_pool *pool, struct pg_session *session)
{
    struct list *item = list_pop(&pool->waiters);

    ASSERT(pool->permits_out > 0);
    if (item) {
        struct waiter *waiter = CONTAINER_OF(item, struct waiter, link);

        waiter->session = session;
        waiter->granted = true;
        fiber_wake(waiter->fiber);
        return;
    }
    pool->permits_out--;
    if (session && !pool->closing) {
        session->idle_since_ms = clock_ms();
        list_insert(pool->idle.next, &session->link);
        pool->idle_count++;
        return;
    }
    pg_session_close(session);
    if (pool->closing)
        cond_broadcast(&pool->drained);
}
