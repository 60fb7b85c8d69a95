#pragma once
/* What many fibers ask for, done in batches.
 *
 * While a batch is being done, what is asked for meanwhile gathers and becomes the next one: large
 * batches under load, no delay when there is none, and no timer (natural batching). A batch is done
 * by a lane, a fiber of the gather; with two lanes one batch is made ready while the other is out.
 */

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/cond.h"

struct error;
struct fiber;
struct gather;
struct gather_batch;

/* One thing asked for, embedded in what describes it; it lives in the frame of the asking fiber.
 * The asker fills `bytes`; the rest is the gather's. */
struct gather_item {
    size_t bytes;
    struct list link;
    struct fiber *fiber;
    struct gather_batch *batch; /* NULL: still waiting to be taken */
    size_t place;
    bool done;
    int64_t asked_us;
};

/* What a lane does at once. items[i] becomes NULL when its asker has given up, which may happen
 * whenever the lane suspends: nothing of the asker's may be touched then. */
struct gather_batch {
    struct gather_item **items;
    size_t count;
};

/* What describes item `place` of a batch: a `type` with the item as its member `item`. NULL: its
 * asker has given up. */
#define GATHER_ASK(batch, place, type)                                                             \
    ((type *)gather_ask_at((batch), (place), offsetof(type, item)))

static inline void *gather_ask_at(const struct gather_batch *batch, size_t place, size_t offset)
{
    struct gather_item *item = batch->items[place];

    return item ? (char *)item - offset : NULL;
}

/* Does a batch, on the lane's fiber; may suspend. What came of an item is left in the asker's
 * memory. Askers are woken when it returns, or before, by gather_done. */
typedef void (*gather_fn)(void *arg, struct gather_batch *batch);

/* Suspends for as long as gathering more costs no time. */
typedef void (*gather_await_fn)(void *arg);

struct gather_options {
    const char *name; /* of the fibers */
    gather_fn fn;
    gather_await_fn await; /* before a batch is taken; may be NULL */
    void *arg;
    size_t lanes;
    size_t batch_max;       /* items */
    size_t batch_max_bytes; /* of what its items need; one is always taken */
};

struct gather *gather_new(const struct gather_options *options);

/* Does what is left, and ends the lanes. Accepts NULL. */
SUSPENDS void gather_free(struct gather *gather);

/* Waits until the item is done. Returns 0, or -E_CANCELED: the item was never taken, or is being
 * done and nobody will hear what came of it. */
SUSPENDS MUSTCHECK int gather_ask(struct gather *gather, struct gather_item *item,
                                  struct error *err);

/* Item `place` of the batch is done: its asker goes on. Does nothing when it has given up. */
void gather_done(struct gather_batch *batch, size_t place);
