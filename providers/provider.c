/* What every wire format shares: the names of failures, and the keys of a target. */

#include "providers/provider.h"

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

void provider_target_use(struct provider_target *target, size_t key)
{
    if (key < target->keys_count)
        target->api_key = target->keys[key].secret;
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
