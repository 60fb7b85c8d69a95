#pragma once
/* Inside shared/store/users: rows of memories, and the requests that write them. */

#include "shared/store/rows.h"
#include "shared/store/users/memories.h"

/* clang-format off */
#define MEMORIES_OF_USER  "tenant_id = $1 AND user_id = $2"
#define MEMORIES_ALIVE    MEMORIES_OF_USER " AND replaced_at IS NULL"

#define MEMORY_ROW(m) \
    m ".id, " m ".agent_id, " m ".kind, " m ".source, " m ".source_run, " m ".source_thread," \
    " " m ".text, " m ".version, " m ".recalls," \
    " " SQL_SECONDS(m ".last_recalled_at") "," \
    " " SQL_SECONDS(m ".created_at") "," \
    " " SQL_SECONDS(m ".updated_at") "," \
    " " SQL_SECONDS(m ".replaced_at") "," \
    " " m ".superseded_by"
/* clang-format on */

/* Of columns as above; missing: MEMORY_MISSING. */
extern const struct row_kind memory_row_kind;

/* A row with one number. */
extern const struct row_kind memory_count_kind;

#define MEMORY_LOCKED_MAX 2

/* Runs statements whose values begin with tenant and user as one request under the lock of the
 * user's memories. The result of the first is the caller's to pg_result_free. */
SUSPENDS MUSTCHECK int memories_locked(const struct store *store, struct text user,
                                       const struct pg_query *queries, size_t count,
                                       struct pg_result **out, struct error *err);
