/* Promotion of held runs */

#include "shared/store/threads/promotions.h"

#include "shared/store/rows.h"

const struct pg_statement promote_behind = {
    .name = "promote_behind",
    .sql = SQL_PROMOTE("SELECT e.thread_id FROM runs e WHERE e.id = ANY ($1)"),
    .types = "U",
};

const struct pg_statement promote_in = {
    .name = "promote_in",
    .sql = SQL_PROMOTE("SELECT unnest($1)"),
    .types = "U",
};

const struct pg_statement promote_at = {
    .name = "promote_at",
    .sql = SQL_PROMOTE("SELECT $1"),
    .types = "u",
};

/* clang-format off */
const struct pg_statement promote_all = {
    .name = "promote_all",
    .sql = SQL_PROMOTE(
        "(SELECT e.thread_id"
        " FROM runs e"
        " JOIN threads o ON o.id = ANY (ARRAY[e.thread_id])"
        " WHERE e.status = 'queued'"
        "   AND e.held IS NOT NULL"
        "   AND o.active_run IS NULL"
        " LIMIT " SQL_STRING(PROMOTE_BATCH) ")"
        " UNION ALL"
        " (SELECT e.thread_id"
        " FROM thread_inputs e"
        " JOIN threads o ON o.id = ANY (ARRAY[e.thread_id])"
        " WHERE o.active_run IS NULL"
        " LIMIT " SQL_STRING(PROMOTE_BATCH) ")"),
    .types = "",
};
/* clang-format on */

static const struct pg_statement promote_lock = {
    .name = "promote_lock",
    .sql = "SELECT 1 FROM threads t WHERE t.id = $1 FOR NO KEY UPDATE",
    .types = "u",
};

int thread_promote(const struct store *store, struct uuid thread, struct error *err)
{
    struct pg_value value = pg_uuid(thread);
    const struct pg_query queries[2] = {{&promote_lock, &value}, {&promote_at, &value}};

    return pg_exec_all(store->pg, queries, 2, NULL, err);
}
