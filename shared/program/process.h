#pragma once
/* Metrics of the process itself, alike in every program: its loop, its fibers, its log, its
 * version. */

#include "shared/metrics/metric_table.h"

struct buf;

extern const struct metric_table process_metrics;
void process_metrics_render(struct buf *out);
