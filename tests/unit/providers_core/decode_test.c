/* Replies as the servers really send them. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "support.h"

static struct chat_reply reply;
static struct provider_failure_info failure;

static bool is(struct text text, const char *expected)
{
    return text_is(text, expected);
}

Test(decode, openai_text)
{
    static const char body[] =
        "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"created\":1741569952,"
        "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"Hello! \\ud83d\\ude00\",\"refusal\":null,\"annotations\":[]},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":19,"
        "\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":"
        "7,"
        "\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":4}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":null}";

    cr_assert_eq(support_decode("openai", body, &reply, &failure), 0, "%s", failure.message);
    cr_assert(is(reply.text, "Hello! \xF0\x9F\x98\x80"));
    cr_assert(is(reply.model, "gpt-4o-mini-2024-07-18"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    cr_assert_eq(reply.tool_calls_count, 0);
    cr_assert_eq(reply.usage.input_tokens, 19);
    cr_assert_eq(reply.usage.output_tokens, 10);
    cr_assert_eq(reply.usage.cached_input_tokens, 7);
    cr_assert_eq(reply.usage.reasoning_tokens, 4);
    cr_assert_null(reply.opaque_state.ptr);
}

Test(decode, openai_tool_calls_with_null_content)
{
    static const char body[] =
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
        "\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"clock\","
        "\"arguments\":\"{\\\"timezone\\\": \\\"Asia/Tokyo\\\"}\"}},{\"id\":\"call_2\",\"type\":"
        "\"function\",\"function\":{\"name\":\"calculator\",\"arguments\":\"{\\\"expression\\\": "
        "12*\"}}]},"
        "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":82,\"completion_tokens\":"
        "17}}";

    cr_assert_eq(support_decode("openai", body, &reply, &failure), 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert_null(reply.text.ptr);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert(is(reply.tool_calls[0].id, "call_1"));
    cr_assert(is(reply.tool_calls[0].name, "clock"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"timezone\": \"Asia/Tokyo\"}"));
    cr_assert(is(reply.tool_calls[1].arguments, "{\"expression\": 12*"));
}

Test(decode, groq_with_its_own_fields)
{
    static const char body[] =
        "{\"id\":\"chatcmpl-x\",\"object\":\"chat.completion\",\"model\":\"llama-3.3-70b-"
        "versatile\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Yes\","
        "\"reasoning\":"
        "\"hm\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"queue_time\":0.03,"
        "\"prompt_tokens\":18,\"prompt_time\":0.001,\"completion_tokens\":2,\"completion_time\":0."
        "4,"
        "\"total_tokens\":20,\"total_time\":0.41},\"x_groq\":{\"id\":\"req_01\",\"usage\":{"
        "\"prompt_tokens\":999}}}";

    cr_assert_eq(support_decode("groq", body, &reply, &failure), 0);
    cr_assert(is(reply.text, "Yes"));
    cr_assert(is(reply.reasoning, "hm"));
    cr_assert_eq(reply.usage.input_tokens, 18);
    cr_assert_eq(reply.usage.cached_input_tokens, 0);
}

Test(decode, deepseek_after_blank_lines_with_reasoning_and_cache_hits)
{
    static const char body[] =
        "\n\n\r\n   \n{\"model\":\"deepseek-chat\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"\",\"reasoning_content\":\"Let me "
        "\\\"see\\\"\",\"tool_calls\":[{"
        "\"index\":0,\"id\":\"call_0_abc\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":"
        "100,"
        "\"completion_tokens\":30,\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":36,"
        "\"completion_tokens_details\":{\"reasoning_tokens\":21}}}";

    cr_assert_eq(support_decode("deepseek", body, &reply, &failure), 0, "%s", failure.message);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert_null(reply.text.ptr);
    cr_assert(is(reply.opaque_state,
                 "{\"provider\":\"deepseek\",\"model\":\"m-1\",\"message\":{\"reasoning_content\":"
                 "\"Let me \\\"see\\\"\"}}"));
    cr_assert_eq(reply.usage.cached_input_tokens, 64);
    cr_assert_eq(reply.usage.reasoning_tokens, 21);
}

Test(decode, reasoning_without_tool_calls_is_not_kept_for_the_provider)
{
    static const char body[] =
        "{\"choices\":[{\"message\":{\"content\":\"42\",\"reasoning_content\":"
        "\"hm\"},\"finish_reason\":\"stop\"}]}";

    cr_assert_eq(support_decode("deepseek", body, &reply, &failure), 0);
    cr_assert_null(reply.opaque_state.ptr);
    cr_assert(is(reply.reasoning, "hm"));
}

Test(decode, vllm_says_stop_although_there_are_tool_calls)
{
    static const char body[] =
        "{\"id\":\"chatcmpl-1\",\"model\":\"Qwen/"
        "Qwen2.5-7B\",\"choices\":[{\"index\":0,\"message\":{"
        "\"role\":\"assistant\",\"reasoning_content\":null,\"content\":null,\"tool_calls\":[{"
        "\"id\":"
        "\"chatcmpl-tool-1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}"
        "\"}}]},"
        "\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":128008}],\"usage\":{"
        "\"prompt_tokens\":5,\"total_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":"
        "null},"
        "\"prompt_logprobs\":null}";

    cr_assert_eq(support_decode("local", body, &reply, &failure), 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert_eq(reply.usage.output_tokens, 4);
}

Test(decode, llama_cpp_without_ids_with_arguments_as_an_object)
{
    static const char body[] =
        "{\"choices\":[{\"finish_reason\":\"tool\",\"index\":0,\"message\":{\"content\":null,"
        "\"role\":"
        "\"assistant\",\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":{\"a\":1}}},{\"id\":\"\",\"type\":\"function\",\"function\":{\"name\":\"g\"}"
        "}]}}],"
        "\"model\":\"gguf\",\"timings\":{\"prompt_n\":1,\"predicted_ms\":35.077}}";

    cr_assert_eq(support_decode("local", body, &reply, &failure), 0);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\":1}"));
    cr_assert_null(reply.tool_calls[1].arguments.ptr);
    cr_assert_null(reply.tool_calls[0].id.ptr);
    cr_assert(is(reply.tool_calls[1].id, ""));
    cr_assert_eq(reply.usage.input_tokens, 0, "usage that is missing is zero");
}

Test(decode, function_call_of_older_servers_is_a_tool_call)
{
    static const char body[] = "{\"choices\":[{\"message\":{\"content\":null,\"function_call\":{"
                               "\"name\":\"f\",\"arguments\":"
                               "\"{\\\"a\\\":2}\"}},\"finish_reason\":\"function_call\"}]}";

    cr_assert_eq(support_decode("local", body, &reply, &failure), 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert(is(reply.tool_calls[0].name, "f"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\":2}"));
}

static enum chat_finish finish_of(const char *message, const char *reason)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"choices\":[{\"message\":%s,\"finish_reason\":%s}]}", message,
             reason);
    cr_assert_eq(support_decode("openai", body, &reply, &failure), 0, "%s", failure.message);
    return reply.finish;
}

Test(decode, finish_reasons)
{
    static const char call[] = "{\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"f\"}}]}";

    cr_assert_eq(finish_of("{\"content\":\"a\"}", "\"length\""), CHAT_FINISH_LENGTH);
    cr_assert_eq(finish_of(call, "\"length\""), CHAT_FINISH_LENGTH);
    cr_assert_eq(finish_of("{\"content\":\"a\"}", "\"content_filter\""), CHAT_FINISH_FILTER);
    cr_assert_eq(finish_of("{\"content\":\"a\"}", "null"), CHAT_FINISH_STOP);
    cr_assert_eq(finish_of("{\"content\":\"a\"}", "\"eos_token\""), CHAT_FINISH_STOP);
    cr_assert_eq(finish_of("{\"content\":\"a\"}", "\"tool_calls\""), CHAT_FINISH_STOP);
    cr_assert_eq(finish_of(call, "\"unheard_of\""), CHAT_FINISH_TOOL);
}

Test(decode, a_refusal_is_its_own_finish_with_its_text)
{
    cr_assert_eq(finish_of("{\"content\":null,\"refusal\":\"I can't\"}", "\"stop\""),
                 CHAT_FINISH_REFUSAL);
    cr_assert(is(reply.text, "I can't"));
}

Test(decode, content_in_parts_is_joined)
{
    cr_assert_eq(finish_of("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"x\"},"
                           "{\"type\":\"text\",\"text\":\"b\"}]}",
                           "\"stop\""),
                 CHAT_FINISH_STOP);
    cr_assert(is(reply.text, "ab"));
}

Test(decode, limits_come_from_the_headers)
{
    static const struct http_header headers[] = {
        {TEXT("x-ratelimit-limit-requests"), TEXT("5000")},
        {TEXT("X-RateLimit-Remaining-Tokens"), TEXT("149984")},
        {TEXT("x-ratelimit-reset-tokens"), TEXT("6m0s")},
        {TEXT("x-ratelimit-reset-requests"), TEXT("soon")},
        {TEXT("x-ratelimit-limit-tokens"), TEXT("-1")},
    };
    struct provider_target target = support_target("openai");
    struct provider_response response = {
        .status = 200,
        .headers = headers,
        .headers_count = ARRAY_LENGTH(headers),
        .body = TEXT("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}"),
    };
    struct arena arena;

    arena_init(&arena, 0);
    reply.arena = &arena;
    cr_assert_eq(support_finish(&target, &response, 3, &reply, &failure), 0);
    cr_assert_eq(reply.limits.requests_limit, 5000);
    cr_assert_eq(reply.limits.requests_remaining, -1);
    cr_assert_eq(reply.limits.requests_reset_ms, -1);
    cr_assert_eq(reply.limits.tokens_limit, -1);
    cr_assert_eq(reply.limits.tokens_remaining, 149984);
    cr_assert_eq(reply.limits.tokens_reset_ms, 360000);
    arena_deinit(&arena);
}

static bool is_malformed(const char *body)
{
    failure.failure = PROVIDER_OK;
    return support_decode("openai", body, &reply, &failure) == PROVIDER_FAILED &&
           failure.failure == PROVIDER_MALFORMED_REPLY && failure.message[0];
}

Test(decode, what_is_no_reply_is_malformed)
{
    cr_assert(is_malformed(""));
    cr_assert(is_malformed("\n \n"));
    cr_assert(is_malformed("null"));
    cr_assert(is_malformed("\"text\""));
    cr_assert(is_malformed("{}"));
    cr_assert(is_malformed("{\"choices\":[]}"));
    cr_assert(is_malformed("{\"choices\":{}}"));
    cr_assert(is_malformed("{\"choices\":[null]}"));
    cr_assert(is_malformed("{\"choices\":[{\"text\":\"a\"}]}"));
    cr_assert(is_malformed("{\"choices\":[{\"message\":{\"content\":\"cut"));
    cr_assert(is_malformed("<html>"));
}

Test(decode, no_more_tool_calls_are_read_than_can_be_carried_out)
{
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    buf_add_string(&body, "{\"choices\":[{\"message\":{\"tool_calls\":[{}");
    for (int i = 0; i < 5000; i++)
        buf_add_string(&body, ",{}");
    buf_add_string(&body, "]}}]}");
    cr_assert_eq(support_decode("openai", buf_string(&body), &reply, &failure), 0);
    cr_assert_eq(reply.tool_calls_count, 128);
}

Test(decode, a_reply_larger_than_its_arena_fails_and_leaves_the_reply_alone)
{
    struct provider_target target = support_target("openai");
    CLEANUP(buf_deinit) struct buf body;
    struct provider_response response = {.status = 200};
    struct arena arena;
    struct chat_reply out = {.arena = &arena, .usage.input_tokens = 77};

    buf_init(&body, 0);
    buf_add_string(&body, "{\"choices\":[{\"message\":{\"content\":\"");
    for (int i = 0; i < 5000; i++)
        buf_add_string(&body, "word ");
    buf_add_string(&body, "\"}}]}");
    response.body = buf_text(&body);
    arena_init(&arena, 4096);
    cr_assert_eq(support_finish(&target, &response, 0, &out, &failure), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_REPLY_TOO_LARGE);
    cr_assert_eq(out.usage.input_tokens, 77);
    arena_deinit(&arena);
}

/* ---- replies that are written badly ---- */

static const char *text_of_reply(const char *content)
{
    static char text[256];

    (void)finish_of(content, "\"stop\"");
    snprintf(text, sizeof(text), "%.*s", TEXT_ARGS(reply.text));
    return text;
}

Test(decode, text_is_repaired_where_it_can_not_be_kept)
{
    cr_assert_str_eq(text_of_reply("{\"content\":\"a\\u0000b\"}"), "a\xEF\xBF\xBD"
                                                                   "b");
    cr_assert_str_eq(text_of_reply("{\"content\":\"a\\ud83d\"}"), "a\xEF\xBF\xBD");
    cr_assert_str_eq(text_of_reply("{\"content\":\"a\xFF\xC3\"}"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
    cr_assert_str_eq(text_of_reply("{\"content\":\"a\nb\"}"), "a\nb");
    cr_assert_str_eq(text_of_reply("{\"content\":\"\\d\"}"), "\\d");
}

Test(decode, a_byte_order_mark_is_skipped)
{
    cr_assert_eq(support_decode("openai",
                                "\xEF\xBB\xBF{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
                                &reply, &failure),
                 0, "%s", failure.message);
    cr_assert(is(reply.text, "a"));
}

Test(decode, content_of_any_type_is_read_for_what_it_says)
{
    cr_assert_str_eq(text_of_reply("{\"content\":42}"), "42");
    cr_assert_str_eq(text_of_reply("{\"content\":true}"), "true");
    cr_assert_str_eq(text_of_reply("{\"content\":{\"type\":\"text\",\"text\":\"a\"}}"), "a");
    cr_assert_str_eq(text_of_reply("{\"content\":{\"answer\":1}}"), "{\"answer\":1}");
    cr_assert_str_eq(text_of_reply("{\"content\":[\"a\",{\"text\":{\"value\":\"b\"}},null,3]}"),
                     "ab");
    cr_assert_str_eq(text_of_reply("{\"content\":null}"), "");
    cr_assert_str_eq(text_of_reply("{}"), "");
    cr_assert_str_eq(text_of_reply("{\"content\":\"first\",\"content\":\"last\"}"), "last");
}

Test(decode, the_first_choice_with_a_message_counts)
{
    cr_assert_eq(support_decode("openai",
                                "{\"choices\":[null,7,{\"message\":null},{\"message\":{\"content\":"
                                "\"a\"}},{\"message\":{\"content\":\"b\"}}]}",
                                &reply, &failure),
                 0);
    cr_assert(is(reply.text, "a"));
}

static struct chat_tool_call call_of(const char *call)
{
    char message[400];

    snprintf(message, sizeof(message), "{\"tool_calls\":%s}", call);
    cr_assert_eq(finish_of(message, "\"tool_calls\""), CHAT_FINISH_TOOL);
    cr_assert_eq(reply.tool_calls_count, 1);
    return reply.tool_calls[0];
}

Test(decode, calls_of_any_shape_are_calls)
{
    cr_assert(is(call_of("[{\"id\":7,\"function\":{\"name\":42,\"arguments\":[1]}}]").id, "7"));
    cr_assert(is(reply.tool_calls[0].name, "42"));
    cr_assert(is(reply.tool_calls[0].arguments, "[1]"));
    cr_assert_null(call_of("[null]").name.ptr);
    cr_assert_null(call_of("[{\"id\":\"x\"}]").name.ptr);
    cr_assert_null(call_of("[\"f\"]").name.ptr);
    cr_assert(is(call_of("{\"id\":\"x\",\"function\":{\"name\":\"f\"}}").name, "f"));
    cr_assert(
        is(call_of("[{\"name\":\"f\",\"arguments\":{\"a\":1e400}}]").arguments, "{\"a\":1e400}"));
    cr_assert(is(
        call_of("[{\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"x\"}}]").name, "f"));
    cr_assert(is(reply.tool_calls[0].arguments, "x"));
    cr_assert_eq(finish_of("{\"content\":\"a\",\"tool_calls\":\"none\",\"function_call\":{}}", "7"),
                 CHAT_FINISH_STOP);
}

static int64_t tokens(const char *count)
{
    char body[300];

    snprintf(body, sizeof(body),
             "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":%s}}",
             count);
    cr_assert_eq(support_decode("openai", body, &reply, &failure), 0, "%s", failure.message);
    return reply.usage.input_tokens;
}

Test(decode, usage_is_read_for_what_it_means)
{
    cr_assert_eq(tokens("10"), 10);
    cr_assert_eq(tokens("10.0"), 10);
    cr_assert_eq(tokens("\"10\""), 10);
    cr_assert_eq(tokens("1e1"), 10);
    cr_assert_eq(tokens("null"), 0);
    cr_assert_eq(tokens("NaN"), 0);
    cr_assert_eq(tokens("{}"), 0);
    cr_assert_eq(tokens("9223372036854775808"), CHAT_TOKENS_MAX);
    cr_assert_eq(tokens("-5"), 0);
}

static int64_t told_micros(bool by_server, const char *cost)
{
    struct provider_target target = support_target("openrouter");
    char body[256];

    target.habits.tells_cost = by_server;
    (void)snprintf(body, sizeof(body),
                   "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],"
                   "\"usage\":{\"prompt_tokens\":5,\"cost\":%s}}",
                   cost);
    cr_assert_eq(support_read(&target, body, 0, &reply, &failure), 0, "%s", cost);
    cr_assert_eq(reply.usage.input_tokens, 5);
    return reply.usage.told_micros;
}

Test(decode, what_a_call_cost_is_read_from_servers_that_tell_it)
{
    cr_assert_eq(told_micros(true, "0.00014"), 140);
    cr_assert_eq(told_micros(true, "1.4e-4"), 140);
    cr_assert_eq(told_micros(true, "0.0000005"), 1);
    cr_assert_eq(told_micros(true, "0.00000049"), 0);
    cr_assert_eq(told_micros(true, "0.95"), 950000);
    cr_assert_eq(told_micros(true, "12"), 12000000);
    cr_assert_eq(told_micros(true, "1e300"), INT64_C(10000000000));
    cr_assert_eq(told_micros(true, "-1"), 0);
    cr_assert_eq(told_micros(true, "null"), 0);
    cr_assert_eq(told_micros(true, "\"0.95\""), 0);
    cr_assert_eq(told_micros(true, "{\"total\":1}"), 0);
    cr_assert_eq(
        told_micros(true, "0.0000000000000000000000000000000000000000000000000000000000000001"), 0);
    cr_assert_eq(told_micros(false, "0.95"), 0, "who knows in which money");
}

Test(decode, it_does_not_matter_how_the_body_was_cut)
{
    struct provider_response response = {
        .status = 200,
        .body = TEXT("{\"choices\":[{\"message\":{\"content\":\"h\xC3\xA9llo \\ud83d\\ude00\"},"
                     "\"finish_reason\":\"stop\"}]}"),
    };
    struct provider_target target = support_target("openai");
    struct arena arena;

    arena_init(&arena, 0);
    reply.arena = &arena;
    for (size_t piece = 1; piece < response.body.len; piece++) {
        cr_assert_eq(support_finish(&target, &response, piece, &reply, &failure), 0);
        cr_assert(is(reply.text, "h\xC3\xA9llo \xF0\x9F\x98\x80"));
    }
    arena_deinit(&arena);
}
