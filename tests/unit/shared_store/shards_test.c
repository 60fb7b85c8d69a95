/* Leases of shards. */

#include "fixture.h"

#include "shared/store/dispatch/shards.h"

static const struct scheduler_row first = {11, "a", 1, 5};
static const struct scheduler_row second = {22, "b", 2, 5};
static struct shards_view seen; /* with the last renewal */

static struct shards_view look(struct store *store, const struct scheduler_row *scheduler)
{
    struct shards_view view;

    MUST(shards_look(store->pg, scheduler, &view, &test_err));
    return view;
}

static void passes(struct store *store)
{
    struct shards_view view;

    MUST(shards_renew(store->pg, &first, &seen, &test_err));
    view = look(store, &first);
    cr_assert_eq(view.live, 1);
    cr_assert_eq(view.rank, 0);
    cr_assert_eq(view.free, 5);
    cr_assert_eq(view.owned_count, 0);
    MUST(shards_take(store->pg, &first, 5, &test_err));
    view = look(store, &first);
    cr_assert_eq(view.owned_count, 5);
    cr_assert_eq(view.free, 0);
    cr_assert_eq(view.owned[4].shard, 4);
    cr_assert_eq(view.owned[4].term, 1);

    MUST(shards_renew(store->pg, &second, &seen, &test_err));
    cr_assert_eq(seen.live, 2, "who renews also looks");
    cr_assert_eq(seen.rank, 1);
    cr_assert_eq(seen.free, 0);
    cr_assert_eq(seen.owned_count, 0);
    MUST(shards_renew(store->pg, &first, &seen, &test_err));
    cr_assert_eq(seen.owned_count, 5);
    cr_assert_eq(seen.owned[4].term, 1);
    MUST(shards_take(store->pg, &second, 5, &test_err));
    view = look(store, &second);
    cr_assert_eq(view.live, 2);
    cr_assert_eq(view.rank, 1);
    cr_assert_eq(view.owned_count, 0, "none is free");
    MUST(shards_give(store->pg, &first, 2, &test_err));
    MUST(shards_take(store->pg, &second, 1, &test_err));
    view = look(store, &second);
    cr_assert_eq(view.owned_count, 1);
    cr_assert_eq(view.owned[0].shard, 3);
    cr_assert_eq(view.owned[0].term, 2);
    cr_assert_eq(view.free, 1);

    MUST(shards_leave(store->pg, &first, &test_err));
    view = look(store, &second);
    cr_assert_eq(view.live, 1);
    cr_assert_eq(view.free, 4, "given back at once");
}

Test(shards, pass_from_one_scheduler_to_another)
{
    with_store(passes);
}

static void lapses(struct store *store)
{
    struct shards_view view;

    MUST(shards_renew(store->pg, &first, &seen, &test_err));
    MUST(shards_take(store->pg, &first, 5, &test_err));
    MUST(shards_renew(store->pg, &second, &seen, &test_err));
    sql_do("UPDATE shard_leases SET lease_until = now() - interval '1 ms';"
           "UPDATE schedulers SET lease_until = now() - interval '1 ms' WHERE scheduler_id = 11");
    view = look(store, &first);
    cr_assert_eq(view.owned_count, 0, "a lapsed lease is none");
    MUST(shards_take(store->pg, &first, 5, &test_err));
    cr_assert_eq(look(store, &first).owned_count, 0, "nor can who lapsed take any");
    MUST(shards_take(store->pg, &second, 3, &test_err));
    cr_assert_eq(look(store, &second).owned_count, 3);
    MUST(shards_renew(store->pg, &first, &seen, &test_err));
    view = look(store, &first);
    cr_assert_eq(view.live, 2, "it lives again");
    cr_assert_eq(view.owned_count, 2, "and what nobody took is its own again");
    sql_do("UPDATE schedulers SET lease_until = now() - interval '2 min' WHERE scheduler_id = 11");
    MUST(shards_renew(store->pg, &second, &seen, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM schedulers"), 1, "rows of the dead are dropped");
}

Test(shards, of_a_dead_scheduler_are_free)
{
    with_store(lapses);
}

static void resizes(struct store *store)
{
    struct scheduler_row fewer = {11, "a", 1, 2};

    MUST(shards_renew(store->pg, &first, &seen, &test_err));
    MUST(shards_take(store->pg, &first, 5, &test_err));
    cr_assert_eq(look(store, &fewer).owned_count, 2);
    MUST(shards_renew(store->pg, &fewer, &seen, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM shard_leases"), 5);
    cr_assert_eq(look(store, &fewer).free, 0);
}

Test(shards, beyond_those_that_there_are_do_not_count)
{
    with_store(resizes);
}
