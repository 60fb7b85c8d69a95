/* Tests of what the dispatcher reads. */

#include "fixture.h"

#include "shared/store/dispatch.h"

static struct run run_with(const struct store *store, enum run_priority priority, int shard,
                           int64_t delay_ms)
{
    struct run_draft draft = run_of(must_thread(store), must_agent(store));
    struct run run;

    draft.priority = priority;
    draft.shard = shard;
    draft.delay_ms = delay_ms;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    return run;
}

static struct ready_list ready(const struct store *store, struct ready_query query)
{
    struct ready_list list;

    MUST(dispatch_ready(store->pg, store->arena, &query, &list, &test_err));
    return list;
}

static void orders(struct store *store)
{
    struct run low = run_with(store, RUN_PRIORITY_LOW, 0, 0);
    struct run late = run_with(store, RUN_PRIORITY_NORMAL, 0, 0);
    struct run early = run_with(store, RUN_PRIORITY_NORMAL, 0, 0);
    struct run high = run_with(store, RUN_PRIORITY_HIGH, 0, 0);
    struct run elsewhere = run_with(store, RUN_PRIORITY_HIGH, 1, 0);
    struct run taken = run_with(store, RUN_PRIORITY_HIGH, 0, 0);
    struct uuid exclude[2];
    struct ready_list list;

    run_with(store, RUN_PRIORITY_HIGH, 0, 60000);
    must_claim(store, must_worker(store), taken.id);
    sql_do("UPDATE runs SET due_at = now() - interval '10 s' WHERE id = '%s'", show(early.id));
    list = ready(store, (struct ready_query){.limit = 10});
    cr_assert_eq(list.count, 4);
    cr_assert(uuid_equal(list.items[0].id, high.id));
    cr_assert(uuid_equal(list.items[1].id, early.id));
    cr_assert(uuid_equal(list.items[2].id, late.id));
    cr_assert(uuid_equal(list.items[3].id, low.id));
    cr_assert_eq(list.items[0].priority, RUN_PRIORITY_HIGH);
    cr_assert_eq(list.items[0].fence, 0);
    cr_assert(uuid_equal(list.items[0].tenant_id, store->tenant));
    cr_assert(list.items[1].waited_ms >= 10000 && list.items[1].waited_ms < 20000);

    list = ready(store, (struct ready_query){.limit = 2});
    cr_assert_eq(list.count, 2);
    cr_assert(uuid_equal(list.items[1].id, early.id));
    exclude[0] = high.id;
    exclude[1] = late.id;
    list = ready(store, (struct ready_query){.limit = 2, .exclude = exclude, .exclude_count = 2});
    cr_assert_eq(list.count, 2);
    cr_assert(uuid_equal(list.items[0].id, early.id));
    cr_assert(uuid_equal(list.items[1].id, low.id));
    list = ready(store, (struct ready_query){.shard = 1, .limit = 10});
    cr_assert_eq(list.count, 1);
    cr_assert(uuid_equal(list.items[0].id, elsewhere.id));
}

Test(dispatch, gives_ready_runs_of_a_shard_by_priority_and_due_time)
{
    with_store(orders);
}

static void counts(struct store *store)
{
    int64_t worker = must_worker(store);
    struct dispatch_counts c;
    struct run held;
    struct run waiting;

    MUST(dispatch_count(store->pg, &c, &test_err));
    cr_assert_eq(c.ready + c.delayed + c.in_progress + c.cancelling + c.requires_action, 0);
    cr_assert_eq(c.oldest_ready_ms, 0);
    cr_assert_eq(c.workers_up, 1);
    cr_assert_eq(c.slots, 8);
    must_run(store);
    held = must_run(store);
    waiting = must_run(store);
    run_with(store, RUN_PRIORITY_LOW, 3, 60000);
    must_claim(store, worker, held.id);
    must_claim(store, worker, must_run(store).id);
    MUST(runs_cancel(store, (struct uuid){{0}}, held.id, &held, &test_err));
    sql_do("UPDATE runs SET status = 'requires_action' WHERE id = '%s'", show(waiting.id));
    sql_do("UPDATE runs SET due_at = now() - interval '5 s' WHERE status = 'queued'"
           " AND due_at < now()");
    MUST(dispatch_count(store->pg, &c, &test_err));
    cr_assert_eq(c.ready, 1);
    cr_assert_eq(c.delayed, 1);
    cr_assert_eq(c.in_progress, 1);
    cr_assert_eq(c.cancelling, 1);
    cr_assert_eq(c.requires_action, 1);
    cr_assert(c.oldest_ready_ms >= 5000 && c.oldest_ready_ms < 15000);
    MUST(workers_drain(store->pg, worker, &test_err));
    MUST(dispatch_count(store->pg, &c, &test_err));
    cr_assert_eq(c.workers_up, 0);
    cr_assert_eq(c.slots, 0);
}

Test(dispatch, counts_runs_by_kind)
{
    with_store(counts);
}
