/* The cache of vectors.
 *
 * Many digests and vectors are one parameter each: they are of one length, so where each of them
 * begins is known. Rows that somebody else is at are not waited for: that they were used today is
 * noted by him, too. */

#include "shared/store/vectors/vector_cache.h"

#include "shared/store/rows.h"
#include "shared/store/vectors/vector_rows.h"

/* clang-format off */
#define DIGESTS(parameter) \
    " i AS MATERIALIZED (" \
    "    SELECT n, substr(" parameter ", (n - 1) * 32 + 1, 32) AS digest" \
    "    FROM generate_series(1, octet_length(" parameter ") / 32) AS n)"

#define OF_OWNER(alias) \
    alias ".tenant_id = $1" \
    " AND " alias ".user_id = $2" \
    " AND " alias ".model = $3" \
    " AND " alias ".purpose = $4"

static const struct pg_statement cache_find = {
    .name = "vector_cache_find",
    .sql =
        "WITH" DIGESTS("$5") ","
        " due AS MATERIALIZED ("
        "    SELECT e.digest"
        "    FROM i"
        "    JOIN embeddings e ON " OF_OWNER("e") " AND e.digest = ANY (ARRAY[i.digest])"
        "    WHERE " SQL_CHECKED("e.used < CURRENT_DATE")
        "    FOR UPDATE OF e SKIP LOCKED),"
        " noted AS ("
        "    UPDATE embeddings e"
        "    SET used = CURRENT_DATE"
        "    FROM due"
        "    WHERE " OF_OWNER("e") " AND e.digest = ANY (ARRAY[due.digest]))"
        " SELECT i.n, e.vector"
        " FROM i"
        " JOIN embeddings e ON " OF_OWNER("e") " AND e.digest = ANY (ARRAY[i.digest])",
    .types = "uttiy",
};

/* In the order of their keys, so that two who keep the same ones wait for each other in one
 * order. */
static const struct pg_statement cache_keep = {
    .name = "vector_cache_keep",
    .sql =
        "WITH" DIGESTS("$5")
        " INSERT INTO embeddings (tenant_id, user_id, model, purpose, digest, vector)"
        " SELECT $1, $2, $3, $4, i.digest, substr($6, ((i.n - 1) * $7 + 1)::int4, $7::int4)"
        " FROM i"
        " ORDER BY i.digest"
        " ON CONFLICT DO NOTHING",
    .types = "uttiyyi",
};

static const struct pg_statement run_look = {
    .name = "vector_cache_run",
    .sql = "SELECT EXISTS (SELECT FROM runs WHERE id = $1)",
    .types = "u",
};

static const struct pg_statement cache_sweep = {
    .name = "vector_cache_sweep",
    .sql =
        "WITH old AS MATERIALIZED ("
        "    SELECT tenant_id, user_id, model, purpose, digest"
        "    FROM embeddings"
        "    WHERE used < CURRENT_DATE - " SQL_STRING(VECTOR_CACHE_DAYS)
        "    ORDER BY used"
        "    LIMIT $1"
        "    FOR UPDATE SKIP LOCKED),"
        " gone AS ("
        "    DELETE FROM embeddings e"
        "    USING old o"
        "    WHERE e.tenant_id = o.tenant_id"
        "      AND e.user_id = o.user_id"
        "      AND e.model = o.model"
        "      AND e.purpose = o.purpose"
        "      AND e.digest = o.digest"
        "    RETURNING 1)"
        " SELECT count(*) FROM gone",
    .types = "i",
};
/* clang-format on */

/* Nobody is a user, too. */
static struct pg_value user_value(const struct vector_owner *owner)
{
    return pg_text(owner->user.ptr ? owner->user : TEXT(""));
}

static struct text all_of(const uint8_t (*digests)[SHA256_BYTES], size_t count)
{
    return (struct text){(const char *)digests, count * SHA256_BYTES};
}

int vector_cache_find(struct pg *pg, const struct vector_owner *owner,
                      const uint8_t (*digests)[SHA256_BYTES], size_t count, struct arena *arena,
                      struct text *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[5] = {pg_uuid(owner->tenant), user_value(owner), pg_text(owner->model),
                                 pg_int(owner->purpose), pg_bytes(all_of(digests, count))};
    int r = pg_exec(pg, &cache_find, values, &result, err);

    for (int i = 0; r == 0 && i < pg_rows(result); i++) {
        int64_t n = pg_get_int(result, i, 0);
        struct text vector;
        int r_vector = row_vector(result, i, 1, arena, &vector, err);

        if (r_vector < 0)
            return r_vector;
        if (n >= 1 && (size_t)n <= count)
            out[n - 1] = vector;
    }
    return r;
}

int vector_cache_keep(struct pg *pg, const struct vector_owner *owner,
                      const uint8_t (*digests)[SHA256_BYTES], const struct text *vectors,
                      size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf all;
    size_t length = count > 0 ? vectors[0].len : 0;
    struct pg_value values[7];

    if (count == 0)
        return 0;
    buf_init(&all, 0);
    for (size_t i = 0; i < count; i++) {
        ASSERT(vectors[i].len == length);
        buf_add_text(&all, vectors[i]);
    }
    if (buf_check(&all, err) < 0)
        return -E_LIMIT;
    values[0] = pg_uuid(owner->tenant);
    values[1] = user_value(owner);
    values[2] = pg_text(owner->model);
    values[3] = pg_int(owner->purpose);
    values[4] = pg_bytes(all_of(digests, count));
    values[5] = pg_bytes(buf_text(&all));
    values[6] = pg_int((int64_t)length);
    return pg_exec(pg, &cache_keep, values, NULL, err);
}

int vector_cache_run(struct pg *pg, struct uuid run, bool *out_there, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_uuid(run)};
    int r = pg_exec(pg, &run_look, values, &result, err);

    if (r == 0)
        *out_there = pg_get_bool(result, 0, 0);
    return r;
}

int vector_cache_sweep(struct pg *pg, int64_t rows, int64_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(rows)};
    int r = pg_exec(pg, &cache_sweep, values, &result, err);

    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}
