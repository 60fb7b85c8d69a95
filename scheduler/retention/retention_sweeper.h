#pragma once
/* Deletes and archives what is older than tenants, agents and schedules want it to be kept
 * (shared/store/retention/sweeps.h), behind everybody's back. Of any number of schedulers one has
 * the turn, for a pass. */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"

struct buf;
struct pg;
struct retention_sweeper;

struct retention_sweeper_options {
    struct pg *pg;       /* must outlive it; its statements take tenths of a second */
    int64_t pause_ms;    /* between two passes */
    int64_t firing_days; /* that what became of times of schedules is kept */
};

struct retention_sweeper *retention_sweeper_start(const struct retention_sweeper_options *options);
SUSPENDS void retention_sweeper_stop(struct retention_sweeper *sweeper); /* accepts NULL; frees */

extern const struct metric_table retention_sweeper_metrics;
void retention_sweeper_metrics_render(const struct retention_sweeper *sweeper, struct buf *out);

/* How many rows the next step looks at, after one with `rows` that took so long. Pure. */
int64_t retention_sweeper_rows(int64_t rows, int64_t took_ms);
