#pragma once
/* Files: read whole up to a limit, and written so that readers see the old one or the new one. */

#include "shared/base/text.h"

struct error;

/* Append a whole file to `out`, whose limit holds; "-" is standard input. Returns 0, -E_NOT_FOUND,
 * -E_LIMIT or -E_SYSTEM. */
MUSTCHECK int file_read(const char *path, struct buf *out, struct error *err);

/* The same of a file that the command line names: -E_INVALID in place of -E_NOT_FOUND, since the
 * command is wrong. A byte order mark at its beginning is left out. */
MUSTCHECK int file_read_named(const char *path, struct buf *out, struct error *err);

/* Write a file with mode 0600 beside the old one, and rename it. Returns 0 or -E_SYSTEM. */
MUSTCHECK int file_write_private(const char *path, struct text text, struct error *err);
