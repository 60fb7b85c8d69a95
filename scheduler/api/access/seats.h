#pragma once
/* Seats: the sockets that came with an API key, of which each key has so many at most, and whether
 * the key is still good. Whoever sits asks now and then, and one answer serves all of a key. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"

struct pg;
struct seats;

#define SEAT_ANSWER_MS 5000

struct seat {
    struct list bucket;
    struct uuid key;
    size_t taken;
    bool is_over; /* the key was revoked */
    bool asking;
    int64_t asked_ms;
};

struct seats *seats_new(size_t max_of_key);
void seats_free(struct seats *seats); /* accepts NULL; nobody may sit any more */

/* The seat of this key, until it is given back. NULL: all of them are taken. */
struct seat *seat_take(struct seats *seats, struct uuid key);
void seat_give(struct seats *seats, struct seat *seat);

/* Whether the key is over, by an answer of SEAT_ANSWER_MS at most. A database that does not answer
 * ends nothing. */
SUSPENDS bool seat_is_over(struct seat *seat, struct pg *pg);
