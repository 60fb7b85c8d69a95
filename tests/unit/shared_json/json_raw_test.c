/* JSON read in place, and JSON that is written badly. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

#define FFFD "\xEF\xBF\xBD"

static struct text checked(struct text in)
{
    struct text value = TEXT_NONE;
    struct error err = {0};

    cr_assert_eq(json_raw_check(in, 64, &value, &err), 0, "%.60s: %s", in.ptr, err.text);
    return value;
}

static int result_of(struct text in, int depth)
{
    struct text value;
    struct error err;

    return json_raw_check(in, depth, &value, &err);
}

Test(json_raw, takes_every_kind_of_value)
{
    static const char *const right[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10",
        "1.5",
        "-1e9",
        "1E+2",
        "1.0e-2",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[1]",
        "[1,2]",
        "{\"a\":1}",
        "{\"a\":1,\"b\":[]}",
        " \t\r\n[ 1 , { } ] \n",
        "\"\\\"\"",
        "\"\\\\\"",
        "[\"]\",\"}\"]",
        "NaN",
        "[-Infinity,Infinity]",
        "123456789012345678901234567890",
        "\xEF\xBB\xBF{}",
        "\"\x01\n\"",
        "\"\xFF\"",
        "\"\\u12\"",
        "\"\\q\"",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        cr_assert_eq(result_of(text_of(right[i]), 64), 0, "%s", right[i]);
    cr_assert_eq(result_of((struct text){"\"a\0b\"", 5}, 64), 0);
}

Test(json_raw, refuses_what_is_no_document)
{
    static const char *const wrong[] = {
        "",
        " ",
        "\xEF\xBB\xBF",
        "nul",
        "True",
        "+1",
        ".5",
        "1.",
        "01",
        "-",
        "1e",
        "1 2",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1 2]",
        "{",
        "}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{1:2}",
        "{\"a\":1]",
        "[1}",
        "\"a",
        "\"\\\"",
        "'a'",
        "{} {}",
        "nan",
        "--1",
        "[\"a\" \"b\"]",
        "{\"a\":1 \"b\":2}",
        "undefined",
        "[1]]",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_eq(result_of(text_of(wrong[i]), 64), -E_INVALID, "%s", wrong[i]);
}

Test(json_raw, has_a_limit_of_depth)
{
    cr_assert_eq(result_of(TEXT("[[[]]]"), 3), 0);
    cr_assert_eq(result_of(TEXT("[[[]]]"), 2), -E_LIMIT);
    cr_assert_eq(result_of(TEXT("{\"a\":{\"b\":[{}]}}"), 4), 0);
    cr_assert_eq(result_of(TEXT("{\"a\":{\"b\":[{}]}}"), 3), -E_LIMIT);
}

Test(json_raw, finds_members_as_they_were_written)
{
    struct text value = checked(
        TEXT("{\"z\" : {\"b\":1.50 , \"a\":12345678901234567890123} ,\"n\":null,\"s\":\"a\\\"}\","
             "\"\\u0061\":[],\"twice\":1,\"twice\":2}"));

    cr_assert(text_is(json_raw_get(value, "z"), "{\"b\":1.50 , \"a\":12345678901234567890123}"));
    cr_assert(text_is(json_raw_get(json_raw_get(value, "z"), "b"), "1.50"));
    cr_assert(text_is(json_raw_get(value, "s"), "\"a\\\"}\""));
    cr_assert(text_is(json_raw_get(value, "a"), "[]"), "a name may be written with escapes");
    cr_assert(text_is(json_raw_get(value, "twice"), "2"), "the last one counts");
    cr_assert_null(json_raw_get(value, "n").ptr);
    cr_assert_null(json_raw_get(value, "nothing").ptr);
    cr_assert_null(json_raw_get(TEXT("[1]"), "a").ptr);
    cr_assert_null(json_raw_get(TEXT_NONE, "a").ptr);
}

Test(json_raw, walks_through_arrays_and_objects)
{
    struct json_raw_walk walk;
    struct text value;

    json_raw_begin(checked(TEXT("[ 1,\"a\" , [2,3],{}]")), &walk);
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "1"));
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "\"a\""));
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "[2,3]"));
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "{}"));
    cr_assert_not(json_raw_next(&walk, &value));
    json_raw_begin(checked(TEXT("{\"a\":\"b\" , \"c\":[]}")), &walk);
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "\"b\"") &&
              json_raw_is(walk.name, "a"));
    cr_assert(json_raw_next(&walk, &value) && text_is(value, "[]") && json_raw_is(walk.name, "c"));
    cr_assert_not(json_raw_next(&walk, &value));
    json_raw_begin(TEXT("12"), &walk);
    cr_assert_not(json_raw_next(&walk, &value));
    json_raw_begin(TEXT_NONE, &walk);
    cr_assert_not(json_raw_next(&walk, &value));
}

static const char *said(struct text string)
{
    static struct buf out;

    buf_deinit(&out);
    buf_init(&out, 0);
    cr_assert(json_raw_add_string(checked(string), &out));
    return buf_string(&out);
}

Test(json_raw, a_container_is_empty_or_holds_something)
{
    cr_assert(json_raw_is_empty(TEXT("{ }")));
    cr_assert(json_raw_is_empty(TEXT("[]")));
    cr_assert(json_raw_is_empty(TEXT("7")));
    cr_assert(json_raw_is_empty(TEXT_NONE));
    cr_assert_not(json_raw_is_empty(TEXT("{\"a\":null}")));
    cr_assert_not(json_raw_is_empty(TEXT("[[]]")));
}

Test(json_raw, strings_say_what_can_be_kept)
{
    cr_assert_str_eq(said(TEXT("\"\"")), "");
    cr_assert_str_eq(said(TEXT("\"a\\n\\t\\\"\\\\\\/\\u00e9\\ud83d\\ude00\"")),
                     "a\n\t\"\\/\xC3\xA9\xF0\x9F\x98\x80");
    cr_assert_str_eq(said(TEXT("\"a\\u0000b\"")), "a" FFFD "b");
    cr_assert_str_eq(said((struct text){"\"a\0b\"", 5}), "a" FFFD "b");
    cr_assert_str_eq(said(TEXT("\"\\ud83d\"")), FFFD);
    cr_assert_str_eq(said(TEXT("\"\\ud83dx\\ude00\"")), FFFD "x" FFFD);
    cr_assert_str_eq(said(TEXT("\"\\ud83d\\u0041\"")), FFFD "A");
    cr_assert_str_eq(said(TEXT("\"\xF0\x9F\x98 \xFF\xC0\xAF\"")), FFFD " " FFFD FFFD);
    cr_assert_str_eq(said(TEXT("\"\xED\xA0\xBD\"")), FFFD, "a surrogate as bytes");
    cr_assert_str_eq(said(TEXT("\"\\d\\u12\\'\"")), "\\d\\u12\\'");
    cr_assert_str_eq(said(TEXT("\"a\nb\"")), "a\nb");
}

Test(json_raw, what_is_no_string_says_nothing)
{
    struct buf out;

    buf_init(&out, 0);
    cr_assert_not(json_raw_add_string(TEXT("12"), &out));
    cr_assert_not(json_raw_add_string(TEXT_NONE, &out));
    cr_assert_eq(out.len, 0);
    cr_assert(json_raw_is(TEXT("\"a\\u0062\""), "ab"));
    cr_assert_not(json_raw_is(TEXT("\"ab\""), "abc"));
    cr_assert_not(json_raw_is(TEXT("ab"), "ab"));
}

Test(json_raw, only_the_word_is_true)
{
    cr_assert(json_raw_is_true(TEXT("true")));
    cr_assert_not(json_raw_is_true(TEXT("false")));
    cr_assert_not(json_raw_is_true(TEXT("\"true\"")));
    cr_assert_not(json_raw_is_true(TEXT("1")));
    cr_assert_not(json_raw_is_true(TEXT_NONE));
}

static const char *written(struct text value)
{
    static struct buf out;

    buf_deinit(&out);
    buf_init(&out, 0);
    json_raw_write(checked(value), &out);
    return buf_string(&out);
}

Test(json_raw, what_is_strict_is_written_as_it_is)
{
    static const char *const same[] = {
        "{\"z\": 1.50, \"a\" :[1e400,\"\\u00e9\\ud83d\\ude00 \xC3\xA9\\n\\/\"], \"\\u0061\":{}}",
        "-12345678901234567890123",
        "\"\"",
        "[ ]",
        "null",
        "true",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(same); i++)
        cr_assert_str_eq(written(text_of(same[i])), same[i]);
}

Test(json_raw, what_is_not_strict_is_written_so_that_it_is)
{
    struct buf out;

    cr_assert_str_eq(written(TEXT("[NaN, -Infinity,Infinity]")), "[null, null,null]");
    cr_assert_str_eq(written(TEXT("\"\\u0000\\ud800\\q\\u1\"")), "\"\\ufffd\\ufffd\\\\q\\\\u1\"");
    cr_assert_str_eq(written(TEXT("\"\x01\n\xFF\"")), "\"\\u0001\\u000a" FFFD "\"");
    cr_assert_str_eq(written((struct text){"{\"\0\":\"\xC3\"}", 9}), "{\"" FFFD "\":\"" FFFD "\"}");
    buf_init(&out, 0);
    json_raw_write(TEXT_NONE, &out);
    cr_assert_str_eq(buf_string(&out), "null");
    buf_deinit(&out);
}

static int64_t number(const char *text)
{
    int64_t value = -77;

    return json_raw_int(text_of(text), &value) ? value : -77;
}

Test(json_raw, numbers_are_read_for_what_they_mean)
{
    cr_assert_eq(number("12"), 12);
    cr_assert_eq(number("-3"), -3);
    cr_assert_eq(number("10.0"), 10);
    cr_assert_eq(number("1e3"), 1000);
    cr_assert_eq(number("\"12\""), 12);
    cr_assert_eq(number("\" 12.7 \""), 12);
    cr_assert_eq(number("9223372036854775807"), INT64_MAX);
    cr_assert_eq(number("9223372036854775808"), INT64_MAX);
    cr_assert_eq(number("1e400"), INT64_MAX);
    cr_assert_eq(number("-1e400"), INT64_MIN);
    cr_assert_eq(number("-9223372036854775809"), INT64_MIN);
    cr_assert_eq(
        number("1000000000000000000000000000000000000000000000000000000000000000000000000"),
        INT64_MAX);
    cr_assert_eq(number("null"), -77);
    cr_assert_eq(number("true"), -77);
    cr_assert_eq(number("NaN"), -77);
    cr_assert_eq(number("\"many\""), -77);
    cr_assert_eq(number("[1]"), -77);
    cr_assert_eq(number(""), -77);
}
