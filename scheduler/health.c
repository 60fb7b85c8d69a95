/* A scheduler is ready when it can take requests: when Postgres answered within the last seconds.
 * Redis is not needed for that (runs are stored, and workers find them more slowly), nor is a
 * worker: without them the answer is still 200, and says so in "degraded".
 */

#include "scheduler/health.h"

#include <inttypes.h>

#include "scheduler/api/metrics.h"
#include "scheduler/batches/batches.h"
#include "scheduler/clock/clockwork.h"
#include "scheduler/dispatch/census.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/ownership.h"
#include "scheduler/files/file_sweeper.h"
#include "scheduler/gateway/gateway.h"
#include "scheduler/live/live.h"
#include "scheduler/outbox/outbox_sender.h"
#include "scheduler/reap/reap.h"
#include "scheduler/retention/retention_sweeper.h"
#include "scheduler/roles.h"
#include "scheduler/search/search_filler.h"
#include "scheduler/state.h"
#include "scheduler/waits/waits.h"
#include "shared/program/process.h"
#include "shared/program/servers.h"
#include "shared/trace/tracer.h"

enum { STALE_MS = 10000 };

static void judge(void *arg, struct readiness *out)
{
    struct scheduler *scheduler = arg;
    int64_t age_ms = census_age_ms(scheduler->census);

    out->draining = http_server_draining(scheduler->server);
    servers_judge(scheduler->servers, out);
    if (out->missing.len == 0 && age_ms == INT64_MAX)
        readiness_missing(out, "postgres: no answer yet");
    else if (out->missing.len == 0 && age_ms >= STALE_MS)
        readiness_missing(out, "postgres: no answer for %" PRId64 " s", age_ms / 1000);
    if (age_ms < STALE_MS && census_counts(scheduler->census)->workers_up == 0)
        readiness_degraded(out, "workers: no worker is up");
}

static const struct metric server_rows[] = {
    METRIC_SHOWS(http_server_stats, METRIC_SIZE, connections, "penstock_http_connections",
                 "Open connections."),
    METRIC_COUNTS(http_server_stats, METRIC_UINT64, accepted, "penstock_http_accepted_total",
                  "Connections accepted."),
    METRIC_COUNTS(http_server_stats, METRIC_UINT64, evicted, "penstock_http_evicted_total",
                  "Connections closed to make room for another client."),
    METRIC_COUNTS(http_server_stats, METRIC_UINT64, refused, "penstock_http_refused_total",
                  "Requests malformed, too large or too slow."),
};

static const struct metric_table server_metrics = METRIC_TABLE(server_rows);

const struct metric_table *const scheduler_metrics[] = {
    &census_metrics,        &api_metrics_table,
    &dispatcher_metrics,    &ownership_metrics,
    &live_metrics,          &waits_metrics,
    &gateway_metrics,       &reap_metrics,
    &file_sweeper_metrics,  &search_filler_metrics,
    &batches_metrics,       &clockwork_metrics,
    &outbox_sender_metrics, &retention_sweeper_metrics,
    &server_metrics,        &tracer_metrics,
    &servers_metrics,       &process_metrics,
};
const size_t scheduler_metrics_count = ARRAY_LENGTH(scheduler_metrics);

static void render(void *arg, struct buf *out)
{
    struct scheduler *scheduler = arg;
    struct http_server_stats http = {0};

    http_server_stats_get(scheduler->server, &http);
    roles_metrics_render(scheduler, out);
    metric_table_render(&server_metrics, &http, out);
    tracer_metrics_render(scheduler->tracer, out);
    servers_metrics_render(scheduler->servers, out);
    process_metrics_render(out);
}

struct health_pages scheduler_pages(struct scheduler *scheduler, bool with_metrics)
{
    return (struct health_pages){judge, with_metrics ? render : NULL, scheduler};
}
