#pragma once
/* Metrics as tables: a row says a metric's name, type, help and labels, and where its value is in a
 * struct that its module fills. From the same tables come the page of /metrics and docs/metrics.md.
 *
 * To add a metric, add a row. One whose samples are not the members of a struct has a function that
 * writes them (metric_sample).
 */

#include <stddef.h>

#include "shared/base/compiler.h"

struct buf;
struct histogram;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What is at the offset. Times are shown in seconds. */
enum metric_form {
    METRIC_UINT64,
    METRIC_INT64,
    METRIC_INT,
    METRIC_SIZE,
    METRIC_BOOL,
    METRIC_MS,      /* int64_t milliseconds */
    METRIC_US,      /* int64_t microseconds */
    METRIC_TIMES,   /* struct histogram of microseconds */
    METRIC_SIZES,   /* struct histogram of counts */
    METRIC_SAMPLES, /* samples() writes them */
};

struct metric {
    const char *name;
    enum metric_type type;
    const char *help;
    enum metric_form form;
    size_t offset;
    const char *labels; /* their names, for the documentation: "status", "shard, priority" */
    void (*samples)(struct buf *out, const char *name, const void *from);
};

/* Rows of one struct. */
#define METRIC_COUNTS(struct_, form_, member_, name_, help_)                                       \
    {                                                                                              \
        .name = (name_), .type = METRIC_COUNTER, .help = (help_), .form = (form_),                 \
        .offset = offsetof(struct struct_, member_),                                               \
    }
#define METRIC_SHOWS(struct_, form_, member_, name_, help_)                                        \
    {                                                                                              \
        .name = (name_), .type = METRIC_GAUGE, .help = (help_), .form = (form_),                   \
        .offset = offsetof(struct struct_, member_),                                               \
    }
#define METRIC_SPREADS(struct_, form_, member_, name_, help_)                                      \
    {                                                                                              \
        .name = (name_), .type = METRIC_HISTOGRAM, .help = (help_), .form = (form_),               \
        .offset = offsetof(struct struct_, member_),                                               \
    }
#define METRIC_LABELLED(type_, name_, labels_, help_, samples_)                                    \
    {                                                                                              \
        .name = (name_), .type = (type_), .help = (help_), .form = METRIC_SAMPLES,                 \
        .labels = (labels_), .samples = (samples_),                                                \
    }

struct metric_table {
    const struct metric *rows;
    size_t count;
};

#define METRIC_TABLE(rows_)                                                                        \
    {                                                                                              \
        (rows_), sizeof(rows_) / sizeof((rows_)[0])                                                \
    }

/* Adds the table's metrics as of the struct at `from`. */
void metric_table_render(const struct metric_table *table, const void *from, struct buf *out);

/* Adds a row for each metric to a table in Markdown: name, type, labels, help. */
void metric_table_describe(const struct metric_table *table, struct buf *out);

/* One sample of a labelled metric: the last arguments are pairs of a label's name and its value,
 * ended by NULL. Values are escaped. */
void metric_sample(struct buf *out, const char *name, int64_t value, ...) __attribute__((sentinel));
void metric_sample_histogram(struct buf *out, const char *name, const struct histogram *histogram,
                             int64_t unit, ...) __attribute__((sentinel));
void metric_sample_seconds(struct buf *out, const char *name, int64_t ms, ...)
    __attribute__((sentinel));
