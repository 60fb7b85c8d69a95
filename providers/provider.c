/* What every wire format shares: the names of failures, the request as it goes over the wire, and
 * the reply as it arrives.
 *
 * A wire copies its headers and url into an arena of its own, since some are composed (the bearer
 * token) and some are slices of configuration lines. No value with a line break or another control
 * character gets in: headers can't be smuggled through a key or an id.
 */

#include "providers/provider.h"

#include "shared/base/error.h"

#define WIRE_ARENA_BYTES ((size_t)256 << 10)
#define WIRE_BODY_BYTES  ((size_t)16 << 20)

const char *provider_failure_name(enum provider_failure failure)
{
    switch (failure) {
    case PROVIDER_OK:
        return "ok";
    case PROVIDER_RATE_LIMITED:
        return "rate_limited";
    case PROVIDER_OVERLOADED:
        return "overloaded";
    case PROVIDER_TIMED_OUT:
        return "timed_out";
    case PROVIDER_STREAM_CUT:
        return "stream_cut";
    case PROVIDER_MALFORMED_REPLY:
        return "malformed_reply";
    case PROVIDER_EMPTY_REPLY:
        return "empty_reply";
    case PROVIDER_REPLY_TOO_LARGE:
        return "reply_too_large";
    case PROVIDER_NO_ROOM:
        return "no_room";
    case PROVIDER_QUOTA:
        return "quota";
    case PROVIDER_CONTEXT_OVERFLOW:
        return "context_overflow";
    case PROVIDER_BAD_REQUEST:
        return "bad_request";
    case PROVIDER_AUTH:
        return "auth";
    }
    return "unknown";
}

static bool ends_nocase(struct text text, const char *end)
{
    size_t len = strlen(end);

    return text.len >= len && text_is_nocase((struct text){text.ptr + text.len - len, len}, end);
}

struct text provider_header_key(const char *header)
{
    struct text name;
    struct text value;
    struct text scheme;
    struct text key;

    if (!text_cut(text_of(header), ':', &name, &value))
        return TEXT_NONE;
    name = text_trim(name);
    value = text_trim(value);
    if (!ends_nocase(name, "authorization") && !ends_nocase(name, "api-key"))
        return TEXT_NONE;
    return text_cut(value, ' ', &scheme, &key) ? text_trim(key) : value;
}

void provider_wire_init(struct provider_wire *wire)
{
    wire->url = NULL;
    wire->headers_count = 0;
    arena_init(&wire->arena, WIRE_ARENA_BYTES);
    buf_init(&wire->body, WIRE_BODY_BYTES);
}

void provider_wire_deinit(struct provider_wire *wire)
{
    buf_deinit(&wire->body);
    arena_deinit(&wire->arena);
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

int provider_wire_add_header(struct provider_wire *wire, struct text name, struct text value,
                             struct error *err)
{
    struct http_header *header = &wire->headers[wire->headers_count];

    if (wire->headers_count == PROVIDER_WIRE_HEADERS_MAX)
        return error_set(err, E_LIMIT, "more than %d headers for a provider",
                         PROVIDER_WIRE_HEADERS_MAX);
    if (name.len == 0 || !is_header_safe(name) || !is_header_safe(value))
        return error_set(err, E_INVALID,
                         "a header for a provider has a control character or no name");
    header->name = (struct text){arena_copy(&wire->arena, name), name.len};
    header->value = (struct text){arena_copy(&wire->arena, value), value.len};
    if (!header->name.ptr || !header->value.ptr)
        return error_set(err, E_LIMIT, "the headers for a provider are over %zu bytes",
                         WIRE_ARENA_BYTES);
    wire->headers_count++;
    return 0;
}

void provider_decoder_init(struct provider_decoder *decoder, const struct provider_target *target,
                           size_t body_bytes_max)
{
    *decoder = (struct provider_decoder){.target = target};
    buf_init(&decoder->body, body_bytes_max);
    if (target->provider->begin)
        target->provider->begin(decoder);
}

void provider_decoder_deinit(struct provider_decoder *decoder)
{
    if (decoder->target->provider->end)
        decoder->target->provider->end(decoder);
    buf_deinit(&decoder->body);
}

bool provider_decoder_feed(struct provider_decoder *decoder, struct text bytes)
{
    if (decoder->target->provider->feed)
        return decoder->target->provider->feed(decoder, bytes);
    buf_add_text(&decoder->body, bytes);
    return !decoder->body.failed;
}

int provider_decoder_finish(struct provider_decoder *decoder,
                            const struct provider_response *response, struct chat_reply *out,
                            struct provider_failure_info *out_failure)
{
    struct provider_response whole = *response;

    whole.body = buf_text(&decoder->body);
    return decoder->target->provider->finish(decoder, &whole, out, out_failure);
}
