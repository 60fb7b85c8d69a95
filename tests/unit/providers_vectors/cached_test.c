/* Vectors of a provider: kept, found, counted, and what may go wrong while they are asked for. */

#include "tests/unit/shared_store/fixture.h"

#include <string.h>

#include "providers/gate/gate.h"
#include "providers/models/registry.h"
#include "providers/spending/spending.h"
#include "providers/vectors/vectors.h"
#include "shared/fiber/offload.h"
#include "shared/http_client/http_client.h"
#include "shared/redis/redis.h"
#include "shared/store/budgets/budgets.h"
#include "shared/store/users/user_data.h"
#include "shared/store/vectors/vector_cache.h"
#include "tests/unit/providers_core/server.h"
#include "tests/unit/support/config_of.h"

struct bench {
    struct store *store;
    struct server server;
    struct config *config;
    struct http_client *http;
    struct spending_book spendings;
    struct vectors_means means;
    struct vectors_ask ask;
    struct vectors vectors;
};

/* A server that answers as one of Ollama does with these documents, and what asks it. Without a
 * Redis: limits and budgets hold as they do while it is away. */
static void begin(struct bench *bench, struct store *store)
{
    const struct redis_options redis = {.url = "redis://127.0.0.1:9"};
    const struct http_client_options http = {0};
    char *environment[] = {NULL};
    char text[256];

    bench->store = store;
    server_start(&bench->server);
    (void)snprintf(text, sizeof(text), "providers: [{name: local, kind: ollama, base_url: '%s'}]\n",
                   bench->server.url);
    bench->config = config_of(text, environment, config_load);
    MUST(provider_registry_new(bench->config, &bench->means.registry, &test_err));
    MUST(http_client_open(&http, &bench->http, &test_err));
    MUST(redis_open(&redis, &bench->means.redis, &test_err));
    spending_book_start(&bench->spendings, bench->means.redis);
    bench->means.pg = store->pg;
    bench->means.http = bench->http;
    bench->means.gate = gate_new(bench->means.redis);
    bench->means.spendings = &bench->spendings;
    bench->ask.model = TEXT("local/e-1");
    bench->ask.tenant = store->tenant;
    bench->ask.user = TEXT("ada");
    bench->ask.deadline_ms = deadline_in(10000);
}

static void end(struct bench *bench)
{
    spending_book_stop(&bench->spendings);
    gate_free(bench->means.gate);
    redis_close(bench->means.redis);
    http_client_close(bench->http);
    provider_registry_free(bench->means.registry);
    config_free(bench->config);
    server_stop(&bench->server);
    offload_stop();
}

#define CACHED_TEST(name)                                                                          \
    static void name##_body(struct bench *bench);                                                  \
    static void name##_store(struct store *store)                                                  \
    {                                                                                              \
        static struct bench bench;                                                                 \
        bench = (struct bench){.store = NULL};                                                     \
        name##_body(begun(&bench, store));                                                         \
        end(&bench);                                                                               \
    }                                                                                              \
    Test(cached_vectors, name)                                                                     \
    {                                                                                              \
        with_store(name##_store);                                                                  \
    }                                                                                              \
    static void name##_body(struct bench *bench)

static struct bench *begun(struct bench *bench, struct store *store)
{
    begin(bench, store);
    return bench;
}

static void answer(struct bench *bench, const char *body)
{
    server_answer(&bench->server, NULL, "", text_of(body));
}

static int make(struct bench *bench, const char *first, const char *second)
{
    struct text texts[2] = {text_of(first), text_of(second)};

    bench->ask.texts = texts;
    bench->ask.count = second ? 2 : 1;
    return vectors_make(&bench->means, &bench->ask, bench->store->arena, &bench->vectors,
                        &test_err);
}

#define ONE   "{\"model\":\"e-1\",\"embeddings\":[[3,4]],\"prompt_eval_count\":5}"
#define OTHER "{\"model\":\"e-1\",\"embeddings\":[[-4,3]],\"prompt_eval_count\":7}"
#define BOTH  "{\"model\":\"e-1\",\"embeddings\":[[3,4],[-4,3]],\"prompt_eval_count\":12}"

CACHED_TEST(the_same_text_is_asked_for_once_and_counted_once)
{
    answer(bench, ONE);
    answer(bench, OTHER);
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->vectors.dimensions, 2);
    cr_assert(text_is(bench->vectors.model, "local/e-1"));
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 1);
    MUST(make(bench, "tea", "coffee"));
    cr_assert_eq(bench->server.requests_count, 2);
    cr_assert_null(strstr(bench->server.requests[1], "tea"), "only what is missing is asked for");
    cr_assert_float_eq(vector_bytes_cosine(bench->vectors.items[0], bench->vectors.items[1]), 0,
                       0.01);
    cr_assert_float_eq(vector_bytes_cosine(bench->vectors.items[0], bench->vectors.items[0]), 1,
                       0.01);
    MUST(make(bench, "coffee", "tea"));
    cr_assert_eq(bench->server.requests_count, 2);
    cr_assert_eq(sql_int("SELECT sum(prompt_tokens) FROM usage_deltas WHERE user_id = 'ada'"
                         " AND provider = 'local' AND model = 'e-1'"),
                 12);
    cr_assert_eq(sql_int("SELECT count(*) FROM embeddings"), 2);
}

CACHED_TEST(others_learn_nothing_from_what_is_kept)
{
    struct store other = other_tenant(bench->store, "other");

    for (int i = 0; i < 5; i++)
        answer(bench, ONE);
    MUST(make(bench, "tea", NULL));
    bench->ask.user = TEXT("bob");
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 2, "of another user");
    bench->ask.user = TEXT_NONE;
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 3, "of nobody");
    bench->ask.tenant = other.tenant;
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 4, "of another tenant");
    bench->ask.purpose = VECTORS_QUERY;
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 5, "of another purpose");
}

struct second {
    struct bench *bench;
    struct vectors vectors;
    int r;
};

static void make_too(void *arg)
{
    struct second *second = arg;
    const struct text texts[] = {TEXT("coffee"), TEXT("tea")};
    struct vectors_ask ask = second->bench->ask;
    struct error err;

    ask.texts = texts;
    ask.count = 2;
    second->r = vectors_make(&second->bench->means, &ask, second->bench->store->arena,
                             &second->vectors, &err);
}

CACHED_TEST(two_at_once_are_both_answered_and_keep_one_row_each)
{
    struct second second = {.bench = bench, .r = -1};
    struct fiber *fiber;

    answer(bench, BOTH);
    answer(bench, BOTH);
    fiber = fiber_start("second", make_too, &second);
    MUST(make(bench, "tea", "coffee"));
    fiber_join(fiber);
    cr_assert_eq(second.r, 0);
    cr_assert_eq(second.vectors.count, 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM embeddings"), 2);
}

/* Of one answer; with a second one that is the same where it is tried again. */
static void check_away(struct bench *bench, const char *status, const char *body, size_t requests)
{
    for (size_t i = 0; i < requests; i++)
        server_answer(&bench->server, status, "", text_of(body));
    GIVES(VECTORS_AWAY, make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, requests, "%s: %zu", body,
                 bench->server.requests_count);
    cr_assert_eq(sql_int("SELECT count(*) FROM embeddings"), 0, "nothing is kept");
}

CACHED_TEST(too_few_vectors_are_none)
{
    check_away(bench, NULL, "{\"model\":\"e-1\",\"embeddings\":[],\"prompt_eval_count\":5}", 2);
}

CACHED_TEST(what_is_no_number_is_no_vector)
{
    check_away(bench, NULL, "{\"model\":\"e-1\",\"embeddings\":[[1e999,0]]}", 2);
}

CACHED_TEST(nor_is_what_says_of_itself_that_it_is_none)
{
    /* not a number, and zero, as floats in base64 */
    check_away(bench, NULL, "{\"model\":\"e-1\",\"embeddings\":[\"AADAfwAAAAA=\"]}", 2);
}

CACHED_TEST(a_failure_that_passes_is_tried_once_more)
{
    server_answer(&bench->server, "500 Internal Server Error", "", TEXT("{\"error\":\"oh\"}"));
    answer(bench, ONE);
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 2);
}

CACHED_TEST(and_not_a_second_time)
{
    check_away(bench, "500 Internal Server Error", "{\"error\":\"oh\"}", 2);
}

CACHED_TEST(a_refusal_is_not_repeated)
{
    check_away(bench, "404 Not Found", "{\"error\":\"model 'e-1' not found\"}", 1);
    cr_assert(strstr(test_err.text, "not found"), "%s", test_err.text);
}

CACHED_TEST(vectors_of_one_answer_have_one_length)
{
    answer(bench, "{\"model\":\"e-1\",\"embeddings\":[[3,4],[1,2,3]],\"prompt_eval_count\":5}");
    answer(bench, "{\"model\":\"e-1\",\"embeddings\":[[3,4],[1,2,3]],\"prompt_eval_count\":5}");
    GIVES(VECTORS_AWAY, make(bench, "tea", "coffee"));
}

CACHED_TEST(nobody_waits_longer_than_he_said)
{
    int64_t began_ms = clock_ms();

    bench->server.hold = true; /* it takes the request, and says nothing */
    bench->ask.deadline_ms = deadline_in(300);
    GIVES(VECTORS_AWAY, make(bench, "tea", NULL));
    cr_assert_lt(clock_ms() - began_ms, 5000);
}

CACHED_TEST(a_budget_that_is_used_up_is_in_the_way)
{
    const struct purse budget = {.id = uuid_new(),
                                 .kind = TEXT("user"),
                                 .subject = TEXT("ada"),
                                 .period = TEXT("total"),
                                 .max_tokens = 1,
                                 .at_limit = TEXT("end")};
    struct purse out;

    MUST(budgets_put(bench->store, &budget, 10, &out, &test_err));
    GIVES(VECTORS_AWAY, make(bench, "a text of more than a token", NULL));
    cr_assert(strstr(test_err.text, "user_budget"), "%s", test_err.text);
    cr_assert_eq(bench->server.requests_count, 0);
}

CACHED_TEST(what_was_not_used_for_a_month_goes_and_use_is_noted)
{
    int64_t gone = -1;

    answer(bench, BOTH);
    MUST(make(bench, "tea", "coffee"));
    sql_do("UPDATE embeddings SET used = CURRENT_DATE - 31");
    MUST(make(bench, "tea", NULL));
    MUST(vector_cache_sweep(bench->store->pg, 10, &gone, &test_err));
    cr_assert_eq(gone, 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM embeddings WHERE used = CURRENT_DATE"), 1);
    MUST(make(bench, "tea", NULL));
    cr_assert_eq(bench->server.requests_count, 1);
    sql_do("UPDATE embeddings SET used = CURRENT_DATE - 30");
    MUST(vector_cache_sweep(bench->store->pg, 10, &gone, &test_err));
    cr_assert_eq(gone, 0, "thirty days are not over");
}

CACHED_TEST(with_the_user_go_his_vectors)
{
    const struct user_deleting how = {.user = TEXT("ada"), .deadline_ms = deadline_in(10000)};
    struct user_removed removed;

    answer(bench, BOTH);
    answer(bench, ONE);
    MUST(make(bench, "tea", "coffee"));
    bench->ask.user = TEXT("bob");
    MUST(make(bench, "tea", NULL));
    MUST(users_delete(bench->store, &how, &removed, &test_err));
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_VECTORS], 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM embeddings"), 1, "those of others stay");
}
