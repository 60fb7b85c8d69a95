/* Agents with their versions
 *
 * The agents row is the latest version and the lock; agent_versions keeps all, written in the same
 * statement. Deleting only marks, since runs and old versions still refer to it.
 */

#include "shared/store/agents/agents.h"

#include "shared/store/rows.h"

/* clang-format off */
#define AGENT_COLUMNS \
    "id, version, name, spec," \
    " " SQL_SECONDS("created_at") "," \
    " " SQL_SECONDS("updated_at") "," \
    " created_by"
/* clang-format on */

static int agent_read(struct row *row, void *out, struct error *err)
{
    struct agent agent = {.version = 0};

    agent.id = row_uuid(row);
    agent.version = row_int(row);
    agent.name = row_text(row);
    agent.spec = row_text(row);
    agent.created_at = row_int(row);
    agent.updated_at = row_int(row);
    agent.created_by = row_uuid(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct agent *)out = agent;
    return 0;
}

static const struct row_kind agent_rows = {agent_read, sizeof(struct agent), AGENT_MISSING};

/* clang-format off */
static const struct pg_statement agent_create = {
    .name = "agent_create",
    .sql =
        "WITH a AS ("
        "    INSERT INTO agents (id, tenant_id, name, spec, spec_bytes, slug, created_by)"
        "    VALUES ($1, $2, $3, $4, octet_length($4::text), $5, $6)"
        "    RETURNING *),"
        " v AS ("
        "    INSERT INTO agent_versions (agent_id, version, spec)"
        "    SELECT id, version, spec"
        "    FROM a)"
        " SELECT " AGENT_COLUMNS
        " FROM a",
    .types = "uutwtu",
};
/* clang-format on */

int agents_create(const struct store *store, const struct agent_draft *draft, struct agent *out,
                  struct error *err)
{
    struct pg_value creator =
        uuid_is_zero(draft->created_by) ? pg_null() : pg_uuid(draft->created_by);
    struct pg_value values[6] = {pg_uuid(draft->id),   pg_uuid(store->tenant),
                                 pg_text(draft->name), pg_json_as_written(draft->spec),
                                 pg_text(draft->slug), creator};

    return store_create(store, &agent_rows, &(struct pg_query){&agent_create, values}, out, err);
}

/* clang-format off */
static const struct pg_statement agent_get = {
    .name = "agent_get",
    .sql =
        "SELECT " AGENT_COLUMNS
        " FROM agents"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        "   AND deleted_at IS NULL",
    .types = "uu",
};
/* clang-format on */

int agents_get(const struct store *store, struct uuid id, struct agent *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &agent_rows, &(struct pg_query){&agent_get, values}, out, err);
}

/* clang-format off */
static const struct pg_statement agent_find = {
    .name = "agent_find",
    .sql =
        "SELECT id"
        " FROM agents"
        " WHERE tenant_id::text || '/' || slug = $1::uuid::text || '/' || $2"
        "   AND slug IS NOT NULL"
        "   AND deleted_at IS NULL",
    .types = "ut",
};
/* clang-format on */

static int id_read(struct row *row, void *out, struct error *err)
{
    *(struct uuid *)out = row_uuid(row);
    return row_check(row, err);
}

int agents_find(const struct store *store, struct text slug, struct uuid *out, struct error *err)
{
    static const struct row_kind ids = {id_read, sizeof(struct uuid), AGENT_MISSING};
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(slug)};

    return store_one(store, &ids, &(struct pg_query){&agent_find, values}, out, err);
}

/* clang-format off */
static const struct pg_statement agent_exists = {
    .name = "agent_exists",
    .sql =
        "SELECT 1"
        " FROM agents"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        "   AND ($3 OR deleted_at IS NULL)",
    .types = "uub",
};
/* clang-format on */

int agents_exists(const struct store *store, struct uuid id, bool deleted, struct error *err)
{
    static const struct row_kind there = {.missing = AGENT_MISSING};
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), pg_bool(deleted)};

    return store_one(store, &there, &(struct pg_query){&agent_exists, values}, NULL, err);
}

/* clang-format off */
static const struct pg_statement agent_look = {
    .name = "agent_look",
    .sql =
        "SELECT a.id, a.version, a.name,"
        "     CASE WHEN s.bytes <= " SQL_STRING(SMALL_BYTES_MAX) " THEN a.spec END,"
        "     " SQL_SECONDS("a.created_at") ","
        "     " SQL_SECONDS("a.updated_at") ","
        "     a.created_by,"
        "     s.bytes"
        " FROM agents a"
        " CROSS JOIN LATERAL (SELECT " SQL_SPEC_SENT("a") " AS bytes) s"
        " WHERE a.id = $1"
        "   AND a.tenant_id = $2"
        "   AND a.deleted_at IS NULL",
    .types = "uu",
};
/* clang-format on */

#define COLUMN_SPEC_BYTES 7 /* behind AGENT_COLUMNS */

int agents_look(const struct store *store, struct uuid id, struct agent *out, size_t *out_bytes,
                struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    struct agent agent;
    int r = pg_exec(store->pg, &agent_look, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return AGENT_MISSING;
    r = row_read_at(store, &agent_rows, result, 0, &agent, err);
    if (r < 0)
        return r;
    *out = agent;
    *out_bytes = (size_t)pg_get_int(result, 0, COLUMN_SPEC_BYTES);
    return *out_bytes > SMALL_BYTES_MAX ? AGENT_LARGE : 0;
}

/* clang-format off */
#define AGENT_VERSIONS \
    "SELECT a.id, v.version, NULL, v.spec," \
    "     " SQL_SECONDS("a.created_at") "," \
    "     " SQL_SECONDS("v.created_at") "," \
    "     a.created_by" \
    " FROM agents a" \
    " JOIN agent_versions v ON v.agent_id = a.id" \
    " WHERE a.id = $1" \
    "   AND a.tenant_id = $2" \
    "   AND v.version"

static const struct pg_statement agent_get_version = {
    .name = "agent_get_version",
    .sql = AGENT_VERSIONS " = $3",
    .types = "uui",
};
/* clang-format on */

int agents_get_version(const struct store *store, struct uuid id, int64_t version,
                       struct agent *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), pg_int(version)};

    return store_one(store, &agent_rows, &(struct pg_query){&agent_get_version, values}, out, err);
}

/* clang-format off */
#define AGENT_VERSION_LIST(direction) \
    SQL_PAGE("v.id, v.version, NULL, v.spec, v.created_at, v.updated_at, v.created_by", "v", \
        "(" \
        "    SELECT a.id, v.version, v.spec," \
        "        " SQL_SECONDS("a.created_at") " AS created_at," \
        "        " SQL_SECONDS("v.created_at") " AS updated_at," \
        "        a.created_by" \
        "    FROM agents a" \
        "    JOIN agent_versions v ON v.agent_id = a.id" \
        "    WHERE a.id = $1" \
        "      AND a.tenant_id = $2" \
        "      AND v.version BETWEEN $3 AND $4) v", \
        "v.version " direction, "$5", "$6", SQL_STORED("v.spec"), SQL_SENT("v.spec"))
/* clang-format on */

static const struct pg_statement version_list_up = {"agent_version_list_up",
                                                    AGENT_VERSION_LIST("ASC"), "uuiiii"};
static const struct pg_statement version_list_down = {"agent_version_list_down",
                                                      AGENT_VERSION_LIST("DESC"), "uuiiii"};

int agents_list_versions(const struct store *store, struct uuid id, int64_t from, int64_t to,
                         const struct page *page, struct agent_list *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[6] = {pg_uuid(id), pg_uuid(store->tenant), pg_int(from),
                                 pg_int(to),  pg_int(plan.limit),     pg_int(plan.bytes)};
    struct pg_query query = {plan.ascending ? &version_list_up : &version_list_down, values};
    struct rows rows;
    int r = rows_page(store, &agent_rows, &query, &plan, &rows, err);

    if (r == 0)
        *out = (struct agent_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
#define AGENT_LIST(direction) \
    SQL_PAGE(AGENT_COLUMNS, "agents", \
        "agents" \
        " WHERE tenant_id = $1" \
        "   AND deleted_at IS NULL" \
        "   AND id > $2" \
        "   AND id < $3", \
        "id " direction, "$4", "$5", \
        SQL_STORED("spec"), \
        SQL_SPEC_SENT("agents"))
/* clang-format on */

static const struct pg_statement agent_list_up = {"agent_list_up", AGENT_LIST("ASC"), "uuuii"};
static const struct pg_statement agent_list_down = {"agent_list_down", AGENT_LIST("DESC"), "uuuii"};

int agents_list(const struct store *store, const struct page *page, struct agent_list *out,
                struct error *err)
{
    const struct row_list all = {
        .up = &agent_list_up, .down = &agent_list_down, .of = store->tenant};
    struct rows rows;
    int r = rows_list(store, &agent_rows, &all, page, &rows, err);

    if (r == 0)
        *out = (struct agent_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
static const struct pg_statement agent_update = {
    .name = "agent_update",
    .sql =
        "WITH a AS ("
        "    UPDATE agents"
        "    SET version = version + 1, name = $3, spec = $4, slug = $6,"
        "        spec_bytes = octet_length($4::text), updated_at = now()"
        "    WHERE id = $1"
        "      AND tenant_id = $2"
        "      AND deleted_at IS NULL"
        "      AND ($5 = 0 OR version = $5)"
        "    RETURNING *),"
        " v AS ("
        "    INSERT INTO agent_versions (agent_id, version, spec)"
        "    SELECT id, version, spec"
        "    FROM a),"
        " old AS ("
        "    DELETE FROM agent_versions o"
        "    USING a"
        "    WHERE o.agent_id = a.id"
        "      AND o.version <= a.version - " SQL_STRING(AGENT_VERSIONS_KEPT) ")"
        " SELECT " AGENT_COLUMNS
        " FROM a",
    .types = "uutwit",
};
/* clang-format on */

int agents_update(const struct store *store, const struct agent_draft *draft, struct agent *out,
                  struct error *err)
{
    struct pg_value values[6] = {pg_uuid(draft->id),
                                 pg_uuid(store->tenant),
                                 pg_text(draft->name),
                                 pg_json_as_written(draft->spec),
                                 pg_int(draft->expected_version),
                                 pg_text(draft->slug)};
    struct agent now;
    int r = store_one(store, &agent_rows, &(struct pg_query){&agent_update, values}, out, err);

    if (r != AGENT_MISSING)
        return r;
    r = agents_get(store, draft->id, &now, err);
    return r == 0 ? AGENT_CHANGED : r;
}

/* clang-format off */
static const struct pg_statement agent_delete = {
    .name = "agent_delete",
    .sql =
        "UPDATE agents"
        " SET deleted_at = now()"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        "   AND deleted_at IS NULL"
        " RETURNING 1",
    .types = "uu",
};
/* clang-format on */

int agents_delete(const struct store *store, struct uuid id, struct error *err)
{
    static const struct row_kind deleted = {.missing = AGENT_MISSING};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &deleted, &(struct pg_query){&agent_delete, values}, NULL, err);
}
