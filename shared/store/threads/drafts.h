#pragma once
/* Drafts of messages, and inside the store: many of them as one jsonb parameter.
 *
 * A JSON array of records costs one parameter whatever its columns, needs escaping only for plain
 * texts, and is cheap to take apart in SQL.
 */

#include "shared/postgres/postgres.h"
#include "shared/store/store.h"
#include "shared/store/threads/counts.h"

enum message_role { MESSAGE_USER, MESSAGE_ASSISTANT, MESSAGE_TOOL, MESSAGE_SYSTEM };

const char *message_role_name(enum message_role role);

/* A message from outside. `id` is the caller's choice (uuid_new()). */
struct message_draft {
    struct uuid id;
    enum message_role role;
    bool hidden; /* calls alone, or the result of one: left out of lists and search */
    struct text content;
    struct text tool_calls; /* role assistant: JSON array [{id,name,arguments}]; TEXT_NONE: none */
    struct text tool_call_id; /* role tool */
    struct text tool_name;    /* role tool; TEXT_NONE: not known */
    struct text attachments;  /* TEXT_NONE: none */
    struct text metadata;     /* TEXT_NONE: {} */
    int64_t tokens;
};

/* What a person or a system says, in the open. */
static inline bool draft_is_said(const struct message_draft *draft)
{
    return !draft->hidden && !draft->tool_calls.ptr && !draft->tool_call_id.ptr;
}

#define MESSAGE_DRAFTS_MAX 1000

/* Rows (id, role, content, attachments, metadata, bytes, tokens, hidden, tool_calls, tool_call_id,
 * tool_name, place) from parameter `n` ("$5"). */
/* clang-format off */
#define SQL_DRAFTS(n) \
    "ROWS FROM (jsonb_to_recordset(" n ") AS (" \
    "    id uuid, role text, content jsonb, attachments jsonb, metadata jsonb, bytes int4," \
    "    tokens int4, hidden bool, tool_calls jsonb, tool_call_id text, tool_name text))" \
    " WITH ORDINALITY AS d (" \
    "    id, role, content, attachments, metadata, bytes, tokens, hidden, tool_calls," \
    "    tool_call_id, tool_name, place)"

/* What such a row has of its own beside what is said, as columns of messages. */
#define DRAFT_CALL_COLUMNS "hidden, tool_calls, tool_call_id, tool_name"
#define SQL_DRAFT_CALLS(d) \
    "coalesce(" d ".hidden, false), " d ".tool_calls, " d ".tool_call_id, " d ".tool_name"

/* Insert them into the threads of `t` (a CTE with a column id) for tenant `tenant`, in order, as
 * submitted with run `run` ("NULL": with none). */
#define SQL_INSERT_DRAFTS(n, tenant, run) \
    "INSERT INTO messages (" \
    "    id, tenant_id, thread_id, submitted_with, role, content, attachments, metadata, bytes," \
    "    token_count, " DRAFT_CALL_COLUMNS ")" \
    " SELECT d.id, " tenant ", t.id, " run "::uuid, d.role, d.content, d.attachments," \
    "     coalesce(d.metadata, '{}'), d.bytes, d.tokens, " SQL_DRAFT_CALLS("d") \
    " FROM t, " SQL_DRAFTS(n) \
    " ORDER BY d.place"
/* clang-format on */

/* Encodes into `buf` (which the caller has initialised). Returns 0, or -E_LIMIT. */
MUSTCHECK int drafts_encode(struct buf *buf, const struct message_draft *drafts, size_t count,
                            struct error *err);

/* What one has beside what is said, as an object: hidden and the calls. */
void draft_calls_encode(struct buf *buf, const struct message_draft *draft);

/* What is counted of a message, and of many. */
int64_t draft_bytes(const struct message_draft *draft);
struct message_counts drafts_counts(const struct message_draft *drafts, size_t count);

/* The value for parameter `n`: NULL when there are none. */
struct pg_value drafts_value(const struct buf *buf, size_t count);
