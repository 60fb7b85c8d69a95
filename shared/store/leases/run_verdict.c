/* What became of a write that touched no row: see run_verdict.h */

#include "shared/store/leases/run_verdict.h"

#include "shared/base/error.h"

/* Is this the state that a write which leaves `leaves` has left, perhaps with a cancel, or with
 * what was waited for, since? */
static bool state_left(enum run_status now, enum run_status leaves)
{
    if (now == leaves)
        return true;
    if (leaves == RUN_IN_PROGRESS)
        return now == RUN_CANCELLING;
    if (leaves == RUN_QUEUED)
        return now == RUN_CANCELLED;
    return leaves == RUN_REQUIRES_ACTION && (now == RUN_QUEUED || now == RUN_CANCELLED);
}

/* Whoever gives a run away has no owner afterwards. */
static bool gives_away(enum run_status leaves)
{
    return leaves == RUN_QUEUED || leaves == RUN_REQUIRES_ACTION;
}

int run_verdict(const struct run_standing *now, const struct run_lease *lease,
                enum run_status leaves)
{
    bool mine = now->owner == lease->owner;

    if (now->fence != lease->fence)
        return LEASE_FENCED;
    if (now->step == lease->step + 1 && state_left(now->status, leaves))
        return mine || gives_away(leaves) ? 0 : LEASE_FENCED;
    if (!mine || now->step != lease->step)
        return LEASE_FENCED;
    if (now->status == RUN_CANCELLING)
        return LEASE_CANCELLING;
    if (now->status == RUN_IN_PROGRESS && leaves == RUN_CANCELLED)
        return -E_CONFLICT;
    return LEASE_FENCED;
}
