/* The states of a batch, moved by its owner. */

#include "shared/store/batches/batch_work.h"
#include "shared/store/batches/batch_rows.h"

/* clang-format off */
/* A batch has come to its end: whoever wants to know is told (store/hooks). */
#define TELL \
    "penstock_webhook_emit(b.tenant_id, 'batch.' || b.state," \
    "    'batch_' || replace(b.id::text, '-', '')," \
    "    json_build_object('object', 'batch', 'status', b.state, 'metadata'," \
    "        CASE WHEN octet_length(b.metadata::text) <= 8000 THEN b.metadata ELSE '{}' END)," \
    "    b.trace)"

#define LEASE "now() + interval '" SQL_STRING(BATCH_LEASE_MS) " ms'"
#define HELD  "b.id = $1 AND b.owner = $2 AND b.fence = $3"
/* clang-format on */

static void hold_values(const struct batch_hold *hold, struct pg_value values[3])
{
    values[0] = pg_uuid(hold->id);
    values[1] = pg_int(hold->owner);
    values[2] = pg_int(hold->fence);
}

/* A statement that gives a row where it was held. */
SUSPENDS static int write_held(struct pg *pg, const struct pg_statement *statement,
                               const struct pg_value *values, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, statement, values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? BATCH_LOST : 0;
}

/* clang-format off */
/* `turn`: a tenant with hundreds of batches does not keep out one with a single one. */
static const struct pg_statement take = {
    .name = "batches_take",
    .sql =
        "WITH free AS MATERIALIZED ("
        "    SELECT b.id"
        "    FROM batches b"
        "    JOIN ("
        "        SELECT o.id, row_number() OVER (PARTITION BY o.tenant_id ORDER BY o.id) AS turn"
        "        FROM batches o"
        "        WHERE " SQL_BATCH_OPEN("o") ") o ON o.id = b.id"
        "    WHERE b.lease_until < now()"
        "      AND " SQL_BATCH_OPEN("b")
        "    ORDER BY o.turn, b.id"
        "    LIMIT $2"
        "    FOR UPDATE OF b SKIP LOCKED)"
        " UPDATE batches b"
        " SET owner = $1, fence = b.fence + 1, lease_until = " LEASE
        " FROM free"
        " WHERE b.id = free.id"
        " RETURNING b.id, b.owner, b.fence",
    .types = "ii",
};
/* clang-format on */

static int read_hold(struct row *row, void *out, struct error *err)
{
    struct batch_hold hold = {.id = row_uuid(row)};

    hold.owner = row_int(row);
    hold.fence = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct batch_hold *)out = hold;
    return 0;
}

int batches_take(struct pg *pg, struct arena *arena, int64_t owner, int count,
                 struct batch_ids *out, struct error *err)
{
    static const struct row_kind kind = {read_hold, sizeof(struct batch_hold), BATCH_MISSING};
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_int(owner), pg_int(count)};
    struct rows rows;
    int r = pg_exec(pg, &take, values, &result, err);

    if (r == 0)
        r = rows_read(arena, &kind, result, NULL, &rows, err);
    if (r == 0)
        *out = (struct batch_ids){rows.items, rows.count};
    return r;
}

/* clang-format off */
static const struct pg_statement renew = {
    .name = "batch_renew",
    .sql =
        "UPDATE batches b"
        " SET lease_until = " LEASE
        " WHERE " HELD
        "   AND " SQL_BATCH_OPEN("b")
        " RETURNING " BATCH_COLUMNS ", ("
        "     SELECT count(*)"
        "     FROM batches o"
        "     WHERE o.tenant_id = b.tenant_id"
        "       AND o.state IN ('in_progress', 'cancelling'))",
    .types = "uii",
};
/* clang-format on */

int batch_hold(const struct store *store, const struct batch_hold *hold, struct batch *out,
               int64_t *out_beside, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3];
    struct row row;
    int r;

    hold_values(hold, values);
    r = pg_exec(store->pg, &renew, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return BATCH_LOST;
    row = row_at(result, 0, store->arena);
    r = batch_read(&row, out, err);
    *out_beside = row_int(&row);
    return r;
}

static const struct pg_statement let_go = {
    .name = "batch_let_go",
    .sql = "UPDATE batches b SET owner = NULL, lease_until = 'epoch' WHERE " HELD,
    .types = "uii",
};

int batch_let_go(struct pg *pg, const struct batch_hold *hold, struct error *err)
{
    struct pg_value values[3];

    hold_values(hold, values);
    return pg_exec(pg, &let_go, values, NULL, err);
}

/* clang-format off */
static const struct pg_statement begin = {
    .name = "batch_begin",
    .sql =
        "UPDATE batches b"
        " SET state = 'in_progress', in_progress_at = now(), lines = $4, input_bytes = $5,"
        "     model = $6::text,"
        "     lease_until = " LEASE
        " WHERE " HELD
        "   AND b.state = 'validating'"
        " RETURNING 1",
    .types = "uiiiit",
};

static const struct pg_statement refuse = {
    .name = "batch_refuse",
    .sql =
        "UPDATE batches b"
        " SET state = 'failed', errors = $4, ended_at = now(), owner = NULL"
        " WHERE " HELD
        "   AND b.state = 'validating'"
        " RETURNING " TELL,
    .types = "uiij",
};

static const struct pg_statement stop = {
    .name = "batch_stop",
    .sql =
        "UPDATE batches b"
        " SET ending = $4::text, errors = coalesce($5, b.errors), lease_until = " LEASE
        " WHERE " HELD
        "   AND b.state IN ('validating', 'in_progress')"
        " RETURNING 1",
    .types = "uiitj",
};

/* One that was cancelled or ran out of time while it was validating has no lines. */
static const struct pg_statement finalize = {
    .name = "batch_finalize",
    .sql =
        "UPDATE batches b"
        " SET state = 'finalizing', finalizing_at = now(), lease_until = " LEASE
        " WHERE " HELD
        "   AND b.state IN ('validating', 'in_progress', 'cancelling')"
        "   AND NOT EXISTS (SELECT 1 FROM batch_lines l WHERE l.batch_id = b.id)"
        " RETURNING 1",
    .types = "uii",
};

static const struct pg_statement end = {
    .name = "batch_end",
    .sql =
        "WITH b AS ("
        "    UPDATE batches b"
        "    SET state = coalesce(b.ending, 'completed'), ended_at = now(), owner = NULL,"
        "        output_file = $4, error_file = $5"
        "    WHERE " HELD
        "      AND b.state = 'finalizing'"
        "    RETURNING b.*),"
        " o AS (DELETE FROM batch_output o USING b WHERE o.batch_id = b.id)"
        " SELECT " TELL
        " FROM b",
    .types = "uiiuu",
};
/* clang-format on */

int batch_begin(struct pg *pg, const struct batch_hold *hold, int64_t lines, int64_t input_bytes,
                struct text model, struct error *err)
{
    struct pg_value values[6];

    hold_values(hold, values);
    values[3] = pg_int(lines);
    values[4] = pg_int(input_bytes);
    values[5] = pg_text(model);
    return write_held(pg, &begin, values, err);
}

int batch_refuse(struct pg *pg, const struct batch_hold *hold, struct text errors,
                 struct error *err)
{
    struct pg_value values[4];

    hold_values(hold, values);
    values[3] = pg_json(errors);
    return write_held(pg, &refuse, values, err);
}

int batch_stop(struct pg *pg, const struct batch_hold *hold, const char *ending, struct text errors,
               struct error *err)
{
    struct pg_value values[5];

    hold_values(hold, values);
    values[3] = pg_string(ending);
    values[4] = pg_json(errors);
    return write_held(pg, &stop, values, err);
}

int batch_finalize(struct pg *pg, const struct batch_hold *hold, struct error *err)
{
    struct pg_value values[3];

    hold_values(hold, values);
    return write_held(pg, &finalize, values, err);
}

int batch_end(struct pg *pg, const struct batch_hold *hold, struct uuid output, struct uuid errors,
              struct error *err)
{
    struct pg_value values[5];

    hold_values(hold, values);
    values[3] = value_uuid_or_null(output);
    values[4] = value_uuid_or_null(errors);
    return write_held(pg, &end, values, err);
}

/* clang-format off */
/* Chunks are a megabyte at most, and mostly much less. */
static const struct pg_statement output = {
    .name = "batch_output",
    .sql =
        "SELECT string_agg(c.lines, '' ORDER BY c.chunk), max(c.chunk)"
        " FROM ("
        "     SELECT o.chunk, o.lines, sum(octet_length(o.lines)) OVER ("
        "         ORDER BY o.chunk) - octet_length(o.lines) AS before"
        "     FROM ("
        "         SELECT o.chunk, o.lines"
        "         FROM batch_output o"
        "         WHERE o.batch_id = $1"
        "           AND o.of_error = $2"
        "           AND o.chunk > $3"
        "         ORDER BY o.chunk"
        "         LIMIT 16) o) c"
        " WHERE c.before < 1048576",
    .types = "ubi",
};
/* clang-format on */

int batch_output(const struct store *store, struct uuid batch, bool of_error, int64_t behind,
                 struct text *out, int64_t *out_chunk, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(batch), pg_bool(of_error), pg_int(behind)};
    struct row row;
    int r = pg_exec(store->pg, &output, values, &result, err);

    if (r < 0)
        return r;
    row = row_at(result, 0, store->arena);
    *out = row_text(&row);
    *out_chunk = row_int(&row);
    return row_check(&row, err);
}
