/* Support for the tests of providers. */

#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"

struct provider_target support_target(const char *provider_name)
{
    return support_target_of(&provider_openai_chat, provider_name);
}

struct provider_target support_target_of(const struct provider *format, const char *provider_name)
{
    return (struct provider_target){
        .provider = format,
        .provider_name = provider_name,
        .model = "m-1",
        .base_url = "https://llm.example/v1/",
        .api_key = "sk-test-1234567890",
        .abilities = model_unknown.abilities,
    };
}

int support_finish(const struct provider_target *target, const struct provider_response *response,
                   size_t piece, struct chat_reply *out, struct provider_failure_info *failure)
{
    struct provider_decoder decoder;
    struct text rest = response->body;
    int r;

    provider_decoder_init(&decoder, target, (size_t)4 << 20, NULL, failure);
    while (rest.len > 0) {
        struct text bytes = {rest.ptr, piece && piece < rest.len ? piece : rest.len};

        if (provider_decoder_feed(&decoder, bytes) != HTTP_TAKE_MORE)
            break;
        rest.ptr += bytes.len;
        rest.len -= bytes.len;
    }
    r = provider_decoder_finish(&decoder, response, out);
    provider_decoder_deinit(&decoder);
    return r;
}

int support_read(const struct provider_target *target, const char *body, size_t piece,
                 struct chat_reply *out, struct provider_failure_info *failure)
{
    /* A test is a process: the arena is freed before the next decode and by the end of it. */
    static struct arena arena;
    struct provider_response response = {.status = 200, .body = text_of(body)};

    arena_deinit(&arena);
    arena_init(&arena, 0);
    out->arena = &arena;
    return support_finish(target, &response, piece, out, failure);
}

int support_stream(const char *provider_name, const char *body, size_t piece,
                   struct chat_reply *out, struct provider_failure_info *failure)
{
    struct provider_target target = support_target(provider_name);

    return support_read(&target, body, piece, out, failure);
}

int support_decode(const char *provider_name, const char *body, struct chat_reply *out,
                   struct provider_failure_info *failure)
{
    return support_stream(provider_name, body, 0, out, failure);
}

int support_decode_status(int status, const char *headers, const char *body,
                          struct provider_failure_info *failure)
{
    struct provider_target target = support_target("openai");
    struct provider_response response = {.status = status, .body = text_of(body)};
    struct http_header list[16];
    struct text rest = text_of(headers ? headers : "");
    struct text line;
    struct arena arena;
    struct chat_reply reply = {.arena = &arena};
    int r;

    arena_init(&arena, 0);
    while (text_cut(rest, '\n', &line, &rest)) {
        struct http_header *header = &list[response.headers_count++];

        if (!text_cut(line, ':', &header->name, &header->value))
            abort();
    }
    response.headers = list;
    r = support_finish(&target, &response, 0, &reply, failure);
    arena_deinit(&arena);
    return r;
}

bool support_encodes_to(const struct provider_target *target, const struct chat_request *request,
                        const char *expected)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    CLEANUP(json_freep) struct json_object *want = NULL;
    CLEANUP(json_freep) struct json_object *have = NULL;
    struct error err = {0};

    provider_wire_init(&wire);
    if (target->provider->encode(target, request, &wire, &err) < 0 ||
        json_decode(text_of(expected), 64, &want, &err) < 0 ||
        json_decode(buf_text(&wire.body), 64, &have, &err) < 0) {
        fprintf(stderr, "error: %s\n%s\n", err.text, buf_string(&wire.body));
        return false;
    }
    if (json_object_equal(want, have))
        return true;
    fprintf(stderr, "expected: %s\nencoded:  %s\n", expected, buf_string(&wire.body));
    return false;
}

const char *support_json(const char *text)
{
    static struct buf bufs[4];
    static size_t calls;
    struct buf *buf = &bufs[calls++ % ARRAY_LENGTH(bufs)];

    buf_deinit(buf);
    buf_init(buf, 0);
    for (; *text; text++)
        buf_add_char(buf, *text == '\'' ? '"' : *text);
    return buf_string(buf);
}

static void note(void *arg, const struct chat_event *event)
{
    static const char *const names[] = {"text",      "refusal", "reasoning", "call",
                                        "arguments", "usage",   "finish"};

    buf_printf(arg, "%s %zu %.*s%.*s/%.*s|", names[event->kind], event->number,
               TEXT_ARGS(event->text), TEXT_ARGS(event->id), TEXT_ARGS(event->name));
}

const char *support_watched(const struct provider_target *target, const char *body)
{
    static struct buf log;
    const struct chat_sink sink = {note, &log};
    struct provider_failure_info failure;
    struct provider_decoder decoder;

    buf_deinit(&log);
    buf_init(&log, 0);
    provider_decoder_init(&decoder, target, 1 << 20, &sink, &failure);
    (void)!provider_decoder_feed(&decoder, text_of(body));
    provider_decoder_deinit(&decoder);
    return buf_string(&log);
}

const char *support_header(const struct provider_wire *wire, const char *name)
{
    for (size_t i = 0; i < wire->headers_count; i++)
        if (text_is_nocase(wire->headers[i].name, name))
            return wire->headers[i].value.ptr;
    return NULL;
}
