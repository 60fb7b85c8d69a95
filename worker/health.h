#pragma once
/* What a worker shows on its pages (shared/program/health.h), on a port of their own: whether it
 * can claim runs and begin calls, and what it has done. */

#include "shared/metrics/metric_table.h"
#include "shared/program/health.h"

struct worker;

struct health_pages worker_pages(struct worker *worker);

/* The tables of all its metrics. */
extern const struct metric_table *const worker_metrics[];
extern const size_t worker_metrics_count;
