/* The bounded cache. */

#include <criterion/criterion.h>

#include <stdlib.h>

#include "shared/base/id.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"

struct item {
    struct lru_entry entry;
    int key;
};

static int dropped;
static int last_dropped;

static bool matches(const struct lru_entry *entry, const void *key)
{
    return CONTAINER_OF(entry, struct item, entry)->key == *(const int *)key;
}

static void drop(struct lru_entry *entry)
{
    struct item *item = CONTAINER_OF(entry, struct item, entry);

    dropped++;
    last_dropped = item->key;
    free(item);
}

/* Every third key has the same hash. */
static uint64_t hash_of(int key)
{
    return (uint64_t)key % 3;
}

static void add(struct lru *lru, int key)
{
    struct item *item = xcalloc(1, sizeof(*item));

    item->key = key;
    lru_add(lru, hash_of(key), &item->entry);
}

static bool has(struct lru *lru, int key)
{
    return lru_find(lru, hash_of(key), &key) != NULL;
}

Test(lru, the_one_used_longest_ago_makes_room)
{
    struct lru lru;

    dropped = 0;
    lru_init(&lru, 3, matches, drop);
    for (int key = 0; key < 3; key++)
        add(&lru, key);
    cr_assert(has(&lru, 0));
    add(&lru, 3);
    cr_assert_eq(last_dropped, 1);
    cr_assert(has(&lru, 0) && has(&lru, 2) && has(&lru, 3) && !has(&lru, 1));
    cr_assert_eq(lru.count, 3);
    lru_deinit(&lru);
    cr_assert_eq(dropped, 4);
}

Test(lru, keys_of_one_hash_are_told_apart_and_one_can_be_removed)
{
    struct lru lru;
    int key = 3;

    dropped = 0;
    lru_init(&lru, 10, matches, drop);
    for (int i = 0; i < 9; i++)
        add(&lru, i);
    lru_remove(&lru, lru_find(&lru, hash_of(key), &key));
    cr_assert_eq(last_dropped, 3);
    for (int i = 0; i < 9; i++)
        cr_assert_eq(has(&lru, i), i != 3);
    lru_deinit(&lru);
    cr_assert_eq(dropped, 9);
}

Test(lru, the_hash_of_random_bytes_is_their_end)
{
    const uint8_t bytes[12] = {[3] = 7, [4] = 1, [11] = 2};
    const uint8_t other[12] = {[3] = 8, [4] = 1, [11] = 2};

    cr_assert_eq(lru_hash_bytes(bytes, 12), lru_hash_bytes(other, 12));
}

/* Two bits of an id say which kind of one it is; a hash that had them where buckets are told apart
 * would leave three of four empty. Of 4096 random ones 2589 buckets have one, on the average. */
Test(lru, ids_are_spread_over_all_buckets)
{
    static bool used[4096];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(used); i++) {
        struct uuid id = uuid_new();

        used[lru_hash_bytes(id.bytes, sizeof(id.bytes)) % ARRAY_LENGTH(used)] = true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(used); i++)
        count += used[i];
    cr_assert_gt(count, 2000, "%zu", count);
}
