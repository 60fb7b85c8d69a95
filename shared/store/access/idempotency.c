/* Idempotency keys
 *
 * The primary key decides between requests that arrive at once: the second waits for the first's
 * insert and then finds its row. A claim older than IDEMPOTENCY_CLAIM_MS belonged to a process that
 * died, or was released, which makes it as old; whoever renews its time has taken it over, together
 * with the id that the first one used. claim_id tells whose it is.
 */

#include "shared/store/access/idempotency.h"

#include <stdio.h>
#include <string.h>

#include "shared/store/rows.h"

#define CLAIM_AGE SQL_STRING(IDEMPOTENCY_CLAIM_MS) " * interval '1 ms'"

/* clang-format off */
static const struct pg_statement key_begin = {
    .name = "idempotency_begin",
    .sql =
        "INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, object_id, claim_id)"
        " VALUES ($1, $2, $3, $4, $4)"
        " ON CONFLICT (tenant_id, key) DO UPDATE"
        " SET created_at = now(), claim_id = excluded.claim_id"
        " WHERE k.status_code IS NULL"
        "   AND k.request_hash = excluded.request_hash"
        "   AND (k.claim_id = excluded.claim_id OR k.created_at <= now() - " CLAIM_AGE ")"
        " RETURNING k.object_id",
    .types = "utyu",
};

static const struct pg_statement key_look = {
    .name = "idempotency_look",
    .sql =
        "SELECT request_hash = $3, status_code, response, object_id"
        " FROM idempotency_keys"
        " WHERE tenant_id = $1"
        "   AND key = $2",
    .types = "uty",
};
/* clang-format on */

static int look(const struct store *store, const struct pg_value *values,
                struct idempotency_reply *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct idempotency_reply reply;
    struct row row;
    int r;

    r = pg_exec(store->pg, &key_look, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return REQUEST_RUNNING; /* given free this moment: the client's next try gets it */
    row = row_at(result, 0, store->arena);
    if (!row_bool(&row))
        return REQUEST_DIFFERS;
    if (pg_is_null(result, 0, row.column))
        return REQUEST_RUNNING;
    reply.status_code = (int)row_int(&row);
    reply.body = row_text(&row);
    reply.object = row_uuid(&row);
    r = row_check(&row, err);
    if (r < 0)
        return r;
    *out = reply;
    return REQUEST_REPLAYED;
}

static int key_check(struct text key, struct error *err)
{
    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX)
        return error_set(err, E_INVALID, "an idempotency key is 1 to %d bytes long",
                         IDEMPOTENCY_KEY_MAX);
    return 0;
}

int idempotency_begin(const struct store *store, const struct idempotency_request *request,
                      struct idempotency_reply *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {
        pg_uuid(store->tenant),
        pg_text(request->key),
        pg_bytes((struct text){(const char *)request->hash, sizeof(request->hash)}),
        pg_uuid(request->object),
    };
    int r;

    r = key_check(request->key, err);
    if (r < 0)
        return r;
    r = pg_exec(store->pg, &key_begin, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return look(store, values, out, err);
    *out = (struct idempotency_reply){.object = pg_get_uuid(result, 0, 0)};
    return 0;
}

/* clang-format off */
static const struct pg_statement key_complete = {
    .name = "idempotency_complete",
    .sql =
        "UPDATE idempotency_keys"
        " SET status_code = $3, response = $4"
        " WHERE tenant_id = $1"
        "   AND key = $2"
        "   AND status_code IS NULL",
    .types = "utiw",
};
/* clang-format on */

int idempotency_complete(const struct store *store, struct text key, int status_code,
                         struct text body, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(key), pg_int(status_code),
                                 pg_json_as_written(body)};

    return pg_exec(store->pg, &key_complete, values, NULL, err);
}

/* clang-format off */
static const struct pg_statement key_abandon = {
    .name = "idempotency_abandon",
    .sql =
        "DELETE FROM idempotency_keys"
        " WHERE tenant_id = $1"
        "   AND key = $2"
        "   AND claim_id = $3"
        "   AND status_code IS NULL",
    .types = "utu",
};

static const struct pg_statement key_release = {
    .name = "idempotency_release",
    .sql =
        "UPDATE idempotency_keys"
        " SET created_at = now() - " CLAIM_AGE
        " WHERE tenant_id = $1"
        "   AND key = $2"
        "   AND claim_id = $3"
        "   AND status_code IS NULL",
    .types = "utu",
};
/* clang-format on */

static int give_back(const struct store *store, const struct idempotency_request *request,
                     const struct pg_statement *how, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(request->key),
                                 pg_uuid(request->object)};

    return pg_exec(store->pg, how, values, NULL, err);
}

int idempotency_abandon(const struct store *store, const struct idempotency_request *request,
                        struct error *err)
{
    return give_back(store, request, &key_abandon, err);
}

int idempotency_release(const struct store *store, const struct idempotency_request *request,
                        struct error *err)
{
    return give_back(store, request, &key_release, err);
}

/* clang-format off */
#define INSERT_TRY \
    "INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, object_id, created_at)" \
    " VALUES ($1, $2, $3, $4, " SQL_TRY_CREATED_AT ")" \
    " ON CONFLICT (tenant_id, key) DO UPDATE" \
    " SET created_at = excluded.created_at," \
    "     object_id ="

static const struct pg_statement try_leave = {
    .name = "idempotency_try_leave",
    .sql = INSERT_TRY " excluded.object_id",
    .types = "utyu",
};

static const struct pg_statement try_recall = {
    .name = "idempotency_try_recall",
    .sql =
        INSERT_TRY
        " CASE WHEN k.created_at > now() - interval '1 day' THEN k.object_id"
        "     ELSE excluded.object_id END"
        " RETURNING object_id",
    .types = "utyu",
};
/* clang-format on */

void idempotency_trace_init(struct idempotency_trace *out, const struct store *store,
                            const uint8_t hash[SHA256_BYTES], struct uuid object)
{
    memcpy(out->key, TRY_PREFIX, sizeof(TRY_PREFIX) - 1);
    *text_put_hex(out->key + sizeof(TRY_PREFIX) - 1, hash, SHA256_BYTES) = '\0';
    memcpy(out->hash, hash, sizeof(out->hash));
    out->values[0] = pg_uuid(store->tenant);
    out->values[1] = pg_string(out->key);
    out->values[2] = pg_bytes((struct text){(const char *)out->hash, sizeof(out->hash)});
    out->values[3] = pg_uuid(object);
    out->object = object;
    out->rider = (struct pg_query){&try_leave, out->values};
}

int idempotency_recall(const struct store *store, const uint8_t hash[SHA256_BYTES],
                       struct uuid object, struct uuid *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct idempotency_trace trace;
    int r;

    idempotency_trace_init(&trace, store, hash, object);
    r = pg_exec(store->pg, &try_recall, trace.values, &result, err);
    if (r == 0)
        *out = pg_get_uuid(result, 0, 0);
    return r;
}
