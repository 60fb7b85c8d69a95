#pragma once
/* The words of a text, each in the form in which it is compared: without case and accents
 * (Unicode's case folding and decomposition), and cut to its stem. Where words end is said by
 * Unicode Standard Annex 29, through libunistring; stems of words in Latin letters are those of
 * Snowball's English stemmer (https://snowballstem.org). Chinese and Japanese have no spaces: of
 * them each pair of neighbouring characters is a word. Pure, so that threads may do it.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct word {
    struct text folded; /* valid during the call */
    struct text stem;   /* the same where there is no stem to be had */
    bool common;        /* such as "the" and "is": it says little of what a text is about */
    bool pair;          /* of characters */
};

typedef void (*word_fn)(void *arg, const struct word *word);

/* The most that words_each takes, so that nobody waits for it long. */
#define WORDS_TEXT_MAX ((size_t)32 << 10)

/* Calls on_word for each word, in order. Words of more than 64 bytes are cut. Returns 0, -E_INVALID
 * (it is no UTF-8), or -E_LIMIT (it is longer than WORDS_TEXT_MAX). */
MUSTCHECK int words_each(struct text text, word_fn on_word, void *arg);

/* How much of a text words_each may be given: all of it, or up to a space. */
size_t words_piece(struct text text);
