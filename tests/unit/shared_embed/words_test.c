/* The words of texts. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/embed/words.h"

static char seen[4096];

static void note(void *arg, const struct word *word)
{
    size_t used = strlen(seen);

    (void)arg;
    snprintf(seen + used, sizeof(seen) - used, "%s%.*s%s%s", used > 0 ? " " : "",
             TEXT_ARGS(word->stem), word->common ? "*" : "", word->pair ? "+" : "");
}

static void expect(const char *text, const char *words)
{
    seen[0] = '\0';
    cr_assert_eq(words_each(text_of(text), note, NULL), 0);
    cr_expect_str_eq(seen, words, "of \"%s\"", text);
}

Test(words, are_compared_without_case_and_accents)
{
    expect("", "");
    expect("Garden GARDEN garden", "garden garden garden");
    expect("M\u00FCnchen, Mu\u0308nchen \u2014 MUNCHEN!", "munchen munchen munchen");
    expect("Stra\u00DFe STRASSE", "strass strass");
    expect("\u00C9t\u00E9 \u0130stanbul", "ete istanbul");
    expect("\uFF21\uFF22\uFF23 \uFB01sh \u2168", "abc fish ix");
    expect("\u041C\u043E\u0441\u043A\u0432\u0430 \u0391\u03B8\u03AE\u03BD\u03B1",
           "\u043C\u043E\u0441\u043A\u0432\u0430 \u03B1\u03B8\u03B7\u03BD\u03B1");
}

Test(words, are_cut_to_their_stems)
{
    expect("allergies allergy", "allergi allergi");
    expect("running runs", "run run");
    expect("1,250.50 4711 B2B v1.2", "1,250.50 4711 b2b v1.2");
}

Test(words, that_are_common_are_told_as_such)
{
    expect("The cat is in Your house", "the* cat is* in* your* hous");
    expect("yourself a yours", "yourself* a* yours*");
}

Test(words, lose_what_hangs_on_an_apostrophe)
{
    expect("Lena's dog", "lena dog");
    expect("Lena\u2019s dog", "lena dog");
    expect("l'homme d\u2019accord", "homm accord");
    expect("'quoted' ' rock'n'roll", "quot roll");
}

Test(words, of_scripts_without_spaces_are_pairs)
{
    expect("\u6771\u4EAC\u90FD", "\u6771\u4EAC+ \u4EAC\u90FD+");
    expect("\u6C34", "\u6C34+");
    expect("\u6C34, \u706B", "\u6C34+ \u706B+");
    expect("tea \u8336 tea", "tea \u8336+ tea");
}

Test(words, are_none_in_signs)
{
    expect("\U0001F600 !? -- \u2014 ... \t\n", "");
    expect("\u0301\u0301", "");
    expect("a\U0001F600b", "a* b");
}

Test(words, that_are_endless_are_cut)
{
    char text[1000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    seen[0] = '\0';
    cr_assert_eq(words_each(text_of(text), note, NULL), 0);
    cr_expect_eq(strlen(seen), 64);
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\u00DF", 2);
    seen[0] = '\0';
    cr_assert_eq(words_each((struct text){text, 998}, note, NULL), 0);
    cr_expect_leq(strlen(seen), 64);
}

Test(words, are_of_valid_and_bounded_texts_alone)
{
    char *large = malloc(WORDS_TEXT_MAX + 2);

    cr_assert_eq(words_each(TEXT("\xFF\xFE"), note, NULL), -E_INVALID);
    cr_assert_eq(words_each(TEXT("a\xC3"), note, NULL), -E_INVALID);
    memset(large, ' ', WORDS_TEXT_MAX + 2);
    cr_assert_eq(words_each((struct text){large, WORDS_TEXT_MAX}, note, NULL), 0);
    cr_assert_eq(words_each((struct text){large, WORDS_TEXT_MAX + 1}, note, NULL), -E_LIMIT);
    cr_expect_eq(words_piece((struct text){large, 10}), 10);
    cr_expect_eq(words_piece((struct text){large, WORDS_TEXT_MAX + 1}), WORDS_TEXT_MAX);
    memset(large, 'x', WORDS_TEXT_MAX + 2);
    large[WORDS_TEXT_MAX - 100] = ' ';
    cr_expect_eq(words_piece((struct text){large, WORDS_TEXT_MAX + 2}), WORDS_TEXT_MAX - 100);
    for (size_t i = 0; i < WORDS_TEXT_MAX + 2; i += 2)
        memcpy(large + i, "\u00DF", 2);
    memmove(large + 1, large, WORDS_TEXT_MAX + 1);
    large[0] = 'x';
    cr_expect_eq(words_piece((struct text){large, WORDS_TEXT_MAX + 1}), WORDS_TEXT_MAX - 1);
    free(large);
}

/* Whatever bytes come: no word is empty or longer than said. */
static void judge(void *arg, const struct word *word)
{
    size_t *count = arg;

    (*count)++;
    cr_assert(word->folded.len > 0 && word->folded.len <= 64 && word->stem.len > 0);
    cr_assert(text_is_utf8(word->folded));
    cr_assert(text_is_utf8(word->stem));
}

Test(words, of_any_characters_are_well_formed)
{
    static const char *const some[] = {
        "a",      "Z", "'", "\u2019", " ",      "\u0301", "\u6C34", "\u30AB",     "\u0E01",
        "\u200D", "7", ".", "\u00DF", "\u0130", "\uAC00", "\u0627", "\U0001F468", "\n"};
    size_t count = 0;

    srand(7);
    for (int i = 0; i < 20000; i++) {
        char text[200] = "";

        for (int j = rand() % 30; j > 0; j--)
            strcat(text, some[(size_t)rand() % ARRAY_LENGTH(some)]);
        cr_assert_eq(words_each(text_of(text), judge, &count), 0);
    }
    cr_assert_gt(count, 20000);
}
