/* How much is recalled: 200 facts of one user, told in one conversation and asked for in another,
 * in other words, by somebody who has not seen how they are compared
 * (tests/data/recall_facts.json).
 * What is tuned is tuned with every second one; what is reported of the others stands in
 * docs/performance.md. RECALL_SHOW=1 prints it. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/json/json.h"
#include "shared/recall/memory_text.h"
#include "shared/recall/rank.h"

#define FACTS     200
#define OTHERS    40
#define DOCUMENTS (FACTS + OTHERS)
#define DOMAINS   6
#define TOP       5

static const char *const domains[DOMAINS] = {"food and health",      "travel",
                                             "work and projects",    "family and people",
                                             "devices and software", "home, money and hobbies"};

struct known {
    struct arena arena;
    struct json_object *data;
    struct recall_document documents[DOCUMENTS];
    float vectors[DOCUMENTS][EMBEDDER_DIMENSIONS];
};

static struct known known;

static void embed(struct text text, float *out)
{
    struct embedder embedder = {0};

    cr_assert_eq(embedder_add(&embedder, text), 0);
    embedder_finish(&embedder, out);
}

static struct json_object *item(const char *list, size_t i)
{
    return json_object_array_get_idx(json_get(known.data, list), i);
}

/* Those of the facts come first, then what is new of the contradictions. */
static struct text told(size_t i)
{
    return i < FACTS ? json_get_text(item("facts", i), "told")
                     : json_get_text(item("contradictions", i - FACTS), "new");
}

static void set_up(void)
{
    struct buf text;
    char piece[8192];
    size_t got;
    FILE *file = fopen(SOURCE_DIR "/tests/data/recall_facts.json", "r");

    cr_assert(file);
    arena_init(&known.arena, 0);
    buf_init(&text, 0);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&text, piece, got);
    fclose(file);
    cr_assert_eq(json_decode(buf_text(&text), JSON_DEPTH_DEFAULT, &known.data, NULL), 0);
    buf_deinit(&text);
    for (size_t i = 0; i < DOCUMENTS; i++) {
        struct memory_text memory;

        cr_assert_eq(memory_text_make(&known.arena, told(i), &memory), 0);
        known.documents[i].words = memory.words;
        embed(memory.text, known.vectors[i]);
    }
}

static void tear_down(void)
{
    json_object_put(known.data);
    arena_deinit(&known.arena);
}

TestSuite(recall_facts, .init = set_up, .fini = tear_down);

static size_t ask(struct text asked, bool with_vectors, float threshold, struct recall_hit *hits)
{
    struct recall_question question = {
        .similarity_nats = RECALL_NATS_BUILTIN, .threshold = threshold, .limit = TOP};
    float vector[EMBEDDER_DIMENSIONS];

    cr_assert_eq(memory_words(&known.arena, asked, &question.words), 0);
    embed(asked, vector);
    for (size_t i = 0; i < DOCUMENTS; i++)
        known.documents[i].similarity =
            with_vectors ? embedder_similarity(vector, known.vectors[i]) : NAN;
    return recall_rank(&question, known.documents, DOCUMENTS, hits);
}

struct share {
    int found;
    int asked;
};

static void count(struct share *share, bool found)
{
    share->found += found;
    share->asked++;
}

static double percent(struct share share)
{
    return 100.0 * share.found / share.asked;
}

/* Of the facts from `first` on every second one. */
static struct share recall_over(float threshold, size_t first, bool with_vectors,
                                struct share *by_domain, struct share *plain)
{
    struct share all = {0};

    for (size_t i = first; i < FACTS; i += 2) {
        struct recall_hit hits[TOP];
        struct json_object *fact = item("facts", i);
        size_t found = ask(json_get_text(fact, "asked"), with_vectors, threshold, hits);
        size_t domain = 0;
        size_t at = 0;

        while (at < found && hits[at].index != i)
            at++;
        while (!text_is(json_get_text(fact, "domain"), domains[domain]))
            domain++;
        count(&all, at < found);
        count(&by_domain[domain], at < found);
        if (!json_get_bool(fact, "hard", false))
            count(plain, at < found);
    }
    return all;
}

static void show(const char *name, struct share all, struct share plain,
                 const struct share *by_domain)
{
    if (!getenv("RECALL_SHOW"))
        return;
    printf("%s: %.1f %% (%d of %d), of those that share a word %.1f %% (%d of %d)\n", name,
           percent(all), all.found, all.asked, percent(plain), plain.found, plain.asked);
    for (size_t i = 0; i < DOMAINS; i++)
        printf("  %s: %.0f %% (%d of %d)\n", domains[i], percent(by_domain[i]), by_domain[i].found,
               by_domain[i].asked);
}

static struct share measure(const char *name, size_t first, bool with_vectors, struct share *plain)
{
    struct share by_domain[DOMAINS] = {{0}};
    struct share all = recall_over(0, first, with_vectors, by_domain, plain);

    show(name, all, *plain, by_domain);
    return all;
}

/* What was measured, less three that another stemmer or Unicode may cost. */
Test(recall_facts, are_found_among_the_first_five)
{
    struct share plain[4] = {{0}};

    cr_expect_geq(measure("tuned with", 0, true, &plain[0]).found, 70);
    cr_expect_geq(measure("others", 1, true, &plain[1]).found, 74);
    cr_expect_geq(percent(plain[1]), 92.0, "of those that share a word with what is asked");
    cr_expect_geq(measure("tuned with, words alone", 0, false, &plain[2]).found, 68);
    cr_expect_geq(measure("others, words alone", 1, false, &plain[3]).found, 76);
}

/* A score tells little of whether anything that is known matters at all: a word in common may be
 * chance. What it tells is shown. */
Test(recall_facts, are_left_out_by_a_threshold)
{
    for (int i = 0; i <= 7; i++) {
        float threshold = 0.3F + 0.05F * (float)i;
        struct share answered = {0};
        struct share by_domain[DOMAINS] = {{0}};
        struct share kept = {0};
        struct recall_hit hits[TOP];

        for (size_t k = 0; k < OTHERS; k++)
            count(&answered, ask(json_string(item("unanswerable", k)), true, threshold, hits) > 0);
        for (size_t first = 0; first < 2; first++) {
            struct share plain = {0};
            struct share half = recall_over(threshold, first, true, by_domain, &plain);

            kept.found += half.found;
            kept.asked += half.asked;
        }
        if (getenv("RECALL_SHOW"))
            printf("threshold %.2f: %.1f %% found, %d of %d questions of nothing answered\n",
                   (double)threshold, percent(kept), answered.found, answered.asked);
        if (i == 0)
            cr_expect_geq(kept.found, 144, "what is left out by default matters to nobody");
        if (i == 6)
            cr_expect_leq(answered.found, 4, "of questions that no fact matters to");
    }
}
