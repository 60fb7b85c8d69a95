/* A text as a vector. */

#include "shared/embed/embedder.h"

#include <math.h>
#include <string.h>

#include "shared/embed/words.h"

#define PLACES 4 /* of one feature: more of them make collisions rarer to matter */

/* What features weigh. A common word says a little, and a number or a long word much; the parts of
 * a word together weigh PARTS_WEIGHT, and find it again where it is misspelt or ends otherwise. */
#define COMMON_WEIGHT 0.1F
#define PAIR_WEIGHT   0.5F
#define PARTS_WEIGHT  0.8F
#define PART_MIN      3
#define PART_MAX      5

/* Kinds of features, so that a part is not taken for a word. */
enum feature_kind { FEATURE_WORD = 1, FEATURE_PART, FEATURE_PAIR };

/* The finaliser of MurmurHash3, public domain: spreads what the hash of a text leaves close. */
static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

static void add(struct embedder *embedder, enum feature_kind kind, uint64_t hash, float weight)
{
    uint64_t bits = mix(hash + (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15));

    for (int i = 0; i < PLACES; i++) {
        size_t place = bits % EMBEDDER_DIMENSIONS;

        embedder->sums[place] += bits >> 63 ? weight : -weight;
        bits = mix(bits + 1);
    }
}

static void add_parts(struct embedder *embedder, struct text word, float weight)
{
    char marked[80];
    size_t len = 0;
    size_t parts = 0;

    if (word.len < PART_MIN || word.len + 2 > sizeof(marked))
        return;
    marked[len++] = '<';
    memcpy(marked + len, word.ptr, word.len);
    len += word.len;
    marked[len++] = '>';
    for (size_t size = PART_MIN; size <= PART_MAX && size < len; size++)
        parts += len - size + 1;
    for (size_t size = PART_MIN; size <= PART_MAX && size < len; size++)
        for (size_t at = 0; at + size <= len; at++)
            add(embedder, FEATURE_PART, text_hash((struct text){marked + at, size}),
                weight * PARTS_WEIGHT / sqrtf((float)parts));
}

/* Longer words are rarer, so they tell more. */
static float weight_of(const struct word *word)
{
    if (word->common)
        return COMMON_WEIGHT;
    if (word->pair)
        return 1;
    return word->stem.len < 3 ? 0.5F : 0.7F + 0.1F * fminf((float)word->stem.len - 3, 5);
}

static void on_word(void *arg, const struct word *word)
{
    struct embedder *embedder = arg;
    uint64_t hash = text_hash(word->stem);
    float weight = weight_of(word);

    add(embedder, FEATURE_WORD, hash, weight);
    if (word->common)
        return;
    if (!word->pair)
        add_parts(embedder, word->folded, weight);
    if (embedder->before)
        add(embedder, FEATURE_PAIR, embedder->before * 31 + hash, weight * PAIR_WEIGHT);
    embedder->before = hash;
}

int embedder_add(struct embedder *embedder, struct text piece)
{
    return words_each(piece, on_word, embedder);
}

void embedder_finish(const struct embedder *embedder, float *out)
{
    double length = 0;

    for (size_t i = 0; i < EMBEDDER_DIMENSIONS; i++)
        length += (double)embedder->sums[i] * (double)embedder->sums[i];
    length = sqrt(length);
    for (size_t i = 0; i < EMBEDDER_DIMENSIONS; i++)
        out[i] = length > 0 ? (float)((double)embedder->sums[i] / length) : 0;
}

float embedder_similarity(const float *a, const float *b)
{
    float sum = 0;

    for (size_t i = 0; i < EMBEDDER_DIMENSIONS; i++)
        sum += a[i] * b[i];
    return sum;
}
