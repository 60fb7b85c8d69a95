#include "shared/store/files/blobs.h"

#include "shared/store/files/blob_rows.h"

void blob_content_values(const struct store *store, const struct blob_content *content,
                         struct pg_value values[5])
{
    values[0] = pg_uuid(store->tenant);
    values[1] = pg_uuid(content->id);
    values[2] = pg_bytes((struct text){(const char *)content->sha256, SHA256_BYTES});
    values[3] = pg_int(content->bytes);
    values[4] = pg_int(content->quota);
}

int blob_settled(const struct pg_result *result, int column, bool there, bool *out_spare)
{
    if (there) {
        *out_spare = pg_get_bool(result, 0, column + 1);
        return 0;
    }
    return pg_get_bool(result, 0, column) ? FILES_FULL : BLOB_LOST;
}

static void read_store_name(struct row *row, char out[BLOB_STORE_NAME_SIZE])
{
    text_excerpt(row_word(row), out, BLOB_STORE_NAME_SIZE);
}

void blob_ref_read(struct row *row, struct blob_ref *out)
{
    struct text hex;

    out->id = row_uuid(row);
    read_store_name(row, out->store);
    hex = row_word(row);
    for (size_t i = 0; i < SHA256_BYTES && hex.len == 2 * sizeof(out->sha256); i++)
        out->sha256[i] =
            (uint8_t)(text_hex_digit(hex.ptr[2 * i]) << 4 | text_hex_digit(hex.ptr[2 * i + 1]));
    out->bytes = row_int(row);
}

/* clang-format off */
static const struct pg_statement begin = {
    .name = "blob_begin",
    .sql =
        "INSERT INTO blobs (id, tenant_id, store)"
        " VALUES ($2, $1, $3)",
    .types = "uut",
};

static const struct pg_statement touch = {
    .name = "blob_touch",
    .sql =
        "UPDATE blobs"
        " SET touched_at = now(),"
        "     hint = coalesce($2::text, hint)"
        " WHERE id = $1"
        "   AND state = 'writing'"
        " RETURNING 1",
    .types = "ut",
};

static const struct pg_statement give_up = {
    .name = "blob_give_up",
    .sql =
        "WITH given_up AS ("
        "    UPDATE blobs"
        "    SET state = 'unwanted',"
        "        touched_at = now()"
        "    WHERE id = $1"
        "      AND state = 'writing'"
        "    RETURNING 1)"
        " SELECT EXISTS (SELECT FROM given_up) OR NOT EXISTS ("
        "     SELECT" /* as it was when the statement began: who was at it meanwhile may keep it */
        "     FROM blobs"
        "     WHERE id = $1"
        "       AND state <> 'unwanted')",
    .types = "u",
};

static const struct pg_statement forget = {
    .name = "blob_forget",
    .sql =
        "DELETE FROM blobs"
        " WHERE id = $1"
        "   AND state = 'unwanted'",
    .types = "u",
};

static const struct pg_statement postpone = {
    .name = "blob_postpone",
    .sql =
        "UPDATE blobs"
        " SET touched_at = now()"
        " WHERE id = $1"
        "   AND state = 'unwanted'",
    .types = "u",
};

static const struct pg_statement held = {
    .name = "blobs_held",
    .sql =
        "SELECT bytes"
        " FROM tenant_files"
        " WHERE tenant_id = $1",
    .types = "u",
};

static const struct pg_statement silent = {
    .name = "blobs_silent",
    .sql =
        "UPDATE blobs"
        " SET state = 'unwanted',"
        "     touched_at = now()"
        " WHERE state = 'writing'"
        "   AND touched_at < now() - $1 * interval '1 ms'",
    .types = "i",
};

static const struct pg_statement unwanted = {
    .name = "blobs_unwanted",
    .sql =
        "SELECT id, store, hint"
        " FROM blobs"
        " WHERE state = 'unwanted'"
        " ORDER BY touched_at"
        " LIMIT $1",
    .types = "i",
};
/* clang-format on */

int blob_begin(const struct store *store, struct uuid id, const char *where, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(id), pg_string(where)};

    return pg_exec(store->pg, &begin, values, NULL, err);
}

int blob_touch(struct pg *pg, struct uuid id, struct text hint, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(id), pg_text(hint)};
    int r = pg_exec(pg, &touch, values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) > 0 ? 0 : BLOB_LOST;
}

int blob_give_up(struct pg *pg, struct uuid id, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_uuid(id)};
    int r = pg_exec(pg, &give_up, values, &result, err);

    if (r < 0)
        return r;
    return pg_get_bool(result, 0, 0) ? 0 : BLOB_KEPT;
}

int blob_forget(struct pg *pg, struct uuid id, struct error *err)
{
    struct pg_value values[1] = {pg_uuid(id)};

    return pg_exec(pg, &forget, values, NULL, err);
}

int blob_postpone(struct pg *pg, struct uuid id, struct error *err)
{
    struct pg_value values[1] = {pg_uuid(id)};

    return pg_exec(pg, &postpone, values, NULL, err);
}

int blobs_held(const struct store *store, int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_uuid(store->tenant)};
    int r = pg_exec(store->pg, &held, values, &result, err);

    if (r == 0)
        *out = pg_rows(result) > 0 ? pg_get_int(result, 0, 0) : 0;
    return r;
}

static int place_read(struct row *row, void *out, struct error *err)
{
    struct blob_place place = {.id = row_uuid(row)};

    read_store_name(row, place.store);
    place.hint = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct blob_place *)out = place;
    return 0;
}

int blobs_left(const struct store *store, int64_t silent_ms, int limit, struct blob_places *out,
               struct error *err)
{
    static const struct row_kind places = {place_read, sizeof(struct blob_place), BLOB_LOST};
    struct pg_value ms[1] = {pg_int(silent_ms)};
    struct pg_value some[1] = {pg_int(limit)};
    struct rows rows;
    int r = pg_exec(store->pg, &silent, ms, NULL, err);

    if (r == 0)
        r = rows_page(store, &places, &(struct pg_query){&unwanted, some}, NULL, &rows, err);
    if (r == 0)
        *out = (struct blob_places){rows.items, rows.count};
    return r;
}
