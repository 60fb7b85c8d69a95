/* Any document that is JSON is the vectors of all texts, each number a number, or is refused with a
 * sentence.
 *
 * The first byte picks the format, the second how many texts there are; the rest is the body. */

#include <math.h>

#include "providers/formats/formats.h"
#include "providers/reply/embedding.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct embedding_reply *reply)
{
    ASSERT(reply->dimensions >= 1 && reply->dimensions <= EMBEDDING_DIMENSIONS_MAX);
    for (size_t i = 0; i < reply->count * reply->dimensions; i++)
        ASSERT(isfinite(reply->values[i]));
    ASSERT(reply->usage.input_tokens >= 0 && reply->usage.input_tokens <= CHAT_TOKENS_MAX);
    ASSERT(reply->model.len == 0 || text_is_utf8(reply->model));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct provider *const formats[] = {&provider_openai_chat, &provider_gemini,
                                                     &provider_ollama};
    struct arena arena;
    struct embedding_reply reply = {.arena = &arena};
    struct error err = {0};
    struct text json;
    int r;

    if (size < 2 || json_raw_check((struct text){(const char *)data + 2, size - 2},
                                   JSON_RAW_DEPTH_MAX, &json, NULL) < 0)
        return 0;
    arena_init(&arena, 1 << 20);
    embedding_reply_begin(&reply, 1 + data[1] % 8);
    r = formats[data[0] % ARRAY_LENGTH(formats)]->embedding->read(json, &reply, &err);
    if (r == 0)
        r = embedding_reply_check(&reply, &err);
    if (r == 0)
        check(&reply);
    else
        ASSERT((r == -E_PROTOCOL || r == -E_LIMIT) && err.text[0]);
    arena_deinit(&arena);
    return 0;
}
