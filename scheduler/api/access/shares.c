/* Shares, found by tenant. */

#include "scheduler/api/access/shares.h"

#include <stdlib.h>

#include "shared/base/memory.h"

enum { BUCKETS = 1024 };

struct shares {
    struct list buckets[BUCKETS];
};

struct shares *shares_new(void)
{
    struct shares *shares = xcalloc(1, sizeof(*shares));

    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&shares->buckets[i]);
    return shares;
}

void shares_free(struct shares *shares)
{
    if (!shares)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        ASSERT(list_empty(&shares->buckets[i]));
    free(shares);
}

struct share *share_acquire(struct shares *shares, struct uuid tenant)
{
    /* The last bytes of an id are random. */
    struct list *bucket = &shares->buckets[(tenant.bytes[15] | tenant.bytes[14] << 8) % BUCKETS];
    struct share *share;

    list_for_each (item, bucket) {
        share = CONTAINER_OF(item, struct share, bucket);
        if (uuid_equal(share->tenant, tenant)) {
            share->users++;
            return share;
        }
    }
    share = xcalloc(1, sizeof(*share));
    share->tenant = tenant;
    share->users = 1;
    budget_init(&share->bodies, SHARE_BODY_BYTES);
    budget_init(&share->large, SHARE_LARGE_BYTES);
    budget_init(&share->small, SHARE_SMALL_BYTES);
    budget_init(&share->files, SHARE_FILES_BYTES);
    budget_init(&share->readers, SHARE_READERS);
    list_add(bucket, &share->bucket);
    return share;
}

void share_release(struct share *share)
{
    ASSERT(share->users > 0);
    if (--share->users > 0)
        return;
    ASSERT(share->waiters == 0 && share->event_readers == 0);
    ASSERT(share->bodies.used == 0 && share->large.used == 0 && share->small.used == 0);
    ASSERT(share->files.used == 0);
    list_remove(&share->bucket);
    free(share);
}
