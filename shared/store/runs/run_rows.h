#pragma once
/* Inside the store: rows of runs and of their steps, for the statements that give them. */

#include "shared/store/rows.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"
#include "shared/store/usage/usage_rows.h"

/* clang-format off */
#define RUN_COLUMNS RUN_COLUMNS_WITH("r.spec")
#define RUN_COLUMNS_COUNT 45

/* The same, with something else in the place of the spec. */
#define RUN_COLUMNS_WITH(spec) \
    "r.id, r.thread_id, r.agent_id, r.agent_version, r.status, r.shard, r.priority, r.owner," \
    " r.step, r.errors, r.crashes, " spec ", r.metadata," \
    " " USAGE_COLUMNS("r") "," \
    " r.last_error, r.incomplete_reason, r.required_action, r.result_message," \
    " " SQL_SECONDS("r.created_at") "," \
    " " SQL_SECONDS("r.started_at") "," \
    " " SQL_SECONDS("r.completed_at") "," \
    " " SQL_SECONDS("r.failed_at") "," \
    " " SQL_SECONDS("r.cancelled_at") "," \
    " " SQL_SECONDS("r.expires_at") "," \
    " " SQL_SECONDS("r.updated_at") "," \
    " r.status = 'queued' AND r.held IS NOT NULL, r.open_calls, r.messages_left_out," \
    " CASE WHEN " SQL_RUN_WAITS " THEN r.wait_kind" \
    "     WHEN " SQL_RUN_STARTS_LATER " THEN 'start' END," \
    " " SQL_SECONDS("CASE WHEN " SQL_RUN_WAITS " OR " SQL_RUN_STARTS_LATER \
    "    THEN " SQL_RUN_GOES_ON " END") "," \
    " r.user_id, r.iterations, to_json(r.tools_used)," \
    " " SQL_MILLISECONDS("r.started_at - r.created_at") "," \
    " " SQL_MILLISECONDS(SQL_RUN_ENDED_AT " - r.created_at") ", r.first_token_ms," \
    " r.kind, r.mcp_problems, CASE WHEN r.kind = 'memory' THEN r.result END," \
    " r.recalled"

/* An interval. */
#define SQL_MILLISECONDS(interval) "floor(date_part('epoch', " interval ") * 1000)::int8"

#define SQL_RUN_ENDED_AT \
    "coalesce(" \
    "    r.completed_at, r.failed_at, r.cancelled_at," \
    "    CASE WHEN r.status = 'expired' THEN r.updated_at END)"

/* It is not yet due: for what wait_kind says, until then. */
#define SQL_RUN_WAITS \
    "r.status = 'queued' AND r.wait_kind IS NOT NULL AND r.held IS NULL" \
    " AND " SQL_RUN_GOES_ON " > now()"
#define SQL_RUN_GOES_ON "coalesce(r.wakes_at, r.due_at)"

/* It was made to begin at a time that is still to come. */
#define SQL_RUN_STARTS_LATER \
    "r.status = 'queued' AND r.wait_kind IS NULL AND r.held IS NULL AND r.started_at IS NULL" \
    " AND r.due_at > now()"
/* clang-format on */

/* Reads RUN_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int run_read(struct row *row, void *out, struct error *err);

extern const struct row_kind run_rows; /* RUN_MISSING */

/* $1 is a run's id, $2 its tenant, $3 its thread, or NULL: whatever its thread, if any. */
#define SQL_THIS_RUN                                                                               \
    "r.id = $1 AND r.tenant_id = $2"                                                               \
    " AND r.thread_id IS NOT DISTINCT FROM coalesce($3, r.thread_id)"

/* Locks this run, before a statement that must see it as whoever had it left it. */
extern const struct pg_statement run_lock;

/* $1 to $3: a run (SQL_THIS_RUN): promotes in its thread (threads/promotions.h). */
extern const struct pg_statement promote_beside;

/* clang-format off */
#define STEP_COLUMNS STEP_COLUMNS_WITH("s.tool_calls", "s.reasoning")

/* The same, with something else in the place of what may be large. */
#define STEP_COLUMNS_WITH(calls, reasoning) \
    "s.id, s.run_id, s.thread_id, s.agent_id, s.seq, s.type, s.status, s.message_id," \
    " " calls ", s.usage, s.last_error, s.model, s.cost_micros," \
    " s.tried, s.messages_left_out, " reasoning "," \
    " " SQL_SECONDS("s.created_at") "," \
    " " SQL_SECONDS("s.ended_at")
/* clang-format on */

#define STEP_COLUMNS_COUNT 18

/* Reads STEP_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int step_read(struct row *row, void *out, struct error *err);
