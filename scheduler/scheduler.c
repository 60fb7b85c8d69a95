/* Opening and closing, in one order and its reverse. What runs in the background uses the
 * connections, so it is started after them and stopped before. */

#include "scheduler/scheduler.h"

#include <string.h>

#include "providers/models/registry.h"
#include "providers/models/registry_reload.h"
#include "scheduler/api/api.h"
#include "scheduler/batches/batches.h"
#include "scheduler/gateway/gateway.h"
#include "scheduler/health.h"
#include "scheduler/hook_exceptions.h"
#include "scheduler/live/live.h"
#include "scheduler/roles.h"
#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/events/teller.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_client.h"
#include "shared/postgres/postgres.h"
#include "shared/program/servers.h"
#include "shared/program/telemetry.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"
#include "shared/secrets/key_ring.h"
#include "shared/store/search/search.h"
#include "shared/trace/tracer.h"

#define PART_BYTES_MAX ((size_t)64 << 20) /* of an upload */
#define FORM_BYTES_MAX ((size_t)1 << 20)  /* what stands around a file */

enum { REQUEST_TIMEOUT_MS = 5000 };

static int open_http(struct scheduler_links *links, const struct config *config, struct error *err)
{
    const struct http_client_options options = {
        .max_transfers = (size_t)config->scheduler.gateway_calls + 1,
    };

    return http_client_open(&options, &links->http, err);
}

static int open_links(struct scheduler *scheduler, struct error *err)
{
    struct scheduler_links *links = &scheduler->links;
    const struct config *config = scheduler->config;
    bool serves = scheduler->roles & ROLE_API;
    const struct pg_options pg = {
        .url = config->database_url,
        .application_name = "penstock-scheduler",
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
    };
    const struct redis_options redis = {.url = config->redis_url};
    struct pg_options large = pg;
    struct pg_options search = pg;
    struct pg_options sweeps = pg;
    int r = pg_open(&pg, &links->core, err);

    large.batch_max = 1;
    sweeps.pool_size = 1;
    search.batch_max = 1;
    search.pool_size = 1;
    search.custom_plans = true;
    search.statement_timeout_ms = SEARCH_TIMEOUT_MS;
    if (r == 0)
        r = pg_open(&pg, &links->dispatch, err);
    if (r == 0 && serves)
        r = pg_open(&pg, &links->api, err);
    if (r == 0 && serves)
        r = pg_open(&large, &links->large, err);
    if (r == 0 && (scheduler->roles & ROLE_BATCHES))
        r = pg_open(&pg, &links->batches, err);
    if (r == 0 && (scheduler->roles & ROLE_CLOCK))
        r = pg_open(&pg, &links->clock, err);
    if (r == 0 && (scheduler->roles & ROLE_OUTBOX))
        r = pg_open(&pg, &links->outbox, err);
    if (r == 0 && (scheduler->roles & ROLE_RETENTION))
        r = pg_open(&sweeps, &links->retention, err);
    if (r == 0 && strcmp(config->scheduler.search, "off") != 0)
        r = pg_open(&search, &links->search, err);
    if (r < 0)
        return error_wrap(err, "DATABASE_URL");
    if (scheduler->roles & (ROLE_API | ROLE_REAP | ROLE_BATCHES))
        r = file_links_open(config, "penstock-scheduler", true, &links->files, err);
    if (r < 0)
        return error_wrap(err, "files");
    r = redis_open(&redis, &links->redis, err);
    if (r < 0)
        return error_wrap(err, "REDIS_URL");
    links->queue = queue_new(links->redis);
    links->teller = teller_new(links->redis, false);
    r = serves ? open_http(links, config, err) : 0;
    if (r == 0 && (scheduler->roles & (ROLE_OUTBOX | ROLE_API)))
        r = http_client_open(NULL, &links->hooks, err);
    return r;
}

static void close_links(struct scheduler_links *links)
{
    http_client_close(links->hooks);
    http_client_close(links->http);
    teller_free(links->teller);
    if (links->queue)
        queue_free(links->queue);
    redis_close(links->redis);
    file_links_close(&links->files);
    pg_close(links->search);
    pg_close(links->clock);
    pg_close(links->outbox);
    pg_close(links->retention);
    pg_close(links->batches);
    pg_close(links->large);
    pg_close(links->api);
    pg_close(links->dispatch);
    pg_close(links->core);
}

static struct servers *watch_servers(const struct scheduler_links *links)
{
    const struct servers_options options = {
        .postgres =
            {
                {"core", links->core},
                {"dispatch", links->dispatch},
                {"api", links->api},
                {"large", links->large},
                {"search", links->search},
                {"files", links->files.rows},
                {"chunks", links->files.chunks},
                {"batches", links->batches},
                {"clock", links->clock},
                {"outbox", links->outbox},
                {"retention", links->retention},
            },
        .queue = links->queue,
    };

    return servers_start(&options);
}

/* Of bodies, before they are read. */
SUSPENDS static void judge_head(struct http_exchange *exchange, void *arg)
{
    struct scheduler *scheduler = arg;

    if (scheduler->api && !health_is_path(exchange))
        api_head(exchange, scheduler->api);
}

SUSPENDS static void handle(struct http_exchange *exchange, void *arg)
{
    struct scheduler *scheduler = arg;
    bool metrics_here = strcmp(scheduler->config->scheduler.metrics, "on") == 0;
    struct health_pages pages = scheduler_pages(scheduler, metrics_here);

    if (health_handle(&pages, exchange))
        return;
    if (scheduler->api) {
        api_handle(exchange, scheduler->api);
        return;
    }
    (void)http_reply(exchange, 404, "application/json",
                     TEXT("{\"error\":{\"message\":\"This scheduler does not serve the API: it "
                          "runs without the role 'api'.\",\"type\":\"invalid_request_error\","
                          "\"param\":null,\"code\":\"unknown_url\"}}"));
}

/* The page of metrics on a port of its own, where the setting is ADDRESS:PORT and not a word. */
static int listen_metrics(struct scheduler *scheduler, struct error *err)
{
    char host[CONFIG_HOST_SIZE];
    struct health_listen_options options = {.pages = scheduler_pages(scheduler, true)};
    int r;

    if (!config_split_address(scheduler->config->scheduler.metrics, host, &options.port))
        return 0;
    options.host = host;
    r = health_listen(&options, &scheduler->metrics, err);
    return r < 0 ? error_wrap(err, "scheduler.metrics") : 0;
}

/* The largest body that streams: a file that comes at once, or a part of one. */
static size_t stream_bytes(const struct config *config)
{
    size_t bytes = (size_t)config->files.max_bytes;

    return (bytes > PART_BYTES_MAX ? bytes : PART_BYTES_MAX) + FORM_BYTES_MAX;
}

static int listen_http(struct scheduler *scheduler, struct error *err)
{
    const struct config *config = scheduler->config;
    struct http_server_options options = {
        .host = config->scheduler.host,
        .port = config->scheduler.port,
        .handler = handle,
        .head = judge_head,
        .spare = health_is_path,
        .arg = scheduler,
        .error_body = api_error_body,
        .max_body_bytes = (size_t)config->scheduler.max_body_bytes,
        .max_stream_bytes = stream_bytes(config),
        .max_connections = (size_t)config->scheduler.max_connections,
    };

    return http_server_open(&options, &scheduler->server, err);
}

int scheduler_open(const struct config *config, int64_t wait_ms, struct scheduler *out,
                   struct error *err)
{
    int r;

    *out = (struct scheduler){
        .config = config,
        .tool_guard = {(const char *const *)config->worker.private_addresses,
                       config->worker.private_addresses_count},
    };
    ASSERT(config_roles(config->scheduler.roles, &out->roles)); /* checked when it was loaded */
    r = hook_exceptions_read(config->webhooks.private_addresses, &out->hook_guard, err);
    if (r == 0)
        r = key_ring_open(config->secrets.master_key, config->secrets.master_key_file,
                          &out->master_keys, err);
    if (r == 0)
        r = open_links(out, err);
    if (r == 0)
        r = telemetry_start(config, "penstock-scheduler", &out->tracer, err);
    if (r == 0)
        r = provider_registry_new(config, &out->registry, err);
    if (r == 0)
        r = servers_await_postgres(out->links.core, wait_ms, err);
    if (r == 0)
        r = servers_agree_on_shards(out->links.core, config->shards, err);
    if (r == 0) {
        out->servers = watch_servers(&out->links);
        roles_start(out);
        r = listen_http(out, err);
    }
    if (r == 0)
        r = listen_metrics(out, err);
    if (r < 0)
        scheduler_close(out, clock_ms());
    return r;
}

int scheduler_reload(struct scheduler *scheduler, struct config *config, struct buf *changed,
                     struct error *err)
{
    int r = provider_registry_reload(&scheduler->registry, config, changed, err);

    if (r == 0 && scheduler->api)
        api_set_registry(scheduler->api, scheduler->registry);
    if (r == 0 && scheduler->gateway)
        gateway_set_registry(scheduler->gateway, scheduler->registry);
    if (r == 0 && scheduler->batches)
        batches_set_registry(scheduler->batches, scheduler->registry);
    return r;
}

void scheduler_close(struct scheduler *scheduler, int64_t deadline_ms)
{
    fiber_shield_enter();
    health_close(scheduler->metrics);
    waits_end(scheduler->waits); /* so that the requests which wait finish at once */
    live_end(scheduler->live);
    gateway_end(scheduler->gateway);
    http_server_close(scheduler->server, deadline_ms);
    roles_stop(scheduler);
    tracer_stop(scheduler->tracer);
    servers_stop(scheduler->servers);
    provider_registry_free(scheduler->registry);
    close_links(&scheduler->links);
    hook_exceptions_free(&scheduler->hook_guard);
    key_ring_free(scheduler->master_keys);
    fiber_shield_leave();
    *scheduler = (struct scheduler){0};
}
