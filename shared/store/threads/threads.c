/* Threads
 *
 * Deleting one takes four statements of one transaction. The first three lock its active run, the
 * thread and whatever else is alive in it (in the order active run, thread, held runs, as every
 * other statement does): from then on nobody writes there, since a message comes either from who
 * holds a run's row or from who holds the thread's. The fourth, with a fresh snapshot, sees all
 * that was written before and deletes it. What belongs to a thread has no foreign key: a key would
 * be looked up for each message that is stored, which was a sixth of the cost of a checkpoint.
 */

#include "shared/store/threads/threads.h"

#include "shared/store/search/search_scope.h"
#include "shared/store/summaries/summary_rows.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/thread_rows.h"

int thread_read(struct row *row, void *out, struct error *err)
{
    struct thread thread = {.created_at = 0};

    thread.id = row_uuid(row);
    thread.active_run = row_uuid(row);
    thread.metadata = row_text(row);
    thread.tool_resources = row_text(row);
    thread.title = row_text(row);
    thread.forked_from = row_uuid(row);
    thread.agent = row_uuid(row);
    thread.user = row_text(row);
    thread.active = row_bool(row);
    thread.agent_state = row_text(row);
    thread.agent_state_version = row_int(row);
    thread.counts = counts_read(row);
    thread.used = usage_read(row);
    thread.created_at = row_int(row);
    thread.last_used_at = row_int(row);
    thread.archived_at = row_int(row);
    thread.hidden = row_bool(row);
    thread.erases = row_bool(row);
    thread.memory = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct thread *)out = thread;
    return 0;
}

const struct row_kind thread_rows = {thread_read, sizeof(struct thread), THREAD_MISSING};

/* clang-format off */
static const struct pg_statement thread_create = {
    .name = "thread_create",
    .sql =
        "WITH t AS ("
        "    INSERT INTO threads ("
        "        id, tenant_id, metadata, tool_resources, title, agent_id, user_id, active,"
        "        agent_state, message_count, total_bytes, token_count, used_hour, hidden, erase_at,"
        "        memory)"
        "    SELECT $1, $2, coalesce($3, '{}'), $4::jsonb, $6::text, $7::uuid, $8::text, $9::bool,"
        "        $10::jsonb, $11::int8, $12::int8, $13::int8,"
        "        " SQL_USED_HOUR ", $15::bool, " SQL_ERASES("$16::bool") ","
        "        " SQL_MEMORY("$17::jsonb")
        "    WHERE " SQL_USER_FITS("$2", "$8::text", "$12::int8", "$14")
        "    RETURNING *),"
        " m AS (" SQL_INSERT_DRAFTS("$5", "$2", "NULL") ")"
        " SELECT " THREAD_COLUMNS
        " FROM t",
    .types = "uujjjtutbjiiiibbj",
};
/* clang-format on */

int threads_create(const struct store *store, const struct thread_draft *draft, struct thread *out,
                   struct error *err)
{
    struct message_counts counts = drafts_counts(draft->messages, draft->message_count);
    struct thread_limits limits = limits_or_none(store->limits);
    CLEANUP(buf_deinit) struct buf messages;
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;

    struct pg_value values[17] = {
        pg_uuid(draft->id),
        pg_uuid(store->tenant),
        pg_json(draft->metadata),
        pg_json(draft->tool_resources),
        drafts_value(&messages, draft->message_count),
        pg_text(draft->title),
        value_uuid_or_null(draft->agent),
        pg_text(draft->user),
        pg_bool(draft->active),
        pg_json(draft->agent_state),
        pg_int(counts.messages),
        pg_int(counts.bytes),
        pg_int(counts.tokens),
        pg_int(limits.user_bytes),
        pg_bool(draft->hidden),
        pg_bool(draft->erases),
        pg_json(draft->memory),
    };

    ASSERT(!draft->hidden || !draft->active);
    if (counts.bytes > limits.thread_bytes)
        return THREAD_TOO_LARGE;
    r = store_create(store, &thread_rows, &(struct pg_query){&thread_create, values}, out, err);
    return r == THREAD_MISSING ? USER_OVER_QUOTA : r;
}

static const struct pg_statement thread_find_active = {
    .name = "thread_find_active",
    .sql = "SELECT t.id FROM threads t"
           " WHERE t.tenant_id = $1 AND t.agent_id = $2 AND t.user_id = $3 AND t.active",
    .types = "uut",
};

int threads_find_active(const struct store *store, struct uuid agent, struct text user,
                        struct uuid *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(agent), pg_text(user)};
    int r = pg_exec(store->pg, &thread_find_active, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    *out = pg_get_uuid(result, 0, 0);
    return 0;
}

static const struct pg_statement thread_get = {
    .name = "thread_get",
    .sql = "SELECT " THREAD_COLUMNS " FROM threads t WHERE t.id = $1 AND t.tenant_id = $2",
    .types = "uu",
};

int threads_get(const struct store *store, struct uuid id, struct thread *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &thread_rows, &(struct pg_query){&thread_get, values}, out, err);
}

/* o: the thread as it would be; v: and what is in the way. Who brings a thread back uses it, or
 * retention would put it away again at once. */
/* clang-format off */
#define RESTORED "(t.archived_at IS NOT NULL AND v.archived_at IS NULL)"

static const struct pg_statement thread_update = {
    .name = "thread_update",
    .sql =
        "WITH o AS MATERIALIZED ("
        "    SELECT t.id, t.tenant_id, t.total_bytes, t.user_id AS owner, t.active AS was_active,"
        "        t.hidden,"
        "        t.agent_state_version AS version,"
        "        CASE WHEN $6::text IS NULL THEN t.user_id ELSE nullif($6, '') END AS user_id,"
        "        CASE WHEN $7::bool THEN $8::uuid ELSE t.agent_id END AS agent_id,"
        "        CASE $10::int8 WHEN 1 THEN coalesce(t.archived_at, now()) WHEN 2 THEN NULL"
        "            ELSE t.archived_at END AS archived_at"
        "    FROM threads t"
        "    WHERE t.id = $1"
        "      AND t.tenant_id = $2"
        "    FOR NO KEY UPDATE),"
        " n AS MATERIALIZED ("
        "    SELECT o.*, CASE $9::int8 WHEN 1 THEN true WHEN 2 THEN false"
        "        ELSE o.was_active AND $10::int8 <> 1 END AS active"
        "    FROM o),"
        " v AS MATERIALIZED ("
        "    SELECT n.*, CASE"
        "        WHEN $12::int8 >= 0 AND n.version <> $12::int8 THEN 1"
        "        WHEN n.active AND (n.user_id IS NULL OR n.agent_id IS NULL"
        "            OR n.archived_at IS NOT NULL OR n.hidden) THEN 2"
        "        WHEN n.user_id IS DISTINCT FROM n.owner"
        "            AND NOT " SQL_USER_FITS("n.tenant_id", "n.user_id", "n.total_bytes", "$13")
        "            THEN 3"
        "        ELSE 0 END AS obstacle"
        "    FROM n),"
        " u AS ("
        "    UPDATE threads t"
        "    SET metadata = coalesce($3, t.metadata),"
        "        tool_resources = coalesce($4, t.tool_resources),"
        "        title = nullif(coalesce($5, t.title), ''),"
        "        user_id = v.user_id, agent_id = v.agent_id, active = v.active,"
        "        archived_at = v.archived_at,"
        "        last_used_at = CASE WHEN " RESTORED " THEN now() ELSE t.last_used_at END,"
        "        used_hour = CASE WHEN " RESTORED " THEN " SQL_USED_HOUR " ELSE t.used_hour END,"
        "        agent_state = CASE WHEN $11::jsonb IS NULL THEN t.agent_state"
        "            ELSE nullif($11::jsonb, 'null') END,"
        "        agent_state_version = t.agent_state_version"
        "            + CASE WHEN $11::jsonb IS NULL THEN 0 ELSE 1 END,"
        "        memory = CASE WHEN $14::jsonb IS NULL THEN t.memory"
        "            ELSE " SQL_MEMORY("coalesce(t.memory, '{}') || $14::jsonb") " END"
        "    FROM v"
        "    WHERE t.id = v.id"
        "      AND v.obstacle = 0"
        "    RETURNING t.*),"
        " again AS ("
        "    " SQL_SEARCH_AGAIN("SELECT v.id"
        "    FROM v"
        "    WHERE v.obstacle = 0"
        "      AND v.user_id IS DISTINCT FROM v.owner"
        "      AND v.user_id IS NOT NULL") ")"
        " SELECT " THREAD_COLUMNS ", v.obstacle"
        " FROM v"
        " LEFT JOIN u t ON true",
    .types = "uujjttbuiijiij",
};
/* clang-format on */

#define COLUMN_OBSTACLE 26 /* behind THREAD_COLUMNS */

static int judge_update(const struct store *store, const struct pg_result *result,
                        struct thread *out, struct error *err)
{
    static const int obstacles[] = {0, STATE_CHANGED, THREAD_UNFIT, USER_OVER_QUOTA};
    int64_t obstacle;

    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    obstacle = pg_get_int(result, 0, COLUMN_OBSTACLE);
    ASSERT(obstacle >= 0 && (size_t)obstacle < ARRAY_LENGTH(obstacles));
    return obstacle ? obstacles[obstacle] : row_read_at(store, &thread_rows, result, 0, out, err);
}

/* Another thread is the active one of what this one would have become. */
static int find_taken(const struct store *store, struct uuid id, const struct thread_change *change,
                      struct uuid *out_other, struct error *err)
{
    struct thread now;
    int r = threads_get(store, id, &now, err);

    if (r != 0)
        return r;
    r = threads_find_active(store, change->sets_agent ? change->agent : now.agent,
                            change->user.ptr ? change->user : now.user, out_other, err);
    if (r == 0)
        return THREAD_TAKEN;
    return r < 0 ? r : error_set(err, E_UNAVAILABLE, "threads change too fast; try again");
}

int threads_update(const struct store *store, struct uuid id, const struct thread_change *change,
                   struct thread *out, struct uuid *out_other, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[14] = {
        pg_uuid(id),
        pg_uuid(store->tenant),
        pg_json(change->metadata),
        pg_json(change->tool_resources),
        pg_text(change->title),
        pg_text(change->user),
        pg_bool(change->sets_agent),
        value_uuid_or_null(change->agent),
        pg_int(change->active),
        pg_int(change->archived),
        pg_json(change->agent_state),
        pg_int(change->state_version),
        pg_int(limits_or_none(store->limits).user_bytes),
        pg_json(change->memory),
    };
    int r = pg_exec(store->pg, &thread_update, values, &result, err);

    if (r == -E_CONFLICT)
        return find_taken(store, id, change, out_other, err);
    return r < 0 ? r : judge_update(store, result, out, err);
}

/* clang-format off */
static const struct pg_statement thread_fork = {
    .name = "thread_fork",
    .sql =
        "WITH s AS MATERIALIZED ("
        "    SELECT t.*, CASE WHEN $4::uuid IS NULL THEN 9223372036854775807 ELSE ("
        "        SELECT m.position"
        "        FROM messages m"
        "        WHERE m.id = $4"
        "          AND " SQL_CHECKED(
                  "m.thread_id = $1 AND m.tenant_id = $2 AND NOT m.hidden") ") END AS last"
        "    FROM threads t"
        "    WHERE t.id = $1"
        "      AND t.tenant_id = $2),"
        " c AS MATERIALIZED ("
        "    SELECT count(*) AS messages, coalesce(sum(o.bytes), 0)::int8 AS bytes,"
        "        coalesce(sum(o.token_count), 0)::int8 AS tokens"
        "    FROM s"
        "    JOIN messages o ON " SQL_COPIED("$1", "$2", "s.last") "),"
        " t AS ("
        "    INSERT INTO threads ("
        "        id, tenant_id, metadata, tool_resources, title, forked_from, agent_id, user_id,"
        "        message_count, total_bytes, token_count, used_hour, memory)"
        "    SELECT $3, s.tenant_id, coalesce($6, s.metadata), s.tool_resources,"
        "        coalesce($5, s.title), s.id, s.agent_id, s.user_id, c.messages, c.bytes, c.tokens,"
        "        " SQL_USED_HOUR ", s.memory"
        "    FROM s"
        "    CROSS JOIN c"
        "    WHERE s.last IS NOT NULL"
        "      AND " SQL_USER_FITS("s.tenant_id", "s.user_id", "c.bytes", "$7")
        "    RETURNING *),"
        " m AS ("
        "    INSERT INTO messages (id, tenant_id, thread_id, " COPY_COLUMNS ")"
        "    SELECT gen_random_uuid(), t.tenant_id, t.id, " SQL_COPY("o")
        "    FROM t"
        "    CROSS JOIN s"
        "    JOIN messages o ON " SQL_COPIED("$1", "$2", "s.last")
        "    ORDER BY o.position"
        "    RETURNING position),"
        " z AS (" SQL_SUMMARY_COPY(SQL_COPIED("$1", "$2", "s.last")) ")"
        " SELECT " THREAD_COLUMNS
        " FROM t",
    .types = "uuuutji",
};
/* clang-format on */

int threads_fork(const struct store *store, const struct thread_fork *fork, struct thread *out,
                 struct error *err)
{
    struct pg_value last = uuid_is_zero(fork->message) ? pg_null() : pg_uuid(fork->message);
    struct pg_value values[7] = {pg_uuid(fork->source),
                                 pg_uuid(store->tenant),
                                 pg_uuid(fork->id),
                                 last,
                                 pg_text(fork->title),
                                 pg_json(fork->metadata),
                                 pg_int(limits_or_none(store->limits).user_bytes)};
    struct message message;
    struct thread source;
    int r = store_create(store, &thread_rows, &(struct pg_query){&thread_fork, values}, out, err);

    if (r != THREAD_MISSING)
        return r;
    r = threads_get(store, fork->source, &source, err);
    if (r == 0 && !uuid_is_zero(fork->message))
        r = messages_get(store, fork->source, fork->message, &message, err);
    return r == 0 ? USER_OVER_QUOTA : r;
}

/* clang-format off */
#define OF_THREAD "thread_id = $1 AND " SQL_CHECKED("tenant_id = $2")

#define ALIVE SQL_CHECKED("status IN ('queued', 'in_progress', 'requires_action', 'cancelling')")

static const struct pg_statement thread_lock_runs = {
    .name = "thread_lock_runs",
    .sql =
        "SELECT owner, id"
        " FROM runs"
        " WHERE " OF_THREAD
        "   AND " ALIVE
        "   AND held IS NULL"
        " ORDER BY owner NULLS LAST"
        " FOR UPDATE",
    .types = "uu",
};

static const struct pg_statement thread_lock = {
    .name = "thread_lock",
    .sql = "SELECT 1 FROM threads WHERE id = $1 AND tenant_id = $2 FOR UPDATE",
    .types = "uu",
};

/* Those that were held, and one that was promoted while the first statement waited. */
static const struct pg_statement thread_lock_rest = {
    .name = "thread_lock_rest",
    .sql = "SELECT id FROM runs WHERE " OF_THREAD " AND " ALIVE " ORDER BY id FOR UPDATE",
    .types = "uu",
};

static const struct pg_statement thread_delete = {
    .name = "thread_delete",
    .sql =
        "WITH gone AS (DELETE FROM runs WHERE " OF_THREAD " RETURNING id),"
        " s AS (DELETE FROM run_steps WHERE run_id IN (SELECT id FROM gone) RETURNING 1),"
        " c AS (DELETE FROM tool_calls WHERE run_id IN (SELECT id FROM gone) RETURNING 1),"
        " m AS (DELETE FROM messages WHERE " OF_THREAD " RETURNING 1),"
        " i AS (DELETE FROM thread_inputs WHERE " OF_THREAD " RETURNING 1)"
        " DELETE FROM threads"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        " RETURNING (SELECT count(*) FROM m) + (SELECT count(*) FROM i),"
        "     (SELECT count(*) FROM gone), (SELECT count(*) FROM s), (SELECT count(*) FROM c)",
    .types = "uu",
};
/* clang-format on */

int threads_delete_counted(const struct store *store, struct uuid id, struct thread_gone *out,
                           struct error *err)
{
    struct pg_result *results[4] = {NULL};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    struct pg_query queries[4] = {{&thread_lock_runs, values},
                                  {&thread_lock, values},
                                  {&thread_lock_rest, values},
                                  {&thread_delete, values}};
    struct thread_gone gone = {.messages = 0};
    int r = pg_exec_all(store->pg, queries, 4, results, err);

    if (r < 0)
        return r;
    if (pg_rows(results[0]) > 0)
        gone.stopped = (struct run_stopped){.id = pg_get_uuid(results[0], 0, 1),
                                            .owner = pg_get_int(results[0], 0, 0)};
    r = pg_rows(results[3]) > 0 ? 0 : THREAD_MISSING;
    if (r == 0) {
        gone.messages = pg_get_int(results[3], 0, 0);
        gone.runs = pg_get_int(results[3], 0, 1);
        gone.steps = pg_get_int(results[3], 0, 2);
        gone.calls = pg_get_int(results[3], 0, 3);
    }
    *out = gone;
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r;
}

int threads_delete(const struct store *store, struct uuid id, struct run_stopped *out,
                   struct error *err)
{
    struct thread_gone gone;
    int r = threads_delete_counted(store, id, &gone, err);

    if (r >= 0 && out)
        *out = gone.stopped;
    return r;
}
