#pragma once
/* What the dispatcher reads: which runs are ready, and how many of each kind there are. */

#include "shared/store/store.h"

#define DISPATCH_LIMIT_MAX   10000
#define DISPATCH_EXCLUDE_MAX 50000

struct ready_run {
    struct uuid id;
    struct uuid tenant_id;
    int priority;
    int64_t fence;
    int64_t waited_ms; /* since it became due */
};

struct ready_list {
    struct ready_run *items;
    size_t count;
};

struct ready_query {
    int shard;
    int limit;                  /* 1..DISPATCH_LIMIT_MAX */
    const struct uuid *exclude; /* hinted a moment ago */
    size_t exclude_count;       /* at most DISPATCH_EXCLUDE_MAX, else -E_LIMIT */
};

/* Queued and due, ordered by priority, due time, id. *out lives in the arena. */
SUSPENDS MUSTCHECK int dispatch_ready(struct pg *pg, struct arena *arena,
                                      const struct ready_query *query, struct ready_list *out,
                                      struct error *err);

struct dispatch_counts {
    int64_t ready;   /* queued and due */
    int64_t delayed; /* queued, due later */
    int64_t in_progress;
    int64_t requires_action;
    int64_t cancelling;
    int64_t oldest_ready_ms; /* how long the longest waiting ready run has been due */
    int64_t workers_up;
    int64_t slots; /* of workers that are up */
};

/* Counts by index; with a backlog of a million rows it takes about 0.1 s, so ask every few seconds
 * and not per request. */
SUSPENDS MUSTCHECK int dispatch_count(struct pg *pg, struct dispatch_counts *out,
                                      struct error *err);
