/* Errors, texts, bufs, arenas, ids, clocks and digests. */

#include <criterion/criterion.h>

#include <stdio.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/base/utf8.h"

Test(error, set_returns_the_negative_code_and_wrap_keeps_it)
{
    struct error err;

    cr_assert_eq(error_set(&err, E_TIMEOUT, "no reply within %d ms", 5), -E_TIMEOUT);
    cr_assert_str_eq(err.text, "no reply within 5 ms");
    cr_assert(strstr(err.origin, "base_test.c:"));
    cr_assert_eq(error_wrap(&err, "run %d", 7), -E_TIMEOUT);
    cr_assert_str_eq(err.text, "run 7: no reply within 5 ms");
    cr_assert_eq(error_set(NULL, E_INVALID, "x"), -E_INVALID);
}

Test(error, long_texts_are_cut_with_an_ellipsis)
{
    struct error err;
    char big[2 * sizeof(err.text)];

    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    (void)error_set(&err, E_INVALID, "%s", big);
    cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
    cr_assert_str_eq(err.text + strlen(err.text) - 3, "...");
    (void)error_wrap(&err, "%s", big);
    cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
}

Test(error, system_errors_carry_the_reason)
{
    struct error err;

    cr_assert_eq(error_set_errno(&err, ENOENT, "open %s", "x"), -E_SYSTEM);
    cr_assert_str_eq(err.text, "open x: No such file or directory");
    cr_assert_str_eq(error_name(-E_DENIED), "denied");
    cr_assert_str_eq(error_name(9999), "unknown");
}

Test(error, of_a_server_that_is_away_is_transient)
{
    cr_assert(error_is_transient(-E_UNAVAILABLE));
    cr_assert(error_is_transient(-E_AMBIGUOUS));
    cr_assert(error_is_transient(-E_TIMEOUT));
    cr_assert_not(error_is_transient(-E_CONTENT));
    cr_assert_not(error_is_transient(-E_CANCELED));
    cr_assert_not(error_is_transient(0));
    cr_assert_not(error_is_transient(E_TIMEOUT)); /* a condition, no failure */
}

Test(text, cut_trim_and_compare)
{
    struct text head;
    struct text rest;

    cr_assert(text_cut(TEXT("a=b=c"), '=', &head, &rest));
    cr_assert(text_is(head, "a") && text_is(rest, "b=c"));
    cr_assert_not(text_cut(TEXT("abc"), '=', &head, &rest));
    cr_assert(text_is(text_trim(TEXT(" \t x y\r\n")), "x y"));
    cr_assert(text_is_nocase(TEXT("Content-TYPE"), "content-type"));
    cr_assert(text_starts(TEXT("abc"), "ab") && text_ends(TEXT("abc"), "bc"));
    cr_assert(text_equal(TEXT_NONE, TEXT("")));
}

Test(text, numbers_are_whole_and_never_overflow)
{
    int64_t value = 5;

    cr_assert(text_to_int(TEXT("-9223372036854775808"), &value));
    cr_assert_eq(value, INT64_MIN);
    cr_assert(text_to_int(TEXT("9223372036854775807"), &value));
    cr_assert_not(text_to_int(TEXT("9223372036854775808"), &value));
    cr_assert_not(text_to_int(TEXT(""), &value));
    cr_assert_not(text_to_int(TEXT("-"), &value));
    cr_assert_not(text_to_int(TEXT("1 "), &value));
    cr_assert_not(text_to_int(TEXT("+1"), &value));
    cr_assert_eq(value, INT64_MAX);
}

Test(text, printing_into_a_buf_fits_at_every_length)
{
    for (int already = 0; already < 70; already++) {
        CLEANUP(buf_deinit) struct buf buf;

        buf_init(&buf, 100);
        buf_add_char(&buf, 'x');
        buf_printf(&buf, "%0*d", already + 1, 0);
        buf_printf(&buf, "%s", "0123456789");
        cr_assert_eq(buf.len, (size_t)already + 12);
        cr_assert_str_eq(buf_string(&buf) + already + 2, "0123456789");
        buf_printf(&buf, "%0200d", 0);
        cr_assert(buf.failed);
        cr_assert_str_eq(buf_string(&buf) + already + 2, "0123456789");
    }
}

Test(text, loses_the_character_that_a_cut_has_halved_and_nothing_else)
{
    static const struct {
        const char *text;
        size_t left;
    } cases[] = {
        {"", 0},
        {"ab", 2},
        {"a\xC3\xA9", 3},
        {"a\xC3", 1},
        {"a\xE2\x82\xAC", 4},
        {"a\xE2\x82", 1},
        {"a\xE2", 1},
        {"a\xF0\x9F\x9A\x80", 5},
        {"a\xF0\x9F\x9A", 1},
        {"\xF0\x9F", 0},
        {"a\x80", 2}, /* no cut did this */
        {"\x80\x80", 2},
        {"a\x80\x80\x80\x80", 5},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(utf8_without_half(cases[i].text, strlen(cases[i].text)), cases[i].left, "%zu",
                     i);
}

Test(text, utf8_is_what_rfc_3629_says)
{
    cr_assert(text_is_utf8(TEXT("in the ninth place \xC3\xAF")));
    cr_assert_not(text_is_utf8(TEXT("12345678\x80 and more of it")));
    cr_assert_not(text_is_utf8(TEXT("1234567\xC3")));
    cr_assert(text_is_utf8(TEXT("na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x9A\x80")));
    cr_assert_not(text_is_utf8(TEXT("\xC0\xAF")));         /* overlong */
    cr_assert_not(text_is_utf8(TEXT("\xE0\x80\x80")));     /* overlong */
    cr_assert_not(text_is_utf8(TEXT("\xED\xA0\x80")));     /* surrogate */
    cr_assert_not(text_is_utf8(TEXT("\xF4\x90\x80\x80"))); /* above U+10FFFF */
    cr_assert_not(text_is_utf8(TEXT("\xF0\x80\x80\x80"))); /* overlong */
    cr_assert_not(text_is_utf8(TEXT("\xE2\x82")));         /* cut */
    cr_assert_not(text_is_utf8(TEXT("\x80")));
}

Test(text, a_prefix_never_splits_a_character)
{
    const char *all = "aé漢😀é漢";
    struct text text = text_of(all);

    for (size_t max = 0; max <= text.len + 1; max++) {
        struct text cut = text_prefix(text, max);

        cr_assert(cut.len <= max);
        cr_assert(text_is_utf8(cut));
        cr_assert(max >= text.len ? cut.len == text.len : max - cut.len < 4);
    }
    cr_assert_eq(text_prefix(text_of("\x80\x80\x80\x80\x80\x80"), 5).len, 5);
}

Test(text, an_excerpt_shows_no_control_characters)
{
    char shown[6];

    text_excerpt(TEXT("a\n\x1b\x7f"
                      "é"),
                 shown, sizeof(shown));
    cr_assert_str_eq(shown, "a???");
    text_excerpt(TEXT_NONE, shown, sizeof(shown));
    cr_assert_str_eq(shown, "");
}

Test(error, cuts_between_characters_wherever_the_limit_falls)
{
    struct error err;
    char format[2 * sizeof(err.text)];

    for (int lead = 0; lead < 8; lead++) {
        memset(format, 'x', (size_t)lead);
        format[lead] = '\0';
        for (int i = 0; i < 280; i++)
            strcat(format, i % 2 ? "😀" : "é");
        error_set(&err, E_INVALID, "%s", format);
        cr_assert(text_is_utf8(text_of(err.text)));
        cr_assert(text_ends(text_of(err.text), "..."));
        error_wrap(&err, "%s", "wrapped é");
        cr_assert(text_is_utf8(text_of(err.text)));
        error_set_errno(&err, ENOENT, "%s", format);
        cr_assert(text_is_utf8(text_of(err.text)));
    }
}

Test(buf, grows_to_its_limit_and_then_fails_for_good)
{
    struct buf buf;
    struct error err;

    buf_init(&buf, 10);
    buf_add_string(&buf, "12345");
    buf_printf(&buf, "%d", 67890);
    cr_assert_eq(buf_check(&buf, &err), 0);
    cr_assert_str_eq(buf_string(&buf), "1234567890");
    buf_add_char(&buf, 'x');
    cr_assert_eq(buf_check(&buf, &err), -E_LIMIT);
    cr_assert_eq(buf.len, 10);
    buf_reset(&buf);
    cr_assert_eq(buf_check(&buf, &err), 0);
    buf_deinit(&buf);
}

Test(buf, writes_json_strings)
{
    struct buf buf;
    char *taken;

    buf_init(&buf, 0);
    buf_add_json(&buf, TEXT("a\"b\\c\n\x01 \xC3\xA9"));
    buf_add_json_string(&buf, NULL);
    cr_assert_str_eq(buf_string(&buf), "\"a\\\"b\\\\c\\n\\u0001 \xC3\xA9\"null");
    buf_consume(&buf, 1);
    cr_assert_eq(buf_string(&buf)[0], 'a');
    taken = buf_take(&buf);
    cr_assert_eq(taken[0], 'a');
    cr_assert_str_eq(buf_string(&buf), "");
    free(taken);
}

/* Every byte at every place of a text of some length, at every offset of a word. */
Test(text, tells_how_much_json_says_as_it_is)
{
    char bytes[64];

    for (size_t start = 0; start < 9; start++) {
        for (size_t place = 0; place < 24; place++) {
            for (int c = 0; c < 256; c++) {
                bool plain = c >= 0x20 && c != '"' && c != '\\' && c != 0x7F;
                struct text text = {bytes + start, 26};

                memset(bytes, 0xC3, sizeof(bytes));
                bytes[start + place] = (char)c;
                cr_assert_eq(text_json_plain(text), plain ? text.len : place, "0x%02X at %zu", c,
                             place);
            }
        }
    }
    cr_assert_eq(text_json_plain(TEXT_NONE), 0);
    cr_assert_eq(text_json_plain(TEXT("\x7Fplain but for the first")), 0);
}

Test(buf, writes_json_strings_with_many_escapes)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_add_json(&buf, TEXT("\"\"nine and more than eight\\ and the rest, to its last \"\n"));
    cr_assert_str_eq(buf_string(&buf),
                     "\"\\\"\\\"nine and more than eight\\\\ and the rest, to its last \\\"\\n\"");
    buf_reset(&buf);
    buf_add_json(&buf, TEXT(""));
    cr_assert_str_eq(buf_string(&buf), "\"\"");
    buf_deinit(&buf);
}

Test(arena, gives_aligned_memory_up_to_its_limit)
{
    struct arena arena;
    char *string;

    arena_init(&arena, 100000);
    string = arena_printf(&arena, "%s-%d", "run", 7);
    cr_assert_str_eq(string, "run-7");
    for (int i = 0; i < 100; i++)
        cr_assert_eq((uintptr_t)arena_alloc(&arena, 13) % 16, 0);
    cr_assert_not_null(arena_alloc(&arena, 80000));
    cr_assert_null(arena_alloc(&arena, 80000));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX - 3));
    cr_assert_null(arena_calloc(&arena, SIZE_MAX / 2, 4));
    arena_deinit(&arena);
    cr_assert_not_null(arena_alloc(&arena, 10));
    arena_deinit(&arena);
}

Test(id, v7_holds_the_time_the_version_and_the_variant)
{
    uint8_t random[10] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    char text[UUID_TEXT_SIZE];

    /* The example of RFC 9562, appendix A.6. */
    uint8_t rfc[10] = {0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F};

    cr_assert_eq(uuid_made_ms(uuid_v7(0x017F22E279B0, rfc)), INT64_C(0x017F22E279B0));
    uuid_format(uuid_v7(0x017F22E279B0, rfc), text);
    cr_assert_str_eq(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    uuid_format(uuid_v7(0, random), text);
    cr_assert_str_eq(text, "00000000-0000-7fff-bfff-ffffffffffff");
}

Test(id, new_ids_strictly_increase_even_when_the_clock_steps_back)
{
    struct uuid last = uuid_new();

    for (int i = 0; i < 20000; i++) {
        struct uuid next;

        if (i == 5000)
            clock_freeze(1, 1000);
        if (i == 6000)
            clock_thaw();
        next = uuid_new();
        cr_assert_lt(memcmp(last.bytes, next.bytes, 16), 0);
        last = next;
    }
}

Test(id, formats_and_parses_both_ways)
{
    struct uuid id = uuid_new();
    struct uuid back;
    char text[ID_TEXT_SIZE];
    char plain[UUID_TEXT_SIZE];

    id_format(ID_RUN, id, text);
    cr_assert_eq(strlen(text), 36);
    cr_assert(id_parse(ID_RUN, text_of(text), &back));
    cr_assert(uuid_equal(id, back));
    cr_assert_not(id_parse(ID_THREAD, text_of(text), &back));
    text[10] = 'g';
    cr_assert_not(id_parse(ID_RUN, text_of(text), &back));
    text[10] = 'A';
    cr_assert_not(id_parse(ID_RUN, text_of(text), &back), "capitals would be a second name");
    uuid_format(id, plain);
    cr_assert(uuid_parse(text_of(plain), &back));
    cr_assert(uuid_equal(id, back));
    plain[8] = '0';
    cr_assert_not(uuid_parse(text_of(plain), &back));
    cr_assert_not(uuid_parse(TEXT(""), &back));
}

Test(random, stays_below_its_bound)
{
    for (int i = 0; i < 1000; i++)
        cr_assert_lt(random_below(7), 7);
    cr_assert_eq(random_below(1), 0);
}

Test(digest, sha256_of_abc)
{
    char hex[SHA256_TEXT_SIZE];

    sha256_hex(TEXT("abc"), hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(clock, deadlines_saturate)
{
    clock_freeze(1000, 5000);
    cr_assert_eq(deadline_in(50), 1050);
    cr_assert_eq(deadline_in(-1), DEADLINE_NONE);
    cr_assert_eq(deadline_in(INT64_MAX), DEADLINE_NONE);
    cr_assert_eq(deadline_min(3, DEADLINE_NONE), 3);
    cr_assert_eq(clock_wall_ms(), 5000);
    clock_thaw();
    cr_assert_gt(clock_wall_ms(), 1600000000000);
}

/* Whatever is repeated in an error, and wherever a format cuts it. */
Test(error, is_utf8_wherever_a_format_cuts)
{
    static const char text[] = "a\xc3\xa9\xe5\xa4\xa9\xf0\x9f\x98\x80z\xff\xc3";

    for (int cut = 0; cut <= (int)sizeof(text); cut++) {
        struct error err;

        error_set(&err, E_INVALID, "unknown '%.*s' here", cut, text);
        cr_assert(text_is_utf8(text_of(err.text)), "%d", cut);
        cr_assert(text_ends(text_of(err.text), "' here"));
        cr_assert(strlen(err.text) <= strlen("unknown '' here") + (size_t)cut);
        error_wrap(&err, "in '%.*s'", cut, text);
        cr_assert(text_is_utf8(text_of(err.text)), "%d", cut);
    }
}

Test(utf8, drops_what_is_broken_and_nothing_else)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xe5\xa4\xa9", "\xe5\xa4\xa9"},
        {"\xe5\xa4", ""},
        {"a\xe5\xa4z", "az"},
        {"\xf0\x9f\x98\x80\xf0\x9f", "\xf0\x9f\x98\x80"},
        {"\xed\xa0\x80x", "x"},
        {"\x80\x80\xff", ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char text[32];

        snprintf(text, sizeof(text), "%s", cases[i].in);
        utf8_drop_broken(text);
        cr_assert_str_eq(text, cases[i].out, "%zu", i);
    }
}

PRINTF(3, 4) static void format(char *text, size_t size, const char *how, ...)
{
    va_list args;

    va_start(args, how);
    utf8_vformat(text, size, how, args);
    va_end(args);
}

Test(text, what_is_formatted_for_people_is_utf8_and_says_that_it_was_cut)
{
    char text[16];

    format(text, sizeof(text), "%s", "na\xC3\xAFve");
    cr_assert_str_eq(text, "na\xC3\xAFve");
    format(text, sizeof(text), "%.3s: %s", "na\xC3\xAFve", "\xC3\xAF"); /* the format cuts */
    cr_assert_str_eq(text, "na: \xC3\xAF");
    format(text, sizeof(text), "%s",
           "\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF");
    cr_assert_str_eq(text, "\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF\xC3\xAF...");
}

Test(buf, writes_integers_as_printf_does)
{
    static const int64_t values[] = {0, 7, -7, 10, 1234567890, INT64_MAX, INT64_MIN};
    struct buf buf;
    char text[24];

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        buf_init(&buf, 0);
        buf_add_int(&buf, values[i]);
        snprintf(text, sizeof(text), "%lld", (long long)values[i]);
        cr_assert_str_eq(buf_string(&buf), text);
        buf_deinit(&buf);
    }
}

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
Test(text, hashes_names)
{
    cr_assert_eq(text_hash(TEXT("")), UINT64_C(0xcbf29ce484222325));
    cr_assert_eq(text_hash(TEXT("a")), UINT64_C(0xaf63dc4c8601ec8c));
    cr_assert_eq(text_hash(TEXT("foobar")), UINT64_C(0x85944171f73967e8));
}
