#pragma once
/* Which of many runs nobody needs to wait for any longer. */

#include "shared/store/store.h"

#define SETTLED_BATCH_MAX 1000

/* Of up to SETTLED_BATCH_MAX runs, of whatever tenants: those that have ended, need their client,
 * or are not there. The places of these in `runs` are written to `out`, which has room for all. */
SUSPENDS MUSTCHECK int runs_settled(struct pg *pg, const struct uuid *runs, size_t count,
                                    size_t *out, size_t *out_count, struct error *err);
