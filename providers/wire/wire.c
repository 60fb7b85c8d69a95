/* A request as it goes over the wire. */

#include "providers/wire/wire.h"

#include <string.h>

#include "shared/base/error.h"

#define WIRE_ARENA_BYTES ((size_t)256 << 10)
#define WIRE_BODY_BYTES  ((size_t)16 << 20)
#define HEADERS_AT_FIRST 8

void provider_wire_init(struct provider_wire *wire)
{
    wire->url = NULL;
    wire->headers = NULL;
    wire->headers_count = 0;
    arena_init(&wire->arena, WIRE_ARENA_BYTES);
    buf_init(&wire->body, WIRE_BODY_BYTES);
}

void provider_wire_deinit(struct provider_wire *wire)
{
    buf_deinit(&wire->body);
    arena_deinit(&wire->arena);
    wire->headers = NULL;
    wire->headers_count = 0;
    wire->url = NULL;
}

static bool is_header_safe(struct text value)
{
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7F)
            return false;
    return true;
}

/* Room for one header more. NULL: the arena is full. */
static struct http_header *next_header(struct provider_wire *wire)
{
    size_t count = wire->headers_count;
    struct http_header *more;

    if (count < HEADERS_AT_FIRST ? count > 0 : (count & (count - 1)) != 0)
        return &wire->headers[count];
    more = arena_calloc(&wire->arena, count ? 2 * count : HEADERS_AT_FIRST, sizeof(*more));
    if (!more)
        return NULL;
    if (count > 0)
        memcpy(more, wire->headers, count * sizeof(*more));
    wire->headers = more;
    return &more[count];
}

int provider_wire_add_header(struct provider_wire *wire, struct text name, struct text value,
                             struct error *err)
{
    struct http_header *header;

    if (wire->headers_count == PROVIDER_WIRE_HEADERS_MAX)
        return error_set(err, E_LIMIT, "more than %d headers for a provider",
                         PROVIDER_WIRE_HEADERS_MAX);
    if (name.len == 0 || !is_header_safe(name) || !is_header_safe(value))
        return error_set(err, E_INVALID,
                         "a header for a provider has a control character or no name");
    header = next_header(wire);
    if (header) {
        header->name = (struct text){arena_copy(&wire->arena, name), name.len};
        header->value = (struct text){arena_copy(&wire->arena, value), value.len};
    }
    if (!header || !header->name.ptr || !header->value.ptr)
        return error_set(err, E_LIMIT, "the headers for a provider are over %zu bytes",
                         WIRE_ARENA_BYTES);
    wire->headers_count++;
    return 0;
}

static int add_configured(struct provider_wire *wire, const struct provider_target *target,
                          struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < target->headers_count; i++) {
        struct text name;
        struct text value;

        if (!text_cut(text_of(target->headers[i]), ':', &name, &value))
            return error_set(err, E_INVALID, "header %zu of provider %s is not 'Name: value'", i,
                             target->provider_name);
        r = provider_wire_add_header(wire, text_trim(name), text_trim(value), err);
    }
    return r;
}

/* Unless the configuration has one of that name, or there is nothing to say. */
static int add_ours(struct provider_wire *wire, const char *name, struct text value,
                    struct error *err)
{
    if (value.len == 0)
        return 0;
    for (size_t i = 0; i < wire->headers_count; i++)
        if (text_is_nocase(wire->headers[i].name, name))
            return 0;
    return provider_wire_add_header(wire, text_of(name), value, err);
}

static int add_key(struct provider_wire *wire, const struct provider_target *target,
                   const struct wire_address *address, struct error *err)
{
    CLEANUP(buf_deinit) struct buf value = {0};
    int r;

    if (!target->api_key || !target->api_key[0])
        return 0;
    buf_init(&value, 16384);
    buf_add_string(&value, address->key_scheme);
    buf_add_string(&value, target->api_key);
    r = buf_check(&value, err);
    return r < 0 ? r : add_ours(wire, address->key_header, buf_text(&value), err);
}

int provider_wire_address(struct provider_wire *wire, const struct provider_target *target,
                          const struct wire_address *address, struct error *err)
{
    struct text base = text_of(target->base_url);
    int r;

    while (text_ends(base, "/"))
        base.len--;
    wire->url = arena_printf(&wire->arena, "%.*s%s", TEXT_ARGS(base), address->path);
    if (!wire->url)
        return error_set(err, E_LIMIT, "the base_url of provider %s is too long",
                         target->provider_name);
    r = add_configured(wire, target, err);
    if (r == 0)
        r = add_ours(wire, "Content-Type", TEXT("application/json"), err);
    if (r == 0)
        r = add_ours(wire, "Accept",
                     address->stream ? TEXT("text/event-stream, application/x-ndjson, "
                                            "application/json")
                                     : TEXT("application/json"),
                     err);
    if (r == 0)
        r = add_key(wire, target, address, err);
    if (r == 0 && address->version_header)
        r = add_ours(wire, address->version_header, text_of(address->version), err);
    if (r == 0)
        r = add_ours(wire, "Idempotency-Key", address->idempotency_key, err);
    return r;
}

static size_t message_bytes(const struct chat_message *message)
{
    size_t bytes = 96 + message->text.len + message->opaque_state.len;

    for (size_t i = 0; i < message->parts_count; i++)
        bytes += 64 + message->parts[i].text.len + message->parts[i].url.len;
    for (size_t i = 0; i < message->tool_calls_count; i++)
        bytes += 128 + message->tool_calls[i].arguments.len;
    return bytes;
}

void provider_wire_reserve(struct provider_wire *wire, const struct chat_request *request)
{
    size_t bytes = 512 + request->instructions.len + request->response_format.schema.len;

    for (size_t i = 0; i < request->messages_count; i++)
        bytes += message_bytes(&request->messages[i]);
    for (size_t i = 0; i < request->tools_count; i++)
        bytes += 128 + request->tools[i].description.len + request->tools[i].parameters.len;
    (void)buf_reserve(&wire->body, bytes + bytes / 16);
}

int provider_wire_check(const struct provider_wire *wire, const struct provider_target *target,
                        struct error *err)
{
    if (!wire->body.failed)
        return 0;
    return error_set(err, E_LIMIT, "the request for provider %s is over %zu bytes",
                     target->provider_name, wire->body.limit);
}
