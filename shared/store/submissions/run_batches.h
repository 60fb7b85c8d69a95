#pragma once
/* Runs that many requests make at the same time, as one statement, of whatever tenants.
 *
 * For a gather (run_maker.h): the cost of a statement is shared by all that are in it, while each
 * row stands for itself. */

#include "shared/store/access/idempotency.h"
#include "shared/store/runs/runs.h"

#define RUN_BATCH_MAX 128

/* A run to be made, with the draft's messages: on draft->thread, or with a new thread. */
struct run_making {
    struct uuid tenant;
    const struct run_draft *draft;
    const struct thread_draft *new_thread; /* NULL: draft->thread is there; its messages count */
    struct arena *arena;                   /* for what the database alone knows of the run */
    const struct idempotency_trace *trace; /* what a first try leaves behind; NULL: nothing */
};

/* Makes those that nothing is in the way of, in one transaction. The others are left: their thread
 * is busy, missing, locked by somebody or named by an earlier one of the batch, their agent is
 * missing or changed. Whoever asked for one of these asks runs_create or runs_create_with_thread,
 * which tell why. -E_CONFLICT, -E_CONTENT and -E_REJECTED: one of them can't be stored, and nothing
 * was made; let each be asked for alone. *out is the caller's to pg_result_free. */
SUSPENDS MUSTCHECK int run_batch_make(struct pg *pg, const struct thread_limits *limits,
                                      const struct run_making *makings, size_t count,
                                      struct pg_result **out, struct error *err);

/* The same as a part of somebody's request (pg_exec_all), which tells nothing of what was made. The
 * makings are not looked at any more once it is there. */
struct run_batch;
MUSTCHECK int run_batch_new(const struct thread_limits *limits, const struct run_making *makings,
                            size_t count, struct run_batch **out, struct error *err);
void run_batch_free(struct run_batch *batch); /* accepts NULL */
struct pg_query run_batch_query(const struct run_batch *batch);

/* Whether this run may be one of many: what is large, and what has conditions of its own, is made
 * alone. */
bool run_making_is_plain(const struct run_making *making);

/* What it takes, about. */
size_t run_making_bytes(const struct run_making *making);

/* How many were made, and the place of the `n`th of them in the batch. */
size_t run_batch_made_count(const struct pg_result *result);
size_t run_batch_made_place(const struct pg_result *result, size_t n);

/* The `n`th of them, as runs_get would give it now; its texts are those of the draft, and `user` is
 * in the making's arena. Returns 0, or -E_LIMIT. */
MUSTCHECK int run_batch_made(const struct pg_result *result, size_t n,
                             const struct run_making *making, struct run *out, struct error *err);
