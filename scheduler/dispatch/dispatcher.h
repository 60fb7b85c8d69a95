#pragma once
/* The dispatcher: hints on the queue for runs that are ready in Postgres.
 *
 * Two ways lead there. The fast one is dispatcher_hint, told by the API right after a run was
 * committed. The sure one is a tick for each shard that this process owns (ownership.h): it reads
 * what is ready and hints it in fair order (fair.h), as far as a bounded window allows. A hint that
 * led to nothing is given again, so whatever is lost costs delay and nothing else.
 */

#include "scheduler/dispatch/new_run.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/dispatch/dispatch.h"

struct dispatcher;
struct pg;
struct queue;

struct dispatcher_options {
    struct pg *pg;       /* for ticks; required */
    struct pg *leases;   /* of shards: nothing that is slow; required */
    struct queue *queue; /* required */
    int shards;          /* default 1 */
    bool owns;           /* take part in dispatching; false: fast hints alone */
    bool (*is_read)(struct uuid run, void *arg); /* somebody waits here to read it; or NULL */
    void *arg;
};

/* Both must outlive it. */
struct dispatcher *dispatcher_start(const struct dispatcher_options *options);
SUSPENDS void dispatcher_stop(struct dispatcher *dispatcher); /* accepts NULL; frees */

/* A new run. Never waits; may do nothing, where the tick is the fairer way or the list is full. */
void dispatcher_hint(struct dispatcher *dispatcher, const struct new_run *run);

/* What is known of the workers, and of the backlog of all shards: sets the windows. */
void dispatcher_set_counts(struct dispatcher *dispatcher, const struct dispatch_counts *counts,
                           int64_t ready);

/* Hints that the shard's lanes of priorities may hold together. Pure. */
size_t dispatcher_window(const struct dispatch_counts *counts);

extern const struct metric_table dispatcher_metrics;
void dispatcher_metrics_render(const struct dispatcher *dispatcher, struct buf *out);
