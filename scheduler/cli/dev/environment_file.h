#pragma once
/* dev.env: what `penstock dev` writes for other programs to read, one export NAME='value' a line,
 * so that a shell that sources it hands all of it to what it starts. Pure.
 */

#include "shared/base/text.h"

/* What it holds. */
#define ENVIRONMENT_NAMES "PENSTOCK_URL", "PENSTOCK_API_KEY", "DATABASE_URL", "REDIS_URL"

struct environment_entry {
    const char *name;
    const char *value;
};

/* Append export NAME='value' lines; quotes in values are escaped as shells want it. */
void environment_render(const struct environment_entry *entries, size_t count, struct buf *out);

/* The value of a name in such a text (with or without "export"), unquoted, appended to `out`. False
 * when it is not there. */
MUSTCHECK bool environment_find(struct text file, const char *name, struct buf *out);
