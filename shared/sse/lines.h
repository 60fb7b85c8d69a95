#pragma once
/* Lines out of a stream of bytes that arrives in pieces. Pure.
 *
 * A line lies in the piece that it arrived in, where it arrived whole; only one that is cut by the
 * end of a piece is copied. So the cost of a stream does not depend on how it was cut.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

struct lines {
    struct buf kept; /* the beginning of a line that is not complete */
    bool kept_given; /* `kept` was given out: it is emptied first */
    bool cr_ends;    /* a CR alone ends a line, too */
    bool after_cr;   /* an LF now belongs to the line before */
};

/* A line has at most max_bytes (> 0). With cr_ends the ends are LF, CR LF and CR, else LF alone. */
void lines_init(struct lines *lines, size_t max_bytes, bool cr_ends);
void lines_deinit(struct lines *lines);

enum { LINES_NONE = 1 };

/* Takes the next line off the front of *bytes, which is what has arrived. Returns 0 with *out, the
 * line without its end, valid until the next call; LINES_NONE when *bytes, now empty, ends no line;
 * -E_LIMIT for a line that is too long. */
MUSTCHECK int lines_next(struct lines *lines, struct text *bytes, struct text *out,
                         struct error *err);

/* What follows the last end of a line; empty when nothing does. Valid until the next call. */
struct text lines_rest(struct lines *lines);
