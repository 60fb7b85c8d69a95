#pragma once
/* Inside the store: message rows, for the statements that give them. */

#include "shared/store/threads/count_rows.h"
#include "shared/store/threads/messages.h"

/* clang-format off */
#define MESSAGE_COLUMNS MESSAGE_COLUMNS_WITH("m.tool_calls")

/* The same, with something else in the place of the calls. */
#define MESSAGE_COLUMNS_WITH(calls) MESSAGE_COLUMNS_OF("m.content", calls)

#define MESSAGE_COLUMNS_OF(content, calls) \
    content ", m.id, m.thread_id, m.run_id, m.agent_id, m.position, m.seq, m.role, m.hidden," \
    " " calls ", m.tool_call_id, m.attachments, m.metadata, m.status, m.incomplete_reason," \
    " " SQL_SECONDS("m.created_at")
/* clang-format on */

/* Reads MESSAGE_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int message_read(struct row *row, void *out, struct error *err);

/* One that was just written, with the texts of its draft. Pure. */
struct message message_of(struct uuid thread, const struct message_draft *draft,
                          int64_t created_at);

/* Why a statement that adds so many bytes (-1: none) to an idle thread touched nothing:
 * THREAD_MISSING, THREAD_TOO_LARGE, USER_OVER_QUOTA, or THREAD_BUSY with the active run in
 * *out_active (may be NULL). 0: nothing is in the way now. */
SUSPENDS MUSTCHECK int thread_look(const struct store *store, struct uuid thread, int64_t bytes,
                                   struct uuid *out_active, struct error *err);

/* $1 a thread, $2 its tenant: locks its active run, for who locks the thread next. */
extern const struct pg_statement thread_lock_active;

/* A message as it is shown; `waits` is for input that has not joined the thread. */
#define MESSAGE_SHOWN(calls, waits) MESSAGE_SHOWN_OF("m.content", calls, waits)

#define MESSAGE_SHOWN_OF(content, calls, waits)                                                    \
    MESSAGE_COLUMNS_OF(content, calls) ", m.token_count, m.tool_name, " waits

/* Reads MESSAGE_SHOWN. */
MUSTCHECK int message_shown_read(struct row *row, void *out, struct error *err);

extern const struct row_kind message_shown_rows; /* MESSAGE_MISSING */

/* Input that waits, as rows of messages: they stand behind all others. */
/* clang-format off */
#define SQL_INPUT_PLACE "4611686018427387904 + i.place"
#define SQL_INPUTS_AS_MESSAGES SQL_INPUT_ROWS("thread_inputs i")
#define SQL_INPUT_ROWS(inputs) \
    "SELECT i.content, i.id, i.tenant_id, i.thread_id, NULL::uuid AS run_id," \
    "    NULL::uuid AS agent_id, " SQL_INPUT_PLACE " AS position, 0::int8 AS seq," \
    "    i.role::text AS role, i.hidden, i.tool_calls, i.tool_call_id, i.tool_name," \
    "    i.attachments, i.metadata," \
    "    'completed' AS status, NULL::text AS incomplete_reason, i.created_at, i.token_count," \
    "    CASE WHEN i.steers THEN 'steer' ELSE 'queue' END AS waits" \
    " FROM " inputs
/* clang-format on */

/* A message of a history. */
#define HISTORY_COLUMNS MESSAGE_COLUMNS ", m.opaque"

#define HISTORY_COLUMNS_COUNT 17

/* What they are selected from: what counts by its size becomes text once, where `wanted` holds. */
/* clang-format off */
#define HISTORY_TEXT(column, wanted) \
    "CASE WHEN " wanted " THEN o." column "::text END AS " column

#define HISTORY_FROM(wanted, source) \
    HISTORY_TEXT("content", wanted) ", " HISTORY_TEXT("tool_calls", wanted) "," \
    HISTORY_TEXT("opaque", wanted) "," \
    " o.id, o.thread_id, o.run_id, o.agent_id, o.position, o.seq, o.role, o.hidden," \
    " o.tool_call_id, o.attachments, o.metadata, o.status, o.incomplete_reason, o.created_at" \
    " FROM " source " o"

#define HISTORY_SOURCE HISTORY_FROM("true", "messages")

/* All texts of one, in bytes, where its columns are in reach by this alias. */
#define HISTORY_BYTES(alias) \
    "octet_length(" alias ".content)" \
    " + coalesce(octet_length(" alias ".tool_calls), 0)" \
    " + coalesce(octet_length(" alias ".opaque), 0)" \
    " + coalesce(octet_length(" alias ".tool_call_id), 0)" \
    " + coalesce(octet_length(" alias ".attachments::text), 0)" \
    " + octet_length(" alias ".metadata::text)"
/* clang-format on */

/* Rows `from` to `from` + count - 1 of a result, which begin with HISTORY_COLUMNS and are newest
 * first, become a history. Returns 0, or -E_LIMIT. */
MUSTCHECK int history_read(struct arena *arena, const struct pg_result *result, int from,
                           size_t count, struct message **out, struct error *err);

/* Copies of messages `o`: those of `source` up to the position `last`, without what the active run
 * of the thread `s` has done so far. */
/* clang-format off */
#define SQL_COPIED(source, tenant, last) \
    "o.thread_id = " source \
    " AND " SQL_CHECKED( \
        "o.tenant_id = " tenant \
        " AND o.position <= " last \
        " AND (s.active_run IS NULL OR o.run_id IS DISTINCT FROM s.active_run)")

#define COPY_COLUMNS \
    "agent_id, role, hidden, content, tool_calls, tool_call_id, tool_name, opaque, attachments," \
    " metadata, status, incomplete_reason, bytes, token_count, created_at"
#define SQL_COPY(o) \
    o ".agent_id, " o ".role, " o ".hidden, " o ".content, " o ".tool_calls, " o ".tool_call_id," \
    " " o ".tool_name, " o ".opaque, " o ".attachments, " o ".metadata, " o ".status," \
    " " o ".incomplete_reason, " o ".bytes, " o ".token_count, " o ".created_at"
/* clang-format on */
