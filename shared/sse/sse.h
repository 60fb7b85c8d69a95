#pragma once
/* Server-sent events, read and written. Pure framing, as WHATWG has it (HTML, section 9.2.6): lines
 * end with LF, CR LF or CR; a blank line ends an event; several `data` lines are joined by line
 * feeds; comments (": keep-alive") and fields that nobody knows are passed over; a byte order mark
 * in front is skipped. `retry` is of no use here and passed over, too.
 *
 *     while ((r = sse_next(&reader, &bytes, &event, err)) == 0)
 *         …
 *     if (r < 0)
 *         …                    (r is SSE_NONE otherwise: feed it more)
 */

#include "shared/sse/lines.h"

struct sse_event {
    struct text name; /* of the `event` field; empty: none */
    struct text data;
    struct text id; /* the last one that was said, with this event or before it; empty: none */
};

struct sse_reader {
    struct lines lines;
    struct buf name;
    struct buf data; /* each line with a line feed behind it */
    struct buf id;
    bool has_data;
    bool given; /* name and data were given out: they are emptied first */
    bool began;
};

/* The data of an event, and each line, has at most max_bytes. */
void sse_init(struct sse_reader *reader, size_t max_bytes);
void sse_deinit(struct sse_reader *reader);

enum { SSE_NONE = LINES_NONE };

/* Takes the next event off the front of *bytes. Returns 0 with *out, valid until the next call;
 * SSE_NONE when *bytes, now empty, completes none; -E_LIMIT. */
MUSTCHECK int sse_next(struct sse_reader *reader, struct text *bytes, struct sse_event *out,
                       struct error *err);

/* At the end of the stream: a last event without a blank line behind it, which a browser would
 * drop and which some servers send. False: there is none. */
MUSTCHECK bool sse_end(struct sse_reader *reader, struct sse_event *out);

/* Appends an event. `name` may be empty; line breaks in it would end it, so it must have none. Each
 * line of `data` becomes a field; a CR in it reads back as a line feed. */
void sse_write(struct buf *out, struct text name, struct text data);
