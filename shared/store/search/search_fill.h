#pragma once
/* Filling what search looks into, behind the back of whoever writes messages.
 *
 * A message has a position, given when it is inserted, and becomes visible when its transaction
 * ends: not in the order of positions. So `final`, the position up to which all messages were
 * looked at, moves in two steps. A look notes the highest visible position (the mark) and which
 * transaction would have been the next to begin. Whoever has a position up to the mark had begun
 * before that one: once all of them have ended, everything up to the mark is visible or will never
 * be, and is read once. That takes a second. Where a transaction stays open for longer, what is
 * visible behind it is read at once, and everything once more after its end; what is there already
 * is left out.
 *
 * Any number of processes may fill: a round is a transaction that holds the one row of
 * search_state, so they take turns, and one that dies leaves nothing behind but the turn.
 */

#include "shared/store/search/search_scope.h"
#include "shared/store/store.h"

/* The messages of one round at most. */
#define SEARCH_BATCH_MAX 500

/* Where the tail has fallen behind by more than so many positions (search was off, or many messages
 * came at once), it goes on SEARCH_TAIL_KEPT before the end, and what it has left out becomes the
 * backlog. Those that were written in the seconds before are among what is kept. */
#define SEARCH_TAIL_MAX  20000
#define SEARCH_TAIL_KEPT 5000

/* What waits longer than this for a transaction's end is read before it. */
#define SEARCH_STUCK_MS 3000

enum search_job {
    SEARCH_TAIL,    /* the newest messages */
    SEARCH_QUEUE,   /* of threads that got a user, or another one */
    SEARCH_BACKLOG, /* what was there before search was switched on, or to all threads */
    SEARCH_JOBS,
};

struct search_round {
    enum search_scope scope; /* not SEARCH_OFF */
    enum search_job job;
    int batch; /* messages to look at, 1..SEARCH_BATCH_MAX */
    bool bare; /* the first of them makes the round fail: it gets a row by which nothing finds it */
};

struct search_filled {
    bool elsewhere;  /* another process has the turn: nothing was done, nothing else is set */
    int64_t looked;  /* messages looked at */
    int64_t filled;  /* rows written */
    int64_t skipped; /* of these, those that nothing finds */
    bool more;       /* of this job there is more to do at once */
    bool queued;     /* there is something for SEARCH_QUEUE; set by SEARCH_TAIL */
    int64_t behind;  /* positions that the tail has not looked at */
    int64_t backlog; /* positions that wait in the backlog */
};

/* One round. It moves on only with what it has filled: after a failure the next one begins where
 * this one did. Returns 0, or what the functions of a transaction return. */
SUSPENDS MUSTCHECK int search_fill(struct pg *pg, const struct search_round *round,
                                   struct search_filled *out, struct error *err);
