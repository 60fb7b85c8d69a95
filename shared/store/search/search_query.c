/* Queries of a search. See search_query.h. */

#include "shared/store/search/search_query.h"

#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/error.h"

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

void search_query_plain(struct text query, struct buf *out)
{
    char before = ' ';

    for (size_t i = 0; i < query.len; i++) {
        char c = query.ptr[i];
        bool excludes = c == '-' && (before == ' ' || before == '"');

        buf_add_char(out, is_word(c) || c == '"' || excludes ? c : ' ');
        before = out->len > 0 ? out->ptr[out->len - 1] : ' ';
    }
}

/* A word within quotes at `at`, which is behind the first of them: its text, where a quote and a
 * backslash are written twice. Returns where it ends, behind the last quote. */
static size_t read_word(struct text tsquery, size_t at, struct buf *out)
{
    for (; at < tsquery.len; at++) {
        char c = tsquery.ptr[at];

        if (c == '\'' || c == '\\') {
            at++;
            if (at == tsquery.len || tsquery.ptr[at] != c)
                return at;
        }
        buf_add_char(out, c);
    }
    return at;
}

static size_t count_quotes(struct text text, char quote)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == quote;
    return count;
}

/* Whether the last word of what was typed may be the beginning of one. */
static bool is_open(struct text typed)
{
    return typed.len > 0 && is_word(typed.ptr[typed.len - 1]) && count_quotes(typed, '"') % 2 == 0;
}

/* The walk over a query: outside of words, what they are subject to. */
struct walk {
    bool negated;  /* the next word, or the group that begins here */
    size_t depth;  /* of groups */
    size_t absent; /* the depth of a group that must not be there; 0: in none */
};

static void step(struct walk *walk, char c)
{
    switch (c) {
    case '!':
        walk->negated = true;
        return;
    case '(':
        walk->depth++;
        if (walk->negated && walk->absent == 0)
            walk->absent = walk->depth;
        walk->negated = false;
        return;
    case ')':
        if (walk->absent == walk->depth)
            walk->absent = 0;
        walk->depth -= walk->depth > 0;
        return;
    default:
        return;
    }
}

static int add_word(struct search_words *words, const struct buf *word, struct arena *arena,
                    struct error *err)
{
    char *copy = arena_copy(arena, buf_text(word));

    if (!copy)
        return error_set(err, E_LIMIT, "no room for the words of a search");
    words->items[words->count++] = (struct search_word){{copy, word->len}, false};
    return 0;
}

int search_query_read(struct text tsquery, struct text typed, struct arena *arena, struct buf *out,
                      struct search_words *words, struct error *err)
{
    CLEANUP(buf_deinit) struct buf word;
    struct search_words found = {.count = 0};
    struct walk walk = {.depth = 0};
    bool last_present = false;
    int r = 0;

    buf_init(&word, 0);
    found.items = arena_alloc(arena, (count_quotes(tsquery, '\'') / 2 + 1) * sizeof(*found.items));
    if (!found.items)
        return error_set(err, E_LIMIT, "no room for the words of a search");
    for (size_t at = 0; at < tsquery.len && r == 0;) {
        char c = tsquery.ptr[at++];

        if (c != '\'') {
            step(&walk, c);
            continue;
        }
        buf_reset(&word);
        at = read_word(tsquery, at, &word);
        last_present = !walk.negated && walk.absent == 0;
        if (last_present)
            r = add_word(&found, &word, arena, err);
        walk.negated = false;
    }
    buf_add_text(out, tsquery);
    if (last_present && is_open(typed) && text_ends(tsquery, "'") &&
        word.len >= SEARCH_PREFIX_MIN) {
        buf_add_string(out, ":*");
        found.items[found.count - 1].prefix = true;
    }
    if (r == 0)
        *words = found;
    return r;
}

/* Whether one of the words is at this place; *len is how long the longest of them is. */
static bool word_at(struct text plain, size_t at, const struct search_words *words, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < words->count; i++) {
        struct text word = words->items[i].text;
        size_t end = at + word.len;

        if (word.len <= *len || end > plain.len || memcmp(plain.ptr + at, word.ptr, word.len) != 0)
            continue;
        /* What Postgres takes for a part of a word beyond ASCII only Postgres knows. */
        if (words->items[i].prefix || end == plain.len || !is_word(plain.ptr[end]) ||
            (unsigned char)plain.ptr[end] >= 0x80)
            *len = word.len;
    }
    return *len > 0;
}

static bool may_begin(struct text plain, size_t at)
{
    unsigned char before = at > 0 ? (unsigned char)plain.ptr[at - 1] : ' ';

    return ((unsigned char)plain.ptr[at] & 0xC0) != 0x80 &&
           (before >= 0x80 || !is_word((char)before));
}

void search_highlights(struct text plain, const struct search_words *words, struct buf *out)
{
    size_t characters = 0;
    size_t count = 0;
    size_t len;

    buf_add_char(out, '[');
    for (size_t at = 0; at < plain.len;) {
        if (may_begin(plain, at) && word_at(plain, at, words, &len)) {
            size_t to = characters + text_characters((struct text){plain.ptr + at, len});

            buf_printf(out, "%s[%zu,%zu]", count++ ? "," : "", characters, to);
            characters = to;
            at += len;
            continue;
        }
        at++;
        while (at < plain.len && ((unsigned char)plain.ptr[at] & 0xC0) == 0x80)
            at++;
        characters++;
    }
    buf_add_char(out, ']');
}
