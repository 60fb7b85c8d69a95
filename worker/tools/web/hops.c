#include "worker/tools/web/hops.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"

#define HEADER_BYTES       ((size_t)32 << 10)
#define CONNECT_TIMEOUT_MS 5000

int hops_find_addresses(const struct hops *hops, const struct http_target *target,
                        struct resolved *out, struct error *err)
{
    int r =
        guard_resolve_named(hops->guard, target->host, target->port, hops->deadline_ms, out, err);

    if (r == -E_DENIED)
        return error_set(err, E_DENIED, "%.100s has no public address, and others are not read",
                         target->host);
    return r;
}

static int ask(const struct hops *hops, const struct http_target *target, struct http_response *out,
               struct error *err)
{
    const struct http_header accept = {TEXT("Accept"), text_of(hops->accept)};
    struct http_call call = {
        .method = "GET",
        .url = target->url,
        .headers = &accept,
        .headers_count = hops->accept ? 1 : 0,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_header_bytes = HEADER_BYTES,
        .max_body_bytes = hops->max_bytes,
        .truncate_body = true,
        .decode_body = true,
        .once = true,
    };
    struct resolved pins;
    int r = hops_find_addresses(hops, target, &pins, err);

    if (r < 0)
        return r;
    call.total_timeout_ms = hops->deadline_ms - clock_ms();
    if (call.total_timeout_ms <= 0)
        return error_set(err, E_TIMEOUT, "no time was left for %.100s", target->host);
    r = http_call_pinned(hops->http, &call, pins.addresses, pins.count, out, err);
    if (r == -E_TIMEOUT)
        return error_set(err, E_TIMEOUT, "%.100s did not answer in time, or its answer has no end",
                         target->host);
    return r;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_secure(const char *url)
{
    return text_starts(text_of(url), "https://");
}

/* Where a redirect leads, into out->url. */
static int follow(const struct http_target *target, const struct http_response *response,
                  struct hops_reply *out, struct error *err)
{
    struct text location = http_response_header(response, "location");
    char next[PAGE_URL_MAX + 1];

    if (!page_url_join(text_of(target->url), location, next))
        return error_set(err, E_DENIED,
                         "%.100s redirects to something that is no address of http or https",
                         target->host);
    if (is_secure(target->url) && !is_secure(next))
        return error_set(err, E_DENIED,
                         "%.100s redirects from https to http, which is not followed",
                         target->host);
    (void)snprintf(out->url, sizeof(out->url), "%s", next);
    return 0;
}

enum { HOP_AGAIN = 1 };

/* Returns 0 with the reply; HOP_AGAIN with the next address in out->url. */
static int hop(const struct hops *hops, struct hops_reply *out, struct error *err)
{
    struct http_target target = {.url = NULL};
    int r = http_target_parse(out->url, &target, err);

    if (r == 0 && hops->check)
        r = hops->check(hops->arg, &target, err);
    if (r == 0)
        r = ask(hops, &target, &out->response, err);
    if (r == 0 && is_redirect(out->response.status)) {
        r = follow(&target, &out->response, out, err);
        http_response_deinit(&out->response);
        r = r < 0 ? r : HOP_AGAIN;
    } else if (r == 0) {
        (void)snprintf(out->url, sizeof(out->url), "%s", target.url);
    }
    http_target_deinit(&target);
    return r;
}

int hops_get(const struct hops *hops, const char *url, struct hops_reply *out, struct error *err)
{
    memset(out, 0, sizeof(*out)); /* it is too large for the stack twice */
    if (strlen(url) > PAGE_URL_MAX)
        return error_set(err, E_INVALID, "the url is longer than %d bytes", PAGE_URL_MAX);
    (void)snprintf(out->url, sizeof(out->url), "%s", url);
    for (int i = 0; i <= HOPS_MAX; i++) {
        int r = hop(hops, out, err);

        if (r != HOP_AGAIN)
            return r;
    }
    return error_set(err, E_DENIED, "there are more than %d redirects", HOPS_MAX);
}
