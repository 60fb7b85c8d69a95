/* What every wire format shares: the names of failures, and the request as it goes over the wire.
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

bool provider_failure_is_transient(enum provider_failure failure)
{
    switch (failure) {
    case PROVIDER_RATE_LIMITED:
    case PROVIDER_OVERLOADED:
    case PROVIDER_TIMED_OUT:
    case PROVIDER_STREAM_CUT:
    case PROVIDER_MALFORMED_REPLY:
        return true;
    case PROVIDER_OK:
    case PROVIDER_QUOTA:
    case PROVIDER_CONTEXT_OVERFLOW:
    case PROVIDER_BAD_REQUEST:
    case PROVIDER_AUTH:
        return false;
    }
    return false;
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
