/* Uploads
 *
 * Who adds a part locks the upload's row against who ends it, so no part comes to one that is over.
 * Parts are deleted by a statement of their own behind the one that ends their upload: the content
 * of a file may be that of a part, and a statement changes a blob's row once.
 */

#include "shared/store/files/uploads.h"

#include "shared/store/files/blob_rows.h"
#include "shared/store/files/file_rows.h"

#define EXPIRE_MAX 100

/* clang-format off */
#define UPLOAD_COLUMNS \
    "u.id, u.filename, u.purpose, u.mime_type, u.bytes, u.file_seconds," \
    " CASE WHEN u.status = 'pending' AND u.expires_at <= now() THEN 'expired' ELSE u.status END," \
    " u.file_id," \
    " " SQL_SECONDS("u.created_at") "," \
    " " SQL_SECONDS("u.expires_at")

#define PART_COLUMNS "p.id, p.bytes, " SQL_SECONDS("p.created_at")

#define PENDING "status = 'pending' AND expires_at > now()"
/* clang-format on */

#define COLUMN_PART_SETTLED 3 /* behind PART_COLUMNS */

static int upload_read(struct row *row, void *out, struct error *err)
{
    struct upload upload = {.id = row_uuid(row)};

    upload.filename = row_text(row);
    upload.purpose = row_text(row);
    upload.mime_type = row_text(row);
    upload.bytes = row_int(row);
    upload.file_seconds = row_int(row);
    upload.status = row_text(row);
    upload.file = row_uuid(row);
    upload.created_at = row_int(row);
    upload.expires_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct upload *)out = upload;
    return 0;
}

static void part_read_own(struct row *row, struct upload_part *part)
{
    part->id = row_uuid(row);
    part->bytes = row_int(row);
    part->created_at = row_int(row);
}

static int part_read(struct row *row, void *out, struct error *err)
{
    struct upload_part part = {.bytes = 0};

    part_read_own(row, &part);
    blob_ref_read(row, &part.blob);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct upload_part *)out = part;
    return 0;
}

static const struct row_kind upload_rows = {upload_read, sizeof(struct upload), UPLOAD_MISSING};
static const struct row_kind part_rows = {part_read, sizeof(struct upload_part), PART_MISSING};

/* clang-format off */
static const struct pg_statement create = {
    .name = "upload_create",
    .sql =
        "INSERT INTO uploads AS u ("
        "    id, tenant_id, filename, purpose, mime_type, bytes, file_seconds, expires_at)"
        " VALUES ($2, $1, $3, $4, $5, $6, $7,"
        "     now() + interval '" SQL_STRING(UPLOAD_SECONDS) " seconds')"
        " RETURNING " UPLOAD_COLUMNS,
    .types = "uutttii",
};

static const struct pg_statement get = {
    .name = "upload_get",
    .sql =
        "SELECT " UPLOAD_COLUMNS
        " FROM uploads u"
        " WHERE u.id = $2"
        "   AND u.tenant_id = $1",
    .types = "uu",
};

static const struct pg_statement add_part = {
    .name = "upload_add_part",
    .sql =
        "WITH upload AS MATERIALIZED ("
        "    SELECT id"
        "    FROM uploads"
        "    WHERE id = $6"
        "      AND tenant_id = $1"
        "      AND " PENDING
        "      AND " SQL_STRING(UPLOAD_PARTS_MAX) " > ("
        "          SELECT count(*)"
        "          FROM upload_parts p"
        "          WHERE p.upload_id = $6)"
        "    FOR SHARE),"
        " " SQL_SETTLE("EXISTS (SELECT FROM upload)") ","
        " made AS ("
        "    INSERT INTO upload_parts (id, upload_id, tenant_id, blob_id, bytes)"
        "    SELECT $7, $6, $1, settled.id, $4"
        "    FROM settled"
        "    RETURNING *)"
        " SELECT " PART_COLUMNS ", " SQL_SETTLED_AS ", EXISTS (SELECT FROM upload)"
        " FROM (VALUES (1)) one"
        " LEFT JOIN made p ON true",
    .types = SETTLE_TYPES "uu",
};

#define PARTS \
    "SELECT " PART_COLUMNS ", " BLOB_REF_COLUMNS \
    " FROM upload_parts p" \
    " JOIN blobs b ON b.id = p.blob_id" \
    " WHERE p.tenant_id = $1" \
    "   AND p.upload_id = $2"

static const struct pg_statement get_part = {
    .name = "upload_get_part",
    .sql = PARTS " AND p.id = $3",
    .types = "uuu",
};

static const struct pg_statement list_parts = {
    .name = "upload_list_parts",
    .sql = PARTS " ORDER BY p.id LIMIT " SQL_STRING(UPLOAD_PARTS_MAX),
    .types = "uu",
};

static const struct pg_statement complete = {
    .name = "upload_complete",
    .sql =
        "WITH upload AS MATERIALIZED ("
        "    SELECT id"
        "    FROM uploads"
        "    WHERE id = $10"
        "      AND tenant_id = $1"
        "      AND status = 'pending'" /* it was in time when its parts were looked at */
        "    FOR UPDATE),"
        " " SQL_SETTLE("EXISTS (SELECT FROM upload)") ","
        " made AS ("
        "    " SQL_INSERT_FILE
        "    RETURNING id),"
        " ended AS ("
        "    UPDATE uploads"
        "    SET status = 'completed',"
        "        file_id = made.id"
        "    FROM made"
        "    WHERE uploads.id = $10"
        "    RETURNING 1)"
        " SELECT EXISTS (SELECT FROM made), " SQL_SETTLED_AS ", EXISTS (SELECT FROM upload)",
    .types = NEW_FILE_TYPES "u",
};

static const struct pg_statement cancel = {
    .name = "upload_cancel",
    .sql =
        "WITH ended AS ("
        "    UPDATE uploads"
        "    SET status = 'cancelled'"
        "    WHERE id = $2"
        "      AND tenant_id = $1"
        "      AND " PENDING
        "    RETURNING id)"
        " SELECT id IN (SELECT id FROM ended)"
        " FROM uploads"
        " WHERE id = $2"
        "   AND tenant_id = $1",
    .types = "uu",
};

/* Of one that is over. */
static const struct pg_statement drop_parts = {
    .name = "upload_drop_parts",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM upload_parts p"
        "    USING uploads u"
        "    WHERE u.id = p.upload_id"
        "      AND u.status <> 'pending'"
        "      AND p.upload_id = $1"
        "    RETURNING p.blob_id),"
        " " SQL_LET_GO
        " SELECT 1",
    .types = "u",
};

static const struct pg_statement expire = {
    .name = "uploads_expire",
    .sql =
        "WITH old AS MATERIALIZED ("
        "    SELECT id"
        "    FROM uploads"
        "    WHERE status = 'pending'"
        "      AND expires_at <= now()"
        "    ORDER BY expires_at"
        "    LIMIT " SQL_STRING(EXPIRE_MAX)
        "    FOR UPDATE SKIP LOCKED)"
        " UPDATE uploads"
        " SET status = 'expired'"
        " WHERE id IN (SELECT id FROM old)"
        " RETURNING id",
    .types = "",
};

static const struct pg_statement drop_all_parts = {
    .name = "uploads_drop_parts",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM upload_parts p"
        "    USING uploads u"
        "    WHERE u.id = p.upload_id"
        "      AND u.status = 'expired'"
        "    RETURNING p.blob_id),"
        " " SQL_LET_GO
        " SELECT 1",
    .types = "",
};

static const struct pg_statement forget = {
    .name = "uploads_forget",
    .sql =
        "DELETE FROM uploads u"
        " WHERE u.status <> 'pending'"
        "   AND u.created_at < now() - interval '1 day'"
        "   AND NOT EXISTS (SELECT FROM upload_parts p WHERE p.upload_id = u.id)",
    .types = "",
};
/* clang-format on */

int upload_create(const struct store *store, const struct new_upload *upload, struct upload *out,
                  struct error *err)
{
    struct pg_value values[7] = {
        pg_uuid(store->tenant),
        pg_uuid(upload->id),
        pg_text(upload->filename),
        pg_text(upload->purpose),
        pg_text(upload->mime_type),
        pg_int(upload->bytes),
        upload->file_seconds > 0 ? pg_int(upload->file_seconds) : pg_null(),
    };

    return store_create(store, &upload_rows, &(struct pg_query){&create, values}, out, err);
}

int upload_get(const struct store *store, struct uuid id, struct upload *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(id)};

    return store_one(store, &upload_rows, &(struct pg_query){&get, values}, out, err);
}

/* As blob_settled, where the last column says whether the upload was there and pending. */
static int settled(const struct pg_result *result, int column, bool there, bool *out_spare)
{
    if (!there && !pg_get_bool(result, 0, column + 2))
        return UPLOAD_OVER;
    return blob_settled(result, column, there, out_spare);
}

int upload_add_part(const struct store *store, struct uuid upload, struct uuid part,
                    const struct blob_content *content, struct upload_part *out, bool *out_spare,
                    struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[7];
    struct row row;
    int r;

    blob_content_values(store, content, values);
    values[5] = pg_uuid(upload);
    values[6] = pg_uuid(part);
    r = pg_exec(store->pg, &add_part, values, &result, err);
    if (r == 0)
        r = settled(result, COLUMN_PART_SETTLED, !pg_is_null(result, 0, 0), out_spare);
    if (r != 0)
        return r;
    row = row_at(result, 0, store->arena);
    *out = (struct upload_part){.bytes = 0};
    part_read_own(&row, out);
    return 0;
}

int upload_get_part(const struct store *store, struct uuid upload, struct uuid part,
                    struct upload_part *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(upload), pg_uuid(part)};

    return store_one(store, &part_rows, &(struct pg_query){&get_part, values}, out, err);
}

int upload_list_parts(const struct store *store, struct uuid upload, struct upload_parts *out,
                      struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(upload)};
    struct rows rows;
    int r = rows_page(store, &part_rows, &(struct pg_query){&list_parts, values}, NULL, &rows, err);

    if (r == 0)
        *out = (struct upload_parts){rows.items, rows.count};
    return r;
}

/* A statement that ends an upload, and the one that drops its parts, as one request. */
static int end_upload(const struct store *store, const struct pg_query *query, struct uuid id,
                      struct pg_result **out, struct error *err)
{
    struct pg_value upload[1] = {pg_uuid(id)};
    struct pg_query queries[2] = {*query, {&drop_parts, upload}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, 2, results, err);

    if (r < 0)
        return r;
    pg_result_free(results[1]);
    *out = results[0];
    return 0;
}

int upload_complete(const struct store *store, struct uuid upload, const struct new_file *file,
                    const struct blob_content *content, bool *out_spare, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[NEW_FILE_VALUES + 1];
    int r;

    new_file_values(store, file, content, values);
    values[NEW_FILE_VALUES] = pg_uuid(upload);
    r = end_upload(store, &(struct pg_query){&complete, values}, upload, &result, err);
    return r < 0 ? r : settled(result, 1, pg_get_bool(result, 0, 0), out_spare);
}

int upload_cancel(const struct store *store, struct uuid id, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(id)};
    int r = end_upload(store, &(struct pg_query){&cancel, values}, id, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return UPLOAD_MISSING;
    return pg_get_bool(result, 0, 0) ? 0 : UPLOAD_OVER;
}

int uploads_expire(struct pg *pg, bool *out_more, struct error *err)
{
    struct pg_query queries[3] = {{&expire, NULL}, {&drop_all_parts, NULL}, {&forget, NULL}};
    struct pg_result *results[3] = {NULL, NULL, NULL};
    int r = pg_exec_all(pg, queries, 3, results, err);

    if (r < 0)
        return r;
    *out_more = pg_rows(results[0]) == EXPIRE_MAX;
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return 0;
}
