/* From stored messages to what the model sees, and the repair of unpaired tool calls. */

#include <criterion/criterion.h>

#include "providers/context/context.h"
#include "shared/base/error.h"
#include "worker/run/task/conversation.h"

#define PARTS(text)                                                                                \
    TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"" text "\",\"annotations\":[]}}]")
#define CALL(id) "{\"id\":\"" id "\",\"name\":\"calculator\",\"arguments\":\"{}\"}"

static struct uuid run_a = {{1}};
static struct uuid run_b = {{2}};
static struct arena arena;

static struct context build(struct message *items, size_t count, struct uuid pending)
{
    struct message_list history = {.items = items, .count = count};
    struct context context;
    struct error err = {0};

    arena_init(&arena, 0);
    cr_assert_eq(
        context_build(&(struct context_history){.history = &history, .pending_run = pending},
                      &arena, &context, &err),
        0, "%s", err.text);
    return context;
}

static struct message user(void)
{
    return (struct message){.role = MESSAGE_USER, .content = PARTS("hello")};
}

static struct message calls(struct uuid run, const char *json)
{
    return (struct message){.role = MESSAGE_ASSISTANT,
                            .run_id = run,
                            .content = TEXT("[]"),
                            .tool_calls = text_of(json)};
}

static struct message result(const char *id, struct text parts)
{
    return (struct message){.role = MESSAGE_TOOL, .tool_call_id = text_of(id), .content = parts};
}

Test(context, roles_and_texts_come_through)
{
    struct message items[] = {
        user(),
        calls(run_a, "[" CALL("c1") "]"),
        result("c1", PARTS("42")),
        {.role = MESSAGE_ASSISTANT, .run_id = run_a, .content = PARTS("It is 42.")},
    };
    struct context context = build(items, ARRAY_LENGTH(items), (struct uuid){{0}});

    cr_assert_eq(context.count, 4);
    cr_assert_eq(context.messages[0].role, CHAT_USER);
    cr_assert(text_is(context.messages[0].text, "hello"));
    cr_assert_eq(context.messages[0].parts_count, 0);
    cr_assert_eq(context.messages[1].tool_calls_count, 1);
    cr_assert(text_is(context.messages[1].tool_calls[0].name, "calculator"));
    cr_assert(text_is(context.messages[2].text, "42"));
    cr_assert(text_is(context.messages[2].tool_call_id, "c1"));
    cr_assert(text_is(context.messages[3].text, "It is 42."));
    arena_deinit(&arena);
}

Test(context, what_a_user_wrote_is_text_unless_it_is_more)
{
    struct message texts[] = {
        {.role = MESSAGE_USER,
         .content = TEXT("[{\"type\":\"text\",\"text\":\"a\"},"
                         "{\"type\":\"text\",\"text\":{\"value\":\"b\"}}]")},
        {.role = MESSAGE_USER, .content = TEXT("[]")},
        {.role = MESSAGE_USER,
         .content = TEXT("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\","
                         "\"image_url\":{\"url\":\"https://x/y.png\",\"detail\":\"low\"}}]")},
    };
    struct context context = build(texts, ARRAY_LENGTH(texts), (struct uuid){{0}});

    cr_assert(text_is(context.messages[0].text, "a\nb"));
    cr_assert_eq(context.messages[1].text.len + context.messages[1].parts_count, 0);
    cr_assert_eq(context.messages[2].parts_count, 2);
    cr_assert(text_is(context.messages[2].parts[0].text, "a"));
    cr_assert(text_is(context.messages[2].parts[1].url, "https://x/y.png"));
    cr_assert(text_is(context.messages[2].parts[1].detail, "low"));
    arena_deinit(&arena);
}

Test(context, a_users_message_that_can_not_be_sent_is_an_error)
{
    static const char *const wrong[] = {
        "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\",\"image_url\":{}}]",
        "[{\"type\":\"text\"}]",
        "[{\"type\":\"image_file\",\"image_file\":{}}]",
        "[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"f\"}}]",
        "{}",
        "[",
    };
    struct context context;
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct message item = {.role = MESSAGE_USER, .content = text_of(wrong[i])};
        struct message_list history = {.items = &item, .count = 1};

        arena_init(&arena, 0);
        cr_assert_eq(
            context_build(&(struct context_history){.history = &history, .pending_run = run_b},
                          &arena, &context, &err),
            -E_INVALID, "%s", wrong[i]);
        arena_deinit(&arena);
    }
    cr_assert(strstr(err.text, "a user's message"), "%s", err.text);
}

Test(context, calls_that_were_stored_as_they_were_said_are_sent_in_form)
{
    struct message items[] = {
        {.role = MESSAGE_ASSISTANT,
         .run_id = run_a,
         .content = TEXT("[]"),
         .tool_calls =
             TEXT("[{\"id\":\"a b\",\"name\":\"get weather\",\"arguments\":\"{\\\"a\\\"\"},"
                  "{\"id\":\"c\",\"name\":\"\",\"arguments\":\"\"}]")},
        {.role = MESSAGE_TOOL,
         .run_id = run_a,
         .content = TEXT("[{\"type\":\"text\",\"text\":\"x\"}]"),
         .tool_call_id = TEXT("a b")},
        {.role = MESSAGE_TOOL,
         .run_id = run_a,
         .content = TEXT("[{\"type\":\"text\",\"text\":\"y\"}]"),
         .tool_call_id = TEXT("c")},
    };
    struct context context = build(items, ARRAY_LENGTH(items), (struct uuid){{0}});
    const struct chat_tool_call *sent = context.messages[0].tool_calls;

    cr_assert_eq(context.count, 3);
    cr_assert(text_is(sent[0].name, "get_weather"));
    cr_assert(text_is(sent[0].arguments, "{}"));
    cr_assert(text_is(sent[1].name, "unnamed"));
    cr_assert(text_is(sent[1].arguments, "{}"));
    cr_assert_eq(sent[0].id.len, 37);
    cr_assert(text_equal(context.messages[1].tool_call_id, sent[0].id));
    cr_assert(text_is(context.messages[1].text, "x"));
    cr_assert(text_is(context.messages[2].tool_call_id, "c"));
    arena_deinit(&arena);
}

Test(context, a_call_without_result_is_answered_so)
{
    struct message items[] = {user(), calls(run_a, "[" CALL("c1") "," CALL("c2") "]"),
                              result("c2", PARTS("2")), user()};
    struct context context = build(items, ARRAY_LENGTH(items), run_b);

    cr_assert_eq(context.count, 5);
    cr_assert(text_is(context.messages[2].tool_call_id, "c1"));
    cr_assert(text_starts(context.messages[2].text, "This call was not completed"));
    cr_assert(text_is(context.messages[3].tool_call_id, "c2"));
    cr_assert(text_is(context.messages[3].text, "2"));
    cr_assert_eq(context.messages[4].role, CHAT_USER);
    arena_deinit(&arena);
}

Test(context, open_calls_of_the_run_itself_are_left_for_it)
{
    struct message items[] = {user(), calls(run_a, "[" CALL("c1") "]")};
    struct context context = build(items, ARRAY_LENGTH(items), run_a);

    cr_assert_eq(context.count, 2);
    cr_assert_eq(context.messages[1].tool_calls_count, 1);
    arena_deinit(&arena);
}

Test(context, results_take_the_order_of_the_calls)
{
    struct message items[] = {calls(run_a, "[" CALL("c1") "," CALL("c2") "]"),
                              result("c2", PARTS("2")), result("c1", PARTS("1"))};
    struct context context = build(items, ARRAY_LENGTH(items), run_b);

    cr_assert_eq(context.count, 3);
    cr_assert(text_is(context.messages[1].text, "1"));
    cr_assert(text_is(context.messages[2].text, "2"));
    arena_deinit(&arena);
}

Test(context, a_result_without_its_call_is_left_out)
{
    struct message items[] = {result("c9", PARTS("9")), user(), result("c8", PARTS("8")), user()};
    struct context context = build(items, ARRAY_LENGTH(items), run_b);

    cr_assert_eq(context.count, 2);
    arena_deinit(&arena);
}

Test(context, a_result_behind_a_later_message_is_put_where_it_belongs)
{
    struct message items[] = {calls(run_a, "[" CALL("c1") "]"), user(),
                              result("c1", PARTS("late"))};
    struct context context = build(items, ARRAY_LENGTH(items), run_b);

    cr_assert_eq(context.count, 3);
    cr_assert(text_is(context.messages[1].text, "late"));
    cr_assert_eq(context.messages[2].role, CHAT_USER);
    arena_deinit(&arena);
}

Test(context, text_parts_are_joined_and_others_skipped)
{
    struct error err;
    struct text out;

    arena_init(&arena, 0);
    cr_assert_eq(context_parts_text(TEXT("[{\"type\":\"text\",\"text\":\"a\"},"
                                         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}},"
                                         "{\"type\":\"text\",\"text\":{\"value\":\"b\"}},"
                                         "{\"type\":\"refusal\",\"refusal\":\"no\"}]"),
                                    &arena, &out, NULL),
                 0);
    cr_assert(text_is(out, "a\nb\nno"));
    cr_assert_eq(context_parts_text(TEXT("[}"), &arena, &out, &err), -E_INVALID);
    arena_deinit(&arena);
}

Test(context, unreadable_calls_are_an_error)
{
    struct message items[] = {calls(run_a, "{\"no\":\"list\"}")};
    struct message_list history = {.items = items, .count = 1};
    struct context context;
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(context_build(&(struct context_history){.history = &history, .pending_run = run_b},
                               &arena, &context, &err),
                 -E_INVALID);
    arena_deinit(&arena);
}

Test(context, what_a_provider_wants_back_stands_with_its_message_again)
{
    struct message items[] = {
        user(),
        calls(run_a, "[" CALL("c1") "]"),
        result("c1", PARTS("42")),
        {.role = MESSAGE_ASSISTANT, .run_id = run_a, .content = PARTS("It is 42.")},
    };
    struct context context;

    items[1].opaque = TEXT("{\"message\": {\"reasoning_content\": \"Hm.\"}}");
    context = build(items, ARRAY_LENGTH(items), run_b);
    cr_assert_eq(context.count, 4);
    cr_assert_null(context.messages[0].opaque_state.ptr);
    cr_assert(text_equal(context.messages[1].opaque_state, items[1].opaque));
    cr_assert_null(context.messages[2].opaque_state.ptr);
    cr_assert_null(context.messages[3].opaque_state.ptr);
    arena_deinit(&arena);
}

/* A run that ended with two calls, of which its worker made one; and what the next run brought,
 * which begins with what a user says. */
Test(context, results_that_a_later_run_brought_stand_behind_their_calls)
{
    struct message items[] = {
        user(),
        calls(run_a, "[" CALL("theirs") "," CALL("ours") "]"),
        result("ours", PARTS("42")),
        user(),
        result("theirs", PARTS("7")),
    };
    struct context context = build(items, ARRAY_LENGTH(items), run_b);

    cr_assert_eq(context.count, 5);
    cr_assert_eq(context.messages[1].tool_calls_count, 2);
    cr_assert(text_is(context.messages[2].tool_call_id, "theirs"));
    cr_assert(text_is(context.messages[2].text, "7"));
    cr_assert(text_is(context.messages[3].tool_call_id, "ours"));
    cr_assert(text_is(context.messages[3].text, "42"));
    cr_assert_eq(context.messages[4].role, CHAT_USER);
    arena_deinit(&arena);
}

/* Three images of files, of which the newest comes first. */
Test(context, images_of_files_are_given_out_from_the_newest_on_until_all_are_seen)
{
    struct message items[2] = {
        {.role = MESSAGE_USER,
         .content = TEXT("[{\"type\":\"image_file\",\"image_file\":{\"file_id\":\"file-1\"}}]")},
        {.role = MESSAGE_USER,
         .content =
             TEXT("[{\"type\":\"image_file\",\"image_file\":{\"file_id\":\"file-2\"}},"
                  "{\"type\":\"text\",\"text\":{\"value\":\"a\"}},"
                  "{\"type\":\"image_file\",\"image_file\":{\"file_id\":\"file-3\",\"detail\":"
                  "\"low\"}}]")},
    };
    struct message_list history = {.items = items, .count = 2};
    struct conversation conversation = {.arena = &arena};
    struct chat_part *part;
    struct error err;
    bool full;

    arena_init(&arena, 0);
    cr_assert_eq(conversation_load(
                     &conversation,
                     &(struct context_history){.history = &history, .pending_run = run_b}, &err),
                 0);
    part = conversation_unseen(&conversation, &full);
    cr_assert(text_is(part->file, "file-3") && text_is(part->detail, "low"));
    part->url = TEXT("data:image/png;base64,AA==");
    part = conversation_unseen(&conversation, &full);
    cr_assert(text_is(part->file, "file-2"));
    *part = (struct chat_part){.kind = CHAT_PART_TEXT, .text = TEXT("gone")};
    part = conversation_unseen(&conversation, &full);
    cr_assert(text_is(part->file, "file-1"));
    part->url = TEXT("data:image/png;base64,AAAA");
    cr_assert_null(conversation_unseen(&conversation, &full));
    cr_assert_not(full);
    cr_assert_eq(conversation.messages[1].parts_count, 3);
    cr_assert(text_is(conversation.messages[1].parts[0].text, "gone"));
    cr_assert(text_is(conversation.messages[1].parts[1].text, "a"));
    cr_assert(text_is(conversation.messages[1].parts[2].url, "data:image/png;base64,AA=="));
    arena_deinit(&arena);
}
