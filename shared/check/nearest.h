#pragma once
/* The word that somebody may have meant. Pure. */

#include <stddef.h>

/* The one of `words` that is at most two slips (one for words of up to three letters) from `word`,
 * or of which it is the beginning; NULL: none is near. */
const char *nearest_word(const char *word, const char *const *words, size_t count);
