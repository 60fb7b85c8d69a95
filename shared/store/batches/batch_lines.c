/* The lines of a batch that were begun (batch_waves.c), until they are settled
 *
 * Answers are one statement with the deletion of the lines that they answer: whoever dies at
 * whatever moment, no line is left out, or answered twice. */

#include "shared/store/batches/batch_runs.h"
#include "shared/store/batches/batch_work.h"
#include "shared/store/runs/run_ends.h"

/* clang-format off */
#define LEASE "now() + interval '" SQL_STRING(BATCH_LEASE_MS) " ms'"
/* clang-format on */

/* ---- what became of them ---- */

static const struct pg_statement left = {
    .name = "batch_lines_left",
    .sql = "SELECT count(*), count(*) FILTER (WHERE NOT l.made)"
           " FROM batch_lines l"
           " WHERE l.batch_id = $1",
    .types = "u",
};

int batch_lines_left(struct pg *pg, struct uuid batch, struct batch_left *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_uuid(batch)};
    int r = pg_exec(pg, &left, values, &result, err);

    if (r == 0)
        *out = (struct batch_left){pg_get_int(result, 0, 0), pg_get_int(result, 0, 1)};
    return r;
}

/* clang-format off */
/* Each line's run is looked up by its key: the plan must not depend on how large the tables are
 * thought to be. */
#define LINE_COLUMNS \
    "l.line, l.at_byte, l.bytes, l.run_id, l.custom_id, l.made"

/* What messages and thoughts of run `r` batch_runs_read reads. */
#define SAID_BYTES \
    "coalesce((" \
    "    SELECT sum(m.bytes)" \
    "    FROM messages m" \
    "    WHERE m.run_id = ANY (ARRAY[r.id])" \
    "      AND " SQL_CHECKED(SQL_BATCH_MESSAGE("m", "$4")) "), 0)" \
    " + coalesce((" \
    "    SELECT sum(octet_length(s.reasoning))" \
    "    FROM run_steps s" \
    "    WHERE s.run_id = ANY (ARRAY[r.id])" \
    "      AND " SQL_CHECKED("$4") "), 0)"

static const struct pg_statement ended = {
    .name = "batch_lines_ended",
    .sql =
        "WITH e AS MATERIALIZED ("
        "    SELECT l.*, r.id AS run"
        "    FROM batch_lines l"
        "    LEFT JOIN LATERAL ("
        "        SELECT r.id, r.status"
        "        FROM runs r"
        "        WHERE r.id = l.run_id"
        "        OFFSET 0) r ON true"
        "    WHERE l.batch_id = $1"
        "      AND l.made"
        "      AND (r.id IS NULL OR " SQL_IS_END("r.status") ")"
        "    ORDER BY l.line"
        "    LIMIT $2),"
        " s AS MATERIALIZED ("
        "    SELECT e.line, r.bytes, sum(r.bytes) OVER (ORDER BY e.line) - r.bytes AS before"
        "    FROM e"
        "    LEFT JOIN LATERAL ("
        "        SELECT 1000 + " SQL_SENT("r.result") " + coalesce(r.spec_bytes, 0)"
        "            + CASE WHEN r.thread_id IS NULL THEN 0 ELSE " SAID_BYTES " END AS bytes"
        "        FROM runs r"
        "        WHERE r.id = e.run"
        "        OFFSET 0) r ON true)"
        " SELECT " LINE_COLUMNS ", l.run IS NULL, r.status, r.result, r.last_error,"
        "     " USAGE_COLUMNS("r") ", s.bytes"
        " FROM e l"
        " JOIN s ON s.line = l.line"
        " LEFT JOIN LATERAL ("
        "     SELECT *"
        "     FROM runs r"
        "     WHERE r.id = l.run"
        "     OFFSET 0) r ON true"
        " WHERE coalesce(s.before, 0) < $3"
        " ORDER BY l.line",
    .types = "uiib",
};

/* With $2 those whose runs are at work, too. */
static const struct pg_statement open_lines = {
    .name = "batch_lines_open",
    .sql =
        "SELECT " LINE_COLUMNS
        " FROM batch_lines l"
        " LEFT JOIN LATERAL ("
        "     SELECT r.status"
        "     FROM runs r"
        "     WHERE $2"
        "       AND r.id = l.run_id"
        "     OFFSET 0) r ON true"
        " WHERE l.batch_id = $1"
        "   AND (NOT l.made"
        "       OR ($2 AND r.status IN ('queued', 'in_progress', 'requires_action')))"
        " ORDER BY l.line"
        " LIMIT $3",
    .types = "ubi",
};
/* clang-format on */

static struct batch_line read_head(struct row *row)
{
    struct batch_line line = {.line = row_int(row)};

    line.at_byte = row_int(row);
    line.bytes = row_int(row);
    line.run_id = row_uuid(row);
    line.custom_id = row_text(row);
    line.made = row_bool(row);
    return line;
}

static int read_open(struct row *row, void *out, struct error *err)
{
    *(struct batch_line *)out = read_head(row);
    return row_check(row, err) < 0 ? -E_LIMIT : 0;
}

static int read_ended(struct row *row, void *out, struct error *err)
{
    struct batch_line line = read_head(row);
    struct text status;

    line.gone = row_bool(row);
    line.ended = true;
    status = row_word(row);
    if (!line.gone && !run_status_parse(status, &line.status))
        ASSERT(!"a status that the database does not allow");
    line.result = row_text(row);
    line.last_error = row_text(row);
    line.used = usage_read(row);
    line.answer_bytes = row_int_or(row, 0);
    *(struct batch_line *)out = line;
    return row_check(row, err) < 0 ? -E_LIMIT : 0;
}

static const struct row_kind ended_rows = {read_ended, sizeof(struct batch_line), RUN_MISSING};
static const struct row_kind open_rows = {read_open, sizeof(struct batch_line), RUN_MISSING};

SUSPENDS static int read_lines(const struct store *store, const struct row_kind *kind,
                               const struct pg_query *query, struct batch_lines *out,
                               struct error *err)
{
    struct rows rows;
    int r = rows_page(store, kind, query, NULL, &rows, err);

    if (r == 0)
        *out = (struct batch_lines){rows.items, rows.count};
    return r;
}

int batch_lines_ended(const struct store *store, struct uuid batch,
                      const struct batch_lines_ask *ask, struct batch_lines *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(batch), pg_int(ask->limit), pg_int(ask->bytes),
                                 pg_bool(ask->whole)};

    return read_lines(store, &ended_rows, &(struct pg_query){&ended, values}, out, err);
}

int batch_lines_open(const struct store *store, struct uuid batch, bool alive, int limit,
                     struct batch_lines *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(batch), pg_bool(alive), pg_int(limit)};

    return read_lines(store, &open_rows, &(struct pg_query){&open_lines, values}, out, err);
}

/* ---- answers ---- */

/* clang-format off */
static const struct pg_statement made = {
    .name = "batch_lines_made",
    .sql =
        "WITH b AS ("
        "    UPDATE batches b"
        "    SET lease_until = " LEASE
        "    WHERE b.id = $1"
        "      AND b.owner = $2"
        "      AND b.fence = $3"
        "    RETURNING b.id),"
        " l AS ("
        "    UPDATE batch_lines l"
        "    SET made = true"
        "    FROM b"
        "    WHERE l.batch_id = b.id"
        "      AND l.line = ANY ($4))"
        " SELECT 1"
        " FROM b",
    .types = "uiiI",
};

static const struct pg_statement settle = {
    .name = "batch_settle",
    .sql =
        "WITH b AS ("
        "    UPDATE batches b"
        "    SET completed = b.completed + $5, failed = b.failed + $6,"
        "        prompt_tokens = b.prompt_tokens + $9,"
        "        completion_tokens = b.completion_tokens + $10,"
        "        cached_tokens = b.cached_tokens + $11,"
        "        cache_write_tokens = b.cache_write_tokens + $12,"
        "        reasoning_tokens = b.reasoning_tokens + $13,"
        "        cost_micros = b.cost_micros + $14,"
        "        lease_until = " LEASE
        "    WHERE b.id = $1"
        "      AND b.owner = $2"
        "      AND b.fence = $3"
        "      AND (SELECT count(*) FROM batch_lines l"
        "           WHERE l.batch_id = $1 AND l.line = ANY ($4)) = $5 + $6"
        "    RETURNING b.id, b.tenant_id),"
        " l AS ("
        "    DELETE FROM batch_lines l"
        "    USING b"
        "    WHERE l.batch_id = b.id"
        "      AND l.line = ANY ($4)"
        "    RETURNING l.run_id),"
        " o AS ("
        "    INSERT INTO batch_output (batch_id, of_error, lines)"
        "    SELECT b.id, c.of_error, c.lines"
        "    FROM b, (VALUES (false, $7::text), (true, $8::text)) c (of_error, lines)"
        "    WHERE c.lines IS NOT NULL),"
        " r AS ("
        "    DELETE FROM runs r"
        "    USING l"
        "    WHERE r.id = ANY (ARRAY[l.run_id])"
        "      AND " SQL_CHECKED("r.thread_id IS NULL") "),"
        " t AS ("
        "    UPDATE threads t"
        "    SET erase_at = now()"
        "    FROM b"
        "    WHERE t.id = ANY ($15)"
        "      AND " SQL_CHECKED("t.tenant_id = b.tenant_id") ")"
        " SELECT 1"
        " FROM b",
    .types = "uiiIiittiiiiiiU",
};
/* clang-format on */

SUSPENDS static int write_some(struct pg *pg, const struct pg_statement *statement,
                               struct pg_value *values, const struct batch_hold *hold,
                               const int64_t *lines, size_t count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf numbers;
    int r;

    buf_init(&numbers, 0);
    pg_array_begin(&numbers);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(&numbers, lines[i]);
    values[0] = pg_uuid(hold->id);
    values[1] = pg_int(hold->owner);
    values[2] = pg_int(hold->fence);
    values[3] = pg_array('I', &numbers);
    r = pg_exec(pg, statement, values, &result, err);
    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? BATCH_LOST : 0;
}

int batch_lines_made(struct pg *pg, const struct batch_hold *hold, const int64_t *lines,
                     size_t count, struct error *err)
{
    struct pg_value values[4];

    return write_some(pg, &made, values, hold, lines, count, err);
}

int batch_settle(struct pg *pg, const struct batch_hold *hold, const struct batch_answers *answers,
                 struct error *err)
{
    const struct usage *used = &answers->used;
    CLEANUP(buf_deinit) struct buf erased;
    struct pg_value values[15];

    buf_init(&erased, 0);
    pg_array_begin(&erased);
    for (size_t i = 0; i < answers->erased_count; i++)
        pg_array_add_uuid(&erased, answers->erased[i]);

    values[4] = pg_int(answers->completed);
    values[5] = pg_int((int64_t)answers->count - answers->completed);
    values[6] = answers->output.len > 0 ? pg_text(answers->output) : pg_null();
    values[7] = answers->errors.len > 0 ? pg_text(answers->errors) : pg_null();
    values[8] = pg_int(used->prompt_tokens);
    values[9] = pg_int(used->completion_tokens);
    values[10] = pg_int(used->cached_tokens);
    values[11] = pg_int(used->cache_write_tokens);
    values[12] = pg_int(used->reasoning_tokens);
    values[13] = pg_int(used->cost_micros);
    values[14] = answers->erased_count > 0 ? pg_array('U', &erased) : pg_null();
    return write_some(pg, &settle, values, hold, answers->lines, answers->count, err);
}
