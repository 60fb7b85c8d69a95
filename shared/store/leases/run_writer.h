#pragma once
/* Group commit: the writes of all runs of a worker, in as few transactions as possible.
 *
 * While one group is being written the next one gathers. A group is one statement in one
 * transaction (run_group.c), so its cost is shared by all that are in it; what it means stays each
 * fiber's own: a run that is fenced or cancelled is left out and its fiber told so, and a write
 * that Postgres refuses fails alone, since the group is then halved until it stands alone.
 *
 * Every write carries the lease (owner, fence, step) and is a compare-and-set on the run's row: it
 * is applied as a whole or not at all. Each write adds one to step, so one that is sent again after
 * a broken connection is recognised as applied and not done twice. These functions do so by
 * themselves (a few times), and callers may too after -E_AMBIGUOUS, -E_TIMEOUT or -E_CANCELED: call
 * again with the same arguments.
 *
 * Results common to checkpoint, finish, hand back and park:
 *   0                 written (now, or by an earlier attempt of the same)
 *   LEASE_FENCED      the run is not this worker's any more: nothing was written, nor may be
 *   LEASE_CANCELLING  a cancel was asked for: nothing was written; finish with RUN_CANCELLED
 *
 * One writer per process.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/histogram.h"

struct error;
struct pg;
struct run_changes;
struct run_ending;
struct run_lease;
struct run_parking;
struct run_return;
struct run_writer;

/* Borrows `pg`, and `large` for writes over 256 KiB (it may be the same, for tests). To be called
 * in a fiber. Free it before these are closed, when nobody writes any more. */
struct run_writer *run_writer_new(struct pg *pg, struct pg *large);
SUSPENDS void run_writer_free(struct run_writer *writer); /* accepts NULL */

struct run_writer_stats {
    struct histogram commit_us; /* from asking to knowing */
    struct histogram size;      /* writes of a group */
    uint64_t fenced;            /* writes refused: the lease was lost */
    uint64_t ambiguous;         /* groups whose commit's answer was lost */
    uint64_t bisections;        /* groups that were halved */
};

const struct run_writer_stats *run_writer_stats(const struct run_writer *writer);

/* -E_CONTENT, -E_CONFLICT: Postgres can never store this, for its content: end the run. -E_LIMIT:
 * too many items, or over 16 MiB in one column. */
SUSPENDS MUSTCHECK int run_leases_checkpoint(struct run_writer *writer, struct run_lease *lease,
                                             const struct run_changes *changes, struct error *err);

/* The last write: changes as in a checkpoint, the terminal status, its time, and the thread
 * released. LEASE_STEERED: it was to be completed, and input came that the run is to see: nothing
 * was written. From "cancelling" only RUN_CANCELLED, RUN_FAILED and RUN_EXPIRED are possible (else
 * LEASE_CANCELLING), and RUN_CANCELLED only from there (else -E_INTERNAL: nobody asked for it).
 * Steps still in progress end as the run does (failed, when it is incomplete); of a run that is
 * completed the caller has completed them. `changes` may be NULL.
 *
 * An ending that Postgres can never store, for its content, is written again without anything that
 * came from outside: RUN_ENDED_BARE, with *err saying why. A run that was to be cancelled or to
 * expire is so; any other is RUN_FAILED, server_error, with a fixed sentence. */
SUSPENDS MUSTCHECK int run_leases_finish(struct run_writer *writer, struct run_lease *lease,
                                         const struct run_changes *changes,
                                         const struct run_ending *ending, struct error *err);

/* Gives the run back to the queue. `changes` may be NULL. */
SUSPENDS MUSTCHECK int run_leases_hand_back(struct run_writer *writer, struct run_lease *lease,
                                            const struct run_changes *changes,
                                            const struct run_return *how, struct error *err);

/* Lets go of a run that waits for its open calls, of which `changes` has one at least: it becomes
 * requires_action or queued, as their kinds say, and holds nothing (see runs/waits.h). */
SUSPENDS MUSTCHECK int run_leases_park(struct run_writer *writer, struct run_lease *lease,
                                       const struct run_changes *changes,
                                       const struct run_parking *how, struct error *err);
