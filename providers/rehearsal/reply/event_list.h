#pragma once
/* A stream as a list of events, written before the first of them is sent, so that a call that
 * waits between two of them holds nothing else.
 *
 *     event_list_begin(events, "message_stop");
 *     … JSON is appended to events->bytes …
 *     event_list_end(events);
 *
 * Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum event_framing {
    EVENTS_SSE,       /* "data: …" and a blank line, ended by LF */
    EVENTS_SSE_CRLF,  /* the same, ended by CR LF as Google has it */
    EVENTS_NDJSON,    /* a line each */
    EVENTS_JSON_LIST, /* elements of one array */
};

struct event_list {
    enum event_framing framing;
    struct buf bytes;
    struct event_place *places;
    size_t count;
    size_t room;
};

/* All events together have at most 64 MiB; what goes over it makes events->bytes failed. */
void event_list_init(struct event_list *events, enum event_framing framing);
void event_list_deinit(struct event_list *events);

/* Begins an event. `name` is for the `event` field; NULL: none. Its data is what is appended to
 * events->bytes until the end. */
void event_list_begin(struct event_list *events, const char *name);
void event_list_end(struct event_list *events);

/* An event as it goes over the wire. */
struct text event_list_at(const struct event_list *events, size_t i);

/* Appends an event whose data ends after two thirds, framed as if it were whole. */
void event_list_add_malformed(const struct event_list *events, size_t i, struct buf *out);

/* What follows the last event: of EVENTS_JSON_LIST the end of the array. */
struct text event_list_closing(const struct event_list *events);

const char *event_list_content_type(enum event_framing framing);
