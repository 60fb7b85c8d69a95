/* Which memories a question is about
 *
 * Each word of each memory is looked up once among those of the question, so what it takes follows
 * from how much there is to read, and not from how long the question is.
 */

#include "shared/recall/rank.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/recall/everyday_words.h"
#include "shared/recall/word_index.h"

/* BM25's, measured with tests/data/recall_facts.json, as all numbers here. */
#define SATURATION    0.6F
#define LENGTH_WEIGHT 0.25F

/* Memories that are thought to be there besides, so that of a few memories no word is common. */
#define MEMORIES_PRIOR 100.0F

#define EVERYDAY_WEIGHT 0.6F
#define HALF_NATS       4.0F

/* Two that share so much of their words say nearly the same. */
#define SAME_SHARE 0.75F

/* With fewer memories their mean similarity says nothing of the model. */
#define MEAN_COUNT_MIN 8

struct term {
    float weight;
    size_t exact; /* memories that have the very word */
    size_t any;   /* or one like it */
};

struct ranking {
    const struct recall_question *question;
    const struct recall_document *documents;
    size_t count;
    struct word_index *words;
    struct term terms[WORD_INDEX_MAX];
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

static void read_question(struct ranking *ranking)
{
    struct text rest = ranking->question->words;
    struct text word;

    while (next_word(&rest, &word))
        word_index_add(ranking->words, word);
    ranking->term_count = word_index_count(ranking->words);
    for (size_t i = 0; i < ranking->term_count; i++)
        ranking->terms[i].weight =
            word_is_everyday(word_index_word(ranking->words, i)) ? EVERYDAY_WEIGHT : 1;
}

static void match_word(const struct ranking *ranking, struct text word, float *matches)
{
    struct word_match found[WORD_INDEX_MAX];
    size_t count = word_index_find(ranking->words, word, found);

    for (size_t i = 0; i < count; i++) {
        float *match = &matches[found[i].term];

        if (found[i].alike >= 1)
            *match = *match >= 1 ? *match + 1 : 1;
        else if (*match < found[i].alike)
            *match = found[i].alike;
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
    ranking.words = word_index_new(question->seed);
    read_question(&ranking);
    ranking.matches = xcalloc(count * ranking.term_count + 1, sizeof(*ranking.matches));
    ranking.lengths = xcalloc(count, sizeof(*ranking.lengths));
    match(&ranking);
    find_mean(&ranking);
    found = rank(&ranking, hits);
    word_index_free(ranking.words);
    free(ranking.matches);
    free(ranking.lengths);
    return found;
}
