#pragma once
/* The census: counts of runs and workers, asked every second or two, for whoever needs to know how
 * much there is to do: the dispatcher's window, the pace of pollers, the metrics, the readiness.
 * The backlog is counted less often the longer that takes. */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/dispatch/dispatch.h"

struct buf;
struct census;
struct pg;

struct census_options {
    struct pg *pg;      /* for what is counted fast; required */
    struct pg *backlog; /* for the backlog; required */
    /* Told after each count; may be NULL; must not suspend. */
    void (*counted)(const struct dispatch_counts *counts, const struct dispatch_waiting *waiting,
                    void *arg);
    void *arg;
};

struct census *census_start(const struct census_options *options);
SUSPENDS void census_stop(struct census *census); /* accepts NULL; frees */

/* The last counts; zeros before the first. */
const struct dispatch_counts *census_counts(const struct census *census);

const struct dispatch_waiting *census_waiting(const struct census *census);

/* How long ago Postgres answered last; INT64_MAX: not yet. */
int64_t census_age_ms(const struct census *census);

extern const struct metric_table census_metrics;
void census_metrics_render(const struct census *census, struct buf *out);
