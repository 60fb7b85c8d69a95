#pragma once
/* Counters of the API: requests by endpoint and class of status, latencies, what was created. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/metrics/histogram.h"
#include "shared/metrics/metric_table.h"

struct endpoints;

#define METRICS_CLASSES 6 /* index = status / 100 */

struct api_metrics {
    const struct endpoints *endpoints;
    uint64_t (*requests)[METRICS_CLASSES]; /* of endpoint i; the last one: no endpoint */
    struct histogram latency_us;
    uint64_t runs_created;
    uint64_t replays; /* of idempotent requests */
    size_t sockets;   /* that are open */
    uint64_t socket_messages;
};

/* Sized for these endpoints, which must outlive it. */
void api_metrics_init(struct api_metrics *metrics, const struct endpoints *endpoints);
void api_metrics_deinit(struct api_metrics *metrics);

/* endpoint: its place, or endpoints->count where none was found. */
void api_metrics_count(struct api_metrics *metrics, size_t endpoint, int status, int64_t took_us);

extern const struct metric_table api_metrics_table;
void api_metrics_write(const struct api_metrics *metrics, struct buf *out);
