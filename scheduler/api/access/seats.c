/* Seats, found by key. */

#include "scheduler/api/access/seats.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/store/access/tenants.h"

enum { BUCKETS = 256 };

struct seats {
    size_t max_of_key;
    size_t taken;
    struct list buckets[BUCKETS];
};

struct seats *seats_new(size_t max_of_key)
{
    struct seats *seats = xcalloc(1, sizeof(*seats));

    seats->max_of_key = max_of_key;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&seats->buckets[i]);
    return seats;
}

void seats_free(struct seats *seats)
{
    if (!seats)
        return;
    ASSERT(seats->taken == 0);
    free(seats);
}

static struct seat *find_or_add(struct seats *seats, struct uuid key)
{
    struct list *bucket = &seats->buckets[key.bytes[15] % BUCKETS]; /* which is random */
    struct seat *seat;

    list_for_each (item, bucket) {
        seat = CONTAINER_OF(item, struct seat, bucket);
        if (uuid_equal(seat->key, key))
            return seat;
    }
    seat = xcalloc(1, sizeof(*seat));
    seat->key = key;
    seat->asked_ms = clock_ms(); /* whoever sits down has just shown it */
    list_add(bucket, &seat->bucket);
    return seat;
}

struct seat *seat_take(struct seats *seats, struct uuid key)
{
    struct seat *seat;

    if (seats->max_of_key == 0)
        return NULL;
    seat = find_or_add(seats, key);
    if (seat->taken >= seats->max_of_key)
        return NULL;
    seat->taken++;
    seats->taken++;
    return seat;
}

void seat_give(struct seats *seats, struct seat *seat)
{
    ASSERT(seat->taken > 0 && seats->taken > 0);
    seats->taken--;
    if (--seat->taken > 0)
        return;
    list_remove(&seat->bucket);
    free(seat);
}

bool seat_is_over(struct seat *seat, struct pg *pg)
{
    struct error err;
    size_t places[1];
    size_t count;

    if (seat->is_over || seat->asking || clock_ms() - seat->asked_ms < SEAT_ANSWER_MS)
        return seat->is_over;
    seat->asking = true;
    if (keys_over(pg, &seat->key, 1, places, &count, &err) == 0) {
        seat->is_over = count > 0;
        seat->asked_ms = clock_ms();
    }
    seat->asking = false;
    return seat->is_over;
}
