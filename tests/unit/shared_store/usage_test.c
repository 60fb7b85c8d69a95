/* What is kept of the usage of models: sums of runs and threads, and hours of tenants. */

#include "fixture.h"

#include "shared/store/usage/usage.h"

static const struct uuid any = {{0}};

static const struct model_usage two_models[] = {
    {TEXT("openai"), TEXT("gpt-4o"), 2, {100, 30, 40, 10, 12, 70}},
    {TEXT("groq"), TEXT("llama"), 0, {0, 0, 0, 0, 0, 0}},
    {TEXT("anthropic"), TEXT("claude"), 1, {50, 5, 0, 0, 0, 9}},
};

static const struct run_changes both = {.usage = two_models, .usage_count = 3};

static void is_used(struct usage used, int64_t times)
{
    cr_assert_eq(used.prompt_tokens, 150 * times);
    cr_assert_eq(used.completion_tokens, 35 * times);
    cr_assert_eq(used.cached_tokens, 40 * times);
    cr_assert_eq(used.cache_write_tokens, 10 * times);
    cr_assert_eq(used.reasoning_tokens, 12 * times);
    cr_assert_eq(used.cost_micros, 79 * times);
}

static struct run must_end(struct store *store, int64_t worker, struct uuid id,
                           enum run_status status)
{
    struct run_claim claim = must_claim(store, worker, id);
    struct run_ending ending = {.status = status};

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &both, &test_err));
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &both, &ending, &test_err));
    return must_get_run(store, id);
}

/* The second run of a thread, and a first that is tried again. */
static void adds_up(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_draft draft = run_of(run.thread_id, run.agent_id);
    struct run second;
    struct uuid active;

    run = must_end(store, worker, run.id, RUN_FAILED);
    is_used(run.used, 2);
    is_used(must_get_thread(store, run.thread_id).used, 2);
    MUST(runs_create(store, &draft, &second, &active, &test_err));
    is_used(must_get_thread(store, run.thread_id).used, 2);
    second = must_end(store, worker, second.id, RUN_COMPLETED);
    is_used(second.used, 2);
    is_used(must_get_thread(store, run.thread_id).used, 4);

    MUST(runs_redrive(store, any, run.id, 3600000, &run, &active, &test_err));
    is_used(must_get_thread(store, run.thread_id).used, 2);
    run = must_end(store, worker, run.id, RUN_COMPLETED);
    is_used(run.used, 4);
    is_used(must_get_thread(store, run.thread_id).used, 6);
}

Test(usage, of_runs_adds_up_in_their_thread)
{
    with_store(adds_up);
}

#define OF_OPENAI "provider = 'openai' AND model = 'gpt-4o'"
#define ALL_OF_OPENAI                                                                              \
    "calls = 8 AND prompt_tokens = 400 AND completion_tokens = 120 AND cached_tokens = 160"        \
    " AND cache_write_tokens = 40 AND reasoning_tokens = 48 AND cost_micros = 280"

static void must_fold(struct store *store)
{
    bool more = true;

    MUST(usage_fold(store->pg, &more, &test_err));
    cr_assert(!more);
}

static void folds(struct store *store)
{
    int64_t worker = must_worker(store);
    struct uuid agent = must_run(store).agent_id;
    struct uuid last;

    for (int i = 0; i < 2; i++) {
        struct run_draft draft = run_of(must_thread(store), agent);
        struct uuid active;
        struct run run;

        MUST(runs_create(store, &draft, &run, &active, &test_err));
        last = must_end(store, worker, run.id, RUN_COMPLETED).id;
    }
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_deltas"), 8, "one a write and model");
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour WHERE " OF_OPENAI " AND " ALL_OF_OPENAI
                         " AND hour = date_trunc('hour', hour, 'UTC') AND agent_id = '%s'"
                         " AND tenant_id = (SELECT tenant_id FROM runs WHERE id = '%s')",
                         show(agent), show(last)),
                 1);
    must_fold(store);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_deltas"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_hourly"), 2);
    cr_assert_eq(
        sql_int("SELECT count(*) FROM usage_hourly WHERE " OF_OPENAI " AND " ALL_OF_OPENAI), 1);
    sql_do("INSERT INTO usage_deltas SELECT * FROM usage_hourly");
    must_fold(store);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_hourly WHERE " OF_OPENAI), 16);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour"), 2);
}

Test(usage, of_hours_is_told_at_once_and_folded)
{
    with_store(folds);
}

static void counts_calls(struct store *store)
{
    const struct model_usage used = {TEXT("openai"), TEXT("gpt-4o"), 1, {50, 15, 20, 5, 6, 35}};
    const struct usage_owner ada = {.tenant = store->tenant, .user = TEXT("ada")};
    const struct usage_owner nobody = {.tenant = store->tenant};

    MUST(usage_append(store->pg, &ada, &used, &test_err));
    MUST(usage_append(store->pg, &ada, &used, &test_err));
    MUST(usage_append(store->pg, &nobody, &used, &test_err));
    must_fold(store);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour WHERE user_id = ''"
                         " AND agent_id = '00000000-0000-0000-0000-000000000000' AND calls = 1"
                         " AND tenant_id = '%s' AND " OF_OPENAI,
                         show(store->tenant)),
                 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour WHERE user_id = 'ada' AND calls = 2"
                         " AND prompt_tokens = 100 AND completion_tokens = 30"
                         " AND cached_tokens = 40 AND cache_write_tokens = 10"
                         " AND reasoning_tokens = 12 AND cost_micros = 70"),
                 1);
}

Test(usage, of_calls_without_a_run_is_nobodys_agent_and_its_users)
{
    with_store(counts_calls);
}

static void ages(struct store *store)
{
    must_end(store, must_worker(store), must_run(store).id, RUN_COMPLETED);
    must_fold(store);
    sql_do("INSERT INTO usage_hourly SELECT (jsonb_populate_record(u, jsonb_build_object('hour',"
           "    now() - interval '401 days'))).* FROM usage_hourly u");
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_hourly"), 4);
    must_fold(store);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_hourly WHERE hour > now() - interval '1 day'"),
                 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_hourly"), 2);
}

Test(usage, of_long_ago_is_forgotten)
{
    with_store(ages);
}

/* Another scheduler has these rows in its hands. */
static void leaves_to_others(struct store *store)
{
    struct pg *pg = another_pg();
    struct lock_holder holder;

    must_end(store, must_worker(store), must_run(store).id, RUN_COMPLETED);
    lock_rows(&holder, pg, "SELECT 1 FROM usage_deltas FOR UPDATE", 200);
    must_fold(store);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_hourly"), 0);
    fiber_join(holder.fiber);
    pg_close(pg);
    must_fold(store);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_hourly"), 6);
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_deltas"), 0);
}

Test(usage, rows_that_another_scheduler_folds_are_left_to_it)
{
    with_store(leaves_to_others);
}
