#pragma once
/* Inside the store: a run to be made, as the first parameters of a statement. */

#include "shared/store/budgets/run_budgets.h"
#include "shared/store/runs/runs.h"
#include "shared/store/threads/count_rows.h"

#define RUN_DRAFT_TYPES  "uuuiiiwjiijiiittii"
#define RUN_DRAFT_VALUES 18
#define RUN_DRAFT_NEXT   "$19" /* the first parameter of the statement itself */

/* clang-format off */
/* $11 are the messages, $12 to $14 what they amount to, $15 the title that they make. $16 is who
 * asks, $17 and $18 are the limits. What is inserted for a thread `t` with its id, user_id and
 * total_bytes. */
#define SQL_RUN_DRAFT_COLUMNS \
    "id, tenant_id, thread_id, agent_id, agent_version, shard, priority, spec, metadata, due_at," \
    " expires_at, spec_bytes, user_id, thread_bytes, user_bytes_left, notify, budgets"
#define SQL_RUN_DRAFT \
    "$1, $2, t.id, $3, $4, $5, $6, " SQL_SPEC_ON("t", "$7") ", coalesce($8, '{}')," \
    " now() + $9 * interval '1 ms', now() + ($9 + $10) * interval '1 ms'," \
    " octet_length((" SQL_SPEC_ON("t", "$7") ")::text)," \
    " coalesce($16::text, t.user_id), t.total_bytes, " SQL_USER_LEFT("$2", "t.user_id", "$18") "," \
    " " SQL_NOTIFIES("$2") "," \
    " " SQL_RUN_BUDGETS("$2", "$3::uuid", "coalesce($16::text, t.user_id)", "t.id")

/* The spec of a run on thread `t`: with what that says of memory, as it stands now. A spec ends
 * with its brace (run_spec_write). */
#define SQL_SPEC_ON(t, spec) \
    "CASE WHEN " t ".memory IS NULL THEN " spec " ELSE (" \
    "    left(" spec "::text, -1) || ',\"thread_memory\":' || " t ".memory::text || '}')::json END"

/* Whether what becomes of a run of this tenant may be told to somebody: it has a webhook. That one
 * wants to know, or the run names it, is looked at when there is something to tell. */
#define SQL_NOTIFIES(tenant) \
    "EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = ANY (ARRAY[" tenant "::uuid]))"

/* What the thread's owner may still add; NULL where it has none. */
#define SQL_USER_LEFT(tenant, user, user_max) \
    "CASE WHEN " user " IS NOT NULL THEN " user_max " - " SQL_USER_BYTES(tenant, user) " END"

/* For an UPDATE of thread `t`: it gets the draft's messages, and is used. The first message of a
 * thread without a title makes one. */
#define SQL_RUN_DRAFT_JOINS(t) \
    "message_count = " t ".message_count + $12, total_bytes = " t ".total_bytes + $13," \
    " token_count = " t ".token_count + $14, " SQL_TITLE(t, "$15") ", " SQL_USED

#define SQL_RUN_DRAFT_FITS(t) SQL_THREAD_FITS(t, "$13", "$17", "$18")

/* A run may have none. */
#define SQL_AGENT_EXISTS \
    "($3::uuid IS NULL OR EXISTS (" \
    "    SELECT 1" \
    "    FROM agents a" \
    "    WHERE a.id = $3" \
    "      AND a.tenant_id = $2" \
    "      AND a.version = $4" \
    "      AND a.deleted_at IS NULL))"
/* clang-format on */

/* `messages` are encoded (drafts_value); `counts` are theirs. */
void run_draft_values(const struct store *store, const struct run_draft *draft,
                      struct pg_value messages, const struct message_counts *counts,
                      struct pg_value out[RUN_DRAFT_VALUES]);

/* Why no run was made: THREAD_MISSING, AGENT_MISSING, THREAD_BUSY with the active run in
 * *out_active (may be NULL), THREAD_TOO_LARGE or USER_OVER_QUOTA. 0: none of these reasons holds
 * now. */
SUSPENDS MUSTCHECK int run_create_look(const struct store *store, const struct run_draft *draft,
                                       struct uuid *out_active, struct error *err);
