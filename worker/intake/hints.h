#pragma once
/* Hints of ready runs, as one fiber reads them from Redis: a connection of its own, made anew with
 * backoff when it breaks. */

#include "shared/base/backoff.h"
#include "shared/base/compiler.h"
#include "shared/queue/queue.h"

struct error;
struct worker;

#define HINTS_MAX 256 /* that are read at once */

struct hints {
    struct worker *worker;
    struct queue_reader *reader; /* NULL: not connected */
    struct backoff reopen;
    int64_t reopen_ms; /* clock_ms; not before */
    struct queue_entry entries[HINTS_MAX];
    size_t count; /* that were read last */
};

void hints_init(struct hints *hints, struct worker *worker);
void hints_close(struct hints *hints);

/* Connects, if that is to be done. Returns 0, -E_CANCELED, or an error when Redis can't be read. */
SUSPENDS MUSTCHECK int hints_open(struct hints *hints, struct error *err);

/* Reads as many as there is room for, waiting a moment for the first. Open before. Returns 0 (there
 * may be none), or as hints_open: the connection is then closed. */
SUSPENDS MUSTCHECK int hints_read(struct hints *hints, struct queue_room room, struct error *err);

/* Those that were read are done with, won or lost. */
void hints_ack(struct hints *hints);
