/* The API's counters as Prometheus text (the exposition format 0.0.4). Only what was counted is
 * written for endpoints, so that the page stays short. */

#include "scheduler/api/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "scheduler/api/endpoints.h"
#include "shared/base/memory.h"

static const int64_t bounds_us[METRICS_BUCKETS] = {
    100,   250,   500,    1000,   2500,    5000,    10000,
    25000, 50000, 100000, 250000, 1000000, 5000000, 30000000,
};

void api_metrics_init(struct api_metrics *metrics, const struct endpoints *endpoints)
{
    *metrics = (struct api_metrics){.endpoints = endpoints};
    metrics->requests = xcalloc(endpoints->count + 1, sizeof(*metrics->requests));
}

void api_metrics_deinit(struct api_metrics *metrics)
{
    free(metrics->requests);
}

void api_metrics_count(struct api_metrics *metrics, size_t endpoint, int status, int64_t took_us)
{
    size_t bucket = 0;

    ASSERT(endpoint <= metrics->endpoints->count);
    metrics->requests[endpoint][status >= 100 && status < 600 ? status / 100 : 0]++;
    while (bucket < METRICS_BUCKETS && took_us > bounds_us[bucket])
        bucket++;
    metrics->buckets[bucket]++;
    metrics->latency_count++;
    metrics->latency_us += took_us > 0 ? (uint64_t)took_us : 0;
}

static void write_requests(const struct api_metrics *metrics, size_t endpoint, struct buf *out)
{
    const struct endpoint *known =
        endpoint < metrics->endpoints->count ? metrics->endpoints->items[endpoint] : NULL;

    for (int class = 0; class < METRICS_CLASSES; class ++) {
        uint64_t count = metrics->requests[endpoint][class];

        if (count == 0)
            continue;
        buf_printf(
            out,
            "penstock_http_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} %" PRIu64
            "\n",
            known ? http_method_name(known->method) : "other", known ? known->pattern : "other",
            class, count);
    }
}

void api_metrics_write(const struct api_metrics *metrics, struct buf *out)
{
    uint64_t sum = 0;

    buf_add_string(out, "# HELP penstock_http_requests_total Requests answered by the API.\n"
                        "# TYPE penstock_http_requests_total counter\n");
    for (size_t i = 0; i <= metrics->endpoints->count; i++)
        write_requests(metrics, i, out);
    buf_add_string(out, "# HELP penstock_http_request_seconds Time to answer a request.\n"
                        "# TYPE penstock_http_request_seconds histogram\n");
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += metrics->buckets[i];
        buf_printf(out, "penstock_http_request_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                   (double)bounds_us[i] / 1e6, sum);
    }
    buf_printf(out,
               "penstock_http_request_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
               "penstock_http_request_seconds_sum %.6f\n"
               "penstock_http_request_seconds_count %" PRIu64 "\n",
               metrics->latency_count, (double)metrics->latency_us / 1e6, metrics->latency_count);
    buf_printf(out,
               "# HELP penstock_runs_created_total Runs accepted by this process.\n"
               "# TYPE penstock_runs_created_total counter\n"
               "penstock_runs_created_total %" PRIu64 "\n"
               "# HELP penstock_idempotent_replays_total Replies given again for a repeated key.\n"
               "# TYPE penstock_idempotent_replays_total counter\n"
               "penstock_idempotent_replays_total %" PRIu64 "\n",
               metrics->runs_created, metrics->replays);
}
