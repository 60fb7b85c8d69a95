/* What is known of users: the table, and deleting by it. */

#include "shared/store/users/user_data.h"

#include "shared/base/clock.h"
#include "shared/store/rows.h"

/* Rows that one request deletes. */
#define BATCH     200
#define BATCH_SQL SQL_STRING(BATCH)

/* clang-format off */
static const struct pg_statement memory_delete = {
    .name = "user_delete_memory",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM user_memory"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2"
        "      AND (agent_id, key) IN ("
        "          SELECT agent_id, key"
        "          FROM user_memory"
        "          WHERE tenant_id = $1"
        "            AND user_id = $2"
        "          LIMIT " BATCH_SQL ")"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};
/* clang-format on */

/* Runs a statement that deletes BATCH rows at most and tells how many. */
static int delete_batch(const struct store *store, struct text user,
                        const struct pg_statement *statement, int64_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(user)};
    int r = pg_exec(store->pg, statement, values, &result, err);

    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}

static int delete_memory(const struct store *store, struct text user, struct user_removed *removed,
                         bool *out_more, struct error *err)
{
    int64_t count;
    int r = delete_batch(store, user, &memory_delete, &count, err);

    if (r < 0)
        return r;
    removed->counts[USER_MEMORY] += count;
    *out_more = count > 0;
    return 0;
}

/* Deletes some, adds how many to the counts, and says whether there may be more. */
typedef int (*delete_fn)(const struct store *store, struct text user, struct user_removed *removed,
                         bool *out_more, struct error *err);

static const delete_fn rows[] = {delete_memory};

static const char *const names[USER_THING_COUNT] = {[USER_MEMORY] = "memory"};

const char *user_thing_name(enum user_thing thing)
{
    ASSERT(thing < USER_THING_COUNT);
    return names[thing];
}

int users_delete(const struct store *store, struct text user, int64_t deadline_ms,
                 struct user_removed *out, struct error *err)
{
    *out = (struct user_removed){.all = false};
    for (size_t i = 0; i < ARRAY_LENGTH(rows);) {
        bool more = false;
        int r = rows[i](store, user, out, &more, err);

        if (r < 0)
            return r;
        if (!more)
            i++;
        else if (clock_ms() >= deadline_ms)
            return 0;
    }
    out->all = true;
    return 0;
}
