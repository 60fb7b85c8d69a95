#pragma once
/* How many threads stand: what a reader of them compares, to know that there may be another run.
 * And the run that comes next for such a reader. */

#include "shared/store/polls/run_standings.h"

struct thread_standing_row {
    struct uuid thread;
    bool is_there;
    struct uuid active_run; /* zero: none */
    int64_t used_us;        /* when it was used last, as when a run ended */
};

bool thread_standing_equal(const struct thread_standing_row *a,
                           const struct thread_standing_row *b);

/* Of up to STANDINGS_BATCH_MAX threads, of whatever tenants, in their order. */
SUSPENDS MUSTCHECK int thread_standings(struct pg *pg, const struct uuid *threads, size_t count,
                                        struct thread_standing_row *out, struct error *err);

/* How far a reader of a thread is: behind a run, which has ended for him; or, where he has seen
 * none or it is not there any more, behind a time of the database. */
struct thread_place {
    struct uuid run; /* zero: none */
    int64_t us;      /* < 0: the present */
};

struct thread_next {
    struct uuid run; /* zero: there is none now */
    int64_t us;      /* the present, by the clock of the database */
};

#define THREAD_NEXT_RUNS 64

/* The run that comes next: the first that has ended behind this place, of the THREAD_NEXT_RUNS that
 * were made last; or else the thread's active one, which may be the place's own where that was
 * tried again. One run of a thread ends before the next begins, so the times of their ends are the
 * order in which they ran, whatever the clocks were that gave them their ids. THREAD_MISSING. */
SUSPENDS MUSTCHECK int thread_next_run(const struct store *store, struct uuid thread,
                                       const struct thread_place *place, struct thread_next *out,
                                       struct error *err);
