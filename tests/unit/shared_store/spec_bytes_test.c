/* Of each spec is noted how much it takes, however it came to be there. */

#include "fixture.h"

#include "shared/store/submissions/run_batches.h"

static const struct uuid any = {{0}};

static void check_noted(const char *table, int64_t count)
{
    cr_assert_eq(sql_int("SELECT count(*) FROM %s", table), count);
    cr_assert_eq(sql_int("SELECT count(*) FROM %s"
                         " WHERE spec_bytes IS DISTINCT FROM octet_length(spec::text)",
                         table),
                 0);
}

static void runs(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct run first = must_run(store);
    struct thread_draft threads[2] = {{.id = uuid_new()}, {.id = uuid_new()}};
    struct run_draft fresh = run_of(any, agent);
    struct run_draft behind = run_of(first.thread_id, agent);
    struct run_draft ahead = run_of(first.thread_id, agent);
    struct run_draft together = run_of(any, agent);
    struct run_making making = {
        .tenant = store->tenant, .draft = &together, .new_thread = &threads[1]};
    struct pg_result *result = NULL;
    struct run_stopped stopped;
    struct run run;
    size_t bytes;

    behind.spec = TEXT("{\"model\": \"m\", \"instructions\": \"é\"}");
    MUST(runs_create_with_thread(store, &threads[0], &fresh, &run, &test_err));
    MUST(runs_enqueue(store, &behind, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    MUST(runs_enqueue(store, &ahead, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    MUST(run_batch_make(store->pg, NULL, &making, 1, &result, &test_err));
    pg_result_free(result);
    check_noted("runs", 5);

    MUST(runs_size(store, any, behind.id, &bytes, &test_err));
    cr_assert_eq(bytes, behind.spec.len);
    sql_do("UPDATE runs SET required_action = '{\"a\": 1}'");
    MUST(runs_size(store, first.thread_id, behind.id, &bytes, &test_err));
    cr_assert_eq(bytes, behind.spec.len + 8);
    GIVES(RUN_MISSING, runs_size(store, threads[0].id, behind.id, &bytes, &test_err));
}

Test(spec_bytes, are_noted_of_runs_however_they_are_made)
{
    with_store(runs);
}

static void agents(struct store *store)
{
    char spec[SMALL_BYTES_MAX + 2];
    struct agent_draft draft = {.id = must_agent(store)};
    struct store other = other_tenant(store, "globex");
    struct agent agent;
    size_t bytes;

    check_noted("agents", 1);
    MUST(agents_look(store, draft.id, &agent, &bytes, &test_err));
    cr_assert(text_is(agent.spec, "{\"model\": \"m\"}"));
    cr_assert_eq(bytes, agent.spec.len);
    snprintf(spec, sizeof(spec), "{\"model\": \"%*s\"}", SMALL_BYTES_MAX + 1 - 13, "m");
    draft.spec = text_of(spec);
    MUST(agents_update(store, &draft, &agent, &test_err));
    check_noted("agents", 1);
    for (int round = 0; round < 2; round++) {
        GIVES(AGENT_LARGE, agents_look(store, draft.id, &agent, &bytes, &test_err));
        cr_assert_eq(bytes, SMALL_BYTES_MAX + 1);
        cr_assert(!agent.spec.ptr && agent.version == 2);
        sql_do("UPDATE agents SET spec_bytes = NULL");
    }
    GIVES(AGENT_MISSING, agents_look(&other, draft.id, &agent, &bytes, &test_err));
}

Test(spec_bytes, of_an_agent_tell_whether_its_spec_is_read_by_the_way)
{
    with_store(agents);
}
