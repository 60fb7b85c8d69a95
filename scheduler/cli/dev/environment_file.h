#pragma once
/* dev.env: what `penstock dev` writes for other programs to read, one export NAME='value' a line,
 * so that a shell that sources it hands all of it to what it starts.
 */

#include "shared/base/text.h"

struct error;

/* Its name in the data folder of `penstock dev`, and where it is when no folder is said. */
#define ENVIRONMENT_FILE   "dev.env"
#define ENVIRONMENT_FOLDER ".penstock"
#define ENVIRONMENT_PATH   ENVIRONMENT_FOLDER "/" ENVIRONMENT_FILE

/* What it holds, the last two where `penstock dev` has them: so that who looks at all of it
 * (`penstock doctor`) reads what its programs read. */
#define ENVIRONMENT_NAMES                                                                          \
    "PENSTOCK_URL", "PENSTOCK_API_KEY", "DATABASE_URL", "REDIS_URL", "PENSTOCK_MASTER_KEY_FILE",   \
        "PENSTOCK_CONFIG"

/* The master key that `penstock dev` makes in its data folder. */
#define ENVIRONMENT_MASTER_KEY "master-key"

struct environment_entry {
    const char *name;
    const char *value;
};

/* The text of the file in a data folder, into `out`, which is initialised here and the caller's to
 * buf_deinit in any case. Returns 0, -E_NOT_FOUND, -E_LIMIT (over 1 MiB) or -E_SYSTEM, and `out` is
 * empty then. */
MUSTCHECK int environment_read(const char *folder, struct buf *out, struct error *err);

/* Append export NAME='value' lines; quotes in values are escaped as shells want it. Pure. */
void environment_render(const struct environment_entry *entries, size_t count, struct buf *out);

/* The value of a name in such a text (with or without "export"), unquoted, appended to `out`. False
 * when it is not there. Pure. */
MUSTCHECK bool environment_find(struct text file, const char *name, struct buf *out);
