/* What requests look like on the wire, compared as JSON values. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "support.h"

static const char weather_schema[] =
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}";

Test(encode, the_smallest_request_sends_nothing_that_was_not_set)
{
    struct provider_target target = support_target("openai");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hello \"you\"\n\xE2\x82\xAC")};
    struct chat_request request = {.messages = &hello, .messages_count = 1};

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hello \\\"you\\\"\\n\xE2\x82\xAC\"}]}"));
}

Test(encode, a_conversation_with_tools_keeps_ids_order_and_arguments)
{
    struct provider_target target = support_target("openai");
    struct chat_tool_call calls[] = {
        {TEXT("call_a"), TEXT("weather"), TEXT("{\"city\":\"Oslo\"}")},
        {TEXT("call_b"), TEXT("clock"), TEXT_NONE},
    };
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Oslo?")},
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_TOOL, .text = TEXT(""), .tool_call_id = TEXT("call_b")},
        {.role = CHAT_ASSISTANT, .text = TEXT("Cold.")},
    };
    struct chat_tool tools[] = {
        {TEXT("weather"), TEXT("The weather"), text_of(weather_schema), CHAT_SWITCH_ON},
        {TEXT("clock"), TEXT_NONE, TEXT_NONE, CHAT_SWITCH_UNSET},
    };
    struct chat_request request = {
        .instructions = TEXT("Be brief"),
        .messages = messages,
        .messages_count = 5,
        .tools = tools,
        .tools_count = 2,
        .tool_choice = TEXT("\"required\""),
        .parallel_tool_calls = CHAT_SWITCH_OFF,
    };

    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief\"},"
        "{\"role\":\"user\",\"content\":\"Oslo?\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"weather\","
        "\"arguments\":\"{\\\"city\\\":\\\"Oslo\\\"}\"}},"
        "{\"id\":\"call_b\",\"type\":\"function\",\"function\":{\"name\":\"clock\","
        "\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"call_a\",\"content\":\"4 degrees\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"call_b\",\"content\":\"\"},"
        "{\"role\":\"assistant\",\"content\":\"Cold.\"}],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":"
        "\"The weather\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":"
        "\"string\"}},\"required\":[\"city\"]},\"strict\":true}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"clock\"}}],"
        "\"tool_choice\":\"required\",\"parallel_tool_calls\":false}"));
}

Test(encode, settings_are_sent_under_their_names)
{
    struct provider_target target = support_target("openai");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = {
        .messages = &hello,
        .messages_count = 1,
        .has_temperature = true,
        .temperature = 0.1,
        .has_top_p = true,
        .top_p = 1,
        .max_completion_tokens = 300,
        .response_format = TEXT("{\"type\":\"json_object\"}"),
        .reasoning_effort = TEXT("low"),
        .user = TEXT("u-1"),
        .tool_choice = TEXT("\"auto\""),
        .parallel_tool_calls = CHAT_SWITCH_ON,
    };

    target.max_tokens_is_new = true;
    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
        "\"temperature\":0.1,\"top_p\":1,\"max_completion_tokens\":300,"
        "\"response_format\":{\"type\":\"json_object\"},\"reasoning_effort\":\"low\","
        "\"user\":\"u-1\"}"));
}

Test(encode, smaller_servers_get_max_tokens_and_no_response_format_of_auto)
{
    struct provider_target target = support_target("local");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = {
        .messages = &hello,
        .messages_count = 1,
        .has_temperature = true,
        .max_completion_tokens = 5,
        .response_format = TEXT("\"auto\""),
    };

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"temperature\":0,\"max_tokens\":5}"));
}

Test(encode, text_parts_alone_become_one_string)
{
    struct provider_target target = support_target("openai");
    struct chat_message message = {
        .role = CHAT_USER,
        .content_parts =
            TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"one\",\"annotations\":[]}},"
                 "{\"type\":\"text\",\"text\":\"two\"}]"),
    };
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"one\\ntwo\"}]}"));
}

Test(encode, images_stay_parts_in_their_place)
{
    struct provider_target target = support_target("openai");
    struct chat_message message = {
        .role = CHAT_USER,
        .content_parts =
            TEXT("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},"
                 "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\","
                 "\"detail\":\"low\"}},{\"type\":\"text\",\"text\":\"c\"}]"),
    };
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"text\",\"text\":\"a\\nb\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\",\"detail\":\"low\"}},"
        "{\"type\":\"text\",\"text\":\"c\"}]}]}"));
}

Test(encode, parts_that_cannot_be_passed_on_are_named)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target target = support_target("openai");
    struct chat_message message = {
        .role = CHAT_USER,
        .content_parts =
            TEXT("[{\"type\":\"image_file\",\"image_file\":{\"file_id\":\"file-1\"}}]"),
    };
    struct chat_request request = {.messages = &message, .messages_count = 1};
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), -E_INVALID);
    cr_assert(strstr(err.text, "message 0"), "%s", err.text);
    cr_assert(strstr(err.text, "image_file"), "%s", err.text);
}

/* ---- reasoning state ---- */

static const char state[] =
    "{\"message\": {\"reasoning_content\": \"I thought\"}, \"model\": \"m-1\", "
    "\"provider\": \"deepseek\"}";

static bool replays(const char *provider, bool another_user_message)
{
    struct provider_target target = support_target(provider);
    struct chat_tool_call call = {TEXT("c1"), TEXT("f"), TEXT("{}")};
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("q")},
        {.role = CHAT_ASSISTANT,
         .tool_calls = &call,
         .tool_calls_count = 1,
         .opaque_state = text_of(state)},
        {.role = CHAT_TOOL, .text = TEXT("r"), .tool_call_id = TEXT("c1")},
        {.role = CHAT_USER, .text = TEXT("next")},
    };
    struct chat_request request = {.messages = messages,
                                   .messages_count = another_user_message ? 4 : 3};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    return strstr(buf_string(&wire.body), "\"reasoning_content\":\"I thought\"") != NULL;
}

Test(encode, reasoning_is_given_back_within_the_turn)
{
    cr_assert(replays("deepseek", false));
}

Test(encode, reasoning_is_dropped_after_the_turn)
{
    cr_assert_not(replays("deepseek", true));
}

Test(encode, reasoning_never_reaches_another_provider)
{
    cr_assert_not(replays("openai", false));
}

/* ---- url and headers ---- */

static const char *header(const struct provider_wire *wire, const char *name)
{
    for (size_t i = 0; i < wire->headers_count; i++)
        if (text_is_nocase(wire->headers[i].name, name))
            return wire->headers[i].value.ptr;
    return NULL;
}

Test(encode, url_key_idempotency_key_and_own_headers_are_set)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target target = support_target("openai");
    char *const own[] = {"OpenAI-Organization: org-1", "X-Empty:"};
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = {
        .messages = &hello, .messages_count = 1, .idempotency_key = TEXT("run_1:3")};
    struct error err;

    target.headers = own;
    target.headers_count = 2;
    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    cr_assert_str_eq(wire.url, "https://llm.example/v1/chat/completions");
    cr_assert_str_eq(header(&wire, "authorization"), "Bearer sk-test-1234567890");
    cr_assert_str_eq(header(&wire, "content-type"), "application/json");
    cr_assert_str_eq(header(&wire, "idempotency-key"), "run_1:3");
    cr_assert_str_eq(header(&wire, "openai-organization"), "org-1");
    cr_assert_str_eq(header(&wire, "x-empty"), "");
}

Test(encode, no_key_means_no_authorization)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target target = support_target("local");
    struct chat_request request = {0};
    struct error err;

    target.api_key = "";
    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    cr_assert_null(header(&wire, "authorization"));
    cr_assert_null(header(&wire, "idempotency-key"));
}

Test(encode, headers_with_line_breaks_are_refused_without_showing_them)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target target = support_target("openai");
    struct chat_request request = {0};
    struct error err;

    target.api_key = "sk-secret\r\nX-Other: 1";
    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), -E_INVALID);
    cr_assert_null(strstr(err.text, "secret"));
}

Test(encode, a_request_over_the_limit_is_an_error)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    CLEANUP(buf_deinit) struct buf large;
    struct provider_target target = support_target("openai");
    struct chat_message message = {.role = CHAT_USER};
    struct chat_request request = {.messages = &message, .messages_count = 1};
    struct error err;
    size_t size = (size_t)16 << 20;

    buf_init(&large, size);
    memset(buf_reserve(&large, size), 'x', size);
    message.text = (struct text){large.ptr, size};
    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), -E_LIMIT);
}
