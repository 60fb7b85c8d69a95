/* What a write that touched no row is told, over all that a row may show. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/store/leases/run_verdict.h"

static const struct run_lease mine = {.owner = 5, .fence = 3, .step = 7};

static int verdict(int64_t owner, int64_t fence, int64_t step, enum run_status status,
                   enum run_status leaves)
{
    struct run_standing now = {owner, fence, step, status};

    return run_verdict(&now, &mine, leaves);
}

Test(run_verdict, another_fence_is_fenced_whatever_else_the_row_shows)
{
    for (int64_t fence = 1; fence < 6; fence++)
        for (int64_t step = 6; step < 10; step++)
            for (int status = 0; status < RUN_STATUS_COUNT; status++)
                for (int leaves = 0; leaves < RUN_STATUS_COUNT; leaves++)
                    if (fence != mine.fence)
                        cr_assert_eq(verdict(5, fence, step, (enum run_status)status,
                                             (enum run_status)leaves),
                                     LEASE_FENCED);
}

Test(run_verdict, the_step_after_mine_in_a_state_that_i_leave_is_my_own_write)
{
    cr_assert_eq(verdict(5, 3, 8, RUN_IN_PROGRESS, RUN_IN_PROGRESS), 0);
    cr_assert_eq(verdict(5, 3, 8, RUN_CANCELLING, RUN_IN_PROGRESS), 0);
    cr_assert_eq(verdict(5, 3, 8, RUN_COMPLETED, RUN_COMPLETED), 0);
    cr_assert_eq(verdict(0, 3, 8, RUN_QUEUED, RUN_QUEUED), 0);
    cr_assert_eq(verdict(0, 3, 8, RUN_CANCELLED, RUN_QUEUED), 0);
    cr_assert_eq(verdict(0, 3, 8, RUN_REQUIRES_ACTION, RUN_REQUIRES_ACTION), 0);
    cr_assert_eq(verdict(0, 3, 8, RUN_CANCELLED, RUN_REQUIRES_ACTION), 0);
    cr_assert_eq(verdict(0, 3, 8, RUN_QUEUED, RUN_REQUIRES_ACTION), 0);
    cr_assert_eq(verdict(6, 3, 8, RUN_COMPLETED, RUN_COMPLETED), LEASE_FENCED);
    cr_assert_eq(verdict(5, 3, 9, RUN_COMPLETED, RUN_COMPLETED), LEASE_FENCED);
    cr_assert_eq(verdict(5, 3, 8, RUN_FAILED, RUN_COMPLETED), LEASE_FENCED);
}

Test(run_verdict, my_own_step_was_refused_for_a_reason)
{
    cr_assert_eq(verdict(5, 3, 7, RUN_CANCELLING, RUN_IN_PROGRESS), LEASE_CANCELLING);
    cr_assert_eq(verdict(5, 3, 7, RUN_CANCELLING, RUN_COMPLETED), LEASE_CANCELLING);
    cr_assert_eq(verdict(5, 3, 7, RUN_IN_PROGRESS, RUN_CANCELLED), -E_CONFLICT);
    cr_assert_eq(verdict(5, 3, 7, RUN_EXPIRED, RUN_COMPLETED), LEASE_FENCED);
    cr_assert_eq(verdict(6, 3, 7, RUN_IN_PROGRESS, RUN_IN_PROGRESS), LEASE_FENCED);
}
