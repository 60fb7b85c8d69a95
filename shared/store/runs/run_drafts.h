#pragma once
/* Inside the store: a run to be made, as the first eleven parameters of a statement. */

#include "shared/store/runs/runs.h"

#define RUN_DRAFT_TYPES  "uuuiiiwjiij"
#define RUN_DRAFT_VALUES 11 /* $11 are the messages */

/* clang-format off */
/* What is inserted from parameters $1 to $10 for a thread `t`. */
#define SQL_RUN_DRAFT_COLUMNS \
    "id, tenant_id, thread_id, agent_id, agent_version, shard, priority, spec, metadata, due_at," \
    " expires_at, spec_bytes"
#define SQL_RUN_DRAFT \
    "$1, $2, t.id, $3, $4, $5, $6, $7, coalesce($8, '{}'), now() + $9 * interval '1 ms'," \
    " now() + ($9 + $10) * interval '1 ms', octet_length($7::text)"

#define SQL_AGENT_EXISTS \
    "EXISTS (" \
    "    SELECT 1" \
    "    FROM agents a" \
    "    WHERE a.id = $3" \
    "      AND a.tenant_id = $2" \
    "      AND a.version = $4" \
    "      AND a.deleted_at IS NULL)"
/* clang-format on */

void run_draft_values(const struct store *store, const struct run_draft *draft,
                      struct pg_value messages, struct pg_value out[RUN_DRAFT_VALUES]);

/* Why no run was made: THREAD_MISSING, AGENT_MISSING, or THREAD_BUSY with the active run in
 * *out_active (may be NULL). 0: none of these reasons holds now. */
SUSPENDS MUSTCHECK int run_create_look(const struct store *store, const struct run_draft *draft,
                                       struct uuid *out_active, struct error *err);
