/* The cache of API keys
 *
 * Keys are held by their SHA-256, never in clear. When an answer gets too old, the first request
 * that meets it asks Postgres; those beside it may use the old answer for one more second, so a
 * busy key costs one query each few seconds and not one per request in flight.
 */

#include "scheduler/api/access/key_cache.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"

enum { GRACE_MS = 1000 };

struct cached_key {
    struct lru_entry entry;
    uint8_t hash[SHA256_BYTES];
    struct key_owner owner;
    int64_t good_until_ms;
    bool asking; /* the answer got too old, and a request is on its way to ask */
};

struct key_cache {
    struct lru keys;
};

static bool matches(const struct lru_entry *entry, const void *hash)
{
    return memcmp(CONTAINER_OF(entry, struct cached_key, entry)->hash, hash, SHA256_BYTES) == 0;
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct cached_key, entry));
}

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = xcalloc(1, sizeof(*cache));

    lru_init(&cache->keys, KEY_CACHE_MAX, matches, drop);
    return cache;
}

void key_cache_free(struct key_cache *cache)
{
    if (!cache)
        return;
    lru_deinit(&cache->keys);
    free(cache);
}

size_t key_cache_count(const struct key_cache *cache)
{
    return cache->keys.count;
}

static struct cached_key *find(struct key_cache *cache, const uint8_t *hash)
{
    struct lru_entry *entry = lru_find(&cache->keys, lru_hash_bytes(hash, SHA256_BYTES), hash);

    return entry ? CONTAINER_OF(entry, struct cached_key, entry) : NULL;
}

int key_cache_lookup(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                     struct key_owner *out)
{
    struct cached_key *key = find(cache, hash);

    if (!key)
        return KEY_MISSING;
    if (key->good_until_ms < now_ms) {
        if (!key->asking || key->good_until_ms + GRACE_MS < now_ms) {
            key->asking = true;
            return KEY_MISSING;
        }
    }
    *out = key->owner;
    return 0;
}

void key_cache_insert(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                      struct key_owner owner)
{
    struct cached_key *key = find(cache, hash);

    if (!key) {
        key = xcalloc(1, sizeof(*key));
        memcpy(key->hash, hash, SHA256_BYTES);
        lru_add(&cache->keys, lru_hash_bytes(hash, SHA256_BYTES), &key->entry);
    }
    key->owner = owner;
    key->asking = false;
    key->good_until_ms = now_ms + KEY_TTL_MS;
}

static void forget(struct key_cache *cache, const uint8_t *hash)
{
    struct cached_key *key = find(cache, hash);

    if (key)
        lru_remove(&cache->keys, &key->entry);
}

int key_cache_find(struct key_cache *cache, struct pg *pg, struct text key, struct key_owner *out,
                   struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct api_key found;
    int r;

    sha256(key, hash);
    if (key_cache_lookup(cache, hash, clock_ms(), out) == 0)
        return 0;
    r = keys_authenticate(pg, key, &found, err);
    if (r == KEY_MISSING)
        forget(cache, hash);
    if (r != 0)
        return r;
    *out = (struct key_owner){found.tenant_id, found.id, found.rates};
    key_cache_insert(cache, hash, clock_ms(), *out);
    return 0;
}
