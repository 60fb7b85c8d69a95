/* The API's counters as Prometheus text (the exposition format 0.0.4). Only what was counted is
 * written for endpoints, so that the page stays short. */

#include "scheduler/api/metrics.h"

#include <stdlib.h>

#include "scheduler/api/endpoints.h"
#include "shared/base/memory.h"

static const struct histogram_shape latency_shape = {
    .count = 14,
    .bounds = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000,
               5000000, 30000000},
};

void api_metrics_init(struct api_metrics *metrics, const struct endpoints *endpoints)
{
    *metrics = (struct api_metrics){.endpoints = endpoints, .latency_us.shape = &latency_shape};
    metrics->requests = xcalloc(endpoints->count + 1, sizeof(*metrics->requests));
}

void api_metrics_deinit(struct api_metrics *metrics)
{
    free(metrics->requests);
}

void api_metrics_count(struct api_metrics *metrics, size_t endpoint, int status, int64_t took_us)
{
    ASSERT(endpoint <= metrics->endpoints->count);
    metrics->requests[endpoint][status >= 100 && status < 600 ? status / 100 : 0]++;
    histogram_add(&metrics->latency_us, took_us > 0 ? took_us : 0);
}

static void add_endpoint(const struct api_metrics *metrics, size_t endpoint, const char *name,
                         struct buf *out)
{
    const struct endpoint *known =
        endpoint < metrics->endpoints->count ? metrics->endpoints->items[endpoint] : NULL;

    for (int class = 0; class < METRICS_CLASSES; class ++) {
        char status[] = "0xx";

        if (metrics->requests[endpoint][class] == 0)
            continue;
        status[0] = (char)('0' + class);
        metric_sample(out, name, (int64_t)metrics->requests[endpoint][class], "method",
                      known ? http_method_name(known->method) : "other", "route",
                      known ? known->pattern : "other", "status", status, NULL);
    }
}

static void add_requests(struct buf *out, const char *name, const void *from)
{
    const struct api_metrics *metrics = from;

    for (size_t i = 0; i <= metrics->endpoints->count; i++)
        add_endpoint(metrics, i, name, out);
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_COUNTER, "penstock_http_requests_total", "method, route, status",
                    "Requests answered by the API.", add_requests),
    METRIC_SPREADS(api_metrics, METRIC_TIMES, latency_us, "penstock_http_request_seconds",
                   "Time to answer a request, but for what it waited for the end of a run."),
    METRIC_COUNTS(api_metrics, METRIC_UINT64, runs_created, "penstock_runs_created_total",
                  "Runs accepted by this process."),
    METRIC_COUNTS(api_metrics, METRIC_UINT64, replays, "penstock_idempotent_replays_total",
                  "Replies given again for a repeated key."),
    METRIC_SHOWS(api_metrics, METRIC_SIZE, sockets, "penstock_web_sockets",
                 "WebSockets that are open."),
    METRIC_COUNTS(api_metrics, METRIC_UINT64, socket_messages, "penstock_web_socket_messages_total",
                  "Messages of clients over WebSockets."),
};

const struct metric_table api_metrics_table = METRIC_TABLE(rows);

void api_metrics_write(const struct api_metrics *metrics, struct buf *out)
{
    metric_table_render(&api_metrics_table, metrics, out);
}
