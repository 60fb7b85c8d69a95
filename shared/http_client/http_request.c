/* A call before it goes to curl: what would be smuggled in is refused, and the header list is
 * built.
 *
 * curl takes headers as a list of strings with meanings of its own ("Name:" removes a default,
 * "Name;" sends it empty) and does not look for line breaks in them, so names and values are
 * checked here. Nodes and strings share one block, since a curl_slist_append costs two
 * allocations each.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/memory.h"
#include "shared/http_client/http_internal.h"

#define METHOD_MAX_BYTES  32
#define HEADERS_MAX_COUNT 256
#define HEADERS_MAX_BYTES ((size_t)256 << 10)
#define URL_MAX_BYTES     ((size_t)64 << 10)
#define DEFAULTS_MAX      2

/* RFC 9110, section 5.6.2. */
static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return text.len > 0;
}

/* RFC 9110, section 5.5: no control characters but the tab. */
static bool is_field_value(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Fills name and port of "host", "host:port" or "[v6]:port"; false: it has no port of its own. */
static bool split_port(struct http_transfer *transfer, struct text authority)
{
    size_t at = authority.len;
    int64_t port;

    while (at > 0 && authority.ptr[at - 1] != ':' && authority.ptr[at - 1] != ']')
        at--;
    if (at == 0 || authority.ptr[at - 1] == ']') {
        transfer->name = authority;
        transfer->port = transfer->secure ? 443 : 80;
        return false;
    }
    transfer->name = (struct text){authority.ptr, at - 1};
    if (text_to_int((struct text){authority.ptr + at, authority.len - at}, &port) && port > 0 &&
        port <= 65535)
        transfer->port = (int)port;
    return true;
}

/* Finds scheme, host and port, for the texts and for TLS; curl checks the rest of the url. */
static int read_url(struct http_transfer *transfer, struct error *err)
{
    const char *url = transfer->call->url;
    size_t scheme;
    struct text host;
    bool has_port;

    if (strncasecmp(url, "http://", 7) == 0)
        scheme = 7;
    else if (strncasecmp(url, "https://", 8) == 0)
        scheme = 8;
    else
        return error_set(err, E_INVALID, "a url must begin with http:// or https://");
    transfer->secure = scheme == 8;
    if (strlen(url) > URL_MAX_BYTES)
        return error_set(err, E_LIMIT, "a url has at most %zu bytes", URL_MAX_BYTES);
    host = (struct text){url + scheme, strcspn(url + scheme, "/?#\\")};
    if (host.len == 0)
        return error_set(err, E_INVALID, "the url names no host");
    if (memchr(host.ptr, '@', host.len))
        return error_set(err, E_INVALID, "credentials in a url are not accepted");
    for (const char *at = url; *at; at++)
        if (*at <= ' ' || *at >= 0x7f)
            return error_set(err, E_INVALID,
                             "the url holds a blank or another character that must be escaped");
    has_port = split_port(transfer, host);
    if (host.len > HTTP_HOST_TEXT_SIZE - 8)
        host.len = HTTP_HOST_TEXT_SIZE - 8;
    snprintf(transfer->host, sizeof(transfer->host), "%.*s%s", TEXT_ARGS(host),
             has_port           ? ""
             : transfer->secure ? ":443"
                                : ":80");
    return 0;
}

static int check_headers(const struct http_call *call, size_t *out_bytes, struct error *err)
{
    size_t bytes = 0;

    if (call->headers_count > HEADERS_MAX_COUNT)
        return error_set(err, E_LIMIT, "a request has at most %d headers", HEADERS_MAX_COUNT);
    for (size_t i = 0; i < call->headers_count; i++) {
        const struct http_header *header = &call->headers[i];

        if (!is_token(header->name))
            return error_set(err, E_INVALID, "request header %zu has a malformed name", i + 1);
        if (!is_field_value(header->value))
            return error_set(err, E_INVALID,
                             "the value of request header '%.*s' holds a control "
                             "character",
                             header->name.len > 80 ? 80 : (int)header->name.len, header->name.ptr);
        bytes += header->name.len + header->value.len + sizeof(": ");
        if (bytes > HEADERS_MAX_BYTES)
            return error_set(err, E_LIMIT, "the request headers are larger than %zu bytes",
                             HEADERS_MAX_BYTES);
    }
    *out_bytes = bytes;
    return 0;
}

static bool has_header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->headers_count; i++)
        if (text_is_nocase(call->headers[i].name, name))
            return true;
    return false;
}

/* Writes "Name: value", or "Name;" for an empty one, and returns the byte after its zero. */
static char *write_header(char *at, const struct http_header *header)
{
    memcpy(at, header->name.ptr, header->name.len);
    at += header->name.len;
    if (text_trim(header->value).len == 0) {
        *at++ = ';';
    } else {
        *at++ = ':';
        *at++ = ' ';
        memcpy(at, header->value.ptr, header->value.len);
        at += header->value.len;
    }
    *at++ = '\0';
    return at;
}

static void build_headers(struct http_transfer *transfer, size_t bytes)
{
    static char no_expect[] = "Expect:";
    static char no_type[] = "Content-Type:";
    const struct http_call *call = transfer->call;
    size_t count = call->headers_count + DEFAULTS_MAX;
    struct curl_slist *nodes = xmalloc(count * sizeof(*nodes) + bytes);
    char *at = (char *)(nodes + count);
    size_t n = 0;

    for (size_t i = 0; i < call->headers_count; i++) {
        nodes[n++].data = at;
        at = write_header(at, &call->headers[i]);
    }
    if (!has_header(call, "Expect"))
        nodes[n++].data = no_expect;
    if (!has_header(call, "Content-Type"))
        nodes[n++].data = no_type;
    for (size_t i = 0; i < n; i++)
        nodes[i].next = i + 1 < n ? &nodes[i + 1] : NULL;
    transfer->request_headers = nodes;
}

int http_request_prepare(struct http_transfer *transfer, struct error *err)
{
    const struct http_call *call = transfer->call;
    size_t bytes = 0;
    int r;

    if (strlen(call->method) > METHOD_MAX_BYTES || !is_token(text_of(call->method)))
        return error_set(err, E_INVALID, "malformed request method");
    if (strcmp(call->method, "HEAD") == 0 && call->body.len > 0)
        return error_set(err, E_INVALID, "a HEAD request has no body");
    r = read_url(transfer, err);
    if (r < 0)
        return r;
    if (call->pin && call->pin->storage.ss_family != AF_INET &&
        call->pin->storage.ss_family != AF_INET6)
        return error_set(err, E_INVALID, "the pinned address is no internet address");
    r = check_headers(call, &bytes, err);
    if (r < 0)
        return r;
    build_headers(transfer, bytes);
    return 0;
}

struct curl_slist *http_request_headers(struct http_transfer *transfer)
{
    return transfer->request_headers;
}
