/* Health and metrics of a worker. Live means progress (shared/fiber/watchdog.h); ready means that
 * it can claim runs and begin calls. */

#include "worker/health.h"

#include <inttypes.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/watchdog.h"
#include "shared/http_client/http_client.h"
#include "shared/http_server/router.h"
#include "shared/metrics/metric.h"
#include "shared/postgres/postgres.h"
#include "shared/redis/redis.h"
#include "shared/store/leases/run_writer.h"
#include "worker/lease/heartbeat.h"
#include "worker/state.h"

#define CLOSE_WAIT_MS 1000
#define TEXT_PLAIN    "text/plain; charset=utf-8"
#define PROMETHEUS    "text/plain; version=0.0.4; charset=utf-8"
#define JSON_TYPE     "application/json"

static void reply_healthz(struct http_exchange *exchange, void *arg)
{
    const char *stuck = watchdog_stuck();
    CLEANUP(buf_deinit) struct buf body;

    (void)arg;
    buf_init(&body, 0);
    buf_printf(&body, "%s%s\n", stuck ? "stuck: " : "ok", stuck ? stuck : "");
    (void)http_reply(exchange, stuck ? 503 : 200, TEXT_PLAIN, buf_text(&body));
}

static void reply_readyz(struct http_exchange *exchange, void *arg)
{
    const struct worker *worker = arg;
    CLEANUP(buf_deinit) struct buf body;
    bool pg = pg_is_ready(worker->pg);
    bool lease = worker->id != 0 && heartbeat_trusted(worker->heartbeat);
    bool redis = redis_is_ready(worker->redis);
    bool ready = pg && lease && !worker->draining;

    buf_init(&body, 0);
    buf_printf(&body, "{\"status\":\"%s\",\"missing\":[", ready ? "ready" : "unavailable");
    buf_add_string(&body, pg ? "" : "\"postgres\"");
    if (!lease)
        buf_printf(&body, "%s\"lease\"", pg ? "" : ",");
    buf_printf(&body, "],\"degraded\":[%s],\"draining\":%s}\n", redis ? "" : "\"redis\"",
               worker->draining ? "true" : "false");
    (void)http_reply(exchange, ready ? 200 : 503, JSON_TYPE, buf_text(&body));
}

static void add_ended(struct buf *out, const struct worker_counters *counters)
{
    const struct {
        const char *status;
        uint64_t value;
    } rows[] = {
        {"completed", counters->completed},   {"failed", counters->failed},
        {"cancelled", counters->cancelled},   {"expired", counters->expired},
        {"incomplete", counters->incomplete},
    };

    metric_head(out, "counter", "penstock_worker_runs_ended_total",
                "Runs that ended here, by status.");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        buf_printf(out, "penstock_worker_runs_ended_total{status=\"%s\"} %" PRIu64 "\n",
                   rows[i].status, rows[i].value);
}

static void add_runs(struct buf *out, const struct worker *worker)
{
    const struct worker_counters *counters = &worker->counters;

    metric_gauge(out, "penstock_worker_slots", "Runs at once.", worker->config->worker.slots);
    metric_gauge(out, "penstock_worker_slots_busy", "Runs in work.", (int64_t)worker->busy);
    metric_counter(out, "penstock_worker_runs_claimed_total", "Runs claimed.", counters->claimed);
    add_ended(out, counters);
    metric_counter(out, "penstock_worker_runs_handed_back_total", "Runs given back to the queue.",
                   counters->handed_back);
    metric_counter(out, "penstock_worker_runs_parked_total",
                   "Runs that left to wait for tool outputs.", counters->parked);
    metric_counter(out, "penstock_worker_runs_fenced_total",
                   "Runs dropped because their lease was lost.", counters->fenced);
    metric_counter(out, "penstock_worker_runs_suspended_total",
                   "Runs dropped for a while because their lease could not be renewed.",
                   counters->suspended);
    metric_counter(out, "penstock_worker_checkpoints_total", "Writes of runs.",
                   counters->checkpoints);
    metric_counter(
        out, "penstock_worker_histories_alone_total",
        "Histories that were read apart from their claim, most of them as they are long.",
        counters->histories_alone);
    metric_counter(out, "penstock_worker_model_calls_total", "Calls of models.",
                   counters->model_calls);
    metric_counter(out, "penstock_worker_model_failures_total", "Calls of models that failed.",
                   counters->model_failures);
    metric_counter(out, "penstock_worker_tool_calls_total", "Tool calls.", counters->tool_calls);
    metric_counter(out, "penstock_worker_tool_errors_total", "Tool calls that failed.",
                   counters->tool_errors);
    metric_counter(out, "penstock_worker_input_tokens_total", "Tokens sent to models.",
                   counters->input_tokens);
    metric_counter(out, "penstock_worker_output_tokens_total", "Tokens answered by models.",
                   counters->output_tokens);
}

static void add_queue_wait(struct buf *out, const struct worker *worker)
{
    metric_histogram(out, "penstock_worker_queue_wait_seconds",
                     "From when a run was due to its first claim, made here.",
                     &worker->queue_wait_us, 1000000);
}

static void add_writes(struct buf *out, const struct worker *worker)
{
    const struct run_writer_stats *stats = run_writer_stats(worker->writer);

    metric_histogram(out, "penstock_worker_checkpoint_seconds",
                     "From asking for a write of a run to knowing what came of it.",
                     &stats->commit_us, 1000000);
    metric_histogram(out, "penstock_worker_group_size", "Writes that were sent as one.",
                     &stats->size, 1);
    metric_counter(out, "penstock_worker_fenced_writes_total",
                   "Writes refused because the lease was lost.", stats->fenced);
    metric_counter(out, "penstock_worker_ambiguous_commits_total",
                   "Groups of writes that were sent again because the answer was lost.",
                   stats->ambiguous);
    metric_counter(out, "penstock_worker_group_bisections_total",
                   "Groups of writes that were halved to find a bad one.", stats->bisections);
}

static void add_drivers(struct buf *out, const struct worker *worker)
{
    struct pg_stats pg;
    struct http_client_stats http;
    struct loop_stats loop;

    pg_stats_get(worker->pg, &pg);
    http_client_stats_get(worker->http, &http);
    loop_stats_get(&loop);
    metric_counter(out, "penstock_worker_pg_requests_total", "Requests to Postgres.", pg.requests);
    metric_counter(out, "penstock_worker_pg_batches_total", "Batches that carried them.",
                   pg.batches);
    metric_counter(out, "penstock_worker_pg_reruns_total", "Requests run again alone.", pg.reruns);
    metric_counter(out, "penstock_worker_pg_ambiguous_total", "Requests whose outcome was lost.",
                   pg.ambiguous);
    metric_counter(out, "penstock_worker_pg_reconnects_total", "Connections made anew.",
                   pg.reconnects);
    metric_gauge(out, "penstock_worker_pg_up", "Whether Postgres is connected.",
                 pg_is_ready(worker->pg));
    metric_gauge(out, "penstock_worker_redis_up", "Whether Redis is connected.",
                 redis_is_ready(worker->redis));
    metric_gauge(out, "penstock_worker_http_active", "Transfers under way.", (int64_t)http.active);
    metric_counter(out, "penstock_worker_http_connections_total", "Connections opened.",
                   http.connections_opened);
    metric_gauge(out, "penstock_worker_fibers", "Fibers alive.", (int64_t)fiber_count());
    watchdog_metrics_render(out);
    metric_gauge(out, "penstock_worker_loop_longest_hold_us",
                 "Longest time that one fiber held the loop in the last half minute.",
                 loop.longest_us);
    metric_counter(out, "penstock_worker_loop_slow_holds_total",
                   "Times that a fiber held the loop for over 100 ms.", loop.slow_holds);
}

static void reply_metrics(struct http_exchange *exchange, void *arg)
{
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    add_runs(&body, arg);
    add_queue_wait(&body, arg);
    add_writes(&body, arg);
    add_drivers(&body, arg);
    (void)http_reply(exchange, 200, PROMETHEUS, buf_text(&body));
}

static const struct route routes[] = {
    {HTTP_METHOD_GET, "/healthz", reply_healthz},
    {HTTP_METHOD_GET, "/readyz", reply_readyz},
    {HTTP_METHOD_GET, "/metrics", reply_metrics},
};

static void handle(struct http_exchange *exchange, void *arg)
{
    const struct route *route = NULL;
    char allow[64] = "";
    struct error err;
    int r = route_find(routes, ARRAY_LENGTH(routes), exchange, &route, allow, &err);

    if (r == 0) {
        route->handler(exchange, arg);
        return;
    }
    if (r == ROUTE_WRONG_METHOD) {
        http_add_header(exchange, "Allow", text_of(allow));
        (void)http_reply(exchange, 405, TEXT_PLAIN, TEXT("method not allowed\n"));
        return;
    }
    (void)http_reply(exchange, 404, TEXT_PLAIN, TEXT("here are /healthz, /readyz and /metrics\n"));
}

int health_open(struct worker *worker, struct error *err)
{
    struct http_server_options options = {
        .host = worker->config->worker.host,
        .port = worker->config->worker.port,
        .handler = handle,
        .arg = worker,
        .max_connections = 64,
        .max_body_bytes = 1024,
    };

    return http_server_open(&options, &worker->health, err);
}

void health_close(struct worker *worker)
{
    http_server_close(worker->health, deadline_in(CLOSE_WAIT_MS));
    worker->health = NULL;
}
