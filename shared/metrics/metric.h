#pragma once
/* Lines of metrics in Prometheus's text format 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */

#include "shared/base/compiler.h"

struct buf;
struct histogram;

/* What stands before the samples of a metric; `type` is "counter", "gauge", … */
void metric_head(struct buf *out, const char *type, const char *name, const char *help);

/* The samples of a histogram. `labels` is "", or "{" and pairs that are escaped, without the
 * closing brace. Values are divided by `unit`. */
void metric_histogram_samples(struct buf *out, const char *name, const char *labels,
                              const struct histogram *histogram, int64_t unit);

/* A histogram without labels. Values are divided by `unit`; 1000000 makes seconds of
 * microseconds. */
void metric_histogram(struct buf *out, const char *name, const char *help,
                      const struct histogram *histogram, int64_t unit);
