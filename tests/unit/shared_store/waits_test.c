/* Tests of runs that wait for open calls: a time, and a time beside a function of the client. */

#include "fixture.h"

#include "shared/store/answers/tool_outputs.h"
#include "shared/store/fleet/reaper.h"
#include "shared/store/runs/open_calls.h"

static const struct uuid any = {{0}};

#define STEP_CALL(id) "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"output\":null}}"

/* What a call is, by the first letter of its id: c a function of the client, t a time that is far,
 * s a time that comes at once. */
static struct run_call call_of(int no, const char *id)
{
    return (struct run_call){
        .call_no = no,
        .call_id = text_of(id),
        .name = TEXT("f"),
        .arguments = TEXT("{}"),
        .idempotency_key = TEXT("k"),
        .state = CALL_OPEN,
        .kind = id[0] == 'c' ? WAIT_CLIENT : WAIT_TIME,
        .due_in_ms = id[0] == 'c'   ? CALL_NEVER_DUE
                     : id[0] == 't' ? 3600000
                                    : 1,
    };
}

/* Parks a run that waits for one call, or two (b may be NULL). */
static struct run must_park(const struct store *store, const char *a, const char *b)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_call calls[2] = {call_of(1, a), call_of(2, b ? b : a)};
    struct run_step_write step = {
        .id = uuid_new(),
        .seq = 1,
        .type = STEP_TOOL_CALLS,
        .status = STEP_IN_PROGRESS,
        .tool_calls = TEXT("[" STEP_CALL("c") "," STEP_CALL("t") "," STEP_CALL("s") "]"),
    };
    struct run_changes changes = {
        .calls = calls, .call_count = b ? 2 : 1, .steps = &step, .step_count = 1};
    struct run_parking how = {.required_action = TEXT_NONE};

    if (a[0] == 'c' || (b && b[0] == 'c'))
        how.required_action = TEXT("{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":"
                                   "{\"tool_calls\":[{\"id\":\"c\"}]}}");
    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    return must_get_run(store, run.id);
}

static int64_t must_sweep(const struct store *store)
{
    int64_t settled = 0;
    bool more = true;

    MUST(fiber_sleep(5, &test_err));
    MUST(open_calls_sweep(store->pg, &settled, &more, &test_err));
    cr_assert(!more);
    return settled;
}

static int64_t try_claim(const struct store *store, int64_t worker, struct uuid run)
{
    struct run_claim_list claims;

    MUST(run_leases_claim(store->pg, store->arena, worker, &run, 1, &claims, &test_err));
    return (int64_t)claims.count;
}

static const char *calls_of(const struct store *store, struct uuid run)
{
    return sql_string(store,
                      "SELECT string_agg(concat(call_id, ' ', state), ', ' ORDER BY call_no)"
                      " FROM tool_calls WHERE run_id = '%s'",
                      show(run));
}

static void time_comes(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run far = must_park(store, "t", NULL);
    struct run soon = must_park(store, "s", NULL);
    struct run_progress progress;
    struct run_claim claim;

    cr_assert_eq(far.status, RUN_QUEUED, "nobody has to act");
    cr_assert_eq(far.open_calls, 1);
    cr_assert(text_is(far.waits_for, "calls"));
    cr_assert(far.waits_until >= far.created_at + 3590, "until the time of its call");
    cr_assert_eq(try_claim(store, worker, far.id), 0, "it is not ready");
    cr_assert_eq(try_claim(store, worker, soon.id), 0);
    cr_assert_eq(must_sweep(store), 1);
    cr_assert_eq(must_sweep(store), 0, "settled once");
    cr_assert_str_eq(calls_of(store, far.id), "t open");
    cr_assert_str_eq(calls_of(store, soon.id), "s done");
    cr_assert_null(must_get_run(store, soon.id).waits_for.ptr, "only for a worker");
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE run_id = '%s'"
                         "   AND status = 'completed' AND ended_at IS NOT NULL"
                         "   AND tool_calls #>> '{2,function,output}' LIKE 'It is now 20%%Z.'",
                         show(soon.id)),
                 1, "the step shows the result");
    sql_do("UPDATE runs SET parked_at = parked_at - interval '7 s' WHERE id = '%s'", show(soon.id));
    claim = must_claim(store, worker, soon.id);
    cr_assert_eq(claim.lease.fence, 3);
    cr_assert(claim.parked_ms >= 7000 && claim.parked_ms < 60000, "%lld",
              (long long)claim.parked_ms);
    cr_assert(text_is(claim.kind, "agent"));
    MUST(run_leases_progress(store->pg, store->arena, soon.id, INT64_MAX, &progress, &test_err));
    cr_assert_eq(progress.call_count, 1);
    cr_assert_eq(progress.calls[0].state, CALL_DONE);
    cr_assert_eq(progress.calls[0].kind, WAIT_TIME);
    cr_assert(text_starts(progress.calls[0].result, "It is now "));
    cr_assert(uuid_is_zero(progress.open_step), "the step is complete");
}

Test(waits, for_a_time_end_when_it_has_come)
{
    with_store(time_comes);
}

static void two_kinds(struct store *store, const char *first)
{
    const struct tool_output output = {.call_id = TEXT("c"), .output = TEXT("sunny")};
    bool client_first = first[0] == 'c';
    struct run parked = must_park(store, "c", "s");
    struct run run;

    cr_assert_eq(parked.status, RUN_REQUIRES_ACTION);
    cr_assert_eq(parked.open_calls, 2);
    if (client_first)
        MUST(tool_outputs_give(store, any, parked.id, &output, 1, &run, &test_err));
    else
        cr_assert_eq(must_sweep(store), 1);
    run = must_get_run(store, parked.id);
    cr_assert_eq(run.open_calls, 1);
    cr_assert_eq(run.status, client_first ? RUN_QUEUED : RUN_REQUIRES_ACTION);
    cr_assert_eq(run.required_action.ptr != NULL, !client_first);
    cr_assert_eq(try_claim(store, must_worker(store), parked.id), 0, "it waits for the other");
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE run_id = '%s'"
                         "   AND status = 'in_progress'",
                         show(parked.id)),
                 1);
    if (client_first)
        cr_assert_eq(must_sweep(store), 1);
    else
        MUST(tool_outputs_give(store, any, parked.id, &output, 1, &run, &test_err));
    run = must_get_run(store, parked.id);
    cr_assert_eq(run.open_calls, 0);
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert_str_eq(calls_of(store, parked.id), "c done, s done");
    must_claim(store, must_worker(store), parked.id);
}

static void either_first(struct store *store)
{
    two_kinds(store, "c");
    two_kinds(store, "s");
}

Test(waits, for_two_things_end_with_the_later_one)
{
    with_store(either_first);
}

static void other_kinds(struct store *store)
{
    const struct tool_output both[] = {{.call_id = TEXT("c"), .output = TEXT("1")},
                                       {.call_id = TEXT("t"), .output = TEXT("2")}};
    struct run mixed = must_park(store, "c", "t");
    struct run timed = must_park(store, "t", NULL);
    struct run run;

    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, mixed.id, both, 2, &run, &test_err));
    GIVES(OUTPUTS_UNFIT, tool_outputs_give(store, any, mixed.id, both + 1, 1, &run, &test_err));
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, timed.id, both + 1, 1, &run, &test_err));
    cr_assert_str_eq(calls_of(store, mixed.id), "c open, t open");
    MUST(tool_outputs_give(store, any, mixed.id, both, 1, &run, &test_err));
    GIVES(OUTPUTS_GIVEN, tool_outputs_give(store, any, mixed.id, both, 1, &run, &test_err));
    GIVES(OUTPUTS_UNWANTED, tool_outputs_give(store, any, mixed.id, both, 2, &run, &test_err));
}

Test(waits, for_a_time_are_not_ended_by_outputs)
{
    with_store(other_kinds);
}

/* Both settle at once on connections of their own, 20 times: one of them is the last. */
struct settler {
    struct store store;
    struct uuid run;
    int r;
};

static void give(void *arg)
{
    const struct tool_output output = {.call_id = TEXT("c"), .output = TEXT("sunny")};
    struct settler *settler = arg;
    struct run run;
    struct error err = {0};

    settler->r = tool_outputs_give(&settler->store, any, settler->run, &output, 1, &run, &err);
}

static void sweep(void *arg)
{
    struct settler *settler = arg;
    int64_t settled = 0;
    bool more;
    struct error err = {0};

    for (int i = 0; i < 200 && settled == 0 && settler->r == 0; i++)
        settler->r = open_calls_sweep(settler->store.pg, &settled, &more, &err);
    if (settled == 0)
        settler->r = -1;
}

static void race(struct store *store)
{
    struct pg *pg = another_pg();

    for (int i = 0; i < 20; i++) {
        struct run parked = must_park(store, "c", "s");
        struct settler settlers[2] = {{*store, parked.id, 0}, {*store, parked.id, 0}};
        struct fiber *fibers[2];
        struct run now;

        settlers[1].store.pg = pg;
        MUST(fiber_sleep(2, &test_err));
        fibers[0] = fiber_start("give", give, &settlers[0]);
        fibers[1] = fiber_start("sweep", sweep, &settlers[1]);
        for (int k = 0; k < 2; k++)
            fiber_join(fibers[k]);
        cr_assert_eq(settlers[0].r, 0);
        cr_assert_eq(settlers[1].r, 0);
        now = must_get_run(store, parked.id);
        cr_assert_eq(now.open_calls, 0);
        cr_assert_eq(now.status, RUN_QUEUED);
        must_claim(store, must_worker(store), parked.id);
    }
    pg_close(pg);
}

Test(waits, that_are_settled_from_two_sides_at_once_end_once)
{
    with_store(race);
}

static void expires(struct store *store)
{
    struct run client = must_park(store, "c", NULL);
    struct run timed = must_park(store, "t", NULL);
    struct reaper_report report;
    struct run run;

    sql_do("UPDATE runs SET expires_at = now() - interval '1 s'");
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.expired, 2);
    run = must_get_run(store, client.id);
    cr_assert_eq(run.status, RUN_EXPIRED);
    cr_assert(text_is(run.last_error,
                      "{\"code\": \"wait_expired\", \"message\": \"The run expired while it waited"
                      " for the outputs of its tool calls.\"}"),
              "%.*s", TEXT_ARGS(run.last_error));
    run = must_get_run(store, timed.id);
    cr_assert(text_is(run.last_error,
                      "{\"code\": \"wait_expired\", \"message\": \"The run expired while it "
                      "waited.\"}"));
    cr_assert_str_eq(calls_of(store, client.id), "c cancelled");
}

Test(waits, end_with_the_run_s_expiry_which_says_so)
{
    with_store(expires);
}

static void redriven(struct store *store)
{
    struct run parked = must_park(store, "c", "t");
    int64_t worker = must_worker(store);
    struct run_progress progress;
    struct reaper_report report;
    struct uuid active;
    struct run run;

    GIVES(RUN_UNFIT, runs_redrive(store, any, parked.id, 60000, &run, &active, &test_err));
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s'");
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    MUST(runs_redrive(store, any, parked.id, 60000, &run, &active, &test_err));
    cr_assert_eq(run.open_calls, 0);
    cr_assert_null(run.last_error.ptr);
    must_claim(store, worker, parked.id);
    MUST(run_leases_progress(store->pg, store->arena, parked.id, INT64_MAX, &progress, &test_err));
    cr_assert_eq(progress.call_count, 2);
    cr_assert_eq(progress.calls[0].state, CALL_CANCELLED);
    cr_assert_eq(progress.calls[0].due_in_ms, CALL_NEVER_DUE);
    cr_assert(progress.calls[1].due_in_ms > 3500000 && progress.calls[1].due_in_ms <= 3600000,
              "what is left of the time");
}

Test(waits, of_a_run_that_expired_are_known_when_it_is_redriven)
{
    with_store(redriven);
}

static void deleted(struct store *store)
{
    struct run parked = must_park(store, "c", "s");

    MUST(threads_delete(store, parked.thread_id, NULL, &test_err));
    cr_assert_eq(must_sweep(store), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls"), 0);
}

Test(waits, go_with_their_thread)
{
    with_store(deleted);
}

/* A run that somebody else is at is left for the next sweep, and does not hold up the others. */
static void skips(struct store *store)
{
    struct run runs[2] = {must_park(store, "s", NULL), must_park(store, "s", NULL)};
    struct pg *pg = another_pg();
    struct lock_holder holder;

    lock_rows(&holder, pg, "SELECT 1 FROM runs ORDER BY id LIMIT 1 FOR UPDATE", 300);
    cr_assert_eq(must_sweep(store), 1);
    fiber_join(holder.fiber);
    cr_assert_eq(must_sweep(store), 1);
    for (int i = 0; i < 2; i++)
        cr_assert_str_eq(calls_of(store, runs[i].id), "s done");
    pg_close(pg);
}

Test(waits, are_swept_without_waiting_for_anybody)
{
    with_store(skips);
}
