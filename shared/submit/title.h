#pragma once
/* The title that a thread gets from its first message, where nobody gives it one. Pure. */

#include "shared/base/arena.h"
#include "shared/base/text.h"

#define TITLE_MADE_MAX 80 /* characters */

/* The first words of a text, with single blanks between, cut at a word where there is more, and
 * then with "…" behind. In the arena; TEXT_NONE: the text has no words, or there is no room. Any
 * bytes will do. */
struct text title_of(struct text text, struct arena *arena);
