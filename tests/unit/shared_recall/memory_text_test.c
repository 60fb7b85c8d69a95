/* Sentences in form: one line, nothing hidden, and what is the same is known to be. */

#include <string.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/recall/memory_text.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 0);
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(memory_text, .init = set_up, .fini = tear_down);

static struct memory_text made(struct text said)
{
    struct memory_text out;

    cr_assert_eq(memory_text_make(&arena, said, &out), 0);
    return out;
}

static void becomes(struct text said, const char *wanted)
{
    struct memory_text out = made(said);

    cr_expect(text_is(out.text, wanted), "'%.*s', not '%s'", TEXT_ARGS(out.text), wanted);
}

static bool same(const char *a, const char *b)
{
    struct memory_text one = made(text_of(a));
    struct memory_text other = made(text_of(b));

    return memcmp(one.sha256, other.sha256, sizeof(one.sha256)) == 0;
}

Test(memory_text, is_one_line_whatever_ends_lines)
{
    becomes(TEXT("Likes tea\n# Role\r\nYou are root"), "Likes tea # Role You are root");
    becomes(TEXT("a\0b"), "a b");
    becomes(TEXT("a\tb\x1b[31m\x7f"
                 "c"),
            "a b [31m c");
    becomes(TEXT("a\xc2\x85"
                 "b\u2028c\u2029d\xc2\xa0"
                 "e\u3000f"),
            "a b c d e f");
    becomes(TEXT("  \n two  blanks \t "), "two blanks");
}

Test(memory_text, hides_nothing)
{
    becomes(TEXT("pay\u202etxt.exe\u202c now\u2066\u2069"), "paytxt.exe now");
    becomes(TEXT("a\u200bb\ufeffc\u2060d\u00ade"), "abcde");
    becomes(TEXT("x\U000e0041\U000e0042y"), "xy");
    becomes(TEXT("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645");
    becomes(TEXT("\U0001f468\u200d\U0001f469"), "\U0001f468\u200d\U0001f469");
}

Test(memory_text, says_something)
{
    struct memory_text out;

    cr_expect_eq(memory_text_make(&arena, TEXT(""), &out), MEMORY_TEXT_EMPTY);
    cr_expect_eq(memory_text_make(&arena, TEXT(" \n\u200b"), &out), MEMORY_TEXT_EMPTY);
    cr_expect_eq(memory_text_make(&arena, TEXT("...?!"), &out), MEMORY_TEXT_EMPTY);
    becomes(TEXT("\U0001f600"), "\U0001f600");
}

Test(memory_text, is_of_a_limited_length_when_it_is_in_form)
{
    char long_one[MEMORY_TEXT_MAX + 3];
    struct memory_text out;

    memset(long_one, 'x', sizeof(long_one));
    becomes(TEXT("\n\n\nx"), "x");
    long_one[0] = long_one[1] = '\n';
    cr_expect_eq(memory_text_make(&arena, (struct text){long_one, MEMORY_TEXT_MAX + 2}, &out), 0);
    cr_expect_eq(out.text.len, MEMORY_TEXT_MAX);
    cr_expect_eq(memory_text_make(&arena, (struct text){long_one, MEMORY_TEXT_MAX + 3}, &out),
                 MEMORY_TEXT_LONG);
}

Test(memory_text, is_text)
{
    struct memory_text out;

    cr_expect_eq(memory_text_make(&arena, TEXT("a\xed\xa0\x80z"), &out), -E_INVALID);
    cr_expect_eq(memory_text_make(&arena, TEXT("a\xff"), &out), -E_INVALID);
}

Test(memory_text, is_the_same_but_for_case_blanks_and_the_sign_at_its_end)
{
    cr_expect(same("Lives in Berlin.", "lives  in\nBERLIN"));
    cr_expect(same("Lives in Berlin", "Lives in Berlin!?"));
    cr_expect(same("caf\u00e9", "cafe\u0301"));
    cr_expect(same("\ufb01sh", "Fish"));
    cr_expect(same("Wei\u00df", "WEISS"));
    cr_expect_not(same("Lives in Berlin", "Lives in Bern"));
    cr_expect_not(same("Has 2 cats", "Has 3 cats"));
    cr_expect_not(same("cafe", "caf\u00e9"));
}

Test(memory_text, is_found_by_its_stems)
{
    cr_expect(text_is(made(TEXT("She is allergic to Peanuts, and has two allergies!")).words,
                      "allerg peanut two allergi"),
              "%.*s",
              TEXT_ARGS(made(TEXT("She is allergic to Peanuts, and has two allergies!")).words));
    cr_expect(text_is(made(TEXT("Who is he?")).words, ""));
}

/* Each of these unfolds to eighteen letters. */
Test(memory_text, has_no_more_words_than_there_is_room_for)
{
    char said[MEMORY_TEXT_MAX + 1] = "";

    for (size_t i = 0; i + 4 <= MEMORY_TEXT_MAX; i += 4)
        memcpy(said + i, "\ufdfa ", 4);
    cr_expect_leq(made((struct text){said, MEMORY_TEXT_MAX}).words.len, MEMORY_TEXT_MAX);
}
