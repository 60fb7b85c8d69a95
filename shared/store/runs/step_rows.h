#pragma once
/* Inside the store: rows of run_steps. */

#include "shared/store/rows.h"
#include "shared/store/runs/run_steps.h"

/* clang-format off */
#define STEP_COLUMNS \
    "s.id, s.run_id, s.thread_id, s.agent_id, s.seq, s.type, s.status, s.message_id," \
    " s.tool_calls, s.usage, s.last_error," \
    " " SQL_SECONDS("s.created_at") "," \
    " " SQL_SECONDS("s.ended_at")
/* clang-format on */

/* Reads STEP_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int step_read(struct row *row, void *out, struct error *err);
