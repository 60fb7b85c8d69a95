/* The bounded cache: a hash table of lists, and one list in order of use. */

#include "shared/base/lru.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

void lru_init(struct lru *lru, size_t max, lru_matches_fn matches, lru_drop_fn drop)
{
    ASSERT(max > 0);
    *lru = (struct lru){.max = max, .matches = matches, .drop = drop};
    lru->bucket_count = max;
    lru->buckets = xcalloc(lru->bucket_count, sizeof(*lru->buckets));
    for (size_t i = 0; i < lru->bucket_count; i++)
        list_init(&lru->buckets[i]);
    list_init(&lru->uses);
}

void lru_remove(struct lru *lru, struct lru_entry *entry)
{
    list_remove(&entry->bucket);
    list_remove(&entry->use);
    lru->count--;
    lru->drop(entry);
}

static struct lru_entry *oldest(struct lru *lru)
{
    return CONTAINER_OF(lru->uses.next, struct lru_entry, use);
}

void lru_deinit(struct lru *lru)
{
    while (lru->count > 0)
        lru_remove(lru, oldest(lru));
    free(lru->buckets);
    lru->buckets = NULL;
}

static struct list *bucket_of(struct lru *lru, uint64_t hash)
{
    return &lru->buckets[hash % lru->bucket_count];
}

struct lru_entry *lru_find(struct lru *lru, uint64_t hash, const void *key)
{
    list_for_each (item, bucket_of(lru, hash)) {
        struct lru_entry *entry = CONTAINER_OF(item, struct lru_entry, bucket);

        if (entry->hash != hash || !lru->matches(entry, key))
            continue;
        list_remove(&entry->use);
        list_add(&lru->uses, &entry->use);
        return entry;
    }
    return NULL;
}

void lru_add(struct lru *lru, uint64_t hash, struct lru_entry *entry)
{
    if (lru->count == lru->max)
        lru_remove(lru, oldest(lru));
    entry->hash = hash;
    list_add(bucket_of(lru, hash), &entry->bucket);
    list_add(&lru->uses, &entry->use);
    lru->count++;
}

uint64_t lru_hash_bytes(const void *bytes, size_t len)
{
    uint64_t hash;

    ASSERT(len >= sizeof(hash));
    memcpy(&hash, (const char *)bytes + len - sizeof(hash), sizeof(hash));
    return hash ^ hash >> 32; /* the first of these bytes of an id has bits that are always so */
}
