/* What is near, of what was found, and the turns that it is given with. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "providers/nearest/nearest_rank.h"
#include "providers/nearest/nearest_words.h"

Test(nearest_words, the_same_stem_is_the_same_word_and_common_ones_are_none)
{
    const struct uuid thread = {{1, 2, 3}};
    int64_t words[8];
    int64_t again[8];

    cr_assert_eq(nearest_words(TEXT("The cats are sleeping"), thread, words, 8), 2);
    cr_assert_eq(nearest_words(TEXT("sleep, CAT! the cat sleeps"), thread, again, 8), 2);
    cr_assert_eq(words[0], again[1]);
    cr_assert_eq(words[1], again[0]);
    cr_assert_eq(nearest_words(TEXT("is of the"), thread, words, 8), 0);
    cr_assert_eq(nearest_words(TEXT(""), thread, words, 8), 0);
    cr_assert_eq(nearest_words(TEXT("\xff\xff"), thread, words, 8), 0);
    cr_assert_eq(nearest_words(TEXT("one two three four five six"), thread, words, 3), 3);
}

Test(nearest_words, another_thread_has_other_words)
{
    const struct uuid one = {{1}};
    const struct uuid other = {{2}};
    int64_t words[1];
    int64_t others[1];

    cr_assert_eq(nearest_words(TEXT("cat"), one, words, 1), 1);
    cr_assert_eq(nearest_words(TEXT("cat"), other, others, 1), 1);
    cr_assert_neq(words[0], others[0]);
}

Test(nearest_rank, what_was_found_twice_is_one)
{
    struct nearest_hit hits[8] = {{.position = 90, .cosine = 0.5F},
                                  {.position = 40, .cosine = 0.1F}};
    struct message_near found[] = {
        {.position = 95, .words = 1}, {.position = 90, .words = 2}, {.position = 10, .words = 3}};
    const struct message_near_list words = {found, 3};

    cr_assert_eq(nearest_merge(hits, 2, &words), 4);
    cr_assert_eq(hits[0].words, 2);
    cr_assert_eq(hits[1].words, 0);
    cr_assert_eq(hits[2].position, 95);
    cr_assert_eq(hits[3].position, 10);
    cr_assert_eq(hits[3].cosine, NEAREST_NO_COSINE);
}

Test(nearest_rank, the_nearest_first_and_the_newer_of_the_same)
{
    struct nearest_hit hits[] = {{.position = 1, .cosine = 0.3F},
                                 {.position = 2, .cosine = 0.9F},
                                 {.position = 3, .cosine = 0.1F},
                                 {.position = 4, .cosine = 0.9F}};

    cr_assert_eq(nearest_rank(hits, 4, 0, 0.2F, 10), 3);
    cr_assert_eq(hits[0].position, 4);
    cr_assert_eq(hits[1].position, 2);
    cr_assert_eq(hits[2].position, 1);
    cr_assert_eq(nearest_rank(hits, 4, 0, 0.2F, 1), 1, "no more than are wanted");
    cr_assert_eq(nearest_rank(hits, 0, 0, 0.2F, 1), 0);
}

Test(nearest_rank, a_rare_word_counts_more_than_one_that_many_have)
{
    struct nearest_hit hits[20];

    for (int i = 0; i < 20; i++)
        hits[i] = (struct nearest_hit){
            .position = i + 1, .cosine = NEAREST_NO_COSINE, .words = i == 7 ? 2 : 1};
    cr_assert_eq(nearest_rank(hits, 20, 2, 0.2F, 20), 1);
    cr_assert_eq(hits[0].position, 8);
}

Test(nearest_rank, what_has_nothing_in_common_is_not_near_whatever_the_threshold)
{
    struct nearest_hit hits[] = {{.position = 1, .cosine = 0}, {.position = 2, .cosine = -0.5F}};

    cr_assert_eq(nearest_rank(hits, 2, 0, 0, 10), 0);
}

/* ---- turns ---- */

static struct turn_message items[128];
static int64_t positions[256];

static const char *gather(const struct nearest_hit *hits, size_t count, size_t messages,
                          size_t top_k, int64_t bytes)
{
    static char out[512];
    const struct turn_message_list list = {items, messages};
    struct nearest_choice choice = {.positions = positions};
    size_t len = 0;

    nearest_gather(hits, count, &list, top_k, bytes, 100, &choice);
    cr_assert(choice.is_made);
    out[0] = '\0';
    for (size_t i = 0; i < choice.count; i++)
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%d", i ? " " : "",
                                (int)choice.positions[i]);
    return out;
}

static struct turn_message message(size_t hit, int64_t position, int64_t next)
{
    return (struct turn_message){
        .hit = hit, .position = position, .next = next, .bytes = 10, .of_user = position % 10 == 0};
}

Test(nearest_gather, turns_are_in_the_order_of_the_thread_with_marks_between)
{
    const struct nearest_hit hits[] = {{.position = 51}, {.position = 20}, {.position = 30}};

    items[0] = message(0, 50, 51);
    items[1] = message(0, 51, 100);
    items[2] = message(1, 20, 21);
    items[3] = message(1, 21, 30);
    items[4] = message(2, 30, 31);
    items[5] = message(2, 31, 40);
    cr_assert_str_eq(gather(hits, 3, 6, 5, 1000), "20 21 30 31 0 50 51");
    cr_assert_str_eq(gather(hits, 3, 6, 2, 1000), "20 21 0 50 51", "the best two");
    cr_assert_str_eq(gather(hits, 3, 6, 5, 45), "20 21 0 50 51", "as many as there is room for");
    cr_assert_str_eq(gather(hits, 3, 6, 5, 10), "", "none is given in part");
    cr_assert_str_eq(gather(hits, 0, 0, 5, 10), "");
}

Test(nearest_gather, a_turn_that_was_found_twice_is_given_once_and_counts_once)
{
    const struct nearest_hit hits[] = {{.position = 51}, {.position = 50}, {.position = 20}};

    items[0] = message(0, 50, 51);
    items[1] = message(0, 51, 60);
    items[2] = message(1, 50, 51);
    items[3] = message(1, 51, 60);
    items[4] = message(2, 20, 30);
    cr_assert_str_eq(gather(hits, 3, 5, 2, 1000), "20 0 50 51 0");
}

Test(nearest_gather, of_a_turn_that_is_too_long_question_and_hit_are_given)
{
    const struct nearest_hit hits[] = {{.position = 5}};

    for (size_t i = 0; i <= TURN_MESSAGES_MAX; i++) {
        items[i] = message(0, (int64_t)i + 1, (int64_t)i + 2);
        items[i].of_user = i == 0;
    }
    cr_assert_str_eq(gather(hits, 1, TURN_MESSAGES_MAX + 1, 5, 1000), "1 0 5 0");
    items[4].calls = true;
    cr_assert_str_eq(gather(hits, 1, TURN_MESSAGES_MAX + 1, 5, 1000), "1 0",
                     "what calls needs its results");
}
