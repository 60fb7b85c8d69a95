#pragma once
/* What became of a worker's write whose compare-and-set touched no row. Pure.
 *
 * A write adds one to the run's step, so its own trace is known: the step after it, under the same
 * fence, in a state that it leaves. */

#include "shared/store/leases/run_write.h"

/* A run's row as it stands. */
struct run_standing {
    int64_t owner;
    int64_t fence;
    int64_t step;
    enum run_status status;
};

/* The write was made under `lease`, with its step from before the write, and leaves the state
 * `leaves`. Returns 0 (it was applied, by an earlier attempt), LEASE_FENCED, LEASE_CANCELLING, or
 * -E_CONFLICT: it would end as cancelled a run that nobody cancelled. */
MUSTCHECK int run_verdict(const struct run_standing *now, const struct run_lease *lease,
                          enum run_status leaves);
