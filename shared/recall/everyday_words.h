#pragma once
/* Words of everyday language, as stems: they tell less of what a text is about than others do that
 * are as rare in it. English ones; and of German and French, of which no word is taken for a common
 * one (shared/embed/words.h), those that only hold sentences together. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

bool word_is_everyday(struct text stem);
