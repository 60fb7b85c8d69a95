/* Queries of a search, as text. */

#include <criterion/criterion.h>

#include "shared/base/arena.h"
#include "shared/base/error.h"
#include "shared/store/search/search_query.h"

static struct arena arena;
static struct search_words words;
static struct buf out;

static void begin(void)
{
    arena_init(&arena, 0);
    buf_init(&out, 0);
}

static void end(void)
{
    buf_deinit(&out);
    arena_deinit(&arena);
}

TestSuite(search_query, .init = begin, .fini = end);

static const char *plain(const char *query)
{
    buf_reset(&out);
    search_query_plain(text_of(query), &out);
    return buf_string(&out);
}

Test(search_query, keeps_quotes_and_what_leaves_words_out)
{
    cr_assert_str_eq(plain("foo_bar-baz"), "foo bar baz");
    cr_assert_str_eq(plain("\"a b\" -c or d"), "\"a b\" -c or d");
    cr_assert_str_eq(plain("-\"a b\" (x|y) --z"), "-\"a b\"  x y  - z");
    cr_assert_str_eq(plain("né e:mc²!"), "né e mc² ");
    cr_assert_str_eq(plain(""), "");
}

static const char *read_query(const char *tsquery, const char *typed)
{
    struct error err;

    buf_reset(&out);
    cr_assert_eq(search_query_read(text_of(tsquery), text_of(typed), &arena, &out, &words, &err),
                 0);
    return buf_string(&out);
}

Test(search_query, takes_the_last_word_as_a_beginning_while_it_may_be_typed)
{
    cr_assert_str_eq(read_query("'quick' & 'bro'", "quick bro"), "'quick' & 'bro':*");
    cr_assert_eq(words.count, 2);
    cr_assert(!words.items[0].prefix && words.items[1].prefix);
    cr_assert_str_eq(read_query("'quick' & 'bro'", "quick bro "), "'quick' & 'bro'");
    cr_assert_str_eq(read_query("'quick' <-> 'bro'", "\"quick bro\""), "'quick' <-> 'bro'");
    cr_assert_str_eq(read_query("'quick' <-> 'bro'", "\"quick bro"), "'quick' <-> 'bro'");
    cr_assert_str_eq(read_query("'quick' & 'br'", "quick br"), "'quick' & 'br'");
    cr_assert_str_eq(read_query("'quick' & !'bro'", "quick -bro"), "'quick' & !'bro'");
    cr_assert_eq(words.count, 1);
}

Test(search_query, knows_the_words_that_a_message_has)
{
    (void)read_query("'a''b' & !( 'c' <-> 'd' ) & 'e\\\\f'", "x");
    cr_assert_eq(words.count, 2);
    cr_assert(text_is(words.items[0].text, "a'b"));
    cr_assert(text_is(words.items[1].text, "e\\f"));
    for (const char *odd = "'a''"; *odd; odd++)
        (void)read_query(odd, "a");
    (void)read_query("", "");
    cr_assert_eq(words.count, 0);
}

static const char *marks(const char *text)
{
    buf_reset(&out);
    search_highlights(text_of(text), &words, &out);
    return buf_string(&out);
}

Test(search_query, marks_words_by_their_characters)
{
    (void)read_query("'né' & 'fox' & 'foxes' & 'bro'", "né fox foxes bro");
    cr_assert_str_eq(marks("née né fox foxes foxy brown abro"), "[[4,6],[7,10],[11,16],[22,25]]");
    cr_assert_str_eq(marks("fox"), "[[0,3]]");
    cr_assert_str_eq(marks("…fox…"), "[[1,4]]");
    cr_assert_str_eq(marks(""), "[]");
}
