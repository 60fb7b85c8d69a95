#pragma once
/* The connections for transactions. Internal to shared/postgres.
 *
 * A permit is the right to hold one connection; there are `size` of them. It passes from fiber to
 * fiber in the order of their waiting, with the connection on it if that still is of use. */

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/cond.h"
#include "shared/postgres/session.h"

struct fiber;

struct pg_pool {
    const struct pg_conninfo *info; /* outlives the pool */
    size_t size;
    size_t permits_out; /* held by transactions or by those who connect */
    struct list idle;   /* of pg_session; the latest used first */
    size_t idle_count;
    struct list waiters;
    struct fiber *reaper;
    struct cond drained; /* signalled, while closing, when permits come back */
    bool closing;
};

void pg_pool_open(struct pg_pool *pool, const struct pg_conninfo *info, size_t size);

/* Refuses new permits, closes idle connections and waits up to `grace_ms` for those in use.
 * Returns whether all have come back. */
SUSPENDS bool pg_pool_close(struct pg_pool *pool, int64_t grace_ms);

/* Waits for a permit. Returns 0 with *out, which is NULL when the caller has to connect;
 * -E_UNAVAILABLE (none by the deadline, or closing), -E_CANCELED. */
SUSPENDS MUSTCHECK int pg_pool_acquire(struct pg_pool *pool, int64_t deadline_ms,
                                       struct pg_session **out, struct error *err);

/* Gives the permit back, with the session unless that was closed (NULL). */
void pg_pool_release(struct pg_pool *pool, struct pg_session *session);
