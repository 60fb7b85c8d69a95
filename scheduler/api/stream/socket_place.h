#pragma once
/* Where a reader of a thread is: in a run, or behind it, or behind a time where he has seen none.
 * Pure. This is the id of each event of a socket: "run_0195….i.3" (shown.h), or
 * "at.1790000000000000" (microseconds of the database's clock). */

#include "scheduler/live/shown.h"

struct socket_place {
    struct uuid run; /* zero: none */
    struct shown shown;
    int64_t us; /* without a run */
};

/* Appends it. */
void socket_place_write(const struct socket_place *place, struct buf *out);

/* False, output untouched: this is no such id. */
MUSTCHECK bool socket_place_parse(struct text text, struct socket_place *out);
