#pragma once
/* The text of a page while it is written: white space as people see it, lines where blocks begin.
 * Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct html_writer {
    struct buf *out;
    int lines;          /* that are due before the next word: 1 a line, 2 an empty one */
    bool blank;         /* a blank is due */
    bool as_is;         /* white space counts */
    const char *bullet; /* due before the next word; NULL: none */
    size_t line_start;  /* where in *out the line begins */
};

void html_writer_init(struct html_writer *writer, struct buf *out);

/* The next word is on a new line (1), or has an empty line before it (2). */
void html_writer_break(struct html_writer *writer, int lines);

/* Text of the page, with its references decoded, and without what nobody sees: control characters,
 * marks of no width, tags of Unicode. */
void html_writer_text(struct html_writer *writer, struct text text);

/* Words of ours, as they are. */
void html_writer_mark(struct html_writer *writer, const char *mark);

/* Whether something stands on the line. */
bool html_writer_in_line(const struct html_writer *writer);
