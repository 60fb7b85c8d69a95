#pragma once
/* The form in which a sentence that is known of a user is kept, and what it is found by. Pure.
 *
 * It is one line, whatever was said: characters that end a line or that nobody sees (controls,
 * directions, tags) become blanks or are left out, so that none of them begins a section of a
 * prompt that it stands in, nor hides in it. Sentences are the same when they differ in case,
 * blanks, ways to write a character, or the sign at their end only.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/text.h"

#define MEMORY_TEXT_MAX 2048 /* bytes, when it is in form */

struct memory_text {
    struct text text;
    struct text words; /* the stems of its words, common ones excepted, with a blank between */
    uint8_t sha256[SHA256_BYTES]; /* equal ones have the same */
};

enum memory_text_condition {
    MEMORY_TEXT_EMPTY = 1, /* nothing is left that says something */
    MEMORY_TEXT_LONG,      /* it is longer than MEMORY_TEXT_MAX */
};

/* Texts are the arena's. Returns 0, a condition, -E_INVALID (it is no UTF-8), or -E_LIMIT. */
MUSTCHECK int memory_text_make(struct arena *arena, struct text said, struct memory_text *out);

/* The stems of a text of up to WORDS_TEXT_MAX bytes (shared/embed/words.h), as above. Returns 0,
 * -E_INVALID or -E_LIMIT. */
MUSTCHECK int memory_words(struct arena *arena, struct text text, struct text *out);
