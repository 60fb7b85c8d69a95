/* The worker process: opening, incarnations, draining, closing.
 *
 * An incarnation is a worker id with a lease. When Postgres says that it was declared dead, its
 * runs belong to others: every fiber is dropped, and a new incarnation registers.
 */

#include "worker/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "providers/gate/gate.h"
#include "providers/models/registry.h"
#include "providers/models/registry_reload.h"
#include "providers/vectors/vectors.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
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
#include "shared/store/fleet/workers.h"
#include "shared/store/leases/run_writer.h"
#include "shared/trace/tracer.h"
#include "worker/code_ability.h"
#include "worker/health.h"
#include "worker/intake/consume.h"
#include "worker/lease/heartbeat.h"
#include "worker/live/speaker.h"
#include "worker/run/record/persist.h"
#include "worker/run/run.h"
#include "worker/stats/call_stats.h"
#include "worker/tools/mcp/mcp.h"
#include "worker/tools/web/web.h"
#include "worker/watch.h"

#define START_WAIT_MS    60000
#define STOP_WAIT_MS     (PERSIST_STOPPED_MS + 2000) /* see there */
#define LARGE_WAIT_MS    60000 /* a history of 8 MiB takes up to a second, and a hundred may wait */
#define REGISTER_WAIT_MS 500
#define STUCK_MS         20000 /* what consuming waits for ends within 15 s */

static const struct histogram_shape queue_wait_shape = {
    .count = 13,
    .bounds = {1000, 2000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
               10000000, 60000000},
};

static struct servers *watch_servers(const struct worker *worker)
{
    const struct servers_options options = {
        .postgres =
            {
                {"writes", worker->pg},
                {"large", worker->large},
                {"claims", worker->intake},
                {"files", worker->files.rows},
            },
        .queue = worker->queue,
    };

    return servers_start(&options);
}

static int open_stores(struct worker *worker, const struct config *config, struct error *err)
{
    struct pg_options pg = {.url = config->database_url, .application_name = "penstock-worker"};
    struct redis_options redis = {.url = config->redis_url};
    struct pg_options intake = pg;
    struct pg_options large = pg;
    int r = pg_open(&pg, &worker->pg, err);

    intake.lazy_commits = true;
    large.batch_max = 1;
    large.request_timeout_ms = LARGE_WAIT_MS;
    if (r == 0)
        r = pg_open(&large, &worker->large, err);
    if (r == 0)
        r = pg_open(&intake, &worker->intake, err);
    if (r == 0) {
        worker->writer = run_writer_new(worker->pg, worker->large);
        r = redis_open(&redis, &worker->redis, err);
    }
    if (r < 0)
        return r;
    worker->queue = queue_new(worker->redis);
    worker->teller = teller_new(worker->redis, true);
    worker->speaker = speaker_start(worker->redis, config->redis_url);
    worker->gate = gate_new(worker->redis);
    spending_book_start(&worker->spendings, worker->redis);
    worker->servers = watch_servers(worker);
    return 0;
}

static int listen_health(struct worker *worker, struct error *err)
{
    struct health_listen_options options = {
        .host = worker->config->worker.host,
        .port = worker->config->worker.port,
        .pages = worker_pages(worker),
    };

    return health_listen(&options, &worker->health, err);
}

/* Programs of models do. */
static bool writes_files(const struct config *config)
{
    return strcmp(config->code_interpreter.enabled, "on") == 0;
}

static void open_servers_of_tools(struct worker *worker, const struct config *config)
{
    const struct mcp_options options = {
        .http = worker->http,
        .guard = worker->tools.guard,
        .configured = config->mcp_servers,
        .configured_count = config->mcp_servers_count,
        .first_uid = config->code_interpreter.first_uid,
    };

    worker->tools.mcp = mcp_open(&options);
}

static int open_parts(struct worker *worker, const struct config *config, struct error *err)
{
    struct http_client_options http = {.max_transfers = (size_t)config->worker.slots * 2 + 1000};
    struct heartbeat_options heartbeat = {
        .database_url = config->database_url,
        .interval_ms = config->worker.heartbeat_ms,
        .lease_ms = config->worker.lease_ms,
    };
    int r = provider_registry_new(config, &worker->registry, err);

    if (r == 0)
        r = telemetry_start(config, "penstock-worker", &worker->tracer, err);
    if (r == 0)
        r = open_stores(worker, config, err);
    if (r == 0)
        r = file_links_open(config, "penstock-worker", writes_files(config), &worker->files, err);
    if (r == 0)
        r = http_client_open(&http, &worker->http, err);
    if (r == 0)
        worker->tools = (struct tool_services){
            .http = worker->http,
            .guard = {(const char *const *)config->worker.private_addresses,
                      config->worker.private_addresses_count},
            .pg = worker->pg,
            .pg_large = worker->large,
            .vectors = &worker->vectors,
            .now_wall_ms = clock_wall_ms,
        };
    if (r == 0)
        open_servers_of_tools(worker, config);
    if (r == 0)
        r = key_ring_open(config->secrets.master_key, config->secrets.master_key_file,
                          &worker->tools.master_keys, err);
    if (r == 0)
        r = web_new(
            &(struct web_options){
                .engines = config->web_search,
                .engine_count = config->web_search_count,
                .robots = config->read_page.robots,
                .redis = worker->redis,
            },
            &worker->tools.web, err);
    if (r == 0)
        r = heartbeat_open(&heartbeat, &worker->heartbeat, err);
    if (r == 0)
        r = listen_health(worker, err);
    return r;
}

/* Takes a new id and registers it. Nobody may be running. */
static int register_anew(struct worker *worker, struct error *err)
{
    char host[256] = "";
    struct worker_row row = {
        .id = workers_new_id(),
        .host = host,
        .pid = getpid(),
        .slots = worker->config->worker.slots,
        .lease_ms = worker->config->worker.lease_ms,
    };
    int64_t sent_ms = clock_ms();
    int r;

    ASSERT(worker->busy == 0);
    gethostname(host, sizeof(host) - 1);
    r = workers_register(worker->pg, &row, err);
    if (r < 0)
        return r;
    worker->id = row.id;
    snprintf(worker->id_text, sizeof(worker->id_text), "%" PRId64, row.id);
    heartbeat_watch(worker->heartbeat, row.id, sent_ms);
    log_info("worker registered", LOG_STR("worker", worker->id_text), LOG_STR("host", host),
             LOG_INT("pid", row.pid), LOG_INT("slots", row.slots));
    return 0;
}

int worker_open(struct worker *worker, const struct config *config, struct error *err)
{
    int r;

    *worker = (struct worker){.config = config};
    worker->queue_wait_us.shape = &queue_wait_shape;
    worker->calls = call_stats_new();
    list_init(&worker->runs);
    cond_init(&worker->changed);
    room_init(&worker->room, (size_t)config->worker.memory_bytes, (size_t)config->worker.slots);
    r = open_parts(worker, config, err);
    worker->vectors = (struct vectors_means){
        .pg = worker->pg,
        .redis = worker->redis,
        .http = worker->http,
        .gate = worker->gate,
        .spendings = &worker->spendings,
        .registry = worker->registry,
    };
    if (r < 0)
        return r;
    r = servers_await_postgres(worker->pg, START_WAIT_MS, err);
    if (r == 0)
        r = servers_agree_on_shards(worker->pg, config->shards, err);
    if (r == 0)
        r = register_anew(worker, err);
    if (r == 0)
        code_ability_start(worker);
    return r;
}

/* Waits until no run is in work. False: the deadline came first. */
static bool wait_idle(struct worker *worker, int64_t deadline_ms)
{
    fiber_shield_enter();
    while (worker->busy > 0)
        if (cond_wait(&worker->changed, deadline_ms, NULL) < 0)
            break;
    fiber_shield_leave();
    return worker->busy == 0;
}

/* Declared dead: others have the runs. */
static void begin_anew(struct worker *worker)
{
    struct error err;

    log_warn("this worker was declared dead: its runs are dropped, it registers anew",
             LOG_STR("worker", worker->id_text), LOG_INT("runs", worker->busy));
    run_stop_all(worker, RUN_STOP_FENCED);
    wait_idle(worker, DEADLINE_NONE);
    while (!worker->draining && register_anew(worker, &err) < 0) {
        pulse_beat(&worker->pulse);
        log_warn("can't register", LOG_ERROR(&err));
        if (fiber_sleep(REGISTER_WAIT_MS, &err) < 0)
            return;
    }
}

void worker_serve(struct worker *worker)
{
    worker->watch = watch_open(worker);
    pulse_start(&worker->pulse, "consume", STUCK_MS);
    while (!worker->draining && !fiber_canceled()) {
        consume(worker);
        if (!worker->draining && heartbeat_dead(worker->heartbeat))
            begin_anew(worker);
        pulse_beat(&worker->pulse);
    }
    pulse_stop(&worker->pulse);
}

void worker_drain(struct worker *worker)
{
    worker->draining = true;
    run_stop_waiting(worker);
    cond_broadcast(&worker->changed);
}

int worker_reload(struct worker *worker, struct config *config, struct buf *changed,
                  struct error *err)
{
    int r = provider_registry_reload(&worker->registry, config, changed, err);

    worker->vectors.registry = worker->registry;
    return r;
}

static void leave(struct worker *worker)
{
    struct error err;
    int64_t left = 0;

    IGNORE(workers_drain(worker->pg, worker->id, &err)); /* claims nothing any more either way */
    if (!wait_idle(worker, deadline_in(worker->config->worker.drain_ms))) {
        log_info("handing back what is left", LOG_INT("runs", worker->busy));
        run_stop_all(worker, RUN_STOP_DRAIN);
        wait_idle(worker, deadline_in(STOP_WAIT_MS));
    }
    heartbeat_watch(worker->heartbeat, 0, 0);
    if (workers_deregister(worker->pg, worker->id, &left, &err) < 0)
        log_warn("can't deregister; the lease will lapse", LOG_ERROR(&err));
    log_info("worker left", LOG_STR("worker", worker->id_text), LOG_INT("handed_back", left));
}

void worker_close(struct worker *worker)
{
    if (worker->id != 0)
        leave(worker);
    run_stop_all(worker, RUN_STOP_FENCED);
    wait_idle(worker, DEADLINE_NONE);
    code_ability_stop(worker);
    watch_close(worker->watch);
    health_close(worker->health);
    heartbeat_close(worker->heartbeat);
    mcp_close(worker->tools.mcp);
    http_client_close(worker->http);
    key_ring_free(worker->tools.master_keys);
    web_free(worker->tools.web);
    tracer_stop(worker->tracer);
    servers_stop(worker->servers);
    spending_book_stop(&worker->spendings);
    gate_free(worker->gate);
    speaker_stop(worker->speaker);
    teller_free(worker->teller);
    queue_free(worker->queue);
    redis_close(worker->redis);
    run_writer_free(worker->writer);
    file_links_close(&worker->files);
    pg_close(worker->intake);
    pg_close(worker->large);
    pg_close(worker->pg);
    provider_registry_free(worker->registry);
    call_stats_free(worker->calls);
}
