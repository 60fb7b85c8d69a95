/* Strict JSON decoding. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_scan.h"

static int decode(const char *text, struct error *err)
{
    struct json_object *object = NULL;
    int r = json_decode(text_of(text), 8, &object, err);

    json_free(object);
    return r;
}

Test(json, accepts_what_the_rfc_accepts)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "null",
        "true",
        "0",
        "-1.5e3",
        "\"x\"",
        " {\"a\":[1,2,{\"b\":null}]} \n",
        "\"\\ud83d\\ude80 \\u00e9 \\\\ \\/\"",
        "[[[[[[[[1]]]]]]]]",
        "9223372036854775807",
        "12",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        struct error err = {0};

        cr_assert_eq(decode(good[i], &err), 0, "%s: %s", good[i], err.text);
    }
}

Test(json, refuses_what_the_rfc_refuses_and_says_where)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "[1] 2",
        "nul",
        "NaN",
        "-Infinity",
        "[True]",
        "// x\n1",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\\u0000\"",
        "\"\xC0\xAF\"",
        "\"\xED\xA0\x80\"",
        "\"open",
        "[1 2]",
        "{\"a\" 1}",
        "\"\\x\"",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct error err = {0};

        cr_assert_eq(decode(bad[i], &err), -E_INVALID, "%s was accepted", bad[i]);
        cr_assert(err.text[0]);
    }
}

Test(json, reads_numbers_and_space_as_the_rfc_has_them)
{
    static const char *const good[] = {"0",    "-0",     "0.0", "10",          "1e5",
                                       "1E+2", "-1e-05", "0e0", "\t[ 1 ]\r\n", "[0.10,2]"};
    static const char *const bad[] = {"01",    "-01",  "00",    "00000000000000000000",
                                      "1.",    "1.e5", "[.5]",  "[+1]",
                                      "1e",    "1e+",  "--1",   "-",
                                      "1.5.2", "1-2",  "1e5.5", "[1,-]",
                                      "\v1",   "1\f",  "[1\v]", "\x1f{}"};
    struct error err = {0};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        cr_assert_eq(decode(good[i], &err), 0, "%s: %s", good[i], err.text);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert_eq(decode(bad[i], &err), -E_INVALID, "%s", bad[i]);
}

Test(json, names_line_and_column)
{
    struct error err;

    cr_assert_eq(decode("{\n  \"a\": \"\\u0000\"}", &err), -E_INVALID);
    cr_assert(strstr(err.text, "line 2 column"), "%s", err.text);
}

Test(json, refuses_depth_beyond_the_limit_at_once)
{
    struct error err;
    char deep[200001];

    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    cr_assert_eq(decode("[[[[[[[[[1]]]]]]]]]", &err), -E_LIMIT);
    cr_assert_eq(decode(deep, &err), -E_LIMIT);
}

/* `[` and `count` times `item`, with commas between. */
static int decode_list(const char *item, size_t count, struct error *err)
{
    struct json_object *object = NULL;
    struct buf buf;
    int r;

    buf_init(&buf, 0);
    for (size_t i = 0; i < count; i++) {
        buf_add_char(&buf, i == 0 ? '[' : ',');
        buf_add_string(&buf, item);
    }
    buf_add_char(&buf, ']');
    r = json_decode(buf_text(&buf), JSON_DEPTH_DEFAULT, &object, err);
    json_free(object);
    buf_deinit(&buf);
    return r;
}

Test(json, refuses_more_values_than_memory_is_kept_for)
{
    const size_t room = JSON_SCAN_VALUES_MAX - 1; /* the list is one */
    struct error err = {0};

    cr_assert_eq(decode_list("{}", room, &err), 0, "%s", err.text);
    cr_assert_eq(decode_list("{}", room + 1, &err), -E_LIMIT);
    cr_assert_str_eq(err.text, "more than 50000 values");
    cr_assert_eq(decode_list("0", room + 1, &err), -E_LIMIT);
    cr_assert_eq(decode_list("null", room + 1, &err), -E_LIMIT);
    cr_assert_eq(decode_list("\"\"", room + 1, &err), -E_LIMIT);
    cr_assert_eq(decode_list("[[]]", room / 2 + 1, &err), -E_LIMIT);
    cr_assert_eq(decode_list("{\"a\":0}", room / 2, &err), 0, "%s", err.text);
}

Test(json, getters_do_not_guess)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    const char *text =
        "{\"s\":\"x\",\"n\":5,\"d\":1.5,\"b\":true,\"z\":null,\"o\":{\"p\":{\"q\":7}}}";

    cr_assert_eq(json_decode(text_of(text), 8, &object, NULL), 0);
    cr_assert_str_eq(json_get_string(object, "s"), "x");
    cr_assert_null(json_get_string(object, "n"));
    cr_assert_eq(json_get_int(object, "n", -1), 5);
    cr_assert_eq(json_get_int(object, "s", -1), -1);
    cr_assert_eq(json_get_int(object, "d", -1), -1);
    cr_assert_float_eq(json_get_double(object, "d", 0), 1.5, 1e-9);
    cr_assert(json_get_bool(object, "b", false));
    cr_assert(json_has(object, "z"));
    cr_assert_null(json_get(object, "z"));
    cr_assert_not(json_has(object, "y"));
    cr_assert_eq(json_object_get_int64(json_path(object, "o", "p", "q", NULL)), 7);
    cr_assert_null(json_path(object, "s", "p", NULL));
    cr_assert_eq(json_text(object).len, strlen(text));
}

/* `text` read and written again. */
static void expect_written(const char *text, const char *expected)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(text_of(text), 8, &object, &err), 0, "%s: %s", text, err.text);
    cr_assert_str_eq(json_text(object).ptr, expected);
}

Test(json, reads_every_escape)
{
    CLEANUP(json_freep) struct json_object *object = NULL;

    cr_assert_eq(
        json_decode(TEXT("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude80z\""), 8,
                    &object, NULL),
        0);
    cr_assert_str_eq(json_object_get_string(object),
                     "a\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80z");
}

Test(json, the_last_of_two_equal_keys_wins)
{
    expect_written("{\"a\":{\"b\":1},\"c\":2,\"a\":[3]}", "{\"a\":[3],\"c\":2}");
    expect_written("{\"\\u0061\":1,\"a\":2}", "{\"a\":2}");
    expect_written("{\"\":1}", "{\"\":1}");
}

Test(json, closes_what_it_opened_and_nothing_else)
{
    static const char *const bad[] = {
        "[1}",  "{\"a\":1]", "[}",     "{]",        "]",      "{\"a\":}",         "{\"a\"}",
        "[,1]", "{,}",       "[[1],]", "{\"a\":[}", "[1,,2]", "{\"a\":1 \"b\":2}"};

    expect_written("[[],{},[{}],{\"a\":[]}]", "[[],{},[{}],{\"a\":[]}]");
    expect_written(" [ [ ] , { } ] ", "[[],{}]");
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert_eq(decode(bad[i], NULL), -E_INVALID, "%s", bad[i]);
}

Test(json, keeps_the_digits_of_numbers)
{
    expect_written("[0,-0,1.10,1e400,-9223372036854775808,18446744073709551615]",
                   "[0,0,1.10,1e400,-9223372036854775808,18446744073709551615]");
    expect_written("[1E2,1e+2,0.0,-0.0,100e000]", "[1E2,1e+2,0.0,-0.0,100e000]");
}

Test(json, keeps_the_digits_of_integers_beyond_64_bits)
{
    CLEANUP(json_freep) struct json_object *object = NULL;

    expect_written("18446744073709551616", "18446744073709551616");
    expect_written("-9223372036854775809", "-9223372036854775809");
    expect_written("[9223372036854775808, 99999999999999999999 ,1]",
                   "[9223372036854775808,99999999999999999999,1]");
    expect_written(
        "{\"a\":{\"maximum\":123456789012345678901234567890},\"b\":[1e5],\"c\":\"\u00e9\"}",
        "{\"a\":{\"maximum\":123456789012345678901234567890},\"b\":[1e5],\"c\":\"\u00e9\"}");
    cr_assert_eq(json_decode(TEXT("{\"n\":18446744073709551616}"), 8, &object, NULL), 0);
    cr_assert_eq(json_get_int(object, "n", -1), INT64_MAX, "the nearest");
    cr_assert_eq(json_type_of(json_get(object, "n")), json_type_int);
    cr_assert_float_eq(json_get_double(object, "n", 0), 18446744073709551616.0, 1);
}

Test(json, names_the_place_of_an_error_behind_integers_beyond_64_bits)
{
    struct error err;

    cr_assert_eq(decode("[18446744073709551616,18446744073709551617 x]", &err), -E_INVALID);
    cr_assert(strstr(err.text, "line 1 column 44"), "%s", err.text);
    cr_assert_eq(decode("18446744073709551616 1", &err), -E_INVALID);
    cr_assert(strstr(err.text, "line 1 column 22"), "%s", err.text);
    cr_assert_eq(decode("18446744073709551616,", &err), -E_INVALID);
    cr_assert_eq(decode("[18446744073709551616", &err), -E_INVALID);
    cr_assert(strstr(err.text, "unexpected end"), "%s", err.text);
    cr_assert_eq(decode("{\"a\":1} 18446744073709551616", &err), -E_INVALID);
    cr_assert_eq(decode("018446744073709551616", &err), -E_INVALID);
}

Test(json, tells_integers_from_decimals)
{
    static const char *const integers[] = {"0", "-5", "18446744073709551615",
                                           "18446744073709551616", "-9223372036854775809"};
    static const char *const others[] = {"1.0",   "1e2",   "18446744073709551616e0",
                                         "1E400", "\"1\"", "null"};
    struct json_object *value;

    for (size_t i = 0; i < ARRAY_LENGTH(integers); i++) {
        cr_assert_eq(json_decode(text_of(integers[i]), 8, &value, NULL), 0);
        cr_assert_eq(json_type_of(value), json_type_int, "%s", integers[i]);
        json_free(value);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        cr_assert_eq(json_decode(text_of(others[i]), 8, &value, NULL), 0);
        cr_assert_neq(json_type_of(value), json_type_int, "%s", others[i]);
        json_free(value);
    }
}

Test(json, takes_no_number_of_endless_digits)
{
    char digits[1003];

    memset(digits, '7', sizeof(digits) - 1);
    digits[1001] = '\0';
    cr_assert_eq(decode(digits, NULL), -E_INVALID);
    digits[1000] = '\0';
    cr_assert_eq(decode(digits, NULL), 0);
}

Test(json, takes_every_character)
{
    expect_written("{\"\xc3\xa9\":\"na\xc3\xafve \xe4\xb8\xad \xf0\x9f\x9a\x80 \x7f\"}",
                   "{\"\xc3\xa9\":\"na\xc3\xafve \xe4\xb8\xad \xf0\x9f\x9a\x80 \x7f\"}");
    expect_written("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\"",
                   "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\"");
}

Test(json, skips_a_byte_order_mark_in_front_and_nowhere_else)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(TEXT("\xEF\xBB\xBF{\"a\":1}"), 10, &object, &err), 0);
    cr_assert_eq(json_get_int(object, "a", 0), 1);
    json_free(object);
    cr_assert_lt(json_decode(TEXT("\xEF\xBB\xBF"), 10, &object, &err), 0);
    cr_assert_lt(json_decode(TEXT("{\xEF\xBB\xBF}"), 10, &object, &err), 0);
    cr_assert_lt(json_decode(TEXT("\xEF\xBB\xBF\xEF\xBB\xBF{}"), 10, &object, &err), 0);
}
