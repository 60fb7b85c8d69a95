/* Tenants and their API keys
 *
 * Authentication is one probe of a unique index; the note of the last use is part of the same
 * statement and writes at most once a minute and key, so not every request is a write.
 */

#include "shared/store/access/tenants.h"

#include "shared/base/digest.h"
#include "shared/store/access/secret.h"
#include "shared/store/rows.h"

#define LIST_MAX "10000"

/* clang-format off */
#define TENANT_COLUMNS \
    "id, name, " SQL_SECONDS("created_at") ", weight, coalesce(max_running, 0)," \
    " coalesce(requests_per_minute, 0), coalesce(tokens_per_minute, 0)"

#define KEY_COLUMNS \
    "id, tenant_id," \
    " " SQL_SECONDS("created_at") "," \
    " " SQL_SECONDS("last_used_at") "," \
    " " SQL_SECONDS("revoked_at") "," \
    " name, prefix"
/* clang-format on */

#define KEY_NAME_MAX     200 /* bytes */
#define KEY_PREFIX_CHARS 12

static int tenant_read(struct row *row, void *out, struct error *err)
{
    struct tenant tenant = {.weight = 0};

    tenant.id = row_uuid(row);
    tenant.name = row_text(row);
    tenant.created_at = row_int(row);
    tenant.weight = row_int(row);
    tenant.max_running = row_int(row);
    tenant.requests_per_minute = row_int(row);
    tenant.tokens_per_minute = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct tenant *)out = tenant;
    return 0;
}

static int key_read(struct row *row, void *out, struct error *err)
{
    struct api_key key = {.name = TEXT_NONE};

    key.id = row_uuid(row);
    key.tenant_id = row_uuid(row);
    key.created_at = row_int(row);
    key.last_used_at = row_int(row);
    key.revoked_at = row_int(row);
    key.name = row_text(row);
    key.prefix = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct api_key *)out = key;
    return 0;
}

/* Whose it is. There are no texts, so it needs no arena. */
static int owner_read(struct row *row, void *out, struct error *err)
{
    struct api_key key = {.name = TEXT_NONE};

    key.id = row_uuid(row);
    key.tenant_id = row_uuid(row);
    key.rates.requests_per_minute = row_int(row);
    key.rates.tokens_per_minute = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct api_key *)out = key;
    return 0;
}

static const struct row_kind tenant_rows = {tenant_read, sizeof(struct tenant), TENANT_MISSING};
static const struct row_kind key_rows = {key_read, sizeof(struct api_key), KEY_MISSING};
static const struct row_kind owner_rows = {owner_read, sizeof(struct api_key), KEY_MISSING};

static bool name_valid(struct text name)
{
    if (name.len == 0 || name.len > TENANT_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

/* clang-format off */
static const struct pg_statement tenant_create = {
    .name = "tenant_create",
    .sql =
        "INSERT INTO tenants ("
        "    id, name, weight, max_running, requests_per_minute, tokens_per_minute)"
        " VALUES ($1, $2, CASE WHEN $3 = 0 THEN 1 ELSE $3 END, CASE WHEN $4 > 0 THEN $4 END,"
        "     CASE WHEN $5 > 0 THEN $5 END, CASE WHEN $6 > 0 THEN $6 END)"
        " ON CONFLICT (name) DO NOTHING"
        " RETURNING " TENANT_COLUMNS,
    .types = "utiiii",
};
/* clang-format on */

static int check_change(const struct tenant_change *change, struct error *err)
{
    if (change->weight < 0 || change->weight > TENANT_WEIGHT_MAX)
        return error_set(err, E_INVALID, "a tenant's weight is 1 to %d", TENANT_WEIGHT_MAX);
    if (change->max_running < TENANT_UNLIMITED)
        return error_set(err, E_INVALID, "a tenant's limit of running runs is 1 or more");
    if (change->requests_per_minute < TENANT_UNLIMITED ||
        change->tokens_per_minute < TENANT_UNLIMITED)
        return error_set(err, E_INVALID, "a tenant's limits a minute are 1 or more");
    return 0;
}

int tenants_create(const struct store *store, struct text name, const struct tenant_change *change,
                   struct tenant *out, struct error *err)
{
    static const struct row_kind created = {tenant_read, sizeof(struct tenant), TENANT_EXISTS};
    struct pg_value values[6] = {pg_uuid(uuid_new()),
                                 pg_text(name),
                                 pg_int(change->weight),
                                 pg_int(change->max_running),
                                 pg_int(change->requests_per_minute),
                                 pg_int(change->tokens_per_minute)};
    int r = check_change(change, err);

    if (r < 0)
        return r;
    if (!name_valid(name))
        return error_set(err, E_INVALID,
                         "a tenant's name is 1 to %d letters, digits, '-', '_' or '.'",
                         TENANT_NAME_MAX);
    return store_one(store, &created, &(struct pg_query){&tenant_create, values}, out, err);
}

static const struct pg_statement tenant_list_all = {
    .name = "tenant_list",
    .sql = "SELECT " TENANT_COLUMNS " FROM tenants ORDER BY created_at, id LIMIT " LIST_MAX,
    .types = "",
};

int tenants_list(const struct store *store, struct tenant_list *out, struct error *err)
{
    struct rows rows;
    int r = rows_page(store, &tenant_rows, &(struct pg_query){&tenant_list_all, NULL}, NULL, &rows,
                      err);

    if (r == 0)
        *out = (struct tenant_list){rows.items, rows.count};
    return r;
}

static const struct pg_statement tenant_find = {
    .name = "tenant_find",
    .sql = "SELECT " TENANT_COLUMNS " FROM tenants WHERE name = $1",
    .types = "t",
};

int tenants_find(const struct store *store, struct text name, struct tenant *out, struct error *err)
{
    struct pg_value values[1] = {pg_text(name)};

    return store_one(store, &tenant_rows, &(struct pg_query){&tenant_find, values}, out, err);
}

/* clang-format off */
static const struct pg_statement tenant_set = {
    .name = "tenant_set",
    .sql =
        "UPDATE tenants"
        " SET weight = CASE WHEN $2 = 0 THEN weight ELSE $2 END,"
        "     max_running = CASE WHEN $3 = 0 THEN max_running WHEN $3 > 0 THEN $3 END,"
        "     requests_per_minute ="
        "         CASE WHEN $4 = 0 THEN requests_per_minute WHEN $4 > 0 THEN $4 END,"
        "     tokens_per_minute ="
        "         CASE WHEN $5 = 0 THEN tokens_per_minute WHEN $5 > 0 THEN $5 END"
        " WHERE name = $1"
        " RETURNING " TENANT_COLUMNS,
    .types = "tiiii",
};
/* clang-format on */

int tenants_set(const struct store *store, struct text name, const struct tenant_change *change,
                struct tenant *out, struct error *err)
{
    struct pg_value values[5] = {pg_text(name), pg_int(change->weight), pg_int(change->max_running),
                                 pg_int(change->requests_per_minute),
                                 pg_int(change->tokens_per_minute)};
    int r = check_change(change, err);

    if (r < 0)
        return r;
    return store_one(store, &tenant_rows, &(struct pg_query){&tenant_set, values}, out, err);
}

static void key_new(char out[KEY_TEXT_SIZE])
{
    memcpy(out, "pk_", 3);
    secret_new(out + 3);
}

/* clang-format off */
static const struct pg_statement key_create = {
    .name = "key_create",
    .sql =
        "INSERT INTO api_keys (id, tenant_id, name, hash, prefix)"
        " SELECT $1, t.id, $3, $4, $5"
        " FROM tenants t"
        " WHERE t.id = $2"
        " RETURNING " KEY_COLUMNS,
    .types = "uutyt",
};
/* clang-format on */

int keys_create(const struct store *store, struct text name, struct api_key *out,
                char out_key[KEY_TEXT_SIZE], struct error *err)
{
    static const struct row_kind created = {key_read, sizeof(struct api_key), TENANT_MISSING};
    uint8_t hash[SHA256_BYTES];
    char key[KEY_TEXT_SIZE];
    int r;

    if (name.len == 0 || name.len > KEY_NAME_MAX)
        return error_set(err, E_INVALID, "a key's name is 1 to %d bytes long", KEY_NAME_MAX);
    key_new(key);
    sha256(text_of(key), hash);

    struct pg_value values[5] = {
        pg_uuid(uuid_new()),
        pg_uuid(store->tenant),
        pg_text(name),
        pg_bytes((struct text){(const char *)hash, sizeof(hash)}),
        pg_text((struct text){key, KEY_PREFIX_CHARS}),
    };
    r = store_one(store, &created, &(struct pg_query){&key_create, values}, out, err);
    if (r == 0)
        memcpy(out_key, key, sizeof(key));
    return r;
}

static const struct pg_statement key_list = {
    .name = "key_list",
    .sql = "SELECT " KEY_COLUMNS " FROM api_keys WHERE tenant_id = $1 ORDER BY id LIMIT " LIST_MAX,
    .types = "u",
};

int keys_list(const struct store *store, struct api_key_list *out, struct error *err)
{
    struct pg_value values[1] = {pg_uuid(store->tenant)};
    struct rows rows;
    int r = rows_page(store, &key_rows, &(struct pg_query){&key_list, values}, NULL, &rows, err);

    if (r == 0)
        *out = (struct api_key_list){rows.items, rows.count};
    return r;
}

/* clang-format off */
static const struct pg_statement key_revoke = {
    .name = "key_revoke",
    .sql =
        "UPDATE api_keys"
        " SET revoked_at = coalesce(revoked_at, now())"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        " RETURNING 1",
    .types = "uu",
};
/* clang-format on */

int keys_revoke(const struct store *store, struct uuid id, struct error *err)
{
    static const struct row_kind revoked = {.missing = KEY_MISSING};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &revoked, &(struct pg_query){&key_revoke, values}, NULL, err);
}

/* clang-format off */
static const struct pg_statement key_over = {
    .name = "keys_over",
    .sql =
        "SELECT i.place - 1"
        " FROM unnest($1) WITH ORDINALITY AS i (id, place)"
        " LEFT JOIN api_keys k ON k.id = ANY (ARRAY[i.id])"
        " WHERE k.id IS NULL"
        "    OR k.revoked_at IS NOT NULL",
    .types = "U",
};
/* clang-format on */

int keys_over(struct pg *pg, const struct uuid *keys, size_t count, size_t *out, size_t *out_count,
              struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    int r;

    ASSERT(count <= KEYS_AT_ONCE);
    buf_init(&ids, 0);
    pg_array_of_uuids(&ids, keys, count);
    values[0] = pg_array('U', &ids);
    r = pg_exec(pg, &key_over, values, &result, err);
    if (r < 0)
        return r;
    *out_count = (size_t)pg_rows(result);
    for (int row = 0; row < pg_rows(result); row++)
        out[row] = (size_t)pg_get_int(result, row, 0);
    return 0;
}

/* clang-format off */
static const struct pg_statement key_authenticate = {
    .name = "key_authenticate",
    .sql =
        "WITH k AS MATERIALIZED ("
        "    SELECT *"
        "    FROM api_keys"
        "    WHERE hash = $1"
        "      AND revoked_at IS NULL),"
        " used AS ("
        "    UPDATE api_keys a"
        "    SET last_used_at = now()"
        "    FROM k"
        "    WHERE a.id = k.id"
        "      AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'))"
        " SELECT k.id, k.tenant_id, coalesce(t.requests_per_minute, 0),"
        "     coalesce(t.tokens_per_minute, 0)"
        " FROM k"
        " JOIN tenants t ON t.id = k.tenant_id",
    .types = "y",
};
/* clang-format on */

int keys_authenticate(struct pg *pg, struct text key, struct api_key *out, struct error *err)
{
    struct store store = {.pg = pg};
    uint8_t hash[SHA256_BYTES];

    if (key.len != KEY_TEXT_SIZE - 1 || !text_starts(key, "pk_"))
        return KEY_MISSING;
    sha256(key, hash);

    struct pg_value values[1] = {pg_bytes((struct text){(const char *)hash, sizeof(hash)})};
    return store_one(&store, &owner_rows, &(struct pg_query){&key_authenticate, values}, out, err);
}
