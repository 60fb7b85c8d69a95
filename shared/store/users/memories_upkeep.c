/* Memories: what is written behind everybody's back
 *
 * But for let_go it takes no lock of the user: it adds no living memory, and what has changed since
 * it was read is left alone.
 */

#include "shared/store/users/memories.h"

#include "shared/store/users/memory_rows.h"

/* clang-format off */
/* Who waits for a row has a run wait, so nobody is waited for. */
static const struct pg_statement recalled = {
    .name = "memories_recalled",
    .sql =
        "UPDATE memories"
        " SET recalls = recalls + 1, last_recalled_at = now()"
        " WHERE " MEMORIES_OF_USER
        "   AND id = ANY (ARRAY("
        "       SELECT id"
        "       FROM memories"
        "       WHERE " MEMORIES_ALIVE
        "         AND id = ANY ($3)"
        "         AND (last_recalled_at IS NULL OR last_recalled_at < now() - interval '1 hour')"
        "       ORDER BY id"
        "       FOR NO KEY UPDATE SKIP LOCKED))",
    .types = "utU",
};

static const struct pg_statement let_go = {
    .name = "memories_let_go",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND id = ANY (ARRAY("
        "          SELECT id"
        "          FROM memories"
        "          WHERE " MEMORIES_ALIVE
        "          ORDER BY greatest(last_recalled_at, updated_at) DESC, id DESC"
        "          OFFSET $3))"
        "    RETURNING id),"
        " h AS ("
        "    DELETE FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND replaced_at IS NOT NULL"
        "      AND superseded_by IN (SELECT id FROM gone))"
        " SELECT count(*)"
        " FROM gone",
    .types = "uti",
};

static const struct pg_statement without_vector = {
    .name = "memories_without_vector",
    .sql =
        "SELECT id, version, text"
        " FROM memories"
        " WHERE " MEMORIES_ALIVE
        "   AND id > $3"
        "   AND vector_model IS DISTINCT FROM $5::text"
        " ORDER BY id"
        " LIMIT $4",
    .types = "utuit",
};

/* Vectors as hex digits: there is no array of bytea among the types of values. */
static const struct pg_statement set_vectors = {
    .name = "memories_set_vectors",
    .sql =
        "UPDATE memories m"
        " SET vector = decode(v.hex, 'hex'), vector_model = $6::text"
        " FROM unnest($3, $4, $5) AS v (id, version, hex)"
        " WHERE m.tenant_id = $1"
        "   AND m.user_id = $2"
        "   AND m.id = v.id"
        "   AND m.version = v.version"
        "   AND m.replaced_at IS NULL",
    .types = "utUITt",
};

static const struct pg_statement sweep = {
    .name = "memories_sweep",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM memories m"
        "    USING ("
        "        SELECT tenant_id, user_id, id"
        "        FROM memories"
        "        WHERE replaced_at < now() - interval '" SQL_STRING(MEMORIES_HISTORY_DAYS) " days'"
        "        ORDER BY replaced_at"
        "        LIMIT $1"
        "        FOR UPDATE SKIP LOCKED) o"
        "    WHERE m.tenant_id = o.tenant_id"
        "      AND m.user_id = o.user_id"
        "      AND m.id = o.id"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "i",
};
/* clang-format on */

int memories_recalled(const struct store *store, struct text user, const struct uuid *ids,
                      size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(user)};

    buf_init(&array, 0);
    pg_array_of_uuids(&array, ids, count);
    values[2] = pg_array('U', &array);
    return pg_exec(store->pg, &recalled, values, NULL, err);
}

int memories_let_go(const struct store *store, struct text user, int64_t keep, int64_t *out_removed,
                    struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(user), pg_int(keep)};
    int r = memories_locked(store, user, &(struct pg_query){&let_go, values}, 1, &result, err);

    if (r == 0)
        *out_removed = pg_get_int(result, 0, 0);
    return r;
}

static int unseen_read(struct row *row, void *out, struct error *err)
{
    struct memory_unseen unseen = {.id = row_uuid(row)};

    unseen.version = row_int(row);
    unseen.text = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct memory_unseen *)out = unseen;
    return 0;
}

static const struct row_kind unseen_kind = {unseen_read, sizeof(struct memory_unseen),
                                            MEMORY_MISSING};

int memories_without_vector(const struct store *store, struct text user, struct text model,
                            struct uuid after, int limit, struct memory_unseen_list *out,
                            struct error *err)
{
    struct pg_value values[5] = {pg_uuid(store->tenant), pg_text(user), pg_uuid(after),
                                 pg_int(limit), pg_text(model)};
    struct rows rows;
    int r = rows_page(store, &unseen_kind, &(struct pg_query){&without_vector, values}, NULL, &rows,
                      err);

    if (r == 0)
        *out = (struct memory_unseen_list){rows.items, rows.count};
    return r;
}

static void add_hex(struct buf *array, struct buf *digits, struct text bytes)
{
    char *to;

    buf_reset(digits);
    to = buf_reserve(digits, bytes.len * 2);
    if (!to) {
        array->failed = true;
        return;
    }
    text_put_hex(to, (const uint8_t *)bytes.ptr, bytes.len);
    pg_array_add_text(array, (struct text){to, bytes.len * 2});
}

int memories_set_vectors(const struct store *store, struct text user, struct text model,
                         const struct memory_vector *vectors, size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf ids;
    CLEANUP(buf_deinit) struct buf versions;
    CLEANUP(buf_deinit) struct buf bytes;
    CLEANUP(buf_deinit) struct buf digits;
    struct pg_value values[6] = {pg_uuid(store->tenant), pg_text(user)};

    buf_init(&ids, 0);
    buf_init(&versions, 0);
    buf_init(&bytes, 0);
    buf_init(&digits, 0);
    pg_array_begin(&ids);
    pg_array_begin(&versions);
    pg_array_begin(&bytes);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_uuid(&ids, vectors[i].id);
        pg_array_add_int(&versions, vectors[i].version);
        add_hex(&bytes, &digits, vectors[i].bytes);
    }
    values[2] = pg_array('U', &ids);
    values[3] = pg_array('I', &versions);
    values[4] = pg_array('T', &bytes);
    values[5] = pg_text(model);
    return pg_exec(store->pg, &set_vectors, values, NULL, err);
}

int memories_sweep(struct pg *pg, int64_t rows, int64_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value value = pg_int(rows);
    int r = pg_exec(pg, &sweep, &value, &result, err);

    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}
