#pragma once
/* What a reader of a run has been shown, in a few words: enough to go on behind it. Pure.
 *
 * This is the id of each event: "i.3" (the run is in progress, and its steps up to the third are
 * over), or "i.3.0195f3a2….m.4.120" (and of the message of that step the four events that open it,
 * and 120 bytes of its text). A reader whose line broke brings the id of the last event that it
 * has, and is shown what comes behind it. At the end there may be a word that tells the run from
 * others ("i.3.r7f0a"): what was shown of another run is nothing of this one.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

enum shown_run {
    SHOWN_NOTHING,
    SHOWN_CREATED,
    SHOWN_QUEUED,
    SHOWN_IN_PROGRESS,
    SHOWN_REQUIRES_ACTION,
    SHOWN_CANCELLING,
    SHOWN_ENDED,
    SHOWN_RUN_COUNT,
};

enum shown_open {
    SHOWN_NO_STEP,
    SHOWN_BEHIND,   /* none is open; `step` is the last one that was: none that began before it is
                     * told from a draft */
    SHOWN_THINKING, /* `step` is the reply's id; text: bytes of its reasoning */
    SHOWN_MESSAGE,  /* text: bytes of its text */
    SHOWN_CALLS,    /* calls, arguments (bytes, of the last one), output */
};

struct shown {
    enum shown_run run;
    int64_t seq; /* of the last step that is over; 0: none is */
    enum shown_open open;
    struct uuid step; /* that is open */
    int phase;        /* how many of the events were shown that begin and end it */
    size_t text;
    size_t calls;
    size_t arguments;
    bool output; /* of the last call */
    uint32_t of; /* shown_of its run; 0: not said */
};

#define SHOWN_ALL ((size_t)1 << 40) /* of a text, or of calls: all that there ever is */

/* What tells a run from most others; never 0. */
uint32_t shown_of(struct uuid run);

/* Appends it. */
void shown_write(const struct shown *shown, struct buf *out);

/* False, output untouched: this is no such id. */
MUSTCHECK bool shown_parse(struct text text, struct shown *out);
