#pragma once
/* Making runs for many who ask for one each: what is asked for while one statement is under way is
 * made by the next one (run_batches.h). Who comes alone is served alone. */

#include "shared/store/submissions/run_batches.h"

struct run_maker;

/* `limits` may be NULL, and must outlive it. */
struct run_maker *run_maker_new(struct pg *pg, const struct thread_limits *limits);
SUSPENDS void run_maker_free(struct run_maker *maker); /* accepts NULL */

/* RUN_NOT_MADE: nothing was written, and runs_create or runs_create_with_thread, to be asked now,
 * makes it or tells why not. Else as they do: -E_AMBIGUOUS and so on. The texts of *out are those
 * of the draft, and `user` is in the making's arena. */
SUSPENDS MUSTCHECK int run_maker_make(struct run_maker *maker, const struct run_making *making,
                                      struct run *out, struct error *err);

struct run_maker_stats {
    uint64_t statements;
    uint64_t made;
};
struct run_maker_stats run_maker_stats(const struct run_maker *maker);
