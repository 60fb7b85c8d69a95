#pragma once
/* Who waits for which run. Nothing here suspends, and nothing knows a database.
 *
 * The order is what makes it sure: a waiter joins, THEN reads the run, then sleeps until it is
 * woken, and reads again. A run that settles before the first read is seen by that; one that
 * settles after it finds the waiter registered. A wake-up says only "look": whoever looks and finds
 * the run still under way sleeps again.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"

struct fiber;
struct waited_run;
struct waiting;

/* In the frame of the fiber that waits; its members are for reading, but for these two. */
struct waiter {
    struct list link;
    struct waited_run *run;
    bool woken;          /* to be cleared by the waiter, before it looks */
    struct fiber *fiber; /* set by the waiter while it sleeps: to be woken; else NULL */
};

/* For at most `max` waiters at once. */
struct waiting *waiting_new(size_t max);
void waiting_free(struct waiting *waiting); /* nobody waits any more; accepts NULL */

/* False: as many wait already, or waiting has come to its end. */
MUSTCHECK bool waiting_join(struct waiting *waiting, struct waiter *waiter, struct uuid run);
void waiting_leave(struct waiting *waiting, struct waiter *waiter);

/* Wakes all who wait for the run. Returns how many were not woken already. */
size_t waiting_wake(struct waiting *waiting, struct uuid run);

/* Wakes all, and nobody can join any more. */
void waiting_end(struct waiting *waiting);
bool waiting_has_ended(const struct waiting *waiting);

size_t waiting_count(const struct waiting *waiting);      /* waiters */
size_t waiting_runs_count(const struct waiting *waiting); /* runs that they wait for */

/* Writes the runs that are waited for, each once, to `out`, which has room for `max`. Returns how
 * many there were. */
size_t waiting_runs(const struct waiting *waiting, struct uuid *out, size_t max);
