/* Which memories a question is about, and in which order. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/recall/everyday_words.h"
#include "shared/recall/rank.h"
#include "shared/recall/word_index.h"

static float alike(struct text a, struct text b)
{
    struct word_index *index = word_index_new(4711);
    struct word_match match = {.alike = 0};

    word_index_add(index, a);
    cr_assert_leq(word_index_find(index, b, &match), 1);
    word_index_free(index);
    return match.alike;
}

#define NEAR(a, b) ((double)alike(TEXT(a), TEXT(b)))

static struct recall_document words_of(const char *words)
{
    return (struct recall_document){.words = text_of(words), .similarity = NAN};
}

/* The numbers of the hits, as they come. */
static const char *ranked(const struct recall_question *question,
                          const struct recall_document *documents, size_t count)
{
    static char shown[128];
    struct recall_hit hits[16];
    size_t found = recall_rank(question, documents, count, hits);
    size_t len = 0;

    shown[0] = '\0';
    for (size_t i = 0; i < found; i++) {
        cr_assert(hits[i].score > 0 && hits[i].score < 1);
        len += (size_t)snprintf(shown + len, sizeof(shown) - len, "%zu ", hits[i].index);
    }
    return shown;
}

static struct recall_question question_of(const char *words)
{
    return (struct recall_question){.words = text_of(words), .limit = 5};
}

Test(rank, puts_first_what_shares_the_rarer_word)
{
    struct recall_document documents[] = {words_of("live berlin"), words_of("like tea"),
                                          words_of("like coffe"), words_of("like zzzz")};
    struct recall_question question = question_of("like coffe");

    cr_expect_str_eq(ranked(&question, documents, 3), "2 1 ");
    question = question_of("berlin");
    cr_expect_str_eq(ranked(&question, documents, 4), "0 ");
    question = question_of("");
    cr_expect_str_eq(ranked(&question, documents, 4), "");
    question = question_of("nothing");
    cr_expect_str_eq(ranked(&question, documents, 0), "");
    cr_expect_str_eq(ranked(&question, documents, 4), "");
}

Test(rank, of_a_single_memory_knows_what_it_is_about)
{
    struct recall_document document = words_of("allerg hazelnut");
    struct recall_question question = question_of("nut hazelnut cake bake");

    question.threshold = RECALL_THRESHOLD_DEFAULT;
    cr_expect_str_eq(ranked(&question, &document, 1), "0 ");
}

Test(rank, credits_endings_and_typing_errors)
{
    struct recall_document documents[] = {words_of("vegetarian"), words_of("allerg penut"),
                                          words_of("euroairport basel"), words_of("tea")};
    struct recall_question question = question_of("vegetarianism");

    cr_expect_str_eq(ranked(&question, documents, 4), "0 ");
    question = question_of("peanut");
    cr_expect_str_eq(ranked(&question, documents, 4), "1 ");
    question = question_of("airport");
    cr_expect_str_eq(ranked(&question, documents, 4), "2 ");
    question = question_of("team"); /* which begins as tea does */
    cr_expect_str_eq(ranked(&question, documents, 4), "");
}

Test(rank, credits_the_very_word_more_than_one_like_it)
{
    struct recall_document documents[] = {words_of("penut"), words_of("peanut"),
                                          words_of("peanuts")};
    struct recall_question question = question_of("peanut");

    cr_expect_str_eq(ranked(&question, documents, 3), "1 2 0 ");
}

Test(rank, words_are_alike_by_their_parts)
{
    cr_expect_eq(NEAR("same", "same"), 1);
    cr_expect_eq(NEAR("cat", "cats"), 0, "too short to tell");
    cr_expect_eq(NEAR("", ""), 0);
    cr_expect_eq(NEAR("a", "a"), 1);
    cr_expect_eq(NEAR("ab", "ab"), 1);
    cr_expect_eq(NEAR("", "word"), 0);
    cr_expect_eq(NEAR("coffee", "berlin"), 0);
    cr_expect_gt(NEAR("coffee", "coffe"), 0.6);
    cr_expect_gt(NEAR("airport", "euroairport"), 0.6);
    cr_expect_gt(NEAR("vegetarian", "vegatarian"), 0.5);
    cr_expect_lt(NEAR("coffee", "coffees"), 1);
    cr_expect_float_eq(NEAR("coffee", "coffe"), NEAR("coffe", "coffee"), 1e-6);
}

static void draw(struct text *out, char *bytes, size_t size, bool few)
{
    *out = (struct text){bytes, (size_t)rand() % size};
    for (size_t k = 0; k < size; k++)
        bytes[k] = (char)(few ? "ab"[rand() % 2] : rand() % 255 + 1);
}

/* Whatever the words are, it is 0 to 1, the same in both directions, and 1 for the same only. */
Test(rank, words_are_alike_in_both_directions)
{
    srand(7);
    for (int i = 0; i < 20000; i++) {
        char a[80];
        char b[80];
        struct text one;
        struct text other;
        float there;

        draw(&one, a, i % 3 ? sizeof(a) : 6, i % 2);
        draw(&other, b, i % 3 ? sizeof(b) : 6, i % 2);
        there = alike(one, other);
        cr_assert(there == 0 || (there >= ALIKE_MIN && there <= 1));
        cr_assert_eq(there >= 1, one.len > 0 && text_equal(one, other));
        cr_assert_float_eq(there, alike(other, one), 1e-6);
    }
}

/* As if each of them was compared alone, whatever the seed is. */
Test(rank, words_of_a_question_are_told_apart)
{
    srand(8);
    for (int i = 0; i < 500; i++) {
        char bytes[WORD_INDEX_MAX][12];
        struct word_index *index = word_index_new((uint64_t)rand() << 32 | (uint64_t)rand());
        struct word_match found[WORD_INDEX_MAX];
        char last[12];
        struct text word;
        size_t count;
        size_t wanted = 0;

        for (size_t k = 0; k < WORD_INDEX_MAX; k++) {
            draw(&word, bytes[k], sizeof(bytes[k]), k % 2);
            word_index_add(index, word);
        }
        draw(&word, last, sizeof(last), true);
        count = word_index_find(index, word, found);
        for (size_t k = 0; k < word_index_count(index); k++)
            wanted += alike(word_index_word(index, k), word) > 0;
        cr_assert_eq(count, wanted);
        for (size_t k = 0; k < count; k++)
            cr_assert_float_eq(found[k].alike, alike(word_index_word(index, found[k].term), word),
                               1e-6);
        word_index_free(index);
    }
}

Test(rank, puts_the_newest_first_among_equals)
{
    struct recall_document documents[] = {words_of("live rome"), words_of("live oslo"),
                                          words_of("live bern")};
    struct recall_question question = question_of("live");

    documents[1].updated_ms = 3;
    documents[2].updated_ms = 2;
    documents[0].updated_ms = 1;
    cr_expect_str_eq(ranked(&question, documents, 3), "1 2 0 ");
    documents[0].updated_ms = 4;
    cr_expect_str_eq(ranked(&question, documents, 3), "0 1 2 ");
}

Test(rank, lets_others_have_their_turn_before_those_that_say_the_same)
{
    struct recall_document documents[] = {
        words_of("like tea green morn"), words_of("like tea green morn"),
        words_of("like tea green morn"), words_of("tea pot"), words_of("tea cup broke today last")};
    struct recall_question question = question_of("tea green");

    question.limit = 3;
    documents[2].updated_ms = 1;
    cr_expect_str_eq(ranked(&question, documents, 5), "2 3 4 ");
    question.limit = 4;
    cr_expect_str_eq(ranked(&question, documents, 5), "2 3 4 0 ");
    question.limit = 5;
    cr_expect_str_eq(ranked(&question, documents, 5), "2 0 1 3 4 ", "where there is room for all");
}

Test(rank, counts_how_near_vectors_are)
{
    struct recall_document documents[16];
    struct recall_question question = question_of("praline");

    question.similarity_nats = RECALL_NATS_MODEL;
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        documents[i] = words_of("tea");
        documents[i].similarity = 0.7F + 0.001F * (float)i; /* where a model begins */
    }
    documents[3] = words_of("allerg hazelnut");
    documents[3].similarity = 0.9F;
    question.threshold = RECALL_THRESHOLD_DEFAULT;
    cr_expect_str_eq(ranked(&question, documents, ARRAY_LENGTH(documents)), "3 ");
    documents[3].similarity = NAN;
    cr_expect_str_eq(ranked(&question, documents, ARRAY_LENGTH(documents)), "");
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++)
        documents[i].similarity = -1;
    question.threshold = 0;
    cr_expect_str_eq(ranked(&question, documents, ARRAY_LENGTH(documents)), "");
}

Test(rank, keeps_to_its_threshold_and_limit)
{
    struct recall_document documents[] = {words_of("rare tea"), words_of("tea"), words_of("tea x")};
    struct recall_question question = question_of("rare tea");

    question.limit = 2;
    cr_expect_str_eq(ranked(&question, documents, 3), "0 1 ");
    question.threshold = 0.6F;
    cr_expect_str_eq(ranked(&question, documents, 3), "0 ");
    question.threshold = 1;
    cr_expect_str_eq(ranked(&question, documents, 3), "");
    question.limit = 0;
    cr_expect_str_eq(ranked(&question, documents, 3), "");
}

Test(rank, looks_at_so_many_words_of_a_question)
{
    char words[16 * (WORD_INDEX_MAX + 2)] = "";
    struct recall_document document = words_of("needle");
    struct recall_question question;
    size_t len = 0;

    for (int i = 0; i < WORD_INDEX_MAX - 1; i++)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "w%d w%d ", i, i);
    snprintf(words + len, sizeof(words) - len, "needle");
    question = question_of(words);
    cr_expect_str_eq(ranked(&question, &document, 1), "0 ");
    snprintf(words + len, sizeof(words) - len, "one needle");
    cr_expect_str_eq(ranked(&question, &document, 1), "");
}

Test(rank, knows_words_of_everyday_language)
{
    cr_expect(word_is_everyday(TEXT("get")));
    cr_expect(word_is_everyday(TEXT("week")));
    cr_expect(word_is_everyday(TEXT("avec")));
    cr_expect(word_is_everyday(TEXT("mir")));
    cr_expect_not(word_is_everyday(TEXT("hazelnut")));
    cr_expect_not(word_is_everyday(TEXT("ge")));
    cr_expect_not(word_is_everyday(TEXT("getx")));
    cr_expect_not(word_is_everyday(TEXT("get\0\0\0")));
    cr_expect_not(word_is_everyday(TEXT("")));
}
