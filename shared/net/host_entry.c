/* Entries of an allow-list of hosts
 *
 * What is no name and no address is refused, so that a slip (a scheme, a path, a star within) is
 * told to who makes it, and does not become an entry that allows nothing.
 */

#include "shared/net/host_entry.h"

#include <string.h>
#include <strings.h>

#include "shared/base/error.h"

enum { HOST_BYTES_MAX = 253 };

/* A host without port may be an IPv6 address in brackets, which has colons of its own. */
static bool split_port(struct text text, struct host_entry *out)
{
    size_t at = text.len;
    int64_t port;

    out->port = 0;
    while (at > 0 && text.ptr[at - 1] != ':' && text.ptr[at - 1] != ']')
        at--;
    if (at > 0 && text.ptr[at - 1] == ':') {
        if (!text_to_int((struct text){text.ptr + at, text.len - at}, &port) || port < 1 ||
            port > 65535)
            return false;
        out->port = (int)port;
        text.len = at - 1;
    } else if (at != 0 && at != text.len) {
        return false; /* something behind the bracket */
    }
    out->host = text;
    return true;
}

static bool is_name(struct text host)
{
    bool dot = true; /* an empty label is none */

    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';

        if (!word && (c != '.' || dot))
            return false;
        dot = c == '.';
    }
    return host.len >= 1 && host.len <= HOST_BYTES_MAX && !dot;
}

static bool is_bracketed(struct text host)
{
    if (host.len < 4 || host.ptr[0] != '[' || host.ptr[host.len - 1] != ']')
        return false;
    for (size_t i = 1; i < host.len - 1; i++)
        if (!strchr("0123456789abcdefABCDEF:.", host.ptr[i]))
            return false;
    return true;
}

static bool parse(struct text rest, struct host_entry *out)
{
    out->subdomains = text_starts(rest, "*.");
    if (out->subdomains) {
        rest.ptr += 2;
        rest.len -= 2;
    }
    if (!split_port(rest, out))
        return false;
    if (!out->subdomains && is_bracketed(out->host)) {
        out->host.ptr++;
        out->host.len -= 2;
        return true;
    }
    if (out->host.len > 1 && out->host.ptr[out->host.len - 1] == '.')
        out->host.len--;
    return is_name(out->host);
}

int host_entry_parse(struct text entry, struct host_entry *out, struct error *err)
{
    struct host_entry parsed;

    if (!parse(entry, &parsed))
        return error_set(err, E_INVALID,
                         "'%.*s' is no host: write \"api.example.com\" (ports 80 and 443), "
                         "\"api.example.com:8443\" or \"*.example.com\"",
                         (int)(entry.len < 100 ? entry.len : 100), entry.ptr ? entry.ptr : "");
    *out = parsed;
    return 0;
}

static bool same_host(struct text a, struct text b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

bool host_entry_allows(const struct host_entry *entry, struct text host, int port)
{
    struct text tail = host;

    if (entry->port ? entry->port != port : port != 80 && port != 443)
        return false;
    if (!entry->subdomains)
        return same_host(entry->host, host);
    if (host.len < entry->host.len + 2)
        return false;
    tail.ptr += host.len - entry->host.len;
    tail.len = entry->host.len;
    return tail.ptr[-1] == '.' && same_host(entry->host, tail);
}
