/* Vectors of texts: of the model that is built in. */

#include <criterion/criterion.h>
#include <string.h>

#include "providers/models/registry.h"
#include "providers/vectors/vectors.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"

#include "tests/unit/support/config_of.h"

static struct error err;

struct bench {
    struct config *config;
    struct vectors_means means;
    struct vectors_ask ask;
    struct arena arena;
    struct vectors vectors;
    void (*body)(struct bench *bench);
};

static void with_registry(void *arg)
{
    char *environment[] = {NULL};
    struct bench *bench = arg;

    bench->config = config_of("{}\n", environment, config_load);
    cr_assert_eq(provider_registry_new(bench->config, &bench->means.registry, &err), 0, "%s",
                 err.text);
    arena_init(&bench->arena, 0);
    bench->ask.deadline_ms = deadline_in(10000);
    bench->body(bench);
    arena_deinit(&bench->arena);
    provider_registry_free(bench->means.registry);
    config_free(bench->config);
    offload_stop();
}

#define VECTORS_TEST(name)                                                                         \
    static void name##_body(struct bench *bench);                                                  \
    Test(vectors, name)                                                                            \
    {                                                                                              \
        struct bench bench = {.body = name##_body};                                                \
        loop_run(with_registry, &bench);                                                           \
    }                                                                                              \
    static void name##_body(struct bench *bench)

static int make(struct bench *bench, const struct text *texts, size_t count)
{
    bench->ask.texts = texts;
    bench->ask.count = count;
    return vectors_make(&bench->means, &bench->ask, &bench->arena, &bench->vectors, &err);
}

VECTORS_TEST(alike_texts_have_near_vectors_without_a_network)
{
    const struct text texts[] = {TEXT("My cat is called Minka"), TEXT("What is my cat called?"),
                                 TEXT("The train leaves at seven")};
    const struct vectors *vectors = &bench->vectors;

    cr_assert_eq(make(bench, texts, 3), 0, "%s", err.text);
    cr_assert_eq(vectors->count, 3);
    cr_assert_eq(vectors->dimensions, 512);
    cr_assert(text_is(vectors->model, "builtin/hashed-words-1"));
    cr_assert_gt(vector_bytes_cosine(vectors->items[0], vectors->items[1]), 0.3F);
    cr_assert_lt(vector_bytes_cosine(vectors->items[0], vectors->items[2]), 0.2F);
}

VECTORS_TEST(texts_that_say_nothing_have_none_and_no_place_is_lost)
{
    const struct text texts[] = {TEXT(""), TEXT("tea"), TEXT("\xff\xfe"), TEXT("tea")};
    const struct vectors *vectors = &bench->vectors;

    cr_assert_eq(make(bench, texts, 4), 0, "%s", err.text);
    cr_assert_eq(vectors->count, 4);
    cr_assert_null(vectors->items[0].ptr);
    cr_assert_null(vectors->items[2].ptr);
    cr_assert_float_eq(vector_bytes_cosine(vectors->items[1], vectors->items[3]), 1, 1e-6);
    cr_assert_eq(make(bench, texts, 1), 0, "%s", err.text);
    cr_assert_null(vectors->items[0].ptr);
    cr_assert_eq(make(bench, texts, 0), 0, "%s", err.text);
    cr_assert_eq(vectors->count, 0);
}

VECTORS_TEST(of_a_long_text_the_beginning_counts_and_no_character_is_halved)
{
    static char letters[VECTORS_TEXT_BYTES_MAX * 2];
    struct text texts[2];

    memset(letters, ' ', sizeof(letters));
    memcpy(letters, "minka", 5);
    memcpy(letters + VECTORS_TEXT_BYTES_MAX - 1, "ü", 2); /* lies across the cut */
    memcpy(letters + VECTORS_TEXT_BYTES_MAX + 1, "zebra", 5);
    texts[0] = (struct text){letters, sizeof(letters)};
    texts[1] = TEXT("minka");
    cr_assert_eq(make(bench, texts, 2), 0, "%s", err.text);
    cr_assert_float_eq(vector_bytes_cosine(bench->vectors.items[0], bench->vectors.items[1]), 1,
                       1e-6);
}

VECTORS_TEST(a_model_that_makes_none_is_away)
{
    const struct text texts[] = {TEXT("tea")};

    bench->ask.model = TEXT("nobody/knows-it");
    cr_assert_eq(make(bench, texts, 1), VECTORS_AWAY);
    cr_assert(strstr(err.text, "nobody"), "%s", err.text);
    bench->ask.model = TEXT("builtin/hashed-words-2");
    cr_assert_eq(make(bench, texts, 1), VECTORS_AWAY);
    cr_assert(strstr(err.text, "hashed-words-1"), "%s", err.text);
}

VECTORS_TEST(an_arena_that_is_full_is_told)
{
    const struct text texts[] = {TEXT("tea")};

    arena_deinit(&bench->arena);
    arena_init(&bench->arena, 256);
    cr_assert_eq(make(bench, texts, 1), -E_LIMIT);
}
