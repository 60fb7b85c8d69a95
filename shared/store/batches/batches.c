#include "shared/store/batches/batches.h"

#include "shared/store/batches/batch_rows.h"

int batch_read(struct row *row, void *out, struct error *err)
{
    struct batch batch = {.id = row_uuid(row)};

    batch.tenant = row_uuid(row);
    batch.endpoint = row_text(row);
    batch.input_file = row_uuid(row);
    batch.window_seconds = row_int(row);
    batch.output_seconds = row_int(row);
    batch.metadata = row_text(row);
    batch.state = row_text(row);
    batch.ending = row_text(row);
    batch.lines = row_int(row);
    batch.input_bytes = row_int(row);
    batch.at_byte = row_int(row);
    batch.at_line = row_int(row);
    batch.completed = row_int(row);
    batch.failed = row_int(row);
    batch.used = usage_read(row);
    batch.model = row_text(row);
    batch.errors = row_text(row);
    batch.output_file = row_uuid(row);
    batch.error_file = row_uuid(row);
    batch.created_at = row_int(row);
    batch.expires_at = row_int(row);
    batch.in_progress_at = row_int(row);
    batch.finalizing_at = row_int(row);
    batch.cancelling_at = row_int(row);
    batch.ended_at = row_int(row);
    batch.fence = row_int(row);
    batch.late = row_bool(row);
    batch.traceparent = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct batch *)out = batch;
    return 0;
}

const struct row_kind batch_rows = {batch_read, sizeof(struct batch), BATCH_MISSING};

/* clang-format off */
static const struct pg_statement create = {
    .name = "batch_create",
    .sql =
        "INSERT INTO batches AS b ("
        "    id, tenant_id, endpoint, input_file, window_seconds, output_seconds, metadata,"
        "    expires_at, trace)"
        " VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, '{}'), now() + $5 * interval '1 second', $8)"
        " RETURNING " BATCH_COLUMNS,
    .types = "uutuiijw",
};

static const struct pg_statement get = {
    .name = "batch_get",
    .sql = "SELECT " BATCH_COLUMNS " FROM batches b WHERE b.id = $1 AND b.tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement cancel = {
    .name = "batch_cancel",
    .sql =
        "UPDATE batches b"
        " SET state = 'cancelling', ending = 'cancelled', cancelling_at = now()"
        " WHERE b.id = $1"
        "   AND b.tenant_id = $2"
        "   AND b.state IN ('validating', 'in_progress')"
        " RETURNING " BATCH_COLUMNS,
    .types = "uu",
};

#define BATCH_LIST(direction) \
    SQL_PAGE(BATCH_COLUMNS, "b", \
        "batches b" \
        " WHERE b.tenant_id = $1" \
        "   AND b.id > $2" \
        "   AND b.id < $3", \
        "b.id " direction, "$4", "$5", \
        "1000 + " SQL_STORED("b.errors") " + " SQL_STORED("b.metadata"), \
        "1000 + " SQL_SENT("b.errors") " + " SQL_SENT("b.metadata"))
/* clang-format on */

static const struct pg_statement list_up = {"batch_list_up", BATCH_LIST("ASC"), "uuuii"};
static const struct pg_statement list_down = {"batch_list_down", BATCH_LIST("DESC"), "uuuii"};

int batch_create(const struct store *store, const struct new_batch *batch, struct batch *out,
                 struct error *err)
{
    struct pg_value values[8] = {
        pg_uuid(batch->id),
        pg_uuid(store->tenant),
        pg_text(batch->endpoint),
        pg_uuid(batch->input_file),
        pg_int(batch->window_seconds),
        batch->output_seconds > 0 ? pg_int(batch->output_seconds) : pg_null(),
        pg_json(batch->metadata),
        pg_json_as_written(batch->trace),
    };

    return store_create(store, &batch_rows, &(struct pg_query){&create, values}, out, err);
}

int batch_get(const struct store *store, struct uuid id, struct batch *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &batch_rows, &(struct pg_query){&get, values}, out, err);
}

int batch_list(const struct store *store, const struct page *page, struct batch_list *out,
               struct error *err)
{
    const struct row_list list = {.up = &list_up, .down = &list_down, .of = store->tenant};
    struct rows rows;
    int r = rows_list(store, &batch_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct batch_list){rows.items, rows.count, rows.has_more};
    return r;
}

int batch_cancel(const struct store *store, struct uuid id, struct batch *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    int r = store_one(store, &batch_rows, &(struct pg_query){&cancel, values}, out, err);

    if (r != BATCH_MISSING)
        return r;
    r = batch_get(store, id, out, err);
    return r == 0 ? BATCH_OVER : r;
}
