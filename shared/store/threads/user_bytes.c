/* Folding what persons hold. Their rows are written in the order of their keys, so that two
 * schedulers are in no deadlock.
 *
 * A person's own are folded by two statements of one transaction. The first waits for whoever
 * folds some of them at this moment. What that one made of them the second one sees, since each
 * sees what was committed before it.
 */

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

#define OF_PERSON "tenant_id = $1 AND user_id = $2"

static const struct pg_statement fold_person = {
    .name = "user_bytes_fold_person",
    .sql =
        "WITH d AS (DELETE FROM user_deltas WHERE " OF_PERSON " RETURNING bytes)"
        " INSERT INTO user_bytes AS u (tenant_id, user_id, total_bytes)"
        " SELECT $1, $2, sum(d.bytes)"
        " FROM d"
        " HAVING count(*) > 0"
        " ON CONFLICT (tenant_id, user_id) DO UPDATE"
        " SET total_bytes = u.total_bytes + excluded.total_bytes",
    .types = "ut",
};

static const struct pg_statement tidy_person = {
    .name = "user_bytes_tidy_person",
    .sql = "DELETE FROM user_bytes WHERE " OF_PERSON " AND " SQL_CHECKED("total_bytes = 0"),
    .types = "ut",
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

int user_bytes_fold_person(const struct store *store, struct text user, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(user)};
    const struct pg_query queries[2] = {{&fold_person, values}, {&tidy_person, values}};

    return pg_exec_all(store->pg, queries, 2, NULL, err);
}
