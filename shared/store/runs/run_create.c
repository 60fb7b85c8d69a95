/* Making runs
 *
 * A single statement creates a run: it takes the thread (sets active_run, where it is NULL), adds
 * the messages and inserts the run. Of two such statements at once on a thread, the second waits
 * for the row lock of the first, sees that active_run is set, and changes nothing. A second, cheap
 * statement then tells why.
 */

#include "shared/store/runs/run_drafts.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/drafts.h"

/* clang-format off */
#define INSERT_RUN \
    "INSERT INTO runs AS r (" SQL_RUN_DRAFT_COLUMNS ")" \
    " SELECT " SQL_RUN_DRAFT \
    " FROM t" \
    " RETURNING "
/* clang-format on */

void run_draft_values(const struct store *store, const struct run_draft *draft,
                      struct pg_value messages, struct pg_value out[RUN_DRAFT_VALUES])
{
    ASSERT(draft->expires_in_ms > 0 && draft->delay_ms >= 0);
    ASSERT(draft->shard >= 0 && draft->shard <= INT16_MAX);
    out[0] = pg_uuid(draft->id);
    out[1] = pg_uuid(store->tenant);
    out[2] = pg_uuid(draft->agent);
    out[3] = pg_int(draft->agent_version);
    out[4] = pg_int(draft->shard);
    out[5] = pg_int(draft->priority);
    out[6] = pg_json_as_written(draft->spec);
    out[7] = pg_json(draft->metadata);
    out[8] = pg_int(draft->delay_ms);
    out[9] = pg_int(draft->expires_in_ms);
    out[10] = messages;
}

/* clang-format off */
static const struct pg_statement run_create = {
    .name = "run_create",
    .sql =
        "WITH t AS ("
        "    UPDATE threads"
        "    SET active_run = $1"
        "    WHERE id = $12"
        "      AND tenant_id = $2"
        "      AND active_run IS NULL"
        "      AND " SQL_AGENT_EXISTS
        "    RETURNING id),"
        " m AS (" SQL_INSERT_DRAFTS("$11", "$2", "$1") ")"
        " " INSERT_RUN RUN_COLUMNS,
    .types = RUN_DRAFT_TYPES "u",
};

static const struct pg_statement create_look = {
    .name = "run_create_look",
    .sql =
        "SELECT t.active_run, " SQL_AGENT_EXISTS
        " FROM threads t"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2",
    .types = "uuui",
};
/* clang-format on */

int run_create_look(const struct store *store, const struct run_draft *draft,
                    struct uuid *out_active, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(draft->thread), pg_uuid(store->tenant),
                                 pg_uuid(draft->agent), pg_int(draft->agent_version)};
    int r;

    r = pg_exec(store->pg, &create_look, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (!pg_get_bool(result, 0, 1))
        return AGENT_MISSING;
    if (pg_is_null(result, 0, 0))
        return 0;
    if (out_active)
        *out_active = pg_get_uuid(result, 0, 0);
    return THREAD_BUSY;
}

#define ATTEMPTS 5

int runs_create(const struct store *store, const struct run_draft *draft, struct run *out,
                struct uuid *out_active, struct error *err)
{
    CLEANUP(buf_deinit) struct buf messages;
    struct pg_value values[RUN_DRAFT_VALUES + 1];
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, draft->message_count), values);
    values[RUN_DRAFT_VALUES] = pg_uuid(draft->thread);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = store_create(store, &run_rows, &(struct pg_query){&run_create, values}, out, err);
        if (r != RUN_MISSING)
            return r;
        r = run_create_look(store, draft, out_active, err);
        if (r != 0)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

/* clang-format off */
static const struct pg_statement run_create_with_thread = {
    .name = "run_create_with_thread",
    .sql =
        "WITH t AS ("
        "    INSERT INTO threads (id, tenant_id, active_run, metadata, tool_resources, title)"
        "    SELECT $12, $2, $1, coalesce($13, '{}'), $14, $15"
        "    WHERE " SQL_AGENT_EXISTS
        "    RETURNING *),"
        " m AS (" SQL_INSERT_DRAFTS("$11", "$2", "$1") ")"
        " " INSERT_RUN RUN_COLUMNS,
    .types = RUN_DRAFT_TYPES "ujjt",
};
/* clang-format on */

int runs_create_with_thread(const struct store *store, const struct thread_draft *thread,
                            const struct run_draft *draft, struct run *out, struct error *err)
{
    static const struct row_kind kind = {run_read, sizeof(struct run), AGENT_MISSING};
    CLEANUP(buf_deinit) struct buf messages;
    struct pg_value values[RUN_DRAFT_VALUES + 4];
    struct pg_query query = {&run_create_with_thread, values};
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, thread->messages, thread->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, thread->message_count), values);
    values[RUN_DRAFT_VALUES] = pg_uuid(thread->id);
    values[RUN_DRAFT_VALUES + 1] = pg_json(thread->metadata);
    values[RUN_DRAFT_VALUES + 2] = pg_json(thread->tool_resources);
    values[RUN_DRAFT_VALUES + 3] = pg_text(thread->title);
    return store_create(store, &kind, &query, out, err);
}
