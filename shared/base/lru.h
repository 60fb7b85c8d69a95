#pragma once
/* A bounded cache: entries are found by key, and the one that was used longest ago makes room.
 *
 * Intrusive: an entry is a struct of the user's that holds a struct lru_entry. The cache owns its
 * entries from lru_add on and gives each back to `drop`, which frees it. The user hashes: ids and
 * digests are random already, so eight of their bytes are a hash (lru_hash_bytes); a text that
 * somebody outside may choose needs a keyed hash, or its digest.
 */

#include "shared/base/compiler.h"
#include "shared/base/list.h"

struct lru_entry {
    struct list bucket;
    struct list use;
    uint64_t hash;
};

/* Whether the entry has this key; asked for entries of the same hash alone. */
typedef bool (*lru_matches_fn)(const struct lru_entry *entry, const void *key);

/* The entry has left the cache: free it. */
typedef void (*lru_drop_fn)(struct lru_entry *entry);

struct lru {
    struct list *buckets;
    size_t bucket_count;
    struct list uses; /* least recently used first */
    size_t count;
    size_t max;
    lru_matches_fn matches;
    lru_drop_fn drop;
};

/* For at most `max` (> 0) entries. Its buckets take 16 bytes for each of them. */
void lru_init(struct lru *lru, size_t max, lru_matches_fn matches, lru_drop_fn drop);

/* Drops all entries. */
void lru_deinit(struct lru *lru);

/* The entry with this key, now the one used last, or NULL. It stays the cache's: it may be gone
 * after the next lru_add or lru_remove, or after a suspension. */
struct lru_entry *lru_find(struct lru *lru, uint64_t hash, const void *key);

/* Takes an entry whose key is not in the cache; a full cache drops the least recently used one. */
void lru_add(struct lru *lru, uint64_t hash, struct lru_entry *entry);

/* Drops this one. */
void lru_remove(struct lru *lru, struct lru_entry *entry);

/* The last eight of at least eight random bytes. */
uint64_t lru_hash_bytes(const void *bytes, size_t len);
