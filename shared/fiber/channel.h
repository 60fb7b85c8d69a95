#pragma once
/* A bounded queue of pointers between fibers: senders wait while it is full, receivers while it is
 * empty. Closing wakes all; what was sent before can still be received. */

#include "shared/base/compiler.h"
#include "shared/fiber/cond.h"

struct error;

enum { CHANNEL_CLOSED = 1 };

struct channel {
    void **items;
    size_t capacity;
    size_t head;
    size_t count;
    bool closed;
    struct cond readable;
    struct cond writable;
};

void channel_init(struct channel *channel, size_t capacity); /* capacity > 0 */
void channel_deinit(struct channel *channel);                /* must be empty of waiters */

/* Returns 0, CHANNEL_CLOSED (nothing was sent), -E_TIMEOUT, or -E_CANCELED. */
SUSPENDS MUSTCHECK int channel_send(struct channel *channel, void *item, int64_t deadline_ms,
                                    struct error *err);

/* Returns 0 with *out, CHANNEL_CLOSED (closed and empty), -E_TIMEOUT, or -E_CANCELED. */
SUSPENDS MUSTCHECK int channel_receive(struct channel *channel, void **out, int64_t deadline_ms,
                                       struct error *err);

/* Without waiting: false when full or closed, or empty. */
MUSTCHECK bool channel_try_send(struct channel *channel, void *item);
MUSTCHECK bool channel_try_receive(struct channel *channel, void **out);

void channel_close(struct channel *channel);
