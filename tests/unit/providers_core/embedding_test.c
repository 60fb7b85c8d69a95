/* What formats ask of servers to make vectors, and what they read. */

#include <math.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/reply/embedding.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "support.h"

static const struct text texts[] = {{"one \"1\"", 7}, {"zw\xC3\xB6lf", 6}};
static struct embedding_reply reply;
static struct error err;

static bool asks(const struct provider *format, int64_t dimensions, const char *url,
                 const char *expected)
{
    struct provider_target target = support_target_of(format, "x");
    struct embedding_request request = {
        .texts = texts, .count = 2, .dimensions = dimensions, .idempotency_key = TEXT("k:1")};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    CLEANUP(json_freep) struct json_object *want = NULL;
    CLEANUP(json_freep) struct json_object *have = NULL;

    target.context_tokens = 8192;
    provider_wire_init(&wire);
    cr_assert_eq(format->embedding->encode(&target, &request, &wire, &err), 0, "%s", err.text);
    cr_assert_str_eq(wire.url, url);
    cr_assert_str_eq(support_header(&wire, "idempotency-key"), "k:1");
    cr_assert_str_eq(support_header(&wire, "accept"), "application/json");
    cr_assert(support_header(&wire, "authorization") || support_header(&wire, "x-goog-api-key"));
    cr_assert_eq(json_decode(text_of(expected), 64, &want, &err), 0, "%s", err.text);
    cr_assert_eq(json_decode(buf_text(&wire.body), 64, &have, &err), 0, "%s", err.text);
    if (!json_object_equal(want, have))
        fprintf(stderr, "encoded: %s\n", buf_string(&wire.body));
    return json_object_equal(want, have);
}

Test(embedding, each_format_asks_in_its_way)
{
    cr_assert(asks(&provider_openai_chat, 0, "https://llm.example/v1/embeddings",
                   "{\"model\":\"m-1\",\"input\":[\"one \\\"1\\\"\",\"zw\xC3\xB6lf\"],"
                   "\"encoding_format\":\"base64\"}"));
    cr_assert(asks(&provider_openai_chat, 256, "https://llm.example/v1/embeddings",
                   "{\"model\":\"m-1\",\"input\":[\"one \\\"1\\\"\",\"zw\xC3\xB6lf\"],"
                   "\"dimensions\":256,\"encoding_format\":\"base64\"}"));
    cr_assert(asks(&provider_gemini, 256, "https://llm.example/v1/models/m-1:batchEmbedContents",
                   "{\"requests\":[{\"model\":\"models/m-1\",\"content\":{\"parts\":[{\"text\":"
                   "\"one \\\"1\\\"\"}]},\"outputDimensionality\":256},{\"model\":\"models/m-1\","
                   "\"content\":{\"parts\":[{\"text\":\"zw\xC3\xB6lf\"}]},"
                   "\"outputDimensionality\":256}]}"));
    cr_assert(asks(&provider_ollama, 0, "https://llm.example/v1/api/embed",
                   "{\"model\":\"m-1\",\"input\":[\"one \\\"1\\\"\",\"zw\xC3\xB6lf\"],"
                   "\"options\":{\"num_ctx\":8192},\"truncate\":false}"));
    cr_assert(asks(&provider_ollama, 64, "https://llm.example/v1/api/embed",
                   "{\"model\":\"m-1\",\"input\":[\"one \\\"1\\\"\",\"zw\xC3\xB6lf\"],"
                   "\"dimensions\":64,\"options\":{\"num_ctx\":8192},\"truncate\":false}"));
}

/* ---- replies ---- */

static int read_reply(const struct provider *format, const char *body, size_t count)
{
    static struct arena arena;
    struct text json;
    int r;

    arena_deinit(&arena);
    arena_init(&arena, 1 << 20);
    reply.arena = &arena;
    embedding_reply_begin(&reply, count);
    cr_assert_eq(json_raw_check(text_of(body), JSON_RAW_DEPTH_MAX, &json, &err), 0, "%s: %s", body,
                 err.text);
    r = format->embedding->read(json, &reply, &err);
    return r == 0 ? embedding_reply_check(&reply, &err) : r;
}

static void gives(const struct provider *format, const char *body)
{
    static const float expected[] = {1, -0.5F, 0.25F, 2};

    cr_assert_eq(read_reply(format, body, 2), 0, "%s: %s", body, err.text);
    cr_assert_eq(reply.dimensions, 2);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(reply.values[i], expected[i], "%s: %zu", body, i);
}

/* {1, -0.5} and {0.25, 2} as little-endian floats in base64 */
#define FIRST  "AACAPwAAAL8="
#define SECOND "AACAPgAAAEA="

Test(embedding, openai_gives_base64_or_numbers_in_any_order)
{
    gives(
        &provider_openai_chat,
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
        "\"" FIRST "\"},{\"object\":\"embedding\",\"index\":1,\"embedding\":\"" SECOND "\"}],"
        "\"model\":\"text-embedding-3-small\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}");
    cr_assert_eq(reply.usage.input_tokens, 8);
    cr_assert(text_is(reply.model, "text-embedding-3-small"));
    gives(&provider_openai_chat, "{\"data\":[{\"index\":1,\"embedding\":[0.25,2e0]},{\"index\":0,"
                                 "\"embedding\":[1,-5E-1]}],\"usage\":{\"total_tokens\":3}}");
    cr_assert_eq(reply.usage.input_tokens, 3);
    cr_assert_eq(reply.model.len, 0);
    gives(&provider_openai_chat,
          "{\"data\":[{\"embedding\":\"" FIRST "\"},{\"embedding\":[0.25,2]}]}");
    cr_assert_eq(reply.usage.input_tokens, 0);
}

Test(embedding, base64_may_be_escaped)
{
    /* 0x0015FFFF as a float: its base64 begins with two slashes. */
    cr_assert_eq(
        read_reply(&provider_openai_chat, "{\"data\":[{\"embedding\":\"\\/\\/8VAA==\"}]}", 1), 0,
        "%s", err.text);
    cr_assert_eq(reply.dimensions, 1);
    cr_assert_lt(fabsf(reply.values[0]), 1e-20F);
}

Test(embedding, gemini_and_ollama_give_numbers_in_order)
{
    gives(&provider_gemini, "{\"embeddings\":[{\"values\":[1,-0.5]},{\"values\":[0.25,2]}],"
                            "\"usageMetadata\":{\"promptTokenCount\":9}}");
    cr_assert_eq(reply.usage.input_tokens, 9);
    gives(&provider_gemini, "{\"embeddings\":[{\"values\":[1,-0.5]},{\"values\":[0.25,2]}]}");
    cr_assert_eq(reply.usage.input_tokens, 0);
    gives(&provider_ollama, "{\"model\":\"embeddinggemma\",\"embeddings\":[[1,-0.5],[0.25,2]],"
                            "\"total_duration\":14143917,\"prompt_eval_count\":8}");
    cr_assert_eq(reply.usage.input_tokens, 8);
    cr_assert(text_is(reply.model, "embeddinggemma"));
}

static void is_none(const struct provider *format, const char *body)
{
    cr_assert_eq(read_reply(format, body, 2), -E_PROTOCOL, "%s", body);
    cr_assert(err.text[0]);
}

Test(embedding, what_is_no_vector_for_each_text_is_refused)
{
    static const char *const openai[] = {
        "{}",
        "[]",
        "{\"data\":{}}",
        "{\"data\":[]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":2,\"embedding\":[2]}]}",
        "{\"data\":[{\"index\":-1,\"embedding\":[1]},{\"index\":1,\"embedding\":[2]}]}",
        "{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]},{\"embedding\":[3]}]}",
        "{\"data\":[{\"embedding\":[]},{\"embedding\":[]}]}",
        "{\"data\":[{\"embedding\":null},null]}",
        "{\"data\":[{\"embedding\":[1]},{\"embedding\":[\"2\"]}]}",
        "{\"data\":[{\"embedding\":[1]},{\"embedding\":[NaN]}]}",
        "{\"data\":[{\"embedding\":[1]},{\"embedding\":[1e99]}]}",
        "{\"data\":[{\"embedding\":\"" FIRST "\"},{\"embedding\":\"AACAPw\"}]}",
        "{\"data\":[{\"embedding\":\"" FIRST "\"},{\"embedding\":\"" FIRST "AA\"}]}",
        "{\"data\":[{\"embedding\":\"" FIRST "\"},{\"embedding\":\"!ACAPwAAAL8=\"}]}",
        "{\"data\":[{\"embedding\":\"\"},{\"embedding\":\"\"}]}",
        "{\"data\":[{\"embedding\":\"AADAfwAAwH8=\"},{\"embedding\":\"AADAfwAAwH8=\"}]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(openai); i++)
        is_none(&provider_openai_chat, openai[i]);
    is_none(&provider_gemini, "{}");
    is_none(&provider_gemini, "{\"embeddings\":[[1,2],[3,4]]}");
    is_none(&provider_gemini, "{\"embeddings\":[{\"values\":[1]}]}");
    is_none(&provider_ollama, "{\"embeddings\":{}}");
    is_none(&provider_ollama, "{\"embeddings\":[[1],[2],[3]]}");
}

Test(embedding, a_vector_has_a_bound)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_add_string(&body, "{\"embeddings\":[[1");
    for (int i = 0; i < EMBEDDING_DIMENSIONS_MAX; i++)
        buf_add_string(&body, ",1");
    buf_add_string(&body, "]]}");
    cr_assert_eq(read_reply(&provider_ollama, buf_string(&body), 1), -E_PROTOCOL);
    cr_assert(strstr(err.text, "16385"), "%s", err.text);
}

Test(embedding, vectors_beyond_the_arena_are_too_large)
{
    cr_assert_eq(read_reply(&provider_ollama, "{\"embeddings\":[[1,2]]}", 1 << 20), -E_LIMIT);
}
