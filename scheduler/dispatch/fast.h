#pragma once
/* The fast way: hints that the API gives right after a run was committed, sent by one service.
 *
 * It must not let a tenant overtake others, so it is open to those alone who would be next anyway:
 * tenants with next to nothing in work, by the express lane, and everybody while no run waits
 * without a hint. A tenant that floods the shard has its runs hinted by the tick, in its turn.
 * Tenants with a limit always take the tick, which alone counts exactly. A process that does not
 * own the shard knows less of it and gives fewer fast hints.
 */

#include "scheduler/dispatch/dispatch_shard.h"
#include "scheduler/dispatch/new_run.h"

struct fast;

/* How a new run is hinted. Pure. */
enum fast_way {
    FAST_NONE,     /* the tick finds it in time */
    FAST_TICK,     /* the tick is to look for it at once */
    FAST_ORDINARY, /* now, into the lane of its priority */
    FAST_EXPRESS,  /* now, into the express lane */
};

struct fast_view {
    bool owned;   /* its shard is dispatched here; else the next two are unknown */
    bool backlog; /* the shard has runs without a hint */
    bool waits;   /* so has the tenant */
    bool capped;  /* the tenant has a limit */
    int priority;
    int64_t busy;  /* runs of the tenant that are in work or hinted */
    int64_t small; /* fewer than this are next to nothing */
    int64_t ready; /* runs that wait, in all shards, a while ago */
    int64_t slots;
};

enum fast_way fast_way_of(const struct fast_view *view);

/* The backlog and the slots of all, as counted last. */
struct fast_counts {
    int64_t ready;
    int64_t slots;
};

struct fast *fast_start(struct dispatch_common *common);
SUSPENDS void fast_stop(struct fast *fast); /* frees */

void fast_set_counts(struct fast *fast, const struct fast_counts *counts);

/* Puts a hint for the run on the list, where that is fair. Returns the way that it takes; after
 * FAST_TICK the caller wakes the shard's tick. Never waits. */
enum fast_way fast_hint(struct fast *fast, const struct new_run *run);
