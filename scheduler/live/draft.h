#pragma once
/* A draft: the reply that a model is making, as far as frames (shared/events/frame.h) have told of
 * it. Pure.
 *
 * Frames say where they begin, so what comes twice is passed over, and a piece that is missing is
 * seen: the draft then has a gap, takes nothing more of that part, and whoever keeps it asks for
 * the whole. A reply that begins later replaces the one before; ids tell which is later. What is
 * above DRAFT_BYTES_MAX is not taken, and not missed.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/events/frame.h"

#define DRAFT_BYTES_MAX ((size_t)1 << 20)
#define DRAFT_CALLS_MAX 128

struct draft_call {
    struct buf id; /* may be empty */
    struct buf name;
    struct buf arguments;
};

struct draft {
    struct uuid reply; /* zero: there is none */
    uint32_t writes;   /* of the run, before it began */
    bool refuses;      /* its text is a refusal */
    bool gap;          /* a piece is missing */
    bool full;         /* it takes nothing more */
    struct buf text;
    struct buf reasoning;
    struct draft_call *calls; /* by their numbers, from 0 */
    size_t calls_count;
    size_t bytes;
};

/* Zeroed memory is no draft. */
void draft_drop(struct draft *draft);

/* Returns whether there is something new. */
bool draft_take(struct draft *draft, const struct frame *frame);
