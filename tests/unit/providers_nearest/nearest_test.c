/* Older messages that are near, of threads in a database, by the model that is built in. */

#include "tests/unit/shared_store/fixture.h"

#include <stdio.h>
#include <string.h>

#include "providers/models/registry.h"
#include "providers/nearest/nearest.h"
#include "shared/fiber/offload.h"
#include "tests/unit/support/config_of.h"

struct bench {
    struct store *store;
    struct config *config;
    struct vectors_means means;
    struct nearest_ask ask;
    struct nearest_found found;
    struct uuid thread;
    bool all; /* of the messages are older */
};

static void begin(struct bench *bench, struct store *store)
{
    char *environment[] = {NULL};

    *bench = (struct bench){.store = store, .all = true};
    bench->config = config_of("{}\n", environment, config_load);
    MUST(provider_registry_new(bench->config, &bench->means.registry, &test_err));
    bench->means.pg = store->pg;
    bench->thread = must_thread(store);
    bench->ask = (struct nearest_ask){
        .thread = bench->thread, .top_k = 3, .threshold = 0.2, .deadline_ms = deadline_in(60000)};
}

static void end(struct bench *bench)
{
    provider_registry_free(bench->means.registry);
    config_free(bench->config);
    offload_stop();
}

#define NEAREST_TEST(name)                                                                         \
    static void name##_body(struct bench *bench);                                                  \
    static void name##_store(struct store *store)                                                  \
    {                                                                                              \
        static struct bench bench;                                                                 \
        begin(&bench, store);                                                                      \
        name##_body(&bench);                                                                       \
        end(&bench);                                                                               \
    }                                                                                              \
    Test(nearest, name, .timeout = 120)                                                            \
    {                                                                                              \
        with_store(name##_store);                                                                  \
    }                                                                                              \
    static void name##_body(struct bench *bench)

/* A message for each number from `from` to `to`, of user and assistant by turns, about `about`. */
static void say(const struct bench *bench, int from, int to, const char *about)
{
    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           " SELECT gen_random_uuid(), t.tenant_id, t.id,"
           "     CASE WHEN n %% 2 = 0 THEN 'user' ELSE 'assistant' END,"
           "     jsonb_build_array(jsonb_build_object('type', 'text', 'text',"
           "         jsonb_build_object('value', format('%s', n), 'annotations', '[]'::jsonb)))"
           " FROM threads t, generate_series(%d, %d) n WHERE t.id = '%s' ORDER BY n",
           about, from, to, show(bench->thread));
}

static int64_t position_of(const struct bench *bench, int n)
{
    return sql_int("SELECT position FROM messages WHERE thread_id = '%s' ORDER BY position"
                   " OFFSET %d LIMIT 1",
                   show(bench->thread), n);
}

static void choose(struct bench *bench, const char *said)
{
    bench->ask.said = text_of(said);
    if (bench->all)
        bench->ask.below = sql_int("SELECT max(position) + 1 FROM messages");
    MUST(nearest_choose(&bench->means, bench->store, &bench->ask, &bench->found, &test_err));
}

#define FILLER "entry %s about trains and gardens"
#define CAT    "my cat Minka is afraid of thunder %s"

NEAREST_TEST(the_turn_of_what_is_near_is_chosen_and_others_are_not)
{
    const struct nearest_choice *choice = &bench->found.choice;

    say(bench, 0, 39, FILLER);
    say(bench, 40, 41, CAT);
    say(bench, 42, 99, FILLER);
    choose(bench, "What is my cat called?");
    cr_assert(!bench->found.degraded);
    cr_assert(!bench->found.more);
    cr_assert_eq(choice->count, 3, "%zu", choice->count);
    cr_assert_eq(choice->positions[0], position_of(bench, 40));
    cr_assert_eq(choice->positions[1], position_of(bench, 41));
    cr_assert_eq(choice->positions[2], 0, "others lie between it and the newest");
    choose(bench, "quartz xylophone");
    cr_assert_eq(choice->count, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 100);
}

NEAREST_TEST(only_what_lies_before_the_newest_is_chosen)
{
    say(bench, 0, 9, FILLER);
    say(bench, 10, 11, CAT);
    bench->all = false;
    bench->ask.below = position_of(bench, 10);
    choose(bench, "What is my cat called?");
    cr_assert_eq(bench->found.choice.count, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 10);
    bench->ask.below = position_of(bench, 11);
    choose(bench, "What is my cat called?");
    cr_assert_eq(bench->found.choice.count, 1, "as far as its turn lies before");
}

NEAREST_TEST(a_long_thread_is_filled_in_part_and_then_behind_its_back)
{
    bool more = true;

    say(bench, 0, 1, CAT);
    say(bench, 2, 1499, FILLER);
    bench->ask.deadline_ms = deadline_in(60000);
    choose(bench, "What is my cat called?");
    cr_assert(bench->found.more);
    cr_assert(bench->found.degraded);
    cr_assert_eq(bench->found.choice.count, 0, "it was not looked at yet");
    bench->ask.below = sql_int("SELECT max(position) + 1 FROM messages");
    MUST(nearest_fill(&bench->means, bench->store, &bench->ask, &more, &test_err));
    cr_assert(!more);
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 1500);
    choose(bench, "What is my cat called?");
    cr_assert(!bench->found.more && !bench->found.degraded);
    cr_assert_eq(bench->found.choice.count, 3);
}

NEAREST_TEST(beyond_the_vectors_that_are_looked_at_words_find)
{
    bool more = true;

    say(bench, 0, 1, CAT);
    say(bench, 2, 2299, FILLER);
    bench->ask.below = sql_int("SELECT max(position) + 1 FROM messages");
    MUST(nearest_fill(&bench->means, bench->store, &bench->ask, &more, &test_err));
    choose(bench, "afraid of thunder, Minka");
    cr_assert_eq(bench->found.choice.count, 3);
    cr_assert_eq(bench->found.choice.positions[0], position_of(bench, 0));
}

NEAREST_TEST(what_is_new_since_then_is_filled_and_nothing_twice)
{
    say(bench, 0, 49, FILLER);
    choose(bench, "cat");
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 50);
    sql_do("UPDATE message_vectors SET model = 'kept'");
    say(bench, 50, 51, CAT);
    choose(bench, "cat");
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors WHERE model <> 'kept'"), 2);
    cr_assert_eq(bench->found.choice.positions[0], position_of(bench, 50));
}

NEAREST_TEST(another_model_begins_anew_and_words_count_meanwhile)
{
    bool more = true;

    say(bench, 0, 1, CAT);
    say(bench, 2, 1399, FILLER);
    bench->ask.below = sql_int("SELECT max(position) + 1 FROM messages");
    MUST(nearest_fill(&bench->means, bench->store, &bench->ask, &more, &test_err));
    sql_do("UPDATE message_vectors SET model = 'old/one'; UPDATE thread_vectors SET model = "
           "'old/one'");
    choose(bench, "afraid of thunder, Minka");
    cr_assert(bench->found.more);
    cr_assert(bench->found.degraded);
    cr_assert_eq(bench->found.choice.count, 3, "by its words");
    bench->ask.below = sql_int("SELECT max(position) + 1 FROM messages");
    MUST(nearest_fill(&bench->means, bench->store, &bench->ask, &more, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors WHERE model = 'old/one'"), 0);
}

NEAREST_TEST(without_a_model_words_decide_and_what_is_there_is_not_given_up)
{
    say(bench, 0, 9, FILLER);
    say(bench, 10, 11, CAT);
    say(bench, 12, 19, FILLER);
    free(bench->config->memory.embedding_model);
    bench->config->memory.embedding_model = strdup("nobody/knows-it");
    choose(bench, "afraid of thunder, Minka");
    cr_assert(bench->found.degraded);
    cr_assert_eq(bench->found.choice.count, 3);
    free(bench->config->memory.embedding_model);
    bench->config->memory.embedding_model = strdup("builtin/hashed-words-1");
    choose(bench, "afraid of thunder, Minka");
    cr_assert(!bench->found.degraded);
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors WHERE octet_length(vector) > 0"),
                 20);
    free(bench->config->memory.embedding_model);
    bench->config->memory.embedding_model = strdup("nobody/knows-it");
    choose(bench, "afraid of thunder, Minka");
    cr_assert(bench->found.degraded);
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors WHERE octet_length(vector) > 0"),
                 20);
}

NEAREST_TEST(what_is_deleted_is_found_no_more)
{
    say(bench, 0, 9, FILLER);
    say(bench, 10, 11, CAT);
    choose(bench, "cat");
    cr_assert_eq(bench->found.choice.count, 2);
    sql_do("DELETE FROM messages WHERE position = %lld", (long long)position_of(bench, 10));
    choose(bench, "cat");
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 11);
    sql_do("DELETE FROM messages; DELETE FROM threads");
    cr_assert_eq(sql_int("SELECT count(*) FROM message_vectors"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_vectors"), 0);
}

NEAREST_TEST(another_tenant_finds_nothing)
{
    struct store other = other_tenant(bench->store, "other");

    say(bench, 0, 9, FILLER);
    say(bench, 10, 11, CAT);
    choose(bench, "cat");
    cr_assert_eq(bench->found.choice.count, 2);
    bench->store = &other;
    choose(bench, "cat");
    cr_assert_eq(bench->found.choice.count, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_vectors"), 1);
}
