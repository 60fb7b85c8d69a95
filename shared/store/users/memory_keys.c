/* What is known of users
 *
 * Who writes takes the user's lock first, with a statement of its own: the next one sees all that
 * was committed before it had the lock, so what it counts is what there is. The lock ends with the
 * request's transaction. Two users may share a lock, which costs a wait.
 */

#include "shared/store/users/memory_keys.h"

#include "shared/store/rows.h"

#define LOCKED_QUERIES 2

/* clang-format off */
#define MEMORY_COLUMNS \
    "key, value," \
    " " SQL_SECONDS("created_at") "," \
    " " SQL_SECONDS("updated_at")

#define OF_USER  "tenant_id = $1 AND user_id = $2"
#define OF_SCOPE OF_USER " AND agent_id = $3"

/* What an agent knows of a user: nobody's agent is all zeros, and its own comes first. */
#define KNOWN OF_USER " AND agent_id IN ($3, '00000000-0000-0000-0000-000000000000')"
#define KNOWN_ORDER "key, agent_id DESC"
/* clang-format on */

static int memory_read(struct row *row, void *out, struct error *err)
{
    struct memory_key memory = {.created_at = 0};

    memory.key = row_text(row);
    memory.value = row_text(row);
    memory.created_at = row_int(row);
    memory.updated_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct memory_key *)out = memory;
    return 0;
}

static int count_read(struct row *row, void *out, struct error *err)
{
    *(int64_t *)out = row_int(row);
    return row_check(row, err);
}

/* What was written, behind how many. */
static int put_read(struct row *row, void *out, struct error *err)
{
    (void)row_int(row);
    return memory_read(row, out, err);
}

static const struct row_kind memory_rows = {memory_read, sizeof(struct memory_key),
                                            MEMORY_KEY_MISSING};
static const struct row_kind put_rows = {put_read, sizeof(struct memory_key), MEMORY_KEYS_FULL};
static const struct row_kind replaced_rows = {count_read, sizeof(int64_t), MEMORY_KEYS_FULL};

/* clang-format off */
static const struct pg_statement memory_lock = {
    .name = "memory_lock",
    .sql = "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' memory of ' || $2, 0))",
    .types = "ut",
};

/* $4 is the value of the key $5; or, where that is NULL, an object that says all that the scope is
 * to know. */
static const struct pg_statement memory_write = {
    .name = "memory_write",
    .sql =
        "WITH wanted AS MATERIALIZED ("
        "    SELECT w.key COLLATE \"C\" AS key, w.value"
        "    FROM jsonb_each(CASE WHEN $5::text IS NULL THEN $4"
        "        ELSE jsonb_build_object($5, $4) END) w),"
        " room AS MATERIALIZED ("
        "    SELECT w.count"
        "    FROM (SELECT count(*) AS count FROM wanted) w"
        "    WHERE w.count + ("
        "        SELECT count(*)"
        "        FROM user_memory"
        "        WHERE " OF_USER
        "          AND (agent_id <> $3 OR key <> $5)) <= " SQL_STRING(MEMORY_KEYS_MAX) "),"
        " gone AS ("
        "    DELETE FROM user_memory"
        "    WHERE " OF_SCOPE
        "      AND $5 IS NULL"
        "      AND EXISTS (SELECT FROM room)"
        "      AND key NOT IN (SELECT w.key FROM wanted w)),"
        " put AS ("
        "    INSERT INTO user_memory ("
        "        tenant_id, user_id, agent_id, key, value, value_bytes, updated_at)"
        "    SELECT $1, $2, $3, w.key, w.value, octet_length(w.value::text), statement_timestamp()"
        "    FROM wanted w"
        "    WHERE EXISTS (SELECT FROM room)"
        "    ON CONFLICT (tenant_id, user_id, agent_id, key) DO UPDATE"
        "    SET value = excluded.value,"
        "        value_bytes = excluded.value_bytes,"
        "        updated_at = excluded.updated_at"
        "    RETURNING *)"
        " SELECT room.count, " MEMORY_COLUMNS
        " FROM room"
        " LEFT JOIN put ON $5 IS NOT NULL",
    .types = "utujt",
};
/* clang-format on */

/* Runs a writing statement under the user's lock, whose values begin with tenant and user. */
static int write_locked(const struct store *store, const struct row_kind *kind,
                        const struct pg_query *query, void *out, struct error *err)
{
    struct pg_query queries[LOCKED_QUERIES] = {{&memory_lock, query->values}, *query};
    struct pg_result *results[LOCKED_QUERIES] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, LOCKED_QUERIES, results, err);

    if (r < 0)
        return r;
    r = pg_rows(results[1]) == 0 ? kind->missing
                                 : row_read_at(store, kind, results[1], 0, out, err);
    for (size_t i = 0; i < LOCKED_QUERIES; i++)
        pg_result_free(results[i]);
    return r;
}

/* `key` TEXT_NONE: all of the scope, as the object `value` says. */
static int write_scope(const struct store *store, const struct memory_key_scope *scope,
                       struct text key, struct text value, const struct row_kind *kind, void *out,
                       struct error *err)
{
    struct pg_value values[5] = {pg_uuid(store->tenant), pg_text(scope->user),
                                 pg_uuid(scope->agent), pg_json(value), pg_text(key)};

    return write_locked(store, kind, &(struct pg_query){&memory_write, values}, out, err);
}

int memory_keys_put(const struct store *store, const struct memory_key_scope *scope,
                    struct text key, struct text value, struct memory_key *out, struct error *err)
{
    return write_scope(store, scope, key, value, &put_rows, out, err);
}

int memory_keys_replace(const struct store *store, const struct memory_key_scope *scope,
                        struct text object, int64_t *out_count, struct error *err)
{
    return write_scope(store, scope, TEXT_NONE, object, &replaced_rows, out_count, err);
}

/* clang-format off */
static const struct pg_statement memory_get = {
    .name = "memory_get",
    .sql =
        "SELECT " MEMORY_COLUMNS
        " FROM user_memory"
        " WHERE " OF_SCOPE
        "   AND key = $4",
    .types = "utut",
};
/* clang-format on */

int memory_keys_get(const struct store *store, const struct memory_key_scope *scope,
                    struct text key, struct memory_key *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(scope->user),
                                 pg_uuid(scope->agent), pg_text(key)};

    return store_one(store, &memory_rows, &(struct pg_query){&memory_get, values}, out, err);
}

/* clang-format off */
#define MEMORY_LIST(direction) \
    SQL_PAGE(MEMORY_COLUMNS, "m", \
        "user_memory m" \
        " WHERE m.tenant_id = $1" \
        "   AND m.user_id = $2" \
        "   AND m.agent_id = $3" \
        "   AND m.key > coalesce($4, '')" \
        "   AND (m.key < $5 OR $5 IS NULL)", \
        "m.key " direction, "$6", "$7", \
        SQL_STORED("m.value"), \
        SQL_SENT("m.value"))
/* clang-format on */

static const struct pg_statement memory_list_up = {"memory_list_up", MEMORY_LIST("ASC"), "ututtii"};
static const struct pg_statement memory_list_down = {"memory_list_down", MEMORY_LIST("DESC"),
                                                     "ututtii"};

int memory_keys_list(const struct store *store, const struct memory_key_scope *scope,
                     const struct memory_key_page *page, struct memory_key_list *out,
                     struct error *err)
{
    struct page sizes = {.limit = page->limit, .bytes_max = page->bytes_max};
    struct page_plan plan = page_plan(&sizes);
    struct pg_value values[7];
    struct pg_query query = {NULL, values};
    struct rows rows;
    int r;

    plan.reversed = page->before.ptr && !page->after.ptr;
    plan.ascending = page->ascending != plan.reversed;
    values[0] = pg_uuid(store->tenant);
    values[1] = pg_text(scope->user);
    values[2] = pg_uuid(scope->agent);
    values[3] = pg_text(page->ascending ? page->after : page->before);
    values[4] = pg_text(page->ascending ? page->before : page->after);
    values[5] = pg_int(plan.limit);
    values[6] = pg_int(plan.bytes);
    query.statement = plan.ascending ? &memory_list_up : &memory_list_down;
    r = rows_page(store, &memory_rows, &query, &plan, &rows, err);
    if (r == 0)
        *out = (struct memory_key_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
static const struct pg_statement memory_delete = {
    .name = "memory_delete",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM user_memory"
        "    WHERE " OF_SCOPE
        "      AND (key = $4 OR $4 IS NULL)"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "utut",
};
/* clang-format on */

int memory_keys_delete(const struct store *store, const struct memory_key_scope *scope,
                       struct text key, int64_t *out_removed, struct error *err)
{
    static const struct row_kind counts = {count_read, sizeof(int64_t), MEMORY_KEY_MISSING};
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(scope->user),
                                 pg_uuid(scope->agent), pg_text(key)};

    return write_locked(store, &counts, &(struct pg_query){&memory_delete, values}, out_removed,
                        err);
}

/* clang-format off */
#define RECALL_VALUE_MAX "65536" /* what takes more is for no prompt: its digits were written out */

static const struct pg_statement memory_recall = {
    .name = "memory_recall",
    .sql =
        "WITH known AS ("
        "    SELECT DISTINCT ON (key) *"
        "    FROM user_memory"
        "    WHERE " KNOWN
        "    ORDER BY " KNOWN_ORDER "),"
        " measured AS ("
        "    SELECT k.*, sum(value_bytes + octet_length(key)) OVER v AS bytes"
        "    FROM known k"
        "    WHERE value_bytes <= " RECALL_VALUE_MAX
        "    WINDOW v AS (ORDER BY updated_at DESC, key ROWS UNBOUNDED PRECEDING))"
        " SELECT " MEMORY_COLUMNS ", (SELECT count(*) FROM known)"
        " FROM measured"
        " WHERE bytes - value_bytes - octet_length(key) < $4"
        " ORDER BY measured.updated_at DESC, key",
    .types = "utui",
};

static const struct pg_statement memory_recall_key = {
    .name = "memory_recall_key",
    .sql =
        "SELECT " MEMORY_COLUMNS
        " FROM user_memory"
        " WHERE " KNOWN
        "   AND key = $4"
        " ORDER BY agent_id DESC"
        " LIMIT 1",
    .types = "utut",
};
/* clang-format on */

#define COLUMN_KNOWN 4 /* behind MEMORY_COLUMNS */

int memory_keys_recall(const struct store *store, const struct memory_key_scope *scope,
                       int64_t bytes, struct memory_key_recall *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(scope->user),
                                 pg_uuid(scope->agent), pg_int(bytes)};
    struct rows rows;
    size_t known;
    int r = pg_exec(store->pg, &memory_recall, values, &result, err);

    if (r == 0)
        r = rows_read(store->arena, &memory_rows, result, NULL, &rows, err);
    if (r < 0)
        return r;
    known = rows.count ? (size_t)pg_get_int(result, 0, COLUMN_KNOWN) : 0;
    *out = (struct memory_key_recall){rows.items, rows.count, known - rows.count};
    return 0;
}

int memory_keys_recall_key(const struct store *store, const struct memory_key_scope *scope,
                           struct text key, struct memory_key *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(scope->user),
                                 pg_uuid(scope->agent), pg_text(key)};

    return store_one(store, &memory_rows, &(struct pg_query){&memory_recall_key, values}, out, err);
}
