#pragma once
/* Spans that have ended and wait to be sent, as JSON, in the order in which they ended. There is
 * room for a number of them and for a number of bytes, which spans that have not ended share; what
 * finds none is dropped and counted, so that nobody ever waits for a collector. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SPAN_QUEUE_SPANS 16384
#define SPAN_QUEUE_BYTES ((size_t)16 << 20)

struct span_queue {
    struct text *items; /* a ring; owns the bytes */
    size_t first;
    size_t count;
    size_t size;
    size_t bytes; /* of these, and of what was charged */
    size_t bytes_max;
    uint64_t dropped;
};

void span_queue_init(struct span_queue *queue, size_t size, size_t bytes_max);
void span_queue_deinit(struct span_queue *queue);

/* Room for so many bytes of a span that has not ended. False: there is none. */
MUSTCHECK bool span_queue_charge(struct span_queue *queue, size_t bytes);
void span_queue_give_back(struct span_queue *queue, size_t bytes);

/* Copies it. False: there is no room; it is counted as dropped. */
bool span_queue_add(struct span_queue *queue, struct text span);

/* How many of the first spans are at most so many, and of so many bytes together; one at least
 * where there is one. */
size_t span_queue_batch(const struct span_queue *queue, size_t spans_max, size_t bytes_max);
struct text span_queue_at(const struct span_queue *queue, size_t place);

/* The first `count` are gone. */
void span_queue_drop_first(struct span_queue *queue, size_t count);
