/* Tests of deciding calls that need an approval. */

#include "fixture.h"

#include "shared/store/answers/tool_outputs.h"
#include "shared/store/fleet/reaper.h"
#include "shared/store/runs/open_calls.h"

static const struct uuid any = {{0}};
static const struct uuid ann = {{1}};
static const struct uuid bob = {{2}};

#define STEP_CALL(id)                                                                              \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\","  \
    "\"output\":null}}"

/* A run that waits for the approvals of "p" and "q", which may be made once only, and for the
 * function "c". */
static struct run must_park(const struct store *store, int64_t due_in_ms)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_call calls[3] = {
        {.call_id = TEXT("p"), .kind = WAIT_APPROVAL, .class = CALL_ONCE, .due_in_ms = due_in_ms},
        {.call_id = TEXT("c"), .kind = WAIT_CLIENT, .due_in_ms = CALL_NEVER_DUE},
        {.call_id = TEXT("q"), .kind = WAIT_APPROVAL, .class = CALL_ONCE, .due_in_ms = 3600000},
    };
    struct run_step_write step = {
        .id = uuid_new(),
        .seq = 1,
        .type = STEP_TOOL_CALLS,
        .status = STEP_IN_PROGRESS,
        .tool_calls = TEXT("[" STEP_CALL("p") "," STEP_CALL("c") "," STEP_CALL("q") "]"),
    };
    struct run_changes changes = {.calls = calls, .call_count = 3, .steps = &step, .step_count = 1};
    struct run_parking how = {
        .required_action =
            TEXT("{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{\"tool_calls\":["
                 "{\"id\":\"p\",\"approval\":{}},{\"id\":\"c\"},"
                 "{\"id\":\"q\",\"approval\":{}}]}}"),
    };

    for (int i = 0; i < 3; i++) {
        calls[i].call_no = i + 1;
        calls[i].name = TEXT("f");
        calls[i].arguments = TEXT("{}");
        calls[i].idempotency_key = TEXT("k");
        calls[i].state = CALL_OPEN;
    }
    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    return must_get_run(store, run.id);
}

static int decide(const struct store *store, struct uuid run, const char *call,
                  struct approval approval, struct run *out)
{
    return approvals_decide(store, any, run, text_of(call), &approval, out, &test_err);
}

static const char *calls_of(const struct store *store, struct uuid run)
{
    return sql_string(store,
                      "SELECT string_agg(concat(call_id, ' ', state), ', ' ORDER BY call_no)"
                      " FROM tool_calls WHERE run_id = '%s'",
                      show(run));
}

static void decided(struct store *store)
{
    struct run parked = must_park(store, 3600000);
    const struct approval allow = {.by = ann, .allows = true, .note = TEXT("fine")};
    const struct approval deny = {.by = ann, .note = TEXT("no \"more\"")};
    const struct tool_output output = {.call_id = TEXT("c"), .output = TEXT("sunny")};
    struct store stranger = other_tenant(store, "globex");
    struct run_progress progress;
    struct run run;

    cr_assert_eq(parked.status, RUN_REQUIRES_ACTION);
    cr_assert_eq(parked.open_calls, 3);
    GIVES(RUN_MISSING, decide(&stranger, parked.id, "p", allow, &run));
    GIVES(RUN_MISSING, decide(store, uuid_new(), "p", allow, &run));
    GIVES(APPROVAL_NO_CALL, decide(store, parked.id, "x", allow, &run));
    GIVES(APPROVAL_UNWANTED, decide(store, parked.id, "c", allow, &run));
    MUST(decide(store, parked.id, "p", allow, &run));
    cr_assert_eq(run.status, RUN_REQUIRES_ACTION, "others are open");
    cr_assert_eq(run.open_calls, 2);
    cr_assert_not(memmem(run.required_action.ptr, run.required_action.len, "\"p\"", 3));
    GIVES(APPROVAL_GIVEN, decide(store, parked.id, "p", allow, &run));
    GIVES(APPROVAL_DECIDED, decide(store, parked.id, "p", deny, &run));
    GIVES(APPROVAL_DECIDED,
          decide(store, parked.id, "p",
                 (struct approval){.by = bob, .allows = true, .note = TEXT("fine")}, &run));
    GIVES(
        APPROVAL_DECIDED,
        decide(store, parked.id, "p",
               (struct approval){
                   .by = ann, .allows = true, .note = TEXT("fine"), .arguments = TEXT("{\"a\":1}")},
               &run));
    MUST(tool_outputs_give(store, any, parked.id, &output, 1, &run, &test_err));
    cr_assert_eq(run.status, RUN_REQUIRES_ACTION);
    MUST(decide(store, parked.id, "q", deny, &run));
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert_null(run.required_action.ptr);
    cr_assert_eq(run.open_calls, 0);
    cr_assert_str_eq(calls_of(store, parked.id), "p approved, c done, q done");
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE run_id = '%s'"
                         " AND status = 'in_progress' AND ended_at IS NULL"
                         " AND tool_calls #>> '{0,approval,decision}' = 'approved'"
                         " AND tool_calls #> '{0,function,output}' = 'null'"
                         " AND tool_calls #>> '{2,function,output}' LIKE '%% no \"more\"'",
                         show(parked.id)),
                 1, "a call is still to be made");
    must_claim(store, must_worker(store), parked.id);
    MUST(run_leases_progress(store->pg, store->arena, parked.id, INT64_MAX, &progress, &test_err));
    cr_assert_eq(progress.call_count, 3);
    cr_assert_eq(progress.calls[0].state, CALL_APPROVED);
    cr_assert_eq(progress.calls[0].class, CALL_ONCE);
    cr_assert_eq(progress.calls[0].kind, WAIT_NONE);
    cr_assert_null(progress.calls[0].result.ptr);
    cr_assert(progress.calls[0].approval.ptr);
    cr_assert(progress.calls[2].is_error);
    cr_assert_not(uuid_is_zero(progress.open_step));
}

Test(approvals, are_given_once_and_the_last_call_queues_the_run)
{
    with_store(decided);
}

static void changed(struct store *store)
{
    struct run parked = must_park(store, 3600000);
    const struct approval other = {
        .by = ann, .allows = true, .arguments = TEXT("{\"a\":1}"), .user = TEXT("ann")};
    struct run run;

    MUST(decide(store, parked.id, "p", other, &run));
    GIVES(APPROVAL_GIVEN, decide(store, parked.id, "p", other, &run));
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s' AND call_id = 'p'"
                         " AND arguments = '{\"a\":1}' AND approval ->> 'arguments_before' = '{}'"
                         " AND approval ->> 'user' = 'ann' AND approval ? 'at'",
                         show(parked.id)),
                 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE run_id = '%s'"
                         " AND tool_calls #>> '{0,function,arguments}' = '{\"a\":1}'",
                         show(parked.id)),
                 1);
}

Test(approvals, may_change_the_arguments_and_keep_those_before)
{
    with_store(changed);
}

static void by_outputs(struct store *store)
{
    struct run parked = must_park(store, 3600000);
    const struct approval allow = {.by = ann, .allows = true};
    const struct tool_output outputs[] = {
        {.call_id = TEXT("p"), .output = TEXT("{\"approve\":true}")},
        {.call_id = TEXT("c"), .output = TEXT("{\"approve\":true}"), .approval = &allow},
        {.call_id = TEXT("p"), .output = TEXT("{\"approve\":true}"), .approval = &allow},
    };
    struct run run;

    GIVES(OUTPUTS_UNFIT,
          tool_outputs_give(store, any, parked.id, outputs, 2, &run, &test_err)); /* says nothing */
    GIVES(OUTPUTS_UNFIT,
          tool_outputs_give(store, any, parked.id, outputs + 2, 1, &run, &test_err)); /* and c? */
    cr_assert_str_eq(calls_of(store, parked.id), "p open, c open, q open");
    MUST(tool_outputs_give(store, any, parked.id, outputs + 1, 2, &run, &test_err));
    cr_assert_eq(run.status, RUN_REQUIRES_ACTION);
    cr_assert_str_eq(calls_of(store, parked.id), "p approved, c done, q open");
    GIVES(OUTPUTS_GIVEN, tool_outputs_give(store, any, parked.id, outputs + 1, 2, &run, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s' AND call_id = 'c'"
                         " AND result = '{\"approve\":true}' AND approval IS NULL",
                         show(parked.id)),
                 1, "of a function it is its output");
}

Test(approvals, by_outputs_are_those_alone_that_say_so)
{
    with_store(by_outputs);
}

static void late(struct store *store)
{
    struct run parked = must_park(store, 1);
    const struct approval allow = {.by = ann, .allows = true};
    const struct tool_output outputs[] = {
        {.call_id = TEXT("c"), .output = TEXT("sunny")},
        {.call_id = TEXT("p"), .output = TEXT("x"), .approval = &allow},
    };
    int64_t settled = 0;
    bool more;
    struct run run;

    MUST(fiber_sleep(5, &test_err));
    GIVES(APPROVAL_LATE, decide(store, parked.id, "p", allow, &run));
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, parked.id, outputs, 2, &run, &test_err));
    MUST(open_calls_sweep(store->pg, &settled, &more, &test_err));
    cr_assert_eq(settled, 1);
    GIVES(APPROVAL_LATE, decide(store, parked.id, "p", allow, &run));
    cr_assert_eq(run.open_calls, 2);
    cr_assert_eq(run.status, RUN_REQUIRES_ACTION);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s' AND call_id = 'p'"
                         " AND state = 'done' AND is_error AND NOT approval ? 'by'"
                         " AND approval ->> 'decision' = 'expired'",
                         show(parked.id)),
                 1);
}

Test(approvals, that_nobody_gives_in_time_are_the_clock_s)
{
    with_store(late);
}

static void ended(struct store *store)
{
    struct run parked = must_park(store, 3600000);
    struct reaper_report report;
    struct run run;

    sql_do("UPDATE runs SET expires_at = now() - interval '1 s'");
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    GIVES(APPROVAL_UNWANTED,
          decide(store, parked.id, "p", (struct approval){.by = ann, .allows = true}, &run));
    cr_assert_eq(run.status, RUN_EXPIRED);
    cr_assert(text_is(run.last_error,
                      "{\"code\": \"wait_expired\", \"message\": \"The run expired while it waited"
                      " for an approval.\"}"),
              "%.*s", TEXT_ARGS(run.last_error));
    cr_assert_str_eq(calls_of(store, parked.id), "p cancelled, c cancelled, q cancelled");
}

Test(approvals, end_with_their_run)
{
    with_store(ended);
}

/* Two decide at once on connections of their own, 20 times: one of them does. */
struct decider {
    struct store store;
    struct uuid run;
    struct approval approval;
    int r;
};

static void decide_one(void *arg)
{
    struct decider *decider = arg;
    struct run run;

    decider->r = approvals_decide(&decider->store, any, decider->run, TEXT("p"), &decider->approval,
                                  &run, &(struct error){0});
}

static void race(struct store *store)
{
    struct pg *pg = another_pg();

    for (int i = 0; i < 20; i++) {
        struct run parked = must_park(store, 3600000);
        struct decider deciders[2] = {
            {*store, parked.id, {.by = ann, .allows = true}, 0},
            {*store, parked.id, {.by = bob, .allows = i % 2}, 0},
        };
        struct fiber *fibers[2];

        deciders[1].store.pg = pg;
        for (int k = 0; k < 2; k++)
            fibers[k] = fiber_start("decide", decide_one, &deciders[k]);
        for (int k = 0; k < 2; k++)
            fiber_join(fibers[k]);
        cr_assert((deciders[0].r == 0 && deciders[1].r == APPROVAL_DECIDED) ||
                      (deciders[1].r == 0 && deciders[0].r == APPROVAL_DECIDED),
                  "%d %d", deciders[0].r, deciders[1].r);
        cr_assert_eq(must_get_run(store, parked.id).open_calls, 2);
    }
    pg_close(pg);
}

Test(approvals, of_two_at_once_are_one)
{
    with_store(race);
}
