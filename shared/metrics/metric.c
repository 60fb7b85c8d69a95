/* Metrics as text. Names and help are ours, so nothing is escaped. */

#include "shared/metrics/metric.h"

#include <inttypes.h>

#include "shared/base/text.h"
#include "shared/metrics/histogram.h"

void metric_head(struct buf *out, const char *type, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_histogram_samples(struct buf *out, const char *name, const char *labels,
                              const struct histogram *histogram, int64_t unit)
{
    const struct histogram_shape *shape = histogram->shape;
    const char *before = labels[0] ? labels : "{";
    const char *comma = labels[0] ? "," : "";
    const char *close = labels[0] ? "}" : "";
    uint64_t below = 0;

    for (size_t i = 0; i < shape->count; i++) {
        below += histogram->counts[i];
        buf_printf(out, "%s_bucket%s%sle=\"%.9g\"} %" PRIu64 "\n", name, before, comma,
                   (double)shape->bounds[i] / (double)unit, below);
    }
    buf_printf(out, "%s_bucket%s%sle=\"+Inf\"} %" PRIu64 "\n", name, before, comma,
               histogram->count);
    buf_printf(out, "%s_sum%s%s %.9g\n", name, labels, close,
               (double)histogram->sum / (double)unit);
    buf_printf(out, "%s_count%s%s %" PRIu64 "\n", name, labels, close, histogram->count);
}

void metric_histogram(struct buf *out, const char *name, const char *help,
                      const struct histogram *histogram, int64_t unit)
{
    metric_head(out, "histogram", name, help);
    metric_histogram_samples(out, name, "", histogram, unit);
}
