/* Postgres for fibers: opening, closing, and the calls on the shared connection.
 *
 *   postgres.c         this
 *   tx.c, pool.c       transactions, and the connections on which they take turns
 *   mux.c              the driver and the queue of the shared connection
 *   flight.c           one batch and its answers
 *   session.c          one connection
 *   probe.c            whether a silent connection is half-open
 *   conninfo.c         the url
 *   outcome.c          what an error means
 *   statement.c        values to the wire
 *   value.c, result.c  what callers give and get
 */

#include "shared/postgres/postgres.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/postgres/conninfo.h"
#include "shared/postgres/postgres_internal.h"

#define POOL_SIZE            4
#define POOL_SIZE_MAX        100
#define STATEMENT_TIMEOUT_MS 10000
#define REQUEST_TIMEOUT_MS   15000
#define QUEUE_MAX            100000
#define STALL_GRACE_MS       5000
#define CLOSE_GRACE_MS       5000

static int64_t positive_or(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

int pg_open(const struct pg_options *options, struct pg **out, struct error *err)
{
    struct pg_mux_options mux = {
        .request_timeout_ms = positive_or(options->request_timeout_ms, REQUEST_TIMEOUT_MS),
        .stall_ms =
            positive_or(options->statement_timeout_ms, STATEMENT_TIMEOUT_MS) + STALL_GRACE_MS,
        .queue_max = options->queue_max ? options->queue_max : QUEUE_MAX,
        .batch_max = options->batch_max ? options->batch_max : PG_BATCH_MAX,
    };
    int64_t pool_size = positive_or(options->pool_size, POOL_SIZE);
    struct pg_conninfo *info = NULL;
    struct pg *pg;
    int r = pg_conninfo_new(options, &info, err);

    ASSERT(options->batch_max <= PG_BATCH_MAX);
    if (r < 0)
        return r;
    pg = xcalloc(1, sizeof(*pg));
    pg->info = info;
    pg->request_timeout_ms = mux.request_timeout_ms;
    mux.info = info;
    pg_mux_open(&pg->mux, &mux);
    pg_pool_open(&pg->pool, info, (size_t)(pool_size < POOL_SIZE_MAX ? pool_size : POOL_SIZE_MAX));
    *out = pg;
    return 0;
}

void pg_free(struct pg *pg)
{
    pg_conninfo_free(pg->info);
    free(pg);
}

void pg_close(struct pg *pg)
{
    bool drained;

    if (!pg)
        return;
    pg->pool.closing = true;
    pg_mux_close(&pg->mux, CLOSE_GRACE_MS);
    drained = pg_pool_close(&pg->pool, CLOSE_GRACE_MS);
    if (drained)
        pg_free(pg);
    else
        pg->abandoned = true;
}

int pg_wait_ready(struct pg *pg, int64_t deadline_ms, struct error *err)
{
    return pg_mux_wait_ready(&pg->mux, deadline_ms, err);
}

bool pg_is_ready(const struct pg *pg)
{
    return pg->mux.session != NULL;
}

enum pg_state pg_state(const struct pg *pg, struct error *out_why)
{
    struct error why;
    enum pg_state state = pg_mux_state(&pg->mux, &why);

    if (out_why && state != PG_SERVES)
        *out_why = why;
    return state;
}

int pg_exec(struct pg *pg, const struct pg_statement *statement, const struct pg_value *values,
            struct pg_result **out, struct error *err)
{
    struct pg_query query = {statement, values};

    return pg_mux_run(&pg->mux, &query, 1, out, err);
}

int pg_exec_all(struct pg *pg, const struct pg_query *queries, size_t count,
                struct pg_result **out_results, struct error *err)
{
    return pg_mux_run(&pg->mux, queries, count, out_results, err);
}

void pg_await_turn(struct pg *pg)
{
    pg_mux_await_turn(&pg->mux);
}

void pg_stats_get(const struct pg *pg, struct pg_stats *out)
{
    pg_mux_stats(&pg->mux, out);
}
