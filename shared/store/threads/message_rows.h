#pragma once
/* Inside the store: message rows, for the statements that give them. */

#include "shared/store/rows.h"
#include "shared/store/threads/messages.h"

/* clang-format off */
#define MESSAGE_COLUMNS MESSAGE_COLUMNS_WITH("m.tool_calls")

/* The same, with something else in the place of the calls. */
#define MESSAGE_COLUMNS_WITH(calls) \
    "m.content, m.id, m.thread_id, m.run_id, m.agent_id, m.position, m.seq, m.role, m.hidden," \
    " " calls ", m.tool_call_id, m.attachments, m.metadata, m.status, m.incomplete_reason," \
    " " SQL_SECONDS("m.created_at")
/* clang-format on */

/* Reads MESSAGE_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int message_read(struct row *row, void *out, struct error *err);

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
