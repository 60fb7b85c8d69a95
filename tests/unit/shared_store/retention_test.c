/* Retention: who has the turn, and what a step leaves alone. */

#include "fixture.h"

#include "shared/store/retention/retention.h"
#include "shared/store/retention/sweeps.h"

#define OWNER 7
#define OTHER 8
#define DAY   86400

static void age_threads(int64_t days)
{
    sql_do("UPDATE threads SET last_used_at = last_used_at - %d * interval '1 day',"
           "    used_hour = used_hour - 24 * %d",
           (int)days, (int)days);
}

static bool takes(struct pg *pg, int64_t owner, int64_t pause_ms)
{
    struct retention_turn turn;

    MUST(retention_hold(pg, owner, pause_ms, &turn, &test_err));
    return turn.held;
}

/* One step over the threads of the tenant, as the owner. */
static struct retention_swept step(const struct store *store, int64_t owner, int64_t rows,
                                   struct retention_cursor *cursor)
{
    struct retention_tenant tenant;
    struct retention_swept swept;

    MUST(retention_next_tenant(store->pg, (struct uuid){{0}}, &tenant, &test_err));
    cr_assert(uuid_equal(tenant.id, store->tenant));
    MUST(retention_threads(store->pg, &(struct retention_step){owner, &tenant, rows}, false, cursor,
                           &swept, &test_err));
    return swept;
}

static void one_has_the_turn(struct store *store)
{
    cr_assert(!takes(store->pg, OWNER, 3600000), "the last pass is not an hour old");
    sql_do("UPDATE retention_state SET done_to = now() - interval '2 hours'");
    cr_assert(takes(store->pg, OWNER, 3600000));
    cr_assert(!takes(store->pg, OTHER, 3600000));
    cr_assert(!takes(store->pg, OTHER, -1));
    cr_assert(takes(store->pg, OWNER, -1));
    sql_do("UPDATE retention_state SET lease_until = now() - interval '1 s'");
    cr_assert(takes(store->pg, OTHER, 3600000), "who does not renew it loses it");
    cr_assert(!takes(store->pg, OWNER, -1));
    MUST(retention_release(store->pg, OWNER, &test_err));
    cr_assert_eq(sql_int("SELECT owner FROM retention_state"), OTHER);
    MUST(retention_release(store->pg, OTHER, &test_err));
    cr_assert_eq(sql_int("SELECT (done_to > now() - interval '1 minute')::int"
                         " FROM retention_state WHERE owner IS NULL AND began_at IS NULL"),
                 1);
}

Test(retention, one_has_the_turn_until_it_does_not_renew_it)
{
    with_store(one_has_the_turn);
}

static void leaves_alone(struct store *store)
{
    struct retention_cursor cursor = {.hour = 0};
    struct lock_holder holder;
    struct retention_swept swept;

    for (int i = 0; i < 5; i++)
        (void)must_thread(store);
    age_threads(40);
    MUST(retention_put(store, TEXT("{\"action\": \"delete\", \"after\": 2592000}"), &test_err));
    sql_do("UPDATE retention_state SET owner = %d", OTHER);
    cr_assert_eq(step(store, OWNER, 100, &cursor).threads_deleted, 0, "it is not its turn");
    sql_do("UPDATE retention_state SET owner = %d", OWNER);

    cursor = (struct retention_cursor){.hour = 0};
    lock_rows(&holder, store->pg, "SELECT 1 FROM threads ORDER BY id LIMIT 2 FOR UPDATE", 300);
    swept = step(store, OWNER, 100, &cursor);
    cr_assert_eq(swept.threads_deleted, 3, "two are somebody's at this moment");
    cr_assert(!swept.more);
    fiber_join(holder.fiber);
    cursor = (struct retention_cursor){.hour = 0};
    cr_assert_eq(step(store, OWNER, 100, &cursor).threads_deleted, 2);
}

Test(retention, leaves_alone_what_somebody_is_at_and_waits_for_nobody)
{
    with_store(leaves_alone);
}

static void goes_in_pages(struct store *store)
{
    struct retention_cursor cursor = {.hour = 0};
    struct retention_preview preview;
    struct retention_swept swept;
    int64_t deleted = 0;
    int steps = 0;

    for (int i = 0; i < 10; i++)
        (void)must_thread(store);
    sql_do("UPDATE threads SET message_count = 4");
    age_threads(40);
    MUST(retention_put(store, TEXT("{\"action\": \"delete\", \"after\": 2592000}"), &test_err));
    sql_do("UPDATE retention_state SET owner = %d", OWNER);
    MUST(retention_look(store, clock_ms() + 10000, &preview, &test_err));
    cr_assert(preview.complete);
    cr_assert_eq(preview.threads_deleted, 10);
    do {
        swept = step(store, OWNER, 10, &cursor);
        cr_assert_leq(swept.threads_deleted, 2, "with four messages each");
        deleted += swept.threads_deleted;
        steps++;
    } while (swept.more);
    cr_assert_eq(deleted, 10);
    cr_assert_geq(steps, 5);
    MUST(retention_look(store, clock_ms() - 1, &preview, &test_err));
    cr_assert(!preview.complete, "there was no time");
}

Test(retention, a_step_deletes_no_more_messages_than_it_may)
{
    with_store(goes_in_pages);
}

static void says_nothing_of_a_tenant(struct store *store)
{
    struct retention_tenant tenant;

    (void)other_tenant(store, "zoe");
    MUST(retention_next_tenant(store->pg, (struct uuid){{0}}, &tenant, &test_err));
    cr_assert(uuid_is_zero(tenant.id));
    MUST(retention_put(store,
                       TEXT("{\"action\": \"archive\", \"after\": 7200,"
                            " \"then_delete_after\": 60}"),
                       &test_err));
    (void)must_agent(store);
    sql_do("UPDATE agents SET spec = '{\"retention\": {\"action\": \"delete\", \"after\": 3600}}'"
           " WHERE id = (SELECT min(id::text)::uuid FROM agents)");
    MUST(retention_next_tenant(store->pg, (struct uuid){{0}}, &tenant, &test_err));
    cr_assert(uuid_equal(tenant.id, store->tenant));
    cr_assert_eq(tenant.own_delete_s, 7260);
    cr_assert_eq(tenant.after_s, 3600);
    MUST(retention_put(store, TEXT("{\"action\": \"keep\"}"), &test_err));
    MUST(retention_next_tenant(store->pg, (struct uuid){{0}}, &tenant, &test_err));
    cr_assert_eq(tenant.own_delete_s, -1);
}

Test(retention, only_tenants_that_say_something_are_looked_at)
{
    with_store(says_nothing_of_a_tenant);
}
