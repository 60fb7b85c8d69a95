/* What tenants may hold at once. */

#include <criterion/criterion.h>

#include "scheduler/api/access/shares.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/loop.h"

static void apart(void *arg)
{
    struct shares *shares = shares_new();
    struct uuid one = uuid_new();
    struct share *share = share_acquire(shares, one);
    struct share *other = share_acquire(shares, uuid_new());

    (void)arg;
    cr_assert_eq(share_acquire(shares, one), share);
    cr_assert_neq(other, share);
    cr_assert_eq(budget_take(&share->replies, SHARE_REPLY_BYTES, DEADLINE_NONE, NULL), 0);
    cr_assert_eq(budget_take(&share->replies, 1, deadline_in(5), NULL), -E_TIMEOUT);
    cr_assert_eq(budget_take(&other->replies, 1, deadline_in(5), NULL), 0);
    budget_give(&other->replies, 1);
    budget_give(&share->replies, SHARE_REPLY_BYTES);
    share_release(share);
    cr_assert_eq(share_acquire(shares, one), share, "it is still used");
    share_release(share);
    share_release(share);
    share_release(other);
    shares_free(shares);
}

Test(shares, one_tenant_that_holds_much_leaves_the_others_theirs)
{
    loop_run(apart, NULL);
}
