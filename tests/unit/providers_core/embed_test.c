/* Vectors over real sockets: requests one after the other, and what may go wrong within one. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/embed.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/json/json_write.h"

#include "server.h"
#include "support.h"

#define TEXTS_MAX 5000

static struct embedding_reply reply;
static struct provider_failure_info failure;
static struct error err;
static struct arena arena;

static struct text texts[TEXTS_MAX];
static int64_t dimensions;
static const char *key_variable;
static const char *model; /* NULL: whatever the target has */

/* Asks a server of a format for the vectors of the first `count` texts. */
static int embed(const struct provider *format, const char *url, size_t count, int64_t deadline_ms)
{
    struct http_client_options options = {0};
    struct http_client *client = NULL;
    struct provider_target target = support_target_of(format, "test");
    struct embedding_request request = {.texts = texts,
                                        .count = count,
                                        .dimensions = dimensions,
                                        .idempotency_key = TEXT("run_1:0"),
                                        .deadline_ms = deadline_ms};
    int r;

    arena_deinit(&arena);
    arena_init(&arena, 0);
    reply = (struct embedding_reply){.arena = &arena};
    target.base_url = url;
    if (model)
        snprintf(target.model, sizeof(target.model), "%s", model);
    target.key_variable = key_variable;
    cr_assert_eq(http_client_open(&options, &client, &err), 0, "%s", err.text);
    r = provider_embed(client, &target, &request, &reply, &failure, &err);
    http_client_close(client);
    return r;
}

static void name_texts(size_t count)
{
    static char names[TEXTS_MAX][32];

    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "text-%zu-", i);
        texts[i] = text_of(names[i]);
    }
}

/* Ollama's answer for the texts from `first` on: each vector is the text's number and its half. */
static void answer_vectors(struct server *server, size_t first, size_t count)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_add_string(&body, "{\"model\":\"e-1\",\"embeddings\":[");
    for (size_t i = first; i < first + count; i++)
        buf_printf(&body, "%s[%zu,%zu.5]", i > first ? "," : "", i, i);
    buf_add_string(&body, "],\"prompt_eval_count\":10}");
    server_answer(server, NULL, "x-ratelimit-remaining-requests: 7\r\n", buf_text(&body));
}

#define EMBED_TEST(name)                                                                           \
    static void name##_body(void *arg);                                                            \
    Test(embed, name)                                                                              \
    {                                                                                              \
        loop_run(name##_body, NULL);                                                               \
        arena_deinit(&arena);                                                                      \
    }                                                                                              \
    static void name##_body(void *arg __attribute__((unused)))

EMBED_TEST(one_request_gives_its_vectors)
{
    struct server server = {0};

    name_texts(2);
    answer_vectors(&server, 0, 2);
    server_start(&server);
    cr_assert_eq(embed(&provider_ollama, server.url, 2, 0), 0, "%s %s", failure.message, err.text);
    cr_assert_eq(reply.count, 2);
    cr_assert_eq(reply.dimensions, 2);
    cr_assert_eq(reply.values[2], 1);
    cr_assert_eq(reply.values[3], 1.5F);
    cr_assert_eq(reply.usage.input_tokens, 10);
    cr_assert_eq(reply.limits.requests_remaining, 7);
    cr_assert(text_is(reply.model, "e-1"));
    cr_assert_eq(server.requests_count, 1);
    cr_assert(strstr(server.requests[0], "POST /v1/api/embed HTTP/1.1\r\n"));
    cr_assert(strcasestr(server.requests[0], "\r\nIdempotency-Key: run_1:0\r\n"));
    cr_assert(strstr(server.requests[0], "[\"text-0-\",\"text-1-\"]"));
    server_stop(&server);
}

EMBED_TEST(more_texts_than_a_format_takes_are_several_requests)
{
    struct server server = {0};

    name_texts(150);
    answer_vectors(&server, 0, 64);
    answer_vectors(&server, 64, 64);
    answer_vectors(&server, 128, 22);
    server_start(&server);
    cr_assert_eq(embed(&provider_ollama, server.url, 150, 0), 0, "%s %s", failure.message,
                 err.text);
    cr_assert_eq(server.requests_count, 3);
    cr_assert_eq(reply.count, 150);
    for (size_t i = 0; i < 150; i++) {
        cr_assert_eq(reply.values[2 * i], (float)i);
        cr_assert_eq(reply.values[2 * i + 1], (float)i + 0.5F);
    }
    cr_assert_eq(reply.usage.input_tokens, 30);
    cr_assert(strstr(server.requests[1], "[\"text-64-\","));
    cr_assert(strcasestr(server.requests[1], "\r\nIdempotency-Key: run_1:0:64\r\n"));
    cr_assert(strstr(server.requests[2], "\"text-149-\"]"));
    cr_assert(strcasestr(server.requests[2], "\r\nIdempotency-Key: run_1:0:128\r\n"));
    server_stop(&server);
}

EMBED_TEST(long_texts_are_fewer_in_a_request)
{
    struct server server = {0};
    CLEANUP(buf_deinit) struct buf large = {0};

    buf_init(&large, 0);
    memset(buf_reserve(&large, EMBEDDING_TEXT_BYTES_MAX), 'x', EMBEDDING_TEXT_BYTES_MAX);
    name_texts(4);
    texts[1] = (struct text){large.ptr, EMBEDDING_TEXT_BYTES_MAX};
    answer_vectors(&server, 0, 1);
    answer_vectors(&server, 1, 1);
    answer_vectors(&server, 2, 2);
    server_start(&server);
    cr_assert_eq(embed(&provider_ollama, server.url, 4, 0), 0, "%s %s", failure.message, err.text);
    cr_assert_eq(server.requests_count, 3);
    cr_assert_eq(reply.values[6], 3);
    server_stop(&server);
}

/* OpenAI's answer with vectors of `numbers` zeros. */
static void answer_zeros(struct server *server, size_t count, size_t numbers)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, (size_t)32 << 20);
    buf_add_string(&body, "{\"data\":[");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&body, "%s{\"embedding\":[0", i > 0 ? "," : "");
        for (size_t k = 1; k < numbers; k++)
            buf_add_string(&body, ",0");
        buf_add_string(&body, "]}");
    }
    buf_add_string(&body, "]}");
    server_answer(server, NULL, "", buf_text(&body));
}

EMBED_TEST(short_vectors_are_more_in_a_request_once_their_length_is_known)
{
    struct server server = {0};

    name_texts(2500);
    answer_zeros(&server, 256, 16);
    answer_zeros(&server, 2048, 16);
    answer_zeros(&server, 196, 16);
    server_start(&server);
    cr_assert_eq(embed(&provider_openai_chat, server.url, 2500, 0), 0, "%s %s", failure.message,
                 err.text);
    cr_assert_eq(server.requests_count, 3);
    cr_assert_eq(reply.count, 2500);
    server_stop(&server);
}

/* ---- what goes wrong ---- */

/* The class of the failure of 100 texts, whose first 64 are answered. */
static enum provider_failure failure_of(const char *status, const char *headers, const char *body)
{
    struct server server = {0};

    name_texts(100);
    answer_vectors(&server, 0, 64);
    server_answer(&server, status, headers, text_of(body));
    server_start(&server);
    reply.count = 0;
    cr_assert_eq(embed(&provider_ollama, server.url, 100, 0), PROVIDER_FAILED, "%s", body);
    cr_assert_eq(server.requests_count, 2);
    server_stop(&server);
    cr_assert_eq(reply.count, 0, "none of it counts");
    cr_assert_eq(failure.usage.input_tokens, 10, "but it was paid for");
    cr_assert(failure.message[0]);
    return failure.failure;
}

EMBED_TEST(an_error_of_any_request_is_the_failure_of_all)
{
    cr_assert_eq(failure_of("429 Too Many", "Retry-After: 2\r\n", ""), PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 2000);
    cr_assert_eq(failure_of("400 Bad Request", "",
                            "{\"error\":\"the input length exceeds the context length\"}"),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(failure_of("500 Oops", "", "<html>"), PROVIDER_OVERLOADED);
    cr_assert_eq(failure_of(NULL, "", "{\"error\":\"out of memory\"}"), PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "out of memory");
}

EMBED_TEST(what_are_not_the_vectors_asked_for_is_malformed)
{
    cr_assert_eq(failure_of(NULL, "", "{\"embeddings\":[[1,2]]}"), PROVIDER_MALFORMED_REPLY);
    cr_assert(strstr(failure.message, "no vector for text 1"), "%s", failure.message);
    cr_assert_eq(failure_of(NULL, "", "{\"embeddings\":[[1,2,3]]}"), PROVIDER_MALFORMED_REPLY);
    cr_assert_eq(failure_of(NULL, "", "nonsense"), PROVIDER_MALFORMED_REPLY);
    cr_assert_eq(failure_of(NULL, "", ""), PROVIDER_MALFORMED_REPLY);
    cr_assert_eq(failure_of(NULL, "", "[]"), PROVIDER_MALFORMED_REPLY);
}

EMBED_TEST(a_reply_beyond_what_its_vectors_may_take_is_too_large)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    while (body.len < ((size_t)66 << 10)) /* for 36 vectors of two numbers */
        buf_add_string(&body, "                ");
    cr_assert_eq(failure_of(NULL, "", buf_string(&body)), PROVIDER_MALFORMED_REPLY);
    while (body.len < ((size_t)70 << 10))
        buf_add_string(&body, "                ");
    cr_assert_eq(failure_of(NULL, "", buf_string(&body)), PROVIDER_REPLY_TOO_LARGE);
}

EMBED_TEST(a_model_that_knows_no_other_dimensions_is_told_of)
{
    struct server server = {0};

    name_texts(1);
    dimensions = 256;
    answer_vectors(&server, 0, 1);
    server_start(&server);
    cr_assert_eq(embed(&provider_ollama, server.url, 1, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_BAD_REQUEST);
    cr_assert(strstr(failure.message, "vectors of 2 numbers, and not of the 256"), "%s",
              failure.message);
    server_stop(&server);
}

EMBED_TEST(a_connection_that_breaks_is_told_from_one_that_was_never_answered)
{
    struct server silent = {.reply = ""};
    struct server cut = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"embed"};

    name_texts(1);
    server_start(&silent);
    cr_assert_eq(embed(&provider_ollama, silent.url, 1, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_OVERLOADED);
    server_stop(&silent);
    server_start(&cut);
    cr_assert_eq(embed(&provider_ollama, cut.url, 1, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_STREAM_CUT);
    server_stop(&cut);
}

EMBED_TEST(the_deadline_is_of_all_requests_together)
{
    struct server server = {.hold = true};
    int64_t began_ms = clock_ms();

    name_texts(100);
    answer_vectors(&server, 0, 64);
    server_start(&server);
    cr_assert_eq(embed(&provider_ollama, server.url, 100, deadline_in(300)), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_TIMED_OUT);
    cr_assert_lt(clock_ms() - began_ms, 3000);
    server_stop(&server);
}

static int canceled_result;

static void embed_until_canceled(void *arg)
{
    canceled_result = embed(&provider_ollama, arg, 1, 0);
}

EMBED_TEST(a_cancel_ends_it_at_once)
{
    struct server server = {.hold = true};
    struct fiber *caller;

    name_texts(1);
    server_start(&server);
    caller = fiber_start("caller", embed_until_canceled, server.url);
    while (!strstr(server.requests[0], "\"truncate\":false}"))
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    fiber_cancel(caller);
    fiber_join(caller);
    cr_assert_eq(canceled_result, -E_CANCELED);
    server_stop(&server);
}

EMBED_TEST(a_key_that_is_missed_is_named_and_nothing_is_sent)
{
    name_texts(1);
    key_variable = "GEMINI_API_KEY";
    cr_assert_eq(embed(&provider_gemini, "http://127.0.0.1:9", 1, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_AUTH);
    cr_assert(strstr(failure.message, "GEMINI_API_KEY"), "%s", failure.message);
}

/* What is said of a request that nothing is sent of. */
static const char *refusal(const struct provider *format, size_t count)
{
    cr_assert_eq(embed(format, "http://127.0.0.1:9", count, 0), -E_INVALID);
    return err.text;
}

EMBED_TEST(what_can_not_be_asked_is_refused_with_the_bound)
{
    static const struct provider none = {.kind = "smoke_signals"};
    CLEANUP(buf_deinit) struct buf large = {0};

    name_texts(TEXTS_MAX);
    cr_assert(strstr(refusal(&none, 1), "smoke_signals"), "%s", err.text);
    cr_assert(strstr(refusal(&provider_ollama, 0), "1 to 4096"), "%s", err.text);
    cr_assert(strstr(refusal(&provider_ollama, 4097), "1 to 4096"), "%s", err.text);
    texts[2] = TEXT("");
    cr_assert(strstr(refusal(&provider_ollama, 3), "text 2 is empty"), "%s", err.text);
    texts[2] = TEXT("a\xFF");
    cr_assert(strstr(refusal(&provider_ollama, 3), "text 2 is no valid UTF-8"), "%s", err.text);
    buf_init(&large, 0);
    memset(buf_reserve(&large, EMBEDDING_TEXT_BYTES_MAX + 1), 'x', EMBEDDING_TEXT_BYTES_MAX + 1);
    texts[2] = (struct text){large.ptr, EMBEDDING_TEXT_BYTES_MAX + 1};
    cr_assert(strstr(refusal(&provider_ollama, 3), "may have 262144"), "%s", err.text);
    dimensions = EMBEDDING_DIMENSIONS_MAX + 1;
    cr_assert(strstr(refusal(&provider_ollama, 1), "1 to 16384"), "%s", err.text);
}

static void ask_builtin(size_t count)
{
    cr_assert_eq(embed(&provider_builtin, "", count, 0), 0, "%s %s", failure.message, err.text);
    cr_assert_eq(reply.count, count);
    cr_assert_eq(reply.dimensions, 512);
    cr_assert(text_is(reply.model, "hashed-words-1"));
}

EMBED_TEST(vectors_are_made_without_anybody_to_ask)
{
    static char large[EMBEDDING_TEXT_BYTES_MAX];
    const float *values;

    memset(large, 'x', sizeof(large));
    for (size_t i = 7; i < sizeof(large); i += 8)
        large[i] = ' ';
    texts[0] = TEXT("the garden of roses");
    texts[1] = TEXT("a rose garden");
    texts[2] = TEXT("invoices of March");
    texts[3] = (struct text){large, sizeof(large)};
    model = "hashed-words-1";
    ask_builtin(4);
    values = reply.values;
    cr_assert_gt(embedder_similarity(values, values + 512), 0.5);
    cr_assert_lt(embedder_similarity(values, values + 1024), 0.2);
    cr_assert_gt(reply.usage.input_tokens, 1000);
    dimensions = 512;
    ask_builtin(1);
    offload_stop();
}

static size_t turns;
static bool over;

static void take_turns(void *arg)
{
    (void)arg;
    while (!over) {
        turns++;
        fiber_yield();
    }
}

/* U+FDFA becomes eighteen letters: nothing takes longer. */
EMBED_TEST(others_have_many_turns_while_a_long_text_is_read)
{
    static char large[EMBEDDING_TEXT_BYTES_MAX];
    struct fiber *other;

    for (size_t i = 0; i + 3 <= sizeof(large); i += 3)
        memcpy(large + i, "\uFDFA", 3);
    texts[0] = (struct text){large, sizeof(large) / 3 * 3};
    model = "hashed-words-1";
    other = fiber_start("other", take_turns, NULL);
    ask_builtin(1);
    over = true;
    fiber_join(other);
    offload_stop();
    cr_assert_gt(turns, 100, "%zu turns", turns);
}

EMBED_TEST(what_is_not_made_here_is_refused)
{
    texts[0] = TEXT("a rose garden");
    model = "text-embedding-3-small";
    cr_assert_eq(embed(&provider_builtin, "", 1, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_BAD_REQUEST);
    cr_assert(strstr(failure.message, "the only model made here is hashed-words-1"));
    model = "hashed-words-1";
    dimensions = 8;
    cr_assert_eq(embed(&provider_builtin, "", 1, 0), PROVIDER_FAILED);
    cr_assert(strstr(failure.message, "512 numbers"));
}
