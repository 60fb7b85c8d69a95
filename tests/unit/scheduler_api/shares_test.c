/* What tenants may hold at once. */

#include <criterion/criterion.h>

#include "fixture.h"
#include "scheduler/api/access/shares.h"
#include "scheduler/api/request.h"
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
    cr_assert_eq(budget_take(&share->large, SHARE_LARGE_BYTES, DEADLINE_NONE, NULL), 0);
    cr_assert_eq(budget_take(&share->large, 1, deadline_in(5), NULL), -E_TIMEOUT);
    cr_assert_eq(budget_take(&other->large, 1, deadline_in(5), NULL), 0);
    budget_give(&other->large, 1);
    budget_give(&share->large, SHARE_LARGE_BYTES);
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

/* A tenant's pages wait for his pages, and not his polls with them. */
static void large_full(struct fixture *fixture)
{
    struct share *share = share_acquire(fixture->api->shares, fixture->tenant);
    const char *thread = new_thread(fixture);

    budget_charge(&share->large, SHARE_LARGE_BYTES);
    refused(fixture, 429, NULL, "rate_limit_exceeded", "Too many of your requests",
            (struct call){"GET", "/v1/runs", NULL, NULL, NULL});
    expect(fixture, 200, "GET", show("/v1/threads/%s", thread), NULL);
    budget_give(&share->large, SHARE_LARGE_BYTES);
    expect(fixture, 200, "GET", "/v1/runs", NULL);
    share_release(share);
}

Test(shares, small_requests_do_not_wait_behind_large_ones)
{
    with_api(large_full);
}
