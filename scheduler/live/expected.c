/* An LRU of ids. */

#include "scheduler/live/expected.h"

#include <stdlib.h>

#include "shared/base/memory.h"

struct expected_run {
    struct lru_entry entry;
    struct uuid id;
};

static bool matches(const struct lru_entry *entry, const void *key)
{
    const struct expected_run *run = CONTAINER_OF(entry, const struct expected_run, entry);

    return uuid_equal(run->id, *(const struct uuid *)key);
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct expected_run, entry));
}

void expected_init(struct expected *expected)
{
    lru_init(&expected->runs, EXPECTED_MAX, matches, drop);
}

void expected_deinit(struct expected *expected)
{
    lru_deinit(&expected->runs);
}

bool expected_has(struct expected *expected, struct uuid run)
{
    return lru_find(&expected->runs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &run) != NULL;
}

void expected_add(struct expected *expected, struct uuid run)
{
    struct expected_run *added;

    if (expected_has(expected, run))
        return;
    added = xcalloc(1, sizeof(*added));
    added->id = run;
    lru_add(&expected->runs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &added->entry);
}
