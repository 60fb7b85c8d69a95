/* What a model does not take, said in another way. */

#include <criterion/criterion.h>

#include "providers/adaptation.h"
#include "shared/base/error.h"
#include "support.h"

static struct adaptation adaptation;
static struct provider_target target;
static struct error err;

static const struct chat_tool clock_tool = {
    .name = TEXT("clock"), .parameters = TEXT("{\"type\":\"object\",\"properties\":{}}")};

static struct chat_request ask(void)
{
    static const struct chat_message message = {.role = CHAT_USER,
                                                .text = TEXT("what time is it?")};

    target = support_target("test");
    return (struct chat_request){.messages = &message,
                                 .messages_count = 1,
                                 .tools = &clock_tool,
                                 .tools_count = 1,
                                 .reasoning_effort = TEXT("low"),
                                 .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                                                     .name = TEXT("time"),
                                                     .schema = TEXT("{\"type\":\"object\"}")}};
}

Test(adaptation, a_model_that_takes_all_gets_it_as_it_is)
{
    struct chat_request asked = ask();
    struct chat_reply reply = {.text = TEXT("<tool_call><name>clock</name></tool_call>")};

    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    cr_assert_eq(memcmp(&adaptation.request, &asked, sizeof(asked)), 0);
    cr_assert_eq(adaptation_read(&adaptation, &reply, &err), 0);
    cr_assert_eq(reply.tool_calls_count, 0, "it is text");
    adaptation_deinit(&adaptation);
}

Test(adaptation, tools_are_said_in_words_and_calls_read_from_them)
{
    struct chat_request asked = ask();
    struct chat_reply reply = {.text = TEXT("<tool_call><name>clock</name><arguments>{}</arguments>"
                                            "</tool_call>")};
    struct arena arena;

    arena_init(&arena, 0);
    reply.arena = &arena;
    target.abilities.tools = false;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0, "%s", err.text);
    cr_assert_eq(adaptation.request.tools_count, 0);
    cr_assert(memmem(adaptation.request.instructions.ptr, adaptation.request.instructions.len,
                     "clock", 5));
    cr_assert_eq(adaptation_read(&adaptation, &reply, &err), 0);
    cr_assert_eq(reply.tool_calls_count, 1);
    cr_assert(text_is(reply.tool_calls[0].name, "clock"));
    cr_assert_eq(reply.text.len, 0);
    adaptation_deinit(&adaptation);
    arena_deinit(&arena);
}

Test(adaptation, a_history_with_calls_is_in_words_too)
{
    static const struct chat_tool_call call = {
        .id = TEXT("c"), .name = TEXT("clock"), .arguments = TEXT("{}")};
    static const struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("hi")},
        {.role = CHAT_ASSISTANT, .tool_calls = &call, .tool_calls_count = 1},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("c"), .text = TEXT("noon")},
    };
    struct chat_request asked = ask();

    asked.messages = messages;
    asked.messages_count = 3;
    asked.tools_count = 0;
    target.abilities.tools = false;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    for (size_t i = 0; i < adaptation.request.messages_count; i++) {
        cr_assert_neq(adaptation.request.messages[i].role, CHAT_TOOL);
        cr_assert_eq(adaptation.request.messages[i].tool_calls_count, 0);
    }
    adaptation_deinit(&adaptation);
}

Test(adaptation, an_image_is_refused_by_a_sentence)
{
    static const struct chat_part parts[] = {
        {.kind = CHAT_PART_TEXT, .text = TEXT("what is this?")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://example.org/a.png")},
    };
    static const struct chat_message message = {
        .role = CHAT_USER, .parts = parts, .parts_count = 2};
    struct chat_request asked = ask();

    asked.messages = &message;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    adaptation_deinit(&adaptation);
    target.abilities.images = false;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), -E_INVALID);
    cr_assert(strstr(err.text, "'m-1' of test takes no images"), "%s", err.text);
    adaptation_deinit(&adaptation);
}

Test(adaptation, what_is_not_known_of_answers_and_effort)
{
    struct chat_request asked = ask();
    struct chat_reply reply = {.text = TEXT("```json\n{\"hour\": 12}\n```")};

    target.abilities.structured_output = false;
    target.abilities.reasoning_effort = false;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    cr_assert_eq(adaptation.request.reasoning_effort.len, 0);
    cr_assert_eq(adaptation.request.response_format.kind, CHAT_FORMAT_UNSET);
    cr_assert_gt(adaptation.request.instructions.len, 0);
    cr_assert_eq(adaptation_read(&adaptation, &reply, &err), 0);
    cr_assert(text_is(reply.text, "{\"hour\": 12}"));
    adaptation_deinit(&adaptation);
    /* Any JSON is asked for by a member, where the format has one. */
    asked.response_format.kind = CHAT_FORMAT_JSON_OBJECT;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    cr_assert_eq(adaptation.request.response_format.kind, CHAT_FORMAT_JSON_OBJECT);
    adaptation_deinit(&adaptation);
    target.provider = &provider_anthropic;
    cr_assert_eq(adaptation_init(&adaptation, &target, &asked, &err), 0);
    cr_assert_eq(adaptation.request.response_format.kind, CHAT_FORMAT_UNSET);
    adaptation_deinit(&adaptation);
}
