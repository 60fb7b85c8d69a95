/* Calls of tools out of texts: what is one, what is broken, and what is text. Each reply is decoded
 * whole and, piece by piece, as a stream: both must come to the same. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "prompted_support.h"
#include "providers/prompted/prompted_reply.h"
#include "providers/reply/reply_form.h"
#include "shared/base/error.h"

/* A name within its bound but for the blanks before it. */
#define LONG_NAME                                                                                  \
    "{\"name\": \"                                                                    "            \
    "get_time\"}"

/* A reply in short: its text in quotes, then each call as name(arguments), with '!' behind it where
 * it has a problem. */
static void add_call(struct buf *out, struct text name, struct text arguments, bool problem)
{
    buf_add_char(out, ' ');
    buf_add_text(out, name);
    buf_add_char(out, '(');
    buf_add_text(out, arguments);
    buf_add_string(out, problem ? ")!" : ")");
}

static void say(const struct chat_reply *reply, struct buf *out)
{
    buf_add_char(out, '"');
    buf_add_text(out, reply->text);
    buf_add_char(out, '"');
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        const struct chat_tool_call *call = &reply->tool_calls[i];

        cr_assert_eq(call->id.len, 0);
        add_call(out, call->name, call->arguments, call->problem.len > 0);
    }
}

static void check_stream(const struct chat_request *request, struct text text,
                         enum chat_finish finish, size_t piece, const struct chat_reply *whole)
{
    struct told told;
    struct chat_sink sink = told_init(&told);
    struct prompted_stream stream;
    struct buf expected;

    buf_init(&expected, 0);
    prompted_stream_init(&stream, request, &sink);
    for (size_t at = 0; at < text.len; at += piece) {
        size_t len = text.len - at < piece ? text.len - at : piece;
        struct chat_event event = {.kind = CHAT_EVENT_TEXT, .text = {text.ptr + at, len}};

        stream.sink.emit(stream.sink.arg, &event);
    }
    stream.sink.emit(stream.sink.arg,
                     &(struct chat_event){.kind = CHAT_EVENT_FINISH, .finish = finish});
    prompted_stream_deinit(&stream);
    for (size_t i = 0; i < whole->tool_calls_count; i++) {
        const struct chat_tool_call *call = &whole->tool_calls[i];

        buf_printf(&expected, " %.*s", TEXT_ARGS(call->name));
        if (call->arguments.len)
            buf_printf(&expected, "(%.*s)", TEXT_ARGS(call->arguments));
    }
    cr_expect(text_equal(buf_text(&told.text), whole->text), "pieces of %zu: text \"%s\"", piece,
              buf_string(&told.text));
    cr_expect_str_eq(buf_string(&told.calls), buf_string(&expected), "pieces of %zu", piece);
    cr_expect_eq(told.finish, whole->finish);
    told_deinit(&told);
    buf_deinit(&expected);
}

static void check_finish(const struct chat_request *request, const char *text,
                         enum chat_finish finish, const char *expected)
{
    struct arena arena;
    struct chat_reply reply = {.arena = &arena, .text = text_of(text), .finish = finish};
    struct buf said;
    struct error err;

    arena_init(&arena, 0);
    buf_init(&said, 0);
    cr_assert_eq(prompted_tools_decode(request, &reply, &err), 0);
    say(&reply, &said);
    cr_expect_str_eq(buf_string(&said), expected, "\n  of: %s\n  got: %s\nwanted: %s", text,
                     buf_string(&said), expected);
    for (size_t piece = 1; piece <= 7; piece++)
        check_stream(request, text_of(text), finish, piece, &reply);
    check_stream(request, text_of(text), finish, 64, &reply);
    buf_deinit(&said);
    arena_deinit(&arena);
}

static void check(const char *text, const char *expected)
{
    check_finish(&prompted_offered, text, CHAT_FINISH_STOP, expected);
}

#define PARIS "{\"city\": \"Paris\"}"

/* ---- text ---- */

Test(prompted_decode, a_text_without_calls_stays_as_it_is)
{
    check("", "\"\"");
    check("Hello.", "\"Hello.\"");
    check("  \n a < b, x <y> </z> <tool> \n\n", "\"  \n a < b, x <y> </z> <tool> \n\n\"");
    check("a <tool_cal", "\"a <tool_cal\"");
    check("a <", "\"a <\"");
    check("\n\n", "\"\n\n\"");
}

Test(prompted_decode, a_tag_that_is_only_mentioned_is_text)
{
    check("Use the <tool_call> tag for it.", "\"Use the <tool_call> tag for it.\"");
    check("<tool_call></tool_call> is the pair.", "\"<tool_call></tool_call> is the pair.\"");
    check("<tool_call>", "\"<tool_call>\"");
    check("<tool_calls> and <tool_callx>", "\"<tool_calls> and <tool_callx>\"");
    check("Write `<tool_call><name>get_time</name></tool_call>`.",
          "\"Write `<tool_call><name>get_time</name></tool_call>`.\"");
}

Test(prompted_decode, a_code_block_of_a_longer_answer_is_text)
{
    const char *answer = "The notation is this:\n"
                         "```xml\n"
                         "<tool_call>\n<name>get_time</name>\n<arguments>{}</arguments>\n"
                         "</tool_call>\n"
                         "```";
    const char *tildes = "See:\n~~~~\n<tool_call><name>get_time</name></tool_call>\n~~~\n~~~~\n";
    const char *open = "See:\n   ``` \n<tool_call><name>get_time</name></tool_call>";
    struct buf expected;

    buf_init(&expected, 0);
    buf_printf(&expected, "\"%s\"", answer);
    check(answer, buf_string(&expected));
    buf_reset(&expected);
    buf_printf(&expected, "\"%s\"", tildes);
    check(tildes, buf_string(&expected));
    buf_reset(&expected);
    buf_printf(&expected, "\"%s\"", open);
    check(open, buf_string(&expected));
    buf_deinit(&expected);
}

Test(prompted_decode, a_call_behind_a_code_block_is_a_call)
{
    check("Like so:\n```\n<tool_call>x\n```\nNow:\n<tool_call><name>get_time</name></tool_call>",
          "\"Like so:\n```\n<tool_call>x\n```\nNow:\" get_time()");
    check("```js``` is code.\n<tool_call><name>get_time</name></tool_call>",
          "\"```js``` is code.\" get_time()");
    check("x\n    ```\n<tool_call><name>get_time</name></tool_call>", "\"x\n    ```\" get_time()");
}

/* ---- the notation ---- */

Test(prompted_decode, the_notation_that_is_asked_for)
{
    check("<tool_call>\n<name>get_weather</name>\n<arguments>" PARIS "</arguments>\n</tool_call>",
          "\"\" get_weather(" PARIS ")");
}

Test(prompted_decode, text_around_calls_stays)
{
    check("Let me look.\n\n<tool_call><name>get_time</name><arguments>{}</arguments></tool_call>\n",
          "\"Let me look.\" get_time({})");
    check("One.\n<tool_call><name>get_time</name></tool_call>\nTwo.  Three.\n"
          "<tool_call><name>search</name></tool_call> Four.\n\n",
          "\"One.\n\nTwo.  Three.\n\nFour.\" get_time() search()");
    check("<tool_call><name>get_time</name></tool_call>\n\n  Behind it.",
          "\"Behind it.\" get_time()");
}

Test(prompted_decode, other_names_of_tags_and_another_order)
{
    check("<tool_call><n>get_weather</n><parameters>" PARIS "</parameters></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call><n>get_weather</name><args>" PARIS "</args></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<TOOL_CALL><Name> get_weather </Name><Arguments> " PARIS " </Arguments></TOOL_CALL >",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call><arguments>" PARIS
          "</arguments><tool_name>get_weather</tool_name></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>\n<function>get_weather</function>\n<input>" PARIS "</input>\n</tool_call>",
          "\"\" get_weather(" PARIS ")");
}

Test(prompted_decode, attributes)
{
    check("<tool_call name=\"get_weather\"><arguments type=\"json\">" PARIS
          "</arguments></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call id='1' name='get_weather'>" PARIS "</tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call name=get_time/>", "\"\" get_time()");
    check("<tool_call name=\"get_time\" /> Done.", "\"Done.\" get_time()");
    check("<tool_call><function name=\"get_weather\"><arguments name=\"x\">" PARIS
          "</arguments></function></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call name=\"get_time\"><name>get_time</name></tool_call>", "\"\" get_time()");
    check("<tool_call title=\"a > b\" name=\"get_time\"></tool_call>", "\"\" get_time()");
}

Test(prompted_decode, json_within_the_tag)
{
    check("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " PARIS "}\n</tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>{\"function\": \"get_weather\", \"parameters\": " PARIS "}</tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", "
          "\"arguments\": \"{\\\"city\\\": 1}\"}}</tool_call>",
          "\"\" get_weather(\"{\\\"city\\\": 1}\")");
    check("<tool_call>{\"name\": \"get_time\"}</tool_call>", "\"\" get_time()");
    check(
        "<tool_call>[{\"name\": \"get_time\"}, {\"tool\": \"search\", \"input\": {}}]</tool_call>",
        "\"\" get_time() search({})");
    check("<tool_call>{\"name\": \"get_time\"}\n{\"name\": \"search\"}</tool_call>",
          "\"\" get_time() search()");
    check("<tool_call name=\"get_weather\">{\"name\": \"get_weather\", \"arguments\": " PARIS
          "}</tool_call>",
          "\"\" get_weather(" PARIS ")");
}

Test(prompted_decode, json_in_a_code_block)
{
    check("<tool_call>\n<name>get_weather</name>\n<arguments>\n```json\n" PARIS
          "\n```\n</arguments>\n</tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>\n```json\n{\"name\": \"get_weather\", \"arguments\": " PARIS
          "}\n```\n</tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>```<name>get_time</name>```</tool_call>", "\"\" get_time()");
}

Test(prompted_decode, a_name_without_a_tag)
{
    check("<tool_call>get_weather\n" PARIS "\n</tool_call>", "\"\" get_weather(" PARIS ")");
    check("<tool_call>get_time</tool_call>", "\"\" get_time()");
    check("<tool_call>unknown\n" PARIS "\n</tool_call>",
          "\"<tool_call>unknown\n" PARIS "\n</tool_call>\"");
}

Test(prompted_decode, bare_json_as_the_whole_text)
{
    check("{\"name\": \"get_weather\", \"arguments\": " PARIS "}", "\"\" get_weather(" PARIS ")");
    check("\n {\"name\": \"get_weather\", \"parameters\": " PARIS "} \n",
          "\"\" get_weather(" PARIS ")");
    check("{\"function\": \"get_weather\", \"args\": " PARIS "}", "\"\" get_weather(" PARIS ")");
    check("{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"get_time\"}}",
          "\"\" get_time()");
    check("```json\n{\"name\": \"get_weather\", \"arguments\": " PARIS "}\n```\n",
          "\"\" get_weather(" PARIS ")");
    check("```\n{\"name\": \"get_time\"}", "\"\" get_time()");
    check("[{\"name\": \"get_time\"}, {\"name\": \"search\", \"arguments\": {}}]",
          "\"\" get_time() search({})");
    check("{\"tool_calls\": [{\"name\": \"get_time\", \"arguments\": {}}]}", "\"\" get_time({})");
    check("{\"name\": \"get_time\"}\n{\"name\": \"search\"}; {\"name\": \"get_time\"}",
          "\"\" get_time() search() get_time()");
}

Test(prompted_decode, json_that_is_an_answer_is_text)
{
    static const char *const answers[] = {
        "{\"name\": \"Bob\", \"arguments\": {}}",
        "{\"name\": \"get_weather\", \"age\": 7}",
        "{\"city\": \"Paris\"}",
        "{\"name\": \"get_time\"} is how you call it.",
        "[1, 2]",
        "[]",
        "{}",
        "{\"name\": \"get_time\"",
        "{\"name\": 7}",
        "{\"type\": \"object\", \"properties\": {}}",
        "```json\n{\"name\": \"get_time\"}\n```\nThat was an example.",
        "```json\n{\"name\": \"get_time\"}\n```\n```json\n{\"name\": \"get_time\"}\n```",
        "```js\nlet a = 1;\n```",
        "```",
        "``",
        "[{\"name\": \"get_time\"}, {\"name\": \"Bob\"}]",
        "{\"id\": \"x\", \"name\": \"Bob\"}",
        LONG_NAME,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct buf expected;

        buf_init(&expected, 0);
        buf_printf(&expected, "\"%s\"", answers[i]);
        check(answers[i], buf_string(&expected));
        buf_deinit(&expected);
    }
}

Test(prompted_decode, a_block_of_calls_as_the_whole_text)
{
    check("```xml\n<tool_call><name>get_time</name></tool_call>\n"
          "<tool_call><name>search</name></tool_call>\n```",
          "\"\" get_time() search()");
    check("```\n<tool_call><name>get_time</name></tool_call>\nThis calls a tool.\n```",
          "\"```\n<tool_call><name>get_time</name></tool_call>\nThis calls a tool.\n```\"");
}

/* ---- what is missing or wrong ---- */

Test(prompted_decode, missing_closing_tags)
{
    check("<tool_call>\n<name>get_weather</name>\n<arguments>" PARIS "</arguments>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>\n<name>get_weather</name>\n<arguments>" PARIS,
          "\"\" get_weather(" PARIS ")");
    check("<tool_call><name>get_time", "\"\" get_time()");
    check("<tool_call>{\"name\": \"get_time\"}", "\"\" get_time()");
    check("<tool_call>{\"name\": \"get_time\"}\n\nI will wait.", "\"I will wait.\" get_time()");
    check("<tool_call>{\"name\": \"get_time\"}</tool_", "\"\" get_time()");
    check("<tool_call><name>get_weather</name><arguments>" PARIS "\n\nI will wait.",
          "\"I will wait.\" get_weather(" PARIS ")");
    check("<tool_call><name>get_time</name><tool_call><name>search</name></tool_call>",
          "\"\" get_time() search()");
    check("<tool_call><name>get_time</name>\n<b>Now</b>", "\"<b>Now</b>\" get_time()");
}

Test(prompted_decode, line_breaks_in_strings_are_left_to_the_form_of_replies)
{
    struct arena arena;
    struct chat_reply reply = {
        .arena = &arena,
        .text = TEXT("<tool_call><name>search</name><arguments>{\"q\": \"a\nb\tc\"}</arguments>"
                     "</tool_call>")};
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(prompted_tools_decode(&prompted_offered, &reply, &err), 0);
    cr_assert_eq(reply_form(&reply, 0, TEXT("seed"), &err), 0);
    cr_assert_eq(reply.tool_calls_count, 1);
    cr_expect(text_is(reply.tool_calls[0].arguments, "{\"q\": \"a\\u000ab\\u0009c\"}"));
    cr_expect_eq(reply.tool_calls[0].problem.len, 0);
    cr_expect_gt(reply.tool_calls[0].id.len, 0);
    arena_deinit(&arena);
}

Test(prompted_decode, tags_within_strings_end_nothing)
{
    check(
        "<tool_call><name>search</name><arguments>{\"q\": \"</arguments></tool_call>\"}</arguments>"
        "</tool_call> Done.",
        "\"Done.\" search({\"q\": \"</arguments></tool_call>\"})");
    check("<tool_call>{\"name\": \"search\", \"arguments\": {\"q\": \"<tool_call>{\\\"}\"}}"
          "</tool_call>",
          "\"\" search({\"q\": \"<tool_call>{\\\"}\"})");
}

Test(prompted_decode, a_bracket_too_many_is_forgiven)
{
    check("<tool_call><name>get_weather</name><arguments>" PARIS "}</arguments></tool_call>",
          "\"\" get_weather(" PARIS ")");
    check("<tool_call>{\"name\": \"get_time\", \"arguments\": {}}}\n</tool_call>",
          "\"\" get_time({})");
}

Test(prompted_decode, a_broken_call_has_a_problem)
{
    check("<tool_call><name>get_weather</name><arguments>city=Paris</arguments></tool_call> Ok.",
          "\"Ok.\" get_weather(city=Paris)!");
    check("<tool_call><name>get_weather</name><arguments>{\"city\": </arguments></tool_call> Ok.",
          "\"Ok.\" get_weather({\"city\":)!");
    check("<tool_call><name>get_weather</name><arguments>{'city': 'Paris'}</arguments></tool_call>",
          "\"\" get_weather({'city': 'Paris'})!");
    check("<tool_call><name>get_weather</name><arguments>[1]</arguments></tool_call>",
          "\"\" get_weather([1])!");
    check("<tool_call><name>get_weather</name><arguments>" PARIS " // the city</arguments>"
          "</tool_call>",
          "\"\" get_weather(" PARIS " // the city)!");
    check("<tool_call><arguments>" PARIS "</arguments></tool_call>", "\"\" (" PARIS ")!");
    check("<tool_call>{\"arguments\": " PARIS "}</tool_call>", "\"\" (" PARIS ")!");
    check("<tool_call>{\"name\": \"get_weather\", \"city\": \"Paris\"}</tool_call>",
          "\"\" get_weather()!");
    check("<tool_call>{\"name\": \"search\", \"arguments\": {\"q\": \"say \"hi\"\"}}</tool_call>",
          "\"\" ({\"name\": \"search\", \"arguments\": {\"q\": \"say \"hi\"\"}})!");
    check("<tool_call>{\"name\": "
          "\"search\"</tool_call>\n<tool_call><name>get_time</name></tool_call>",
          "\"\" ({\"name\": \"search\")! get_time()");
}

Test(prompted_decode, a_problem_is_kept_by_the_form_of_replies)
{
    struct arena arena;
    struct chat_reply reply = {.arena = &arena,
                               .text = TEXT("<tool_call><arguments>{}</arguments></tool_call>")};
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(prompted_tools_decode(&prompted_offered, &reply, &err), 0);
    cr_assert_eq(reply_form(&reply, 0, TEXT("seed"), &err), 0);
    cr_assert_eq(reply.tool_calls_count, 1);
    cr_expect(
        text_starts(reply.tool_calls[0].problem, "the call names no tool: write <tool_call>"));
    cr_expect_eq(reply.finish, CHAT_FINISH_TOOL);
    arena_deinit(&arena);
}

Test(prompted_decode, a_tool_that_is_not_offered_is_a_call_where_it_is_tagged)
{
    check("<tool_call><name>unknown</name></tool_call>", "\"\" unknown()");
    check("<tool_call>{\"name\": \"unknown\"}</tool_call>", "\"\" unknown()");
    check("{\"name\": \"unknown\", \"arguments\": {}}",
          "\"{\"name\": \"unknown\", \"arguments\": {}}\"");
}

Test(prompted_decode, a_result_that_the_model_made_up_is_dropped)
{
    check("<tool_call><name>get_time</name></tool_call>\n<tool_result>12:00</tool_result>\n"
          "It is noon. <tool_call><name>search</name></tool_call>",
          "\"\" get_time()");
    check("<tool_result>of nothing</tool_result>", "\"<tool_result>of nothing</tool_result>\"");
    check("<tool_call><name>get_time</name></tool_call> a <tool_res", "\"a <tool_res\" get_time()");
}

/* ---- what the request says ---- */

Test(prompted_decode, one_call_at_a_time_is_the_first)
{
    struct chat_request one = prompted_offered;

    one.parallel_tool_calls = CHAT_SWITCH_OFF;
    check_finish(&one,
                 "<tool_call><name>get_time</name></tool_call>\n"
                 "<tool_call><name>search</name></tool_call> Then.",
                 CHAT_FINISH_STOP, "\"Then.\" get_time()");
    check_finish(&one, "[{\"name\": \"get_time\"}, {\"name\": \"search\"}]", CHAT_FINISH_STOP,
                 "\"\" get_time()");
}

Test(prompted_decode, without_tools_all_is_text)
{
    const char *call = "<tool_call><name>get_time</name></tool_call>";
    struct chat_request none = prompted_offered;
    struct chat_request without = {.tools_count = 0};

    none.tool_choice.kind = CHAT_TOOL_CHOICE_NONE;
    check_finish(&none, call, CHAT_FINISH_STOP, "\"<tool_call><name>get_time</name></tool_call>\"");
    check_finish(&without, call, CHAT_FINISH_STOP,
                 "\"<tool_call><name>get_time</name></tool_call>\"");
}

Test(prompted_decode, a_call_that_was_cut_off_is_dropped)
{
    check_finish(&prompted_offered, "Let me.\n<tool_call><name>search</name><arguments>{\"q\": \"a",
                 CHAT_FINISH_LENGTH, "\"Let me.\n\"");
    check_finish(&prompted_offered,
                 "<tool_call><name>get_time</name></tool_call><tool_call><name>search</name>",
                 CHAT_FINISH_LENGTH, "\"\" get_time()");
    check_finish(&prompted_offered, "a < b", CHAT_FINISH_LENGTH, "\"a < b\"");
    check_finish(&prompted_offered, "{\"name\": \"get_time\", \"argu", CHAT_FINISH_LENGTH,
                 "\"{\"name\": \"get_time\", \"argu\"");
}

Test(prompted_decode, native_calls_stay_in_front)
{
    struct arena arena;
    struct chat_tool_call native = {.id = TEXT("a"), .name = TEXT("search")};
    struct chat_reply reply = {.arena = &arena,
                               .text = TEXT("<tool_call><name>get_time</name></tool_call>"),
                               .tool_calls = &native,
                               .tool_calls_count = 1};
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(prompted_tools_decode(&prompted_offered, &reply, &err), 0);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_expect(text_is(reply.tool_calls[0].id, "a"));
    cr_expect(text_is(reply.tool_calls[1].name, "get_time"));
    arena_deinit(&arena);
}

Test(prompted_decode, a_refusal_is_not_read)
{
    struct arena arena;
    struct chat_reply reply = {.arena = &arena,
                               .text = TEXT("<tool_call><name>get_time</name></tool_call>"),
                               .finish = CHAT_FINISH_REFUSAL};
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(prompted_tools_decode(&prompted_offered, &reply, &err), 0);
    cr_expect_eq(reply.tool_calls_count, 0);
    cr_expect_eq(reply.finish, CHAT_FINISH_REFUSAL);
    arena_deinit(&arena);
}

Test(prompted_decode, a_full_arena_is_said)
{
    struct arena arena;
    struct chat_reply reply = {.arena = &arena,
                               .text = TEXT("<tool_call><name>get_time</name></tool_call>")};
    struct error err;

    arena_init(&arena, 1);
    cr_expect_eq(prompted_tools_decode(&prompted_offered, &reply, &err), -E_LIMIT);
    arena_deinit(&arena);
}
