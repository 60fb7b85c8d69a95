#pragma once
/* The words of a message as numbers that belong to its thread: the same stem has another number in
 * another thread, so that an index over all of them finds those of one. Common words have none.
 * Pure. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

/* Of a message more words than these are not noted. */
#define NEAREST_WORDS_MAX 256

/* The distinct words of a text, in their order; returns how many, at most `most`. Of a text over
 * WORDS_TEXT_MAX the beginning counts; what is no UTF-8 has none. */
size_t nearest_words(struct text text, struct uuid thread, int64_t *out, size_t most);
