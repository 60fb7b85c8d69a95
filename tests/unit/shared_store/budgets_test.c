/* Budgets of what makes many runs. */

#include "fixture.h"
#include "shared/store/budgets/budgets.h"

static const struct uuid any = {{0}};

static struct purse draft(const char *kind, const char *subject, int64_t max_tokens)
{
    return (struct purse){.id = uuid_new(),
                          .kind = text_of(kind),
                          .subject = text_of(subject),
                          .period = TEXT("day"),
                          .at_limit = TEXT("end"),
                          .max_tokens = max_tokens};
}

static struct purse must_put(struct store *store, const char *kind, const char *subject,
                             int64_t max_tokens)
{
    struct purse one = draft(kind, subject, max_tokens);
    struct purse out;

    MUST(budgets_put(store, &one, 1000000, &out, &test_err));
    return out;
}

static struct purse must_get(struct store *store, const char *kind, const char *subject)
{
    struct purse out;

    MUST(budgets_get(store, text_of(kind), text_of(subject), &out, &test_err));
    return out;
}

static size_t must_fold(struct store *store)
{
    struct purse_list warned;
    bool more;

    MUST(budgets_fold(store->pg, store->arena, &warned, &more, &test_err));
    cr_assert(!more);
    return warned.count;
}

static void spend(struct store *store, struct run_claim *claim, int64_t prompt, int64_t cost)
{
    const struct model_usage usage = {
        TEXT("openai"), TEXT("m"), 1, {.prompt_tokens = prompt, .cost_micros = cost}};
    const struct run_changes changes = {.usage = &usage, .usage_count = 1};

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim->lease, &changes, &test_err));
}

static void counts(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run before = must_run(store);
    struct purse tenant = must_put(store, "tenant", "", 1000);
    struct run after = must_run(store);
    struct run_claim free = must_claim(store, worker, before.id);
    struct run_claim bound = must_claim(store, worker, after.id);
    struct purse_list looked;

    cr_assert_eq(free.budgets_count, 0, "it was made before");
    cr_assert_eq(bound.budgets_count, 1);
    cr_assert(uuid_equal(bound.budgets[0], tenant.id));
    spend(store, &free, 100, 7);
    spend(store, &bound, 100, 7);
    spend(store, &bound, 0, 0);
    cr_assert_eq(must_get(store, "tenant", "").spent_tokens, 100);
    must_fold(store);
    spend(store, &bound, 30, 2);
    MUST(budgets_look(store->pg, store->arena, bound.budgets, 1, &looked, &test_err));
    cr_assert_eq(looked.count, 1);
    cr_assert_eq(looked.items[0].spent_tokens, 130);
    cr_assert_eq(looked.items[0].spent_cost_micros, 9);
    cr_assert(looked.items[0].resets_in_ms > 0 && looked.items[0].resets_in_ms <= 86400000);
    cr_assert_eq(sql_int("SELECT count(*) FROM budget_days"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM budget_deltas"), 1);
}

Test(budgets, count_what_runs_spend_that_were_made_while_they_were_there)
{
    with_store(counts);
}

static void counts_calls(struct store *store)
{
    struct purse tenant = must_put(store, "tenant", "", 1000);
    const struct model_usage used = {
        TEXT("openai"),
        TEXT("m"),
        1,
        {.prompt_tokens = 60, .completion_tokens = 40, .cost_micros = 7}};
    struct uuid ids[RUN_BUDGETS_MAX];
    struct usage_owner owner = {.tenant = store->tenant, .user = TEXT("ann"), .budgets = ids};

    must_put(store, "user", "ann", 1000);
    must_put(store, "user", "bob", 1000);
    MUST(budgets_find(store->pg, store->tenant, owner.user, ids, &owner.budgets_count, &test_err));
    cr_assert_eq(owner.budgets_count, 2, "the tenant's and hers");
    MUST(usage_append(store->pg, &owner, &used, &test_err));
    must_fold(store);
    MUST(budgets_find(store->pg, store->tenant, TEXT(""), ids, &owner.budgets_count, &test_err));
    cr_assert_eq(owner.budgets_count, 1);
    cr_assert(uuid_equal(ids[0], tenant.id), "without a user the tenant's alone");
    MUST(usage_append(store->pg, &owner, &used, &test_err));
    cr_assert_eq(must_get(store, "user", "ann").spent_tokens, 100);
    cr_assert_eq(must_get(store, "tenant", "").spent_tokens, 200);
    cr_assert_eq(must_get(store, "tenant", "").spent_cost_micros, 14);
    cr_assert_eq(must_get(store, "user", "bob").spent_tokens, 0);
    MUST(budgets_find(store->pg, uuid_new(), owner.user, ids, &owner.budgets_count, &test_err));
    cr_assert_eq(owner.budgets_count, 0, "another tenant's ann is somebody else");
}

Test(budgets, count_what_calls_without_a_run_spend)
{
    with_store(counts_calls);
}

static void periods(struct store *store)
{
    struct purse one = must_put(store, "user", "ann", 1000);

    sql_do("INSERT INTO budget_days SELECT '%s', d::date, 10, 1 FROM generate_series("
           "   date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 days',"
           "   (now() AT TIME ZONE 'UTC')::date, '1 day') d",
           show(one.id));
    cr_assert_eq(must_get(store, "user", "ann").spent_tokens, 10);
    sql_do("UPDATE budgets SET period = 'month'");
    one = must_get(store, "user", "ann");
    cr_assert_eq(one.spent_tokens,
                 sql_int("SELECT 10 * date_part('day', now() AT TIME ZONE 'UTC')::int8"));
    cr_assert_eq(one.resets_at, sql_int("SELECT date_part('epoch', (date_trunc('month', now() AT "
                                        "TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE "
                                        "'UTC')::int8"));
    sql_do("UPDATE budgets SET period = 'total'");
    one = must_get(store, "user", "ann");
    cr_assert_eq(one.spent_tokens,
                 sql_int("SELECT 20 + 10 * date_part('day', now() AT TIME ZONE 'UTC')::int8"));
    cr_assert_eq(one.resets_at, 0);
    cr_assert_eq(one.resets_in_ms, 0);
    cr_assert(text_is(one.begun, "-infinity"));
}

Test(budgets, begin_anew_with_their_period)
{
    with_store(periods);
}

static void warns(struct store *store)
{
    int64_t worker = must_worker(store);
    struct purse one = must_put(store, "tenant", "", 1000);
    struct run_claim claim = must_claim(store, worker, must_run(store).id);

    spend(store, &claim, 799, 0);
    cr_assert_eq(must_fold(store), 0);
    spend(store, &claim, 1, 0);
    cr_assert_eq(must_fold(store), 1);
    spend(store, &claim, 1, 0);
    cr_assert_eq(must_fold(store), 0, "once in a period");
    sql_do("UPDATE budgets SET warned = warned - 1");
    spend(store, &claim, 1, 0);
    cr_assert_eq(must_fold(store), 1);
    one = must_put(store, "tenant", "", 2000);
    cr_assert_eq(one.spent_tokens, 802, "what was spent stays");
    spend(store, &claim, 1, 0);
    cr_assert_eq(must_fold(store), 0);
    spend(store, &claim, 1000, 0);
    cr_assert_eq(must_fold(store), 1, "it was raised, and is nearly spent again");
}

Test(budgets, tell_once_a_period_that_most_of_them_is_spent)
{
    with_store(warns);
}

static void parks(struct store *store)
{
    int64_t worker = must_worker(store);
    const struct run_return back = {60000, RUN_WAIT_BUDGET};
    const struct run_changes none = {0};
    struct run_claim claim;
    struct run run;
    struct uuid id;

    must_put(store, "tenant", "", 1000);
    run = must_run(store);
    claim = must_claim(store, worker, run.id);
    MUST(run_leases_hand_back(writer_of(store->pg), &claim.lease, &none, &back, &test_err));
    run = must_get_run(store, run.id);
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert(text_is(run.waits_for, "budget"));
    sql_do("UPDATE runs SET parked_at = parked_at - interval '5 s'");
    must_put(store, "user", "somebody else", 5);
    cr_assert(text_is(must_get_run(store, run.id).waits_for, "budget"), "that is no budget of it");
    MUST(budgets_delete(store, TEXT("tenant"), TEXT(""), &id, &test_err));
    GIVES(BUDGET_MISSING, budgets_delete(store, TEXT("tenant"), TEXT(""), &id, &test_err));
    claim = must_claim(store, worker, run.id);
    cr_assert_geq(claim.parked_ms, 5000, "which is no time of work");
}

Test(budgets, wake_the_runs_that_they_park_when_they_change)
{
    with_store(parks);
}

static void nobody(struct store *store)
{
    const char *none = "00000000-0000-0000-0000-000000000001";
    struct purse thread = draft("thread", none, 5);
    struct purse agent = draft("agent", none, 5);
    struct purse out;

    GIVES(THREAD_MISSING, budgets_put(store, &thread, 1000000, &out, &test_err));
    GIVES(AGENT_MISSING, budgets_put(store, &agent, 1000000, &out, &test_err));
    GIVES(BUDGET_MISSING, budgets_get(store, TEXT("user"), TEXT("x"), &out, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM budgets"), 0);
}

Test(budgets, are_of_somebody)
{
    with_store(nobody);
}

/* All that is asked while runs are made and worked on, and by whom sets budgets. */
static void use_all(const struct store *store, struct uuid thread)
{
    const char *subject = show(thread);
    struct purse one = draft("thread", subject, 1000);
    struct page page = {.limit = 5, .ascending = true};
    struct run_draft run_draft = run_of(thread, must_agent(store));
    struct purse_list purses;
    struct purse purse;
    struct run run;
    struct uuid id;

    MUST(budgets_put(store, &one, 1000000, &purse, &test_err));
    MUST(runs_create(store, &run_draft, &run, NULL, &test_err));
    cr_assert_eq(sql_int("SELECT cardinality(budgets) FROM runs WHERE id = '%s'", show(run.id)), 1);
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    MUST(budgets_get(store, TEXT("thread"), text_of(subject), &purse, &test_err));
    MUST(budgets_look(store->pg, store->arena, &purse.id, 1, &purses, &test_err));
    cr_assert_eq(purses.count, 1);
    MUST(budgets_list(store, TEXT_NONE, &page, &purses, &test_err));
    MUST(budgets_delete(store, TEXT("thread"), text_of(subject), &id, &test_err));
}

/* Rows that were read one after the other. */
static int64_t scanned(void)
{
    return sql_int("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN"
                   " ('budgets', 'budget_days', 'budget_deltas', 'runs')");
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

static void use_over(const struct store *store, struct pg *pg, struct uuid thread)
{
    struct store over = *store;

    over.pg = pg;
    for (int i = 0; i < 8; i++)
        use_all(&over, thread);
}

/* A session's statistics are certain to be seen once it has ended. */
static void close_seen(struct pg *pg)
{
    int64_t count = sessions();

    pg_close(pg);
    for (int i = 0; i < 500 && sessions() >= count; i++)
        MUST(fiber_sleep(10, &test_err));
}

static void scans_nothing(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct pg *early = another_pg();
    struct pg *late;
    int64_t before;

    use_over(store, early, thread);
    sql_do(
        "INSERT INTO budgets (id, tenant_id, kind, subject, period, max_tokens, at_limit)"
        " SELECT gen_random_uuid(), '%s', 'user', n::text, 'day', 5, 'end'"
        " FROM generate_series(1, 10000) n;"
        "INSERT INTO budget_days SELECT id, (now() AT TIME ZONE 'UTC')::date - n, 1, 1"
        " FROM budgets, generate_series(1, 3) n;"
        "INSERT INTO budget_deltas (budget_id, tokens, cost_micros) SELECT id, 1, 1 FROM budgets;"
        "INSERT INTO runs (id, tenant_id, agent_id, agent_version, status, spec, expires_at)"
        " SELECT id, tenant_id, id, 1, 'in_progress', '{}', now() + interval '1 h' FROM budgets",
        show(store->tenant));
    sql_settle();
    before = scanned();
    use_over(store, early, thread);
    close_seen(early);
    cr_assert_lt(scanned() - before, 5000, "with plans of empty tables: %lld",
                 (long long)(scanned() - before));
    sql_do("ANALYZE");
    before = scanned();
    late = another_pg();
    use_over(store, late, thread);
    close_seen(late);
    cr_assert_eq(scanned() - before, 0, "with plans of full ones");
    sql_do("SELECT count(*) FROM runs WHERE metadata = '[]'; SELECT pg_stat_force_next_flush()");
    cr_assert_gt(scanned(), before, "a scan would be seen");
}

Test(budgets, are_found_without_reading_a_whole_table, .timeout = 120)
{
    with_store(scans_nothing);
}
