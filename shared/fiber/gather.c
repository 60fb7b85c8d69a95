/* Gathering
 *
 *      asked ──► queue ──► batch of a lane ──► done
 *                  │             │
 *                  └─ given up ──┘
 *
 * An item is on the queue or in a batch, never in both; its asker leaves only when it is in
 * neither. A lane that finds the queue empty waits; every asker signals one of them.
 */

#include "shared/fiber/gather.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

struct lane {
    struct gather *gather;
    struct fiber *fiber;
    struct gather_batch batch;
};

struct gather {
    struct gather_options options;
    struct list queue; /* of gather_item.link */
    struct cond work;  /* the queue is not empty, or closing */
    bool closing;
    struct lane lanes[];
};

/* At least one item, and what fits beside it. */
static void take(struct gather *gather, struct gather_batch *batch)
{
    size_t bytes = 0;

    batch->count = 0;
    while (!list_empty(&gather->queue) && batch->count < gather->options.batch_max) {
        struct gather_item *item = CONTAINER_OF(gather->queue.next, struct gather_item, link);

        if (batch->count > 0 && bytes + item->bytes > gather->options.batch_max_bytes)
            return;
        bytes += item->bytes;
        list_remove(&item->link);
        item->batch = batch;
        item->place = batch->count;
        batch->items[batch->count++] = item;
    }
}

void gather_done(struct gather_batch *batch, size_t place)
{
    struct gather_item *item;

    ASSERT(place < batch->count);
    item = batch->items[place];
    if (!item)
        return;
    batch->items[place] = NULL;
    item->done = true;
    fiber_wake(item->fiber);
}

static void lane_main(void *arg)
{
    struct lane *lane = arg;
    struct gather *gather = lane->gather;

    for (;;) {
        while (list_empty(&gather->queue) && !gather->closing)
            IGNORE(cond_wait(&gather->work, DEADLINE_NONE, NULL));
        if (list_empty(&gather->queue))
            return;
        if (gather->options.await)
            gather->options.await(gather->options.arg);
        if (list_empty(&gather->queue)) /* given up meanwhile, or taken by the other lane */
            continue;
        take(gather, &lane->batch);
        gather->options.fn(gather->options.arg, &lane->batch);
        for (size_t i = 0; i < lane->batch.count; i++)
            gather_done(&lane->batch, i);
    }
}

struct gather *gather_new(const struct gather_options *options)
{
    size_t lanes = options->lanes;
    struct gather *gather = xcalloc(1, sizeof(*gather) + lanes * sizeof(gather->lanes[0]));

    ASSERT(lanes > 0 && options->batch_max > 0);
    gather->options = *options;
    list_init(&gather->queue);
    cond_init(&gather->work);
    for (size_t i = 0; i < lanes; i++) {
        struct lane *lane = &gather->lanes[i];

        lane->gather = gather;
        lane->batch.items = xcalloc(options->batch_max, sizeof(struct gather_item *));
        lane->fiber = fiber_start(options->name, lane_main, lane);
    }
    return gather;
}

void gather_free(struct gather *gather)
{
    if (!gather)
        return;
    gather->closing = true;
    cond_broadcast(&gather->work);
    for (size_t i = 0; i < gather->options.lanes; i++) {
        fiber_join(gather->lanes[i].fiber);
        free(gather->lanes[i].batch.items);
    }
    free(gather);
}

static int give_up(struct gather_item *item, struct error *err)
{
    if (item->batch) {
        item->batch->items[item->place] = NULL;
        return error_set(err, E_CANCELED, "cancelled while it was being done");
    }
    list_remove(&item->link);
    return error_set(err, E_CANCELED, "cancelled before it was begun");
}

int gather_ask(struct gather *gather, struct gather_item *item, struct error *err)
{
    ASSERT(!gather->closing);
    item->fiber = fiber_self();
    item->batch = NULL;
    item->done = false;
    item->asked_us = clock_us();
    list_init(&item->link);
    list_add(&gather->queue, &item->link);
    cond_signal(&gather->work);
    fiber_trim_stack();
    while (!item->done) {
        /* What is done in the same turn as the cancel counts as done. */
        if (fiber_wait("gather", DEADLINE_NONE) == WAIT_CANCELED && !item->done)
            return give_up(item, err);
    }
    return 0;
}
