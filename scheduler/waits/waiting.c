/* A table of runs, each with the list of its waiters. A run is in it as long as somebody waits. */

#include "scheduler/waits/waiting.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

enum { BUCKETS = 8192 };

struct waited_run {
    struct list bucket;
    struct list all;
    struct list waiters;
    struct uuid id;
};

struct waiting {
    size_t max;
    size_t count;
    size_t runs_count;
    bool ended;
    struct list all; /* the longest waited for first */
    struct list buckets[BUCKETS];
};

struct waiting *waiting_new(size_t max)
{
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));

    waiting->max = max;
    list_init(&waiting->all);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&waiting->buckets[i]);
    return waiting;
}

void waiting_free(struct waiting *waiting)
{
    if (!waiting)
        return;
    ASSERT(waiting->count == 0);
    free(waiting);
}

static struct list *bucket_of(struct waiting *waiting, struct uuid run)
{
    /* The last bytes of an id are random. */
    return &waiting->buckets[(run.bytes[15] | run.bytes[14] << 8) % BUCKETS];
}

static struct waited_run *find(struct waiting *waiting, struct uuid run)
{
    list_for_each (item, bucket_of(waiting, run)) {
        struct waited_run *waited = CONTAINER_OF(item, struct waited_run, bucket);

        if (uuid_equal(waited->id, run))
            return waited;
    }
    return NULL;
}

static struct waited_run *find_or_add(struct waiting *waiting, struct uuid run)
{
    struct waited_run *waited = find(waiting, run);

    if (waited)
        return waited;
    waited = xcalloc(1, sizeof(*waited));
    waited->id = run;
    list_init(&waited->waiters);
    list_add(bucket_of(waiting, run), &waited->bucket);
    list_add(&waiting->all, &waited->all);
    waiting->runs_count++;
    return waited;
}

bool waiting_join(struct waiting *waiting, struct waiter *waiter, struct uuid run)
{
    if (waiting->ended || waiting->count >= waiting->max)
        return false;
    *waiter = (struct waiter){.run = find_or_add(waiting, run)};
    list_add(&waiter->run->waiters, &waiter->link);
    waiting->count++;
    return true;
}

void waiting_leave(struct waiting *waiting, struct waiter *waiter)
{
    struct waited_run *waited = waiter->run;

    ASSERT(waiting->count > 0);
    waiting->count--;
    list_remove(&waiter->link);
    waiter->run = NULL;
    if (!list_empty(&waited->waiters))
        return;
    list_remove(&waited->bucket);
    list_remove(&waited->all);
    waiting->runs_count--;
    free(waited);
}

static size_t wake_all_of(struct waited_run *waited)
{
    size_t woken = 0;

    list_for_each (item, &waited->waiters) {
        struct waiter *waiter = CONTAINER_OF(item, struct waiter, link);

        woken += !waiter->woken;
        waiter->woken = true;
        if (waiter->fiber)
            fiber_wake(waiter->fiber);
    }
    return woken;
}

size_t waiting_wake(struct waiting *waiting, struct uuid run)
{
    struct waited_run *waited = find(waiting, run);

    return waited ? wake_all_of(waited) : 0;
}

void waiting_end(struct waiting *waiting)
{
    waiting->ended = true;
    list_for_each (item, &waiting->all)
        (void)wake_all_of(CONTAINER_OF(item, struct waited_run, all));
}

bool waiting_has_ended(const struct waiting *waiting)
{
    return waiting->ended;
}

size_t waiting_count(const struct waiting *waiting)
{
    return waiting->count;
}

size_t waiting_runs_count(const struct waiting *waiting)
{
    return waiting->runs_count;
}

size_t waiting_runs(const struct waiting *waiting, struct uuid *out, size_t max)
{
    size_t count = 0;

    list_for_each (item, &waiting->all) {
        if (count == max)
            break;
        out[count++] = CONTAINER_OF(item, struct waited_run, all)->id;
    }
    return count;
}
