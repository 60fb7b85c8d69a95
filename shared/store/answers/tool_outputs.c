/* What the client gives a run that waits for it
 *
 * Two statements in one transaction. The first locks the row of the run, so the snapshot of the
 * second is newer than whatever held the row, and sees the calls that came with it. The second
 * settles the run's open calls of the kind 'client' (open_calls.h) if these are the calls whose
 * outputs were given, and else nothing.
 *
 * When the reply to an attempt is lost, the ledger tells what became of it: outputs that it has
 * already, word for word, were given by an earlier attempt.
 */

#include "shared/store/answers/tool_outputs.h"

#include "shared/store/runs/open_calls.h"
#include "shared/store/runs/run_rows.h"

#define ATTEMPTS 4

/* The parameters of all statements, $1 to $4: run, tenant, thread, outputs. */
#define OUTPUT_TYPES  "uuuj"
#define OUTPUT_VALUES 4

#define OUTPUTS                                                                                    \
    "jsonb_to_recordset($4) AS o (call_id text, output text, state text, result text,"             \
    " approval jsonb)"

/* clang-format off */
/* w: the open calls that the client may settle. */
static const struct pg_statement outputs_give = {
    .name = "outputs_give",
    .sql =
        "WITH w AS MATERIALIZED ("
        "    SELECT c.*"
        "    FROM runs r"
        "    JOIN tool_calls c ON c.run_id = ANY (ARRAY[r.id])"
        "      AND " SQL_CHECKED(
        "          (c.state = 'open' AND c.kind = 'client') OR (" SQL_IS_UNDECIDED ")")
        "    WHERE " SQL_THIS_RUN
        "      AND r.status = 'requires_action'),"
        " o AS MATERIALIZED ("
        "    SELECT *"
        "    FROM " OUTPUTS "),"
        " found AS MATERIALIZED ("
        "    SELECT c.run_id, c.call_no, c.kind,"
        "        CASE c.kind WHEN 'client' THEN 'done' ELSE o.state END AS state,"
        "        CASE c.kind WHEN 'client' THEN o.output ELSE o.result END AS result,"
        "        c.kind = 'approval' AND o.result IS NOT NULL AS is_error,"
        "        CASE c.kind WHEN 'approval' THEN"
        "            " SQL_APPROVAL("o.approval", "NULL::text") " END AS approval,"
        "        NULL::text AS arguments"
        "    FROM w AS c"
        "    JOIN o USING (call_id)"
        "    WHERE c.kind = 'client'"
        "       OR o.approval IS NOT NULL),"
        " given AS MATERIALIZED ("
        "    SELECT *"
        "    FROM found"
        "    WHERE (SELECT count(*) FROM found WHERE kind = 'client')"
        "            = (SELECT count(*) FROM w WHERE kind = 'client')"
        "      AND (SELECT count(*) FROM found) = (SELECT count(*) FROM o)),"
        " l AS MATERIALIZED ("
        "    SELECT DISTINCT run_id AS id"
        "    FROM given),"
        " " SQL_SETTLE
        " SELECT " RUN_COLUMNS
        " FROM r",
    .types = OUTPUT_TYPES,
};

/* How many of these outputs the run has already. */
static const struct pg_statement outputs_look = {
    .name = "outputs_look",
    .sql =
        "SELECT count(*)"
        " FROM runs r"
        " JOIN tool_calls c ON c.run_id = r.id"
        " JOIN " OUTPUTS " ON o.call_id = c.call_id"
        " WHERE " SQL_THIS_RUN
        "   AND (" SQL_CHECKED("c.kind = 'client' AND c.state = 'done' AND o.output = c.result")
        "       OR " SQL_CHECKED(SQL_APPROVAL_IS("o.approval", "NULL::text")) ")",
    .types = OUTPUT_TYPES,
};
/* clang-format on */

static void encode_approval(struct buf *buf, const struct approval *approval)
{
    CLEANUP(buf_deinit) struct buf told;

    buf_init(&told, 0);
    buf_add_string(buf, ",\"approval\":");
    approval_write(approval, buf);
    buf_add_string(buf, ",\"state\":");
    buf_add_json_string(buf, approval_state(approval));
    if (approval->allows)
        return;
    approval_write_result(approval, &told);
    buf_add_string(buf, ",\"result\":");
    buf_add_json(buf, buf_text(&told));
}

static int encode(struct buf *buf, const struct tool_output *outputs, size_t count,
                  struct error *err)
{
    if (count > TOOL_OUTPUTS_MAX)
        return error_set(err, E_LIMIT, "%zu tool outputs, where %d are allowed", count,
                         TOOL_OUTPUTS_MAX);
    buf_add_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_string(buf, i ? ",{\"call_id\":" : "{\"call_id\":");
        buf_add_json(buf, outputs[i].call_id);
        buf_add_string(buf, ",\"output\":");
        buf_add_json(buf, outputs[i].output);
        if (outputs[i].approval)
            encode_approval(buf, outputs[i].approval);
        buf_add_char(buf, '}');
    }
    buf_add_char(buf, ']');
    return buf_check(buf, err);
}

/* Why nothing was given. */
static int look(const struct store *store, const struct pg_value *values, size_t count,
                struct uuid thread, struct uuid run, struct run *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct run now;
    int r = runs_get(store, thread, run, &now, err);

    if (r == 0)
        r = pg_exec(store->pg, &outputs_look, values, &result, err);
    if (r != 0)
        return r;
    *out = now;
    if (count > 0 && pg_get_int(result, 0, 0) == (int64_t)count)
        return OUTPUTS_GIVEN;
    return now.status == RUN_REQUIRES_ACTION ? OUTPUTS_UNFIT : OUTPUTS_UNWANTED;
}

static int give(const struct store *store, const struct pg_value *values, struct run *out,
                struct error *err)
{
    const struct pg_query queries[2] = {{&run_lock, values}, {&outputs_give, values}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, 2, results, err);

    if (r == 0)
        r = pg_rows(results[1]) > 0 ? row_read_at(store, &run_rows, results[1], 0, out, err)
                                    : OUTPUTS_UNWANTED;
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}

int tool_outputs_give(const struct store *store, struct uuid thread, struct uuid run,
                      const struct tool_output *outputs, size_t count, struct run *out,
                      struct error *err)
{
    CLEANUP(buf_deinit) struct buf json;
    int r;

    buf_init(&json, 0);
    r = encode(&json, outputs, count, err);
    if (r < 0)
        return r;

    struct pg_value values[OUTPUT_VALUES] = {pg_uuid(run), pg_uuid(store->tenant),
                                             value_uuid_or_null(thread), pg_json(buf_text(&json))};
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = give(store, values, out, err);
        if (r != -E_AMBIGUOUS)
            break;
    }
    return r == OUTPUTS_UNWANTED ? look(store, values, count, thread, run, out, err) : r;
}
