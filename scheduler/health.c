/* Health and metrics, on the API's listener and without a key: they say nothing about tenants.
 *
 *   /healthz  the process makes progress (shared/fiber/watchdog.h)
 *   /readyz   200 when it can take requests: Postgres answered within the last seconds. Redis is
 *             not needed for that (runs are stored, and workers find them more slowly), so without
 *             it the answer is still 200 and says so in "degraded"
 *   /metrics  Prometheus text
 */

#include <inttypes.h>

#include "scheduler/api/api.h"
#include "scheduler/dispatch/census.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/reap/reap.h"
#include "scheduler/scheduler.h"
#include "shared/base/log.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/watchdog.h"
#include "shared/metrics/metric.h"
#include "shared/postgres/postgres.h"
#include "shared/redis/redis.h"

enum { STALE_MS = 10000 };

static void reply_json(struct http_exchange *exchange, int status, struct buf *body)
{
    (void)http_reply(exchange, status, "application/json", buf_text(body));
}

static void reply_health(struct http_exchange *exchange)
{
    const char *stuck = watchdog_stuck();
    struct buf body;

    buf_init(&body, 0);
    if (stuck)
        buf_printf(&body, "{\"status\":\"stuck\",\"part\":\"%s\"}", stuck);
    else
        buf_add_string(&body, "{\"status\":\"alive\"}");
    reply_json(exchange, stuck ? 503 : 200, &body);
    buf_deinit(&body);
}

static bool redis_answers(struct scheduler *scheduler, struct error *err)
{
    struct text ping = TEXT("PING");

    return redis_command(scheduler->redis, &ping, 1, NULL, err) == 0;
}

static void reply_ready(struct scheduler *scheduler, struct http_exchange *exchange)
{
    struct buf body;
    struct error err;
    int64_t age_ms = census_age_ms(scheduler->census);
    bool draining = http_server_draining(scheduler->server);
    bool postgres = pg_is_ready(scheduler->pg) && age_ms < STALE_MS;
    bool ready = postgres && !draining;

    buf_init(&body, 0);
    buf_printf(&body, "{\"status\":\"%s\",\"missing\":[", ready ? "ready" : "unavailable");
    if (!postgres && age_ms == INT64_MAX)
        buf_add_string(&body, "\"postgres: no answer yet\"");
    else if (!postgres)
        buf_printf(&body, "\"postgres: no answer for %" PRId64 " s\"", age_ms / 1000);
    if (draining)
        buf_printf(&body, "%s\"shutting down\"", postgres ? "" : ",");
    buf_add_string(&body, "],\"degraded\":[");
    if (!redis_answers(scheduler, &err)) {
        buf_add_string(&body, "\"redis: ");
        buf_add_string(&body, error_name(err.code));
        buf_add_char(&body, '"');
    }
    buf_add_string(&body, "]}");
    reply_json(exchange, ready ? 200 : 503, &body);
    buf_deinit(&body);
}

static void add_waiting(const struct dispatch_counts *counts,
                        const struct dispatch_waiting *waiting, struct buf *out)
{
    const struct {
        const char *kind;
        int64_t count;
    } kinds[] = {
        {"backoff", waiting->backoff},
        {"rate_limit", waiting->rate_limit},
        {"tool_outputs", counts->requires_action},
        {"held", waiting->held},
        {"delayed", waiting->delayed - waiting->backoff - waiting->rate_limit},
    };

    metric_head(out, "gauge", "penstock_runs_waiting", "Runs that wait, by what for.");
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        buf_printf(out, "penstock_runs_waiting{kind=\"%s\"} %" PRId64 "\n", kinds[i].kind,
                   kinds[i].count > 0 ? kinds[i].count : 0);
}

static void add_lanes(const struct dispatch_waiting *waiting, struct buf *out)
{
    metric_head(out, "gauge", "penstock_shard_runs_ready",
                "Runs that wait for a worker, by shard and priority.");
    for (size_t i = 0; i < waiting->lane_count; i++)
        buf_printf(out, "penstock_shard_runs_ready{shard=\"%d\",priority=\"%d\"} %" PRId64 "\n",
                   waiting->lanes[i].shard, waiting->lanes[i].priority, waiting->lanes[i].ready);
    metric_head(out, "gauge", "penstock_shard_oldest_ready_seconds",
                "How long the oldest of them has waited.");
    for (size_t i = 0; i < waiting->lane_count; i++)
        buf_printf(out, "penstock_shard_oldest_ready_seconds{shard=\"%d\",priority=\"%d\"} %.3f\n",
                   waiting->lanes[i].shard, waiting->lanes[i].priority,
                   (double)waiting->lanes[i].oldest_ready_ms / 1000);
}

static void add_seconds(struct buf *out, const char *name, const char *help, int64_t ms)
{
    metric_head(out, "gauge", name, help);
    buf_printf(out, "%s %.3f\n", name, (double)ms / 1000);
}

static void add_runs(const struct dispatch_counts *counts, const struct dispatch_waiting *waiting,
                     struct buf *out)
{
    metric_head(out, "gauge", "penstock_runs", "Runs that have not ended, by status.");
    buf_printf(out,
               "penstock_runs{status=\"queued\"} %" PRId64 "\n"
               "penstock_runs{status=\"in_progress\"} %" PRId64 "\n"
               "penstock_runs{status=\"requires_action\"} %" PRId64 "\n"
               "penstock_runs{status=\"cancelling\"} %" PRId64 "\n",
               waiting->ready + waiting->delayed + waiting->held, counts->in_progress,
               counts->requires_action, counts->cancelling);
    metric_gauge(out, "penstock_runs_ready", "Runs that wait for a worker.", waiting->ready);
    metric_gauge(out, "penstock_runs_delayed", "Runs that are due later.", waiting->delayed);
    add_seconds(out, "penstock_oldest_ready_seconds", "How long the oldest ready run has waited.",
                waiting->oldest_ready_ms);
    add_lanes(waiting, out);
    add_waiting(counts, waiting, out);
    metric_gauge(out, "penstock_workers_up", "Workers with a good lease.", counts->workers_up);
    metric_gauge(out, "penstock_slots", "Runs that the workers can have in hand at once.",
                 counts->slots);
    metric_gauge(out, "penstock_slots_busy", "Runs that the workers have in hand.",
                 counts->in_progress + counts->cancelling);
    add_seconds(out, "penstock_postgres_oldest_transaction_seconds",
                "How long the oldest transaction in the database has been open.",
                counts->oldest_transaction_ms);
}

static void add_connections(struct scheduler *scheduler, struct buf *out)
{
    struct http_server_stats http = {0};
    struct pg_stats pg;

    pg_stats_get(scheduler->pg, &pg);
    metric_gauge(out, "penstock_postgres_up", "Whether Postgres is connected.",
                 pg_is_ready(scheduler->pg));
    metric_counter(out, "penstock_postgres_requests_total", "Statements asked for.", pg.requests);
    metric_counter(out, "penstock_postgres_batches_total", "Batches sent.", pg.batches);
    metric_counter(out, "penstock_postgres_reruns_total", "Statements run again alone.", pg.reruns);
    metric_counter(out, "penstock_postgres_ambiguous_total", "Statements with an unknown outcome.",
                   pg.ambiguous);
    metric_counter(out, "penstock_postgres_reconnects_total", "Connections made anew.",
                   pg.reconnects);
    metric_gauge(out, "penstock_postgres_queued", "Statements that wait.", (int64_t)pg.queued);
    metric_gauge(out, "penstock_postgres_in_flight", "Statements sent and not answered.",
                 (int64_t)pg.in_flight);
    metric_gauge(out, "penstock_redis_up", "Whether Redis is connected.",
                 redis_is_ready(scheduler->redis));
    if (scheduler->server)
        http_server_stats_get(scheduler->server, &http);
    metric_gauge(out, "penstock_http_connections", "Open connections.", (int64_t)http.connections);
    metric_counter(out, "penstock_http_accepted_total", "Connections accepted.", http.accepted);
    metric_counter(out, "penstock_http_refused_total", "Requests malformed, too large or too slow.",
                   http.refused);
}

static void add_loop(struct buf *out)
{
    struct loop_stats loop;

    loop_stats_get(&loop);
    watchdog_metrics_render(out);
    metric_counter(out, "penstock_loop_turns_total", "Turns of the loop.", loop.turns);
    metric_counter(out, "penstock_loop_slow_holds_total",
                   "Times a fiber held the loop for over 100 ms.", loop.slow_holds);
    buf_printf(out,
               "# HELP penstock_loop_longest_seconds The longest that a fiber held the loop.\n"
               "# TYPE penstock_loop_longest_seconds gauge\n"
               "penstock_loop_longest_seconds %.6f\n",
               (double)loop.longest_us / 1e6);
    metric_gauge(out, "penstock_fibers", "Fibers that have not ended.", (int64_t)fiber_count());
    metric_counter(out, "penstock_log_lines_dropped_total", "Log lines that nobody read in time.",
                   log_dropped());
    buf_add_string(out, "# HELP penstock_build_info The version of this program.\n"
                        "# TYPE penstock_build_info gauge\n"
                        "penstock_build_info{version=\"" PENSTOCK_VERSION "\"} 1\n");
}

void health_metrics(struct scheduler *scheduler, struct buf *out)
{
    add_runs(census_counts(scheduler->census), census_waiting(scheduler->census), out);
    if (scheduler->api)
        api_metrics_render(scheduler->api, out);
    if (scheduler->dispatcher)
        dispatcher_metrics_render(scheduler->dispatcher, out);
    if (scheduler->reap)
        reap_metrics_render(scheduler->reap, out);
    add_connections(scheduler, out);
    add_loop(out);
}

static void reply_metrics(struct scheduler *scheduler, struct http_exchange *exchange)
{
    struct buf body;

    buf_init(&body, 0);
    health_metrics(scheduler, &body);
    (void)http_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", buf_text(&body));
    buf_deinit(&body);
}

bool health_handle(struct scheduler *scheduler, struct http_exchange *exchange)
{
    struct text path = exchange->path;

    if (!text_is(path, "/healthz") && !text_is(path, "/readyz") && !text_is(path, "/metrics"))
        return false;
    if (exchange->method != HTTP_METHOD_GET && exchange->method != HTTP_METHOD_HEAD) {
        http_add_header(exchange, "Allow", TEXT("GET, HEAD"));
        (void)http_reply(exchange, 405, "text/plain", TEXT("Only GET is allowed here.\n"));
    } else if (text_is(path, "/healthz")) {
        reply_health(exchange);
    } else if (text_is(path, "/readyz")) {
        reply_ready(scheduler, exchange);
    } else {
        reply_metrics(scheduler, exchange);
    }
    return true;
}
