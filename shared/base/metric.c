/* Metrics as text. Names and help are ours, so nothing is escaped. */

#include "shared/base/metric.h"

#include <inttypes.h>

#include "shared/base/text.h"

void metric_head(struct buf *out, const char *type, const char *name, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metric_head(out, "counter", name, help);
    buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

void metric_gauge(struct buf *out, const char *name, const char *help, int64_t value)
{
    metric_head(out, "gauge", name, help);
    buf_printf(out, "%s %" PRId64 "\n", name, value);
}
