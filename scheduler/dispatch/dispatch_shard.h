#pragma once
/* One shard's dispatch: what is hinted of it, in which order, and what is on its way. The part that
 * dispatcher.c runs once per shard. */

#include "scheduler/dispatch/fair.h"
#include "scheduler/dispatch/hinted.h"
#include "scheduler/dispatch/loads.h"
#include "shared/base/compiler.h"
#include "shared/fiber/cond.h"
#include "shared/queue/queue.h"
#include "shared/store/dispatch/dispatch.h"

struct dispatch_shard;
struct error;
struct ownership;
struct pg;
struct service;

enum hint_way { HINT_FAST, HINT_TICK, HINT_WAYS };

/* What the shards of a process share. */
struct dispatch_common {
    struct pg *pg;
    struct queue *queue;
    struct loads *loads;
    struct ownership *ownership; /* NULL: this process owns none */
    struct dispatch_shard *shards;
    int shard_count;
    size_t window;         /* hints that a shard's lanes of priorities may hold, at least */
    size_t slots;          /* and at most */
    size_t express_window; /* and its express lane */
    int64_t small;         /* a tenant with fewer runs in work may use the express lane */
    bool counting;         /* a shard is giving out what tenants' limits leave */
    struct cond counted;
    bool (*is_read)(struct uuid run, void *arg); /* NULL: of none it is known */
    void *arg;
    uint64_t hints[HINT_WAYS][QUEUE_LANES];
};

/* A tenant with a limit, and its hints that are on their way. */
struct capped {
    struct uuid tenant;
    int64_t hinted;
};

#define EXPRESS_PRIORITY_MAX 1 /* runs of low priority never take the express lane */

#define SHARD_TENANTS_MAX (DISPATCH_PRIORITIES * DISPATCH_TENANTS_MAX)

/* How many hints the lanes of priorities may hold: see window.h. */
struct shard_window {
    size_t size;
    size_t filled; /* that they held after the last tick that asked */
    bool eager;    /* they were taken faster than ticks came, and are not yet known to last */
};

/* What a tick leaves behind for the next one. It goes when the shard has another owner. */
struct shard_memory {
    struct hinted *hinted; /* NULL while the shard is not owned */
    struct fair *fair;
    struct uuid after[DISPATCH_PRIORITIES];
    int64_t asked_ms; /* when Postgres was asked last */
    bool exact;       /* it has runs of tenants with a limit: see the .c file */
    struct capped capped[SHARD_TENANTS_MAX];
    size_t capped_count;
    struct uuid
        waiting[2 * SHARD_TENANTS_MAX]; /* tenants that the last tick left runs of, sorted */
    size_t waiting_count;
};

struct dispatch_shard {
    struct dispatch_common *common;
    struct service *ticker; /* goes round with the tick, where this process owns shards */
    int number;
    bool initialised; /* the queue's shard, as far as we know */
    bool backlog;     /* the last tick left ready runs without a hint, or could not hint at all */
    bool told;        /* of a run that the tick is to look for: dispatch_shard_wake */
    int64_t wait_ms;  /* until the next tick */
    size_t express_unread; /* hints in the express lane that no worker has read, at the last tick */
    struct shard_window window;
    struct shard_memory memory;
    uint64_t repeated;
    uint64_t resets;
};

enum {
    TICK_EAGER_MS = 5,
    TICK_BUSY_MS = 25,
    TICK_CAPPED_MS = 50, /* something waits for a limit alone */
    TICK_IDLE_MS = 250,
};

/* One tick of a shard that is owned: sets backlog and wait_ms. Returns 0, or what failed. */
SUSPENDS MUSTCHECK int dispatch_shard_tick(struct dispatch_shard *shard, struct error *err);

/* There is a run that the tick is to look for at once. Never waits. */
void dispatch_shard_wake(struct dispatch_shard *shard);

/* The shard is not owned any more: what is known of it goes. */
void dispatch_shard_forget(struct dispatch_shard *shard);

struct dispatch_batch {
    enum hint_way way;
    int lane;
    const struct queue_hint *hints;
    const struct uuid *tenants; /* of each hint */
    size_t count;
};

/* Sends hints. Returns 0 with how many went, also when the queue had forgotten the shard: then the
 * next tick begins anew. */
SUSPENDS MUSTCHECK int dispatch_shard_send(struct dispatch_shard *shard,
                                           const struct dispatch_batch *batch, size_t *out_sent,
                                           struct error *err);

/* Whether somebody waits here to read the run: what hints of it say. */
bool dispatch_is_read(const struct dispatch_common *common, struct uuid run);

/* Whether the last tick left runs of the tenant. */
bool dispatch_shard_waits(const struct dispatch_shard *shard, struct uuid tenant);
