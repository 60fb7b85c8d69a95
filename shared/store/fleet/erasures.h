#pragma once
/* Threads that are deleted by themselves (threads.erase_at): those of requests that are to leave
 * nothing behind. Whoever made one erases it when it has no more use for it; what nobody erases is
 * found by the sweep, THREAD_KEPT_MS after the last use, or after the end of its run. With a thread
 * go its messages, runs, steps and calls, as if it were deleted. */

#include "shared/store/threads/threads.h"

#define ERASE_BATCH 100

/* Now. THREAD_BUSY: a run of it is active or waits; THREAD_MISSING: there is none, or not one that
 * erases. */
SUSPENDS MUSTCHECK int threads_erase(const struct store *store, struct uuid thread,
                                     struct error *err);

/* Those that nobody has used for so long, ERASE_BATCH at most. *out_erased: how many; *out_more:
 * there may be others. It may run in several processes at once, and be cut off at any moment. */
SUSPENDS MUSTCHECK int threads_erase_due(struct pg *pg, int64_t *out_erased, bool *out_more,
                                         struct error *err);
