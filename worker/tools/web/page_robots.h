#pragma once
/* Whether a site asks programs not to read an address (robots.txt), asked of it or of the cache. */

#include "shared/base/compiler.h"
#include "shared/net/guard.h"

struct error;
struct http_client;
struct http_target;
struct web;

struct page_robots {
    struct web *web;
    struct http_client *http;
    const struct guard_options *guard;
    int64_t deadline_ms;
};

/* Returns 0, or -E_DENIED with a sentence for the model: the file says so, or it could not be read,
 * which by RFC 9309 means the same; or -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int page_robots_check(const struct page_robots *ask,
                                         const struct http_target *target, struct error *err);
