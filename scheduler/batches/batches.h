#pragma once
/* Batches: a part of the scheduler that begins their lines, collects their answers, and writes
 * their files. Each batch is held by one scheduler at a time (store/batches/batch_work.h). */

#include "shared/base/compiler.h"
#include "shared/store/runs/run_events.h"
#include "shared/store/threads/counts.h"

struct batches;
struct blob_stores;
struct buf;
struct metric_table;
struct pg;
struct provider_registry;
struct tracer;

struct batches_options {
    struct pg *pg;
    struct blob_stores *blobs;
    struct provider_registry *registry;
    struct thread_limits limits; /* of threads that lines make */
    struct run_events events;    /* of what it does with runs */
    int shards;
    int64_t run_ttl_ms;
    struct tracer *tracer; /* NULL: telemetry is off */
};

struct batches *batches_start(const struct batches_options *options);
SUSPENDS void batches_stop(struct batches *batches); /* accepts NULL */

/* From now on names of models mean what this registry says. */
void batches_set_registry(struct batches *batches, struct provider_registry *registry);

void batches_metrics_render(const struct batches *batches, struct buf *out);
extern const struct metric_table batches_metrics;
