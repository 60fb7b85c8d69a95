#pragma once
/* What reaches a person's terminal: colours where they belong, and no control characters from
 * elsewhere (a model's answer must not move the cursor or set the window's title).
 */

#include <stdio.h>

#include "shared/base/text.h"

enum terminal_colour {
    TERMINAL_PLAIN,
    TERMINAL_BOLD,
    TERMINAL_DIM,
    TERMINAL_RED,
    TERMINAL_GREEN,
    TERMINAL_YELLOW,
    TERMINAL_CYAN,
};

/* The escape sequence, or "" where the stream takes none: it is no terminal, or NO_COLOR is set.
 * TERMINAL_PLAIN ends all of them. */
const char *terminal_colour(FILE *stream, enum terminal_colour colour);

/* Print text from elsewhere: on a terminal without control characters (line breaks and tabs stay);
 * into a file or pipe as it is. */
void terminal_print(FILE *stream, struct text text);

/* The same in one line of at most `width` characters: white space runs become one blank. */
void terminal_print_line(FILE *stream, struct text text, size_t width);

/* One line of at most `width` characters into `out`; pure. */
void terminal_shorten(struct text text, size_t width, struct buf *out);

/* Print "penstock: TEXT" to standard error, in one line and without control characters: a message
 * repeats what stood in a file or came from a server. */
void terminal_complain(const char *format, ...) PRINTF(1, 2);

/* Copies without control characters besides line break and tab; pure. */
void terminal_clean(struct text text, struct buf *out);
