/* Reading the url of a request, and matching it against the allow-list.
 *
 * The url is read once, by libcurl's URL API, and what it understood is what is sent, so no two
 * parsers can disagree about the host. What that parser forgives (one or three slashes, blanks,
 * backslashes) is refused before.
 */

#include "worker/tools/http_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

struct entry {
    struct text host; /* without "*." */
    bool subdomains;
    int port; /* 0: 80 and 443 */
};

static void url_cleanup(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_freep(char **text)
{
    curl_free(*text);
}

static int check_spelling(const char *url, struct error *err)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0    ? 7
                    : strncasecmp(url, "https://", 8) == 0 ? 8
                                                           : 0;

    if (scheme == 0)
        return error_set(err, E_INVALID, "the url must begin with http:// or https://");
    if (strlen(url) > HTTP_TARGET_URL_BYTES)
        return error_set(err, E_INVALID, "the url is longer than %d bytes", HTTP_TARGET_URL_BYTES);
    if (url[scheme] == '\0' || strchr("/?#:", url[scheme]))
        return error_set(err, E_INVALID, "the url names no host");
    for (const char *at = url; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return error_set(err, E_INVALID,
                             "the url holds a blank or a control character: write it as %%20 or "
                             "the like");
        if (*at == '\\')
            return error_set(err, E_INVALID, "the url holds a backslash: write it as %%5C");
    }
    return 0;
}

static int set_host(struct http_target *out, const char *host, struct error *err)
{
    size_t len = strlen(host);

    if (host[0] == '[') {
        host++;
        len -= 2;
    }
    while (len > 0 && host[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof(out->host))
        return error_set(err, E_INVALID, "the host name of the url is empty or too long");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)host[i];

        if (c <= ' ' || c >= 0x7f || strchr("%/\\@?#*<>\"'`{|}^", c))
            return error_set(err, E_INVALID,
                             "the host name of the url holds a character that is not allowed; "
                             "write international names in punycode (xn--…)");
        out->host[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out->host[len] = '\0';
    return 0;
}

static int read_parts(CURLU *parsed, struct http_target *out, struct error *err)
{
    CLEANUP(curl_freep)
    char *host = NULL;
    CLEANUP(curl_freep)
    char *port = NULL;
    CLEANUP(curl_freep)
    char *zone = NULL;
    CLEANUP(curl_freep)
    char *url = NULL;
    int64_t number;
    int r;

    if (curl_url_get(parsed, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK)
        return error_set(err, E_INVALID, "the url holds an IPv6 zone, which is not accepted");
    curl_url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
    if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host ||
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_URL, &url, 0) != CURLUE_OK)
        return error_set(err, E_INVALID, "the url names no host");
    if (!text_to_int(text_of(port), &number) || number < 1 || number > 65535)
        return error_set(err, E_INVALID, "the port of the url is not between 1 and 65535");
    r = set_host(out, host, err);
    if (r < 0)
        return r;
    out->port = (int)number;
    out->url = xstrdup(url);
    return 0;
}

int http_target_parse(const char *url, struct http_target *out, struct error *err)
{
    CLEANUP(url_cleanup)
    CURLU *parsed = NULL;
    struct http_target target = {0};
    CURLUcode code;
    int r = check_spelling(url, err);

    if (r < 0)
        return r;
    parsed = curl_url();
    ASSERT(parsed);
    code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_URLENCODE);
    if (code == CURLUE_USER_NOT_ALLOWED)
        return error_set(err, E_INVALID, "credentials in the url are not accepted: use a header");
    if (code != CURLUE_OK)
        return error_set(err, E_INVALID, "the url is malformed: %s", curl_url_strerror(code));
    r = read_parts(parsed, &target, err);
    if (r == 0)
        *out = target;
    return r;
}

void http_target_deinit(struct http_target *target)
{
    free(target->url);
    target->url = NULL;
}

/* A host without port may be an IPv6 address in brackets, which has colons of its own. */
static bool split_port(struct text text, struct entry *out)
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

static bool is_host(struct text host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("*/?#@:[]\\%", c))
            return false;
    }
    return host.len > 0 && host.ptr[0] != '.';
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

static bool parse_entry(const char *text, struct entry *out)
{
    struct text rest = text_of(text);

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
    return is_host(out->host);
}

static bool same_host(struct text a, const char *b, size_t len)
{
    return a.len == len && strncasecmp(a.ptr, b, len) == 0;
}

static bool entry_allows(const struct entry *entry, const struct http_target *target)
{
    size_t len = strlen(target->host);
    size_t offset;

    if (entry->port ? entry->port != target->port : target->port != 80 && target->port != 443)
        return false;
    if (!entry->subdomains)
        return same_host(entry->host, target->host, len);
    if (len < entry->host.len + 2)
        return false;
    offset = len - entry->host.len;
    return target->host[offset - 1] == '.' &&
           same_host(entry->host, target->host + offset, entry->host.len);
}

int http_target_check(const struct http_target *target, const char *const *allow,
                      size_t allow_count, struct error *err)
{
    if (allow_count == 0)
        return error_set(err, E_DENIED,
                         "this agent may not make HTTP requests: its http_allow names no host; its "
                         "owner must add %.100s there",
                         target->host);
    for (size_t i = 0; i < allow_count; i++) {
        struct entry entry;

        if (parse_entry(allow[i], &entry) && entry_allows(&entry, target))
            return 0;
    }
    return error_set(err, E_DENIED,
                     "%.100s port %d is not in this agent's http_allow; only hosts listed there "
                     "can be reached",
                     target->host, target->port);
}

int http_target_check_entry(const char *entry, struct error *err)
{
    struct entry parsed;

    if (parse_entry(entry, &parsed))
        return 0;
    return error_set(err, E_INVALID,
                     "'%.100s' is no host: write \"api.example.com\" (ports 80 and 443), "
                     "\"api.example.com:8443\" or \"*.example.com\"",
                     entry);
}
