/* Tests of what a worker does with runs: claim, checkpoint, finish, hand back. */

#include "fixture.h"

static const struct uuid any = {{0}};

static void claims(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run runs[3] = {must_run(store), must_run(store), must_run(store)};
    struct uuid hints[5] = {runs[0].id, runs[1].id, runs[1].id, runs[2].id, uuid_new()};
    struct run_claim_list list;
    struct run run;

    MUST(runs_cancel(store, any, runs[2].id, &run, &test_err));
    MUST(run_leases_claim(store->pg, store->arena, worker, hints, 5, &list, &test_err));
    cr_assert_eq(list.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct run_claim *claim = &list.items[i];

        cr_assert(uuid_equal(claim->lease.run, runs[i].id));
        cr_assert_eq(claim->lease.owner, worker);
        cr_assert_eq(claim->lease.fence, 1);
        cr_assert_eq(claim->lease.step, 0);
        cr_assert(uuid_equal(claim->tenant_id, store->tenant));
        cr_assert(uuid_equal(claim->thread_id, runs[i].thread_id));
        cr_assert(text_is(claim->spec, "{\"model\": \"m\"}"));
        cr_assert(claim->started_at > 0);
        cr_assert(claim->expires_in_ms > 500000 && claim->expires_in_ms <= 600000);
    }
    check_run(store, runs[0].id, RUN_IN_PROGRESS);
    MUST(run_leases_claim(store->pg, store->arena, worker, hints, 5, &list, &test_err));
    cr_assert_eq(list.count, 0);
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert_eq(list.items[0].lease.fence, 1);
    MUST(run_leases_claim(store->pg, store->arena, worker, NULL, 0, &list, &test_err));
    cr_assert_eq(list.count, 0);
    GIVES(-E_LIMIT, run_leases_claim(store->pg, store->arena, worker, hints, CLAIM_BATCH_MAX + 1,
                                     &list, &test_err));
}

Test(run_leases, are_claimed_in_batches_and_only_once)
{
    with_store(claims);
}

static size_t try_claim(const struct store *store, int64_t worker, struct uuid run)
{
    struct run_claim_list list;

    MUST(run_leases_claim(store->pg, store->arena, worker, &run, 1, &list, &test_err));
    return list.count;
}

static void refuses_claims(struct store *store)
{
    struct run_draft later = run_of(must_thread(store), must_agent(store));
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run delayed;

    later.delay_ms = 60000;
    MUST(runs_create(store, &later, &delayed, NULL, &test_err));
    cr_assert_eq(try_claim(store, worker, delayed.id), 0);
    cr_assert_eq(try_claim(store, workers_new_id(), run.id), 0);
    MUST(workers_drain(store->pg, worker, &test_err));
    cr_assert_eq(try_claim(store, worker, run.id), 0);
    sql_do("UPDATE workers SET state = 'dead'");
    cr_assert_eq(try_claim(store, worker, run.id), 0);
    GIVES(WORKER_DEAD, workers_drain(store->pg, worker, &test_err));
    sql_do("UPDATE workers SET state = 'up', lease_until = now() - interval '1 ms'");
    cr_assert_eq(try_claim(store, worker, run.id), 0);
    sql_do("UPDATE workers SET lease_until = now() + interval '1 min'");
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = '%s'", show(run.id));
    cr_assert_eq(try_claim(store, worker, run.id), 0);
    sql_do("UPDATE runs SET expires_at = now() + interval '1 h', due_at = now()");
    cr_assert_eq(try_claim(store, worker, run.id), 1);
    cr_assert_eq(try_claim(store, worker, delayed.id), 1);
}

Test(run_leases, are_given_only_for_due_runs_and_to_workers_that_are_up)
{
    with_store(refuses_claims);
}

static void refuses_claims_by_state(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);

    for (unsigned from = 0; from < RUN_STATUS_COUNT; from++) {
        enum run_status status = (enum run_status)from;

        sql_do("UPDATE runs SET status = '%s', owner = NULL", run_status_name(status));
        cr_assert_eq(try_claim(store, worker, run.id),
                     run_transition_allowed(status, RUN_IN_PROGRESS) ? 1 : 0);
    }
}

Test(run_leases, are_claimed_by_allowed_moves_only)
{
    with_store(refuses_claims_by_state);
}

/* A call, the message that asks for it, and its step. */
struct parts {
    struct run_message message;
    struct run_call call;
    struct run_step_write step;
    struct run_changes changes;
};

static const struct model_usage ten_and_three = {
    .provider = TEXT("p"), .model = TEXT("m"), .calls = 1, .used = {10, 3, 0, 0, 0, 0}};

static void parts_init(struct parts *parts, int64_t number)
{
    parts->message = (struct run_message){
        .id = uuid_new(), .seq = number, .role = MESSAGE_ASSISTANT, .content = TEXT("[\"x\"]")};
    parts->call = (struct run_call){.call_no = number,
                                    .call_id = TEXT("call_\"1\""),
                                    .name = TEXT("f"),
                                    .arguments = TEXT("{\"a\":\n1}"),
                                    .class = CALL_ONCE,
                                    .state = CALL_INTENT,
                                    .idempotency_key = TEXT("r:1")};
    parts->step = (struct run_step_write){.id = uuid_new(),
                                          .seq = number,
                                          .type = STEP_TOOL_CALLS,
                                          .status = STEP_IN_PROGRESS,
                                          .tool_calls = TEXT("[{\"id\": 1}]"),
                                          .model = TEXT("p/m"),
                                          .cost_micros = 5};
    parts->changes = (struct run_changes){.usage = &ten_and_three,
                                          .usage_count = 1,
                                          .messages = &parts->message,
                                          .message_count = 1,
                                          .calls = &parts->call,
                                          .call_count = 1,
                                          .steps = &parts->step,
                                          .step_count = 1};
}

/* Four with specs of 6 MB: the third begins below the bound of 16 MiB, the fourth does not. */
static void bounded(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run_claim_list list;
    struct uuid runs[4];

    for (int i = 0; i < 4; i++)
        runs[i] = must_run(store).id;
    sql_do("UPDATE runs SET spec_bytes = NULL,"
           " spec = json_build_object('model', 'm', 'x', repeat('spec', 1500000))");
    MUST(run_leases_claim(store->pg, store->arena, worker, runs, 4, &list, &test_err));
    cr_assert_eq(list.count, 3);
    MUST(run_leases_claim(store->pg, store->arena, worker, runs, 4, &list, &test_err));
    cr_assert_eq(list.count, 1);
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, &list, &test_err));
    cr_assert_eq(list.count, 3);
    MUST(run_leases_held(store->pg, store->arena, worker, runs, 3, &list, &test_err));
    cr_assert_eq(list.count, 1, "those that are known are left out");
    cr_assert(uuid_equal(list.items[0].lease.run, runs[3]));
}

Test(run_leases, are_claimed_and_found_as_far_as_their_specs_fit)
{
    with_store(bounded);
}

/* A spec of 400,000 letters that are all the same takes 1,600 bytes on disk. */
static void bounded_though_compressed(struct store *store)
{
    enum { RUNS = 50, SPEC_BYTES = 400000, FIT = CLAIM_SPEC_BYTES / SPEC_BYTES + 1 };
    int64_t worker = must_worker(store);
    struct run_claim_list list;
    struct uuid runs[RUNS];

    for (int i = 0; i < RUNS; i++)
        runs[i] = must_large_run(store, SPEC_BYTES).id;
    MUST(run_leases_claim(store->pg, store->arena, worker, runs, RUNS, &list, &test_err));
    cr_assert_eq(list.count, FIT);
    MUST(run_leases_claim(store->pg, store->arena, worker, runs, RUNS, &list, &test_err));
    cr_assert_eq(list.count, RUNS - FIT);
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, &list, &test_err));
    cr_assert_eq(list.count, FIT);
}

Test(run_leases, are_claimed_by_what_their_specs_take_in_memory_and_not_on_disk)
{
    with_store(bounded_though_compressed);
}

static void sized(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_progress progress;
    struct parts parts;
    int64_t bytes;

    parts_init(&parts, 1);
    parts.call.state = CALL_DONE;
    parts.call.result = TEXT("0123456789");
    bytes = (int64_t)parts.call.arguments.len + 10;
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &parts.changes, &test_err));
    GIVES(PROGRESS_LARGE,
          run_leases_progress(store->pg, store->arena, run.id, bytes - 1, &progress, &test_err));
    cr_assert_eq(progress.call_bytes, bytes);
    cr_assert_eq(progress.next_message_seq, 2);
    cr_assert_eq(progress.call_count, 1);
    cr_assert_null(progress.calls[0].result.ptr);
    cr_assert_eq(progress.calls[0].arguments.len, 0);
    MUST(run_leases_progress(store->pg, store->arena, run.id, bytes, &progress, &test_err));
    cr_assert(text_is(progress.calls[0].result, "0123456789"));
}

Test(run_leases, tell_the_size_of_open_calls_before_they_are_read)
{
    with_store(sized);
}

static void writes(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_progress progress;
    struct step_thoughts thoughts;
    struct run_step_list steps;
    struct page page = {.limit = 10};
    struct parts parts;

    parts_init(&parts, 1);
    parts.step.reasoning = TEXT("H\xc3\xb6m.\n\"Now\"");
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &parts.changes, &test_err));
    cr_assert_eq(claim.lease.step, 1);
    MUST(run_leases_progress(store->pg, store->arena, run.id, INT64_MAX, &progress, &test_err));
    cr_assert_eq(progress.next_message_seq, 2);
    cr_assert_eq(progress.next_step_seq, 2);
    cr_assert_eq(progress.next_call_no, 2);
    cr_assert(uuid_equal(progress.open_step, parts.step.id));
    cr_assert_eq(progress.call_count, 1);
    cr_assert(text_is(progress.calls[0].call_id, "call_\"1\""));
    cr_assert(text_is(progress.calls[0].arguments, "{\"a\":\n1}"));
    cr_assert_eq(progress.calls[0].class, CALL_ONCE);
    cr_assert_eq(progress.calls[0].state, CALL_INTENT);
    cr_assert_null(progress.calls[0].result.ptr);

    parts.message = (struct run_message){.id = uuid_new(),
                                         .seq = 2,
                                         .role = MESSAGE_TOOL,
                                         .hidden = true,
                                         .content = TEXT("[]"),
                                         .tool_call_id = parts.call.call_id};
    parts.call.state = CALL_DONE;
    parts.call.result = TEXT("42");
    parts.call.is_error = true;
    parts.step.status = STEP_COMPLETED;
    parts.step.tool_calls = parts.step.reasoning = TEXT_NONE;
    parts.step.usage = TEXT("{\"n\": 1}");
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &parts.changes, &test_err));
    MUST(run_leases_progress(store->pg, store->arena, run.id, INT64_MAX, &progress, &test_err));
    cr_assert_eq(progress.next_message_seq, 3);
    cr_assert_eq(progress.next_step_seq, 2);
    cr_assert(uuid_is_zero(progress.open_step));
    cr_assert_eq(progress.call_count, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE state = 'done' AND result = '42'"
                         " AND is_error"),
                 1);
    MUST(run_steps_list(store, run.id, &page, &steps, &test_err));
    cr_assert_eq(steps.count, 1);
    cr_assert_eq(steps.items[0].status, STEP_COMPLETED);
    cr_assert(steps.items[0].ended_at > 0);
    cr_assert(text_is(steps.items[0].tool_calls, "[{\"id\": 1}]"));
    cr_assert(text_is(steps.items[0].usage, "{\"n\": 1}"));
    cr_assert(text_is(steps.items[0].reasoning, "H\xc3\xb6m.\n\"Now\""));
    MUST(run_steps_thoughts(store, &run.id, 1, 12, &thoughts, &test_err));
    cr_assert_eq(thoughts.count, 1);
    cr_assert(uuid_equal(thoughts.items[0].step, steps.items[0].id));
    cr_assert(text_is(thoughts.items[0].text, "H\xc3\xb6m.\n\"Now\""));
    MUST(run_steps_thoughts(store, &run.id, 1, 10, &thoughts, &test_err));
    cr_assert_eq(thoughts.count, 0, "it is longer than that");
    run = must_get_run(store, run.id);
    cr_assert_eq(run.used.prompt_tokens, 20);
    cr_assert_eq(run.used.completion_tokens, 6);
    cr_assert_eq(run.step, 2);
    check_run(store, run.id, RUN_IN_PROGRESS);
}

Test(run_leases, write_messages_calls_steps_and_usage_at_a_checkpoint)
{
    with_store(writes);
}

static void recognises(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct run_lease before = claim.lease;
    struct parts parts;

    parts_init(&parts, 1);
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &parts.changes, &test_err));
    MUST(run_leases_checkpoint(writer_of(store->pg), &before, &parts.changes, &test_err));
    cr_assert_eq(before.step, 1);
    cr_assert_eq(must_get_run(store, run.id).step, 1);
    cr_assert_eq(must_get_run(store, run.id).used.prompt_tokens, 10);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);

    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
    MUST(run_leases_finish(writer_of(store->pg), &before, NULL, &ending, &test_err));
    ending.status = RUN_FAILED;
    before.step = 1;
    GIVES(LEASE_FENCED, run_leases_finish(writer_of(store->pg), &before, NULL, &ending, &test_err));
    check_run(store, run.id, RUN_COMPLETED);
}

Test(run_leases, recognise_a_write_that_was_applied_before)
{
    with_store(recognises);
}

/* Every kind of write with this lease gives `want`, and nothing changes. */
static void check_fenced(const struct store *store, struct run_lease lease, int want)
{
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct run_return how = {.delay_ms = 1};
    const char *state = "SELECT string_agg(r::text, '') FROM runs r";
    const char *before = sql_string(store, "%s", state);
    struct run_lease used;
    struct parts parts;

    parts_init(&parts, 7);
    used = lease;
    GIVES(want, run_leases_checkpoint(writer_of(store->pg), &used, &parts.changes, &test_err));
    GIVES(want, run_leases_finish(writer_of(store->pg), &used, &parts.changes, &ending, &test_err));
    GIVES(want, run_leases_hand_back(writer_of(store->pg), &used, &parts.changes, &how, &test_err));
    cr_assert_eq(used.step, lease.step);
    cr_assert_str_eq(sql_string(store, "%s", state), before);
    cr_assert_eq(sql_int("SELECT (SELECT count(*) FROM messages WHERE seq = 7)"
                         " + (SELECT count(*) FROM tool_calls WHERE call_no = 7)"
                         " + (SELECT count(*) FROM run_steps WHERE seq = 7)"),
                 0);
}

static void fences(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_changes none = {0};
    struct run_lease wrong;

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &none, &test_err));
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &none, &test_err));
    wrong = claim.lease;
    wrong.owner = must_worker(store);
    check_fenced(store, wrong, LEASE_FENCED);
    wrong = claim.lease;
    wrong.fence--;
    check_fenced(store, wrong, LEASE_FENCED);
    wrong = claim.lease;
    wrong.fence++;
    check_fenced(store, wrong, LEASE_FENCED);
    wrong = claim.lease;
    wrong.step -= 2;
    check_fenced(store, wrong, LEASE_FENCED);
    wrong = claim.lease;
    wrong.step++;
    check_fenced(store, wrong, LEASE_FENCED);
    wrong = claim.lease;
    wrong.run = uuid_new();
    check_fenced(store, wrong, LEASE_FENCED);
    sql_do("UPDATE runs SET status = 'cancelling'");
    check_fenced(store, claim.lease, LEASE_CANCELLING);
    sql_do("UPDATE runs SET status = 'cancelled'");
    check_fenced(store, claim.lease, LEASE_FENCED);
    sql_do("UPDATE runs SET status = 'requires_action'");
    check_fenced(store, claim.lease, LEASE_FENCED);
}

Test(run_leases, that_are_stale_write_nothing)
{
    with_store(fences);
}

static void finishes(struct store *store)
{
    static const enum run_status ends[] = {RUN_COMPLETED, RUN_FAILED, RUN_INCOMPLETE, RUN_EXPIRED};
    int64_t worker = must_worker(store);

    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        struct run run = must_run(store);
        struct run_claim claim = must_claim(store, worker, run.id);
        struct run_ending ending = {.status = ends[i], .result_message = uuid_new()};
        struct run_step_list steps;
        struct page page = {.limit = 10, .ascending = true};
        struct parts parts;

        parts_init(&parts, 1);
        MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &parts.changes, &test_err));
        parts.changes.calls = NULL;
        parts.changes.call_count = 0;
        parts.message = (struct run_message){.id = ending.result_message,
                                             .seq = 2,
                                             .role = MESSAGE_ASSISTANT,
                                             .content = TEXT("[\"answer\"]")};
        parts.step = (struct run_step_write){.id = uuid_new(),
                                             .seq = 2,
                                             .type = STEP_MESSAGE_CREATION,
                                             .status = STEP_COMPLETED,
                                             .message_id = ending.result_message};
        if (ends[i] == RUN_FAILED) {
            ending.error_code = TEXT("server_error");
            ending.error_message = TEXT("it \"broke\"");
        }
        if (ends[i] == RUN_INCOMPLETE)
            ending.incomplete_reason = TEXT("max_completion_tokens");
        MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &parts.changes, &ending,
                               &test_err));
        check_run(store, run.id, ends[i]);
        run = must_get_run(store, run.id);
        cr_assert(uuid_equal(run.result_message, ending.result_message));
        cr_assert_eq(run.completed_at > 0, ends[i] == RUN_COMPLETED || ends[i] == RUN_INCOMPLETE);
        cr_assert_eq(run.failed_at > 0, ends[i] == RUN_FAILED);
        cr_assert_eq(run.cancelled_at, 0);
        cr_assert_eq(run.last_error.ptr != NULL, ends[i] == RUN_FAILED);
        if (ends[i] == RUN_FAILED)
            cr_assert(text_is(run.last_error,
                              "{\"code\": \"server_error\", \"message\": \"it \\\"broke\\\"\"}"));
        cr_assert_eq(run.incomplete_reason.ptr != NULL, ends[i] == RUN_INCOMPLETE);
        MUST(run_steps_list(store, run.id, &page, &steps, &test_err));
        cr_assert_eq(steps.count, 2);
        cr_assert_eq(steps.items[0].status, ends[i] == RUN_COMPLETED ? STEP_IN_PROGRESS
                                            : ends[i] == RUN_EXPIRED ? STEP_EXPIRED
                                                                     : STEP_FAILED);
        cr_assert_eq(steps.items[1].status, STEP_COMPLETED);
        check_fenced(store, claim.lease, LEASE_FENCED);
    }
}

Test(run_leases, end_runs_with_their_last_message_and_release_the_thread)
{
    with_store(finishes);
}

static void hands_back(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_lease before = claim.lease;
    struct run_return how = {.delay_ms = 60000};
    struct parts parts;

    parts_init(&parts, 1);
    parts.changes.errors = 1;
    MUST(run_leases_hand_back(writer_of(store->pg), &claim.lease, &parts.changes, &how, &test_err));
    MUST(run_leases_hand_back(writer_of(store->pg), &before, &parts.changes, &how, &test_err));
    check_run(store, run.id, RUN_QUEUED);
    run = must_get_run(store, run.id);
    cr_assert_eq(run.errors, 1);
    cr_assert_eq(run.crashes, 0);
    cr_assert_eq(run.owner, 0);
    cr_assert_eq(run.used.prompt_tokens, 10);
    cr_assert_eq(try_claim(store, worker, run.id), 0);
    sql_do("UPDATE runs SET due_at = '2026-01-01'");
    claim = must_claim(store, worker, run.id);
    cr_assert_eq(claim.lease.fence, 2);
    cr_assert_eq(claim.lease.step, 1);
    cr_assert_eq(claim.errors, 1);
    before.step = 0;
    GIVES(LEASE_FENCED, run_leases_hand_back(writer_of(store->pg), &before, NULL, &how, &test_err));
    how = (struct run_return){0};
    MUST(run_leases_hand_back(writer_of(store->pg), &claim.lease, NULL, &how, &test_err));
    cr_assert_eq(must_get_run(store, run.id).errors, 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE due_at = '2026-01-01'"), 1,
                 "without a delay it keeps its place");
    must_claim(store, worker, run.id);
}

Test(run_leases, give_runs_back_to_the_queue_with_or_without_an_error_counted)
{
    with_store(hands_back);
}

static void must_call(const struct store *store, struct run_lease *lease, int64_t from,
                      const char *const names[], size_t count)
{
    struct run_call calls[8] = {0};
    struct run_changes changes = {USED(1, 1), .calls = calls, .call_count = count};

    for (size_t i = 0; i < count; i++) {
        calls[i].call_no = from + (int64_t)i;
        calls[i].call_id = TEXT("c");
        calls[i].name = text_of(names[i]);
        calls[i].arguments = TEXT("{}");
        calls[i].idempotency_key = TEXT("k");
    }
    MUST(run_leases_checkpoint(writer_of(store->pg), lease, &changes, &test_err));
}

static void names_tools(struct store *store)
{
    static const char *const first[] = {"search", "add", "search", "search"};
    static const char *const later[] = {"wait", "add", "wait", "alone"};
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);

    cr_assert(!must_get_run(store, run.id).tools.ptr);
    must_call(store, &claim.lease, 1, first, 4);
    cr_assert(text_is(must_get_run(store, run.id).tools, "[\"search\",\"add\"]"));
    must_call(store, &claim.lease, 5, later, 4);
    cr_assert(
        text_is(must_get_run(store, run.id).tools, "[\"search\",\"add\",\"wait\",\"alone\"]"));
    must_call(store, &claim.lease, 5, later, 1); /* the same call once more: its state changes */
    cr_assert(
        text_is(must_get_run(store, run.id).tools, "[\"search\",\"add\",\"wait\",\"alone\"]"));
}

Test(run_leases, name_each_tool_of_a_run_once_in_the_order_of_its_first_use)
{
    with_store(names_tools);
}
