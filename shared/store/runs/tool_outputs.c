/* What the client gives a run that waits for it
 *
 * Two statements in one transaction. The first locks the row of the run, so the snapshot of the
 * second is newer than whatever held the row, and sees the messages and calls that came with it.
 * Everything in the second is selected FROM r, the compare-and-set on the run: it happens as a
 * whole or not at all. The fence is raised, so that no worker that had the run before can write any
 * more.
 *
 * When the reply to an attempt is lost, the ledger tells what became of it: outputs that it has
 * already, word for word, were given by an earlier attempt.
 */

#include "shared/store/runs/tool_outputs.h"

#include "shared/store/runs/run_rows.h"

#define ATTEMPTS 4

/* The parameters of all statements, $1 to $4: run, tenant, thread, outputs. */
#define OUTPUT_TYPES  "uuuj"
#define OUTPUT_VALUES 4

#define OUTPUTS "jsonb_to_recordset($4) AS o (id uuid, call_id text, output text)"

static const struct pg_statement outputs_lock = {
    .name = "outputs_lock",
    .sql =
        "SELECT 1 FROM runs r WHERE " SQL_THIS_RUN " AND $4::jsonb IS NOT NULL FOR NO KEY UPDATE",
    .types = OUTPUT_TYPES,
};

/* clang-format off */
/* The ids that the run waits for are those that are given. */
#define OUTPUTS_FIT \
    "(" \
    "    SELECT array_agg(w.call ->> 'id' ORDER BY w.call ->> 'id')" \
    "    FROM jsonb_array_elements(" \
    "        r.required_action #> '{submit_tool_outputs,tool_calls}') AS w (call)" \
    " ) = (" \
    "    SELECT array_agg(o.call_id ORDER BY o.call_id)" \
    "    FROM " OUTPUTS ")"

#define OUTPUT_CONTENT \
    "jsonb_build_array(jsonb_build_object(" \
    "    'type', 'text'," \
    "    'text', jsonb_build_object('value', o.output, 'annotations', '[]'::jsonb)))"

#define WRITE_OUTPUTS \
    "INSERT INTO messages (" \
    "    id, tenant_id, thread_id, run_id, agent_id, seq, role, hidden, content, tool_call_id)" \
    " SELECT o.id, r.tenant_id, r.thread_id, r.id, r.agent_id," \
    "     (SELECT coalesce(max(seq), 0) FROM messages WHERE run_id = $1)" \
    "         + row_number() OVER (ORDER BY c.call_no)," \
    "     'tool', true, " OUTPUT_CONTENT ", c.call_id" \
    " FROM r, c" \
    " JOIN " OUTPUTS " ON o.call_id = c.call_id" \
    " ORDER BY c.call_no"

#define COMPLETE_STEP \
    "UPDATE run_steps s" \
    " SET status = 'completed'," \
    "     ended_at = now()," \
    "     tool_calls = (" \
    "         SELECT jsonb_agg(" \
    "             CASE WHEN o.call_id IS NULL THEN e.call" \
    "                 ELSE jsonb_set(e.call, '{function,output}', to_jsonb(o.output)) END" \
    "             ORDER BY e.place)" \
    "         FROM jsonb_array_elements(s.tool_calls) WITH ORDINALITY AS e (call, place)" \
    "         LEFT JOIN " OUTPUTS " ON o.call_id = e.call ->> 'id')" \
    " FROM r" \
    " WHERE s.run_id = r.id" \
    "   AND s.status = 'in_progress'" \
    "   AND s.type = 'tool_calls'"

static const struct pg_statement outputs_give = {
    .name = "outputs_give",
    .sql =
        "WITH r AS ("
        "    UPDATE runs r"
        "    SET status = 'queued', owner = NULL, fence = r.fence + 1, wait_kind = NULL,"
        "        required_action = NULL, due_at = now(), updated_at = now()"
        "    WHERE " SQL_THIS_RUN
        "      AND r.status = 'requires_action'"
        "      AND " OUTPUTS_FIT
        "    RETURNING r.*),"
        " c AS ("
        "    UPDATE tool_calls c"
        "    SET state = 'done', result = o.output"
        "    FROM r, " OUTPUTS
        "    WHERE c.run_id = r.id"
        "      AND c.call_id = o.call_id"
        "      AND c.class = 'client'"
        "      AND c.state = 'intent'"
        "    RETURNING c.call_no, c.call_id),"
        " m AS (" WRITE_OUTPUTS "),"
        " s AS (" COMPLETE_STEP ")"
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
        " JOIN " OUTPUTS " ON o.call_id = c.call_id AND o.output = c.result"
        " WHERE " SQL_THIS_RUN
        "   AND c.class = 'client'"
        "   AND c.state = 'done'",
    .types = OUTPUT_TYPES,
};
/* clang-format on */

static int encode(struct buf *buf, const struct tool_output *outputs, size_t count,
                  struct error *err)
{
    char id[UUID_TEXT_SIZE];

    if (count > TOOL_OUTPUTS_MAX)
        return error_set(err, E_LIMIT, "%zu tool outputs, where %d are allowed", count,
                         TOOL_OUTPUTS_MAX);
    buf_add_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        uuid_format(uuid_new(), id);
        buf_printf(buf, "%s{\"id\":\"%s\",\"call_id\":", i ? "," : "", id);
        buf_add_json(buf, outputs[i].call_id);
        buf_add_string(buf, ",\"output\":");
        buf_add_json(buf, outputs[i].output);
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
    const struct pg_query queries[2] = {{&outputs_lock, values}, {&outputs_give, values}};
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
