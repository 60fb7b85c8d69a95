/* Summaries of threads
 *
 * A row is there from when the first one is begun. Whoever deletes a message touches the row
 * (SQL_SUMMARY_FORGET), and so does who stores a summary, so one of the two comes first: then the
 * other finds a row that is not as it was. Who deleted before the row was there is found by the
 * number of messages that were read.
 */

#include "shared/store/summaries/summaries.h"

#include "shared/store/rows.h"

static int summary_read(struct row *row, void *out, struct error *err)
{
    struct thread_summary summary = {.tried_tokens = -1};

    summary.tried_tokens = row_int_or(row, -1);
    summary.text = row_text(row);
    summary.position = row_int(row);
    if (summary.text.ptr) {
        summary.messages = row_int(row);
        summary.source_tokens = row_int(row);
        summary.tokens = row_int(row);
        summary.model = row_text(row);
        summary.run = row_uuid(row);
        summary.created_at = row_int(row);
    }
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct thread_summary *)out = summary;
    return 0;
}

/* Nobody's condition: it becomes a summary that is not there. */
enum { NO_ROW = 1 };

/* clang-format off */
static const struct pg_statement summary_get = {
    .name = "summary_get",
    .sql =
        "SELECT tried_tokens, summary, position, messages, source_tokens, tokens, model, run_id,"
        "    " SQL_SECONDS("created_at")
        " FROM thread_summaries"
        " WHERE thread_id = $1"
        "   AND " SQL_CHECKED("tenant_id = $2"),
    .types = "uu",
};
/* clang-format on */

int summaries_get(const struct store *store, struct uuid thread, struct thread_summary *out,
                  struct error *err)
{
    static const struct row_kind rows = {summary_read, sizeof(struct thread_summary), NO_ROW};
    struct pg_value values[2] = {pg_uuid(thread), pg_uuid(store->tenant)};
    int r = store_one(store, &rows, &(struct pg_query){&summary_get, values}, out, err);

    if (r == NO_ROW)
        *out = (struct thread_summary){.tried_tokens = -1};
    return r < 0 ? r : 0;
}

/* The thread's lock lets a message go first whose deletion is under way. */
/* clang-format off */
static const struct pg_statement summary_begin = {
    .name = "summary_begin",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT id, tenant_id, active_run"
        "    FROM threads"
        "    WHERE id = $1"
        "      AND " SQL_CHECKED("tenant_id = $2")
        "    FOR NO KEY UPDATE),"
        " z AS MATERIALIZED ("
        "    SELECT z.making"
        "    FROM t"
        "    JOIN thread_summaries z ON z.thread_id = t.id),"
        " n AS ("
        "    INSERT INTO thread_summaries AS s (thread_id, tenant_id, making)"
        "    SELECT id, tenant_id, $3"
        "    FROM t"
        "    ON CONFLICT (thread_id) DO UPDATE"
        "    SET making = excluded.making"
        "    WHERE s.position = $4"
        "    RETURNING 1)"
        " SELECT t.active_run, EXISTS (SELECT FROM n), coalesce((SELECT making = $3 FROM z), false)"
        " FROM t",
    .types = "uuui",
};
/* clang-format on */

int summaries_begin(const struct store *store, struct uuid thread, struct uuid run,
                    const struct thread_summary *seen, struct summary_begun *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(run),
                                 pg_int(seen->position)};
    int r = pg_exec(store->pg, &summary_begin, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (!pg_get_bool(result, 0, 1))
        return SUMMARY_MOVED;
    *out = (struct summary_begun){pg_get_uuid(result, 0, 0), pg_get_bool(result, 0, 2)};
    return 0;
}

/* clang-format off */
#define OF_MAKER \
    "z.thread_id = $1" \
    " AND " SQL_CHECKED("z.tenant_id = $2 AND z.making = $3")

static const struct pg_statement summary_try = {
    .name = "summary_try",
    .sql =
        "UPDATE thread_summaries z"
        " SET tried_tokens = $4"
        " WHERE " OF_MAKER
        " RETURNING 1",
    .types = "uuui",
};

static const struct pg_statement summary_keep = {
    .name = "summary_keep",
    .sql =
        "UPDATE thread_summaries z"
        " SET summary = $8, position = $6, messages = $9, source_tokens = $10, tokens = $11,"
        "    model = $12, run_id = $3, created_at = now(), making = NULL, tried_tokens = NULL"
        " WHERE " OF_MAKER
        "   AND " SQL_CHECKED("z.position = $4")
        "   AND (SELECT count(*)"
        "        FROM messages m"
        "        WHERE m.thread_id = $1"
        "          AND m.position >= $5"
        "          AND m.position <= $6) = $7"
        " RETURNING 1",
    .types = "uuuiiiitiiit",
};
/* clang-format on */

static int change(const struct store *store, const struct pg_statement *statement,
                  const struct pg_value *values, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(store->pg, statement, values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) > 0 ? 0 : SUMMARY_MOVED;
}

int summaries_try(const struct store *store, struct uuid thread, struct uuid run, int64_t tokens,
                  struct error *err)
{
    struct pg_value values[4] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(run),
                                 pg_int(tokens)};

    return change(store, &summary_try, values, err);
}

int summaries_keep(const struct store *store, struct uuid thread, const struct summary_draft *draft,
                   struct error *err)
{
    struct pg_value values[12] = {
        pg_uuid(thread),         pg_uuid(store->tenant),
        pg_uuid(draft->run),     pg_int(draft->before),
        pg_int(draft->from),     pg_int(draft->to),
        pg_int(draft->read),     pg_text(draft->text),
        pg_int(draft->messages), pg_int(draft->source_tokens),
        pg_int(draft->tokens),   pg_text(draft->model),
    };

    ASSERT(draft->text.ptr && draft->text.len <= SUMMARY_BYTES_MAX);
    return change(store, &summary_keep, values, err);
}
