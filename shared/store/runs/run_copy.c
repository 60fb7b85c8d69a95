/* Making runs on copies of threads
 *
 * One statement copies the thread up to a message, adds the run's messages and inserts the run. All
 * messages are one INSERT, since the order of several is nobody's. The source is not locked: what
 * stands before a message of a run that has ended does not change.
 */

#include "shared/store/runs/run_drafts.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/thread_rows.h"

/* $19 the copy, $20 the source, $21 the last position, $22 whether the copy is hidden, $23 whether
 * it erases. */
/* clang-format off */
static const struct pg_statement run_create_on_copy = {
    .name = "run_create_on_copy",
    .sql =
        "WITH s AS MATERIALIZED ("
        "    SELECT t.*"
        "    FROM threads t"
        "    WHERE t.id = $20"
        "      AND t.tenant_id = $2"
        "      AND " SQL_AGENT_EXISTS "),"
        " c AS MATERIALIZED ("
        "    SELECT count(*) AS messages, coalesce(sum(o.bytes), 0)::int8 AS bytes,"
        "        coalesce(sum(o.token_count), 0)::int8 AS tokens"
        "    FROM s"
        "    JOIN messages o ON " SQL_COPIED("$20", "$2", "$21") "),"
        " t AS ("
        "    INSERT INTO threads ("
        "        id, tenant_id, active_run, metadata, tool_resources, title, forked_from, agent_id,"
        "        user_id, message_count, total_bytes, token_count, used_hour, hidden, erase_at,"
        "        memory)"
        "    SELECT $19, s.tenant_id, $1, s.metadata, s.tool_resources, coalesce(s.title, $15),"
        "        s.id, s.agent_id, s.user_id, c.messages + $12, c.bytes + $13, c.tokens + $14,"
        "        " SQL_USED_HOUR ", $22::bool, " SQL_ERASES("$23::bool") ", s.memory"
        "    FROM s"
        "    CROSS JOIN c"
        "    WHERE c.bytes + $13 <= $17"
        "      AND " SQL_USER_FITS("s.tenant_id", "s.user_id", "c.bytes + $13", "$18")
        "    RETURNING *),"
        " m AS ("
        "    INSERT INTO messages (id, tenant_id, thread_id, submitted_with, " COPY_COLUMNS ")"
        "    SELECT e.id, e.tenant_id, e.thread_id, e.submitted_with, " SQL_COPY("e")
        "    FROM ("
        "        SELECT gen_random_uuid() AS id, t.tenant_id, t.id AS thread_id,"
        "            NULL::uuid AS submitted_with, o.agent_id, o.role::text AS role, o.hidden,"
        "            o.content, o.tool_calls, o.tool_call_id, o.tool_name, o.opaque,"
        "            o.attachments, o.metadata, o.status, o.incomplete_reason, o.bytes,"
        "            o.token_count, o.created_at, 1 AS turn, o.position AS place"
        "        FROM t"
        "        CROSS JOIN s"
        "        JOIN messages o ON " SQL_COPIED("$20", "$2", "$21")
        "        UNION ALL"
        "        SELECT d.id, t.tenant_id, t.id, $1, NULL::uuid, d.role,"
        "            coalesce(d.hidden, false), d.content, d.tool_calls, d.tool_call_id,"
        "            d.tool_name, NULL::jsonb, d.attachments, coalesce(d.metadata, '{}'),"
        "            'completed', NULL::text, d.bytes, d.tokens, now(), 2, d.place"
        "        FROM t, " SQL_DRAFTS("$11") ") e"
        "    ORDER BY e.turn, e.place)"
        " INSERT INTO runs AS r (" SQL_RUN_DRAFT_COLUMNS ")"
        " SELECT " SQL_RUN_DRAFT
        " FROM t"
        " RETURNING " RUN_COLUMNS,
    .types = RUN_DRAFT_TYPES "uuibb",
};
/* clang-format on */

/* The source is larger than its copy, so what it tells is what is in the way; but for the person's
 * room, of which a copy takes more. */
static int refused(const struct store *store, const struct run_copy *copy,
                   const struct run_draft *draft, struct error *err)
{
    struct run_draft of_source = *draft;
    int r;

    of_source.thread = copy->source;
    r = run_create_look(store, &of_source, NULL, err);
    return r == 0 || r == THREAD_BUSY ? USER_OVER_QUOTA : r;
}

int runs_create_on_copy(const struct store *store, const struct run_copy *copy,
                        const struct run_draft *draft, struct run *out, struct error *err)
{
    struct message_counts counts = drafts_counts(draft->messages, draft->message_count);
    CLEANUP(buf_deinit) struct buf messages;
    struct pg_value values[RUN_DRAFT_VALUES + 5];
    struct pg_query query = {&run_create_on_copy, values};
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, draft->message_count), &counts, values);
    values[RUN_DRAFT_VALUES] = pg_uuid(copy->id);
    values[RUN_DRAFT_VALUES + 1] = pg_uuid(copy->source);
    values[RUN_DRAFT_VALUES + 2] = pg_int(copy->position);
    values[RUN_DRAFT_VALUES + 3] = pg_bool(copy->hidden);
    values[RUN_DRAFT_VALUES + 4] = pg_bool(copy->erases);
    r = store_create(store, &run_rows, &query, out, err);
    return r == RUN_MISSING ? refused(store, copy, draft, err) : r;
}
