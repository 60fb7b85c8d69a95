#pragma once
/* dev.env: what `penstock dev` writes for other programs to read, one NAME='value' a line, so that
 * shells can source it. Pure.
 */

#include "shared/base/text.h"

struct environment_entry {
    const char *name;
    const char *value;
};

/* Append NAME='value' lines; quotes in values are escaped as shells want it. */
void environment_render(const struct environment_entry *entries, size_t count, struct buf *out);

/* The value of a name in such a text, unquoted, appended to `out`. False when it is not there. */
MUSTCHECK bool environment_find(struct text file, const char *name, struct buf *out);
