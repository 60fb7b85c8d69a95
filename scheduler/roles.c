#include "scheduler/roles.h"

#include <string.h>

#include "scheduler/api/api.h"
#include "scheduler/batches/batches.h"
#include "scheduler/clock/clockwork.h"
#include "scheduler/dispatch/census.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/files/file_sweeper.h"
#include "scheduler/gateway/gateway.h"
#include "scheduler/live/live.h"
#include "scheduler/outbox/outbox_sender.h"
#include "scheduler/reap/reap.h"
#include "scheduler/retention/retention_sweeper.h"
#include "scheduler/search/search_filler.h"
#include "scheduler/state.h"
#include "scheduler/waits/waits.h"
#include "shared/config/config.h"
#include "shared/events/teller.h"
#include "shared/queue/queue.h"

/* The API's readers are those of this process. */
static bool is_read(struct uuid run, void *arg)
{
    const struct scheduler *scheduler = arg;

    return scheduler->live && live_awaits(scheduler->live, run);
}

static void start_dispatcher(struct scheduler *scheduler)
{
    struct dispatcher_options options = {
        .pg = scheduler->links.dispatch,
        .leases = scheduler->links.core,
        .queue = scheduler->links.queue,
        .shards = scheduler->config->shards,
        .owns = scheduler->roles & ROLE_DISPATCH,
        .is_read = is_read,
        .arg = scheduler,
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

/* Of connections that are held for long, half for each kind, and few for calls of models; some are
 * left for those who do not wait. */
static size_t places(const struct config *config, int64_t wanted)
{
    int64_t max = (config->scheduler.max_connections - config->scheduler.max_connections / 8) / 2;

    return (size_t)(wanted < max ? wanted : max);
}

/* Those that one tenant may have. */
static size_t places_of_one(const struct config *config, size_t max)
{
    size_t places = max * (size_t)config->scheduler.tenant_places_percent / 100;

    return places > 0 || max == 0 ? places : 1;
}

static void start_live(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    struct live_options options = {
        .pg = scheduler->links.api,
        .redis = scheduler->links.redis,
        .redis_url = config->redis_url,
        .max = places(config, config->scheduler.stream_readers),
    };

    options.max_of_one = places_of_one(config, options.max);
    scheduler->live = live_start(&options);
}

static void stop_live(struct scheduler *scheduler)
{
    live_stop(scheduler->live);
    scheduler->live = NULL;
}

static void render_live(struct scheduler *scheduler, struct buf *out)
{
    live_metrics_render(scheduler->live, out);
}

/* Something became of a run that no worker tells of. */
static void on_run_moved(struct uuid run, void *arg)
{
    struct scheduler *scheduler = arg;

    if (scheduler->live)
        live_look(scheduler->live, run);
}

static void start_waits(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    struct waits_options options = {
        .pg = scheduler->links.api,
        .queue = scheduler->links.queue,
        .redis_url = config->redis_url,
        .max = places(config, config->scheduler.waiting_requests),
        .settled = on_run_moved,
        .arg = scheduler,
    };

    options.max_of_one = places_of_one(config, options.max);
    scheduler->waits = waits_start(&options);
}

static void stop_waits(struct scheduler *scheduler)
{
    waits_stop(scheduler->waits);
    scheduler->waits = NULL;
}

static void render_waits(struct scheduler *scheduler, struct buf *out)
{
    waits_metrics_render(scheduler->waits, out);
}

/* Something became of a run here: those who wait in this process are woken at once, others are
 * told. */
static void tell(struct scheduler *scheduler, enum news_kind kind, struct uuid id)
{
    if (scheduler->waits)
        waits_hear(scheduler->waits, kind, id);
    teller_tell(scheduler->links.teller, kind, id);
}

static void on_run_settled(struct uuid run, void *arg)
{
    tell(arg, NEWS_SETTLED, run);
}

static void on_run_changed(struct uuid run, void *arg)
{
    tell(arg, NEWS_CHANGED, run);
}

static void on_thread_gone(struct uuid thread, void *arg)
{
    tell(arg, NEWS_THREAD_GONE, thread);
}

static void start_gateway(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    int64_t calls = config->scheduler.gateway_calls;
    int64_t most = config->scheduler.max_connections / 16;
    struct gateway_options options = {
        .pg = scheduler->links.api,
        .fleet = scheduler->links.core,
        .redis = scheduler->links.redis,
        .http = scheduler->links.http,
        .registry = scheduler->registry,
        .tracer = scheduler->tracer,
        .calls_max = (size_t)(calls < most ? calls : most),
        .wait_ms = config->scheduler.gateway_wait_ms,
    };

    scheduler->gateway = gateway_start(&options);
}

static void stop_gateway(struct scheduler *scheduler)
{
    gateway_stop(scheduler->gateway);
    scheduler->gateway = NULL;
}

static void render_gateway(struct scheduler *scheduler, struct buf *out)
{
    gateway_metrics_render(scheduler->gateway, out);
}

static void start_reap(struct scheduler *scheduler)
{
    struct reap_options options = {
        .looks = scheduler->links.core,
        .sweeps = scheduler->links.dispatch,
        .queue = scheduler->links.queue,
        .shards = scheduler->config->shards,
        .listener = {on_run_settled, scheduler},
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

static void start_files(struct scheduler *scheduler)
{
    scheduler->file_sweeper =
        file_sweeper_start(scheduler->links.files.rows, scheduler->links.files.blobs);
}

static void stop_files(struct scheduler *scheduler)
{
    file_sweeper_stop(scheduler->file_sweeper);
    scheduler->file_sweeper = NULL;
}

static void render_files(struct scheduler *scheduler, struct buf *out)
{
    file_sweeper_metrics_render(scheduler->file_sweeper, out);
}

static void on_run_cancelling(int64_t worker, struct uuid run, void *arg)
{
    struct scheduler *scheduler = arg;

    on_run_moved(run, scheduler);
    queue_nudge_cancel(scheduler->links.queue, worker, run);
}

static void start_batches(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    struct batches_options options = {
        .pg = scheduler->links.batches,
        .blobs = scheduler->links.files.blobs,
        .registry = scheduler->registry,
        .limits = {config->threads.max_bytes, config->threads.user_max_bytes},
        .events =
            {
                .run_cancelling = on_run_cancelling,
                .run_settled = on_run_settled,
                .arg = scheduler,
            },
        .shards = config->shards,
        .run_ttl_ms = config->scheduler.run_ttl_ms,
        .tracer = scheduler->tracer,
    };

    scheduler->batches = batches_start(&options);
}

static void stop_batches(struct scheduler *scheduler)
{
    batches_stop(scheduler->batches);
    scheduler->batches = NULL;
}

static void render_batches(struct scheduler *scheduler, struct buf *out)
{
    batches_metrics_render(scheduler->batches, out);
}

static void on_run_ready(struct uuid run, struct uuid tenant, int shard, int priority, void *arg)
{
    struct scheduler *scheduler = arg;

    on_run_moved(run, scheduler);
    if (scheduler->dispatcher)
        dispatcher_hint(scheduler->dispatcher, &(struct new_run){run, tenant, shard, priority});
}

static void start_clock(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    struct clockwork_options options = {
        .pg = scheduler->links.clock,
        .sweeps = scheduler->links.dispatch,
        .limits = {config->threads.max_bytes, config->threads.user_max_bytes},
        .events =
            {
                .run_ready = on_run_ready,
                .run_cancelling = on_run_cancelling,
                .run_settled = on_run_settled,
                .arg = scheduler,
            },
        .shards = config->shards,
        .run_ttl_ms = config->scheduler.run_ttl_ms,
        .tracer = scheduler->tracer,
    };

    scheduler->clockwork = clockwork_start(&options);
}

static void stop_clock(struct scheduler *scheduler)
{
    clockwork_stop(scheduler->clockwork);
    scheduler->clockwork = NULL;
}

static void render_clock(struct scheduler *scheduler, struct buf *out)
{
    clockwork_metrics_render(scheduler->clockwork, out);
}

static void start_outbox(struct scheduler *scheduler)
{
    const struct outbox_sender_options options = {
        .pg = scheduler->links.outbox,
        .http = scheduler->links.hooks,
        .guard = scheduler->hook_guard,
        .master_keys = scheduler->master_keys,
        .keep_days = scheduler->config->webhooks.keep_days,
        .tracer = scheduler->tracer,
    };

    scheduler->outbox = outbox_sender_start(&options);
}

static void stop_outbox(struct scheduler *scheduler)
{
    outbox_sender_stop(scheduler->outbox);
    scheduler->outbox = NULL;
}

static void render_outbox(struct scheduler *scheduler, struct buf *out)
{
    outbox_sender_metrics_render(scheduler->outbox, out);
}

static void start_retention(struct scheduler *scheduler)
{
    const struct retention_sweeper_options options = {
        .pg = scheduler->links.retention,
        .pause_ms = scheduler->config->retention.pause_ms,
        .firing_days = scheduler->config->retention.firing_days,
    };

    scheduler->retention = retention_sweeper_start(&options);
}

static void stop_retention(struct scheduler *scheduler)
{
    retention_sweeper_stop(scheduler->retention);
    scheduler->retention = NULL;
}

static void render_retention(struct scheduler *scheduler, struct buf *out)
{
    retention_sweeper_metrics_render(scheduler->retention, out);
}

static void start_search(struct scheduler *scheduler)
{
    bool all = strcmp(scheduler->config->scheduler.search, "all") == 0;
    struct search_filler_options options = {
        .pg = scheduler->links.search,
        .scope = all ? SEARCH_ALL : SEARCH_USERS,
    };

    if (options.pg)
        scheduler->search_filler = search_filler_start(&options);
}

static void stop_search(struct scheduler *scheduler)
{
    search_filler_stop(scheduler->search_filler);
    scheduler->search_filler = NULL;
}

static void render_search(struct scheduler *scheduler, struct buf *out)
{
    if (scheduler->search_filler)
        search_filler_metrics_render(scheduler->search_filler, out);
}

static void start_api(struct scheduler *scheduler)
{
    struct api_options options = {
        .pg = scheduler->links.api,
        .pg_large = scheduler->links.large,
        .pg_search = scheduler->links.search,
        .pg_files = scheduler->links.files.rows,
        .blobs = scheduler->links.files.blobs,
        .file_max_bytes = scheduler->config->files.max_bytes,
        .upload_max_bytes = scheduler->config->files.upload_max_bytes,
        .tenant_max_bytes = scheduler->config->files.tenant_max_bytes,
        .registry = scheduler->registry,
        .shards = scheduler->config->shards,
        .run_ttl_ms = scheduler->config->scheduler.run_ttl_ms,
        .schedules_max = scheduler->config->scheduler.tenant_schedules,
        .budgets_max = scheduler->config->scheduler.tenant_budgets,
        .limits = {scheduler->config->threads.max_bytes, scheduler->config->threads.user_max_bytes},
        .waits = scheduler->waits,
        .live = scheduler->live,
        .gateway = scheduler->gateway,
        .hooks = scheduler->links.hooks,
        .hook_guard = &scheduler->hook_guard,
        .tool_guard = &scheduler->tool_guard,
        .web = {scheduler->config->web_search_count > 0, scheduler->config->read_page.robots},
        .mcp_servers = scheduler->config->mcp_servers,
        .mcp_servers_count = scheduler->config->mcp_servers_count,
        .master_keys = scheduler->master_keys,
        .tracer = scheduler->tracer,
        .key_sockets = (size_t)scheduler->config->scheduler.key_sockets,
        .response_wait_ms = scheduler->config->scheduler.response_wait_ms,
        .mcp_origins = scheduler->config->scheduler.mcp_origins,
        .events =
            {
                .run_ready = on_run_ready,
                .run_cancelling = on_run_cancelling,
                .run_settled = on_run_settled,
                .run_changed = on_run_changed,
                .thread_gone = on_thread_gone,
                .arg = scheduler,
            },
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
    {ROLE_API, start_live, stop_live, render_live},
    {ROLE_API, start_waits, stop_waits, render_waits},
    {ROLE_API, start_gateway, stop_gateway, render_gateway},
    {ROLE_REAP, start_reap, stop_reap, render_reap},
    {ROLE_REAP, start_files, stop_files, render_files},
    {ROLE_REAP, start_search, stop_search, render_search},
    {ROLE_BATCHES, start_batches, stop_batches, render_batches},
    {ROLE_CLOCK, start_clock, stop_clock, render_clock},
    {ROLE_OUTBOX, start_outbox, stop_outbox, render_outbox},
    {ROLE_RETENTION, start_retention, stop_retention, render_retention},
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
