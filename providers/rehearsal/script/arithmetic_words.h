#pragma once
/* The words of a question of arithmetic. Internal to arithmetic_read.c. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define WORDS_MAX 100

enum word_kind {
    WORD_END,
    WORD_NUMBER, /* in digits */
    WORD_NAME,   /* letters */
    WORD_SIGN,   /* anything else, a character */
};

struct word {
    enum word_kind kind;
    char text[24]; /* in lower case; of a number without commas; of × and ÷ as * and / */
};

struct words {
    struct word items[WORDS_MAX + 1]; /* the last is WORD_END */
    size_t count;
};

/* False: there are too many, or too long ones. */
MUSTCHECK bool words_split(struct text question, struct words *out);

bool word_is(const struct word *word, const char *text);

/* How many words from `at` on say one of the phrases, each of words with a blank between; 0: none
 * does. `phrases` ends with NULL; the longer ones come first. */
size_t words_say(const struct words *words, size_t at, const char *const *phrases);

/* The number that begins at `at`, in digits or words ("two hundred and five", "3 thousand", "four
 * point five"), appended in digits. How many words it takes; 0: there is none. */
size_t words_number(const struct words *words, size_t at, struct buf *out);
