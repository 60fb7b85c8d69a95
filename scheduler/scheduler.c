/* Opening and closing, in one order and its reverse. What runs in the background uses the
 * connections, so it is started after them and stopped before. */

#include "scheduler/scheduler.h"

#include <string.h>

#include "providers/registry.h"
#include "scheduler/api/api.h"
#include "scheduler/dispatch/census.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/reap/reap.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"
#include "shared/store/migrate.h"

enum { TELL_EVERY_MS = 5000 };

int scheduler_roles(const char *words, unsigned *out, struct error *err)
{
    struct text rest = text_of(words);
    unsigned roles = 0;

    while (rest.len > 0) {
        struct text word = rest;

        if (!text_cut(rest, ',', &word, &rest))
            rest = TEXT_NONE;
        word = text_trim(word);
        if (text_is(word, "api"))
            roles |= ROLE_API;
        else if (text_is(word, "dispatch"))
            roles |= ROLE_DISPATCH;
        else if (text_is(word, "reap"))
            roles |= ROLE_REAP;
        else
            return error_set(err, E_INVALID,
                             "unknown role '%.*s': roles are api, dispatch and reap", (int)word.len,
                             word.ptr ? word.ptr : "");
    }
    if (!roles)
        return error_set(err, E_INVALID, "no role: roles are api, dispatch and reap");
    *out = roles;
    return 0;
}

static int wait_for_postgres(struct scheduler *scheduler, int64_t wait_ms, struct error *err)
{
    int64_t deadline_ms = deadline_in(wait_ms);
    int r;

    for (;;) {
        r = pg_wait_ready(scheduler->pg, deadline_min(deadline_ms, deadline_in(TELL_EVERY_MS)),
                          err);
        if (r != -E_TIMEOUT)
            return r;
        if (clock_ms() >= deadline_ms)
            return error_wrap(err, "Postgres (DATABASE_URL)");
        log_warn("waiting for Postgres", LOG_ERROR(err));
    }
}

static int check_schema(struct scheduler *scheduler, struct error *err)
{
    struct migrate_status status;
    struct arena arena;
    struct store store = {.pg = scheduler->pg, .arena = &arena};
    int r;

    arena_init(&arena, 0);
    r = migrate_status(&store, &status, err);
    arena_deinit(&arena);
    if (r < 0)
        return error_wrap(err, "the database's schema");
    if (status.pending > 0)
        return error_set(err, E_CONFLICT,
                         "the database's schema is at version %d and this program needs %d: run "
                         "`penstock migrate`",
                         status.applied, status.known);
    return 0;
}

static int connect_all(struct scheduler *scheduler, struct error *err)
{
    const struct config *config = scheduler->config;
    struct pg_options pg = {
        .url = config->database_url,
        .application_name = "penstock-scheduler",
        .request_timeout_ms = 5000,
    };
    struct redis_options redis = {.url = config->redis_url};
    int r = pg_open(&pg, &scheduler->pg, err);

    if (r < 0)
        return error_wrap(err, "DATABASE_URL");
    r = redis_open(&redis, &scheduler->redis, err);
    if (r < 0)
        return error_wrap(err, "REDIS_URL");
    scheduler->queue = queue_new(scheduler->redis);
    return provider_registry_new(config, &scheduler->registry, err);
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

    queue_nudge_cancel(scheduler->queue, worker, run);
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

static void handle(struct http_exchange *exchange, void *arg)
{
    struct scheduler *scheduler = arg;

    if (health_handle(scheduler, exchange))
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

static void start_roles(struct scheduler *scheduler)
{
    int shards = scheduler->config->shards;
    struct dispatcher_options dispatch = {scheduler->pg, scheduler->queue, shards,
                                          scheduler->roles & ROLE_DISPATCH};
    struct reap_options reap = {.pg = scheduler->pg, .queue = scheduler->queue, .shards = shards};
    struct census_options census = {scheduler->pg, on_counted, scheduler};
    struct api_options api = {
        .pg = scheduler->pg,
        .registry = scheduler->registry,
        .shards = shards,
        .run_ttl_ms = scheduler->config->scheduler.run_ttl_ms,
        .events = {on_run_ready, on_run_cancelling, scheduler},
    };

    if (scheduler->roles & (ROLE_DISPATCH | ROLE_API))
        scheduler->dispatcher = dispatcher_start(&dispatch);
    if (scheduler->roles & ROLE_REAP)
        scheduler->reap = reap_start(&reap);
    if (scheduler->roles & ROLE_API)
        scheduler->api = api_new(&api);
    scheduler->census = census_start(&census);
}

static int listen_http(struct scheduler *scheduler, struct error *err)
{
    const struct config *config = scheduler->config;
    struct http_server_options options = {
        .host = config->scheduler.host,
        .port = config->scheduler.port,
        .handler = handle,
        .arg = scheduler,
        .error_body = api_error_body,
        .max_body_bytes = (size_t)config->scheduler.max_body_bytes,
        .max_connections = (size_t)config->scheduler.max_connections,
    };

    return http_server_open(&options, &scheduler->server, err);
}

int scheduler_open(const struct config *config, int64_t wait_ms, struct scheduler *out,
                   struct error *err)
{
    int r;

    *out = (struct scheduler){.config = config};
    r = scheduler_roles(config->scheduler.roles, &out->roles, err);
    if (r == 0)
        r = connect_all(out, err);
    if (r == 0)
        r = wait_for_postgres(out, wait_ms, err);
    if (r == 0)
        r = check_schema(out, err);
    if (r == 0) {
        start_roles(out);
        r = listen_http(out, err);
    }
    if (r < 0)
        scheduler_close(out, clock_ms());
    return r;
}

void scheduler_close(struct scheduler *scheduler, int64_t deadline_ms)
{
    fiber_shield_enter();
    http_server_close(scheduler->server, deadline_ms);
    census_stop(scheduler->census);
    reap_stop(scheduler->reap);
    dispatcher_stop(scheduler->dispatcher);
    api_free(scheduler->api);
    provider_registry_free(scheduler->registry);
    if (scheduler->queue)
        queue_free(scheduler->queue);
    redis_close(scheduler->redis);
    pg_close(scheduler->pg);
    fiber_shield_leave();
    *scheduler = (struct scheduler){0};
}
