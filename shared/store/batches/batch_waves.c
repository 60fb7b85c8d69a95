/* Lines of a batch become runs, a wave of them at a time
 *
 * A wave is one transaction with the cursor's move: whoever dies at whatever moment, no line is
 * begun twice or left out. It begins lines only while the batch is held by who asks and is in
 * progress: a scheduler that slept for a while makes no runs for a batch that was cancelled, or is
 * somebody else's by now. */

#include "shared/store/batches/batch_work.h"
#include "shared/store/budgets/run_budgets.h"
#include "shared/store/columns.h"
#include "shared/store/submissions/run_batches.h"

enum {
    WAVE_ID,
    WAVE_OWNER,
    WAVE_FENCE,
    WAVE_FROM,
    WAVE_TO,
    WAVE_BYTE,
    WAVE_KIND,
    WAVE_ERRORS,
    WAVE_REFUSED,
    WAVE_FIXED
};

/* clang-format off */
#define LEASE "now() + interval '" SQL_STRING(BATCH_LEASE_MS) " ms'"

/* Lines may become runs. */
#define BEGINS "(b.state = 'in_progress' AND b.ending IS NULL)"

#define LINE_ROWS(COLUMN) \
    COLUMN(10, LINE_N, "n", 'I') \
    COLUMN(11, LINE_LINE, "line", 'I') \
    COLUMN(12, LINE_AT, "at_byte", 'I') \
    COLUMN(13, LINE_BYTES, "bytes", 'I') \
    COLUMN(14, LINE_RUN, "run", 'U') \
    COLUMN(15, LINE_CUSTOM_ID, "custom_id", 'T') \
    COLUMN(16, LINE_SPEC, "spec", 'W') \
    COLUMN(17, LINE_USER, "usr", 'T') \
    COLUMN(18, LINE_SHARD, "shard", 'I')

enum line_column { LINE_ROWS(COLUMN_ENUM) };
enum { WAVE_COLUMNS = WAVE_FIXED LINE_ROWS(COLUMN_COUNT) };

static const char wave_types[] = {'u', 'i', 'i', 'i', 'i', 'i', 't', 't', 'i',
                                  LINE_ROWS(COLUMN_TYPE) [WAVE_COLUMNS] = '\0'};
_Static_assert(sizeof(wave_types) == WAVE_COLUMNS + 1, "each number has its column");

/* Holds the batch's row to the end of the transaction. There is no statement that fails as it is
 * told to; one that asks for a setting which nobody makes does, with a text that says why. */
static const struct pg_statement fence_check = {
    .name = "batch_fence",
    .sql =
        "WITH b AS MATERIALIZED ("
        "    SELECT 1"
        "    FROM batches b"
        "    WHERE b.id = $1"
        "      AND b.owner = $2"
        "      AND b.fence = $3"
        "      AND ($4 IS NULL OR b.at_line = $4)"
        "      AND " BEGINS
        "    FOR NO KEY UPDATE)"
        " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM b)"
        "     THEN current_setting('penstock.the_batch_begins_no_lines') END",
    .types = "uiii",
};

static const struct pg_statement wave_write = {
    .name = "batch_wave",
    .sql =
        "WITH b AS ("
        "    UPDATE batches b"
        "    SET at_line = $5, at_byte = $6, failed = b.failed + $9, lease_until = " LEASE
        "    WHERE b.id = $1"
        "      AND b.owner = $2"
        "      AND b.fence = $3"
        "      AND b.at_line = $4"
        "      AND (" BEGINS " OR ($10 IS NULL AND b.state IN ('in_progress', 'cancelling')))"
        "    RETURNING b.id, b.tenant_id, b.expires_at),"
        " i AS MATERIALIZED (" SQL_MANY_ROWS(LINE_ROWS, "$10") "),"
        " l AS ("
        "    INSERT INTO batch_lines (batch_id, line, run_id, custom_id, at_byte, bytes, made)"
        "    SELECT b.id, i.line, i.run, i.custom_id, i.at_byte, i.bytes,"
        "        i.spec IS NOT NULL OR EXISTS ("
        "            SELECT 1 FROM runs r WHERE r.id = ANY (ARRAY[i.run]))"
        "    FROM b, i),"
        " e AS ("
        "    INSERT INTO batch_output (batch_id, of_error, lines)"
        "    SELECT b.id, true, $8::text"
        "    FROM b"
        "    WHERE $8::text IS NOT NULL),"
        " r AS ("
        "    INSERT INTO runs ("
        "        id, tenant_id, agent_version, shard, priority, kind, spec, spec_bytes, due_at,"
        "        expires_at, user_id, budgets)"
        "    SELECT i.run, b.tenant_id, 0, i.shard, 2, $7::text,"
        "        i.spec, octet_length(i.spec::text), now(), b.expires_at, i.usr,"
        "        " SQL_RUN_BUDGETS("b.tenant_id", "NULL::uuid", "i.usr", "NULL::uuid")
        "    FROM b, i"
        "    WHERE i.spec IS NOT NULL)"
        " SELECT 1"
        " FROM b",
    .types = wave_types,
};
/* clang-format on */

static void write_line(struct buf *columns, size_t n, const struct batch_new_line *line)
{
    struct column_row row = column_row(columns, LINE_N, n);

    column_int(row, LINE_LINE, line->line);
    column_int(row, LINE_AT, line->at_byte);
    column_int(row, LINE_BYTES, line->bytes);
    column_uuid(row, LINE_RUN, line->run);
    column_text(row, LINE_CUSTOM_ID, line->custom_id);
    column_text(row, LINE_SPEC, line->spec);
    column_text(row, LINE_USER, line->user);
    column_int(row, LINE_SHARD, line->shard);
}

struct wave_values {
    struct buf columns[WAVE_COLUMNS];
    struct pg_value values[WAVE_COLUMNS];
};

static void wave_values_init(struct wave_values *out, const struct batch_hold *hold,
                             const struct batch_wave *wave)
{
    struct pg_value *values = out->values;

    columns_init(out->columns, WAVE_COLUMNS);
    for (size_t i = 0; i < wave->count; i++)
        write_line(out->columns, i, &wave->lines[i]);
    columns_values(out->columns, wave_types, values);
    values[WAVE_ID] = pg_uuid(hold->id);
    values[WAVE_OWNER] = pg_int(hold->owner);
    values[WAVE_FENCE] = pg_int(hold->fence);
    values[WAVE_FROM] = pg_int(wave->from_line);
    values[WAVE_TO] = pg_int(wave->to_line);
    values[WAVE_BYTE] = pg_int(wave->to_byte);
    values[WAVE_KIND] = pg_string(wave->kind);
    values[WAVE_ERRORS] = wave->errors.len > 0 ? pg_text(wave->errors) : pg_null();
    values[WAVE_REFUSED] = pg_int(wave->refused);
}

/* ---- with the runs of agents ---- */

#define CHUNKS_MAX ((BATCH_WAVE_MAX + RUN_BATCH_MAX - 1) / RUN_BATCH_MAX)

void batch_fence_init(struct batch_fence *fence, const struct batch_hold *hold, int64_t at_line)
{
    fence->values[0] = pg_uuid(hold->id);
    fence->values[1] = pg_int(hold->owner);
    fence->values[2] = pg_int(hold->fence);
    fence->values[3] = at_line < 0 ? pg_null() : pg_int(at_line);
    fence->query = (struct pg_query){&fence_check, fence->values};
}

/* The check, the runs, and the wave, which sees which of them are there: one transaction. */
SUSPENDS static int send_with_runs(struct pg *pg, const struct batch_hold *hold,
                                   const struct batch_wave *wave, const struct pg_query *wave_query,
                                   struct error *err)
{
    struct run_batch *chunks[CHUNKS_MAX] = {NULL};
    struct pg_query queries[CHUNKS_MAX + 2];
    struct batch_fence fence;
    size_t count = 0;
    int r = 0;

    batch_fence_init(&fence, hold, wave->from_line);
    queries[count++] = fence.query;
    for (size_t at = 0; r == 0 && at < wave->makings_count; at += RUN_BATCH_MAX) {
        size_t left = wave->makings_count - at;
        size_t some = left < RUN_BATCH_MAX ? left : RUN_BATCH_MAX;

        r = run_batch_new(wave->limits, wave->makings + at, some, &chunks[count - 1], err);
        if (r == 0)
            queries[count] = run_batch_query(chunks[count - 1]);
        count++;
    }
    queries[count++] = *wave_query;
    if (r == 0)
        r = pg_exec_all(pg, queries, count, NULL, err);
    for (size_t i = 0; i < CHUNKS_MAX; i++)
        run_batch_free(chunks[i]);
    return r;
}

SUSPENDS static int send_alone(struct pg *pg, const struct pg_query *query, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, query->statement, query->values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? BATCH_LOST : 0;
}

/* Nothing was written, for the sake of one of them or because the batch begins no lines. */
static bool is_refusal(int r)
{
    return r == -E_CONFLICT || r == -E_CONTENT || r == -E_LIMIT || r == -E_REJECTED;
}

/* Where the runs can't be made together the lines stand without theirs, which are made one by
 * one. */
int batch_wave(struct pg *pg, const struct batch_hold *hold, const struct batch_wave *wave,
               struct error *err)
{
    struct wave_values values;
    struct pg_query query = {&wave_write, values.values};
    int r = -E_REJECTED;

    ASSERT(wave->count <= BATCH_WAVE_MAX && wave->makings_count <= wave->count);
    wave_values_init(&values, hold, wave);
    if (wave->makings_count > 0)
        r = send_with_runs(pg, hold, wave, &query, err);
    if (is_refusal(r))
        r = send_alone(pg, &query, err);
    columns_deinit(values.columns, WAVE_COLUMNS);
    return r;
}
