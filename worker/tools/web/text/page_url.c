/* By libcurl's URL API, so that what a link says is what would be asked for. */

#include "worker/tools/web/text/page_url.h"

#include <stdio.h>

#include <curl/curl.h>

static void url_cleanup(CURLU **url)
{
    curl_url_cleanup(*url);
}

static bool set(CURLU *url, struct text text, unsigned flags)
{
    char copy[PAGE_URL_MAX + 1];

    if (text.len > PAGE_URL_MAX || memchr(text.ptr, 0, text.len))
        return false;
    (void)snprintf(copy, sizeof(copy), "%.*s", TEXT_ARGS(text));
    return curl_url_set(url, CURLUPART_URL, copy, flags) == CURLUE_OK;
}

bool page_url_join(struct text base, struct text reference, char out[PAGE_URL_MAX + 1])
{
    CLEANUP(url_cleanup) CURLU *url = curl_url();
    char *whole = NULL;
    bool fits;

    reference = text_trim(reference);
    if (!url || reference.len == 0 || !set(url, base, 0) ||
        !set(url, reference, CURLU_URLENCODE | CURLU_DISALLOW_USER))
        return false;
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        return false;
    fits = strlen(whole) <= PAGE_URL_MAX &&
           (text_starts(text_of(whole), "http://") || text_starts(text_of(whole), "https://"));
    if (fits)
        (void)snprintf(out, PAGE_URL_MAX + 1, "%s", whole);
    curl_free(whole);
    return fits;
}
