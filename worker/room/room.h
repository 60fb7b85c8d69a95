#pragma once
/* Room: the bytes that the runs in work of a worker may hold, beside its slots.
 *
 * A slot comes with ROOM_PER_SLOT, and nobody asks about that much: an ordinary run needs a part of
 * it, also one whose history came whole with its claim. What a run holds beyond is taken from the
 * room, before it is read:
 *
 *     all of the room  ┬ 3/4  runs that are let in; who does not fit waits
 *                      ├ 1/8  runs of middle size, when those before them in the queue are larger
 *                      └ 1/8  what grows while it is in work: answers of models, results of tools
 *
 * What grows may have more than its eighth while there is room. A run that is larger than all of
 * its part is let in when nobody else has any of that part. Only a few wait in their slots, of each
 * tenant half of these; the others go back to the queue for a while, so those that wait take no
 * slots from those that need no room.
 *
 * Nobody who has a place waits for ever. Places are kept in the order of arrival, and the longer
 * the first one has stood first, the less may happen that keeps it there:
 *
 *     at once              whoever fits is let in, also past the first
 *     ROOM_PATIENCE_MS     nobody is let in past it; what grows keeps to its eighth: a run that
 *                          would take more goes back to the queue between two steps or calls
 *     ROOM_PATIENCE_MAX_MS a run that was let in and has grown since goes back too; an answer that
 *                          is arriving is refused where it takes more than that eighth
 *
 * So the first is let in at the latest when each run that is in its way then has ended the step
 * that it is at: one model call, or one call of a tool. An answer can't be foreseen, so new runs
 * may grow by theirs; where that is more than the eighth, the answer is stored and its calls are
 * left for the next attempt. But for an answer that is refused, whoever is sent back has made a
 * step since it began. It is let in again by its new size, and waits for that like anybody else.
 *
 * What a run holds is counted as twice its arena: the rows and texts of its conversation, results
 * and answers are there, and a request to the model, or a write of what they are, is a copy of most
 * of it. The bytes of a reply that is arriving count twice too. What a run gathers is counted
 * before more of it is fetched: it then either fits, or the run stops between two calls and goes
 * back to the queue, where it needs no memory.
 *
 * So the runs of a worker hold at most slots * ROOM_PER_SLOT + worker.memory_bytes, unless one is
 * larger than its part: then no more than that one and a quarter of worker.memory_bytes. Not
 * counted is what is there for a moment: the answers of 16 HTTP calls of each run while they arrive
 * (64 KiB each), CHAT_ROOM_STEP of each reply, and the runs of one claim, whose specs and histories
 * have 32 MiB together.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"

struct error;
struct fiber;

#define ROOM_PER_SLOT ((size_t)256 << 10)

/* Most calls of models and tools end within the first, so room comes free without anybody going
 * back. Within the second most answers have arrived that were begun before the wait was: to refuse
 * one costs its tokens again. */
#define ROOM_PATIENCE_MS     5000
#define ROOM_PATIENCE_MAX_MS 60000

/* What a run with so much in its arena holds. */
static inline size_t room_of_arena(size_t used)
{
    return used * 2;
}

/* Lifetime: process. */
struct room {
    size_t max;          /* bytes */
    size_t large;        /* taken by those that were let in */
    size_t middle;       /* taken by those of middle size that did not fit there */
    size_t grown;        /* taken in work */
    struct list waiting; /* of room_share.link, in the order of arrival */
    int64_t first_ms;    /* clock_ms; since when the first of them has stood first */
    size_t places;       /* so many may wait */
    size_t waiting_count;
    size_t waiting_bytes; /* what they hold while they wait */
    int64_t return_ms;    /* clock_ms; when the last that was turned away comes back */
    bool tight;           /* somebody was made to wait, and the log says so */
    int64_t told_ms;      /* clock_ms; when it said that last */
    uint64_t waits;       /* of runs that waited in their slots */
    uint64_t turned_away; /* runs that went back to the queue, before or in the midst of work */
};

/* What a run has of it; part of the run. */
struct room_share {
    struct room *room;
    struct uuid tenant;
    size_t large; /* taken of each */
    size_t middle;
    size_t grown;
    bool gave_way; /* what was refused last would have fitted but for somebody who waits */
    bool waiting;  /* and these are of use: */
    struct list link;
    struct fiber *fiber;
    size_t wanted;
    size_t held;
};

/* `max` bytes, for runs in so many slots. */
void room_init(struct room *room, size_t max, size_t slots);

/* A share without anything. */
void room_share_init(struct room_share *share, struct room *room, struct uuid tenant);

enum { ROOM_FULL = 1 };

/* For a run that is about to hold `bytes` in all, of which it holds `held` already: takes what goes
 * beyond its slot's part, and waits for it where it does not fit. Returns 0; ROOM_FULL: too many
 * wait already, come back in *out_return_ms; -E_TIMEOUT or -E_CANCELED. */
SUSPENDS MUSTCHECK int room_enter(struct room_share *share, size_t bytes, size_t held,
                                  int64_t deadline_ms, int64_t *out_return_ms, struct error *err);

/* Would a run be turned away that is about to hold so much, or more? Then its exact size need not
 * be found out. */
bool room_is_closed(const struct room_share *share, size_t bytes);

/* For a run in work that holds `bytes` in all now, or is about to. Never waits, since others may
 * wait for what it has. False: that does not fit, or it is to give way to the first of those who
 * wait; the share stays as it was. The run is to go back to the queue as soon as it can, or not to
 * go on gathering. */
MUSTCHECK bool room_hold(struct room_share *share, size_t bytes);

/* As room_hold, for what is lost when it is refused, such as an answer that is arriving: it gives
 * way later. */
MUSTCHECK bool room_insist(struct room_share *share, size_t bytes);

/* Is the run to go back as soon as it has made a step? What it has grown by keeps out the first of
 * those who wait. */
bool room_gives_way(const struct room_share *share);

/* The run holds so much now, whether or not it fits: what was expected of it was a guess. */
void room_settle(struct room_share *share, size_t bytes);

/* When a run that is turned away comes back: spread, so that those that were turned away come back
 * one after the other. */
int64_t room_turn_away(struct room *room);

/* Gives everything back. */
void room_leave(struct room_share *share);

/* Bytes that are taken now. */
size_t room_used(const struct room *room);
