/* Any status, header and body, in any wire format, is a reply or a failure with a message, and the
 * same one however the body was cut into pieces. What whoever watches was told adds up to the
 * reply. A reply that was put into form can be sent to every provider.
 *
 * The first byte picks the format, the second status and header, the third the size of the pieces,
 * the fourth how much is the header's value; the rest is the body. */

#include <stdio.h>

#include "providers/formats/formats.h"
#include "providers/reply/decoder.h"
#include "providers/reply/reply_form.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

#define FORMATS_MAX 16
#define REPLY_BYTES ((size_t)1 << 20)
#define HEAD_BYTES  4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct provider *formats[FORMATS_MAX];
static size_t formats_count;

/* Each that the table has. */
static void find_formats(void)
{
    char kinds[256];
    struct text rest;
    struct text kind;

    format_kinds(kinds, sizeof(kinds));
    rest = text_of(kinds);
    while (rest.len > 0 && formats_count < FORMATS_MAX) {
        char name[64];

        if (!text_cut(rest, ',', &kind, &rest)) {
            kind = rest;
            rest = TEXT_NONE;
        }
        kind = text_trim(kind);
        snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(kind));
        formats[formats_count++] = format_find(name);
    }
    ASSERT(formats_count > 0);
}

/* What came out of one decoding, and what was told of it. */
struct outcome {
    struct arena arena;
    struct chat_reply reply;
    struct provider_failure_info failure;
    struct buf told;      /* the answer */
    size_t told_bytes[2]; /* of arguments, and calls */
    int r;
};

static void on_event(void *arg, const struct chat_event *event)
{
    struct outcome *outcome = arg;

    ASSERT(event->text.len == 0 || text_is_utf8(event->text));
    if (event->kind == CHAT_EVENT_TEXT)
        buf_add_text(&outcome->told, event->text);
    if (event->kind == CHAT_EVENT_ARGUMENTS)
        outcome->told_bytes[0] += event->text.len;
    if (event->kind == CHAT_EVENT_CALL)
        outcome->told_bytes[1]++;
}

static void outcome_deinit(struct outcome *outcome)
{
    buf_deinit(&outcome->told);
    arena_deinit(&outcome->arena);
}

/* `piece` 0: at once. */
static void decode(const struct provider_target *target, const struct provider_response *response,
                   size_t piece, struct outcome *out)
{
    const struct chat_sink sink = {on_event, out};
    struct provider_decoder decoder;
    struct text rest = response->body;

    memset(out, 0, sizeof(*out));
    arena_init(&out->arena, 2 * REPLY_BYTES);
    buf_init(&out->told, 0);
    out->reply.arena = &out->arena;
    provider_decoder_init(&decoder, target, REPLY_BYTES, &sink, &out->failure);
    while (rest.len > 0) {
        struct text bytes = {rest.ptr, piece && piece < rest.len ? piece : rest.len};

        if (provider_decoder_feed(&decoder, bytes) != HTTP_TAKE_MORE)
            break;
        rest.ptr += bytes.len;
        rest.len -= bytes.len;
    }
    out->r = provider_decoder_finish(&decoder, response, &out->reply);
    provider_decoder_deinit(&decoder);
}

static void check_alone(const struct outcome *outcome)
{
    const struct provider_failure_info *failure = &outcome->failure;
    const struct chat_reply *reply = &outcome->reply;
    size_t arguments = 0;

    if (outcome->r != 0) {
        ASSERT(outcome->r == PROVIDER_FAILED);
        ASSERT(failure->failure != PROVIDER_OK);
        ASSERT(failure->message[0]);
        ASSERT(text_is_utf8(text_of(failure->message)));
        ASSERT(failure->retry_after_ms >= -1 && failure->retry_after_ms <= 86400000);
        return;
    }
    ASSERT(reply->tool_calls_count <= REPLY_CALLS_MAX);
    ASSERT(reply->tool_calls_count == outcome->told_bytes[1]);
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        arguments += reply->tool_calls[i].arguments.len;
    ASSERT(arguments == outcome->told_bytes[0]);
    if (outcome->told.len > 0)
        ASSERT(text_equal(reply->text, buf_text(&outcome->told)));
}

static void check_alike(const struct outcome *a, const struct outcome *b)
{
    ASSERT(a->r == b->r);
    ASSERT(a->failure.failure == b->failure.failure);
    ASSERT(a->failure.retry_after_ms == b->failure.retry_after_ms);
    ASSERT(strcmp(a->failure.message, b->failure.message) == 0);
    if (a->r != 0)
        return;
    ASSERT(text_equal(a->reply.text, b->reply.text));
    ASSERT(text_equal(a->reply.model, b->reply.model));
    ASSERT(text_equal(a->reply.opaque_state, b->reply.opaque_state));
    ASSERT(a->reply.finish == b->reply.finish);
    ASSERT(memcmp(&a->reply.usage, &b->reply.usage, sizeof(a->reply.usage)) == 0);
    ASSERT(a->reply.tool_calls_count == b->reply.tool_calls_count);
    for (size_t i = 0; i < a->reply.tool_calls_count; i++) {
        ASSERT(text_equal(a->reply.tool_calls[i].id, b->reply.tool_calls[i].id));
        ASSERT(text_equal(a->reply.tool_calls[i].name, b->reply.tool_calls[i].name));
        ASSERT(text_equal(a->reply.tool_calls[i].arguments, b->reply.tool_calls[i].arguments));
    }
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

static void check_sends(const struct provider_target *target, const struct chat_reply *reply)
{
    static struct chat_message messages[2 + REPLY_CALLS_MAX] = {
        {.role = CHAT_USER, .text = TEXT("Hi")}};
    struct chat_request request = {.messages = messages, .messages_count = 2};
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    CLEANUP(json_freep) struct json_object *json = NULL;
    struct error err;

    messages[1] = (struct chat_message){.role = CHAT_ASSISTANT,
                                        .text = reply->text,
                                        .tool_calls = reply->tool_calls,
                                        .tool_calls_count = reply->tool_calls_count,
                                        .opaque_state = reply->opaque_state};
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        messages[request.messages_count++] = (struct chat_message){
            .role = CHAT_TOOL, .text = TEXT("r"), .tool_call_id = reply->tool_calls[i].id};
    provider_wire_init(&wire);
    ASSERT(target->provider->encode(target, &request, &wire, &err) == 0);
    if (!has_large_integer(buf_text(&wire.body)))
        ASSERT(json_decode(buf_text(&wire.body), 100, &json, &err) == 0);
}

static void check_sends_everywhere(const struct provider_target *target, struct outcome *outcome)
{
    struct provider_target other = *target;
    struct error err;

    if (outcome->r != 0 || reply_form(&outcome->reply, 0, TEXT("seed"), &err) != 0)
        return;
    for (size_t i = 0; i < formats_count; i++) {
        other.provider = formats[i];
        check_sends(&other, &outcome->reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 400, 401, 402, 413, 429, 500, 302};
    static const char *const names[] = {"retry-after", "retry-after-ms", "x-ratelimit-reset-tokens",
                                        "anthropic-ratelimit-input-tokens-reset"};
    struct provider_target target = {
        .provider_name = "fuzz", .model = "m", .base_url = "http://x", .api_key = "sk-1234"};
    struct provider_response response = {.now_wall_ms = 784111777000};
    struct http_header header;
    struct outcome whole;
    struct outcome cut;
    size_t split;

    if (formats_count == 0)
        find_formats();
    if (size < HEAD_BYTES)
        return 0;
    split = data[3] % 40u;
    if (split > size - HEAD_BYTES)
        split = size - HEAD_BYTES;
    target.provider = formats[data[0] % formats_count];
    header.name = text_of(names[data[1] % ARRAY_LENGTH(names)]);
    header.value = (struct text){(const char *)data + HEAD_BYTES, split};
    response.status = statuses[data[1] % ARRAY_LENGTH(statuses)];
    response.headers = &header;
    response.headers_count = 1;
    response.body =
        (struct text){(const char *)data + HEAD_BYTES + split, size - HEAD_BYTES - split};

    decode(&target, &response, 0, &whole);
    decode(&target, &response, data[2] + 1u, &cut);
    check_alone(&whole);
    check_alone(&cut);
    check_alike(&whole, &cut);
    check_sends_everywhere(&target, &whole);
    outcome_deinit(&whole);
    outcome_deinit(&cut);
    return 0;
}
