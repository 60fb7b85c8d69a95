#pragma once
/* Reaping: the sweeps of shared/store/fleet/reaper.h every second, a look at the locks and leases
 * of workers (shared/store/fleet/worker_locks.h) every 400 ms, the queue's upkeep every minute, and
 * every 15 s what was used of models is folded into hours (shared/store/usage/usage.h). Any number
 * of processes may do so at once. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/fleet/reaper.h"

struct pg;
struct queue;
struct reap;

struct reap_options {
    struct pg *looks;    /* at workers and their leases: nothing that is slow; required */
    struct pg *sweeps;   /* required */
    struct queue *queue; /* required */
    int shards;          /* default 1 */
    struct reaper_listener listener; /* may be zero */
};

/* Both must outlive it. */
struct reap *reap_start(const struct reap_options *options);
SUSPENDS void reap_stop(struct reap *reap); /* accepts NULL; frees */

extern const struct metric_table reap_metrics;
void reap_metrics_render(const struct reap *reap, struct buf *out);
