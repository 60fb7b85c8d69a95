#pragma once
/* What a reader of a response was told, and the events that it is told next. Pure.
 *
 * Numbers. Each event has a sequence_number, and a client whose line broke asks for what lies
 * behind the last one that it has (starting_after). Nothing is kept for it: the story is told from
 * its beginning, and what it has is left out. So an event has the same number whenever it is told,
 * at any scheduler, in whichever pieces texts come: an event counts one, and a piece of a text or
 * of arguments as many as it has bytes. Numbers rise, and have holes.
 *
 *     created 0, in_progress 1, item added 2, part added 3, "Hello" 8, " you" 12, text done 13, …
 *
 * What was told and never stored can't be told again. From there on the numbers of this reader are
 * above RESPONSE_NUMBERS_LOST, and no reader begins behind one of those.
 */

#include "scheduler/api/openai/items/item_ids.h"
#include "shared/base/text.h"
#include "shared/json/json_write.h"

struct request;

#define RESPONSE_NUMBERS_LOST (INT64_C(1) << 30)

/* What is known of a reader. */
struct response_tape {
    struct request *request; /* which reads the response at its end */
    int64_t after;           /* told is what lies behind; -1: all */
    int64_t number;          /* of the last event; -1: none */
    unsigned said;           /* of the run: bits 1 << enum shown_run */
    size_t items;            /* that were added */
    struct uuid thought;     /* of the reply before which it was thought; zero: nothing was */
    bool thinks;             /* it is open */
    size_t thought_place;    /* among the items */
    struct buf thoughts;     /* of it */
    struct uuid message;     /* the last one that was told */
    bool has_part;           /* the open message's text has begun */
    size_t text_bytes;       /* of it */
    struct uuid calls;       /* the message of the calls that are open */
    size_t first_call;       /* its place among the items */
    size_t calls_count;
    bool call_is_open; /* the last one: its arguments are not whole */
    bool call_is_servers;
    bool unstored;        /* it has ended, and is not to be kept */
    struct uuid thread;   /* its thread, then */
    struct buf functions; /* of the run, which may be told of without its texts */
    struct buf call_id;   /* of the last call */
    struct buf name;
    struct buf arguments;
};

void response_tape_init(struct response_tape *tape, struct request *request, int64_t after);
void response_tape_deinit(struct response_tape *tape);

/* An event that is being written: its members are appended to `w`, or to `json` as a value whose
 * name was written. */
struct tape_event {
    struct buf json;
    struct json_write w;
    const char *type;
};

#define TAPE_TEXT_DELTA "response.output_text.delta"

/* Gives the next event its number, and begins it. False: its reader has it, and nothing is to be
 * written. */
MUSTCHECK bool tape_begin(struct response_tape *tape, struct tape_event *event, const char *type,
                          size_t counts);
void tape_end(struct tape_event *event, struct buf *out);

/* Which item it is of. */
void tape_where(struct tape_event *event, struct item_id item, size_t place);

/* A piece of a text, or of arguments: as much of it as its reader lacks. */
void tape_piece(struct response_tape *tape, struct buf *out, const char *type, struct item_id item,
                size_t place, struct text text);

/* What was told will not be told again. */
void tape_lose(struct response_tape *tape);
