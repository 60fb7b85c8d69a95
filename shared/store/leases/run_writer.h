#pragma once
/* Group commit: the writes of all runs of a worker, in as few transactions as possible.
 *
 * While one group is being written the next one gathers. A group is one statement in one
 * transaction (run_group.c), so its cost is shared by all that are in it; what it means stays each
 * fiber's own: a run that is fenced or cancelled is left out and its fiber told so, and a write
 * that Postgres refuses fails alone, since the group is then halved until it stands alone.
 *
 * run_leases.h is how to write through it. One per process.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/histogram.h"

struct pg;
struct run_writer;

/* Borrows `pg`. To be called in a fiber. Free it before the pg is closed, when nobody writes any
 * more. */
struct run_writer *run_writer_new(struct pg *pg);
SUSPENDS void run_writer_free(struct run_writer *writer); /* accepts NULL */

struct run_writer_stats {
    struct histogram commit_us; /* from asking to knowing */
    struct histogram size;      /* writes of a group */
    uint64_t fenced;            /* writes refused: the lease was lost */
    uint64_t ambiguous;         /* groups whose commit's answer was lost */
    uint64_t bisections;        /* groups that were halved */
};

const struct run_writer_stats *run_writer_stats(const struct run_writer *writer);
