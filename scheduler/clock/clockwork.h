#pragma once
/* The clock: a part of the scheduler that starts the runs of schedules at their times, and notes
 * what became of them (shared/store/schedules/schedule_clock.h). Any number of schedulers do. */

#include "shared/base/compiler.h"
#include "shared/store/runs/run_events.h"
#include "shared/store/threads/counts.h"

struct buf;
struct clockwork;
struct metric_table;
struct pg;
struct tracer;

struct clockwork_options {
    struct pg *pg;               /* for what starts runs: nothing else holds it up */
    struct pg *sweeps;           /* for what becomes of them */
    struct thread_limits limits; /* of threads that runs make */
    struct run_events events;    /* of what it does with runs */
    int shards;
    int64_t run_ttl_ms;
    struct tracer *tracer; /* NULL: telemetry is off */
};

struct clockwork *clockwork_start(const struct clockwork_options *options);
SUSPENDS void clockwork_stop(struct clockwork *clockwork); /* accepts NULL */

void clockwork_metrics_render(const struct clockwork *clockwork, struct buf *out);
extern const struct metric_table clockwork_metrics;
