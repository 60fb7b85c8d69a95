#pragma once
/* Whose API key is it? Postgres knows; a small cache spares it the question for some seconds.
 *
 * At most KEY_CACHE_MAX keys, the least recently used make room. An answer is good for KEY_TTL_MS,
 * so a revoked key stops working within seconds. Unknown keys are not kept: guessing costs the
 * guesser a query each, and a key that was just made works at once.
 */

#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/store/access/tenants.h"

struct error;
struct key_cache;
struct pg;

#define KEY_CACHE_MAX 4096
#define KEY_TTL_MS    5000

struct key_owner {
    struct uuid tenant;
    struct uuid key;
    struct tenant_rates rates; /* of the tenant */
};

struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *cache); /* accepts NULL */

/* Returns 0 with *out, KEY_MISSING (shared/store/store.h), or what the store failed with. */
SUSPENDS MUSTCHECK int key_cache_find(struct key_cache *cache, struct pg *pg, struct text key,
                                      struct key_owner *out, struct error *err);

/* The two halves, for tests. lookup: 0, or KEY_MISSING when no answer is there that is still
 * good. */
MUSTCHECK int key_cache_lookup(struct key_cache *cache, const uint8_t hash[SHA256_BYTES],
                               int64_t now_ms, struct key_owner *out);
void key_cache_insert(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                      struct key_owner owner);
size_t key_cache_count(const struct key_cache *cache);
