#pragma once
/* The dispatcher: hints on the queue for runs that are ready in Postgres.
 *
 * Two ways lead there. The fast one is dispatcher_hint, told by the API right after a run was
 * committed. The sure one is a tick per shard that reads what is ready and hints it, oldest first,
 * as far as a bounded window allows. A hint that led to nothing is given again after 3 s, so
 * whatever is lost costs delay and nothing else.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/store/dispatch.h"

struct dispatcher;
struct pg;
struct queue;

struct dispatcher_options {
    struct pg *pg;       /* required */
    struct queue *queue; /* required */
    int shards;          /* default 1 */
};

/* Both must outlive it. */
struct dispatcher *dispatcher_start(const struct dispatcher_options *options);
SUSPENDS void dispatcher_stop(struct dispatcher *dispatcher); /* accepts NULL; frees */

/* A new run. Never waits; may do nothing (a full list, a backlog to which the run belongs at its
 * end). */
void dispatcher_hint(struct dispatcher *dispatcher, struct uuid run, int shard, int priority);

/* What is known of the workers: sets the window. */
void dispatcher_set_counts(struct dispatcher *dispatcher, const struct dispatch_counts *counts);

/* Hints that the shard's streams may hold together. Pure. */
size_t dispatcher_window(const struct dispatch_counts *counts);

void dispatcher_metrics_render(const struct dispatcher *dispatcher, struct buf *out);
