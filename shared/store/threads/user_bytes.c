/* Folding what persons hold. Their rows are written in the order of their keys, so that two
 * schedulers are in no deadlock. */

#include "shared/store/threads/user_bytes.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement fold = {
    .name = "user_bytes_fold",
    .sql =
        "WITH d AS ("
        "    DELETE FROM user_deltas d"
        "    WHERE d.ctid = ANY (ARRAY("
        "        SELECT o.ctid"
        "        FROM user_deltas o"
        "        LIMIT " SQL_STRING(USER_FOLD_ROWS)
        "        FOR UPDATE SKIP LOCKED))"
        "    RETURNING *),"
        " u AS ("
        "    INSERT INTO user_bytes AS u (tenant_id, user_id, total_bytes)"
        "    SELECT d.tenant_id, d.user_id, sum(d.bytes)"
        "    FROM d"
        "    GROUP BY d.tenant_id, d.user_id"
        "    ORDER BY d.tenant_id, d.user_id"
        "    ON CONFLICT (tenant_id, user_id) DO UPDATE"
        "    SET total_bytes = u.total_bytes + excluded.total_bytes)"
        " SELECT count(*)"
        " FROM d",
    .types = "",
};

static const struct pg_statement tidy = {
    .name = "user_bytes_tidy",
    .sql = "DELETE FROM user_bytes u WHERE u.total_bytes = 0",
    .types = "",
};
/* clang-format on */

int user_bytes_fold(struct pg *pg, bool *out_more, struct error *err)
{
    const struct pg_query queries[2] = {{&fold, NULL}, {&tidy, NULL}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    *out_more = pg_get_int(results[0], 0, 0) >= USER_FOLD_ROWS;
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return 0;
}
