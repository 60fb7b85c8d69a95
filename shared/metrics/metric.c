/* Metrics as text. Names and help are ours, so nothing is escaped. */

#include "shared/metrics/metric.h"

#include <inttypes.h>

#include "shared/base/text.h"
#include "shared/metrics/histogram.h"

void metric_head(struct buf *out, const char *type, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_histogram(struct buf *out, const char *name, const char *help,
                      const struct histogram *histogram, int64_t unit)
{
    const struct histogram_shape *shape = histogram->shape;
    uint64_t below = 0;

    metric_head(out, "histogram", name, help);
    for (size_t i = 0; i < shape->count; i++) {
        below += histogram->counts[i];
        buf_printf(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
                   (double)shape->bounds[i] / (double)unit, below);
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
    buf_printf(out, "%s_sum %.9g\n", name, (double)histogram->sum / (double)unit);
    buf_printf(out, "%s_count %" PRIu64 "\n", name, histogram->count);
}
