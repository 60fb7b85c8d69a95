/* Tests of giving tool outputs to a run that waits for them. */

#include "fixture.h"

#include "shared/store/answers/tool_outputs.h"
#include "shared/store/fleet/reaper.h"

static const struct uuid any = {{0}};

#define STEP_CALL(id, output)                                                                      \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\","  \
    "\"output\":" output "}}"

/* A run whose model called a tool of the server and two functions: done is "s", it waits for "b"
 * and "a", called in this order. */
static struct run must_park(const struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_message messages[] = {
        {.id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")},
        {.id = uuid_new(),
         .seq = 2,
         .role = MESSAGE_TOOL,
         .hidden = true,
         .content = TEXT("[]"),
         .tool_call_id = TEXT("s")},
    };
    struct run_call calls[] = {
        {.call_no = 1,
         .call_id = TEXT("b"),
         .kind = WAIT_CLIENT,
         .state = CALL_OPEN,
         .due_in_ms = CALL_NEVER_DUE},
        {.call_no = 2, .call_id = TEXT("s"), .class = CALL_PURE, .state = CALL_DONE},
        {.call_no = 3,
         .call_id = TEXT("a"),
         .kind = WAIT_CLIENT,
         .state = CALL_OPEN,
         .due_in_ms = CALL_NEVER_DUE},
    };
    struct run_step_write step = {
        .id = uuid_new(),
        .seq = 1,
        .type = STEP_TOOL_CALLS,
        .status = STEP_IN_PROGRESS,
        .tool_calls = TEXT(
            "[" STEP_CALL("b", "null") "," STEP_CALL("s", "\"1\"") "," STEP_CALL("a", "null") "]"),
    };
    struct run_changes changes = {.messages = messages,
                                  .message_count = ARRAY_LENGTH(messages),
                                  .calls = calls,
                                  .call_count = ARRAY_LENGTH(calls),
                                  .steps = &step,
                                  .step_count = 1};
    struct run_parking how = {
        .required_action =
            TEXT("{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{\"tool_calls\":"
                 "[{\"id\":\"b\"},{\"id\":\"a\"}]}}"),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        calls[i].name = TEXT("f");
        calls[i].arguments = TEXT("{}");
        calls[i].idempotency_key = TEXT("k");
    }
    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    return must_get_run(store, run.id);
}

static const struct tool_output both[] = {
    {.call_id = TEXT("a"), .output = TEXT("from a")},
    {.call_id = TEXT("b"), .output = TEXT("\"b\" \\ says\n")}};
static const struct tool_output others[] = {{.call_id = TEXT("a"), .output = TEXT("from a")},
                                            {.call_id = TEXT("b"), .output = TEXT("no")}};
static const struct tool_output more[] = {{.call_id = TEXT("a"), .output = TEXT("1")},
                                          {.call_id = TEXT("b"), .output = TEXT("2")},
                                          {.call_id = TEXT("c"), .output = TEXT("3")}};

static void given(struct store *store)
{
    struct run parked = must_park(store);
    struct store stranger = other_tenant(store, "globex");
    struct run run;

    cr_assert_eq(parked.status, RUN_REQUIRES_ACTION);
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, parked.id, both, 1, &run, &test_err));
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, parked.id, both, 0, &run, &test_err));
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, parked.id, more, 3, &run, &test_err));
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, parked.id, more + 1, 2, &run, &test_err));
    cr_assert(text_equal(run.required_action, parked.required_action));
    GIVES(RUN_MISSING, tool_outputs_give(&stranger, any, parked.id, both, 2, &run, &test_err));
    GIVES(RUN_MISSING, tool_outputs_give(store, uuid_new(), parked.id, both, 2, &run, &test_err));
    check_run(store, parked.id, RUN_REQUIRES_ACTION);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE role = 'tool'"), 1);

    MUST(tool_outputs_give(store, parked.thread_id, parked.id, both, 2, &run, &test_err));
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert_null(run.required_action.ptr);
    check_run(store, parked.id, RUN_QUEUED);
    cr_assert_str_eq(sql_string(store, "SELECT string_agg(concat(call_id, state, result), '|'"
                                       " ORDER BY call_no) FROM tool_calls"),
                     "bdone\"b\" \\ says\n|sdone|adonefrom a");
    cr_assert_str_eq(
        sql_string(store, "SELECT string_agg(call #>> '{function,output}', '|' ORDER BY place)"
                          " FROM run_steps, jsonb_array_elements(tool_calls) WITH ORDINALITY"
                          " AS c (call, place) WHERE status = 'completed' AND ended_at <= now()"),
        "\"b\" \\ says\n|1|from a");
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE owner IS NULL AND fence = 2"
                         " AND wait_kind IS NULL AND due_at <= now()"),
                 1);
}

Test(tool_outputs, settle_the_calls_and_queue_the_run)
{
    with_store(given);
}

static void again(struct store *store)
{
    struct run parked = must_park(store);
    struct run_claim claim;
    struct run run;

    MUST(tool_outputs_give(store, any, parked.id, both, 2, &run, &test_err));
    GIVES(OUTPUTS_GIVEN, tool_outputs_give(store, any, parked.id, both, 2, &run, &test_err));
    cr_assert_eq(run.status, RUN_QUEUED);
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, parked.id, others, 2, &run, &test_err));
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, parked.id, more, 3, &run, &test_err));
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, parked.id, both, 0, &run, &test_err));
    claim = must_claim(store, must_worker(store), parked.id);
    GIVES(OUTPUTS_GIVEN, tool_outputs_give(store, any, parked.id, both, 2, &run, &test_err));
    cr_assert_eq(run.status, RUN_IN_PROGRESS);
    cr_assert_eq(must_get_run(store, parked.id).owner, claim.lease.owner);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE role = 'tool'"), 1,
                 "the worker adds them to the thread");
}

Test(tool_outputs, that_were_given_before_are_recognised)
{
    with_store(again);
}

static void first_wins(struct store *store)
{
    struct run parked[2] = {must_park(store), must_park(store)};
    struct reaper_report report;
    struct run run;

    MUST(runs_cancel(store, any, parked[0].id, &run, &test_err));
    cr_assert_eq(run.status, RUN_CANCELLED);
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, parked[0].id, both, 2, &run, &test_err));
    cr_assert_eq(run.status, RUN_CANCELLED);
    check_run(store, parked[0].id, RUN_CANCELLED);
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = '%s'",
           show(parked[1].id));
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.expired, 1);
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, parked[1].id, both, 2, &run, &test_err));
    check_run(store, parked[1].id, RUN_EXPIRED);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE status = 'in_progress'"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE seq > 2"), 0);
}

Test(tool_outputs, come_too_late_after_a_cancel_or_an_expiry)
{
    with_store(first_wins);
}

struct giver {
    struct store store;
    struct uuid run;
    const struct tool_output *outputs;
    int r;
};

static void give(void *arg)
{
    struct giver *giver = arg;
    struct run run;
    struct error err = {0};

    giver->r = tool_outputs_give(&giver->store, any, giver->run, giver->outputs, 2, &run, &err);
}

/* Two at once on connections of their own, with other outputs. */
static void race(struct store *store)
{
    struct pg *pg = another_pg();

    for (int i = 0; i < 20; i++) {
        struct run parked = must_park(store);
        struct giver givers[2] = {{*store, parked.id, both, 0}, {*store, parked.id, others, 0}};
        struct fiber *fibers[2];
        struct run_claim claim;

        givers[1].store.pg = pg;
        for (int k = 0; k < 2; k++)
            fibers[k] = fiber_start("give", give, &givers[k]);
        for (int k = 0; k < 2; k++)
            fiber_join(fibers[k]);
        cr_assert((givers[0].r == 0 && givers[1].r == OUTPUTS_UNWANTED) ||
                      (givers[1].r == 0 && givers[0].r == OUTPUTS_UNWANTED),
                  "%d and %d", givers[0].r, givers[1].r);
        cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls c JOIN runs r ON r.id = c.run_id"
                             " WHERE r.id = '%s' AND c.kind = 'client' AND c.state = 'done'"
                             "   AND r.open_calls = 0",
                             show(parked.id)),
                     2);
        claim = must_claim(store, must_worker(store), parked.id);
        cr_assert_eq(claim.lease.fence, 3);
    }
    pg_close(pg);
}

Test(tool_outputs, of_two_requests_at_once_are_those_of_one)
{
    with_store(race);
}
