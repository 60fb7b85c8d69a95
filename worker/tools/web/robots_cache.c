/* Entries are found by a digest of their origin, since origins are chosen by strangers. */

#include "worker/tools/web/robots_cache.h"

#include <stdlib.h>

#include "shared/base/digest.h"
#include "shared/base/memory.h"

static struct robots_entry *of(const struct lru_entry *entry)
{
    return CONTAINER_OF((struct lru_entry *)(uintptr_t)entry, struct robots_entry, entry);
}

static bool matches(const struct lru_entry *entry, const void *key)
{
    return text_is(*(const struct text *)key, of(entry)->origin);
}

static size_t bytes_of(const struct robots_entry *entry)
{
    return sizeof(*entry) + strlen(entry->origin) + entry->robots.bytes;
}

static void drop(struct lru_entry *entry)
{
    struct robots_entry *known = of(entry);

    known->cache->bytes -= bytes_of(known);
    robots_deinit(&known->robots);
    free(known->origin);
    free(known);
}

void robots_cache_init(struct robots_cache *cache)
{
    cache->bytes = 0;
    lru_init(&cache->entries, ROBOTS_CACHE_ORIGINS, matches, drop);
}

void robots_cache_deinit(struct robots_cache *cache)
{
    lru_deinit(&cache->entries);
}

static uint64_t hash_of(struct text origin)
{
    uint8_t digest[SHA256_BYTES];

    sha256(origin, digest);
    return lru_hash_bytes(digest, sizeof(digest));
}

const struct robots_entry *robots_cache_find(struct robots_cache *cache, struct text origin,
                                             int64_t now_ms)
{
    struct lru_entry *found = lru_find(&cache->entries, hash_of(origin), &origin);

    if (found && of(found)->until_ms > now_ms)
        return of(found);
    return NULL;
}

const struct robots_entry *robots_cache_add(struct robots_cache *cache, struct text origin,
                                            struct robots *robots, bool forbidden, int64_t now_ms)
{
    struct robots_entry *entry = xcalloc(1, sizeof(*entry));
    uint64_t hash = hash_of(origin);
    struct lru_entry *old = lru_find(&cache->entries, hash, &origin);

    if (old)
        lru_remove(&cache->entries, old);
    entry->cache = cache;
    entry->origin = xstrndup(origin.ptr, origin.len);
    entry->until_ms = now_ms + (forbidden ? ROBOTS_UNKNOWN_MS : ROBOTS_KNOWN_MS);
    entry->forbidden = forbidden;
    entry->robots = *robots;
    *robots = (struct robots){.rules = NULL};
    cache->bytes += bytes_of(entry);
    lru_add(&cache->entries, hash, &entry->entry);
    while (cache->bytes > ROBOTS_CACHE_BYTES && cache->entries.count > 1)
        lru_remove(&cache->entries, CONTAINER_OF(cache->entries.uses.next, struct lru_entry, use));
    return entry;
}
