/* Whatever bytes a server sends, a reply that is taken passes a strict validator. The validator
 * says the rules of reply_form.h a second time, in its own words, and asks json-c what is JSON.
 *
 * The first byte says into which pieces the body is cut, the second how long an answer may be. */

#include "providers/formats/formats.h"
#include "providers/reply/decoder.h"
#include "providers/reply/reply_form.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct text text)
{
    ASSERT(text.len == 0 || text_is_utf8(text));
    ASSERT(text.len == 0 || !memchr(text.ptr, 0, text.len));
}

/* Letters, digits, underscore and hyphen: 1 to `most` of them. */
static void check_word(struct text word, size_t most)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    ASSERT(word.len >= 1);
    ASSERT(word.len <= most);
    for (size_t i = 0; i < word.len; i++)
        ASSERT(word.ptr[i] && strchr(allowed, word.ptr[i]));
}

/* json-c's limits of integers are no concern of strict JSON. */
static bool has_large_integer(struct text text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        digits = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? digits + 1 : 0;
        if (digits > 18)
            return true;
    }
    return false;
}

static void check_object(struct text json)
{
    CLEANUP(json_freep) struct json_object *object = NULL;

    check_text(json);
    if (has_large_integer(json))
        return;
    ASSERT(json_decode(json, 64, &object, NULL) == 0);
    ASSERT(json_object_is_type(object, json_type_object));
}

static void check_reply(const struct chat_reply *reply, size_t answer_max)
{
    size_t bytes = reply->text.len;

    check_text(reply->text);
    check_text(reply->model);
    if (reply->opaque_state.len)
        check_object(reply->opaque_state);
    ASSERT(reply->tool_calls_count <= 128);
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        const struct chat_tool_call *call = &reply->tool_calls[i];

        check_word(call->id, 40);
        check_word(call->name, 64);
        check_object(call->arguments);
        check_text(call->problem);
        if (call->said.len)
            check_object(call->said);
        for (size_t k = 0; k < i; k++)
            ASSERT(!text_equal(call->id, reply->tool_calls[k].id));
        bytes += call->arguments.len > 2 ? call->arguments.len : 0;
    }
    ASSERT(bytes <= answer_max);
    ASSERT((reply->finish == CHAT_FINISH_TOOL) == (reply->tool_calls_count > 0));
    ASSERT(reply->text.len > 0 || reply->tool_calls_count > 0 ||
           reply->finish == CHAT_FINISH_LENGTH || reply->finish == CHAT_FINISH_FILTER);
    ASSERT(reply->usage.input_tokens >= 0 && reply->usage.input_tokens <= 1000000000);
    ASSERT(reply->usage.output_tokens >= 0 && reply->usage.output_tokens <= 1000000000);
    ASSERT(reply->usage.cached_input_tokens >= 0 && reply->usage.reasoning_tokens >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct provider_target target = {
        .provider = &provider_openai_chat, .provider_name = "fuzz", .model = "m"};
    struct provider_response head = {.status = 200};
    struct provider_failure_info failure = {.failure = PROVIDER_OK};
    struct provider_decoder decoder;
    struct arena arena;
    struct chat_reply reply = {.arena = &arena};
    struct error err;
    struct text rest;
    size_t piece;
    size_t answer_max;

    if (size < 2)
        return 0;
    piece = data[0] + 1u;
    answer_max = 8 + (size_t)data[1] * 8;
    rest = (struct text){(const char *)data + 2, size - 2};
    arena_init(&arena, 1 << 20);
    provider_decoder_init(&decoder, &target, 1 << 20, NULL, &failure);
    while (rest.len > 0) {
        struct text bytes = {rest.ptr, piece < rest.len ? piece : rest.len};

        if (provider_decoder_feed(&decoder, bytes) != HTTP_TAKE_MORE)
            break;
        rest.ptr += bytes.len;
        rest.len -= bytes.len;
    }
    if (provider_decoder_finish(&decoder, &head, &reply) == 0) {
        if (reply_form(&reply, answer_max, buf_text(&decoder.body), &err) == 0)
            check_reply(&reply, answer_max);
    } else {
        ASSERT(failure.failure != PROVIDER_OK);
        ASSERT(failure.message[0]);
        ASSERT(text_is_utf8(text_of(failure.message)));
    }
    provider_decoder_deinit(&decoder);
    arena_deinit(&arena);
    return 0;
}
