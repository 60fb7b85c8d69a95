#include "scheduler/roles.h"

#include "scheduler/api/api.h"
#include "scheduler/dispatch/census.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/reap/reap.h"
#include "scheduler/state.h"
#include "shared/config/config.h"
#include "shared/queue/queue.h"

static void start_dispatcher(struct scheduler *scheduler)
{
    struct dispatcher_options options = {
        .pg = scheduler->links.dispatch,
        .leases = scheduler->links.core,
        .queue = scheduler->links.queue,
        .shards = scheduler->config->shards,
        .owns = scheduler->roles & ROLE_DISPATCH,
    };

    scheduler->dispatcher = dispatcher_start(&options);
}

static void stop_dispatcher(struct scheduler *scheduler)
{
    dispatcher_stop(scheduler->dispatcher);
    scheduler->dispatcher = NULL;
}

static void render_dispatcher(struct scheduler *scheduler, struct buf *out)
{
    dispatcher_metrics_render(scheduler->dispatcher, out);
}

static void start_reap(struct scheduler *scheduler)
{
    struct reap_options options = {
        .looks = scheduler->links.core,
        .sweeps = scheduler->links.dispatch,
        .queue = scheduler->links.queue,
        .shards = scheduler->config->shards,
    };

    scheduler->reap = reap_start(&options);
}

static void stop_reap(struct scheduler *scheduler)
{
    reap_stop(scheduler->reap);
    scheduler->reap = NULL;
}

static void render_reap(struct scheduler *scheduler, struct buf *out)
{
    reap_metrics_render(scheduler->reap, out);
}

static void on_run_ready(struct uuid run, struct uuid tenant, int shard, int priority, void *arg)
{
    struct scheduler *scheduler = arg;

    if (scheduler->dispatcher)
        dispatcher_hint(scheduler->dispatcher, &(struct new_run){run, tenant, shard, priority});
}

static void on_run_cancelling(int64_t worker, struct uuid run, void *arg)
{
    struct scheduler *scheduler = arg;

    queue_nudge_cancel(scheduler->links.queue, worker, run);
}

static void start_api(struct scheduler *scheduler)
{
    struct api_options options = {
        .pg = scheduler->links.api,
        .pg_large = scheduler->links.large,
        .registry = scheduler->registry,
        .shards = scheduler->config->shards,
        .run_ttl_ms = scheduler->config->scheduler.run_ttl_ms,
        .limits = {scheduler->config->threads.max_bytes, scheduler->config->threads.user_max_bytes},
        .events = {on_run_ready, on_run_cancelling, scheduler},
    };

    scheduler->api = api_new(&options);
}

static void stop_api(struct scheduler *scheduler)
{
    api_free(scheduler->api);
    scheduler->api = NULL;
}

static void render_api(struct scheduler *scheduler, struct buf *out)
{
    api_metrics_render(scheduler->api, out);
}

static void on_counted(const struct dispatch_counts *counts, const struct dispatch_waiting *waiting,
                       void *arg)
{
    struct scheduler *scheduler = arg;
    struct api_load load = {.ready = waiting->ready, .slots = counts->slots};

    if (scheduler->dispatcher)
        dispatcher_set_counts(scheduler->dispatcher, counts, waiting->ready);
    if (scheduler->api)
        api_set_load(scheduler->api, &load);
}

static void start_census(struct scheduler *scheduler)
{
    struct census_options options = {
        .pg = scheduler->links.core,
        .backlog = scheduler->links.dispatch,
        .counted = on_counted,
        .arg = scheduler,
    };

    scheduler->census = census_start(&options);
}

static void stop_census(struct scheduler *scheduler)
{
    census_stop(scheduler->census);
    scheduler->census = NULL;
}

static void render_census(struct scheduler *scheduler, struct buf *out)
{
    census_metrics_render(scheduler->census, out);
}

/* What one part uses of another stands above it. */
static const struct {
    unsigned roles; /* with any of these it is started */
    void (*start)(struct scheduler *scheduler);
    void (*stop)(struct scheduler *scheduler);
    void (*render)(struct scheduler *scheduler, struct buf *out);
} parts[] = {
    {ROLE_DISPATCH | ROLE_API, start_dispatcher, stop_dispatcher, render_dispatcher},
    {ROLE_REAP, start_reap, stop_reap, render_reap},
    {ROLE_API, start_api, stop_api, render_api},
    {ROLES_ALL, start_census, stop_census, render_census},
};

void roles_start(struct scheduler *scheduler)
{
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (parts[i].roles & scheduler->roles)
            parts[i].start(scheduler);
}

void roles_stop(struct scheduler *scheduler)
{
    for (size_t i = ARRAY_LENGTH(parts); i-- > 0;)
        parts[i].stop(scheduler);
}

void roles_metrics_render(struct scheduler *scheduler, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (parts[i].roles & scheduler->roles)
            parts[i].render(scheduler, out);
}
