/* Tests of where a thread ends, and of what nobody has answered there. */

#include "fixture.h"

#include "shared/store/threads/tips.h"

static const struct uuid any = {{0}};

static struct message_draft result_of(const char *call)
{
    return (struct message_draft){.id = uuid_new(),
                                  .role = MESSAGE_TOOL,
                                  .hidden = true,
                                  .content = TEXT("[]"),
                                  .tool_call_id = text_of(call)};
}

/* A run on the thread that brings these, calls `calls` (JSON), and ends. */
static struct uuid must_call(struct store *store, struct uuid thread,
                             const struct message_draft *drafts, size_t count, const char *calls,
                             enum run_status status)
{
    struct run_draft draft = run_of(thread, any);
    struct run_message messages[2] = {{.id = uuid_new(),
                                       .seq = 1,
                                       .role = MESSAGE_ASSISTANT,
                                       .hidden = calls,
                                       .content = TEXT("[]"),
                                       .tool_calls = calls ? text_of(calls) : TEXT_NONE},
                                      {.id = uuid_new(),
                                       .seq = 2,
                                       .role = MESSAGE_TOOL,
                                       .hidden = true,
                                       .content = TEXT("[]"),
                                       .tool_call_id = TEXT("ours")}};
    struct run_changes changes = {.messages = messages, .message_count = calls ? 2 : 1};
    struct run_ending ending = {.status = status};
    struct run_claim claim;
    struct run run;

    draft.messages = drafts;
    draft.message_count = count;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    claim = must_claim(store, must_worker(store), run.id);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
    return run.id;
}

#define CALL(id) "{\"id\": \"" id "\", \"name\": \"f\", \"arguments\": \"{}\"}"

static struct thread_tip must_tip(struct store *store, struct uuid thread, struct uuid run)
{
    struct thread_tip tip;

    MUST(threads_tip(store, thread, run, &tip, &test_err));
    return tip;
}

static void unanswered(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft said = user_message("[]");
    struct message_draft late[2] = {user_message("[]"), result_of("b")};
    struct message_draft rest = result_of("a");
    struct thread_tip tip = must_tip(store, thread, any);
    struct uuid first;
    struct uuid second;
    int64_t end;

    cr_assert(tip.position == 0 && tip.is_newest && tip.call_count == 0);
    first = must_call(store, thread, &said, 1, "[" CALL("a") "," CALL("ours") "," CALL("b") "]",
                      RUN_COMPLETED);
    tip = must_tip(store, thread, any);
    end = tip.position;
    cr_assert(end > 0 && uuid_is_zero(tip.active_run));
    cr_assert_eq(tip.call_count, 2);
    cr_assert(text_is(tip.calls[0], "a") && text_is(tip.calls[1], "b"));
    tip = must_tip(store, thread, first);
    cr_assert(tip.position == end && tip.is_newest && tip.call_count == 2);

    /* One is answered by what a later run brings, whose model calls again. */
    second = must_call(store, thread, late, 2, "[" CALL("c") "," CALL("ours") "]", RUN_COMPLETED);
    tip = must_tip(store, thread, any);
    cr_assert_eq(tip.call_count, 2);
    cr_assert(text_is(tip.calls[0], "a") && text_is(tip.calls[1], "c"));
    tip = must_tip(store, thread, second);
    cr_assert(tip.call_count == 1 && tip.is_newest && text_is(tip.calls[0], "c"));
    tip = must_tip(store, thread, first); /* is what it was */
    cr_assert(tip.position == end && !tip.is_newest && tip.call_count == 2);

    /* Behind an answer nobody asks for what came before. */
    (void)must_call(store, thread, &rest, 1, NULL, RUN_COMPLETED);
    cr_assert_eq(must_tip(store, thread, any).call_count, 0);
    GIVES(RUN_MISSING, threads_tip(store, must_thread(store), first, &tip, &test_err));
    GIVES(THREAD_MISSING, threads_tip(store, uuid_new(), any, &tip, &test_err));
}

Test(tips, tell_which_calls_nobody_has_answered)
{
    with_store(unanswered);
}

/* Those of a run that failed are answered to the model by the worker. */
static void of_other_ends(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft brought = {.id = uuid_new(),
                                    .role = MESSAGE_ASSISTANT,
                                    .hidden = true,
                                    .content = TEXT("[]"),
                                    .tool_calls = TEXT("[" CALL("x") "]")};
    struct uuid failed = must_call(store, thread, NULL, 0, "[" CALL("a") "]", RUN_FAILED);
    struct run_draft idle = run_of(thread, any);
    struct thread_tip tip = must_tip(store, thread, failed);
    int64_t end = tip.position;
    struct message out;
    struct run run;

    cr_assert(end > 0 && tip.call_count == 0);
    MUST(runs_create(store, &idle, &run, NULL, &test_err)); /* neither brings nor writes */
    tip = must_tip(store, thread, any);
    cr_assert(uuid_equal(tip.active_run, run.id));
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    MUST(messages_add(store, thread, &brought, 1, TEXT_NONE, &out, NULL, &test_err));
    tip = must_tip(store, thread, run.id);
    cr_assert(tip.position == end && !tip.is_newest);
    tip = must_tip(store, thread, any);
    cr_assert(tip.position == out.position && tip.call_count == 1 && text_is(tip.calls[0], "x"));
}

Test(tips, ask_for_no_results_of_a_run_that_failed)
{
    with_store(of_other_ends);
}
