/* What requests look like on the wire, compared as JSON values. */

#include <criterion/criterion.h>
#include <stdio.h>

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
                                 "\"Hello \\\"you\\\"\\n\xE2\x82\xAC\"}],\"stream\":false}"));
}

Test(encode, a_conversation_with_tools_keeps_ids_order_and_arguments)
{
    struct provider_target target = support_target("openai");
    struct chat_tool_call calls[] = {
        {.id = TEXT("call_a"), .name = TEXT("weather"), .arguments = TEXT("{\"city\":\"Oslo\"}")},
        {.id = TEXT("call_b"), .name = TEXT("clock")},
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
        .tool_choice = {CHAT_TOOL_CHOICE_REQUIRED, TEXT_NONE},
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
        "\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"stream\":false}"));
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
        .response_format = {.kind = CHAT_FORMAT_JSON_OBJECT},
        .reasoning_effort = TEXT("low"),
        .tool_choice = {CHAT_TOOL_CHOICE_AUTO, TEXT_NONE},
        .parallel_tool_calls = CHAT_SWITCH_ON,
    };

    target.habits.max_tokens_is_new = true;
    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
        "\"temperature\":0.1,\"top_p\":1,\"max_completion_tokens\":300,"
        "\"response_format\":{\"type\":\"json_object\"},\"reasoning_effort\":\"low\","
        "\"stream\":false}"));
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
    };

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"temperature\":0,\"max_tokens\":5,\"stream\":false}"));
}

Test(encode, an_effort_without_a_word_is_said_as_the_nearest)
{
    static const char *const words[][3] = {
        /* asked for, sent to most servers, sent to one with few words */
        {"none", "none", "none"},       {"minimal", "minimal", "low"}, {"low", "low", "low"},
        {"medium", "medium", "medium"}, {"high", "high", "high"},      {"xhigh", "xhigh", "high"},
        {"max", "max", "high"},
    };
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        for (size_t few = 0; few < 2; few++) {
            struct provider_target target = support_target("groq");
            struct chat_request request = {
                .messages = &hello, .messages_count = 1, .reasoning_effort = text_of(words[i][0])};
            char expected[256];

            target.habits.efforts_are_few = few;
            snprintf(expected, sizeof(expected),
                     "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                     "\"reasoning_effort\":\"%s\",\"stream\":false}",
                     words[i][1 + few]);
            cr_expect(support_encodes_to(&target, &request, expected), "%s", words[i][0]);
        }
}

Test(encode, how_verbose_an_answer_is_to_be_is_said_to_those_who_have_a_word_for_it)
{
    struct provider_target target = support_target("any");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = {
        .messages = &hello, .messages_count = 1, .verbosity = TEXT("low")};

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"stream\":false}"));
    target.habits.takes_verbosity = true;
    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"verbosity\":\"low\",\"stream\":false}"));
}

Test(encode, usage_is_asked_for_in_a_stream_unless_it_is_told_unasked)
{
    struct provider_target target = support_target("local");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = {.messages = &hello, .messages_count = 1, .stream = true};

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"stream\":true,\"stream_options\":{\"include_usage\":"
                                 "true}}"));
    target.habits.usage_is_not_asked = true;
    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"Hi\"}],\"stream\":true}"));
}

#define CLOCK_TOOL                                                                                 \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"clock\",\"parameters\":{"          \
    "\"type\":\"object\",\"properties\":{}}}}],\"tool_choice\":\"none\",\"stream\":false}"

Test(encode, results_are_answered_before_a_user_goes_on_where_a_server_wants_that)
{
    struct provider_target target = support_target("mistral");
    struct chat_tool_call call = {.id = TEXT("aB3xK9mP2"), .name = TEXT("clock")};
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Time?")},
        {.role = CHAT_ASSISTANT, .tool_calls = &call, .tool_calls_count = 1},
        {.role = CHAT_TOOL, .text = TEXT("noon"), .tool_call_id = TEXT("aB3xK9mP2")},
        {.role = CHAT_USER, .text = TEXT("Well?")},
    };
    struct chat_request request = {.messages = messages, .messages_count = 4};
    static const char before[] =
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"Time?\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"aB3xK9mP2\","
        "\"type\":\"function\",\"function\":{\"name\":\"clock\",\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"aB3xK9mP2\",\"content\":\"noon\"},";
    static const char after[] = "{\"role\":\"user\",\"content\":\"Well?\"}]," CLOCK_TOOL;
    char expected[1024];

    (void)snprintf(expected, sizeof(expected), "%s%s", before, after);
    cr_assert(support_encodes_to(&target, &request, expected));
    target.habits.answers_end_results = true;
    (void)snprintf(expected, sizeof(expected),
                   "%s{\"role\":\"assistant\",\"content\":\"(There was no answer.)\"},%s", before,
                   after);
    cr_assert(support_encodes_to(&target, &request, expected));
    request.messages_count = 3; /* the model's turn */
    (void)snprintf(expected, sizeof(expected), "%.*s]," CLOCK_TOOL, (int)strlen(before) - 1,
                   before);
    cr_assert(support_encodes_to(&target, &request, expected));
}

Test(encode, a_text_part_alone_becomes_a_string)
{
    struct provider_target target = support_target("openai");
    struct chat_part part = {.kind = CHAT_PART_TEXT, .text = TEXT("one\ntwo")};
    struct chat_message message = {.role = CHAT_USER, .parts = &part, .parts_count = 1};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert(support_encodes_to(&target, &request,
                                 "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":"
                                 "\"one\\ntwo\"}],\"stream\":false}"));
}

Test(encode, images_stay_parts_in_their_place)
{
    struct provider_target target = support_target("openai");
    struct chat_part parts[] = {
        {.kind = CHAT_PART_TEXT, .text = TEXT("a")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://x/y.png"), .detail = TEXT("low")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/png;base64,AA==")},
        {.kind = CHAT_PART_TEXT, .text = TEXT("c")},
    };
    struct chat_message message = {
        .role = CHAT_USER, .parts = parts, .parts_count = ARRAY_LENGTH(parts)};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\",\"detail\":\"low\"}},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}},"
        "{\"type\":\"text\",\"text\":\"c\"}]}],\"stream\":false}"));
}

/* What a request with one tool and these settings sends behind its tools. */
static const char *sent_behind_tools(const struct chat_request *settings)
{
    static struct provider_wire wire;
    struct provider_target target = support_target("openai");
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_tool tool = {.name = TEXT("f")};
    struct chat_request request = *settings;
    struct error err;
    const char *at;

    request.messages = &hello;
    request.messages_count = request.tools_count = 1;
    request.tools = &tool;
    provider_wire_deinit(&wire);
    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    at = strstr(buf_string(&wire.body), "}}]");
    cr_assert_not_null(at);
    return at + 3;
}

Test(encode, tool_choice_and_parallel_calls_are_sent_where_they_say_something)
{
    struct chat_request request = {.parallel_tool_calls = CHAT_SWITCH_UNSET};

    cr_assert_str_eq(sent_behind_tools(&request), ",\"stream\":false}");
    request.parallel_tool_calls = CHAT_SWITCH_ON;
    cr_assert_str_eq(sent_behind_tools(&request),
                     ",\"parallel_tool_calls\":true,\"stream\":false}");
    request.parallel_tool_calls = CHAT_SWITCH_OFF;
    request.tool_choice.kind = CHAT_TOOL_CHOICE_NONE;
    cr_assert_str_eq(sent_behind_tools(&request),
                     ",\"tool_choice\":\"none\",\"parallel_tool_calls\":false,\"stream\":false}");
    request = (struct chat_request){.tool_choice = {CHAT_TOOL_CHOICE_FUNCTION, TEXT("calculator")}};
    cr_assert_str_eq(sent_behind_tools(&request),
                     ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
                     "\"calculator\"}},\"stream\":false}");
}

Test(encode, schemas_are_sent_as_they_were_written)
{
    struct chat_request request = {
        .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                            .name = TEXT("n"),
                            .schema = TEXT("{\"z\":1,\"a\":18446744073709551616}"),
                            .strict = CHAT_SWITCH_ON}};

    cr_assert_str_eq(
        sent_behind_tools(&request),
        ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
        "\"schema\":{\"z\":1,\"a\":18446744073709551616},\"strict\":true}},"
        "\"stream\":false}");
}

Test(encode, no_more_output_is_asked_for_than_the_model_can_give)
{
    struct provider_target target = support_target("local");
    struct chat_request request = {.max_completion_tokens = 5000};

    target.output_tokens_max = 4096;
    cr_assert(support_encodes_to(
        &target, &request,
        "{\"model\":\"m-1\",\"messages\":[],\"max_tokens\":4096,\"stream\":false}"));
}

Test(encode, tools_of_earlier_runs_are_named_where_a_run_has_none)
{
    struct provider_target target = support_target("openai");
    struct chat_tool_call calls[] = {
        {.id = TEXT("1"), .name = TEXT("f"), .arguments = TEXT("{}")},
        {.id = TEXT("2"), .name = TEXT("g"), .arguments = TEXT("{}")},
        {.id = TEXT("3"), .name = TEXT("f"), .arguments = TEXT("{}")},
    };
    struct chat_message message = {
        .role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 3};
    struct chat_request request = {.messages = &message, .messages_count = 1};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(openai_chat_encode(&target, &request, &wire, &err), 0);
    cr_assert(
        strstr(buf_string(&wire.body),
               ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
               "{\"type\":\"object\",\"properties\":{}}}},{\"type\":\"function\",\"function\":{"
               "\"name\":\"g\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}],"
               "\"tool_choice\":\"none\","),
        "%s", buf_string(&wire.body));
}

/* ---- reasoning state ---- */

#define STATE(reasoning)                                                                           \
    "{\"message\": {\"reasoning_content\": " reasoning "}, \"model\": \"m-1\", \"provider\": "     \
    "\"deepseek\"}"

static const char *state = STATE("\"I thought\"");

/* Is the reasoning sent, as JSON, to that provider? */
static bool sends(const char *reasoning, const char *provider, bool another_user_message)
{
    struct provider_target target = support_target(provider);
    struct chat_tool_call call = {.id = TEXT("c1"), .name = TEXT("f"), .arguments = TEXT("{}")};
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
    return strstr(buf_string(&wire.body), reasoning) != NULL;
}

static bool replays(const char *provider, bool another_user_message)
{
    return sends("\"reasoning_content\":\"I thought\"", provider, another_user_message);
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

Test(encode, reasoning_goes_back_letter_by_letter)
{
    state = STATE("\"a \\\"b\\\" \\u00e9\\n\"");
    cr_assert(sends("\"reasoning_content\":\"a \\\"b\\\" \\u00e9\\n\"", "deepseek", false));
}

Test(encode, a_state_that_is_none_is_left_out)
{
    static const char *const broken[] = {"{\"message\": {", "[]",          "null",
                                         STATE("7"),        STATE("null"), STATE("{}")};

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        state = broken[i];
        cr_assert_not(sends("reasoning_content", "deepseek", false), "%s", state);
    }
}

/* ---- url and headers ---- */

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
    cr_assert_str_eq(support_header(&wire, "authorization"), "Bearer sk-test-1234567890");
    cr_assert_str_eq(support_header(&wire, "content-type"), "application/json");
    cr_assert_str_eq(support_header(&wire, "idempotency-key"), "run_1:3");
    cr_assert_str_eq(support_header(&wire, "openai-organization"), "org-1");
    cr_assert_str_eq(support_header(&wire, "x-empty"), "");
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
    cr_assert_null(support_header(&wire, "authorization"));
    cr_assert_null(support_header(&wire, "idempotency-key"));
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

Test(encode, as_many_headers_as_a_wire_takes_are_all_there_and_one_more_is_refused)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;
    char name[16];

    provider_wire_init(&wire);
    for (int i = 0; i < PROVIDER_WIRE_HEADERS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "X-%d", i);
        cr_assert_eq(provider_wire_add_header(&wire, text_of(name), text_of(name), &err), 0);
    }
    cr_assert_eq(provider_wire_add_header(&wire, TEXT("X-More"), TEXT("1"), &err), -E_LIMIT);
    for (int i = 0; i < PROVIDER_WIRE_HEADERS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "X-%d", i);
        cr_assert_str_eq(support_header(&wire, name), name);
    }
    cr_assert_eq(wire.headers_count, PROVIDER_WIRE_HEADERS_MAX);
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

/* The ids of two calls and of their results, as they are sent. */
static void sent_ids(const struct provider_target *target, struct text first, struct text second,
                     char out[4][64])
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct chat_tool_call calls[] = {{.id = first, .name = TEXT("f")},
                                     {.id = second, .name = TEXT("f")}};
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Hi")},
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("1"), .tool_call_id = first},
        {.role = CHAT_TOOL, .text = TEXT("2"), .tool_call_id = second},
    };
    struct chat_request request = {.messages = messages, .messages_count = 4};
    struct json_object *sent;
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(target->provider->encode(target, &request, &wire, &err), 0, "%s", err.text);
    cr_assert_eq(json_decode(buf_text(&wire.body), 64, &body, &err), 0, "%s", err.text);
    sent = json_get(body, "messages");
    for (size_t i = 0; i < 2; i++) {
        struct json_object *list = json_get(json_object_array_get_idx(sent, 1), "tool_calls");

        snprintf(out[i], 64, "%s", json_get_string(json_object_array_get_idx(list, i), "id"));
        snprintf(out[2 + i], 64, "%s",
                 json_get_string(json_object_array_get_idx(sent, 2 + i), "tool_call_id"));
    }
}

Test(encode, a_server_of_short_ids_gets_others_as_nine_letters_and_digits)
{
    struct provider_target target = support_target("mistral");
    char ids[4][64];
    char again[4][64];

    target.habits.short_call_ids = true;
    sent_ids(&target, TEXT("call_0123456789abcdef0123"), TEXT("toolu_01"), ids);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(strlen(ids[i]), 9, "%s", ids[i]);
        cr_assert_eq(
            strspn(ids[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 9,
            "%s", ids[i]);
        cr_assert_str_eq(ids[i], ids[2 + i], "a call and its result");
    }
    cr_assert_str_neq(ids[0], ids[1]);
    sent_ids(&target, TEXT("toolu_01"), TEXT("call_0123456789abcdef0123"), again);
    cr_assert_str_eq(again[0], ids[1], "made from the id alone");
    cr_assert_str_eq(again[1], ids[0]);
}

Test(encode, short_ids_and_those_of_other_servers_stay_as_they_are)
{
    struct provider_target target = support_target("mistral");
    char ids[4][64];

    sent_ids(&target, TEXT("call_0123456789abcdef0123"), TEXT("a-1"), ids);
    cr_assert_str_eq(ids[0], "call_0123456789abcdef0123");
    cr_assert_str_eq(ids[3], "a-1");
    target.habits.short_call_ids = true;
    sent_ids(&target, TEXT("dnEN4JsJy"), TEXT("dnEN4Js_y"), ids);
    cr_assert_str_eq(ids[0], "dnEN4JsJy");
    cr_assert_str_neq(ids[1], "dnEN4Js_y");
}
