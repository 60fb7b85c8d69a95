/* Vectors of bytes: how far their cosines are from those of floats, and what is no vector. */

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/embed/vector_bytes.h"

#define DIMENSIONS_MAX 4096

static struct error err;
static char bytes[2][VECTOR_HEAD_BYTES + DIMENSIONS_MAX];
static float values[2][DIMENSIONS_MAX];

static double random_unit(void)
{
    static uint64_t seed = 7;

    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return ((double)(seed >> 11) / 9007199254740992.0) * 2 - 1;
}

/* As numbers of models are spread: most of them small. */
static float random_number(void)
{
    return (float)(random_unit() + random_unit() + random_unit() + random_unit());
}

static double cosine_of(size_t dimensions)
{
    double dot = 0;
    double a = 0;
    double b = 0;

    for (size_t i = 0; i < dimensions; i++) {
        dot += (double)values[0][i] * (double)values[1][i];
        a += (double)values[0][i] * (double)values[0][i];
        b += (double)values[1][i] * (double)values[1][i];
    }
    return a > 0 && b > 0 ? dot / sqrt(a * b) : 0;
}

static struct text written(int which, size_t dimensions)
{
    cr_assert_eq(vector_bytes_write(values[which], dimensions, bytes[which], &err), 0, "%s",
                 err.text);
    return (struct text){bytes[which], vector_bytes_size(dimensions)};
}

static void check(size_t dimensions)
{
    double expected = cosine_of(dimensions);
    double cosine = (double)vector_bytes_cosine(written(0, dimensions), written(1, dimensions));

    cr_assert(fabs(cosine - expected) < 0.01, "%zu: %f, not %f", dimensions, cosine, expected);
}

Test(vector_bytes, a_cosine_is_off_by_less_than_a_hundredth)
{
    static const size_t sizes[] = {8, 31, 256, 512, 768, 1024, 1536, 3072, 4096};

    for (int round = 0; round < 2000; round++) {
        size_t dimensions = sizes[round % (int)ARRAY_LENGTH(sizes)];
        float alike = (float)fabs(random_unit());
        float length = (float)exp(random_unit() * 20);

        for (size_t i = 0; i < dimensions; i++) {
            values[0][i] = random_number();
            values[1][i] = (alike * values[0][i] + (1 - alike) * random_number()) * length;
        }
        check(dimensions);
    }
}

static void embed(int which, const char *text)
{
    struct embedder embedder = {0};

    cr_assert_eq(embedder_add(&embedder, text_of(text)), 0);
    embedder_finish(&embedder, values[which]);
}

Test(vector_bytes, nor_of_the_vectors_that_are_made_here)
{
    static const char *const texts[] = {
        "I prefer tea in the morning",
        "What do I drink at breakfast?",
        "tea",
        "The flight to Lisbon leaves on the 4th of March at 7:40, gate B12, with one suitcase.",
        "the",
        "冷蔵庫に牛乳があります",
        "",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(texts); k++) {
            embed(0, texts[i]);
            embed(1, texts[k]);
            check(EMBEDDER_DIMENSIONS);
        }
}

Test(vector_bytes, a_vector_is_its_own_nearest_and_its_opposite_farthest)
{
    struct text one;

    for (size_t i = 0; i < 1536; i++) {
        values[0][i] = random_number();
        values[1][i] = -values[0][i];
    }
    one = written(0, 1536);
    cr_assert_float_eq(vector_bytes_cosine(one, one), 1, 1e-6);
    cr_assert_float_eq(vector_bytes_cosine(one, written(1, 1536)), -1, 1e-6);
    cr_assert_eq(vector_bytes_dimensions(one), 1536);
}

Test(vector_bytes, lengths_do_not_matter)
{
    memset(values, 0, sizeof(values));
    values[0][0] = 3e38F;
    values[0][1] = 3e38F;
    values[1][0] = 1e-42F; /* is so small that it is not held exactly */
    check(2);
    cr_assert_float_eq(vector_bytes_cosine(written(0, 2), written(1, 2)), sqrt(0.5), 0.01);
}

Test(vector_bytes, zeros_are_like_nothing)
{
    memset(values, 0, sizeof(values));
    values[1][3] = 1;
    cr_assert_eq(vector_bytes_cosine(written(0, 8), written(1, 8)), 0);
    cr_assert_eq(vector_bytes_cosine(written(0, 8), written(0, 8)), 0);
}

Test(vector_bytes, what_is_no_number_is_refused)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    char before[VECTOR_HEAD_BYTES + 4] = {0};
    char out[VECTOR_HEAD_BYTES + 4] = {0};

    for (size_t i = 0; i < ARRAY_LENGTH(odd); i++) {
        memset(values, 0, sizeof(values));
        values[0][2] = odd[i];
        cr_assert_eq(vector_bytes_write(values[0], 4, out, &err), -E_INVALID);
        cr_assert_eq(memcmp(out, before, sizeof(out)), 0, "nothing is written");
    }
    cr_assert_eq(vector_bytes_write(values[0], 0, out, &err), -E_INVALID);
    cr_assert_eq(vector_bytes_write(values[0], VECTOR_DIMENSIONS_MAX + 1, out, &err), -E_INVALID);
}

Test(vector_bytes, of_different_models_are_not_alike)
{
    for (size_t i = 0; i < 16; i++)
        values[0][i] = values[1][i] = 1;
    cr_assert_eq(vector_bytes_cosine(written(0, 16), written(1, 12)), 0);
    cr_assert_eq(vector_bytes_cosine(written(0, 16), TEXT_NONE), 0);
    cr_assert_eq(vector_bytes_cosine(TEXT("abc"), TEXT("abc")), 0);
}

Test(vector_bytes, whatever_is_stored_has_a_cosine_within_bounds)
{
    for (int round = 0; round < 10000; round++) {
        float cosine;

        for (int which = 0; which < 2; which++)
            for (size_t i = 0; i < VECTOR_HEAD_BYTES + 16; i++)
                bytes[which][i] = (char)(random_unit() * 128);
        cosine = vector_bytes_cosine((struct text){bytes[0], VECTOR_HEAD_BYTES + 16},
                                     (struct text){bytes[1], VECTOR_HEAD_BYTES + 16});
        cr_assert(cosine >= -1 && cosine <= 1, "%f", (double)cosine);
    }
}
