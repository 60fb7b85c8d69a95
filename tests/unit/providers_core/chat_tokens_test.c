/* What a request is in tokens: its texts and the constants around them. */

#include <criterion/criterion.h>

#include "providers/chat_tokens.h"

#define SOME "Some words that are said."

static int64_t some(void)
{
    return tokens_estimate(TEXT(SOME), TOKENS_O200K);
}

static int64_t of_message(struct chat_message message)
{
    return chat_message_tokens(&message, true, TOKENS_O200K);
}

static int64_t of_request(struct chat_request request)
{
    return chat_tokens(&request, TOKENS_O200K);
}

static int64_t of_image(struct text detail)
{
    struct chat_part part = {
        .kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/png;base64,AAAA"), .detail = detail};

    return of_message((struct chat_message){.role = CHAT_USER, .parts = &part, .parts_count = 1}) -
           of_message((struct chat_message){.role = CHAT_USER});
}

Test(chat_tokens, an_empty_request_is_the_start_of_the_answer)
{
    cr_expect_eq(of_request((struct chat_request){.messages_count = 0}), 3);
}

Test(chat_tokens, a_message_is_its_text_and_four)
{
    cr_expect_eq(of_message((struct chat_message){.text = TEXT(SOME)}), some() + 4);
    cr_expect_eq(of_message((struct chat_message){.role = CHAT_TOOL, .text = TEXT(SOME)}),
                 some() + 4);
}

Test(chat_tokens, instructions_are_as_a_message)
{
    cr_expect_eq(of_request((struct chat_request){.instructions = TEXT(SOME)}), 3 + some() + 4);
}

Test(chat_tokens, images_count_by_their_detail_and_not_by_their_bytes)
{
    cr_expect_eq(of_image(TEXT("low")), 85);
    cr_expect_eq(of_image(TEXT("high")), 1105);
    cr_expect_eq(of_image(TEXT("auto")), 765);
    cr_expect_eq(of_image(TEXT_NONE), 765);
}

Test(chat_tokens, parts_of_text_are_added_up)
{
    struct chat_part parts[] = {{.kind = CHAT_PART_TEXT, .text = TEXT(SOME)},
                                {.kind = CHAT_PART_TEXT, .text = TEXT(SOME)}};

    cr_expect_eq(of_message((struct chat_message){.parts = parts, .parts_count = 2}),
                 4 + 2 * some());
}

Test(chat_tokens, calls_are_names_and_arguments)
{
    struct chat_tool_call call = {.id = TEXT("call_1234567890"),
                                  .name = TEXT("search"),
                                  .arguments = TEXT("{\"q\": \"ducks\"}")};
    struct chat_message message = {
        .role = CHAT_ASSISTANT, .tool_calls = &call, .tool_calls_count = 1};

    cr_expect_eq(of_message(message), 4 + 8 + tokens_estimate(call.name, TOKENS_O200K) +
                                          tokens_estimate(call.arguments, TOKENS_O200K));
}

Test(chat_tokens, tools_are_all_that_a_model_sees_of_them)
{
    struct chat_tool tool = {.name = TEXT("search"),
                             .description = TEXT(SOME),
                             .parameters = TEXT("{\"type\": \"object\"}")};
    struct chat_request request = {.tools = &tool, .tools_count = 1};

    cr_expect_eq(of_request(request), 3 + 12 + tokens_estimate(tool.name, TOKENS_O200K) + some() +
                                          tokens_estimate(tool.parameters, TOKENS_O200K));
}

Test(chat_tokens, a_schema_of_the_answer_counts)
{
    struct chat_request request = {.response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                                                       .name = TEXT("a"),
                                                       .schema = TEXT(SOME)}};

    cr_expect_eq(of_request(request), 3 + 10 + 1 + some());
    request.response_format.kind = CHAT_FORMAT_JSON_OBJECT;
    cr_expect_eq(of_request(request), 3);
}

Test(chat_tokens, a_request_is_its_frame_and_its_messages)
{
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT(SOME)},
        {.role = CHAT_ASSISTANT, .text = TEXT(SOME), .opaque_state = TEXT(SOME)},
        {.role = CHAT_USER, .text = TEXT(SOME)},
        {.role = CHAT_ASSISTANT, .text = TEXT(SOME), .opaque_state = TEXT(SOME)},
    };
    struct chat_request request = {
        .instructions = TEXT(SOME), .messages = messages, .messages_count = 4};

    /* Of the two states the one behind the last user message. */
    cr_expect_eq(of_request(request),
                 chat_frame_tokens(&request, TOKENS_O200K) + 4 * (4 + some()) + some());
}

Test(chat_tokens, vocabularies_differ)
{
    struct chat_request request = {.instructions = TEXT("人工智能技术近年来发展迅速,大语言模型")};

    cr_expect_gt(chat_tokens(&request, TOKENS_CL100K), chat_tokens(&request, TOKENS_O200K));
}
