#pragma once
/* Deletes what nobody wants any more, behind everybody's back: files that have expired, parts of
 * uploads that were not completed in their hour, bytes that no file has, and what processes left
 * that ended while they wrote. Any number of schedulers may do so at once: each thing is done once,
 * and doing it again has no effect. */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"

struct blob_stores;
struct buf;
struct file_sweeper;
struct pg;

/* Both must outlive it. */
struct file_sweeper *file_sweeper_start(struct pg *pg, struct blob_stores *blobs);
SUSPENDS void file_sweeper_stop(struct file_sweeper *sweeper); /* accepts NULL; frees */

extern const struct metric_table file_sweeper_metrics;
void file_sweeper_metrics_render(const struct file_sweeper *sweeper, struct buf *out);
