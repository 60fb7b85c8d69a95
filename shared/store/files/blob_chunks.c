#include "shared/store/files/blob_chunks.h"

#include "shared/store/rows.h"

#define DELETE_MAX 200 /* 50 MB: a statement of a good part of a second */

/* clang-format off */
static const struct pg_statement put = {
    .name = "blob_chunk_put",
    .sql =
        "INSERT INTO blob_chunks (blob_id, at, bytes)"
        " VALUES ($1, $2, $3)"
        " ON CONFLICT (blob_id, at) DO UPDATE SET bytes = excluded.bytes",
    .types = "uiy",
};

static const struct pg_statement get = {
    .name = "blob_chunk_get",
    .sql =
        "SELECT substr(bytes, $3::int4, $4::int4)"
        " FROM blob_chunks"
        " WHERE blob_id = $1"
        "   AND at = $2",
    .types = "uiii",
};

static const struct pg_statement delete = {
    .name = "blob_chunks_delete",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM blob_chunks"
        "    WHERE blob_id = $1"
        "      AND at < ("
        "          SELECT min(at)"
        "          FROM blob_chunks"
        "          WHERE blob_id = $1) + $2"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ui",
};
/* clang-format on */

int blob_chunk_put(struct pg *pg, struct uuid blob, int64_t at, struct text bytes,
                   struct error *err)
{
    struct pg_value values[3] = {pg_uuid(blob), pg_int(at), pg_bytes(bytes)};

    ASSERT(at % (int64_t)BLOB_CHUNK_BYTES == 0);
    ASSERT(bytes.len <= BLOB_CHUNK_BYTES);
    return pg_exec(pg, &put, values, NULL, err);
}

int blob_chunk_get(struct pg *pg, struct uuid blob, int64_t at, uint8_t *to, size_t size,
                   size_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int64_t in_chunk = at % (int64_t)BLOB_CHUNK_BYTES;
    struct pg_value values[4] = {
        pg_uuid(blob), pg_int(at - in_chunk), pg_int(in_chunk + 1),
        pg_int(size < BLOB_CHUNK_BYTES ? (int64_t)size : (int64_t)BLOB_CHUNK_BYTES)};
    int r = pg_exec(pg, &get, values, &result, err);

    if (r < 0)
        return r;
    *out_count = pg_rows(result) > 0 ? pg_get_bytes(result, 0, 0, to, size) : 0;
    return 0;
}

int blob_chunks_delete(struct pg *pg, struct uuid blob, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(blob), pg_int(DELETE_MAX * (int64_t)BLOB_CHUNK_BYTES)};
    int r = pg_exec(pg, &delete, values, &result, err);

    if (r == 0)
        *out_more = pg_get_int(result, 0, 0) >= DELETE_MAX;
    return r;
}
