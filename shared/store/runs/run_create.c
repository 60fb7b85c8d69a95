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
#include "shared/store/threads/promotions.h"
#include "shared/store/threads/thread_rows.h"

/* clang-format off */
#define INSERT_RUN \
    "INSERT INTO runs AS r (" SQL_RUN_DRAFT_COLUMNS ")" \
    " SELECT " SQL_RUN_DRAFT \
    " FROM t" \
    " RETURNING "
/* clang-format on */

void run_draft_values(const struct store *store, const struct run_draft *draft,
                      struct pg_value messages, const struct message_counts *counts,
                      struct pg_value out[RUN_DRAFT_VALUES])
{
    struct thread_limits limits = limits_or_none(store->limits);

    ASSERT(draft->expires_in_ms > 0 && draft->delay_ms >= 0);
    ASSERT(draft->shard >= 0 && draft->shard <= INT16_MAX);
    out[0] = pg_uuid(draft->id);
    out[1] = pg_uuid(store->tenant);
    out[2] = value_uuid_or_null(draft->agent);
    out[3] = pg_int(draft->agent_version);
    out[4] = pg_int(draft->shard);
    out[5] = pg_int(draft->priority);
    out[6] = pg_json_as_written(draft->spec);
    out[7] = pg_json(draft->metadata);
    out[8] = pg_int(draft->delay_ms);
    out[9] = pg_int(draft->expires_in_ms);
    out[10] = messages;
    out[11] = pg_int(counts->messages);
    out[12] = pg_int(counts->bytes);
    out[13] = pg_int(counts->tokens);
    out[14] = pg_text(draft->title);
    out[15] = pg_text(draft->user);
    out[16] = pg_int(limits.thread_bytes);
    out[17] = pg_int(limits.user_bytes);
}

/* clang-format off */
#define CREATE(more) \
    "WITH t AS (" \
    "    UPDATE threads t" \
    "    SET active_run = $1, " SQL_RUN_DRAFT_JOINS("t") \
    "    WHERE t.id = " RUN_DRAFT_NEXT \
    "      AND t.tenant_id = $2" \
    "      AND t.active_run IS NULL" \
    "      AND " SQL_NOTHING_WAITS("t") \
    "      AND " SQL_AGENT_EXISTS \
    "      AND " SQL_RUN_DRAFT_FITS("t") more \
    "    RETURNING t.*)," \
    " m AS (" SQL_INSERT_DRAFTS("$11", "$2", "$1") ")" \
    " " INSERT_RUN RUN_COLUMNS

/* Of the last message; 0: there is none. */
#define POSITION_IN(thread) \
    "coalesce((" \
    "    SELECT l.position" \
    "    FROM messages l" \
    "    WHERE l.thread_id = " thread \
    "    ORDER BY l.position DESC" \
    "    LIMIT 1), 0)"

static const struct pg_statement run_create = {
    .name = "run_create",
    .sql = CREATE(""),
    .types = RUN_DRAFT_TYPES "u",
};

/* The lock comes before, so that the snapshot of the other shows all messages that there are. */
static const struct pg_statement behind_lock = {
    .name = "run_create_behind_lock",
    .sql = "SELECT 1 FROM threads t WHERE t.id = $1 AND t.tenant_id = $2 FOR NO KEY UPDATE",
    .types = "uu",
};

static const struct pg_statement run_create_behind = {
    .name = "run_create_behind",
    .sql = CREATE(" AND " POSITION_IN("t.id") " = $20"),
    .types = RUN_DRAFT_TYPES "ui",
};

static const struct pg_statement behind_look = {
    .name = "run_create_behind_look",
    .sql = "SELECT " POSITION_IN("$1"),
    .types = "u",
};

static const struct pg_statement create_look = {
    .name = "run_create_look",
    .sql =
        "SELECT t.active_run, " SQL_AGENT_EXISTS ", t.total_bytes + $5 <= $6,"
        "     " SQL_USER_FITS("t.tenant_id", "t.user_id", "$5", "$7")
        " FROM threads t"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2",
    .types = "uuuiiii",
};
/* clang-format on */

int run_create_look(const struct store *store, const struct run_draft *draft,
                    struct uuid *out_active, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct message_counts counts = drafts_counts(draft->messages, draft->message_count);
    struct thread_limits limits = limits_or_none(store->limits);
    struct pg_value values[7] = {
        pg_uuid(draft->thread),       pg_uuid(store->tenant), value_uuid_or_null(draft->agent),
        pg_int(draft->agent_version), pg_int(counts.bytes),   pg_int(limits.thread_bytes),
        pg_int(limits.user_bytes)};
    int r;

    r = pg_exec(store->pg, &create_look, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (!pg_get_bool(result, 0, 1))
        return AGENT_MISSING;
    if (!pg_get_bool(result, 0, 2))
        return THREAD_TOO_LARGE;
    if (!pg_get_bool(result, 0, 3))
        return USER_OVER_QUOTA;
    if (pg_is_null(result, 0, 0))
        return 0;
    if (out_active)
        *out_active = pg_get_uuid(result, 0, 0);
    return THREAD_BUSY;
}

#define ATTEMPTS 5

static int create_behind(const struct store *store, const struct run_draft *draft,
                         const struct pg_value *values, struct run *out, struct error *err)
{
    struct pg_value thread[2] = {pg_uuid(draft->thread), pg_uuid(store->tenant)};
    const struct pg_query queries[3] = {
        {&behind_lock, thread},
        {&run_create_behind, values},
        store->rider ? *store->rider : (struct pg_query){NULL, NULL},
    };
    struct pg_result *results[3] = {NULL};
    int r = pg_exec_all(store->pg, queries, store->rider ? 3 : 2, results, err);

    if (r == 0)
        r = pg_rows(results[1]) > 0 ? row_read_at(store, &run_rows, results[1], 0, out, err)
                                    : RUN_MISSING;
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r;
}

/* Returns 0: it is as it should be; or THREAD_MOVED. */
static int look_behind(const struct store *store, const struct run_draft *draft, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value thread = pg_uuid(draft->thread);
    int r = pg_exec(store->pg, &behind_look, &thread, &result, err);

    if (r < 0)
        return r;
    return pg_get_int(result, 0, 0) == draft->behind ? 0 : THREAD_MOVED;
}

int runs_create(const struct store *store, const struct run_draft *draft, struct run *out,
                struct uuid *out_active, struct error *err)
{
    struct message_counts counts = drafts_counts(draft->messages, draft->message_count);
    CLEANUP(buf_deinit) struct buf messages;
    struct pg_value values[RUN_DRAFT_VALUES + 2];
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, draft->message_count), &counts, values);
    values[RUN_DRAFT_VALUES] = pg_uuid(draft->thread);
    values[RUN_DRAFT_VALUES + 1] = pg_int(draft->behind);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = draft->is_behind
                ? create_behind(store, draft, values, out, err)
                : store_create(store, &run_rows, &(struct pg_query){&run_create, values}, out, err);
        if (r != RUN_MISSING)
            return r;
        r = run_create_look(store, draft, out_active, err);
        if (r == 0 && draft->is_behind)
            r = look_behind(store, draft, err);
        if (r == 0)
            r = thread_promote(store, draft->thread, err);
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
        "    INSERT INTO threads ("
        "        id, tenant_id, active_run, title, message_count, total_bytes, token_count,"
        "        used_hour, metadata, tool_resources, agent_id, user_id, active, agent_state,"
        "        hidden, erase_at, memory)"
        "    SELECT $19, $2, $1, $15::text, $12::int8, $13::int8, $14::int8, " SQL_USED_HOUR ","
        "        coalesce($20, '{}'), $21::jsonb, $22::uuid, $23::text, $24::bool, $25::jsonb,"
        "        $26::bool, " SQL_ERASES("$27::bool") ", " SQL_MEMORY("$28::jsonb")
        "    WHERE " SQL_AGENT_EXISTS
        "      AND $13::int8 <= $17::int8"
        "      AND " SQL_USER_FITS("$2", "$23::text", "$13::int8", "$18")
        "    RETURNING *),"
        " m AS (" SQL_INSERT_DRAFTS("$11", "$2", "$1") ")"
        " " INSERT_RUN RUN_COLUMNS,
    .types = RUN_DRAFT_TYPES "ujjutbjbbj",
};
/* clang-format on */

/* clang-format off */
static const struct pg_statement create_look_fresh = {
    .name = "run_create_look_fresh",
    .sql = "SELECT " SQL_AGENT_EXISTS ", $5::int8 <= $6::int8,"
           " " SQL_USER_FITS("$2", "$1::text", "$5::int8", "$7"),
    .types = "tuuiiii",
};
/* clang-format on */

/* Why no run was made with a thread of its own. 0: there is no reason now. */
static int look_fresh(const struct store *store, const struct run_draft *draft,
                      const struct thread_draft *thread, const struct message_counts *counts,
                      struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct thread_limits limits = limits_or_none(store->limits);
    struct pg_value values[7] = {
        pg_text(thread->user),        pg_uuid(store->tenant), value_uuid_or_null(draft->agent),
        pg_int(draft->agent_version), pg_int(counts->bytes),  pg_int(limits.thread_bytes),
        pg_int(limits.user_bytes)};
    int r = pg_exec(store->pg, &create_look_fresh, values, &result, err);

    if (r < 0)
        return r;
    if (!pg_get_bool(result, 0, 0))
        return AGENT_MISSING;
    if (!pg_get_bool(result, 0, 1))
        return THREAD_TOO_LARGE;
    return pg_get_bool(result, 0, 2) ? 0 : USER_OVER_QUOTA;
}

int runs_create_with_thread(const struct store *store, const struct thread_draft *thread,
                            const struct run_draft *draft, struct run *out, struct error *err)
{
    struct message_counts counts = drafts_counts(thread->messages, thread->message_count);
    CLEANUP(buf_deinit) struct buf messages;
    struct pg_value values[RUN_DRAFT_VALUES + 10];
    struct pg_query query = {&run_create_with_thread, values};
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, thread->messages, thread->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, thread->message_count), &counts, values);
    values[14] = pg_text(thread->title);
    values[RUN_DRAFT_VALUES] = pg_uuid(thread->id);
    values[RUN_DRAFT_VALUES + 1] = pg_json(thread->metadata);
    values[RUN_DRAFT_VALUES + 2] = pg_json(thread->tool_resources);
    values[RUN_DRAFT_VALUES + 3] = value_uuid_or_null(thread->agent);
    values[RUN_DRAFT_VALUES + 4] = pg_text(thread->user);
    values[RUN_DRAFT_VALUES + 5] = pg_bool(thread->active);
    values[RUN_DRAFT_VALUES + 6] = pg_json(thread->agent_state);
    values[RUN_DRAFT_VALUES + 7] = pg_bool(thread->hidden);
    values[RUN_DRAFT_VALUES + 8] = pg_bool(thread->erases);
    values[RUN_DRAFT_VALUES + 9] = pg_json(thread->memory);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = store_create(store, &run_rows, &query, out, err);
        if (r != RUN_MISSING)
            return r;
        r = look_fresh(store, draft, thread, &counts, err);
        if (r != 0)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "agents and threads change too fast; try again");
}
