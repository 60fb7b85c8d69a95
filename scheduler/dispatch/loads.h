#pragma once
/* What is known of tenants: how much each has in work, and its weight and limit. Counted in the
 * database every second or so, and kept up in between by counting hints. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/store/dispatch/dispatch.h"

struct loads;

#define LOADS_NOTED_MAX 4096 /* tenants hinted between two counts */

struct loads *loads_new(void);
void loads_free(struct loads *loads); /* accepts NULL */

/* A new count: what was noted since the last one is in it, or done. */
void loads_set(struct loads *loads, const struct dispatch_tenants *tenants);

/* A run of this tenant was hinted. */
void loads_note(struct loads *loads, struct uuid tenant);

struct tenant_load {
    int64_t busy; /* in work and hinted; INT64_MAX: too many tenants to know */
    int64_t weight;
    int64_t max_running; /* 0: no limit */
};

struct tenant_load loads_of(const struct loads *loads, struct uuid tenant);

/* Whether a tenant that had fewer than `small` runs in work when they were counted was hinted half
 * as many since: they may have ended, and only a new count tells. */
bool loads_want_count(const struct loads *loads, struct uuid tenant, int64_t small);

/* How many more runs of a tenant with a limit a scheduler may hint. With several schedulers each
 * has a part of the limit, by the shards it owns; the rest of the division belongs to one of them,
 * and they take turns in having it. */
struct cap_view {
    int64_t max_running;  /* >= 1 */
    int64_t running;      /* of the tenant */
    int64_t running_here; /* of these, in shards that are owned here */
    int64_t hinted;       /* here, and not in work yet */
    int shards;
    int owned; /* >= 1 */
    bool turn; /* has the rest */
};

int64_t cap_room(const struct cap_view *view);

/* The shard whose owner has the turn; it moves every 2 s. */
int cap_turn(struct uuid tenant, int shards, int64_t wall_ms);
