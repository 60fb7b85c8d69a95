#pragma once
/* Telling a run to a reader: what there is of it by now, as events, as far as he was not told.
 *
 *     begin ──► read, or it was there just now ──► join ──► tell, again and again ──► end
 *
 * Postgres is looked at when something of the run was stored, and in between what its model is
 * saying is told from its draft. Between two looks a telling holds what was shown and some numbers
 * of the run: no row of a step or a message, and (telling_rest) no text of its row. Who sleeps
 * between them, and where the bytes go, is its user's.
 */

#include "scheduler/api/stream/event_format.h"
#include "scheduler/live/live.h"
#include "shared/store/store.h"

struct api;

struct telling_options {
    struct api *api;
    const struct store *store; /* of the tenant; must outlive it. Its arena is not used */
    const struct event_format *format;
    void *memory;    /* of the format */
    struct buf *out; /* where events are appended */
    /* Much was told: to be sent before more is. False: it is for nobody any more. May suspend. */
    bool (*flush)(void *arg);
    void *arg;
    struct uuid thread; /* zero: whatever its thread */
    struct uuid run;
    struct shown shown; /* what the reader has */
    bool until_action;  /* it is over where the run needs its client, too */
    size_t *held;       /* of live_join; NULL: its reader has joined a thread (live_join_besides) */
};

struct telling {
    struct telling_options options;
    struct waiter reader;
    struct story story;
    struct run run; /* as it was read last, its texts in `row` */
    struct arena row;
    bool bare;     /* its texts were given up */
    bool fresh;    /* the row was read just now */
    uint64_t seen; /* live_stored, when it was looked */
    bool looked;
    struct uuid looked_for; /* a reply that began behind writes that were not seen */
    bool broken;            /* `flush` said so */
};

void telling_begin(struct telling *telling, const struct telling_options *options);
void telling_end(struct telling *telling); /* leaves, too */

/* Reads the run's row. Returns 0, RUN_MISSING, or a failure. */
SUSPENDS MUSTCHECK int telling_read(struct telling *telling, struct error *err);

/* Joins the run's readers, but where it was read and has ended: then nothing will be told. False:
 * there is no room, or the scheduler ends. */
MUSTCHECK bool telling_join(struct telling *telling);

/* Tells what there is. Returns 0, with *out_over when that was the last event; RUN_MISSING, which
 * is told, too, and is the last event; or a failure: to be tried again. */
SUSPENDS MUSTCHECK int telling_tell(struct telling *telling, bool *out_over, struct error *err);

/* Whether nothing was stored since it was told. */
bool telling_is_up_to_date(const struct telling *telling);

/* Before a wait: holds no text of the run, which is read again before it is needed. */
void telling_rest(struct telling *telling);
