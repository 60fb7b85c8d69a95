/* Reading the url of a request, and matching it against the allow-list.
 *
 * The url is read once, by libcurl's URL API, and what it understood is what is sent, so no two
 * parsers can disagree about the host. What that parser forgives (one or three slashes, blanks,
 * backslashes) is refused before.
 */

#include "shared/http_client/http_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/net/host_entry.h"

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
    CLEANUP(curl_freep) char *host = NULL;
    CLEANUP(curl_freep) char *port = NULL;
    CLEANUP(curl_freep) char *zone = NULL;
    CLEANUP(curl_freep) char *url = NULL;
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
    CLEANUP(url_cleanup) CURLU *parsed = NULL;
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

int http_target_check(const struct http_target *target, const char *const *allow,
                      size_t allow_count, struct error *err)
{
    if (allow_count == 0)
        return error_set(err, E_DENIED,
                         "this agent may not make HTTP requests: its http_allow names no host; its "
                         "owner must add %.100s there",
                         target->host);
    for (size_t i = 0; i < allow_count; i++) {
        struct host_entry entry;

        if (host_entry_parse(text_of(allow[i]), &entry, NULL) == 0 &&
            host_entry_allows(&entry, text_of(target->host), target->port))
            return 0;
    }
    return error_set(err, E_DENIED,
                     "%.100s port %d is not in this agent's http_allow; only hosts listed there "
                     "can be reached",
                     target->host, target->port);
}
