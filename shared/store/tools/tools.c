/* Declared tools: see tools.h */

#include "shared/store/tools/tools.h"

#include "shared/store/rows.h"

/* clang-format off */
#define COLUMNS \
    "t.id, t.name, t.version, t.definition, to_json(t.secrets), " SQL_SECONDS("t.created_at") ", " \
    SQL_SECONDS("t.updated_at")
/* clang-format on */

static int tool_read(struct row *row, void *out, struct error *err)
{
    struct stored_tool tool = {.id = row_uuid(row)};

    tool.name = row_text(row);
    tool.version = row_int(row);
    tool.definition = row_text(row);
    tool.secrets = row_text(row);
    tool.created_at = row_int(row);
    tool.updated_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct stored_tool *)out = tool;
    return 0;
}

static const struct row_kind tool_rows = {tool_read, sizeof(struct stored_tool), TOOL_MISSING};
static const struct row_kind new_rows = {tool_read, sizeof(struct stored_tool), TOOLS_FULL};

/* clang-format off */
static const struct pg_statement create = {
    .name = "tool_create",
    .sql =
        "INSERT INTO tools AS t (id, tenant_id, name, definition, secrets)"
        " SELECT $1, $2, $3::text, $4, $5"
        " WHERE (SELECT count(*) FROM tools o WHERE o.tenant_id = $2)"
        "     < " SQL_STRING(TENANT_TOOLS_MAX)
        " RETURNING " COLUMNS,
    .types = "uutwT",
};

static const struct pg_statement update = {
    .name = "tool_update",
    .sql =
        "UPDATE tools t"
        " SET definition = $3, secrets = $4, version = t.version + 1, updated_at = now()"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2"
        "   AND t.version = $5"
        " RETURNING " COLUMNS,
    .types = "uuwTi",
};

static const struct pg_statement get = {
    .name = "tool_get",
    .sql = "SELECT " COLUMNS " FROM tools t WHERE t.id = $1 AND t.tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement find = {
    .name = "tool_find",
    .sql = "SELECT " COLUMNS " FROM tools t WHERE t.name = $1::text AND t.tenant_id = $2",
    .types = "tu",
};

static const struct pg_statement named = {
    .name = "tools_named",
    .sql = "SELECT " COLUMNS " FROM tools t WHERE t.tenant_id = $1 AND t.name = ANY ($2)",
    .types = "uT",
};

static const struct pg_statement all_names = {
    .name = "tools_names",
    .sql = "SELECT t.name FROM tools t WHERE t.tenant_id = $1 ORDER BY t.name",
    .types = "u",
};

#define LIST(direction) \
    SQL_PAGE(COLUMNS, "t", \
        "tools t" \
        " WHERE t.tenant_id = $1" \
        "   AND t.id > $2" \
        "   AND t.id < $3", \
        "t.id " direction, "$4", "$5", \
        "300 + " SQL_STORED("t.definition"), "300 + " SQL_SENT("t.definition"))

/* The members of a spec stand as they were written; what is no array has no tools. */
static const struct pg_statement users = {
    .name = "tool_users",
    .sql =
        "SELECT a.id, a.name"
        " FROM agents a"
        " WHERE a.tenant_id = $1"
        "   AND a.deleted_at IS NULL"
        "   AND position($2::text IN a.spec::text) > 0"
        "   AND EXISTS ("
        "       SELECT 1"
        "       FROM json_array_elements("
        "           CASE WHEN json_typeof(a.spec -> 'tools') = 'array' THEN a.spec -> 'tools'"
        "               ELSE '[]' END) i"
        "       WHERE i ->> 'type' = $2)"
        " ORDER BY a.id"
        " LIMIT " SQL_STRING(TOOL_USERS_SHOWN),
    .types = "ut",
};

static const struct pg_statement delete = {
    .name = "tool_delete",
    .sql = "DELETE FROM tools t WHERE t.id = $1 AND t.tenant_id = $2 RETURNING t.id",
    .types = "uu",
};
/* clang-format on */

static const struct pg_statement list_up = {"tool_list_up", LIST("ASC"), "uuuii"};
static const struct pg_statement list_down = {"tool_list_down", LIST("DESC"), "uuuii"};

static void array_of(const struct text *names, size_t count, struct buf *out)
{
    buf_init(out, 0);
    pg_array_begin(out);
    for (size_t i = 0; i < count; i++)
        pg_array_add_text(out, names[i]);
}

int tools_create(const struct store *store, const struct tool_draft *draft, struct stored_tool *out,
                 struct error *err)
{
    CLEANUP(buf_deinit) struct buf secrets = {0};
    struct pg_value values[5] = {pg_uuid(draft->id), pg_uuid(store->tenant), pg_text(draft->name),
                                 pg_json_as_written(draft->definition)};

    array_of(draft->secrets, draft->secrets_count, &secrets);
    values[4] = pg_array('T', &secrets);
    return store_create(store, &new_rows, &(struct pg_query){&create, values}, out, err);
}

int tools_update(const struct store *store, const struct tool_draft *draft, int64_t version,
                 struct stored_tool *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf secrets = {0};
    struct pg_value values[5] = {pg_uuid(draft->id), pg_uuid(store->tenant),
                                 pg_json_as_written(draft->definition), pg_null(), pg_int(version)};

    array_of(draft->secrets, draft->secrets_count, &secrets);
    values[3] = pg_array('T', &secrets);
    return store_one(store, &tool_rows, &(struct pg_query){&update, values}, out, err);
}

int tools_get(const struct store *store, struct uuid id, struct text name, struct stored_tool *out,
              struct error *err)
{
    bool by_id = !uuid_is_zero(id);
    struct pg_value values[2] = {by_id ? pg_uuid(id) : pg_text(name), pg_uuid(store->tenant)};

    return store_one(store, &tool_rows, &(struct pg_query){by_id ? &get : &find, values}, out, err);
}

int tools_list(const struct store *store, const struct page *page, struct stored_tool_list *out,
               struct error *err)
{
    const struct row_list list = {.up = &list_up, .down = &list_down, .of = store->tenant};
    struct rows rows;
    int r = rows_list(store, &tool_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct stored_tool_list){rows.items, rows.count, rows.has_more};
    return r;
}

int tools_named(const struct store *store, const struct text *names, size_t count,
                struct stored_tool_list *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf array = {0};
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_null()};
    struct pg_query query = {&named, values};
    struct rows rows;
    int r;

    array_of(names, count, &array);
    values[1] = pg_array('T', &array);
    r = rows_page(store, &tool_rows, &query, NULL, &rows, err);
    if (r == 0)
        *out = (struct stored_tool_list){rows.items, rows.count, false};
    return r;
}

static int name_read(struct row *row, void *out, struct error *err)
{
    *(struct text *)out = row_text(row);
    return row_check(row, err);
}

int tools_names(const struct store *store, struct text **out, size_t *out_count, struct error *err)
{
    static const struct row_kind kind = {name_read, sizeof(struct text), 0};
    struct pg_value values[] = {pg_uuid(store->tenant)};
    struct rows rows;
    int r = rows_page(store, &kind, &(struct pg_query){&all_names, values}, NULL, &rows, err);

    if (r < 0)
        return r;
    *out = rows.items;
    *out_count = rows.count;
    return 0;
}

static int user_read(struct row *row, void *out, struct error *err)
{
    struct tool_user user = {.agent = row_uuid(row)};

    user.name = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct tool_user *)out = user;
    return 0;
}

int tools_delete(const struct store *store, struct uuid id, struct text name,
                 struct tool_user out_users[TOOL_USERS_SHOWN], size_t *out_users_count,
                 struct error *err)
{
    static const struct row_kind user_rows = {user_read, sizeof(struct tool_user), 0};
    static const struct row_kind gone = {.missing = TOOL_MISSING};
    struct pg_value asked[2] = {pg_uuid(store->tenant), pg_text(name)};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    struct rows rows;
    int r = rows_page(store, &user_rows, &(struct pg_query){&users, asked}, NULL, &rows, err);

    if (r < 0)
        return r;
    if (rows.count > 0) {
        memcpy(out_users, rows.items, rows.count * sizeof(out_users[0]));
        *out_users_count = rows.count;
        return TOOL_USED;
    }
    return store_one(store, &gone, &(struct pg_query){&delete, values}, NULL, err);
}
