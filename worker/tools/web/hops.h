#pragma once
/* A GET of an address that a model or a page chose, and of those that it redirects to: each hop by
 * itself passes the SSRF guard, and is connected to at the address that was checked. */

#include "shared/base/compiler.h"
#include "shared/http_client/http_client.h"
#include "shared/http_client/http_target.h"
#include "shared/net/guard.h"
#include "worker/tools/web/text/page_url.h"

struct error;

#define HOPS_MAX 5 /* redirects */

struct hops {
    struct http_client *http;
    const struct guard_options *guard;
    const char *accept; /* header; NULL: anything */
    int64_t deadline_ms;
    size_t max_bytes; /* of a body; a longer one is cut */

    /* Whether a hop may be asked, before anything of it is looked up; NULL: each may. Returns 0, or
     * an error with a sentence for the model. */
    SUSPENDS MUSTCHECK int (*check)(void *arg, const struct http_target *target, struct error *err);
    void *arg;
};

struct hops_reply {
    struct http_response response;       /* of the last hop, which is no redirect */
    char url[HTTP_TARGET_URL_BYTES + 1]; /* of it */
};

/* The addresses of a hop, which the guard lets pass. Returns 0; -E_INVALID: there is no such host;
 * -E_DENIED, -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int hops_find_addresses(const struct hops *hops,
                                           const struct http_target *target, struct resolved *out,
                                           struct error *err);

/* Returns 0 for any complete reply, whatever its status, which the caller gives to
 * http_response_deinit; -E_INVALID (the address, or no such host), -E_DENIED (the guard, a check,
 * more than HOPS_MAX redirects, one from https to http, one to no address), -E_TIMEOUT, or what
 * else http_call returns. Each text is for the model, and names no address of a host. */
SUSPENDS MUSTCHECK int hops_get(const struct hops *hops, const char *url, struct hops_reply *out,
                                struct error *err);
