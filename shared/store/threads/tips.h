#pragma once
/* Where a thread ends, and where one of its runs did: what a run that goes on from there must know
 * before it is made. */

#include "shared/store/store.h"

struct thread_tip {
    int64_t position;         /* of the last message there; 0: there is none */
    bool is_newest;           /* nothing stands behind it in the thread */
    struct uuid active_run;   /* of the thread; zero: it is idle */
    const struct text *calls; /* ids of calls that nobody has answered, in their order */
    size_t call_count;
};

/* Of a thread as it is, or, where `run` is not zero, as that run left it. Calls are those of runs
 * that were completed, and of messages that came from outside, behind the last answer of a model;
 * at the end of a run, its own and those that it brought. What was found of a run that has ended
 * does not change any more, and neither does what stands before a position (unless people delete
 * messages): so a run that is made behind this position (run_draft.behind) answers what was asked
 * here. THREAD_MISSING; RUN_MISSING: the thread has no such run. */
SUSPENDS MUSTCHECK int threads_tip(const struct store *store, struct uuid thread, struct uuid run,
                                   struct thread_tip *out, struct error *err);
