#pragma once
/* Inside the store: thread rows, for the statements that give them. */

#include "shared/store/rows.h"
#include "shared/store/threads/count_rows.h"
#include "shared/store/threads/threads.h"
#include "shared/store/usage/usage_rows.h"

/* clang-format off */
#define THREAD_COLUMNS \
    "t.id, t.active_run, t.metadata, t.tool_resources, t.title, t.forked_from, t.agent_id," \
    " t.user_id, t.active, t.agent_state, t.agent_state_version, " COUNT_COLUMNS("t") "," \
    " " USAGE_COLUMNS("t") "," \
    " " SQL_SECONDS("t.created_at") "," \
    " " SQL_SECONDS("t.last_used_at") "," \
    " " SQL_SECONDS("t.archived_at") ", t.hidden, t.erase_at IS NOT NULL, t.memory"

/* The column erase_at of a new thread. */
#define SQL_ERASES(erases) \
    "CASE WHEN " erases " THEN now() + " SQL_STRING(THREAD_KEPT_MS) " * interval '1 ms' END"
/* clang-format on */

/* The column memory of a new thread, of what context_settings_write gives. */
#define SQL_MEMORY(memory) "nullif(jsonb_strip_nulls(" memory "), '{}')"

/* Reads THREAD_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int thread_read(struct row *row, void *out, struct error *err);

extern const struct row_kind thread_rows; /* THREAD_MISSING */
