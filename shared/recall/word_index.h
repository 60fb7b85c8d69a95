#pragma once
/* The words of a question, by the parts that they have: so another word is compared with those only
 * that it has parts in common with, however many there are. A part is three bytes of a word, its
 * ends included. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* What follows is not looked at. */
#define WORD_INDEX_MAX 48

struct word_index;

/* `seed` is any number: who does not know it can't choose words that meet. Never NULL. */
struct word_index *word_index_new(uint64_t seed);
void word_index_free(struct word_index *index); /* accepts NULL */

/* Adds a word, which is borrowed, unless it is there or there is no room. */
void word_index_add(struct word_index *index, struct text word);

size_t word_index_count(const struct word_index *index);
struct text word_index_word(const struct word_index *index, size_t term);

struct word_match {
    size_t term;
    float alike; /* 1: the very word; else ALIKE_MIN or more, and below 1 */
};

#define ALIKE_MIN 0.5F

/* Which of its words are like this one: by the share of parts in common (Dice's coefficient), by
 * that of their beginning, or because one has the other in it; those of less than four bytes are
 * like nothing but themselves. Writes up to WORD_INDEX_MAX matches, and returns how many. */
size_t word_index_find(struct word_index *index, struct text word, struct word_match *out);
