/* Which memories a question is about
 *
 * Each word of each memory is compared with each of the question, so the work is their product:
 * words are told apart by a few bits for each of their parts before they are looked at.
 */

#include "shared/recall/rank.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/recall/everyday_words.h"

/* BM25's, measured with tests/data/recall_facts.json, as all numbers here. */
#define SATURATION    0.6F
#define LENGTH_WEIGHT 0.25F

/* Memories that are thought to be there besides, so that of a few memories no word is common. */
#define MEMORIES_PRIOR 100.0F

#define EVERYDAY_WEIGHT 0.6F
#define HALF_NATS       4.0F

/* Of shorter words another one is not nearly the same, but another. */
#define NEAR_LEN_MIN 4
#define ALIKE_MIN    0.5F

/* Two that share so much of their words say nearly the same. */
#define SAME_SHARE 0.75F

/* With fewer memories their mean similarity says nothing of the model. */
#define MEAN_COUNT_MIN 8

#define PARTS_MAX 72
#define BITS      4 /* of 64 each */

/* A word with its parts of three bytes, its ends included. */
struct parts {
    struct text word;
    uint32_t list[PARTS_MAX];
    size_t count;
    uint64_t bits[BITS];
};

struct term {
    struct parts parts;
    float weight;
    size_t exact; /* memories that have the very word */
    size_t any;   /* or one like it */
};

struct ranking {
    const struct recall_question *question;
    const struct recall_document *documents;
    size_t count;
    struct term *terms;
    size_t term_count;
    float *matches; /* of each memory and term: 1 or more, how often it has the word; below, how
                      * alike its most alike one is */
    float *lengths; /* in words */
    float mean_length;
    float mean_similarity;
};

static bool next_word(struct text *rest, struct text *out)
{
    if (rest->len == 0)
        return false;
    if (!text_cut(*rest, ' ', out, rest)) {
        *out = *rest;
        *rest = TEXT_NONE;
    }
    return true;
}

/* Each part once, so that it does not matter which of two words is compared with the other. */
static void add_part(struct parts *parts, uint32_t part)
{
    uint32_t hash = part * UINT32_C(2654435761) >> 24;
    uint64_t bit = UINT64_C(1) << hash % 64;

    if (parts->bits[hash / 64] & bit)
        for (size_t i = 0; i < parts->count; i++)
            if (parts->list[i] == part)
                return;
    parts->list[parts->count++] = part;
    parts->bits[hash / 64] |= bit;
}

static void cut_parts(struct text word, struct parts *out)
{
    uint32_t part = '<';

    out->word = word;
    out->count = 0;
    memset(out->bits, 0, sizeof(out->bits));
    for (size_t i = 0; i <= word.len && out->count < PARTS_MAX; i++) {
        part = (part << 8 | (i < word.len ? (uint8_t)word.ptr[i] : (uint8_t)'>')) & 0xffffff;
        if (i > 0)
            add_part(out, part);
    }
}

/* Whether they may be alike: those that are have two parts in common at least. */
static bool may_be_alike(const struct parts *a, const struct parts *b)
{
    int common = 0;

    for (size_t i = 0; i < BITS; i++)
        common += __builtin_popcountll(a->bits[i] & b->bits[i]);
    return common >= 2;
}

/* By parts: twice those in common of all (Dice's coefficient). */
static float share_of_parts(const struct parts *a, const struct parts *b)
{
    size_t common = 0;

    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (a->list[i] == b->list[j]) {
                common++;
                break;
            }
    return 2 * (float)common / (float)(a->count + b->count);
}

static float alike(const struct parts *a, const struct parts *b)
{
    size_t shorter = a->word.len < b->word.len ? a->word.len : b->word.len;
    size_t longer = a->word.len + b->word.len - shorter;
    size_t begin = 0;
    float most;

    if (shorter < NEAR_LEN_MIN || !may_be_alike(a, b))
        return 0;
    most = share_of_parts(a, b);
    while (begin < shorter && a->word.ptr[begin] == b->word.ptr[begin])
        begin++;
    if (begin >= NEAR_LEN_MIN)
        most = fmaxf(most, (float)begin / (float)longer);
    if (memmem(a->word.len == longer ? a->word.ptr : b->word.ptr, longer,
               a->word.len == longer ? b->word.ptr : a->word.ptr, shorter))
        most = fmaxf(most, (float)shorter / (float)longer);
    return most < ALIKE_MIN ? 0 : fminf(most, 0.99F);
}

float recall_word_alike(struct text a, struct text b)
{
    struct parts one;
    struct parts other;

    if (text_equal(a, b))
        return 1;
    cut_parts(a, &one);
    cut_parts(b, &other);
    return alike(&one, &other);
}

static void read_question(struct ranking *ranking)
{
    struct text rest = ranking->question->words;
    struct text word;

    while (ranking->term_count < RECALL_WORDS_MAX && next_word(&rest, &word)) {
        struct term *term = &ranking->terms[ranking->term_count];
        size_t i = 0;

        while (i < ranking->term_count && !text_equal(ranking->terms[i].parts.word, word))
            i++;
        if (i < ranking->term_count || word.len == 0)
            continue;
        cut_parts(word, &term->parts);
        term->weight = word_is_everyday(word) ? EVERYDAY_WEIGHT : 1;
        term->exact = term->any = 0;
        ranking->term_count++;
    }
}

static void match_word(const struct ranking *ranking, struct text word, float *matches)
{
    struct parts parts;

    cut_parts(word, &parts);
    for (size_t t = 0; t < ranking->term_count; t++) {
        if (text_equal(word, ranking->terms[t].parts.word))
            matches[t] = matches[t] >= 1 ? matches[t] + 1 : 1;
        else if (matches[t] < 1)
            matches[t] = fmaxf(matches[t], alike(&ranking->terms[t].parts, &parts));
    }
}

static void match(struct ranking *ranking)
{
    float words = 0;

    for (size_t i = 0; i < ranking->count; i++) {
        struct text rest = ranking->documents[i].words;
        float *matches = ranking->matches + i * ranking->term_count;
        struct text word;

        for (; next_word(&rest, &word); ranking->lengths[i]++)
            match_word(ranking, word, matches);
        words += ranking->lengths[i];
        for (size_t t = 0; t < ranking->term_count; t++) {
            ranking->terms[t].exact += matches[t] >= 1;
            ranking->terms[t].any += matches[t] > 0;
        }
    }
    ranking->mean_length = fmaxf(words / (float)ranking->count, 1);
}

static void find_mean(struct ranking *ranking)
{
    double sum = 0;
    size_t known = 0;

    for (size_t i = 0; i < ranking->count; i++)
        if (!isnan(ranking->documents[i].similarity)) {
            sum += (double)ranking->documents[i].similarity;
            known++;
        }
    ranking->mean_similarity =
        known < MEAN_COUNT_MIN ? 0 : fminf(fmaxf((float)(sum / (double)known), 0), 0.95F);
}

static float information(const struct ranking *ranking, size_t having)
{
    return logf(((float)ranking->count + MEMORIES_PRIOR) / ((float)having + 1));
}

/* What is between the mean of all memories and 1 counts: models differ in where they begin. */
static float nats_of_similarity(const struct ranking *ranking, float similarity)
{
    float mean = ranking->mean_similarity;

    if (isnan(similarity) || similarity <= mean)
        return 0;
    return ranking->question->similarity_nats * (similarity - mean) / (1 - mean);
}

static float score(const struct ranking *ranking, size_t i)
{
    const float *matches = ranking->matches + i * ranking->term_count;
    float length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * ranking->lengths[i] / ranking->mean_length;
    float sum = nats_of_similarity(ranking, ranking->documents[i].similarity);

    for (size_t t = 0; t < ranking->term_count; t++) {
        const struct term *term = &ranking->terms[t];
        float times = matches[t] >= 1 ? matches[t] : 1;
        float like = fminf(matches[t], 1);

        if (like > 0)
            sum += term->weight * like * like *
                   information(ranking, like >= 1 ? term->exact : term->any) * times *
                   (SATURATION + 1) / (times + SATURATION * length);
    }
    return sum / (sum + HALF_NATS);
}

struct scored {
    struct recall_hit hit;
    int64_t updated_ms;
};

static int better_first(const void *a, const void *b)
{
    const struct scored *one = a;
    const struct scored *other = b;

    if (one->hit.score != other->hit.score)
        return one->hit.score > other->hit.score ? -1 : 1;
    if (one->updated_ms != other->updated_ms)
        return one->updated_ms > other->updated_ms ? -1 : 1;
    return one->hit.index < other->hit.index ? -1 : one->hit.index > other->hit.index;
}

static bool has_word(struct text words, struct text wanted)
{
    struct text word;

    while (next_word(&words, &word))
        if (text_equal(word, wanted))
            return true;
    return false;
}

/* Of the one that has more words most are in the other one. */
static bool say_the_same(const struct recall_document *a, const struct recall_document *b)
{
    struct text rest = a->words.len > b->words.len ? a->words : b->words;
    struct text other = a->words.len > b->words.len ? b->words : a->words;
    struct text word;
    size_t common = 0;
    size_t all = 0;

    for (; next_word(&rest, &word); all++)
        common += has_word(other, word);
    return all > 0 && (float)common >= SAME_SHARE * (float)all;
}

static bool is_said(const struct ranking *ranking, const struct recall_hit *hits, size_t count,
                    size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (say_the_same(&ranking->documents[hits[i].index], &ranking->documents[index]))
            return true;
    return false;
}

/* How far down the list is looked for others than those that say the same. */
#define LOOK 4

static size_t choose(const struct ranking *ranking, struct scored *scored, size_t count,
                     struct recall_hit *hits)
{
    size_t limit = ranking->question->limit;
    size_t look = count < limit * LOOK ? count : limit * LOOK;
    size_t chosen = 0;

    for (size_t i = 0; i < look && chosen < limit; i++)
        if (count <= limit || !is_said(ranking, hits, chosen, scored[i].hit.index)) {
            hits[chosen++] = scored[i].hit;
            scored[i].hit.score = -1; /* taken */
        }
    for (size_t i = 0; i < count && chosen < limit; i++)
        if (scored[i].hit.score >= 0)
            hits[chosen++] = scored[i].hit;
    return chosen;
}

static size_t rank(struct ranking *ranking, struct recall_hit *hits)
{
    struct scored *scored = xmalloc(ranking->count * sizeof(*scored));
    size_t count = 0;

    for (size_t i = 0; i < ranking->count; i++) {
        struct recall_hit hit = {i, score(ranking, i)};

        if (hit.score > 0 && hit.score >= ranking->question->threshold)
            scored[count++] = (struct scored){hit, ranking->documents[i].updated_ms};
    }
    qsort(scored, count, sizeof(*scored), better_first);
    count = choose(ranking, scored, count, hits);
    free(scored);
    return count;
}

size_t recall_rank(const struct recall_question *question, const struct recall_document *documents,
                   size_t count, struct recall_hit *hits)
{
    struct ranking ranking = {.question = question, .documents = documents, .count = count};
    size_t found;

    if (count == 0 || question->limit == 0)
        return 0;
    ranking.terms = xmalloc(RECALL_WORDS_MAX * sizeof(*ranking.terms));
    read_question(&ranking);
    ranking.matches = xcalloc(count * ranking.term_count + 1, sizeof(*ranking.matches));
    ranking.lengths = xcalloc(count, sizeof(*ranking.lengths));
    match(&ranking);
    find_mean(&ranking);
    found = rank(&ranking, hits);
    free(ranking.terms);
    free(ranking.matches);
    free(ranking.lengths);
    return found;
}
