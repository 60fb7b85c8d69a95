#pragma once
/* Retention as schedulers do it: in steps, each of which is one statement and one transaction.
 *
 * A pass goes through the tenants that say something. Of each it walks over what is old enough for
 * the shortest of its policies: threads, threads in no list, runs, in the order of their use or of
 * their ids, a page at a time. What goes is decided and deleted by the statement that found it, so
 * a step may be cut off at any moment and done again, by whomever: the lease (retention_hold) only
 * spares others the work. A thread is locked before it is deleted, and one whose row somebody is at
 * is left to the next pass; whoever writes to an idle thread moves its last_used_at, which the lock
 * sees.
 *
 * Not touched: a thread with an active run or with input that waits; the lasting thread of a
 * schedule that has not ended; what a schedule has not noted yet; the last run of a schedule, and
 * the last one that was completed; what was used since the tenant's oldest unfinished batch began,
 * whose lines it may be. Of a thread that is in use old runs go with their steps and calls, and its
 * messages stay.
 */

#include "shared/store/store.h"

/* How long a hold lasts when nobody renews it. */
#define RETENTION_LEASE_S 60

struct retention_turn {
    bool held;     /* by this owner */
    int64_t lag_s; /* since the moment up to which all that was due is gone */
};

/* Takes the turn for a pass, where nobody has it and the last pass is at least `pause_ms` old; or,
 * with `pause_ms` -1, renews it. `owner` is a number of this process alone. */
SUSPENDS MUSTCHECK int retention_hold(struct pg *pg, int64_t owner, int64_t pause_ms,
                                      struct retention_turn *out, struct error *err);

/* The pass has ended: what was due when it began is gone. */
SUSPENDS MUSTCHECK int retention_release(struct pg *pg, int64_t owner, struct error *err);

struct retention_state {
    int64_t policies; /* of all tenants, that say that something goes */
    int64_t lag_s;
};

SUSPENDS MUSTCHECK int retention_state(struct pg *pg, struct retention_state *out,
                                       struct error *err);

/* A tenant that says something, in the order of ids behind `after`: the shortest times of what it
 * says. What they are for each thread is read with it. */
struct retention_tenant {
    struct uuid id;       /* zero: there is none */
    int64_t after_s;      /* after which anything happens; -1: nothing ever does */
    int64_t delete_s;     /* after which anything is deleted; -1: never */
    int64_t own_delete_s; /* the same, by its own policy alone */
};

SUSPENDS MUSTCHECK int retention_next_tenant(struct pg *pg, struct uuid after,
                                             struct retention_tenant *out, struct error *err);

/* Where a walk is; zero: at its beginning. */
struct retention_cursor {
    int64_t hour;
    struct uuid id;
};

struct retention_step {
    int64_t owner;
    const struct retention_tenant *tenant;
    int64_t rows; /* that one step looks at, and messages that it deletes, the first thread's
                     excepted */
};

struct retention_swept {
    int64_t threads_deleted;
    int64_t threads_archived;
    int64_t runs_deleted;
    bool more; /* the walk is not at its end */
};

/* Threads; `hidden`: those in no list. Moves the cursor. */
SUSPENDS MUSTCHECK int retention_threads(struct pg *pg, const struct retention_step *step,
                                         bool hidden, struct retention_cursor *cursor,
                                         struct retention_swept *out, struct error *err);

/* Runs: those of no thread, and old ones of threads that stay. Moves the cursor. */
SUSPENDS MUSTCHECK int retention_runs(struct pg *pg, const struct retention_step *step,
                                      struct retention_cursor *cursor, struct retention_swept *out,
                                      struct error *err);

/* Batches that have ended, by the tenant's own policy, which deletes. Their files have their own
 * expiry. */
SUSPENDS MUSTCHECK int retention_batches(struct pg *pg, const struct retention_step *step,
                                         int64_t *out_count, bool *out_more, struct error *err);

/* What became of times of schedules, of all tenants, older than `days`, but for the last one and
 * the last that was completed. What a schedule with a policy of its own has stays as long as its
 * run, which is known to be the schedule's by it. Moves the cursor. */
SUSPENDS MUSTCHECK int retention_firings(struct pg *pg, int64_t owner, int64_t days, int64_t rows,
                                         struct retention_cursor *cursor, int64_t *out_count,
                                         bool *out_more, struct error *err);
