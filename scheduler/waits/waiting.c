/* A table of runs, each with the list of its waiters. A run is in it as long as somebody waits. */

#include "scheduler/waits/waiting.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

enum { BUCKETS = 8192 };

struct waiting {
    struct waiting_options options;
    size_t count;
    size_t runs_count;
    bool ended;
    struct list all; /* the longest waited for first */
    struct list buckets[BUCKETS];
};

struct waiting *waiting_new(const struct waiting_options *options)
{
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));
    struct waiting_options *own = &waiting->options;

    *own = *options;
    if (own->max_of_one == 0)
        own->max_of_one = own->max;
    if (own->run_bytes == 0)
        own->run_bytes = sizeof(struct waited_run);
    ASSERT(own->run_bytes >= sizeof(struct waited_run));
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

struct waited_run *waiting_find(struct waiting *waiting, struct uuid run)
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
    struct waited_run *waited = waiting_find(waiting, run);

    if (waited)
        return waited;
    waited = xcalloc(1, waiting->options.run_bytes);
    waited->id = run;
    list_init(&waited->waiters);
    list_add(bucket_of(waiting, run), &waited->bucket);
    list_add(&waiting->all, &waited->all);
    waiting->runs_count++;
    if (waiting->options.begin)
        waiting->options.begin(waiting->options.arg, waited);
    return waited;
}

static void remove_run(struct waiting *waiting, struct waited_run *waited)
{
    if (waiting->options.end)
        waiting->options.end(waiting->options.arg, waited);
    list_remove(&waited->bucket);
    list_remove(&waited->all);
    waiting->runs_count--;
    free(waited);
}

bool waiting_has_room(const struct waiting *waiting, size_t held)
{
    return !waiting->ended && waiting->count < waiting->options.max &&
           held < waiting->options.max_of_one;
}

bool waiting_join(struct waiting *waiting, struct waiter *waiter, struct uuid run, size_t *held)
{
    if (!waiting_has_room(waiting, held ? *held : 0))
        return false;
    *waiter = (struct waiter){.run = find_or_add(waiting, run), .held = held};
    list_add(&waiter->run->waiters, &waiter->link);
    waiting->count++;
    if (held)
        ++*held;
    return true;
}

bool waiting_join_besides(struct waiting *waiting, struct waiter *waiter, struct uuid run)
{
    if (waiting->ended)
        return false;
    *waiter = (struct waiter){.run = find_or_add(waiting, run), .besides = true};
    list_add(&waiter->run->waiters, &waiter->link);
    return true;
}

void waiting_leave(struct waiting *waiting, struct waiter *waiter)
{
    struct waited_run *waited = waiter->run;

    ASSERT(waiter->besides || waiting->count > 0);
    if (!waiter->besides)
        waiting->count--;
    if (waiter->held)
        --*waiter->held;
    list_remove(&waiter->link);
    waiter->run = NULL;
    if (list_empty(&waited->waiters))
        remove_run(waiting, waited);
}

size_t waiting_wake_run(struct waited_run *waited)
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
    struct waited_run *waited = waiting_find(waiting, run);

    return waited ? waiting_wake_run(waited) : 0;
}

void waiting_end(struct waiting *waiting)
{
    waiting->ended = true;
    list_for_each (item, &waiting->all)
        (void)waiting_wake_run(CONTAINER_OF(item, struct waited_run, all));
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

void waiting_each(struct waiting *waiting, void (*fn)(void *arg, struct waited_run *run), void *arg)
{
    list_for_each (item, &waiting->all)
        fn(arg, CONTAINER_OF(item, struct waited_run, all));
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
