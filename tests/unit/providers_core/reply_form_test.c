/* What a model said, in form. The validator below says the rules a second time, in its own
 * words. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/reply/reply_form.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

#define FFFD "\xEF\xBF\xBD"

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 0);
}

static void close_arena(void)
{
    arena_deinit(&arena);
}

TestSuite(reply_form, .init = open_arena, .fini = close_arena);

static struct chat_tool_call call_of(const char *id, const char *name, const char *arguments)
{
    return (struct chat_tool_call){
        .id = text_of(id), .name = text_of(name), .arguments = text_of(arguments)};
}

static int form(struct chat_reply *reply, size_t max_bytes)
{
    struct error err = {0};
    int r;

    reply->arena = &arena;
    r = reply_form(reply, max_bytes, TEXT("the reply"), &err);
    cr_assert_geq(r, 0, "%s", err.text);
    return r;
}

/* Forms a reply of one call and returns it. */
static struct chat_tool_call formed(struct chat_tool_call call)
{
    static struct chat_tool_call kept;
    struct chat_reply reply = {.tool_calls = &kept, .tool_calls_count = 1};

    kept = call;
    cr_assert_eq(form(&reply, 0), 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert(tool_name_fits(kept.name));
    return kept;
}

static bool is(struct text text, const char *expected)
{
    if (text_is(text, expected))
        return true;
    fprintf(stderr, "have %.*s\nwant %s\n", TEXT_ARGS(text), expected);
    return false;
}

Test(reply_form, what_is_in_form_stays_as_it_is)
{
    struct chat_tool_call calls[] = {
        call_of("call_1", "f", "{\"a\": 1, \"b\":[12345678901234567890123]}"),
        call_of("chatcmpl-tool-1", "get-weather_2", "{}"),
    };
    struct chat_reply reply = {.text = TEXT("h\xC3\xA9llo \x01"),
                               .tool_calls = calls,
                               .tool_calls_count = 2,
                               .usage = {.input_tokens = 10,
                                         .output_tokens = 5,
                                         .cached_input_tokens = 3,
                                         .reasoning_tokens = 2},
                               .opaque_state = TEXT("{\"a\":1}"),
                               .model = TEXT("m")};
    struct chat_reply before = reply;

    cr_assert_eq(form(&reply, 0), 0);
    cr_assert_eq(reply.text.ptr, before.text.ptr);
    cr_assert(is(calls[0].id, "call_1") && is(calls[1].id, "chatcmpl-tool-1"));
    cr_assert(is(calls[0].arguments, "{\"a\": 1, \"b\":[12345678901234567890123]}"));
    cr_assert(is(calls[1].name, "get-weather_2"));
    cr_assert_null(calls[0].said.ptr);
    cr_assert_null(calls[0].problem.ptr);
    cr_assert_eq(reply.usage.input_tokens, 10);
    cr_assert(is(reply.opaque_state, "{\"a\":1}"));
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
}

Test(reply_form, arguments_that_are_none_are_an_empty_object)
{
    static const char *const none[] = {"", " \n", "null", "\"\"", "\"null\"", "{}", " {} "};

    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        struct chat_tool_call call = formed(call_of("1", "f", none[i]));

        cr_assert(is(call.arguments, "{}"), "%s", none[i]);
        cr_assert_null(call.problem.ptr, "%s", none[i]);
    }
    cr_assert(is(formed((struct chat_tool_call){.name = TEXT("f")}).arguments, "{}"));
}

Test(reply_form, arguments_that_are_no_object_are_a_problem_that_the_model_is_told)
{
    static const char *const wrong[] = {
        "{\"expression\": \"6*7\"",
        "[]",
        "[{}]",
        "{}{}",
        "6*7",
        "\"text\"",
        "12",
        "true",
        "{a:1}",
        "\"[1]\"",
        "{\"a\":01}",
        "\"{\\\"a\\\":}\"",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct chat_tool_call call = formed(call_of("1", "f", wrong[i]));

        cr_assert(is(call.arguments, "{}"), "%s", wrong[i]);
        cr_assert(strstr(call.problem.ptr, "no JSON object"), "%s", wrong[i]);
        cr_assert(strstr(call.problem.ptr, wrong[i]), "%s", call.problem.ptr);
        cr_assert(text_starts(call.said, "{\"arguments\":\""), "%s", call.said.ptr);
    }
}

Test(reply_form, arguments_are_repaired_where_the_meaning_is_certain)
{
    cr_assert(is(formed(call_of("1", "f", "\"{\\\"a\\\":1}\"")).arguments, "{\"a\":1}"));
    cr_assert(is(formed(call_of("1", "f", "{\"a\":NaN,\"b\":\"\\u0000\\ud800\\d\"}")).arguments,
                 "{\"a\":null,\"b\":\"\\ufffd\\ufffd\\\\d\"}"));
    cr_assert(is(formed(call_of("1", "f", "{\"a\":\"x\ny\"}")).arguments, "{\"a\":\"x\\u000ay\"}"));
    cr_assert(
        is(formed(call_of("1", "f", "\xEF\xBB\xBF{\"\xFF\":1}")).arguments, "{\"" FFFD "\":1}"));
    cr_assert_null(formed(call_of("1", "f", "\"{\\\"a\\\":1}\"")).problem.ptr);
}

Test(reply_form, nested_arguments_have_a_limit)
{
    struct buf deep;

    buf_init(&deep, 0);
    buf_add_string(&deep, "{\"a\":");
    for (int i = 0; i < 70; i++)
        buf_add_char(&deep, '[');
    for (int i = 0; i < 70; i++)
        buf_add_char(&deep, ']');
    buf_add_char(&deep, '}');
    cr_assert(is(formed(call_of("1", "f", buf_string(&deep))).arguments, "{}"));
    buf_deinit(&deep);
}

Test(reply_form, names_fit_the_strictest_provider)
{
    char longest[300];

    memset(longest, 'x', sizeof(longest));
    longest[299] = '\0';
    cr_assert(is(formed(call_of("1", " f\n", "{}")).name, "f"));
    cr_assert_null(formed(call_of("1", " f\n", "{}")).problem.ptr, "blanks are no other name");
    cr_assert(is(formed(call_of("1", "get.weather", "{}")).name, "get_weather"));
    cr_assert(strstr(formed(call_of("1", "get.weather", "{}")).problem.ptr, "'get.weather'"),
              "and it is not taken for get_weather");
    cr_assert(is(formed(call_of("1", "\xE5\xA4\xA9\xE6\xB0\x94", "{}")).name, "_"));
    cr_assert(is(formed(call_of("1", "a\xFF\xFF b", "{}")).name, "a_b"));
    cr_assert(is(formed(call_of("1", "", "{}")).name, "unnamed"));
    cr_assert(is(formed(call_of("1", NULL, "{}")).problem, "the call names no tool"));
    cr_assert_eq(formed(call_of("1", longest, "{}")).name.len, 64);
    cr_assert(text_is_utf8(formed(call_of("1", "\xE5\xA4\xFF", "{}")).problem));
    cr_assert(is(formed(call_of("1", "get.weather", "{}")).said, "{\"name\":\"get.weather\"}"));
}

Test(reply_form, ids_are_bounded_and_stable)
{
    char long_id[5000];
    struct text mapped;
    struct error err;

    memset(long_id, 'y', sizeof(long_id));
    long_id[4999] = '\0';
    mapped = formed(call_of(long_id, "f", "{}")).id;
    cr_assert_eq(mapped.len, 37);
    cr_assert(text_equal(formed(call_of(long_id, "f", "{}")).id, mapped));
    long_id[0] = 'z';
    cr_assert_not(text_equal(formed(call_of(long_id, "f", "{}")).id, mapped));
    long_id[0] = 'y';
    cr_assert_eq(reply_form_id(text_of(long_id), &arena, &mapped, &err), 0);
    cr_assert(text_equal(formed(call_of(long_id, "f", "{}")).id, mapped),
              "a result of a history finds its call");
    cr_assert_neq(formed(call_of("a b", "f", "{}")).id.len, 3);
    cr_assert(text_starts(formed(call_of("", "f", "{}")).id, "call_"));
}

Test(reply_form, ids_are_told_apart_and_the_same_reply_gives_the_same_ones)
{
    struct text first[4];

    for (int again = 0; again < 2; again++) {
        struct chat_tool_call calls[] = {call_of("x", "f", ""), call_of("x", "f", ""),
                                         call_of(NULL, "f", ""), call_of("", "f", "")};
        struct chat_reply reply = {.tool_calls = calls, .tool_calls_count = 4};

        cr_assert_eq(form(&reply, 0), 0);
        cr_assert(is(calls[0].id, "x"));
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < i; k++)
                cr_assert_not(text_equal(calls[i].id, calls[k].id));
            if (again)
                cr_assert(text_equal(calls[i].id, first[i]));
            first[i] = calls[i].id;
        }
    }
}

Test(reply_form, an_answer_over_its_bound_is_cut_between_characters_and_incomplete)
{
    struct chat_reply reply = {.text = TEXT("abc\xE2\x82\xACxyz")};

    cr_assert_eq(form(&reply, 5), 0);
    cr_assert(is(reply.text, "abc"));
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    reply = (struct chat_reply){.text = TEXT("abc\xE2\x82\xAC")};
    cr_assert_eq(form(&reply, 6), 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
}

Test(reply_form, of_what_was_thought_the_beginning_is_kept)
{
    static char thought[CHAT_REASONING_BYTES_MAX + 2];
    struct chat_reply reply = {.text = TEXT("a"), .reasoning = {thought, sizeof(thought)}};

    memset(thought, 'h', sizeof(thought));
    memcpy(thought + CHAT_REASONING_BYTES_MAX - 1, "\xE2\x82\xAC", 3);
    cr_assert_eq(form(&reply, 5), 0);
    cr_assert_eq(reply.reasoning.len, CHAT_REASONING_BYTES_MAX - 1);
    cr_assert(is(reply.text, "a"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    reply = (struct chat_reply){.text = TEXT("a"), .reasoning = TEXT("b\xff")};
    cr_assert_eq(form(&reply, 5), 0);
    cr_assert(is(reply.reasoning, "b\xEF\xBF\xBD"));
}

Test(reply_form, arguments_over_the_bound_are_a_problem)
{
    struct chat_tool_call calls[] = {call_of("1", "f", "{\"a\":1}"),
                                     call_of("2", "f", "{\"a\":\"0123456789\"}")};
    struct chat_reply reply = {.tool_calls = calls, .tool_calls_count = 2};

    cr_assert_eq(form(&reply, 20), 0);
    cr_assert_null(calls[0].problem.ptr);
    cr_assert(strstr(calls[1].problem.ptr, "too long"));
    cr_assert(is(calls[1].arguments, "{}"));
}

Test(reply_form, a_reply_that_was_cut_or_filtered_calls_nothing)
{
    struct chat_tool_call call = call_of("1", "f", "{\"a\"");
    struct chat_reply reply = {
        .tool_calls = &call, .tool_calls_count = 1, .finish = CHAT_FINISH_LENGTH};

    cr_assert_eq(form(&reply, 0), 0);
    cr_assert_eq(reply.tool_calls_count, 0);
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    reply = (struct chat_reply){
        .tool_calls = &call, .tool_calls_count = 1, .finish = CHAT_FINISH_FILTER};
    cr_assert_eq(form(&reply, 0), 0);
    cr_assert_eq(reply.tool_calls_count, 0);
}

Test(reply_form, what_says_nothing_and_calls_nothing_is_empty)
{
    struct chat_reply reply = {.finish = CHAT_FINISH_STOP};

    cr_assert_eq(form(&reply, 0), REPLY_EMPTY);
    reply = (struct chat_reply){.finish = CHAT_FINISH_TOOL};
    cr_assert_eq(form(&reply, 0), REPLY_EMPTY);
    reply = (struct chat_reply){.text = TEXT(" \n")};
    cr_assert_eq(form(&reply, 0), REPLY_EMPTY);
    reply = (struct chat_reply){.finish = CHAT_FINISH_LENGTH};
    cr_assert_eq(form(&reply, 0), 0, "all tokens went into thinking");
    reply = (struct chat_reply){.finish = CHAT_FINISH_FILTER};
    cr_assert_eq(form(&reply, 0), 0);
}

Test(reply_form, text_and_state_and_usage_can_be_stored)
{
    struct chat_reply reply = {.text = {"a\0b\xFF", 4},
                               .opaque_state = TEXT("{\"a\":\"\\u0000\"}"),
                               .usage = {.input_tokens = INT64_MAX,
                                         .output_tokens = -5,
                                         .cached_input_tokens = INT64_MIN,
                                         .cache_write_tokens = -1,
                                         .reasoning_tokens = 1000000001}};

    cr_assert_eq(form(&reply, 0), 0);
    cr_assert(is(reply.text, "a" FFFD "b" FFFD));
    cr_assert_null(reply.opaque_state.ptr);
    cr_assert_eq(reply.usage.input_tokens, CHAT_TOKENS_MAX);
    cr_assert_eq(reply.usage.output_tokens, 0);
    cr_assert_eq(reply.usage.cached_input_tokens, 0);
    cr_assert_eq(reply.usage.cache_write_tokens, 0);
    cr_assert_eq(reply.usage.reasoning_tokens, 0, "no part is more than the whole");
}

Test(reply_form, what_was_said_is_kept_shortened)
{
    struct buf long_text;
    struct chat_tool_call call;

    buf_init(&long_text, 0);
    for (int i = 0; i < 9000; i++)
        buf_add_string(&long_text, "\xC3\xA9");
    call = formed(call_of("1", "f", buf_string(&long_text)));
    cr_assert_leq(call.said.len, CALL_SAID_MAX + 30);
    cr_assert(text_is_utf8(call.said));
    cr_assert(is(call.arguments, "{}"));
    buf_deinit(&long_text);
}

Test(reply_form, is_the_same_the_second_time)
{
    struct chat_tool_call once = call_of("a b", "get weather!", "{\"a\":NaN}");
    struct chat_tool_call twice;
    struct error err;

    cr_assert_eq(reply_form_call(&once, &arena, &err), 0);
    twice = once;
    cr_assert_eq(reply_form_call(&twice, &arena, &err), 0);
    cr_assert(text_equal(once.id, twice.id));
    cr_assert(text_equal(once.name, twice.name));
    cr_assert(text_equal(once.arguments, twice.arguments));
}
