/* Deciding of calls: see approvals.h
 *
 * As with tool outputs, two statements in one transaction: the first locks the run, so the second
 * one's snapshot shows what others settled before. Of two who decide at once the first wins, and
 * the other finds what he decided.
 */

#include "shared/store/answers/approvals.h"

#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "shared/store/runs/call_state.h"
#include "shared/store/runs/open_calls.h"
#include "shared/store/runs/run_rows.h"

#define ATTEMPTS 4

/* run, tenant, thread, call, state, result, approval, arguments */
#define DECIDE_TYPES  "uuutttjt"
#define DECIDE_VALUES 8

/* clang-format off */
static const struct pg_statement approval_decide = {
    .name = "approval_decide",
    .sql =
        "WITH given AS MATERIALIZED ("
        "    SELECT c.run_id, c.call_no, $5::text AS state, $6::text AS result,"
        "        $6::text IS NOT NULL AS is_error,"
        "        " SQL_APPROVAL("$7::jsonb", "$8::text") " AS approval, $8::text AS arguments"
        "    FROM runs r"
        "    JOIN tool_calls c ON c.run_id = ANY (ARRAY[r.id])"
        "      AND " SQL_CHECKED(SQL_IS_UNDECIDED " AND c.call_id = $4::text")
        "    WHERE " SQL_THIS_RUN
        "      AND r.status = 'requires_action'),"
        " l AS MATERIALIZED ("
        "    SELECT DISTINCT run_id AS id"
        "    FROM given),"
        " " SQL_SETTLE
        " SELECT " RUN_COLUMNS
        " FROM r",
    .types = DECIDE_TYPES,
};

/* Why nothing was decided. */
static const struct pg_statement approval_look = {
    .name = "approval_look",
    .sql =
        "SELECT c.state, coalesce(c.kind, ''), coalesce(c.approval ->> 'decision', ''),"
        "    coalesce(" SQL_APPROVAL_IS("$7::jsonb", "$8::text") ", false),"
        "    coalesce(c.due_at <= now(), false)"
        " FROM runs r"
        " JOIN tool_calls c ON c.run_id = r.id"
        " WHERE " SQL_THIS_RUN
        "   AND c.call_id = $4::text"
        "   AND " SQL_UNUSED_TEXT("$5")
        "   AND " SQL_UNUSED_TEXT("$6")
        " ORDER BY c.call_no DESC"
        " LIMIT 1",
    .types = DECIDE_TYPES,
};
/* clang-format on */

const char *approval_state(const struct approval *approval)
{
    return call_state_name(approval->allows ? CALL_APPROVED : CALL_DONE);
}

void approval_write(const struct approval *approval, struct buf *out)
{
    char key[ID_TEXT_SIZE];
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "decision", approval->allows ? "approved" : "denied");
    if (!uuid_is_zero(approval->by)) {
        id_format(ID_KEY, approval->by, key);
        json_write_string(&w, "by", key);
    }
    json_write_text_if(&w, "user", approval->user);
    json_write_text_if(&w, "note", approval->note);
    json_write_close(&w);
}

void approval_write_result(const struct approval *approval, struct buf *out)
{
    buf_add_string(out, "Error: this call was denied by a person, and was not made.");
    if (approval->note.len > 0) {
        buf_add_string(out, " The reason given: ");
        buf_add_text(out, approval->note);
    }
}

static int decide(const struct store *store, const struct pg_value *values, struct run *out,
                  struct error *err)
{
    const struct pg_query queries[2] = {{&run_lock, values}, {&approval_decide, values}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, 2, results, err);

    if (r == 0)
        r = pg_rows(results[1]) > 0 ? row_read_at(store, &run_rows, results[1], 0, out, err)
                                    : APPROVAL_UNWANTED;
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}

static int verdict(const struct pg_result *result)
{
    struct text decision;

    if (pg_rows(result) == 0)
        return APPROVAL_NO_CALL;
    decision = pg_get_text(result, 0, 2);
    if (pg_get_bool(result, 0, 3))
        return APPROVAL_GIVEN;
    if (text_is(decision, "expired"))
        return APPROVAL_LATE;
    if (decision.len > 0)
        return APPROVAL_DECIDED;
    if (!text_is(pg_get_text(result, 0, 0), "open") ||
        !text_is(pg_get_text(result, 0, 1), "approval"))
        return APPROVAL_UNWANTED;
    return pg_get_bool(result, 0, 4) ? APPROVAL_LATE : APPROVAL_EARLY;
}

static int look(const struct store *store, struct uuid thread, struct uuid run,
                const struct pg_value *values, struct run *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct run now;
    int r = runs_get(store, thread, run, &now, err);

    if (r == 0)
        r = pg_exec(store->pg, &approval_look, values, &result, err);
    if (r != 0)
        return r;
    *out = now;
    r = verdict(result);
    return r == APPROVAL_EARLY && run_status_terminal(now.status) ? APPROVAL_UNWANTED : r;
}

int approvals_decide(const struct store *store, struct uuid thread, struct uuid run,
                     struct text call_id, const struct approval *approval, struct run *out,
                     struct error *err)
{
    CLEANUP(buf_deinit) struct buf said;
    CLEANUP(buf_deinit) struct buf told;
    int r;

    buf_init(&said, 0);
    buf_init(&told, 0);
    approval_write(approval, &said);
    if (!approval->allows)
        approval_write_result(approval, &told);
    r = buf_check(&said, err);
    if (r == 0)
        r = buf_check(&told, err);
    if (r < 0)
        return r;

    struct pg_value values[DECIDE_VALUES] = {
        pg_uuid(run),
        pg_uuid(store->tenant),
        value_uuid_or_null(thread),
        pg_text(call_id),
        pg_text(text_of(approval_state(approval))),
        pg_text(approval->allows ? TEXT_NONE : buf_text(&told)),
        pg_json(buf_text(&said)),
        pg_text(approval->arguments),
    };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = decide(store, values, out, err);
        if (r != -E_AMBIGUOUS)
            break;
    }
    return r == APPROVAL_UNWANTED ? look(store, thread, run, values, out, err) : r;
}
