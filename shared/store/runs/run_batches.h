#pragma once
/* What many requests ask of runs at the same time, as one statement: looking, and making.
 *
 * Both are for a gather (shared/fiber/gather.h): the cost of a statement is shared by all that are
 * in it, while each row stands for itself. The requests may be of different tenants; each sees what
 * is its own tenant's.
 */

#include "shared/store/access/idempotency.h"
#include "shared/store/runs/runs.h"

#define RUN_BATCH_MAX 256

/* A run to be made, with the draft's messages: on draft->thread, or with a new thread. */
struct run_making {
    struct uuid tenant;
    const struct run_draft *draft;
    const struct thread_draft *new_thread; /* NULL: draft->thread is there; its messages count */
    const struct idempotency_trace *trace; /* what a first try leaves behind; NULL: nothing */
};

/* Makes those that nothing is in the way of, in one transaction. The others are left: their thread
 * is busy, missing, locked by somebody or named by an earlier one of the batch, their agent is
 * missing or changed. Whoever asked for one of these asks runs_create or runs_create_with_thread,
 * which tell why. -E_CONFLICT and -E_CONTENT: one of them can't be stored, and nothing was made;
 * let each be asked for alone. *out is the caller's to pg_result_free. */
SUSPENDS MUSTCHECK int run_batch_make(struct pg *pg, const struct run_making *makings, size_t count,
                                      struct pg_result **out, struct error *err);

/* How many were made. */
size_t run_batch_made_count(const struct pg_result *result);

/* The `n`th of them: *out_place is its place in the batch. With a new thread *out_thread (may be
 * NULL) is that. Texts are copied to the arena. Returns 0, or -E_LIMIT. */
size_t run_batch_made_place(const struct pg_result *result, size_t n);
MUSTCHECK int run_batch_made(const struct pg_result *result, size_t n, struct arena *arena,
                             struct run *out, struct thread *out_thread, struct error *err);
