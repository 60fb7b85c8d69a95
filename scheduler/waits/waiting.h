#pragma once
/* Who waits for which run, be it for its end (waits.h) or for whatever becomes of it (live/live.h).
 * Nothing here suspends, and nothing knows a database.
 *
 * The order is what makes it sure: a waiter joins, THEN reads the run, then sleeps until it is
 * woken, and reads again. What happens before the first read is seen by that; what happens after it
 * finds the waiter registered. A wake-up says only "look": whoever looks and finds nothing new
 * sleeps again.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"

struct fiber;
struct waiting;

/* In the frame of the fiber that waits; its members are for reading, but for these two. */
struct waiter {
    struct list link;
    struct waited_run *run;
    size_t *held;
    bool besides;        /* it takes no place */
    bool woken;          /* to be cleared by the waiter, before it looks */
    struct fiber *fiber; /* set by the waiter while it sleeps: to be woken; else NULL */
};

/* A run as long as somebody waits for it. Its user may have more of it: a struct of `run_bytes`
 * whose first member is this one. */
struct waited_run {
    struct list bucket;
    struct list all;
    struct list waiters;
    struct uuid id;
};

struct waiting_options {
    size_t max;        /* waiters at once */
    size_t max_of_one; /* of these, those of one holder; 0: as many as there are */
    size_t run_bytes;  /* 0: nothing more than a struct waited_run */
    void (*begin)(void *arg, struct waited_run *run); /* the first one waits: the rest of it, which
                                                       * is zero, is to be filled; may be NULL */
    void (*end)(void *arg, struct waited_run *run);   /* nobody waits any more; may be NULL */
    void *arg;
};

struct waiting *waiting_new(const struct waiting_options *options);
void waiting_free(struct waiting *waiting); /* nobody waits any more; accepts NULL */

/* Whether one may join now who belongs to those who hold so many places (waiting_join). */
bool waiting_has_room(const struct waiting *waiting, size_t held);

/* False: as many wait already, or waiting has come to its end. `held` counts the places of those
 * that this waiter belongs to (a tenant), and must outlive him; NULL: nobody counts. */
MUSTCHECK bool waiting_join(struct waiting *waiting, struct waiter *waiter, struct uuid run,
                            size_t *held);
/* The same, by one who holds a place already: he takes no other. False: waiting has come to its
 * end. */
MUSTCHECK bool waiting_join_besides(struct waiting *waiting, struct waiter *waiter,
                                    struct uuid run);
void waiting_leave(struct waiting *waiting, struct waiter *waiter);

/* NULL: nobody waits for it. */
struct waited_run *waiting_find(struct waiting *waiting, struct uuid run);

/* Wakes all who wait for the run. Returns how many were not woken already. */
size_t waiting_wake(struct waiting *waiting, struct uuid run);
size_t waiting_wake_run(struct waited_run *run);

/* Wakes all, and nobody can join any more. */
void waiting_end(struct waiting *waiting);
bool waiting_has_ended(const struct waiting *waiting);

size_t waiting_count(const struct waiting *waiting);      /* waiters */
size_t waiting_runs_count(const struct waiting *waiting); /* runs that they wait for */

/* Each run that is waited for, the longest waited for first; `fn` adds and removes none. */
void waiting_each(struct waiting *waiting, void (*fn)(void *arg, struct waited_run *run),
                  void *arg);

/* Writes the runs that are waited for, each once, to `out`, which has room for `max`. Returns how
 * many there were. */
size_t waiting_runs(const struct waiting *waiting, struct uuid *out, size_t max);
