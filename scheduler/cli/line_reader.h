#pragma once
/* Lines that a person types, with editing and a history (libedit); or the lines of a file or a
 * pipe, where standard input is no terminal. It holds the loop while it waits: for commands that
 * have nothing else to do meanwhile. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct line_reader;

#define LINE_BYTES_MAX ((size_t)1 << 20)

/* `history`: the file of the history; NULL: none is kept. It is made with its folders, for its
 * owner alone; where it can't be, the history lasts as long as the reader. */
struct line_reader *line_reader_open(const char *history);
void line_reader_close(struct line_reader *reader); /* accepts NULL */

/* Whether a person types. */
bool line_reader_has_person(const struct line_reader *reader);

enum { LINE_END = 1, LINE_INTERRUPTED };

/* The next line without its end into `out`, which is reset before; a person sees the prompt.
 * Returns 0; LINE_END: there is no more; LINE_INTERRUPTED: a person wants to begin anew (Ctrl-C);
 * -E_INVALID: it is not UTF-8, or has a NUL; -E_LIMIT: it is over LINE_BYTES_MAX; -E_SYSTEM. */
MUSTCHECK int line_reader_next(struct line_reader *reader, const char *prompt, struct buf *out,
                               struct error *err);

/* Adds a line, or what became of several, to the history. */
void line_reader_remember(struct line_reader *reader, const char *line);

/* Where a history is kept, as XDG's base directories have it: the caller's; NULL: there is no
 * home. https://specifications.freedesktop.org/basedir-spec/latest/ */
char *line_reader_history(const char *name);
