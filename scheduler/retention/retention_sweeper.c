/* A service whose round is one step, a transaction each, with a rest behind it that is as long as
 * three of its like: three quarters of the time the database is left to others, however slow it
 * is. How many rows a step looks at follows from how long the last one took. A pass goes through
 * its stages for each tenant that says something.
 */

#include "scheduler/retention/retention_sweeper.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"
#include "shared/store/retention/sweeps.h"
#include "shared/store/users/memories.h"
#include "shared/store/vectors/vector_cache.h"

enum {
    FIRST_WAIT_MS = 1000,
    LOOK_MS = 10000, /* how often it is looked whether a pass is due, at most */
    RESTS = 3,
    REST_MIN_MS = 2,
    SLOW_MS = 20,
    FAST_MS = 8,
    ROWS_FIRST = 100,
    ROWS_MIN = 10,
    ROWS_MAX = 5000,
    RENEW_MS = RETENTION_LEASE_S * 1000 / 4,
};

enum stage {
    STAGE_TURN,
    STAGE_TENANT,
    STAGE_THREADS,
    STAGE_HIDDEN,
    STAGE_RUNS,
    STAGE_BATCHES,
    STAGE_FIRINGS,
    STAGE_VECTORS,
    STAGE_MEMORIES,
    STAGE_END,
    STAGE_COUNT,
};

struct retention_sweeper {
    struct retention_sweeper_options options;
    struct service service;
    int64_t owner;
    enum stage stage;
    struct retention_tenant tenant;
    struct retention_cursor cursor;
    int64_t rows;
    int64_t renew_at_ms;
    int64_t wait_ms;
    uint64_t passes;
    uint64_t threads_deleted;
    uint64_t threads_archived;
    uint64_t runs_deleted;
    uint64_t batches_deleted;
    uint64_t firings_deleted;
    uint64_t vectors_deleted;
    uint64_t memories_deleted;
    int64_t lag_s;
};

int64_t retention_sweeper_rows(int64_t rows, int64_t took_ms)
{
    if (took_ms > SLOW_MS)
        return rows / 2 > ROWS_MIN ? rows / 2 : ROWS_MIN;
    if (took_ms < FAST_MS)
        return rows * 2 < ROWS_MAX ? rows * 2 : ROWS_MAX;
    return rows;
}

static void enter(struct retention_sweeper *sweeper, enum stage stage)
{
    sweeper->stage = stage;
    sweeper->cursor = (struct retention_cursor){.hour = 0};
}

static struct retention_step step_of(const struct retention_sweeper *sweeper)
{
    return (struct retention_step){sweeper->owner, &sweeper->tenant, sweeper->rows};
}

static void count(struct retention_sweeper *sweeper, const struct retention_swept *swept)
{
    sweeper->threads_deleted += (uint64_t)swept->threads_deleted;
    sweeper->threads_archived += (uint64_t)swept->threads_archived;
    sweeper->runs_deleted += (uint64_t)swept->runs_deleted;
}

/* ---- the stages ---- */

static int turn(struct retention_sweeper *sweeper, struct error *err)
{
    struct retention_turn got;
    int64_t pause_ms = sweeper->options.pause_ms;
    int r = retention_hold(sweeper->options.pg, sweeper->owner, pause_ms, &got, err);

    if (r < 0)
        return r;
    sweeper->lag_s = got.lag_s;
    sweeper->wait_ms = service_spread_ms(pause_ms / 4 < LOOK_MS ? pause_ms / 4 : LOOK_MS);
    if (!got.held)
        return 0;
    sweeper->renew_at_ms = deadline_in(RENEW_MS);
    sweeper->wait_ms = 0;
    sweeper->tenant = (struct retention_tenant){.after_s = -1};
    enter(sweeper, STAGE_TENANT);
    return 0;
}

static int next_tenant(struct retention_sweeper *sweeper, struct error *err)
{
    struct retention_tenant next;
    int r = retention_next_tenant(sweeper->options.pg, sweeper->tenant.id, &next, err);

    if (r < 0)
        return r;
    sweeper->tenant = next;
    if (uuid_is_zero(next.id))
        enter(sweeper, STAGE_FIRINGS);
    else if (next.after_s >= 0)
        enter(sweeper, STAGE_THREADS);
    return 0;
}

static int threads(struct retention_sweeper *sweeper, struct error *err)
{
    bool hidden = sweeper->stage == STAGE_HIDDEN;
    struct retention_step step = step_of(sweeper);
    struct retention_swept swept;
    int r = retention_threads(sweeper->options.pg, &step, hidden, &sweeper->cursor, &swept, err);

    if (r < 0)
        return r;
    count(sweeper, &swept);
    if (!swept.more && !hidden)
        enter(sweeper, STAGE_HIDDEN);
    else if (!swept.more)
        enter(sweeper, sweeper->tenant.delete_s >= 0 ? STAGE_RUNS : STAGE_TENANT);
    return 0;
}

static int runs(struct retention_sweeper *sweeper, struct error *err)
{
    struct retention_step step = step_of(sweeper);
    struct retention_swept swept;
    int r = retention_runs(sweeper->options.pg, &step, &sweeper->cursor, &swept, err);

    if (r < 0)
        return r;
    count(sweeper, &swept);
    if (!swept.more)
        enter(sweeper, sweeper->tenant.own_delete_s >= 0 ? STAGE_BATCHES : STAGE_TENANT);
    return 0;
}

static int batches(struct retention_sweeper *sweeper, struct error *err)
{
    struct retention_step step = step_of(sweeper);
    int64_t deleted;
    bool more;
    int r = retention_batches(sweeper->options.pg, &step, &deleted, &more, err);

    if (r < 0)
        return r;
    sweeper->batches_deleted += (uint64_t)deleted;
    if (!more)
        enter(sweeper, STAGE_TENANT);
    return 0;
}

static int firings(struct retention_sweeper *sweeper, struct error *err)
{
    int64_t deleted;
    bool more;
    int r = retention_firings(sweeper->options.pg, sweeper->owner, sweeper->options.firing_days,
                              sweeper->rows, &sweeper->cursor, &deleted, &more, err);

    if (r < 0)
        return r;
    sweeper->firings_deleted += (uint64_t)deleted;
    if (!more)
        enter(sweeper, STAGE_VECTORS);
    return 0;
}

/* Of all tenants, like firings: what nobody uses any more. */
static int vectors(struct retention_sweeper *sweeper, struct error *err)
{
    int64_t deleted;
    int r = vector_cache_sweep(sweeper->options.pg, sweeper->rows, &deleted, err);

    if (r < 0)
        return r;
    sweeper->vectors_deleted += (uint64_t)deleted;
    if (deleted < sweeper->rows)
        enter(sweeper, STAGE_MEMORIES);
    return 0;
}

static int memories(struct retention_sweeper *sweeper, struct error *err)
{
    int64_t deleted;
    int r = memories_sweep(sweeper->options.pg, sweeper->rows, &deleted, err);

    if (r < 0)
        return r;
    sweeper->memories_deleted += (uint64_t)deleted;
    if (deleted < sweeper->rows)
        enter(sweeper, STAGE_END);
    return 0;
}

static int end(struct retention_sweeper *sweeper, struct error *err)
{
    int r = retention_release(sweeper->options.pg, sweeper->owner, err);

    if (r < 0)
        return r;
    sweeper->passes++;
    enter(sweeper, STAGE_TURN);
    return 0;
}

static int (*const stages[STAGE_COUNT])(struct retention_sweeper *sweeper, struct error *err) = {
    [STAGE_TURN] = turn,       [STAGE_TENANT] = next_tenant, [STAGE_THREADS] = threads,
    [STAGE_HIDDEN] = threads,  [STAGE_RUNS] = runs,          [STAGE_BATCHES] = batches,
    [STAGE_FIRINGS] = firings, [STAGE_VECTORS] = vectors,    [STAGE_MEMORIES] = memories,
    [STAGE_END] = end,
};

/* ---- the service ---- */

/* Where the turn was lost, another one goes on from the beginning: what is gone is gone. */
static int renew(struct retention_sweeper *sweeper, struct error *err)
{
    struct retention_turn got;
    int r = retention_hold(sweeper->options.pg, sweeper->owner, -1, &got, err);

    if (r < 0)
        return r;
    sweeper->renew_at_ms = deadline_in(RENEW_MS);
    sweeper->lag_s = got.lag_s;
    if (!got.held)
        enter(sweeper, STAGE_TURN);
    return 0;
}

static int sweep(void *arg, struct error *err)
{
    struct retention_sweeper *sweeper = arg;
    bool in_pass = sweeper->stage != STAGE_TURN;
    int64_t began_ms;
    int64_t took_ms;
    int r = 0;

    sweeper->wait_ms = service_spread_ms(FIRST_WAIT_MS);
    if (in_pass && clock_ms() >= sweeper->renew_at_ms)
        r = renew(sweeper, err);
    began_ms = clock_ms();
    if (r == 0)
        r = stages[sweeper->stage](sweeper, err);
    took_ms = clock_ms() - began_ms;
    if (in_pass)
        sweeper->rows = retention_sweeper_rows(sweeper->rows, took_ms);
    if (r == 0 && in_pass)
        sweeper->wait_ms = RESTS * took_ms > REST_MIN_MS ? RESTS * took_ms : REST_MIN_MS;
    return r;
}

static int64_t wait_ms(void *arg)
{
    const struct retention_sweeper *sweeper = arg;

    return sweeper->wait_ms;
}

struct retention_sweeper *retention_sweeper_start(const struct retention_sweeper_options *options)
{
    struct retention_sweeper *sweeper = xcalloc(1, sizeof(*sweeper));
    struct service_options service = {
        .name = "retention",
        .round = sweep,
        .arg = sweeper,
        .wait_ms = wait_ms,
        .late = true,
        .trouble = "what is older than it is to be kept can't be deleted now",
        .recovered = "what is older than it is to be kept is deleted again",
    };
    struct uuid id = uuid_new();

    sweeper->options = *options;
    sweeper->rows = ROWS_FIRST;
    sweeper->wait_ms = service_spread_ms(FIRST_WAIT_MS);
    memcpy(&sweeper->owner, id.bytes + sizeof(id.bytes) - sizeof(sweeper->owner),
           sizeof(sweeper->owner));
    service_start(&sweeper->service, &service);
    return sweeper;
}

void retention_sweeper_stop(struct retention_sweeper *sweeper)
{
    if (!sweeper)
        return;
    service_stop(&sweeper->service);
    free(sweeper);
}

static const struct metric rows[] = {
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, passes, "penstock_retention_passes_total",
                  "Passes over what is to go that this process ended."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, threads_deleted,
                  "penstock_retention_threads_deleted_total",
                  "Threads that were deleted by retention."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, threads_archived,
                  "penstock_retention_threads_archived_total",
                  "Threads that were archived by retention."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, runs_deleted,
                  "penstock_retention_runs_deleted_total",
                  "Runs that were deleted by retention, with their threads or without."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, batches_deleted,
                  "penstock_retention_batches_deleted_total",
                  "Batches that were deleted by retention."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, firings_deleted,
                  "penstock_retention_firings_deleted_total",
                  "Firings of schedules that were deleted since they were old."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, vectors_deleted,
                  "penstock_retention_vectors_deleted_total",
                  "Vectors that were deleted since nobody had used them for 30 days."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, memories_deleted,
                  "penstock_retention_memories_deleted_total",
                  "Memories that were deleted 30 days after something else had replaced them."),
    METRIC_COUNTS(retention_sweeper, METRIC_UINT64, service.failures,
                  "penstock_retention_failures_total", "Steps of retention that failed."),
    METRIC_SHOWS(retention_sweeper, METRIC_INT64, lag_s, "penstock_retention_lag_seconds",
                 "How long ago the moment is up to which all that was due is gone."),
};

const struct metric_table retention_sweeper_metrics = METRIC_TABLE(rows);

void retention_sweeper_metrics_render(const struct retention_sweeper *sweeper, struct buf *out)
{
    metric_table_render(&retention_sweeper_metrics, sweeper, out);
}
