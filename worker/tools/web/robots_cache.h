#pragma once
/* What robots.txt of origins say, kept for a while; bounded by number and by bytes. */

#include "shared/base/compiler.h"
#include "shared/base/lru.h"
#include "shared/base/text.h"
#include "worker/tools/web/robots.h"

#define ROBOTS_CACHE_ORIGINS 512
#define ROBOTS_CACHE_BYTES   ((size_t)8 << 20)
#define ROBOTS_KNOWN_MS      (3600 * INT64_C(1000))
#define ROBOTS_UNKNOWN_MS    (60 * INT64_C(1000)) /* of an origin that could not be asked */

struct robots_cache {
    struct lru entries;
    size_t bytes;
};

/* What an origin says. */
struct robots_entry {
    struct lru_entry entry;
    struct robots_cache *cache;
    char *origin; /* "https://host:443" */
    int64_t until_ms;
    bool forbidden; /* all of it, since the file could not be had; "why" is for the model */
    struct robots robots;
};

void robots_cache_init(struct robots_cache *cache);
void robots_cache_deinit(struct robots_cache *cache);

/* NULL: it is not known (any more). Borrowed until the next call, or a suspension. */
const struct robots_entry *robots_cache_find(struct robots_cache *cache, struct text origin,
                                             int64_t now_ms);

/* Keeps what is said; takes *robots over. Whatever was known of the origin gives way. */
const struct robots_entry *robots_cache_add(struct robots_cache *cache, struct text origin,
                                            struct robots *robots, bool forbidden, int64_t now_ms);
