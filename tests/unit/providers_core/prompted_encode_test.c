/* Tools and formats in words. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "providers/prompted/prompted_format.h"
#include "providers/prompted/prompted_reply.h"
#include "providers/prompted/prompted_tools.h"
#include "shared/base/error.h"

static struct arena arena;

static void begin(void)
{
    arena_init(&arena, 0);
}

static void end(void)
{
    arena_deinit(&arena);
}

TestSuite(prompted_encode, .init = begin, .fini = end);
TestSuite(prompted_format, .init = begin, .fini = end);

#define LITERAL(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct chat_tool tools[] = {
    {.name = LITERAL("get_weather"),
     .description = LITERAL("The weather \"now\",\nin a city."),
     .parameters = LITERAL(
         "{\n  \"type\": \"object\",\n  \"properties\": {\"city\": {\"type\": \"string\"}}\n}")},
    {.name = LITERAL("get_time")},
};

static struct chat_request encode(const struct chat_request *in)
{
    struct chat_request out;
    struct error err;

    cr_assert_eq(prompted_tools_encode(in, &arena, &out, &err), 0);
    cr_assert_eq(out.tools_count, 0);
    cr_assert_eq(out.tool_choice.kind, CHAT_TOOL_CHOICE_UNSET);
    cr_assert_eq(out.parallel_tool_calls, CHAT_SWITCH_UNSET);
    return out;
}

static bool has(struct text text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

Test(prompted_encode, a_request_without_tools_and_calls_stays_as_it_is)
{
    struct chat_message message = {.role = CHAT_USER, .text = TEXT("Hello")};
    struct chat_request in = {.instructions = TEXT("Be brief."),
                              .messages = &message,
                              .messages_count = 1,
                              .stream = true,
                              .max_completion_tokens = 7,
                              .tool_choice = {.kind = CHAT_TOOL_CHOICE_AUTO}};
    struct chat_request out = encode(&in);

    cr_expect(text_is(out.instructions, "Be brief."));
    cr_expect_eq(out.messages, &message);
    cr_expect(out.stream);
    cr_expect_eq(out.max_completion_tokens, 7);
}

Test(prompted_encode, tools_stand_behind_the_instructions_a_line_each)
{
    struct chat_request in = {.instructions = TEXT("Be brief."), .tools = tools, .tools_count = 2};
    struct text said = encode(&in).instructions;

    cr_expect(text_starts(said, "Be brief.\n\n# Tools\n"));
    cr_expect(has(said,
                  "\n{\"name\":\"get_weather\",\"description\":\"The weather \\\"now\\\",\\nin "
                  "a city.\",\"parameters\":{   \"type\": \"object\",   \"properties\": "
                  "{\"city\": {\"type\": \"string\"}} }}\n"));
    cr_expect(has(said, "\n{\"name\":\"get_time\",\"parameters\":{\"type\":\"object\","
                        "\"properties\":{}}}\n</tools>\n"));
    cr_expect(has(said, "<tool_call>\n<name>"));
    cr_expect(has(said, "- You may write several calls"));
    cr_expect(has(said, "- If no tool helps, answer in text"));
}

Test(prompted_encode, without_instructions_nothing_stands_before_the_tools)
{
    struct chat_request in = {.tools = tools, .tools_count = 1};

    cr_expect(text_starts(encode(&in).instructions, "# Tools\n"));
}

Test(prompted_encode, choice_and_parallel_are_sentences)
{
    struct chat_request in = {.tools = tools, .tools_count = 2};

    in.parallel_tool_calls = CHAT_SWITCH_OFF;
    cr_expect(has(encode(&in).instructions, "- Call one tool at a time"));
    in.tool_choice.kind = CHAT_TOOL_CHOICE_REQUIRED;
    cr_expect(has(encode(&in).instructions, "must be a call of at least one tool"));
    in.tool_choice = (struct chat_tool_choice){CHAT_TOOL_CHOICE_FUNCTION, TEXT("get_time")};
    cr_expect(has(encode(&in).instructions, "must be a call of the tool get_time."));
    in.tool_choice.kind = CHAT_TOOL_CHOICE_NONE;
    cr_expect_eq(encode(&in).instructions.len, 0);
}

static const struct chat_tool_call calls[] = {
    {.id = {"a", 1}, .name = {"get_weather", 11}, .arguments = {"{\"city\":\"Paris\"}", 16}},
    {.id = {"b", 1}, .name = {"get_time", 8}},
};

Test(prompted_encode, calls_and_results_become_texts)
{
    struct chat_message history[] = {
        {.role = CHAT_USER, .text = TEXT("Weather and time?")},
        {.role = CHAT_ASSISTANT,
         .text = TEXT("I look."),
         .tool_calls = calls,
         .tool_calls_count = 2,
         .opaque_state = TEXT("{}")},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("b"), .text = TEXT("12:00")},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("a"), .text = TEXT("rain")},
        {.role = CHAT_ASSISTANT, .text = TEXT("Rain at noon.")},
        {.role = CHAT_ASSISTANT, .tool_calls = &calls[1], .tool_calls_count = 1},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("b")},
    };
    struct chat_request in = {
        .messages = history, .messages_count = 7, .tools = tools, .tools_count = 2};
    struct chat_request out = encode(&in);

    cr_assert_eq(out.messages_count, 6);
    cr_expect(text_is(out.messages[0].text, "Weather and time?"));
    cr_expect_eq(out.messages[1].role, CHAT_ASSISTANT);
    cr_expect_eq(out.messages[1].tool_calls_count, 0);
    cr_expect_eq(out.messages[1].opaque_state.len, 0);
    cr_expect(text_is(out.messages[1].text,
                      "I look.\n<tool_call>\n<name>get_weather</name>\n"
                      "<arguments>{\"city\":\"Paris\"}</arguments>\n</tool_call>\n"
                      "<tool_call>\n<name>get_time</name>\n<arguments>{}</arguments>\n"
                      "</tool_call>"));
    cr_expect_eq(out.messages[2].role, CHAT_USER);
    cr_expect(text_is(out.messages[2].text,
                      "<tool_result>\n<name>get_time</name>\n<result>12:00</result>\n"
                      "</tool_result>\n<tool_result>\n<name>get_weather</name>\n"
                      "<result>rain</result>\n</tool_result>"));
    cr_expect(text_is(out.messages[3].text, "Rain at noon."));
    cr_expect(text_starts(out.messages[4].text, "<tool_call>\n<name>get_time"));
    cr_expect(text_is(out.messages[5].text, "<tool_result>\n<name>get_time</name>\n"
                                            "<result></result>\n</tool_result>"));
}

Test(prompted_encode, a_result_without_a_call_has_no_name)
{
    struct chat_message message = {
        .role = CHAT_TOOL, .tool_call_id = TEXT("x"), .text = TEXT("lost")};
    struct chat_request in = {.messages = &message, .messages_count = 1};

    cr_expect(text_starts(encode(&in).messages[0].text, "<tool_result>\n<name>unknown</name>"));
}

Test(prompted_encode, a_result_can_not_end_its_tag)
{
    struct chat_message message = {.role = CHAT_TOOL,
                                   .text = TEXT("a</tool_result>b</tool_result >c")};
    struct chat_request in = {.messages = &message, .messages_count = 1};

    cr_expect(
        has(encode(&in).messages[0].text, "<result>a<\\/tool_result>b<\\/tool_result >c</result>"));
}

Test(prompted_encode, calls_of_the_past_without_tools_are_explained)
{
    struct chat_message message = {
        .role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 1};
    struct chat_request in = {
        .instructions = TEXT("Be brief."), .messages = &message, .messages_count = 1};
    struct chat_request out = encode(&in);

    cr_expect(text_starts(out.instructions, "Be brief.\n\nNo tools can be called now"));
    cr_expect_eq(out.messages[0].tool_calls_count, 0);
}

Test(prompted_encode, what_is_encoded_is_decoded)
{
    struct chat_message message = {.role = CHAT_ASSISTANT,
                                   .text = TEXT("I look."),
                                   .tool_calls = calls,
                                   .tool_calls_count = 2};
    struct chat_request in = {
        .messages = &message, .messages_count = 1, .tools = tools, .tools_count = 2};
    struct chat_reply reply = {.arena = &arena, .text = encode(&in).messages[0].text};
    struct error err;

    cr_assert_eq(prompted_tools_decode(&in, &reply, &err), 0);
    cr_expect(text_is(reply.text, "I look."));
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_expect(text_equal(reply.tool_calls[0].name, calls[0].name));
    cr_expect(text_equal(reply.tool_calls[0].arguments, calls[0].arguments));
    cr_expect(text_is(reply.tool_calls[1].arguments, "{}"));
}

Test(prompted_encode, a_schema_that_is_no_json_is_left_out)
{
    struct chat_tool tool = {.name = TEXT("f"), .parameters = TEXT("{oops")};
    struct chat_request in = {.tools = &tool, .tools_count = 1};

    cr_expect(has(encode(&in).instructions, "{\"name\":\"f\",\"parameters\":{\"type\":\"object\""));
}

Test(prompted_encode, a_full_arena_is_said)
{
    struct chat_request in = {.tools = tools, .tools_count = 2};
    struct chat_request out = {.max_completion_tokens = 5};
    struct arena small;
    struct error err;

    arena_init(&small, 1);
    cr_expect_eq(prompted_tools_encode(&in, &small, &out, &err), -E_LIMIT);
    in.response_format.kind = CHAT_FORMAT_JSON_OBJECT;
    cr_expect_eq(prompted_format(&in, &small, &out, &err), -E_LIMIT);
    cr_expect_eq(out.max_completion_tokens, 5);
    arena_deinit(&small);
}

/* ---- formats ---- */

static struct chat_request format(const struct chat_request *in)
{
    struct chat_request out;
    struct error err;

    cr_assert_eq(prompted_format(in, &arena, &out, &err), 0);
    cr_assert_eq(out.response_format.kind, CHAT_FORMAT_UNSET);
    return out;
}

Test(prompted_format, text_needs_no_words)
{
    struct chat_request in = {.instructions = TEXT("Be brief."),
                              .response_format = {.kind = CHAT_FORMAT_TEXT}};

    cr_expect(text_is(format(&in).instructions, "Be brief."));
    in.response_format.kind = CHAT_FORMAT_UNSET;
    cr_expect(text_is(format(&in).instructions, "Be brief."));
}

Test(prompted_format, an_object_is_asked_for_in_words)
{
    struct chat_request in = {.instructions = TEXT("Be brief."),
                              .response_format = {.kind = CHAT_FORMAT_JSON_OBJECT}};
    struct text said = format(&in).instructions;

    cr_expect(text_starts(said, "Be brief.\n\n# Form of the answer\n\nYour answer must be one JSON "
                                "object and nothing else"));
    cr_expect(!has(said, "call tools"));
    in.tools = tools;
    in.tools_count = 1;
    in.instructions = TEXT_NONE;
    said = format(&in).instructions;
    cr_expect(text_starts(said, "# Form"));
    cr_expect(has(said, "As long as you call tools"));
}

Test(prompted_format, a_schema_stands_as_it_was_written)
{
    struct chat_request in = {.response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                                                  .name = TEXT("city"),
                                                  .description = TEXT("A city."),
                                                  .schema = TEXT("{\"type\": \"object\"}")}};

    cr_expect(text_ends(format(&in).instructions,
                        "What it is called: city\nWhat it is: A city.\n"
                        "It must fit this JSON Schema: {\"type\": \"object\"}\n"));
}

static bool tidies(const struct chat_request *request, const char *text, const char *expected)
{
    struct chat_reply reply = {.text = text_of(text)};

    prompted_format_tidy(request, &reply);
    return text_is(reply.text, expected);
}

Test(prompted_format, json_is_taken_out_of_a_code_block)
{
    struct chat_request json = {.response_format = {.kind = CHAT_FORMAT_JSON_OBJECT}};
    struct chat_request text = {.response_format = {.kind = CHAT_FORMAT_TEXT}};

    cr_expect(tidies(&json, "```json\n{\"a\": 1}\n```\n", "{\"a\": 1}"));
    cr_expect(tidies(&json, "```\n{\"a\": 1}", "{\"a\": 1}"));
    cr_expect(tidies(&json, "{\"a\": 1}", "{\"a\": 1}"));
    cr_expect(tidies(&json, "Here:\n```json\n{}\n```", "Here:\n```json\n{}\n```"));
    cr_expect(tidies(&json, "```json\n{oops\n```", "```json\n{oops\n```"));
    cr_expect(tidies(&json, "", ""));
    cr_expect(tidies(&text, "```json\n{}\n```", "```json\n{}\n```"));
}
