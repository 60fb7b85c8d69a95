#pragma once
/* What a person types into a search, as Postgres' query, and where in a text it was found. Pure.
 *
 * A message is searched with blanks for all that is no part of a word (penstock_search_plain), so
 * the query is, too: "foo_bar" asks for both words. What stays is what websearch_to_tsquery
 * understands: "several words" in their order, or between words, - before a word that must not be
 * there.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct arena;
struct error;

#define SEARCH_QUERY_MAX 1000 /* characters */

/* Appends the query for websearch_to_tsquery. */
void search_query_plain(struct text query, struct buf *out);

/* A word that is looked for, in small letters. */
struct search_word {
    struct text text;
    bool prefix; /* the beginning of one */
};

struct search_words {
    struct search_word *items;
    size_t count;
};

/* From what websearch_to_tsquery made of `typed`, as text: the words that a message has, in the
 * arena, and appended to `out` the query, whose last word is looked for as a prefix, too, where
 * somebody may still be typing it: nothing stands behind it, it is in no quotes, and it has at
 * least SEARCH_PREFIX_MIN bytes, since a letter is the beginning of too many words. Returns 0, or
 * -E_LIMIT. */
#define SEARCH_PREFIX_MIN 3
MUSTCHECK int search_query_read(struct text tsquery, struct text typed, struct arena *arena,
                                struct buf *out, struct search_words *words, struct error *err);

/* Appends [[from,to],…], the places of the words in `plain` (in small letters, with blanks for all
 * that is no part of a word), in characters, to is exclusive; they do not overlap. */
void search_highlights(struct text plain, const struct search_words *words, struct buf *out);
