/* The rows of a write, without a database. */

#include <criterion/criterion.h>

#include <string.h>

#include "worker/run/record/changes.h"
#include "worker/run/record/shapes.h"

static struct arena arena;
static struct ledger_call calls[3];
static struct ledger ledger;

static const struct reply_origin origin = {.id = {{7}}, .tried = TEXT("[]"), .left_out = 3};
static const struct model_usage used = {.calls = 1, .used = {.prompt_tokens = 7}};

static const struct changes_base base = {
    .usage = &used, .usage_count = 1, .errors = -1, .next_message_seq = 5, .next_step_seq = 2};

static void begin(void)
{
    arena_init(&arena, 0);
    calls[0] = (struct ledger_call){.call_id = TEXT("a"),
                                    .name = TEXT("f"),
                                    .arguments = TEXT("{\"q\":\"\xc3\xa9\"}"),
                                    .key = TEXT("k:1"),
                                    .call_no = 1,
                                    .class = CALL_IDEMPOTENT,
                                    .state = CALL_DONE,
                                    .result = TEXT("say \"hi\"\n"),
                                    .report = {.made = true, .took_ms = 12, .tries = 1}};
    calls[1] = (struct ledger_call){.call_id = TEXT("b"),
                                    .name = TEXT("g"),
                                    .arguments = TEXT(""),
                                    .key = TEXT("k:2"),
                                    .call_no = 2,
                                    .class = CALL_ONCE,
                                    .state = CALL_UNKNOWN,
                                    .result = TEXT("?"),
                                    .is_error = true};
    calls[2] = (struct ledger_call){.call_id = TEXT("c"),
                                    .name = TEXT("h"),
                                    .arguments = TEXT("{}"),
                                    .key = TEXT("k:3"),
                                    .call_no = 3,
                                    .class = CALL_PURE,
                                    .state = CALL_OPEN,
                                    .kind = WAIT_CLIENT,
                                    .due_in_ms = CALL_NEVER_DUE};
    ledger = (struct ledger){.arena = &arena, .calls = calls, .count = 3};
}

static void end(void)
{
    arena_deinit(&arena);
}

#define EXPECT(text, expected) cr_assert(text_is(text, expected), "%.*s", TEXT_ARGS(text))

static void expect_shape(struct buf *out, const char *expected)
{
    cr_assert_str_eq(buf_string(out), expected);
    buf_reset(out);
}

Test(shapes, are_the_json_that_is_stored_and_shown, .init = begin, .fini = end)
{
    const struct chat_tool_call said[] = {
        {.id = TEXT("a"), .name = TEXT("f"), .arguments = TEXT("{}")},
        {.id = TEXT("b"), .name = TEXT(""), .arguments = TEXT("")}};
    const struct chat_usage usage = {.input_tokens = 7,
                                     .output_tokens = 3,
                                     .cached_input_tokens = 4,
                                     .cache_write_tokens = 2,
                                     .reasoning_tokens = 1};
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    shape_content(&out, TEXT("a\"b"), false);
    expect_shape(&out, "[{\"type\":\"text\",\"text\":{\"value\":\"a\\\"b\",\"annotations\":[]}}]");
    shape_content(&out, TEXT("no"), true);
    expect_shape(&out, "[{\"type\":\"refusal\",\"refusal\":\"no\"}]");
    shape_usage(&out, &usage);
    expect_shape(&out, "{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10,"
                       "\"prompt_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":2},"
                       "\"completion_tokens_details\":{\"reasoning_tokens\":1}}");
    shape_message_calls(&out, said, 2);
    expect_shape(&out, "[{\"id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\"},"
                       "{\"id\":\"b\",\"name\":\"\",\"arguments\":\"\"}]");
    shape_step_calls(&out, calls, 3);
    expect_shape(&out,
                 "[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
                 "\"{\\\"q\\\":\\\"\xc3\xa9\\\"}\",\"output\":\"say \\\"hi\\\"\\n\"},"
                 "\"is_error\":false,\"duration_ms\":12,\"tries\":1,\"bytes\":9,"
                 "\"is_cut\":false},"
                 "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":"
                 "\"\",\"output\":\"?\"},\"status\":\"unknown\",\"is_error\":true},"
                 "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"h\",\"arguments\":"
                 "\"{}\",\"output\":null}}]");
    cr_assert(shape_required_action(&out, calls, 3, NULL));
    expect_shape(&out, "{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{\"tool_calls\":"
                       "[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"h\","
                       "\"arguments\":\"{}\"}}]}}");
}

Test(shapes, ask_nothing_of_the_client_when_another_settles_the_call, .init = begin, .fini = end)
{
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    calls[2].kind = WAIT_TIME;
    cr_assert_not(shape_required_action(&out, calls, 3, NULL));
}

Test(changes, of_a_reply_are_a_message_and_the_step_of_its_calls, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);
    struct chat_reply reply = {.text = TEXT_NONE};
    const struct run_step_write *step =
        changes_add_reply(changes, &reply, &origin, &ledger, STEP_IN_PROGRESS);

    cr_assert_eq(changes->rows.message_count, 1);
    cr_assert(changes->rows.messages[0].hidden);
    EXPECT(changes->rows.messages[0].content, "[]");
    EXPECT(changes->rows.messages[0].tool_calls, "[]");
    cr_assert_eq(changes->rows.messages[0].seq, 5);
    cr_assert_eq(changes->rows.step_count, 1);
    cr_assert_eq(step->seq, 2);
    cr_assert_eq(step->type, STEP_TOOL_CALLS);
    cr_assert_eq(changes_next_message_seq(changes), 6);
    cr_assert_eq(changes_next_step_seq(changes), 3);
    cr_assert_eq(changes->rows.usage, &used);
    cr_assert_eq(changes->rows.usage_count, 1);
    cr_assert_eq(changes->rows.errors, -1);
    cr_assert_not(changes->failed);
}

Test(changes, of_a_reply_that_also_speaks_have_a_step_for_each, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);
    struct chat_reply reply = {.text = TEXT("Let me see.")};

    cr_assert_eq(changes_add_reply(changes, &reply, &origin, &ledger, STEP_IN_PROGRESS)->seq, 3);
    cr_assert_not(changes->rows.messages[0].hidden);
    cr_assert_eq(changes->rows.step_count, 2);
    cr_assert(uuid_equal(changes->rows.steps[0].message_id, changes->rows.messages[0].id));
    cr_assert_eq(changes_next_step_seq(changes), 4);
}

/* What a model thought stands with the first step of its reply. */
static void check_thought(const struct chat_reply *reply, bool answers, size_t steps)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);

    if (answers)
        (void)changes_add_answer(changes, reply, &origin);
    else
        (void)changes_add_reply(changes, reply, &origin, &ledger, STEP_IN_PROGRESS);
    cr_assert_eq(changes->rows.step_count, steps);
    EXPECT(changes->rows.steps[0].reasoning, "Hm.");
    if (steps > 1)
        cr_assert_null(changes->rows.steps[1].reasoning.ptr);
    cr_assert_null(changes->rows.messages[0].opaque.ptr, "it goes to no provider");
}

Test(changes, of_a_reply_have_what_was_thought_with_their_first_step, .init = begin, .fini = end)
{
    struct chat_reply silent = {.reasoning = TEXT("Hm.")};
    struct chat_reply speaks = {.text = TEXT("Let me see."), .reasoning = TEXT("Hm.")};

    check_thought(&silent, false, 1);
    check_thought(&speaks, false, 2);
    check_thought(&speaks, true, 1);
}

Test(changes, tell_the_results_that_are_there, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 3);

    changes_add_calls(changes, &ledger, false);
    changes_add_results(changes, &ledger);
    cr_assert_eq(changes->rows.call_count, 3);
    EXPECT(changes->rows.calls[0].idempotency_key, "k:1");
    cr_assert_null(changes->rows.calls[2].result.ptr);
    cr_assert_eq(changes->rows.calls[2].kind, WAIT_CLIENT);
    cr_assert_eq(changes->rows.message_count, 2);
    EXPECT(changes->rows.messages[1].tool_call_id, "b");
    cr_assert_eq(changes_next_message_seq(changes), 7);
}

Test(changes, may_be_of_results_alone_that_are_not_recorded, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);

    changes_add_calls(changes, &ledger, true);
    cr_assert_eq(changes->rows.call_count, 1);
    cr_assert_eq(changes->rows.calls[0].call_no, 1);
}

Test(changes, leave_out_calls_that_are_recorded_with_their_results, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 3);

    calls[0].recorded = true;
    changes_add_calls(changes, &ledger, false);
    changes_add_results(changes, &ledger);
    cr_assert_eq(changes->rows.call_count, 2);
    cr_assert_eq(changes->rows.calls[0].call_no, 2);
    cr_assert_eq(changes->rows.calls[1].call_no, 3);
    cr_assert_eq(changes->rows.message_count, 2, "their results are told all the same");
}

Test(changes, of_an_answer_are_a_message_and_its_step, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);
    struct chat_reply reply = {.text = TEXT("so"), .finish = CHAT_FINISH_STOP};
    struct uuid id = changes_add_answer(changes, &reply, &origin);

    cr_assert(uuid_equal(id, changes->rows.messages[0].id));
    cr_assert(strstr(changes->rows.messages[0].content.ptr, "\"value\":\"so\""));
    cr_assert_eq(changes->rows.steps[0].type, STEP_MESSAGE_CREATION);
}

Test(changes, that_do_not_fit_are_failed, .init = begin, .fini = end)
{
    CLEANUP(changes_freep) struct changes *changes = changes_new(&base, 0);
    struct chat_reply reply = {.finish = CHAT_FINISH_STOP};
    size_t len = (size_t)17 << 20; /* JSON is built in 16 MiB at most */
    char *text = arena_alloc(&arena, len);

    memset(text, 'x', len);
    reply.text = (struct text){text, len};
    cr_assert(uuid_is_zero(changes_add_answer(changes, &reply, &origin)));
    cr_assert(changes->failed);
}
