#include "shared/metrics/metric_table.h"

#include <inttypes.h>
#include <stdarg.h>

#include "shared/base/text.h"
#include "shared/metrics/histogram.h"
#include "shared/metrics/metric.h"

#define US_PER_S 1000000

static const char *const types[] = {"counter", "gauge", "histogram"};

static void add_seconds(struct buf *out, int64_t value, int64_t unit)
{
    buf_printf(out, "%" PRId64 ".%0*" PRId64 "\n", value / unit, unit == 1000 ? 3 : 6,
               value % unit);
}

static void add_value(const struct metric *metric, const void *from, struct buf *out)
{
    const void *at = (const char *)from + metric->offset;

    buf_printf(out, "%s ", metric->name);
    switch (metric->form) {
    case METRIC_UINT64:
        buf_printf(out, "%" PRIu64 "\n", *(const uint64_t *)at);
        return;
    case METRIC_INT64:
        buf_printf(out, "%" PRId64 "\n", *(const int64_t *)at);
        return;
    case METRIC_INT:
        buf_printf(out, "%d\n", *(const int *)at);
        return;
    case METRIC_SIZE:
        buf_printf(out, "%zu\n", *(const size_t *)at);
        return;
    case METRIC_BOOL:
        buf_printf(out, "%d\n", *(const bool *)at);
        return;
    case METRIC_MS:
        add_seconds(out, *(const int64_t *)at, 1000);
        return;
    case METRIC_US:
        add_seconds(out, *(const int64_t *)at, US_PER_S);
        return;
    case METRIC_TIMES:
    case METRIC_SIZES:
    case METRIC_SAMPLES:
        break;
    }
    ASSERT(!"a form of one value");
}

void metric_table_render(const struct metric_table *table, const void *from, struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct metric *metric = &table->rows[i];
        const void *at = (const char *)from + metric->offset;

        if (metric->type == METRIC_HISTOGRAM && metric->form != METRIC_SAMPLES) {
            metric_histogram(out, metric->name, metric->help, at,
                             metric->form == METRIC_TIMES ? US_PER_S : 1);
            continue;
        }
        metric_head(out, types[metric->type], metric->name, metric->help);
        if (metric->form == METRIC_SAMPLES)
            metric->samples(out, metric->name, from);
        else
            add_value(metric, from, out);
    }
}

void metric_table_describe(const struct metric_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct metric *metric = &table->rows[i];

        buf_printf(out, "| `%s` | %s | %s | %s |\n", metric->name, types[metric->type],
                   metric->labels ? metric->labels : "", metric->help);
    }
}

static void add_label(struct buf *out, const char *name, const char *value, bool first)
{
    buf_printf(out, "%s%s=\"", first ? "{" : ",", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            buf_add_char(out, '\\');
        buf_add_char(out, *value == '\n' ? 'n' : *value);
    }
    buf_add_char(out, '"');
}

/* The pairs, without the closing brace. Returns whether there are any. */
static bool add_pairs(struct buf *out, va_list args)
{
    const char *label;
    bool first = true;

    while ((label = va_arg(args, const char *))) {
        add_label(out, label, va_arg(args, const char *), first);
        first = false;
    }
    return !first;
}

static void add_labels(struct buf *out, const char *name, va_list args)
{
    buf_add_string(out, name);
    buf_add_string(out, add_pairs(out, args) ? "} " : " ");
}

void metric_sample(struct buf *out, const char *name, int64_t value, ...)
{
    va_list args;

    va_start(args, value);
    add_labels(out, name, args);
    va_end(args);
    buf_printf(out, "%" PRId64 "\n", value);
}

void metric_sample_seconds(struct buf *out, const char *name, int64_t ms, ...)
{
    va_list args;

    va_start(args, ms);
    add_labels(out, name, args);
    va_end(args);
    add_seconds(out, ms, 1000);
}

void metric_sample_histogram(struct buf *out, const char *name, const struct histogram *histogram,
                             int64_t unit, ...)
{
    CLEANUP(buf_deinit) struct buf labels;
    va_list args;

    buf_init(&labels, 0);
    va_start(args, unit);
    add_pairs(&labels, args);
    va_end(args);
    metric_histogram_samples(out, name, buf_string(&labels), histogram, unit);
}
