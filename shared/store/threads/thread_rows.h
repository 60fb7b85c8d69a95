#pragma once
/* Inside the store: thread rows, for the statements that give one beside something else. */

#include "shared/store/rows.h"
#include "shared/store/threads/threads.h"

/* clang-format off */
#define THREAD_COLUMNS \
    "t.id, t.active_run, t.metadata, t.tool_resources, " SQL_SECONDS("t.created_at")
/* clang-format on */

/* Reads THREAD_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int thread_read(struct row *row, void *out, struct error *err);
