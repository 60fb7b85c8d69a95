#pragma once
/* Fills what search looks into (shared/store/search/search_fill.h), behind the back of whoever
 * writes messages. Any number of processes may do so: they take turns.
 *
 * It looks for new messages once a second. While there is more it goes on sooner, but rests as long
 * as it has worked, and four times as long where only older messages wait; so that it takes at most
 * half of one of Postgres' processes, and a fifth for a backlog.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/search/search_scope.h"

struct buf;
struct pg;
struct search_filler;

struct search_filler_options {
    struct pg *pg;           /* of its own, with a short limit for a statement; required */
    enum search_scope scope; /* not SEARCH_OFF */
};

struct search_filler *search_filler_start(const struct search_filler_options *options);
SUSPENDS void search_filler_stop(struct search_filler *filler); /* accepts NULL; frees */

/* How many messages the next round looks at, after one of `batch` that took `took_ms`, or failed.
 * `late`: many more are waiting, so it takes as many as it can, however long: a transaction costs
 * the more for each message the fewer it has, and with few it might never catch up. Pure. */
int search_filler_batch(int batch, int64_t took_ms, bool failed, bool late);

extern const struct metric_table search_filler_metrics;
void search_filler_metrics_render(const struct search_filler *filler, struct buf *out);
