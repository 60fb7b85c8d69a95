#pragma once
/* What a scheduler shows on its pages (shared/program/health.h). */

#include "shared/metrics/metric_table.h"
#include "shared/program/health.h"

struct scheduler;

/* The pages; whether /metrics is one of them. */
struct health_pages scheduler_pages(struct scheduler *scheduler, bool with_metrics);

/* The tables of all its metrics. */
extern const struct metric_table *const scheduler_metrics[];
extern const size_t scheduler_metrics_count;
