/* Gemini's requests, compared as JSON values. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/formats/gemini.h"
#include "shared/base/error.h"
#include "support.h"

static struct provider_target target_of(const char *model)
{
    struct provider_target target = support_target_of(&provider_gemini, "gemini");

    memset(target.model, 0, sizeof(target.model));
    memcpy(target.model, model, strlen(model));
    return target;
}

static struct provider_target gemini(void)
{
    return target_of("gemini-3-flash");
}

/* Whether these messages become these contents. */
static bool become(const struct provider_target *target, const struct chat_message *messages,
                   size_t count, const char *contents)
{
    struct chat_request request = {.messages = messages, .messages_count = count};
    CLEANUP(buf_deinit) struct buf expected = {0};

    buf_init(&expected, 0);
    buf_printf(&expected, "{\"contents\":%s}", contents);
    return support_encodes_to(target, &request, buf_string(&expected));
}

#define USER(parts)  "{\"role\":\"user\",\"parts\":[" parts "]}"
#define MODEL(parts) "{\"role\":\"model\",\"parts\":[" parts "]}"
#define SAYS(text)   "{\"text\":\"" text "\"}"

Test(gemini_encode, the_smallest_request_sends_nothing_that_was_not_set)
{
    struct provider_target target = gemini();
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hello \"you\"\n\xE2\x82\xAC")};

    cr_assert(become(&target, &hello, 1, "[" USER(SAYS("Hello \\\"you\\\"\\n\xE2\x82\xAC")) "]"));
}

static struct chat_tool_call calls[] = {
    {.id = TEXT("call_a"), .name = TEXT("weather"), .arguments = TEXT("{\"city\":\"Oslo\"}")},
    {.id = TEXT("call_b"), .name = TEXT("clock")},
};

/* Two calls, and what they gave. */
static struct chat_message two_calls[] = {
    {.role = CHAT_USER, .text = TEXT("Oslo?")},
    {.role = CHAT_ASSISTANT, .text = TEXT("I look."), .tool_calls = calls, .tool_calls_count = 2},
    {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
    {.role = CHAT_TOOL, .tool_call_id = TEXT("call_b")},
    {.role = CHAT_USER, .text = TEXT("And now?")},
    {.role = CHAT_ASSISTANT, .text = TEXT("Cold.")},
    {.role = CHAT_USER, .text = TEXT("Why?")},
};

#define CALL_A                                                                                     \
    "\"functionCall\":{\"id\":\"call_a\",\"name\":\"weather\",\"args\":{\"city\":\"Oslo\"}}"
#define CALL_B "\"functionCall\":{\"id\":\"call_b\",\"name\":\"clock\",\"args\":{}}"
#define RESULTS                                                                                    \
    USER("{\"functionResponse\":{\"id\":\"call_a\",\"name\":\"weather\",\"response\":{\"result\":" \
         "\"4 degrees\"}}},{\"functionResponse\":{\"id\":\"call_b\",\"name\":\"clock\","           \
         "\"response\":{\"result\":\"\"}}}")

Test(gemini_encode, results_are_objects_in_one_content_and_named_by_their_call)
{
    struct provider_target target = gemini();

    cr_assert(become(&target, two_calls, 7,
                     "[" USER(SAYS("Oslo?")) "," MODEL(
                         SAYS("I look.") ",{" CALL_A "},{" CALL_B
                                         "}") "," RESULTS
                                              "," USER(SAYS("And now?")) "," MODEL(
                                                  SAYS("Cold.")) "," USER(SAYS("Why?")) "]"));
}

Test(gemini_encode, messages_in_a_row_become_one_content_and_empty_ones_none)
{
    struct provider_target target = gemini();
    const struct chat_part parts[] = {{.kind = CHAT_PART_TEXT},
                                      {.kind = CHAT_PART_TEXT, .text = TEXT("b")}};
    const struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("a")},
        {.role = CHAT_USER, .parts = parts, .parts_count = 2},
        {.role = CHAT_ASSISTANT, .text = TEXT("c")},
        {.role = CHAT_USER, .text = TEXT("")},
        {.role = CHAT_ASSISTANT},
        {.role = CHAT_ASSISTANT, .text = TEXT("d")},
        {.role = CHAT_USER, .text = TEXT("e")},
    };

    cr_assert(become(&target, messages, 7,
                     "[" USER(SAYS("a") "," SAYS("b")) "," MODEL(SAYS("c") "," SAYS("d")) "," USER(
                         SAYS("e")) "]"));
}

Test(gemini_encode, a_conversation_begins_and_ends_with_the_user)
{
    struct provider_target target = gemini();
    const struct chat_message messages[] = {
        {.role = CHAT_ASSISTANT, .text = TEXT("Welcome.")},
    };

    cr_assert(become(&target, messages, 1,
                     "[" USER(SAYS(" ")) "," MODEL(SAYS("Welcome.")) "," USER(SAYS(" ")) "]"));
    cr_assert(become(&target, NULL, 0, "[" USER(SAYS(" ")) "]"));
}

Test(gemini_encode, a_result_of_no_call_is_told_as_a_text)
{
    struct provider_target target = gemini();
    const struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("a")},
        {.role = CHAT_TOOL, .text = TEXT("42"), .tool_call_id = TEXT("call_x")},
    };

    cr_assert(become(&target, messages, 2, "[" USER(SAYS("a") "," SAYS("42")) "]"));
}

Test(gemini_encode, names_of_the_past_begin_with_a_letter_or_an_underscore)
{
    struct provider_target target = gemini();
    static const char *const names[][2] = {
        {"1st", "_1st"}, {"-x", "_-x"}, {"_1", "_1"}, {"a1", "a1"}};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct chat_tool_call call = {.id = TEXT("c"), .name = text_of(names[i][0])};
        const struct chat_message messages[] = {
            {.role = CHAT_USER, .text = TEXT("a")},
            {.role = CHAT_ASSISTANT, .tool_calls = &call, .tool_calls_count = 1},
            {.role = CHAT_TOOL, .text = TEXT("b"), .tool_call_id = TEXT("c")},
            {.role = CHAT_USER, .text = TEXT("d")},
        };
        CLEANUP(buf_deinit) struct buf expected = {0};

        buf_init(&expected, 0);
        buf_printf(&expected,
                   "[" USER(SAYS("a")) "," MODEL(
                       "{\"functionCall\":{\"id\":\"c\",\"name\":\"%s\","
                       "\"args\":{}}}") "," USER("{\"functionResponse\":{\"id\":\"c\",\"name\":\"%"
                                                 "s\",\"response\":{"
                                                 "\"result\":\"b\"}}}") "," USER(SAYS("d")) "]",
                   names[i][1], names[i][1]);
        cr_assert(become(&target, messages, 4, buf_string(&expected)));
    }
}

/* ---- signatures ---- */

#define STATE(model, list)                                                                         \
    "{\"provider\": \"gemini\", \"model\": \"" model "\", \"message\": {\"signatures\": " list "}" \
    "}"

/* The parts of a message with two calls of the present turn, or of one before it. */
static bool calls_become(const char *model, const char *state, bool is_present, const char *parts)
{
    struct provider_target target = target_of(model);
    struct chat_message messages[5];
    CLEANUP(buf_deinit) struct buf expected = {0};

    memcpy(messages, two_calls, sizeof(messages));
    messages[1].text = TEXT_NONE;
    messages[1].opaque_state = text_of(state);
    buf_init(&expected, 0);
    buf_printf(&expected, "[%s,{\"role\":\"model\",\"parts\":[%s]},%s%s]", USER(SAYS("Oslo?")),
               parts, RESULTS, is_present ? "" : "," USER(SAYS("And now?")));
    return become(&target, messages, is_present ? 4 : 5, buf_string(&expected));
}

#define SIGNED_A "{" CALL_A ",\"thoughtSignature\":\"c2ln\"},{" CALL_B "}"
#define UNSIGNED "{" CALL_A "},{" CALL_B "}"
#define ANY      ",\"thoughtSignature\":\"skip_thought_signature_validator\"}"
#define ANYHOW   "{" CALL_A ANY ",{" CALL_B "}"

Test(gemini_encode, signatures_go_back_to_their_calls_in_any_turn)
{
    const char *state = STATE("gemini-3-flash", "[\"c2ln\", null]");

    cr_assert(calls_become("gemini-3-flash", state, true, SIGNED_A));
    cr_assert(calls_become("gemini-3-flash", state, false, SIGNED_A));
    cr_assert(calls_become("gemini-3-flash", STATE("gemini-3-flash", "[null, \"c2ln\"]"), true,
                           "{" CALL_A "},{" CALL_B ",\"thoughtSignature\":\"c2ln\"}"));
}

Test(gemini_encode, calls_of_the_present_turn_that_nobody_signed_get_the_word_for_that)
{
    static const char *const lost[] = {
        NULL,
        "{\"message\": {",
        STATE("gemini-3-pro", "[\"c2ln\", null]"),
        STATE("gemini-3-flash", "[\"c2ln\"]"),
        STATE("gemini-3-flash", "[\"c2ln\", null, null]"),
        STATE("gemini-3-flash", "[null, 7]"),
        STATE("gemini-3-flash", "{}"),
        "{\"provider\": \"deepseek\", \"model\": \"m\", \"message\": {\"reasoning_content\": "
        "\"hm\"}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(lost); i++) {
        cr_assert(calls_become("gemini-3-flash", lost[i], true, ANYHOW), "%zu", i);
        cr_assert(calls_become("gemini-3-flash", lost[i], false, UNSIGNED), "%zu", i);
    }
    cr_assert(calls_become("models/gemini-flash-latest", NULL, true, ANYHOW));
    cr_assert(calls_become("gemini-2.5-flash", NULL, true, UNSIGNED), "checks no signatures");
    cr_assert(calls_become("gemma-3-27b-it", NULL, true, UNSIGNED));
}

/* ---- images ---- */

static int encode_image(const char *url, struct provider_wire *wire, struct error *err)
{
    struct provider_target target = gemini();
    struct chat_part part = {
        .kind = CHAT_PART_IMAGE_URL, .url = text_of(url), .detail = TEXT("low")};
    struct chat_message message = {.role = CHAT_USER, .parts = &part, .parts_count = 1};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    provider_wire_init(wire);
    return gemini_encode(&target, &request, wire, err);
}

static void image_becomes(const char *url, const char *part)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    cr_assert_eq(encode_image(url, &wire, &err), 0, "%s", err.text);
    cr_assert(strstr(buf_string(&wire.body), part), "%s", buf_string(&wire.body));
}

Test(gemini_encode, images_are_sent_or_pointed_to)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct error err;

    image_becomes("data:image/png;base64,AA==",
                  "[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}]");
    image_becomes("https://x/y.png?a=b.gif#c",
                  "[{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":"
                  "\"https://x/y.png?a=b.gif#c\"}}]");
    image_becomes("http://x/photo", "{\"mimeType\":\"image/jpeg\",");
    cr_assert_eq(encode_image("data:image/svg+xml,%3Csvg", &wire, &err), -E_INVALID);
    cr_assert(strstr(err.text, "base64"), "%s", err.text);
}

/* ---- tools and settings ---- */

/* Whether a request with these settings and one tool sends this behind its contents. */
static bool sends(const char *model, const struct chat_request *settings, const char *expected)
{
    struct provider_target target = target_of(model);
    struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};
    struct chat_request request = *settings;
    CLEANUP(buf_deinit) struct buf body = {0};

    request.messages = &hello;
    request.messages_count = 1;
    buf_init(&body, 0);
    buf_printf(&body, "{\"contents\":[" USER(SAYS("Hi")) "]%s}", expected);
    return support_encodes_to(&target, &request, buf_string(&body));
}

static bool chooses(struct chat_tool_choice choice, enum chat_switch strict, const char *expected)
{
    struct chat_tool tools[] = {
        {.name = TEXT("f"),
         .description = TEXT("Does it"),
         .parameters = TEXT("{\"type\":\"object\",\"properties\":{}}")},
        {.name = TEXT("g"), .strict = strict},
    };
    struct chat_request request = {.tools = tools,
                                   .tools_count = 2,
                                   .tool_choice = choice,
                                   .parallel_tool_calls = CHAT_SWITCH_OFF};
    CLEANUP(buf_deinit) struct buf rest = {0};

    buf_init(&rest, 0);
    buf_printf(&rest,
               ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"Does "
               "it\",\"parametersJsonSchema\":{\"type\":\"object\",\"properties\":{}}},{\"name\":"
               "\"g\"}]}]%s",
               expected);
    return sends("gemini-3-flash", &request, buf_string(&rest));
}

#define CONFIG(rest) ",\"toolConfig\":{\"functionCallingConfig\":{" rest "}}"

Test(gemini_encode, tool_choices_are_modes)
{
    struct chat_tool_choice choice = {.kind = CHAT_TOOL_CHOICE_UNSET};

    cr_assert(chooses(choice, CHAT_SWITCH_OFF, ""));
    cr_assert(chooses(choice, CHAT_SWITCH_ON, CONFIG("\"mode\":\"VALIDATED\"")));
    choice.kind = CHAT_TOOL_CHOICE_AUTO;
    cr_assert(chooses(choice, CHAT_SWITCH_UNSET, CONFIG("\"mode\":\"AUTO\"")));
    cr_assert(chooses(choice, CHAT_SWITCH_ON, CONFIG("\"mode\":\"VALIDATED\"")));
    choice.kind = CHAT_TOOL_CHOICE_NONE;
    cr_assert(chooses(choice, CHAT_SWITCH_ON, CONFIG("\"mode\":\"NONE\"")));
    choice.kind = CHAT_TOOL_CHOICE_REQUIRED;
    cr_assert(chooses(choice, CHAT_SWITCH_UNSET, CONFIG("\"mode\":\"ANY\"")));
    choice = (struct chat_tool_choice){CHAT_TOOL_CHOICE_FUNCTION, TEXT("g")};
    cr_assert(chooses(choice, CHAT_SWITCH_UNSET,
                      CONFIG("\"mode\":\"ANY\",\"allowedFunctionNames\":[\"g\"]")));
}

Test(gemini_encode, a_choice_without_tools_is_not_sent)
{
    struct chat_request request = {.tool_choice = {.kind = CHAT_TOOL_CHOICE_REQUIRED}};

    cr_assert(sends("gemini-3-flash", &request, ""));
}

#define GENERATION(rest) ",\"generationConfig\":{" rest "}"

Test(gemini_encode, settings_are_sent_under_their_names)
{
    struct chat_request request = {
        .instructions = TEXT("Be brief"),
        .has_temperature = true,
        .temperature = 0.1,
        .has_top_p = true,
        .top_p = 1,
        .max_completion_tokens = 300,
        .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                            .name = TEXT("n"),
                            .schema = TEXT("{\"type\":\"object\"}"),
                            .strict = CHAT_SWITCH_ON},
        .reasoning_effort = TEXT("medium"),
    };

    cr_assert(sends("gemini-3-flash", &request,
                    ",\"systemInstruction\":{\"parts\":[{\"text\":\"Be brief\"}]}" GENERATION(
                        "\"temperature\":0.1,\"topP\":1,\"maxOutputTokens\":300,"
                        "\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{"
                        "\"type\":\"object\"},\"thinkingConfig\":{\"thinkingLevel\":\"MEDIUM\"}")));
}

Test(gemini_encode, formats_are_types_of_the_answer)
{
    struct chat_request request = {.response_format = {.kind = CHAT_FORMAT_JSON_OBJECT}};

    cr_assert(
        sends("gemini-3-flash", &request, GENERATION("\"responseMimeType\":\"application/json\"")));
    request.response_format.kind = CHAT_FORMAT_JSON_SCHEMA;
    cr_assert(
        sends("gemini-3-flash", &request, GENERATION("\"responseMimeType\":\"application/json\"")));
    request.response_format.kind = CHAT_FORMAT_TEXT;
    cr_assert(sends("gemini-3-flash", &request, ""));
}

static bool thinks(const char *model, const char *effort, const char *config)
{
    struct chat_request request = {.reasoning_effort = text_of(effort)};
    CLEANUP(buf_deinit) struct buf rest = {0};

    buf_init(&rest, 0);
    if (*config)
        buf_printf(&rest, GENERATION("\"thinkingConfig\":{%s}"), config);
    return sends(model, &request, buf_string(&rest));
}

Test(gemini_encode, effort_is_said_as_each_generation_takes_it)
{
    static const struct {
        const char *effort;
        const char *level;
        const char *flash;
        const char *pro;
    } rows[] = {
        {"none", "LOW", "0", "128"},        {"minimal", "LOW", "1024", "1024"},
        {"low", "LOW", "1024", "1024"},     {"medium", "MEDIUM", "8192", "8192"},
        {"high", "HIGH", "24576", "24576"}, {"xhigh", "HIGH", "24576", "24576"},
        {"max", "HIGH", "24576", "24576"},
    };
    char config[64];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        snprintf(config, sizeof(config), "\"thinkingLevel\":\"%s\"", rows[i].level);
        cr_assert(thinks("gemini-3-pro-preview", rows[i].effort, config));
        cr_assert(thinks("gemini-flash-latest", rows[i].effort, config));
        snprintf(config, sizeof(config), "\"thinkingBudget\":%s", rows[i].flash);
        cr_assert(thinks("models/gemini-2.5-flash-lite", rows[i].effort, config));
        snprintf(config, sizeof(config), "\"thinkingBudget\":%s", rows[i].pro);
        cr_assert(thinks("gemini-2.5-pro", rows[i].effort, config));
        cr_assert(thinks("gemini-2.0-flash", rows[i].effort, ""));
        cr_assert(thinks("gemma-3-27b-it", rows[i].effort, ""));
    }
    cr_assert(thinks("gemini-3-flash", "unheard-of", ""));
}

Test(gemini_encode, no_more_output_is_asked_for_than_the_model_can_give)
{
    struct provider_target target = gemini();
    struct chat_request request = {.max_completion_tokens = 100000};

    target.output_tokens_max = 65536;
    cr_assert(support_encodes_to(
        &target, &request,
        "{\"contents\":[" USER(SAYS(" ")) "]" GENERATION("\"maxOutputTokens\":65536") "}"));
}

/* ---- url and headers ---- */

static const char *url_of(const char *model, bool stream)
{
    static struct provider_wire wire;
    struct provider_target target = target_of(model);
    struct chat_request request = {.stream = stream, .idempotency_key = TEXT("run_1:3")};
    struct error err;

    target.base_url = "https://generativelanguage.googleapis.com/v1beta/";
    provider_wire_deinit(&wire);
    provider_wire_init(&wire);
    cr_assert_eq(gemini_encode(&target, &request, &wire, &err), 0, "%s", err.text);
    cr_assert_str_eq(support_header(&wire, "x-goog-api-key"), "sk-test-1234567890");
    cr_assert_str_eq(support_header(&wire, "idempotency-key"), "run_1:3");
    cr_assert_null(support_header(&wire, "authorization"));
    return wire.url + strlen("https://generativelanguage.googleapis.com/v1beta");
}

Test(gemini_encode, the_model_is_a_step_of_the_path_and_no_more)
{
    cr_assert_str_eq(url_of("gemini-3-flash", false), "/models/gemini-3-flash:generateContent");
    cr_assert_str_eq(url_of("gemini-3-flash", true),
                     "/models/gemini-3-flash:streamGenerateContent?alt=sse");
    cr_assert_str_eq(url_of("models/gemini-3-flash", false),
                     "/models/gemini-3-flash:generateContent");
    cr_assert_str_eq(url_of("tunedModels/mine", false), "/tunedModels/mine:generateContent");
    cr_assert_str_eq(url_of("a/../b?c#d%:e\xC3\xA9", false),
                     "/models/a%2F..%2Fb%3Fc%23d%25%3Ae%C3%A9:generateContent");
    cr_assert_str_eq(url_of("models/../x", false), "/models/..%2Fx:generateContent");
}
