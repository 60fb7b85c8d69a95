/* Words by their parts: a hash table from parts to those that have them. */

#include "shared/recall/word_index.h"

#include <stdlib.h>

#include "shared/base/memory.h"

/* Of words that are longer only the beginning has parts. */
#define PARTS_MAX 64

#define SLOTS_LOG 13
#define SLOTS     (1 << SLOTS_LOG) /* more than twice what may be in it */

/* Of shorter words another one is not nearly the same, but another. */
#define NEAR_LEN_MIN 4
#define NEAR_MAX     0.99F

struct slot {
    uint32_t part;  /* 0: none */
    uint32_t seen;  /* the last search that met it */
    uint16_t first; /* of its postings */
};

struct posting {
    uint16_t term;
    uint16_t next; /* 0: none */
};

struct word_index {
    uint64_t multiplier;
    struct text words[WORD_INDEX_MAX];
    size_t count;
    struct slot slots[SLOTS];
    struct posting postings[WORD_INDEX_MAX * PARTS_MAX + 1];
    size_t posting_count;
    uint32_t search;
    uint16_t common[WORD_INDEX_MAX];  /* parts, during a search */
    uint16_t touched[WORD_INDEX_MAX]; /* terms that have any */
    size_t touched_count;
};

_Static_assert(SLOTS > 2 * WORD_INDEX_MAX * PARTS_MAX, "searches for what is not there end soon");

struct word_index *word_index_new(uint64_t seed)
{
    struct word_index *index = xcalloc(1, sizeof(*index));

    index->multiplier = seed | 1;
    return index;
}

void word_index_free(struct word_index *index)
{
    free(index);
}

size_t word_index_count(const struct word_index *index)
{
    return index->count;
}

struct text word_index_word(const struct word_index *index, size_t term)
{
    ASSERT(term < index->count);
    return index->words[term];
}

/* The slot of a part, or the one where it would be. */
static struct slot *find_slot(struct word_index *index, uint32_t part)
{
    uint64_t at = part * index->multiplier * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOTS_LOG);

    while (index->slots[at].part != 0 && index->slots[at].part != part)
        at = (at + 1) % SLOTS;
    return &index->slots[at];
}

static size_t parts_of(struct text word)
{
    return word.len < PARTS_MAX ? word.len : PARTS_MAX;
}

/* Part number i of a word that has parts_of(word). */
static uint32_t part_at(struct text word, size_t i)
{
    uint32_t before = i == 0 ? '<' : (uint8_t)word.ptr[i - 1];
    uint32_t behind = i + 1 < word.len ? (uint8_t)word.ptr[i + 1] : '>';

    return before << 16 | (uint32_t)(uint8_t)word.ptr[i] << 8 | behind;
}

static void add_part(struct word_index *index, uint32_t part, size_t term)
{
    struct slot *slot = find_slot(index, part);

    if (slot->part != 0 && index->postings[slot->first].term == term)
        return; /* the word has it twice */
    index->posting_count++;
    index->postings[index->posting_count] =
        (struct posting){(uint16_t)term, slot->part ? slot->first : 0};
    slot->part = part;
    slot->first = (uint16_t)index->posting_count;
}

void word_index_add(struct word_index *index, struct text word)
{
    if (word.len == 0 || index->count == WORD_INDEX_MAX)
        return;
    for (size_t i = 0; i < index->count; i++)
        if (text_equal(index->words[i], word))
            return;
    for (size_t i = 0; i < parts_of(word); i++)
        add_part(index, part_at(word, i), index->count);
    index->words[index->count++] = word;
}

static void touch(struct word_index *index, uint32_t part)
{
    struct slot *slot = find_slot(index, part);

    if (slot->part == 0 || slot->seen == index->search)
        return;
    slot->seen = index->search;
    for (uint16_t at = slot->first; at != 0; at = index->postings[at].next) {
        uint16_t term = index->postings[at].term;

        if (index->common[term]++ == 0)
            index->touched[index->touched_count++] = term;
    }
}

static float alike(struct text a, struct text b, size_t common)
{
    struct text shorter = a.len < b.len ? a : b;
    struct text longer = a.len < b.len ? b : a;
    float most = 2 * (float)common / (float)(parts_of(a) + parts_of(b));
    float share = (float)shorter.len / (float)longer.len;
    size_t begin = 0;

    if (text_equal(a, b))
        return 1;
    if (shorter.len < NEAR_LEN_MIN || common < 2)
        return 0;
    while (begin < shorter.len && a.ptr[begin] == b.ptr[begin])
        begin++;
    if (begin >= NEAR_LEN_MIN && (float)begin / (float)longer.len > most)
        most = (float)begin / (float)longer.len;
    if (share > most && memmem(longer.ptr, longer.len, shorter.ptr, shorter.len))
        most = share;
    if (most < ALIKE_MIN)
        return 0;
    return most < NEAR_MAX ? most : NEAR_MAX;
}

size_t word_index_find(struct word_index *index, struct text word, struct word_match *out)
{
    size_t found = 0;

    index->search++;
    for (size_t i = 0; i < parts_of(word); i++)
        touch(index, part_at(word, i));
    for (size_t i = 0; i < index->touched_count; i++) {
        uint16_t term = index->touched[i];
        float how = alike(word, index->words[term], index->common[term]);

        index->common[term] = 0;
        if (how > 0)
            out[found++] = (struct word_match){term, how};
    }
    index->touched_count = 0;
    return found;
}
