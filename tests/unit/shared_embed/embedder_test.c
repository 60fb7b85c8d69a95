/* Texts as vectors: what is alike is near. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/embed/embedder.h"

static void embed(const char *text, float *out)
{
    struct embedder embedder = {0};

    cr_assert_eq(embedder_add(&embedder, text_of(text)), 0);
    embedder_finish(&embedder, out);
}

static float near(const char *a, const char *b)
{
    float one[EMBEDDER_DIMENSIONS];
    float other[EMBEDDER_DIMENSIONS];

    embed(a, one);
    embed(b, other);
    return embedder_similarity(one, other);
}

Test(embedder, makes_vectors_of_length_one)
{
    float vector[EMBEDDER_DIMENSIONS];

    embed("My daughter Lena is allergic to peanuts.", vector);
    cr_expect_float_eq(embedder_similarity(vector, vector), 1, 1e-5);
    embed("the", vector);
    cr_expect_float_eq(embedder_similarity(vector, vector), 1, 1e-5);
}

Test(embedder, makes_zeros_of_what_has_no_words)
{
    float vector[EMBEDDER_DIMENSIONS];

    embed("?! ...", vector);
    for (size_t i = 0; i < EMBEDDER_DIMENSIONS; i++)
        cr_assert_eq(vector[i], 0);
}

/* Vectors are stored: other numbers are another model. */
Test(embedder, makes_the_same_vector_for_good)
{
    float vector[EMBEDDER_DIMENSIONS];
    double sum = 0;

    embed("My daughter Lena is allergic to peanuts. \u6771\u4EAC\u90FD 4711", vector);
    for (size_t i = 0; i < EMBEDDER_DIMENSIONS; i++)
        sum += (double)vector[i] * (double)(i % 17 + 1);
    cr_expect_float_eq(sum, -22.413198, 1e-4, "%.6f", sum);
}

Test(embedder, is_blind_to_case_accents_and_endings)
{
    cr_expect_float_eq(near("Caf\u00E9 in M\u00FCnchen", "cafe IN munchen"), 1, 1e-5);
    cr_expect_gt(near("He runs and plans", "running a plan"), 0.6);
}

Test(embedder, puts_what_shares_words_nearer_than_what_does_not)
{
    const char *fact = "My daughter Lena is allergic to peanuts.";
    float told = near(fact, "What is Lena allergic to?");
    float other = near(fact, "The invoice of March was paid by bank transfer.");

    cr_expect_gt(told, 0.5, "%f", (double)told);
    cr_expect_lt(fabsf(other), 0.1F, "%f", (double)other);
    cr_expect_gt(near("peanuts", "penuts"), 0.15, "%f", (double)near("peanuts", "penuts"));
    cr_expect_gt(near("allergic", "alergic"), 0.15);
}

Test(embedder, of_a_text_in_pieces_is_that_of_the_whole)
{
    struct embedder embedder = {0};
    float whole[EMBEDDER_DIMENSIONS];
    float parts[EMBEDDER_DIMENSIONS];

    embed("The harvest of apples was good in October", whole);
    cr_assert_eq(embedder_add(&embedder, TEXT("The harvest of apples ")), 0);
    cr_assert_eq(embedder_add(&embedder, TEXT("was good in October")), 0);
    embedder_finish(&embedder, parts);
    cr_expect_float_eq(embedder_similarity(whole, parts), 1, 1e-5);
}

Test(embedder, refuses_what_is_no_text)
{
    struct embedder embedder = {0};

    cr_expect_eq(embedder_add(&embedder, TEXT("\xFF")), -E_INVALID);
}
