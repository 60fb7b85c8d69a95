/* The cache of API keys: a hash table of lists, and one list in order of use.
 *
 * Keys are held by their SHA-256, never in clear. When an answer gets too old, the first request
 * that meets it asks Postgres; those beside it may use the old answer for one more second, so a
 * busy key costs one query each few seconds and not one per request in flight.
 */

#include "scheduler/api/access/key_cache.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/store/access/tenants.h"

enum { BUCKETS = 4096, GRACE_MS = 1000 };

struct cached_key {
    struct list bucket;
    struct list use;
    uint8_t hash[SHA256_BYTES];
    struct uuid tenant;
    int64_t good_until_ms;
    bool asking; /* the answer got too old, and a request is on its way to ask */
};

struct key_cache {
    struct list buckets[BUCKETS];
    struct list uses; /* least recently used first */
    size_t count;
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = xcalloc(1, sizeof(*cache));

    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&cache->buckets[i]);
    list_init(&cache->uses);
    return cache;
}

static void drop(struct key_cache *cache, struct cached_key *key)
{
    list_remove(&key->bucket);
    list_remove(&key->use);
    free(key);
    cache->count--;
}

void key_cache_free(struct key_cache *cache)
{
    if (!cache)
        return;
    while (!list_empty(&cache->uses))
        drop(cache, CONTAINER_OF(cache->uses.next, struct cached_key, use));
    free(cache);
}

size_t key_cache_count(const struct key_cache *cache)
{
    return cache->count;
}

static struct list *bucket_of(struct key_cache *cache, const uint8_t *hash)
{
    return &cache->buckets[(hash[0] | hash[1] << 8) % BUCKETS];
}

static struct cached_key *find(struct key_cache *cache, const uint8_t *hash)
{
    list_for_each (item, bucket_of(cache, hash)) {
        struct cached_key *key = CONTAINER_OF(item, struct cached_key, bucket);

        if (memcmp(key->hash, hash, SHA256_BYTES) == 0)
            return key;
    }
    return NULL;
}

int key_cache_lookup(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                     struct uuid *out_tenant)
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
    list_remove(&key->use);
    list_add(&cache->uses, &key->use);
    *out_tenant = key->tenant;
    return 0;
}

void key_cache_insert(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                      struct uuid tenant)
{
    struct cached_key *key = find(cache, hash);

    if (!key) {
        if (cache->count == KEY_CACHE_MAX)
            drop(cache, CONTAINER_OF(cache->uses.next, struct cached_key, use));
        key = xcalloc(1, sizeof(*key));
        memcpy(key->hash, hash, SHA256_BYTES);
        list_add(bucket_of(cache, hash), &key->bucket);
        list_add(&cache->uses, &key->use);
        cache->count++;
    }
    key->tenant = tenant;
    key->asking = false;
    key->good_until_ms = now_ms + KEY_TTL_MS;
}

static void forget(struct key_cache *cache, const uint8_t *hash)
{
    struct cached_key *key = find(cache, hash);

    if (key)
        drop(cache, key);
}

int key_cache_find(struct key_cache *cache, struct pg *pg, struct text key, struct uuid *out_tenant,
                   struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct api_key found;
    int r;

    sha256(key, hash);
    if (key_cache_lookup(cache, hash, clock_ms(), out_tenant) == 0)
        return 0;
    r = keys_authenticate(pg, key, &found, err);
    if (r == KEY_MISSING)
        forget(cache, hash);
    if (r != 0)
        return r;
    key_cache_insert(cache, hash, clock_ms(), found.tenant_id);
    *out_tenant = found.tenant_id;
    return 0;
}
