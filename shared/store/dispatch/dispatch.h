#pragma once
/* What dispatch reads: who has ready runs and which, what tenants have in work, and how many runs
 * of each kind there are. */

#include "shared/store/store.h"

#define DISPATCH_LIMIT_MAX    10000
#define DISPATCH_EXCLUDE_MAX  50000
#define DISPATCH_PRIORITIES   3
#define DISPATCH_TENANTS_MAX  100  /* of a priority, in one offer */
#define DISPATCH_SETTINGS_MAX 1000 /* of dispatch_tenants, of each kind */

struct ready_run {
    struct uuid id;
    int64_t fence;
};

/* A tenant with queued runs of a priority, and the first of them that are due. */
struct ready_tenant {
    struct uuid id;
    int priority;
    int64_t weight;
    int64_t max_running; /* 0: no limit; else the next two are given */
    int64_t running;
    int64_t running_here; /* in the shards of the query's owned_shards */
    const struct ready_run *runs;
    size_t run_count; /* 0: due later, or excluded */
    bool more;        /* as many as were asked for of each tenant: there may be others */
};

struct dispatch_offer {
    struct ready_tenant *tenants; /* by priority and id; a tenant once per priority */
    size_t tenant_count;
    size_t run_count;
    struct uuid after[DISPATCH_PRIORITIES]; /* for the next query: where this one stopped, or 0 */
};

struct dispatch_query {
    int shard;
    int limit;                  /* places there are: 1..DISPATCH_LIMIT_MAX */
    const struct uuid *exclude; /* hints that are on their way */
    size_t exclude_count;       /* at most DISPATCH_EXCLUDE_MAX, else -E_LIMIT */
    const int64_t *owned_shards;
    size_t owned_count;
    struct uuid after[DISPATCH_PRIORITIES]; /* tenants after these; zero: from the first on */
};

/* Of each priority up to DISPATCH_TENANTS_MAX tenants, and of each of these the oldest runs that
 * are due: `limit` for one tenant, fewer for many. What is read does not depend on how long a
 * backlog is. *out lives in the arena. */
SUSPENDS MUSTCHECK int dispatch_offer(struct pg *pg, struct arena *arena,
                                      const struct dispatch_query *query,
                                      struct dispatch_offer *out, struct error *err);

/* Without hints: up to `limit` ready runs of a shard by priority, tenants in turns, none of a
 * tenant that has as much in work as it may. Several who ask at once see the same runs, and weights
 * and floors do not count: it is a way to go on, not the fair one. */
SUSPENDS MUSTCHECK int dispatch_poll(struct pg *pg, int shard, int limit, struct uuid *out_runs,
                                     size_t *out_count, struct error *err);

struct tenant_running {
    struct uuid tenant;
    int64_t running;
};

struct tenant_setting {
    struct uuid tenant;
    int64_t weight;
    int64_t max_running; /* 0: no limit */
};

/* At most DISPATCH_SETTINGS_MAX of each. */
struct dispatch_tenants {
    struct tenant_running *running; /* those with most in work first */
    size_t running_count;
    struct tenant_setting *settings; /* those that differ from the default */
    size_t settings_count;
};

/* *out lives in the arena. */
SUSPENDS MUSTCHECK int dispatch_tenants(struct pg *pg, struct arena *arena,
                                        struct dispatch_tenants *out, struct error *err);

/* What can be counted fast. */
struct dispatch_counts {
    int64_t in_progress;
    int64_t requires_action;
    int64_t cancelling;
    int64_t workers_up;
    int64_t slots;                 /* of workers that are up */
    int64_t oldest_transaction_ms; /* in this database, of those that this user may see */
};

SUSPENDS MUSTCHECK int dispatch_count(struct pg *pg, struct dispatch_counts *out,
                                      struct error *err);

struct dispatch_lane_counts {
    int shard;
    int priority;
    int64_t ready;           /* queued and due */
    int64_t oldest_ready_ms; /* how long the longest waiting one has been due */
};

struct dispatch_waiting {
    int64_t ready;   /* of all lanes */
    int64_t delayed; /* queued, due later, whatever the reason */
    int64_t backoff; /* of these, after an error */
    int64_t rate_limit;
    int64_t calls;  /* parked, without anybody having to act */
    int64_t budget; /* until a budget begins anew, or is raised */
    int64_t held;   /* behind another run of their thread */
    int64_t oldest_ready_ms;
    struct dispatch_lane_counts *lanes; /* those that have runs, by shard and priority */
    size_t lane_count;
};

/* Counts the whole backlog by index: a million rows take some tenths of a second, so ask the less
 * often the longer it takes. *out lives in the arena. */
SUSPENDS MUSTCHECK int dispatch_count_waiting(struct pg *pg, struct arena *arena,
                                              struct dispatch_waiting *out, struct error *err);
