/* Runs as the API sees them
 *
 * Creating one is a single statement: take the thread (active_run, where it is NULL), add the
 * messages, insert the run. Of two at once on a thread, the second waits for the first's row lock,
 * sees active_run set, and touches nothing; a second, cheap statement then tells why.
 */

#include "shared/store/runs.h"

#include "shared/store/drafts.h"
#include "shared/store/rows.h"
#include "shared/store/run_ends.h"
#include "shared/store/thread_rows.h"

/* clang-format off */
#define RUN_COLUMNS                                                                                \
    "r.id, r.thread_id, r.agent_id, r.agent_version, r.status, r.priority, r.owner, r.step,"       \
    " r.errors, r.crashes, r.spec, r.metadata, r.prompt_tokens, r.completion_tokens,"              \
    " r.last_error, r.incomplete_reason, r.result_message, "                                       \
    SQL_SECONDS("r.created_at") ", " SQL_SECONDS("r.started_at") ", "                              \
    SQL_SECONDS("r.completed_at") ", " SQL_SECONDS("r.failed_at") ", "                             \
    SQL_SECONDS("r.cancelled_at") ", " SQL_SECONDS("r.expires_at") ", "                            \
    SQL_SECONDS("r.updated_at")
/* clang-format on */

static int run_read(struct row *row, struct run *out, struct error *err)
{
    struct run run;

    run.id = row_uuid(row);
    run.thread_id = row_uuid(row);
    run.agent_id = row_uuid(row);
    run.agent_version = row_int(row);
    if (!run_status_parse(pg_get_text(row->result, row->row, row->column++), &run.status))
        ASSERT(!"a status that the database does not allow");
    run.priority = (enum run_priority)row_int(row);
    run.owner = row_int(row);
    run.step = row_int(row);
    run.errors = (int)row_int(row);
    run.crashes = (int)row_int(row);
    run.spec = row_text(row);
    run.metadata = row_text(row);
    run.prompt_tokens = row_int(row);
    run.completion_tokens = row_int(row);
    run.last_error = row_text(row);
    run.incomplete_reason = row_text(row);
    run.result_message = row_uuid(row);
    run.created_at = row_int(row);
    run.started_at = row_int(row);
    run.completed_at = row_int(row);
    run.failed_at = row_int(row);
    run.cancelled_at = row_int(row);
    run.expires_at = row_int(row);
    run.updated_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *out = run;
    return 0;
}

static int run_read_at(const struct store *store, const struct pg_result *result, int at,
                       struct run *out, struct error *err)
{
    struct row row = row_at(result, at, store->arena);

    return run_read(&row, out, err);
}

/* Insert the run of thread t. Parameters $1 to $11 as in draft_values. */
#define INSERT_RUN                                                                                 \
    "INSERT INTO runs AS r (id, tenant_id, thread_id, agent_id, agent_version, shard, priority,"   \
    "   spec, metadata, due_at, expires_at)"                                                       \
    " SELECT $1, $2, t.id, $3, $4, $5, $6, $7, coalesce($8, '{}'),"                                \
    "   now() + $9 * interval '1 ms', now() + ($9 + $10) * interval '1 ms' FROM t RETURNING "

#define AGENT_EXISTS                                                                               \
    "EXISTS (SELECT 1 FROM agents a WHERE a.id = $3 AND a.tenant_id = $2 AND a.version = $4"       \
    "   AND a.deleted_at IS NULL)"

#define DRAFT_TYPES  "uuuiiijjiij"
#define DRAFT_VALUES 11

static void draft_values(const struct store *store, const struct run_draft *draft,
                         struct pg_value messages, struct pg_value out[DRAFT_VALUES])
{
    ASSERT(draft->expires_in_ms > 0 && draft->delay_ms >= 0);
    ASSERT(draft->shard >= 0 && draft->shard <= INT16_MAX);
    out[0] = pg_uuid(draft->id);
    out[1] = pg_uuid(store->tenant);
    out[2] = pg_uuid(draft->agent);
    out[3] = pg_int(draft->agent_version);
    out[4] = pg_int(draft->shard);
    out[5] = pg_int(draft->priority);
    out[6] = pg_json(draft->spec);
    out[7] = pg_json(draft->metadata);
    out[8] = pg_int(draft->delay_ms);
    out[9] = pg_int(draft->expires_in_ms);
    out[10] = messages;
}

static const struct pg_statement run_create = {
    .name = "run_create",
    .sql = "WITH t AS (UPDATE threads SET active_run = $1"
           "   WHERE id = $12 AND tenant_id = $2 AND active_run IS NULL AND " AGENT_EXISTS
           "   RETURNING id),"
           " m AS (" SQL_INSERT_DRAFTS("$11", "$2") ") " INSERT_RUN RUN_COLUMNS,
    .types = DRAFT_TYPES "u",
};

static const struct pg_statement run_create_look = {
    .name = "run_create_look",
    .sql = "SELECT t.active_run, EXISTS (SELECT 1 FROM agents a"
           "   WHERE a.id = $3 AND a.tenant_id = $2 AND a.version = $4 AND a.deleted_at IS NULL)"
           " FROM threads t WHERE t.id = $1 AND t.tenant_id = $2",
    .types = "uuui",
};

/* Why was no run created? 0: it could be now. */
static int create_look(const struct store *store, const struct run_draft *draft,
                       struct uuid *out_active, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(draft->thread), pg_uuid(store->tenant),
                                 pg_uuid(draft->agent), pg_int(draft->agent_version)};
    int r;

    r = pg_exec(store->pg, &run_create_look, values, &result, err);
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
    CLEANUP(buf_deinit)
    struct buf messages;
    struct pg_value values[DRAFT_VALUES + 1];
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;
    draft_values(store, draft, drafts_value(&messages, draft->message_count), values);
    values[DRAFT_VALUES] = pg_uuid(draft->thread);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(pg_result_freep)
        struct pg_result *result = NULL;

        r = pg_exec(store->pg, &run_create, values, &result, err);
        if (r < 0)
            return r;
        if (pg_rows(result) > 0)
            return run_read_at(store, result, 0, out, err);
        r = create_look(store, draft, out_active, err);
        if (r != 0)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

/* The run's row first, then the thread's. */
/* clang-format off */
static const struct pg_statement run_create_with_thread = {
    .name = "run_create_with_thread",
    .sql = "WITH t AS (INSERT INTO threads (id, tenant_id, active_run, metadata, tool_resources)"
           "   SELECT $12, $2, $1, coalesce($13, '{}'), $14 WHERE " AGENT_EXISTS " RETURNING *),"
           " m AS (" SQL_INSERT_DRAFTS("$11", "$2") "),"
           " r AS (" INSERT_RUN "r.*)"
           " SELECT " RUN_COLUMNS ", " THREAD_COLUMNS " FROM r, t",
    .types = DRAFT_TYPES "ujj",
};
/* clang-format on */

int runs_create_with_thread(const struct store *store, const struct thread_draft *thread,
                            const struct run_draft *draft, struct thread *out_thread,
                            struct run *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    CLEANUP(buf_deinit)
    struct buf messages;
    struct pg_value values[DRAFT_VALUES + 3];
    struct thread created;
    struct run run;
    struct row row;
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, thread->messages, thread->message_count, err);
    if (r < 0)
        return r;
    draft_values(store, draft, drafts_value(&messages, thread->message_count), values);
    values[DRAFT_VALUES] = pg_uuid(thread->id);
    values[DRAFT_VALUES + 1] = pg_json(thread->metadata);
    values[DRAFT_VALUES + 2] = pg_json(thread->tool_resources);
    r = pg_exec(store->pg, &run_create_with_thread, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return AGENT_MISSING;
    row = row_at(result, 0, store->arena);
    r = run_read(&row, &run, err);
    if (r == 0)
        r = thread_read(&row, &created, err);
    if (r < 0)
        return r;
    *out = run;
    *out_thread = created;
    return 0;
}

/* `thread` may be NULL in SQL: whatever its thread. */
#define THIS_RUN "r.id = $1 AND r.tenant_id = $2 AND r.thread_id = coalesce($3, r.thread_id)"

static const struct pg_statement run_get = {
    .name = "run_get",
    .sql = "SELECT " RUN_COLUMNS " FROM runs r WHERE " THIS_RUN,
    .types = "uuu",
};

int runs_get(const struct store *store, struct uuid thread, struct uuid id, struct run *out,
             struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread)};
    int r;

    r = pg_exec(store->pg, &run_get, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return RUN_MISSING;
    return run_read_at(store, result, 0, out, err);
}

static int runs_read(const struct store *store, const struct pg_result *result,
                     const struct page_plan *plan, struct run_list *out, struct error *err)
{
    struct run_list list;
    void *items;
    int r;

    list.count = page_count(plan, pg_rows(result), &list.has_more);
    r = rows_alloc(store->arena, list.count, sizeof(struct run), &items, err);
    if (r < 0)
        return r;
    list.items = items;
    for (size_t i = 0; i < list.count; i++) {
        r = run_read_at(store, result, (int)i, &list.items[page_place(plan, list.count, (int)i)],
                        err);
        if (r < 0)
            return r;
    }
    *out = list;
    return 0;
}

#define RUN_LIST(direction)                                                                        \
    "SELECT " RUN_COLUMNS " FROM runs r WHERE r.thread_id = $1 AND r.tenant_id = $2"               \
    " AND r.id > $3 AND r.id < $4 ORDER BY r.id " direction " LIMIT $5"

static const struct pg_statement run_list_up = {"run_list_up", RUN_LIST("ASC"), "uuuui"};
static const struct pg_statement run_list_down = {"run_list_down", RUN_LIST("DESC"), "uuuui"};

int runs_list(const struct store *store, struct uuid thread, const struct page *page,
              struct run_list *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct page_plan plan = page_plan(page);
    struct pg_value values[5] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(plan.low),
                                 pg_uuid(plan.high), pg_int(plan.limit)};
    int r;

    r = pg_exec(store->pg, plan.ascending ? &run_list_up : &run_list_down, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0) {
        struct thread now;

        r = threads_get(store, thread, &now, err);
        if (r != 0)
            return r;
    }
    return runs_read(store, result, &plan, out, err);
}

#define RUN_LIST_ALL(direction)                                                                    \
    "SELECT " RUN_COLUMNS " FROM runs r WHERE r.tenant_id = $1 AND r.id > $2 AND r.id < $3"        \
    " AND ($4::text[] IS NULL OR r.status = ANY($4)) ORDER BY r.id " direction " LIMIT $5"

static const struct pg_statement run_list_all_up = {"run_list_all_up", RUN_LIST_ALL("ASC"),
                                                    "uuuTi"};
static const struct pg_statement run_list_all_down = {"run_list_all_down", RUN_LIST_ALL("DESC"),
                                                      "uuuTi"};

int runs_list_all(const struct store *store, unsigned statuses, const struct page *page,
                  struct run_list *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    CLEANUP(buf_deinit)
    struct buf wanted;
    struct page_plan plan = page_plan(page);
    int r;

    buf_init(&wanted, 0);
    pg_array_begin(&wanted);
    for (unsigned i = 0; i < RUN_STATUS_COUNT; i++) {
        if (statuses & 1u << i)
            pg_array_add_text(&wanted, text_of(run_status_name((enum run_status)i)));
    }
    pg_array_end(&wanted);

    struct pg_value values[5] = {pg_uuid(store->tenant), pg_uuid(plan.low), pg_uuid(plan.high),
                                 statuses ? pg_array('T', &wanted) : pg_null(), pg_int(plan.limit)};
    r = pg_exec(store->pg, plan.ascending ? &run_list_all_up : &run_list_all_down, values, &result,
                err);
    if (r < 0)
        return r;
    return runs_read(store, result, &plan, out, err);
}

static const struct pg_statement run_update = {
    .name = "run_update",
    .sql = "UPDATE runs r SET metadata = $4, updated_at = now() WHERE " THIS_RUN
           " RETURNING " RUN_COLUMNS,
    .types = "uuuj",
};

int runs_update(const struct store *store, struct uuid thread, struct uuid id, struct text metadata,
                struct run *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread),
                                 pg_json(metadata)};
    int r;

    r = pg_exec(store->pg, &run_update, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return RUN_MISSING;
    return run_read_at(store, result, 0, out, err);
}

/* owner and fence of a run in progress stay: its worker still holds it and writes its end. */
/* clang-format off */
static const struct pg_statement run_cancel = {
    .name = "run_cancel",
    .sql = "WITH r AS (UPDATE runs r SET updated_at = now(),"
           "     status = CASE r.status WHEN 'in_progress' THEN 'cancelling' ELSE 'cancelled' END,"
           "     cancelled_at = CASE r.status WHEN 'in_progress' THEN NULL ELSE now() END"
           "   WHERE " THIS_RUN " AND r.status IN ('queued', 'requires_action', 'in_progress')"
           "   RETURNING r.*),"
           " ended AS (SELECT id, thread_id, status FROM r WHERE status = 'cancelled'),"
           " t AS (" SQL_RELEASE_THREADS("ended") "),"
           " s AS (" SQL_END_STEPS("ended", "") ")"
           " SELECT " RUN_COLUMNS " FROM r",
    .types = "uuu",
};
/* clang-format on */

int runs_cancel(const struct store *store, struct uuid thread, struct uuid id, struct run *out,
                struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread)};

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(pg_result_freep)
        struct pg_result *result = NULL;
        struct run now;
        int r;

        r = pg_exec(store->pg, &run_cancel, values, &result, err);
        if (r < 0)
            return r;
        if (pg_rows(result) > 0)
            return run_read_at(store, result, 0, out, err);
        r = runs_get(store, thread, id, &now, err);
        if (r != 0)
            return r;
        if (now.status == RUN_CANCELLING || run_status_terminal(now.status)) {
            *out = now;
            return now.status == RUN_CANCELLING ? 0 : RUN_ENDED;
        }
    }
    return error_set(err, E_UNAVAILABLE, "the run changes hands too fast; try again");
}
