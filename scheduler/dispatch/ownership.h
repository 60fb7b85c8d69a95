#pragma once
/* Which shards this process dispatches.
 *
 * It registers under a random id, with a lease, and takes as many shards as are its share among the
 * living; what it has too much of it gives back, so that who comes new gets its part. Shards of a
 * scheduler that died are free when their leases lapse, after 2 s. Without Postgres it keeps its
 * shards as long as its own clock says that its lease is good, and no longer. One that is not able
 * to dispatch (Redis can't be reached) leaves them to others, if there are any, until it is.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"

struct buf;
struct ownership;
struct pg;

struct ownership_options {
    struct pg *pg; /* required */
    int shards;
    void (*changed)(void *arg); /* a shard was taken or given up; must not suspend */
    bool (*able)(void *arg);    /* to dispatch; must not suspend */
    void *arg;                  /* of both */
};

struct ownership *ownership_start(const struct ownership_options *options);

/* Gives all shards back, if Postgres can be reached. Accepts NULL; frees. */
SUSPENDS void ownership_stop(struct ownership *ownership);

bool ownership_has(const struct ownership *ownership, int shard);
int ownership_count(const struct ownership *ownership);

/* How many shards a scheduler should own: `live` share `shards`, those of the lowest ranks have one
 * more where it does not come out even. Pure. */
int ownership_share(int shards, int live, int rank);

extern const struct metric_table ownership_metrics;
void ownership_metrics_render(const struct ownership *ownership, struct buf *out);
