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

#include "shared/store/rows.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/usage/usage_rows.h"

/* clang-format off */
#define THREAD_COLUMNS \
    "t.id, t.active_run, t.metadata, t.tool_resources, t.title, t.forked_from," \
    " " USAGE_COLUMNS("t") "," \
    " " SQL_SECONDS("t.created_at")
/* clang-format on */

static int thread_read(struct row *row, void *out, struct error *err)
{
    struct thread thread = {.created_at = 0};

    thread.id = row_uuid(row);
    thread.active_run = row_uuid(row);
    thread.metadata = row_text(row);
    thread.tool_resources = row_text(row);
    thread.title = row_text(row);
    thread.forked_from = row_uuid(row);
    thread.used = usage_read(row);
    thread.created_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct thread *)out = thread;
    return 0;
}

static const struct row_kind thread_rows = {thread_read, sizeof(struct thread), THREAD_MISSING};

/* clang-format off */
static const struct pg_statement thread_create = {
    .name = "thread_create",
    .sql =
        "WITH t AS ("
        "    INSERT INTO threads (id, tenant_id, metadata, tool_resources, title)"
        "    VALUES ($1, $2, coalesce($3, '{}'), $4, $6)"
        "    RETURNING *),"
        " m AS (" SQL_INSERT_DRAFTS("$5", "$2", "NULL") ")"
        " SELECT " THREAD_COLUMNS
        " FROM t",
    .types = "uujjjt",
};
/* clang-format on */

int threads_create(const struct store *store, const struct thread_draft *draft, struct thread *out,
                   struct error *err)
{
    CLEANUP(buf_deinit) struct buf messages;
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;

    struct pg_value values[6] = {
        pg_uuid(draft->id),
        pg_uuid(store->tenant),
        pg_json(draft->metadata),
        pg_json(draft->tool_resources),
        drafts_value(&messages, draft->message_count),
        pg_text(draft->title),
    };
    return store_create(store, &thread_rows, &(struct pg_query){&thread_create, values}, out, err);
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

/* clang-format off */
#define THREAD_LIST(direction) \
    SQL_PAGE(THREAD_COLUMNS, "t", \
        "threads t" \
        " WHERE t.tenant_id = $1" \
        "   AND t.id > $2" \
        "   AND t.id < $3", \
        "t.id " direction, "$4", "$5", \
        SQL_STORED("t.metadata"), \
        SQL_SENT("t.metadata"))
/* clang-format on */

static const struct pg_statement thread_list_up = {"thread_list_up", THREAD_LIST("ASC"), "uuuii"};
static const struct pg_statement thread_list_down = {"thread_list_down", THREAD_LIST("DESC"),
                                                     "uuuii"};

int threads_list(const struct store *store, const struct page *page, struct thread_list *out,
                 struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[5] = {pg_uuid(store->tenant), pg_uuid(plan.low), pg_uuid(plan.high),
                                 pg_int(plan.limit), pg_int(plan.bytes)};
    struct pg_query query = {plan.ascending ? &thread_list_up : &thread_list_down, values};
    struct rows rows;
    int r = rows_page(store, &thread_rows, &query, &plan, &rows, err);

    if (r == 0)
        *out = (struct thread_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
static const struct pg_statement thread_update = {
    .name = "thread_update",
    .sql =
        "UPDATE threads t"
        " SET metadata = coalesce($3, t.metadata),"
        "     tool_resources = coalesce($4, t.tool_resources),"
        "     title = nullif(coalesce($5, t.title), '')"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2"
        " RETURNING " THREAD_COLUMNS,
    .types = "uujjt",
};
/* clang-format on */

int threads_update(const struct store *store, struct uuid id, const struct thread_change *change,
                   struct thread *out, struct error *err)
{
    struct pg_value values[5] = {pg_uuid(id), pg_uuid(store->tenant), pg_json(change->metadata),
                                 pg_json(change->tool_resources), pg_text(change->title)};

    return store_one(store, &thread_rows, &(struct pg_query){&thread_update, values}, out, err);
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
        " t AS ("
        "    INSERT INTO threads (id, tenant_id, metadata, tool_resources, title, forked_from)"
        "    SELECT $3, s.tenant_id, coalesce($6, s.metadata), s.tool_resources,"
        "        coalesce($5, s.title), s.id"
        "    FROM s"
        "    WHERE s.last IS NOT NULL"
        "    RETURNING *),"
        " m AS ("
        "    INSERT INTO messages ("
        "        id, tenant_id, thread_id, agent_id, role, hidden, content, tool_calls,"
        "        tool_call_id, opaque, attachments, metadata, status, incomplete_reason,"
        "        created_at)"
        "    SELECT gen_random_uuid(), t.tenant_id, t.id, o.agent_id, o.role, o.hidden, o.content,"
        "        o.tool_calls, o.tool_call_id, o.opaque, o.attachments, o.metadata, o.status,"
        "        o.incomplete_reason, o.created_at"
        "    FROM t"
        "    CROSS JOIN s"
        "    JOIN messages o ON o.thread_id = $1"
        "      AND " SQL_CHECKED(
                  "o.tenant_id = $2"
                  " AND o.position <= s.last"
                  " AND (s.active_run IS NULL OR o.run_id IS DISTINCT FROM s.active_run)")
        "    ORDER BY o.position)"
        " SELECT " THREAD_COLUMNS
        " FROM t",
    .types = "uuuutj",
};
/* clang-format on */

int threads_fork(const struct store *store, const struct thread_fork *fork, struct thread *out,
                 struct error *err)
{
    struct pg_value last = uuid_is_zero(fork->message) ? pg_null() : pg_uuid(fork->message);
    struct pg_value values[6] = {pg_uuid(fork->source), pg_uuid(store->tenant),
                                 pg_uuid(fork->id),     last,
                                 pg_text(fork->title),  pg_json(fork->metadata)};
    struct thread source;
    int r = store_create(store, &thread_rows, &(struct pg_query){&thread_fork, values}, out, err);

    if (r != THREAD_MISSING)
        return r;
    r = threads_get(store, fork->source, &source, err);
    return r == 0 ? MESSAGE_MISSING : r;
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
        " s AS (DELETE FROM run_steps WHERE run_id IN (SELECT id FROM gone)),"
        " c AS (DELETE FROM tool_calls WHERE run_id IN (SELECT id FROM gone)),"
        " m AS (DELETE FROM messages WHERE " OF_THREAD ")"
        " DELETE FROM threads"
        " WHERE id = $1"
        "   AND tenant_id = $2"
        " RETURNING 1",
    .types = "uu",
};
/* clang-format on */

int threads_delete(const struct store *store, struct uuid id, struct run_stopped *out,
                   struct error *err)
{
    struct pg_result *results[4] = {NULL};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    struct pg_query queries[4] = {{&thread_lock_runs, values},
                                  {&thread_lock, values},
                                  {&thread_lock_rest, values},
                                  {&thread_delete, values}};
    int r;

    r = pg_exec_all(store->pg, queries, 4, results, err);
    if (r < 0)
        return r;
    if (out)
        *out = (struct run_stopped){.owner = 0};
    if (out && pg_rows(results[0]) > 0)
        *out = (struct run_stopped){pg_get_uuid(results[0], 0, 1), pg_get_int(results[0], 0, 0)};
    r = pg_rows(results[3]) > 0 ? 0 : THREAD_MISSING;
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r;
}
