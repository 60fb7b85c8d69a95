#pragma once
/* Inside the store: run rows, for the statements that give them. */

#include "shared/store/rows.h"
#include "shared/store/runs/runs.h"

/* clang-format off */
#define RUN_COLUMNS \
    "r.id, r.thread_id, r.agent_id, r.agent_version, r.status, r.shard, r.priority, r.owner," \
    " r.step, r.errors, r.crashes, r.spec, r.metadata, r.prompt_tokens, r.completion_tokens," \
    " r.last_error, r.incomplete_reason, r.required_action, r.result_message," \
    " " SQL_SECONDS("r.created_at") "," \
    " " SQL_SECONDS("r.started_at") "," \
    " " SQL_SECONDS("r.completed_at") "," \
    " " SQL_SECONDS("r.failed_at") "," \
    " " SQL_SECONDS("r.cancelled_at") "," \
    " " SQL_SECONDS("r.expires_at") "," \
    " " SQL_SECONDS("r.updated_at") "," \
    " r.status = 'queued' AND r.held IS NOT NULL"
/* clang-format on */

/* Reads RUN_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int run_read(struct row *row, struct run *out, struct error *err);

/* The same from a result's row that has nothing else. */
MUSTCHECK int run_read_at(const struct store *store, const struct pg_result *result, int at,
                          struct run *out, struct error *err);
