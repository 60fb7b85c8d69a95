#pragma once
/* Workers that a statement has declared dead, as people are told. */

#include "shared/base/compiler.h"

struct pg_result;

struct dead_workers {
    int64_t count;
    char names[400]; /* "ID (host NAME, pid NUMBER), …"; cut */
};

/* Inside the store: the names of rows with worker_id, host and pid. */
#define SQL_WORKER_NAMES(rows)                                                                     \
    "coalesce(string_agg(" rows ".worker_id || ' (host ' || " rows ".host || ', pid ' || " rows    \
    ".pid || ')', ', '), '')"

/* Inside the store: of a result's first row, the column with their count and the next one with
 * their names. */
void dead_workers_read(const struct pg_result *result, int column, struct dead_workers *out);
