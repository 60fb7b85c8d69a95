#include "shared/trace/span_queue.h"

#include <stdlib.h>

#include "shared/base/memory.h"

void span_queue_init(struct span_queue *queue, size_t size, size_t bytes_max)
{
    ASSERT(size > 0);
    *queue = (struct span_queue){
        .items = xcalloc(size, sizeof(struct text)), .size = size, .bytes_max = bytes_max};
}

void span_queue_deinit(struct span_queue *queue)
{
    span_queue_drop_first(queue, queue->count);
    free(queue->items);
    *queue = (struct span_queue){0};
}

bool span_queue_charge(struct span_queue *queue, size_t bytes)
{
    if (bytes > queue->bytes_max - queue->bytes)
        return false;
    queue->bytes += bytes;
    return true;
}

void span_queue_give_back(struct span_queue *queue, size_t bytes)
{
    ASSERT(bytes <= queue->bytes);
    queue->bytes -= bytes;
}

bool span_queue_add(struct span_queue *queue, struct text span)
{
    char *copy;

    if (queue->count == queue->size || !span_queue_charge(queue, span.len)) {
        queue->dropped++;
        return false;
    }
    copy = xmalloc(span.len + 1);
    memcpy(copy, span.ptr, span.len);
    copy[span.len] = '\0';
    queue->items[(queue->first + queue->count) % queue->size] = (struct text){copy, span.len};
    queue->count++;
    return true;
}

struct text span_queue_at(const struct span_queue *queue, size_t place)
{
    ASSERT(place < queue->count);
    return queue->items[(queue->first + place) % queue->size];
}

size_t span_queue_batch(const struct span_queue *queue, size_t spans_max, size_t bytes_max)
{
    size_t bytes = 0;
    size_t count = 0;

    while (count < queue->count && count < spans_max) {
        size_t len = span_queue_at(queue, count).len;

        if (count > 0 && len > bytes_max - bytes)
            break;
        bytes += len < bytes_max ? len : bytes_max;
        count++;
    }
    return count;
}

void span_queue_drop_first(struct span_queue *queue, size_t count)
{
    ASSERT(count <= queue->count);
    for (size_t i = 0; i < count; i++) {
        struct text span = span_queue_at(queue, i);

        span_queue_give_back(queue, span.len);
        free((char *)span.ptr);
    }
    queue->first = (queue->first + count) % queue->size;
    queue->count -= count;
}
