#pragma once
/* What one tick works with, and its steps in their order: ask, arrange, push, conclude. The inside
 * of dispatch_shard.c. All of it lives in the tick's arena. */

#include "scheduler/dispatch/dispatch_shard.h"
#include "scheduler/dispatch/tick/places.h"
#include "shared/base/arena.h"

/* Free places of the queue. */
struct tick_room {
    size_t unread; /* hints in the lanes of priorities that no worker has read */
    size_t ordinary;
    size_t express;
};

/* A run that wants a hint. */
struct wanted_run {
    struct queue_hint hint;
    size_t tenant; /* its place */
    int priority;
    bool taken; /* it has its hint */
};

/* Who wants what. */
struct wanted {
    struct fair_tenant *tenants; /* each once */
    int64_t *hinted;             /* hints of each that are on their way */
    size_t tenant_count;
    struct places places; /* of the tenants */
    struct wanted_run *runs;
    size_t run_count;
};

struct tick {
    struct dispatch_shard *shard;
    struct arena arena;
    int64_t now_ms;
    bool counting; /* it alone gives out what limits leave */
    struct tick_room room;
    struct hinted_run *on_way;
    size_t on_way_count;
    struct dispatch_offer offer;
    struct wanted wanted;
    bool sent; /* some */
};

/* ask.c: what is on its way, and what Postgres has beside it. */
SUSPENDS MUSTCHECK int tick_ask(struct tick *tick, const struct queue_stats *stats,
                                struct error *err);

/* wanted.c: each tenant once with its room, and the runs that want a hint. */
MUSTCHECK int tick_arrange(struct tick *tick, struct error *err);

/* push.c: hints for as many as there is room for: first runs of tenants that have next to nothing
 * in work, by the express lane, then the rest in fair order. */
SUSPENDS MUSTCHECK int tick_push(struct tick *tick, struct error *err);

/* conclude.c: what the tick leaves behind for the next one and for the fast way. */
void tick_conclude(struct tick *tick);

/* "too many ready runs at once": the arena is full. */
int tick_too_many(struct error *err);
