/* Ollama's requests, compared as JSON values. */

#include <criterion/criterion.h>

#include "providers/formats/ollama.h"
#include "shared/base/error.h"
#include "support.h"

static struct provider_target ollama(void)
{
    return support_target_of(&provider_ollama, "ollama");
}

#define REQUEST(rest) "{\"model\":\"m-1\"," rest ",\"truncate\":false,\"stream\":false}"
#define HI            "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

/* Whether a request of one message with these settings is that. */
static bool sends(const struct provider_target *target, const struct chat_request *settings,
                  const char *expected)
{
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = *settings;

    request.messages = &hello;
    request.messages_count = 1;
    return support_encodes_to(target, &request, expected);
}

Test(ollama_encode, the_smallest_request_says_what_the_server_would_do_otherwise)
{
    struct provider_target target = ollama();
    struct chat_request request = {.stream = false};

    cr_assert(sends(&target, &request, REQUEST(HI)));
    request.stream = true;
    cr_assert(
        sends(&target, &request, "{\"model\":\"m-1\"," HI ",\"truncate\":false,\"stream\":true}"));
}

Test(ollama_encode, results_name_their_tool)
{
    struct provider_target target = ollama();
    struct chat_tool_call calls[] = {
        {.id = TEXT("call_a"), .name = TEXT("weather"), .arguments = TEXT("{\"city\":\"Oslo\"}")},
        {.id = TEXT("call_b"), .name = TEXT("clock")},
    };
    struct chat_message messages[] = {
        {.role = CHAT_ASSISTANT, .text = TEXT("Welcome.")},
        {.role = CHAT_USER, .text = TEXT("Oslo?")},
        {.role = CHAT_USER},
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("call_b")},
        {.role = CHAT_TOOL, .text = TEXT("?"), .tool_call_id = TEXT("call_c")},
    };
    struct chat_request request = {
        .instructions = TEXT("Be brief"), .messages = messages, .messages_count = 7};

    cr_assert(support_encodes_to(
        &target, &request,
        REQUEST("\"messages\":[{\"role\":\"system\",\"content\":\"Be brief\"},"
                "{\"role\":\"assistant\",\"content\":\"Welcome.\"},"
                "{\"role\":\"user\",\"content\":\"Oslo?\"},{\"role\":\"user\",\"content\":\"\"},"
                "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
                "{\"function\":{\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\"}}},"
                "{\"function\":{\"name\":\"clock\",\"arguments\":{}}}]},"
                "{\"role\":\"tool\",\"tool_name\":\"weather\",\"content\":\"4 degrees\"},"
                "{\"role\":\"tool\",\"tool_name\":\"clock\",\"content\":\"\"},"
                "{\"role\":\"tool\",\"content\":\"?\"}]")));
}

/* ---- thinking ---- */

#define STATE(provider)                                                                            \
    "{\"provider\": \"" provider                                                                   \
    "\", \"model\": \"m-1\", \"message\": {\"thinking\": \"I \\\"see\\\"\"}}"

static bool replays(const char *state, bool another_user_message)
{
    struct provider_target target = ollama();
    struct chat_tool_call call = {.id = TEXT("c"), .name = TEXT("f"), .arguments = TEXT("{}")};
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("q")},
        {.role = CHAT_ASSISTANT,
         .tool_calls = &call,
         .tool_calls_count = 1,
         .opaque_state = text_of(state)},
        {.role = CHAT_TOOL, .text = TEXT("r"), .tool_call_id = TEXT("c")},
        {.role = CHAT_USER, .text = TEXT("next")},
    };
    struct chat_request request = {.messages = messages,
                                   .messages_count = another_user_message ? 4 : 3};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(ollama_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    return strstr(buf_string(&wire.body), "\"thinking\":\"I \\\"see\\\"\"") != NULL;
}

Test(ollama_encode, thoughts_go_back_within_the_turn_to_the_model_that_had_them)
{
    cr_assert(replays(STATE("ollama"), false));
    cr_assert_not(replays(STATE("ollama"), true));
    cr_assert_not(replays(STATE("deepseek"), false));
    cr_assert_not(replays("{\"provider\": \"ollama\"", false));
    cr_assert_not(
        replays("{\"provider\": \"ollama\", \"model\": \"m-1\", \"message\": {}}", false));
}

/* ---- images ---- */

Test(ollama_encode, images_stand_beside_the_texts)
{
    struct provider_target target = ollama();
    struct chat_part parts[] = {
        {.kind = CHAT_PART_TEXT, .text = TEXT("a")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/png;base64,AA==")},
        {.kind = CHAT_PART_TEXT, .text = TEXT("b")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:;base64,AAAA")},
    };
    struct chat_message message = {.role = CHAT_USER, .parts = parts, .parts_count = 4};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert(support_encodes_to(&target, &request,
                                 REQUEST("\"messages\":[{\"role\":\"user\",\"content\":\"a\\nb\","
                                         "\"images\":[\"AA==\",\"AAAA\"]}]")));
    message.parts = &parts[1];
    message.parts_count = 1;
    cr_assert(support_encodes_to(&target, &request,
                                 REQUEST("\"messages\":[{\"role\":\"user\",\"content\":\"\","
                                         "\"images\":[\"AA==\"]}]")));
}

Test(ollama_encode, an_image_that_the_server_would_have_to_fetch_is_refused)
{
    struct provider_target target = ollama();
    struct chat_part part = {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://x/y.png")};
    struct chat_message message = {.role = CHAT_USER, .parts = &part, .parts_count = 1};
    struct chat_request request = {.messages = &message, .messages_count = 1};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(ollama_encode(&target, &request, &wire, &err), -E_INVALID);
    cr_assert(strstr(err.text, "data: url"), "%s", err.text);
}

/* ---- tools and settings ---- */

static bool offers(struct chat_tool_choice choice, const char *tools)
{
    struct provider_target target = ollama();
    struct chat_tool offered[] = {
        {.name = TEXT("f"),
         .description = TEXT("Does it"),
         .parameters = TEXT("{\"type\":\"object\"}"),
         .strict = CHAT_SWITCH_ON},
        {.name = TEXT("g")},
    };
    struct chat_request request = {.tools = offered,
                                   .tools_count = 2,
                                   .tool_choice = choice,
                                   .parallel_tool_calls = CHAT_SWITCH_OFF};
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, REQUEST(HI "%s"), tools);
    return sends(&target, &request, buf_string(&body));
}

#define TOOL_F                                                                                     \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"Does it\","             \
    "\"parameters\":{\"type\":\"object\"}}}"
#define TOOL_G "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}"

Test(ollama_encode, a_choice_is_which_tools_are_offered)
{
    struct chat_tool_choice choice = {.kind = CHAT_TOOL_CHOICE_UNSET};

    cr_assert(offers(choice, ",\"tools\":[" TOOL_F "," TOOL_G "]"));
    choice.kind = CHAT_TOOL_CHOICE_REQUIRED;
    cr_assert(offers(choice, ",\"tools\":[" TOOL_F "," TOOL_G "]"));
    choice.kind = CHAT_TOOL_CHOICE_NONE;
    cr_assert(offers(choice, ""));
    choice = (struct chat_tool_choice){CHAT_TOOL_CHOICE_FUNCTION, TEXT("g")};
    cr_assert(offers(choice, ",\"tools\":[" TOOL_G "]"));
}

Test(ollama_encode, settings_are_options)
{
    struct provider_target target = ollama();
    struct chat_request request = {
        .has_temperature = true,
        .temperature = 0.1,
        .has_top_p = true,
        .top_p = 1,
        .max_completion_tokens = 5000,
    };

    target.output_tokens_max = 4096;
    target.context_tokens = 16384;
    cr_assert(sends(&target, &request,
                    REQUEST(HI ",\"options\":{\"num_ctx\":16384,\"num_predict\":4096,"
                               "\"temperature\":0.1,\"top_p\":1}")));
    request = (struct chat_request){.stream = false};
    cr_assert(sends(&target, &request, REQUEST(HI ",\"options\":{\"num_ctx\":16384}")));
}

Test(ollama_encode, a_format_is_a_word_or_a_schema)
{
    struct provider_target target = ollama();
    struct chat_request request = {.response_format = {.kind = CHAT_FORMAT_JSON_OBJECT}};

    cr_assert(sends(&target, &request, REQUEST(HI ",\"format\":\"json\"")));
    request.response_format.kind = CHAT_FORMAT_JSON_SCHEMA;
    cr_assert(sends(&target, &request, REQUEST(HI ",\"format\":\"json\"")));
    request.response_format.schema = TEXT("{\"type\":\"object\"}");
    cr_assert(sends(&target, &request, REQUEST(HI ",\"format\":{\"type\":\"object\"}")));
    request.response_format.kind = CHAT_FORMAT_TEXT;
    cr_assert(sends(&target, &request, REQUEST(HI)));
}

Test(ollama_encode, effort_is_a_level_of_thinking)
{
    static const char *const rows[][2] = {
        {"none", ",\"think\":false"},    {"minimal", ",\"think\":\"low\""},
        {"low", ",\"think\":\"low\""},   {"medium", ",\"think\":\"medium\""},
        {"high", ",\"think\":\"high\""}, {"xhigh", ",\"think\":\"high\""},
        {"max", ",\"think\":\"high\""},  {"unheard-of", ""},
    };
    struct provider_target target = ollama();

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct chat_request request = {.reasoning_effort = text_of(rows[i][0])};
        CLEANUP(buf_deinit) struct buf body = {0};

        buf_init(&body, 0);
        buf_printf(&body, REQUEST(HI "%s"), rows[i][1]);
        cr_assert(sends(&target, &request, buf_string(&body)));
    }
}

Test(ollama_encode, a_key_is_sent_where_one_is_configured)
{
    struct provider_target target = ollama();
    struct chat_request request = {.idempotency_key = TEXT("run_1:3")};
    struct provider_wire wire;
    struct error err;

    target.base_url = "http://127.0.0.1:11434";
    for (int i = 0; i < 2; i++) {
        provider_wire_init(&wire);
        cr_assert_eq(ollama_encode(&target, &request, &wire, &err), 0, "%s", err.text);
        cr_assert_str_eq(wire.url, "http://127.0.0.1:11434/api/chat");
        cr_assert_str_eq(support_header(&wire, "idempotency-key"), "run_1:3");
        if (i == 0)
            cr_assert_str_eq(support_header(&wire, "authorization"), "Bearer sk-test-1234567890");
        else
            cr_assert_null(support_header(&wire, "authorization"));
        target.api_key = "";
        provider_wire_deinit(&wire);
    }
}
