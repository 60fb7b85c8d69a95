#pragma once
/* In what order runs get the places there are. Pure: no clock, no I/O, no globals; the same calls
 * give the same order.
 *
 * Between priorities (lanes): the most urgent first, but while all have work they share 80, 15 and
 * 5 of each 100 places, so that none starves; what a lane does not use goes to the most urgent one
 * that has work. Inside a lane: tenants by weighted virtual time (start-time fair queueing). Each
 * run that is served moves its tenant on by 1 / weight, and the tenant that is furthest behind is
 * next. Who comes new starts at the present: served next, and with no credit for its absence.
 */

#include <stddef.h>

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct fair;

#define FAIR_LANES      3
#define FAIR_MEMORY_MAX 4096 /* tenants ahead of the present that a lane remembers */
#define FAIR_NO_CAP     INT64_MAX
#define FAIR_WEIGHT_MAX 1000

struct fair *fair_new(void);
void fair_free(struct fair *fair); /* accepts NULL */

struct fair_tenant {
    struct uuid id;
    int64_t weight; /* 1 to FAIR_WEIGHT_MAX; others count as the nearest of these */
    int64_t room;   /* runs it may get now; FAIR_NO_CAP; counted down by fair_order */
};

struct fair_run {
    size_t tenant; /* its place in fair_offer.tenants */
    int priority;  /* 0 to FAIR_LANES - 1 */
};

struct fair_offer {
    struct fair_tenant *tenants; /* each id once */
    size_t tenant_count;
    const struct fair_run *runs; /* those of one tenant and priority in their order */
    size_t run_count;
};

/* Which runs are served, in order: at most `places` of them, as places in offer->runs, in out_order
 * (room for the lesser of `places` and run_count). Returns how many; fewer only when the rest may
 * not be served now. What is returned counts as served. */
size_t fair_order(struct fair *fair, struct fair_offer *offer, size_t places, size_t *out_order);

/* Counts a run as served that went another way. */
void fair_charge(struct fair *fair, int priority, struct uuid tenant, int64_t weight);

/* Nothing waits in this lane: everybody is a newcomer again. */
void fair_rest(struct fair *fair, int priority);
