#include "shared/store/files/files.h"

#include "shared/store/files/blob_rows.h"
#include "shared/store/files/file_rows.h"

#define EXPIRE_MAX 1000

#define COLUMN_SETTLED 6 /* behind FILE_COLUMNS */

#define NOT_EXPIRED "(f.expires_at IS NULL OR f.expires_at > now())"

int file_read(struct row *row, void *out, struct error *err)
{
    struct file file = {.id = row_uuid(row)};

    file.filename = row_text(row);
    file.purpose = row_text(row);
    file.bytes = row_int(row);
    file.created_at = row_int(row);
    file.expires_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct file *)out = file;
    return 0;
}

/* With its blob behind it. */
static int file_read_blob(struct row *row, void *out, struct error *err)
{
    struct file *file = out;
    int r = file_read(row, file, err);

    if (r == 0)
        blob_ref_read(row, &file->blob);
    return r;
}

static const struct row_kind file_rows = {file_read, sizeof(struct file), FILE_MISSING};
static const struct row_kind file_blob_rows = {file_read_blob, sizeof(struct file), FILE_MISSING};
static const struct row_kind gone_rows = {NULL, 0, FILE_MISSING};

void new_file_values(const struct store *store, const struct new_file *file,
                     const struct blob_content *content, struct pg_value values[NEW_FILE_VALUES])
{
    blob_content_values(store, content, values);
    values[5] = pg_uuid(file->id);
    values[6] = pg_text(file->filename);
    values[7] = pg_text(file->purpose);
    values[8] = file->seconds > 0 ? pg_int(file->seconds) : pg_null();
}

/* clang-format off */
static const struct pg_statement create = {
    .name = "file_create",
    .sql =
        "WITH " SQL_SETTLE("true") ","
        " made AS ("
        "    " SQL_INSERT_FILE
        "    RETURNING *)"
        " SELECT " FILE_COLUMNS ", " SQL_SETTLED_AS
        " FROM (VALUES (1)) one"
        " LEFT JOIN made f ON true",
    .types = NEW_FILE_TYPES,
};
/* clang-format on */

int file_create(const struct store *store, const struct new_file *file,
                const struct blob_content *content, struct file *out, bool *out_spare,
                struct error *err)
{
    struct pg_value values[NEW_FILE_VALUES];
    struct pg_query queries[2] = {{&create, values}};
    struct pg_result *results[2] = {NULL, NULL};
    size_t count = 1;
    int r;

    new_file_values(store, file, content, values);
    if (store->rider)
        queries[count++] = *store->rider;
    r = pg_exec_all(store->pg, queries, count, results, err);
    if (r == 0)
        r = blob_settled(results[0], COLUMN_SETTLED, !pg_is_null(results[0], 0, 0), out_spare);
    if (r == 0)
        r = row_read_at(store, &file_rows, results[0], 0, out, err);
    for (size_t i = 0; i < count; i++)
        pg_result_free(results[i]);
    return r;
}

/* clang-format off */
static const struct pg_statement get = {
    .name = "file_get",
    .sql =
        "SELECT " FILE_COLUMNS ", " BLOB_REF_COLUMNS
        " FROM files f"
        " JOIN blobs b ON b.id = f.blob_id"
        " WHERE f.id = $2"
        "   AND f.tenant_id = $1"
        "   AND " NOT_EXPIRED,
    .types = "uu",
};

static const struct pg_statement delete = {
    .name = "file_delete",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM files f"
        "    WHERE f.id = $2"
        "      AND f.tenant_id = $1"
        "      AND " NOT_EXPIRED
        "    RETURNING f.blob_id),"
        " " SQL_LET_GO
        " SELECT 1"
        " FROM gone",
    .types = "uu",
};

static const struct pg_statement expire = {
    .name = "files_expire",
    .sql =
        "WITH old AS MATERIALIZED ("
        "    SELECT id"
        "    FROM files"
        "    WHERE expires_at <= now()"
        "    ORDER BY expires_at"
        "    LIMIT " SQL_STRING(EXPIRE_MAX)
        "    FOR UPDATE SKIP LOCKED),"
        " gone AS ("
        "    DELETE FROM files"
        "    WHERE id IN (SELECT id FROM old)"
        "    RETURNING blob_id),"
        " " SQL_LET_GO
        " SELECT count(*)"
        " FROM gone",
    .types = "",
};
/* clang-format on */

/* clang-format off */
#define NOT_FOUND(purposes) \
    "SELECT wanted.id" \
    " FROM unnest($2) AS wanted (id)" \
    " WHERE NOT EXISTS (" \
    "     SELECT" \
    "     FROM files f" \
    "     WHERE f.id = wanted.id" \
    "       AND f.tenant_id = $1" \
    purposes \
    "       AND " NOT_EXPIRED ")" \
    " LIMIT 1"

static const struct pg_statement not_shown = {
    .name = "files_not_shown",
    .sql = NOT_FOUND("       AND f.purpose IN ('vision', 'assistants', 'user_data')"),
    .types = "uU",
};

static const struct pg_statement not_there = {
    .name = "files_not_there",
    .sql = NOT_FOUND(""),
    .types = "uU",
};
/* clang-format on */

static int find_missing(const struct store *store, const struct pg_statement *statement,
                        const struct buf *ids, struct uuid *out_missing, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct buf array = *ids; /* borrowed */
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_array('U', &array)};
    int r = pg_exec(store->pg, statement, values, &result, err);

    if (r < 0 || pg_rows(result) == 0)
        return r;
    *out_missing = pg_get_uuid(result, 0, 0);
    return FILE_MISSING;
}

int files_shown(const struct store *store, const struct buf *ids, struct uuid *out_missing,
                struct error *err)
{
    return find_missing(store, &not_shown, ids, out_missing, err);
}

int files_there(const struct store *store, const struct buf *ids, struct uuid *out_missing,
                struct error *err)
{
    return find_missing(store, &not_there, ids, out_missing, err);
}

int file_get(const struct store *store, struct uuid id, struct file *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(id)};

    return store_one(store, &file_blob_rows, &(struct pg_query){&get, values}, out, err);
}

int file_delete(const struct store *store, struct uuid id, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(id)};

    return store_one(store, &gone_rows, &(struct pg_query){&delete, values}, NULL, err);
}

int files_expire(struct pg *pg, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &expire, NULL, &result, err);

    if (r == 0)
        *out_more = pg_get_int(result, 0, 0) == EXPIRE_MAX;
    return r;
}

/* A page may have ten thousand rows, all of them small: what they take is summed as they come,
 * which SQL_PAGE does row by row. */
/* clang-format off */
#define FILE_LIST(of, direction) \
    "SELECT " FILE_COLUMNS ", f.page_rows" \
    " FROM (" \
    "    SELECT f.*, row_number() OVER v AS page_at, count(*) OVER () AS page_rows," \
    "        sum(octet_length(f.filename) + 250) OVER v AS sent" \
    "    FROM (" \
    "        SELECT *" \
    "        FROM files f" \
    "        WHERE f.tenant_id = $1" \
    of \
    "          AND " NOT_EXPIRED \
    "          AND f.id > $2" \
    "          AND f.id < $3" \
    "        ORDER BY f.id " direction \
    "        LIMIT $4) f" \
    "    WINDOW v AS (ORDER BY f.id " direction " ROWS UNBOUNDED PRECEDING)) f" \
    " WHERE f.sent <= $5 OR f.page_at = 1" \
    " ORDER BY f.page_at"
#define OF_PURPOSE "          AND f.purpose = $6"
/* clang-format on */

static const struct pg_statement list_up = {"file_list_up", FILE_LIST("", "ASC"), "uuuii"};
static const struct pg_statement list_down = {"file_list_down", FILE_LIST("", "DESC"), "uuuii"};
static const struct pg_statement list_of_up = {"file_list_of_up", FILE_LIST(OF_PURPOSE, "ASC"),
                                               "uuuiit"};
static const struct pg_statement list_of_down = {"file_list_of_down", FILE_LIST(OF_PURPOSE, "DESC"),
                                                 "uuuiit"};

int file_list(const struct store *store, const struct file_page *page, struct file_list *out,
              struct error *err)
{
    const struct pg_value purpose = pg_text(page->purpose);
    const struct row_list all = {&list_up, &list_down, store->tenant, NULL, 0};
    const struct row_list some = {&list_of_up, &list_of_down, store->tenant, &purpose, 1};
    struct rows rows;
    int r = rows_list(store, &file_rows, page->purpose.ptr ? &some : &all, &page->page, &rows, err);

    if (r == 0)
        *out = (struct file_list){rows.items, rows.count, rows.has_more};
    return r;
}
