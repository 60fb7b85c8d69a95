/* Tests of runs that are looked for and made many at once, each judged for itself. */

#include "fixture.h"

#include "shared/store/runs/run_batches.h"

static const struct uuid any = {{0}};

/* The place of a run among those that were made; -1: it was not. */
static int made_at(const struct pg_result *result, size_t place)
{
    for (size_t n = 0; n < run_batch_made_count(result); n++)
        if (run_batch_made_place(result, n) == place)
            return (int)n;
    return -1;
}

static void makes(struct store *store)
{
    struct store stranger = other_tenant(store, "globex");
    struct uuid agent = must_agent(store);
    struct message_draft messages[2] = {user_message("[1]"), user_message("[2]")};
    struct thread_draft fresh = {
        .id = uuid_new(), .metadata = TEXT("{\"a\": 1}"), .messages = messages, .message_count = 2};
    struct run_draft drafts[6];
    struct run_making makings[6];
    struct idempotency_trace trace;
    uint8_t hash[SHA256_BYTES] = {7};
    struct pg_result *result = NULL;
    struct message_draft one = user_message("[3]");
    struct thread thread;
    struct run run;

    drafts[0] = run_of(must_thread(store), agent);        /* an idle thread */
    drafts[1] = run_of(must_run(store).thread_id, agent); /* a busy one */
    drafts[2] = run_of(any, agent);                       /* a new one */
    drafts[3] = run_of(must_thread(store), uuid_new());   /* no such agent */
    drafts[4] = run_of(drafts[0].thread, agent);          /* a thread of an earlier one */
    drafts[5] = run_of(must_thread(store), agent);        /* another tenant's */
    drafts[0].messages = &one;
    drafts[0].message_count = 1;
    idempotency_trace_init(&trace, store, hash, drafts[0].id);
    for (int i = 0; i < 6; i++)
        makings[i] = (struct run_making){.tenant = i == 5 ? stranger.tenant : store->tenant,
                                         .draft = &drafts[i],
                                         .new_thread = i == 2 ? &fresh : NULL,
                                         .trace = i == 0 ? &trace : NULL};
    MUST(run_batch_make(store->pg, makings, 6, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(made_at(result, i) >= 0, i == 0 || i == 2, "%zu", i);

    MUST(run_batch_made(result, (size_t)made_at(result, 0), store->arena, &run, NULL, &test_err));
    cr_assert(uuid_equal(run.id, drafts[0].id));
    check_run(store, run.id, RUN_QUEUED);
    cr_assert(uuid_equal(must_get_thread(store, drafts[0].thread).active_run, run.id));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE submitted_with = '%s'"
                         "   AND content = '[3]'",
                         show(run.id)),
                 1);
    cr_assert_eq(
        sql_int("SELECT count(*) FROM idempotency_keys WHERE object_id = '%s'", show(run.id)), 1);

    MUST(
        run_batch_made(result, (size_t)made_at(result, 2), store->arena, &run, &thread, &test_err));
    cr_assert(uuid_equal(run.thread_id, fresh.id));
    cr_assert(uuid_equal(thread.id, fresh.id));
    cr_assert(uuid_equal(thread.active_run, run.id));
    cr_assert(text_is(thread.metadata, "{\"a\": 1}"));
    cr_assert_str_eq(sql_string(store,
                                "SELECT string_agg(content::text, ',' ORDER BY position)"
                                " FROM messages WHERE thread_id = '%s'",
                                show(fresh.id)),
                     "[1],[2]");
    pg_result_free(result);
    GIVES(THREAD_BUSY, runs_create(store, &drafts[1], &run, NULL, &test_err));
    GIVES(AGENT_MISSING, runs_create(store, &drafts[3], &run, NULL, &test_err));
    GIVES(THREAD_BUSY, runs_create(store, &drafts[4], &run, NULL, &test_err));
}

Test(run_batches, make_what_nothing_is_in_the_way_of)
{
    with_store(makes);
}

static void nothing(struct store *store)
{
    struct run_draft drafts[2] = {run_of(must_thread(store), must_agent(store)),
                                  run_of(must_thread(store), must_agent(store))};
    struct run_making makings[2] = {{.tenant = store->tenant, .draft = &drafts[0]},
                                    {.tenant = store->tenant, .draft = &drafts[1]}};
    struct pg_result *result = NULL;

    drafts[1].id = must_run(store).id;
    GIVES(-E_CONFLICT, run_batch_make(store->pg, makings, 2, &result, &test_err));
    drafts[1].id = uuid_new();
    drafts[1].metadata = TEXT("[\"\\u0000\"]");
    GIVES(-E_CONTENT, run_batch_make(store->pg, makings, 2, &result, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 1);
}

Test(run_batches, make_nothing_where_one_can_not_be_stored)
{
    with_store(nothing);
}

/* A thread whose row somebody holds is left, and the others do not wait for it. */
static void skips(struct store *store)
{
    struct run_draft drafts[2] = {run_of(must_thread(store), must_agent(store)),
                                  run_of(must_thread(store), must_agent(store))};
    struct run_making makings[2] = {{.tenant = store->tenant, .draft = &drafts[0]},
                                    {.tenant = store->tenant, .draft = &drafts[1]}};
    struct pg *pg = another_pg();
    struct lock_holder holder;
    struct pg_result *result = NULL;

    lock_rows(&holder, pg, "SELECT 1 FROM threads ORDER BY id LIMIT 1 FOR UPDATE", 300);
    MUST(run_batch_make(store->pg, makings, 2, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 1);
    fiber_join(holder.fiber);
    pg_result_free(result);
    pg_close(pg);
}

Test(run_batches, wait_for_no_thread)
{
    with_store(skips);
}
