/* Any status, headers and body must decode to a reply or to a failure with a message.
 *
 * The first byte picks the status, the second how much is a header value; the rest is the body. */

#include "providers/formats/formats.h"
#include "providers/reply/decoder.h"
#include "shared/base/compiler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 400, 401, 402, 413, 429, 500, 302};
    static const char *const names[] = {"retry-after", "retry-after-ms",
                                        "x-ratelimit-reset-tokens"};
    struct provider_target target = {.provider = &provider_openai_chat,
                                     .provider_name = "fuzz",
                                     .model = "m",
                                     .api_key = "sk-1234"};
    struct provider_decoder decoder;
    struct provider_failure_info failure = {.failure = PROVIDER_OK};
    struct provider_response response = {.now_wall_ms = 784111777000};
    struct arena arena;
    struct chat_reply reply = {.arena = &arena};
    struct http_header header;
    size_t split;

    if (size < 2)
        return 0;
    split = data[1] % 40;
    if (split > size - 2)
        split = size - 2;
    header.name = text_of(names[data[0] % ARRAY_LENGTH(names)]);
    header.value = (struct text){(const char *)data + 2, split};
    response.status = statuses[data[0] % ARRAY_LENGTH(statuses)];
    response.headers = &header;
    response.headers_count = 1;
    response.body = (struct text){(const char *)data + 2 + split, size - 2 - split};

    arena_init(&arena, 1 << 20);
    provider_decoder_init(&decoder, &target, 1 << 20, NULL, &failure);
    (void)!provider_decoder_feed(&decoder, response.body);
    if (provider_decoder_finish(&decoder, &response, &reply) == 0) {
        ASSERT(reply.tool_calls_count <= 128);
    } else {
        ASSERT(failure.failure != PROVIDER_OK);
        ASSERT(failure.message[0]);
        ASSERT(text_is_utf8(text_of(failure.message)));
        ASSERT(failure.retry_after_ms >= -1 && failure.retry_after_ms <= 86400000);
    }
    provider_decoder_deinit(&decoder);
    arena_deinit(&arena);
    return 0;
}
