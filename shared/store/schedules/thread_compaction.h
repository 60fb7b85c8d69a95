#pragma once
/* Making room in a thread that has grown too large. */

#include "shared/store/store.h"

/* Deletes its oldest messages, hidden ones included, until the rest has `bytes` or less; what stays
 * begins with a message of a user where it can. *out_count: how many are gone. THREAD_MISSING;
 * THREAD_BUSY: a run's history does not change under it. */
SUSPENDS MUSTCHECK int thread_compact(const struct store *store, struct uuid thread, int64_t bytes,
                                      int64_t *out_count, struct error *err);
