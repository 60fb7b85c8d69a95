/* Secrets: see secrets.h */

#include "shared/store/secrets/secrets.h"

#include "shared/store/rows.h"

/* clang-format off */
#define COLUMNS \
    "s.id, s.name, s.version, s.key_id, " SQL_SECONDS("s.created_at") ", " \
    SQL_SECONDS("s.updated_at") ", " SQL_SECONDS("s.last_used_at")
/* clang-format on */

static int secret_read(struct row *row, void *out, struct error *err)
{
    struct secret secret = {.id = row_uuid(row)};

    secret.name = row_text(row);
    secret.version = row_int(row);
    secret.key_id = row_text(row);
    secret.created_at = row_int(row);
    secret.updated_at = row_int(row);
    secret.last_used_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct secret *)out = secret;
    return 0;
}

static const struct row_kind secret_rows = {secret_read, sizeof(struct secret), SECRET_MISSING};
static const struct row_kind new_rows = {secret_read, sizeof(struct secret), SECRETS_FULL};

/* A bytea, into the arena. */
static struct text read_bytes(struct row *row)
{
    int column = row->column++;
    size_t size = pg_get_text(row->result, row->row, column).len / 2; /* it is written as \x… */
    char *bytes = arena_alloc(row->arena, size + 1);

    if (!bytes) {
        row->failed = true;
        return TEXT_NONE;
    }
    return (struct text){bytes,
                         pg_get_bytes(row->result, row->row, column, (uint8_t *)bytes, size)};
}

/* clang-format off */
#define INSERT \
    "INSERT INTO secrets AS s (id, tenant_id, name, key_id, wrapped, sealed)" \
    " SELECT $1, $2, $3::text, $4::text, $5, $6" \
    " WHERE EXISTS (SELECT 1 FROM secrets o WHERE o.tenant_id = $2 AND o.name = $3)" \
    "    OR (SELECT count(*) FROM secrets o WHERE o.tenant_id = $2) < " SQL_STRING(SECRETS_MAX)

static const struct pg_statement create = {
    .name = "secret_create",
    .sql = INSERT " RETURNING " COLUMNS,
    .types = "uuttyy",
};

static const struct pg_statement put = {
    .name = "secret_put",
    .sql =
        INSERT
        " ON CONFLICT (tenant_id, name) DO UPDATE"
        " SET key_id = excluded.key_id, wrapped = excluded.wrapped, sealed = excluded.sealed,"
        "     version = s.version + 1, updated_at = now()"
        " RETURNING " COLUMNS,
    .types = "uuttyy",
};

static const struct pg_statement get = {
    .name = "secret_get",
    .sql = "SELECT " COLUMNS " FROM secrets s WHERE s.tenant_id = $1 AND s.name = $2::text",
    .types = "ut",
};

static const struct pg_statement delete = {
    .name = "secret_delete",
    .sql = "DELETE FROM secrets s WHERE s.tenant_id = $1 AND s.name = $2::text RETURNING s.id",
    .types = "ut",
};

#define LIST(direction) \
    SQL_PAGE(COLUMNS, "s", \
        "secrets s" \
        " WHERE s.tenant_id = $1" \
        "   AND s.id > $2" \
        "   AND s.id < $3", \
        "s.id " direction, "$4", "$5", "300", "300")

/* Used more than once in a minute it is written once. Who waits for its row has the call of a tool
 * wait, so nobody is waited for. */
static const struct pg_statement use = {
    .name = "secret_use",
    .sql =
        "WITH u AS ("
        "    UPDATE secrets u"
        "    SET last_used_at = now()"
        "    WHERE u.id = ANY (ARRAY("
        "        SELECT o.id"
        "        FROM secrets o"
        "        WHERE o.tenant_id = $1"
        "          AND o.name = ANY ($2)"
        "          AND (o.last_used_at IS NULL OR o.last_used_at < now() - interval '1 minute')"
        "        ORDER BY o.id"
        "        FOR NO KEY UPDATE SKIP LOCKED)))"
        " SELECT s.name, s.key_id, s.wrapped, s.sealed"
        " FROM secrets s"
        " WHERE s.tenant_id = $1"
        "   AND s.name = ANY ($2)",
    .types = "uT",
};

static const struct pg_statement wrapped_others = {
    .name = "secret_wrapped_others",
    .sql =
        "SELECT s.id, s.tenant_id, s.name, s.version, s.key_id, s.wrapped"
        " FROM secrets s"
        " WHERE s.id > $1"
        "   AND s.key_id <> $2::text"
        " ORDER BY s.id"
        " LIMIT $3",
    .types = "uti",
};

static const struct pg_statement rewrap = {
    .name = "secret_rewrap",
    .sql =
        "UPDATE secrets s"
        " SET key_id = $4::text, wrapped = $5"
        " WHERE s.id = $1"
        "   AND s.version = $2"
        "   AND s.key_id = $3::text"
        " RETURNING s.id",
    .types = "uitty",
};
/* clang-format on */

static const struct pg_statement list_up = {"secret_list_up", LIST("ASC"), "uuuii"};
static const struct pg_statement list_down = {"secret_list_down", LIST("DESC"), "uuuii"};

static int write(const struct store *store, const struct pg_statement *statement, struct uuid id,
                 const struct sealed_secret *sealed, struct secret *out, struct error *err)
{
    struct pg_value values[6] = {
        pg_uuid(id),
        pg_uuid(store->tenant),
        pg_text(sealed->name),
        pg_text(sealed->key_id),
        pg_bytes(sealed->wrapped),
        pg_bytes(sealed->sealed),
    };

    return store_one(store, &new_rows, &(struct pg_query){statement, values}, out, err);
}

int secrets_create(const struct store *store, struct uuid id, const struct sealed_secret *sealed,
                   struct secret *out, struct error *err)
{
    return write(store, &create, id, sealed, out, err);
}

int secrets_put(const struct store *store, struct uuid id, const struct sealed_secret *sealed,
                struct secret *out, struct error *err)
{
    return write(store, &put, id, sealed, out, err);
}

int secrets_get(const struct store *store, struct text name, struct secret *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(name)};

    return store_one(store, &secret_rows, &(struct pg_query){&get, values}, out, err);
}

int secrets_list(const struct store *store, const struct page *page, struct secret_list *out,
                 struct error *err)
{
    const struct row_list list = {.up = &list_up, .down = &list_down, .of = store->tenant};
    struct rows rows;
    int r = rows_list(store, &secret_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct secret_list){rows.items, rows.count, rows.has_more};
    return r;
}

static int id_read(struct row *row, void *out, struct error *err)
{
    (void)err;
    *(struct uuid *)out = row_uuid(row);
    return 0;
}

static const struct row_kind id_rows = {id_read, sizeof(struct uuid), SECRET_MISSING};

int secrets_delete(const struct store *store, struct text name, struct uuid *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(name)};

    return store_one(store, &id_rows, &(struct pg_query){&delete, values}, out, err);
}

static int sealed_read(struct row *row, void *out, struct error *err)
{
    struct sealed_secret sealed = {.name = row_text(row)};

    sealed.key_id = row_text(row);
    sealed.wrapped = read_bytes(row);
    sealed.sealed = read_bytes(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct sealed_secret *)out = sealed;
    return 0;
}

static const struct row_kind sealed_rows = {sealed_read, sizeof(struct sealed_secret), 0};

int secrets_use(const struct store *store, const struct text *names, size_t count,
                struct sealed_list *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[2] = {pg_uuid(store->tenant)};
    struct pg_query query = {&use, values};
    struct rows rows;
    int r;

    buf_init(&array, 0);
    pg_array_begin(&array);
    for (size_t i = 0; i < count; i++)
        pg_array_add_text(&array, names[i]);
    values[1] = pg_array('T', &array);
    r = rows_page(store, &sealed_rows, &query, NULL, &rows, err);
    if (r == 0)
        *out = (struct sealed_list){rows.items, rows.count};
    return r;
}

static int wrapped_read(struct row *row, void *out, struct error *err)
{
    struct wrapped_secret secret = {.id = row_uuid(row)};

    secret.tenant = row_uuid(row);
    secret.name = row_text(row);
    secret.version = row_int(row);
    secret.key_id = row_text(row);
    secret.wrapped = read_bytes(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct wrapped_secret *)out = secret;
    return 0;
}

static const struct row_kind wrapped_rows = {wrapped_read, sizeof(struct wrapped_secret), 0};

int secrets_wrapped(const struct store *store, struct text key_id, struct uuid after, int max,
                    struct wrapped_list *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(after), pg_text(key_id), pg_int(max)};
    struct pg_query query = {&wrapped_others, values};
    struct rows rows;
    int r = rows_page(store, &wrapped_rows, &query, NULL, &rows, err);

    if (r == 0)
        *out = (struct wrapped_list){rows.items, rows.count};
    return r;
}

int secrets_rewrap(const struct store *store, const struct wrapped_secret *was, struct text key_id,
                   struct text wrapped, struct error *err)
{
    struct pg_value values[5] = {pg_uuid(was->id), pg_int(was->version), pg_text(was->key_id),
                                 pg_text(key_id), pg_bytes(wrapped)};

    static const struct row_kind gone = {.missing = SECRET_MISSING};

    return store_one(store, &gone, &(struct pg_query){&rewrap, values}, NULL, err);
}
