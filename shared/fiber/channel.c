/* A bounded ring of pointers between two conditions. */

#include "shared/fiber/channel.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

void channel_init(struct channel *channel, size_t capacity)
{
    ASSERT(capacity > 0);
    *channel = (struct channel){.capacity = capacity};
    channel->items = xcalloc(capacity, sizeof(*channel->items));
    cond_init(&channel->readable);
    cond_init(&channel->writable);
}

void channel_deinit(struct channel *channel)
{
    ASSERT(!cond_has_waiters(&channel->readable));
    ASSERT(!cond_has_waiters(&channel->writable));
    free(channel->items);
    channel->items = NULL;
}

bool channel_try_send(struct channel *channel, void *item)
{
    if (channel->closed || channel->count == channel->capacity)
        return false;
    channel->items[(channel->head + channel->count++) % channel->capacity] = item;
    cond_signal(&channel->readable);
    return true;
}

bool channel_try_receive(struct channel *channel, void **out)
{
    if (channel->count == 0)
        return false;
    *out = channel->items[channel->head];
    channel->head = (channel->head + 1) % channel->capacity;
    channel->count--;
    cond_signal(&channel->writable);
    return true;
}

int channel_send(struct channel *channel, void *item, int64_t deadline_ms, struct error *err)
{
    while (!channel->closed) {
        int r;

        if (channel_try_send(channel, item))
            return 0;
        r = cond_wait(&channel->writable, deadline_ms, err);
        if (r < 0)
            return r;
    }
    return CHANNEL_CLOSED;
}

int channel_receive(struct channel *channel, void **out, int64_t deadline_ms, struct error *err)
{
    while (!channel_try_receive(channel, out)) {
        int r;

        if (channel->closed)
            return CHANNEL_CLOSED;
        r = cond_wait(&channel->readable, deadline_ms, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void channel_close(struct channel *channel)
{
    channel->closed = true;
    cond_broadcast(&channel->readable);
    cond_broadcast(&channel->writable);
}
