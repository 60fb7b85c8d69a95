/* Fields of a request: headers, query parameters, percent-decoding.
 *
 * Nothing is decoded ahead of time, and nothing twice: the target stays as received, and who asks
 * for a part gets that part decoded (RFC 3986, section 2.4).
 */

#include "shared/http_server/http_server.h"

#include "shared/http_server/scan.h"

struct text http_header_get(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->headers_count; i++)
        if (text_is_nocase(exchange->headers[i].name, name))
            return exchange->headers[i].value;
    return TEXT_NONE;
}

bool http_decode(struct arena *arena, struct text in, bool plus_is_blank, struct text *out)
{
    char *to = arena_alloc(arena, in.len + 1);
    size_t len = 0;

    if (!to)
        return false;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];

        if (c == '+' && plus_is_blank)
            c = ' ';
        if (c == '%') {
            int high = in.len - i > 2 ? text_hex_digit(in.ptr[i + 1]) : -1;
            int low = in.len - i > 2 ? text_hex_digit(in.ptr[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        to[len++] = c;
    }
    to[len] = '\0';
    *out = (struct text){to, len};
    return true;
}

/* Whether a name as received is, decoded, `name`. */
static bool name_matches(struct text received, const char *name)
{
    size_t at = 0;

    for (size_t i = 0; i < received.len; i++, at++) {
        char c = received.ptr[i];

        if (c == '+')
            c = ' ';
        if (c == '%' && received.len - i > 2) {
            c = (char)(text_hex_digit(received.ptr[i + 1]) * 16 +
                       text_hex_digit(received.ptr[i + 2]));
            i += 2;
        }
        if (name[at] == '\0' || name[at] != c)
            return false;
    }
    return name[at] == '\0';
}

struct text http_query_get(struct http_exchange *exchange, const char *name, size_t index)
{
    struct text rest = exchange->query;

    while (rest.len > 0) {
        struct text pair = rest;
        struct text key;
        struct text value;
        struct text decoded;

        if (!text_cut(rest, '&', &pair, &rest))
            rest = TEXT_NONE;
        if (!text_cut(pair, '=', &key, &value)) {
            key = pair;
            value = TEXT("");
        }
        if (!name_matches(key, name) || index-- > 0)
            continue;
        return http_decode(&exchange->arena, value, true, &decoded) ? decoded : TEXT_NONE;
    }
    return TEXT_NONE;
}

bool http_query_next(struct http_exchange *exchange, struct text *rest, struct text *out_name)
{
    struct text pair = *rest;
    struct text key;
    struct text value;

    if (rest->len == 0)
        return false;
    if (!text_cut(*rest, '&', &pair, rest))
        *rest = TEXT_NONE;
    if (!text_cut(pair, '=', &key, &value))
        key = pair;
    if (!http_decode(&exchange->arena, key, true, out_name))
        *out_name = key;
    return true;
}
