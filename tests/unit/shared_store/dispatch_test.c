/* Tests of what the dispatcher reads. */

#include "fixture.h"

#include "shared/store/dispatch/dispatch.h"

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

static struct dispatch_offer offer(const struct store *store, struct dispatch_query query)
{
    struct dispatch_offer found;

    MUST(dispatch_offer(store->pg, store->arena, &query, &found, &test_err));
    return found;
}

static void orders(struct store *store)
{
    struct run low = run_with(store, RUN_PRIORITY_LOW, 0, 0);
    struct run late = run_with(store, RUN_PRIORITY_NORMAL, 0, 0);
    struct run early = run_with(store, RUN_PRIORITY_NORMAL, 0, 0);
    struct run high = run_with(store, RUN_PRIORITY_HIGH, 0, 0);
    struct run elsewhere = run_with(store, RUN_PRIORITY_HIGH, 1, 0);
    struct run taken = run_with(store, RUN_PRIORITY_HIGH, 0, 0);
    struct uuid exclude[2] = {high.id, late.id};
    struct dispatch_offer found;

    run_with(store, RUN_PRIORITY_HIGH, 0, 60000);
    must_claim(store, must_worker(store), taken.id);
    sql_do("UPDATE runs SET due_at = now() - interval '10 s' WHERE id = '%s'", show(early.id));
    found = offer(store, (struct dispatch_query){.limit = 10});
    cr_assert_eq(found.tenant_count, 3, "once per priority");
    cr_assert_eq(found.run_count, 4);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(found.tenants[i].priority, i);
        cr_assert(uuid_equal(found.tenants[i].id, store->tenant));
        cr_assert_eq(found.tenants[i].weight, 1);
        cr_assert_eq(found.tenants[i].max_running, 0);
        cr_assert_eq(found.tenants[i].run_count, i == 1 ? 2 : 1);
        cr_assert(uuid_is_zero(found.after[i]));
    }
    cr_assert(uuid_equal(found.tenants[0].runs[0].id, high.id));
    cr_assert(uuid_equal(found.tenants[1].runs[0].id, early.id));
    cr_assert(uuid_equal(found.tenants[1].runs[1].id, late.id));
    cr_assert(uuid_equal(found.tenants[2].runs[0].id, low.id));
    cr_assert_eq(found.tenants[0].runs[0].fence, 0);

    found =
        offer(store, (struct dispatch_query){.limit = 2, .exclude = exclude, .exclude_count = 2});
    cr_assert_eq(found.run_count, 2);
    cr_assert_eq(found.tenants[0].run_count, 0, "it has a run, which is excluded");
    cr_assert(!found.tenants[0].more && !found.tenants[1].more);
    found = offer(store, (struct dispatch_query){.limit = 1, .exclude = exclude});
    cr_assert(found.tenants[0].more && found.tenants[1].more, "there may be");
    cr_assert(uuid_equal(found.tenants[1].runs[0].id, early.id));
    found = offer(store, (struct dispatch_query){.shard = 1, .limit = 10});
    cr_assert_eq(found.run_count, 1);
    cr_assert(uuid_equal(found.tenants[0].runs[0].id, elsewhere.id));
    found = offer(store, (struct dispatch_query){.shard = 2, .limit = 10});
    cr_assert_eq(found.tenant_count, 0);
}

Test(dispatch, offers_ready_runs_of_a_shard_by_priority_tenant_and_due_time)
{
    with_store(orders);
}

/* Ready runs of a priority for `tenants` new tenants. */
static void fill(int tenants, int runs, int priority)
{
    sql_do("WITH t AS (SELECT gen_random_uuid() AS id FROM generate_series(1, %d))"
           "INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, priority, spec,"
           "    expires_at) SELECT gen_random_uuid(), t.id, gen_random_uuid(), gen_random_uuid(),"
           "    1, %d, '{}', now() + interval '1 h' FROM t, generate_series(1, %d)",
           tenants, priority, runs);
}

static void rotates(struct store *store)
{
    struct dispatch_query query = {.limit = 40};
    struct dispatch_offer found;
    size_t seen = 0;

    fill(2 * DISPATCH_TENANTS_MAX + 50, 3, 1);
    fill(20, 7, 2);
    for (int i = 0; i < 3; i++) {
        size_t of_this = 0;

        found = offer(store, query);
        for (size_t k = 0; k < found.tenant_count; k++) {
            of_this += found.tenants[k].priority == 1;
            cr_assert_eq(found.tenants[k].run_count, found.tenants[k].priority == 1 ? 3 : 4);
            cr_assert_eq(found.tenants[k].more, found.tenants[k].priority == 2);
        }
        cr_assert_eq(of_this, i < 2 ? DISPATCH_TENANTS_MAX : 50);
        seen += of_this;
        memcpy(query.after, found.after, sizeof(query.after));
        cr_assert_eq(uuid_is_zero(query.after[1]), i == 2);
        cr_assert(uuid_is_zero(query.after[2]));
    }
    cr_assert_eq(seen, 2 * DISPATCH_TENANTS_MAX + 50);
}

Test(dispatch, offers_many_tenants_in_turns_and_of_each_a_few_runs)
{
    with_store(rotates);
}

static void long_backlog(struct store *store)
{
    struct dispatch_query query = {.limit = 50};
    struct dispatch_offer found;

    fill(1, 30000, 1);
    fill(3, 2, 1);
    sql_do("ANALYZE runs; SELECT pg_stat_force_next_flush()");
    found = offer(store, query);
    cr_assert_eq(found.tenant_count, 4);
    cr_assert_eq(found.run_count, 25 + 3 * 2, "half of twice the places each");
    for (int i = 0; i < 10; i++)
        offer(store, query);
    sql_settle();
    cr_assert_lt(sql_int("SELECT idx_tup_read FROM pg_stat_user_indexes"
                         " WHERE indexrelname = 'runs_ready'"),
                 2000);
}

Test(dispatch, reads_no_more_of_a_long_backlog_than_of_a_short_one)
{
    with_store(long_backlog);
}

static void settings(struct store *store)
{
    struct store other = other_tenant(store, "other");
    int64_t worker = must_worker(store);
    int64_t shards[2] = {0, 1};
    struct dispatch_query query = {.limit = 10, .owned_shards = shards, .owned_count = 2};
    struct dispatch_tenants tenants;
    struct dispatch_offer found;
    struct uuid runs[10];
    size_t count = 0;

    sql_do("UPDATE tenants SET weight = 3, max_running = 4 WHERE id = '%s'", show(store->tenant));
    for (int i = 0; i < 3; i++)
        must_claim(store, worker, run_with(store, RUN_PRIORITY_NORMAL, i, 0).id);
    for (int i = 0; i < 3; i++)
        run_with(store, RUN_PRIORITY_NORMAL, 0, 0);
    must_claim(&other, worker, run_with(&other, RUN_PRIORITY_NORMAL, 0, 0).id);
    run_with(&other, RUN_PRIORITY_NORMAL, 0, 0);
    found = offer(store, query);
    cr_assert_eq(found.tenant_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ready_tenant *tenant = &found.tenants[i];
        bool acme = uuid_equal(tenant->id, store->tenant);

        cr_assert_eq(tenant->weight, acme ? 3 : 1);
        cr_assert_eq(tenant->max_running, acme ? 4 : 0);
        cr_assert_eq(tenant->running, acme ? 3 : 0);
        cr_assert_eq(tenant->running_here, acme ? 2 : 0);
    }
    MUST(dispatch_tenants(store->pg, store->arena, &tenants, &test_err));
    cr_assert_eq(tenants.running_count, 2);
    cr_assert(uuid_equal(tenants.running[0].tenant, store->tenant));
    cr_assert_eq(tenants.running[0].running, 3);
    cr_assert_eq(tenants.running[1].running, 1);
    cr_assert_eq(tenants.settings_count, 1);
    cr_assert_eq(tenants.settings[0].weight, 3);
    cr_assert_eq(tenants.settings[0].max_running, 4);

    MUST(dispatch_poll(store->pg, 0, 10, runs, &count, &test_err));
    cr_assert_eq(count, 2, "the limit leaves one, and the other tenant has one");
    sql_do("UPDATE tenants SET max_running = NULL");
    MUST(dispatch_poll(store->pg, 0, 10, runs, &count, &test_err));
    cr_assert_eq(count, 4);
    MUST(dispatch_poll(store->pg, 0, 2, runs, &count, &test_err));
    cr_assert_eq(count, 2);
    cr_assert_eq(sql_int("SELECT count(DISTINCT tenant_id) FROM runs WHERE id IN ('%s', '%s')",
                         show(runs[0]), show(runs[1])),
                 2, "tenants in turns");
}

Test(dispatch, tells_weights_limits_and_what_is_in_work)
{
    with_store(settings);
}

static void counts(struct store *store)
{
    int64_t worker = must_worker(store);
    struct dispatch_waiting w;
    struct dispatch_counts c;
    struct run held;
    struct run waiting;

    MUST(dispatch_count(store->pg, &c, &test_err));
    MUST(dispatch_count_waiting(store->pg, store->arena, &w, &test_err));
    cr_assert_eq(w.ready + w.delayed + w.held + c.in_progress + c.cancelling + c.requires_action,
                 0);
    cr_assert_eq(w.oldest_ready_ms, 0);
    cr_assert_eq(w.lane_count, 0);
    cr_assert_eq(c.workers_up, 1);
    cr_assert_eq(c.slots, 8);
    must_run(store);
    held = must_run(store);
    waiting = must_run(store);
    sql_do("UPDATE runs SET held = 1 WHERE id = '%s'", show(must_run(store).id));
    run_with(store, RUN_PRIORITY_LOW, 3, 60000);
    sql_do("UPDATE runs SET wait_kind = 'backoff' WHERE id = '%s'",
           show(run_with(store, RUN_PRIORITY_LOW, 3, 60000).id));
    must_claim(store, worker, held.id);
    must_claim(store, worker, must_run(store).id);
    MUST(runs_cancel(store, (struct uuid){{0}}, held.id, &held, &test_err));
    sql_do("UPDATE runs SET status = 'requires_action' WHERE id = '%s'", show(waiting.id));
    sql_do("UPDATE runs SET due_at = now() - interval '5 s' WHERE status = 'queued'"
           " AND due_at < now()");
    MUST(dispatch_count(store->pg, &c, &test_err));
    MUST(dispatch_count_waiting(store->pg, store->arena, &w, &test_err));
    cr_assert_eq(w.ready, 1);
    cr_assert_eq(w.delayed, 2);
    cr_assert_eq(w.backoff, 1);
    cr_assert_eq(w.rate_limit, 0);
    cr_assert_eq(w.held, 1);
    cr_assert_eq(c.in_progress, 1);
    cr_assert_eq(c.cancelling, 1);
    cr_assert_eq(c.requires_action, 1);
    cr_assert(w.oldest_ready_ms >= 5000 && w.oldest_ready_ms < 15000);
    cr_assert_eq(w.lane_count, 2);
    cr_assert_eq(w.lanes[0].shard, 0);
    cr_assert_eq(w.lanes[0].ready, 1);
    cr_assert_eq(w.lanes[1].shard, 3);
    cr_assert_eq(w.lanes[1].priority, RUN_PRIORITY_LOW);
    cr_assert_eq(w.lanes[1].ready, 0);
    cr_assert_eq(w.lanes[1].oldest_ready_ms, 0);
    MUST(workers_drain(store->pg, worker, &test_err));
    MUST(dispatch_count(store->pg, &c, &test_err));
    cr_assert_eq(c.workers_up, 0);
    cr_assert_eq(c.slots, 0);
}

Test(dispatch, counts_runs_by_kind)
{
    with_store(counts);
}
