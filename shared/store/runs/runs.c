/* Runs as the API sees them: look, list, label, cancel. Making them is in run_create.c. */

#include "shared/store/runs/runs.h"

#include "shared/store/runs/run_ends.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/promotions.h"

int run_read(struct row *row, void *out, struct error *err)
{
    struct run run = {.step = 0};

    run.id = row_uuid(row);
    run.thread_id = row_uuid(row);
    run.agent_id = row_uuid(row);
    run.agent_version = row_int(row);
    if (!run_status_parse(row_word(row), &run.status))
        ASSERT(!"a status that the database does not allow");
    run.shard = (int)row_int(row);
    run.priority = (enum run_priority)row_int(row);
    run.owner = row_int(row);
    run.step = row_int(row);
    run.errors = (int)row_int(row);
    run.crashes = (int)row_int(row);
    run.spec = row_text(row);
    run.metadata = row_text(row);
    run.used = usage_read(row);
    run.last_error = row_text(row);
    run.incomplete_reason = row_text(row);
    run.required_action = row_text(row);
    run.result_message = row_uuid(row);
    run.created_at = row_int(row);
    run.started_at = row_int(row);
    run.completed_at = row_int(row);
    run.failed_at = row_int(row);
    run.cancelled_at = row_int(row);
    run.expires_at = row_int(row);
    run.updated_at = row_int(row);
    run.held = row_bool(row);
    run.open_calls = (int)row_int(row);
    run.left_out = (int)row_int(row);
    run.waits_for = row_text(row);
    run.waits_until = row_int(row);
    run.user = row_text(row);
    run.iterations = (int)row_int(row);
    run.tools = row_text(row);
    run.queue_ms = row_int_or(row, -1);
    run.latency_ms = row_int_or(row, -1);
    run.first_token_ms = row_int_or(row, -1);
    run.kind = row_text(row);
    run.mcp_problems = row_text(row);
    run.memory = row_text(row);
    run.recalled = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct run *)out = run;
    return 0;
}

const struct row_kind run_rows = {run_read, sizeof(struct run), RUN_MISSING};

const struct pg_statement promote_beside = {
    .name = "promote_beside",
    .sql = SQL_PROMOTE("SELECT r.thread_id FROM runs r WHERE " SQL_THIS_RUN),
    .types = "uuu",
};

static const struct pg_statement run_get = {
    .name = "run_get",
    .sql = "SELECT " RUN_COLUMNS " FROM runs r WHERE " SQL_THIS_RUN,
    .types = "uuu",
};

int runs_get(const struct store *store, struct uuid thread, struct uuid id, struct run *out,
             struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread)};

    return store_one(store, &run_rows, &(struct pg_query){&run_get, values}, out, err);
}

/* clang-format off */
static const struct pg_statement run_size = {
    .name = "run_size",
    .sql =
        "SELECT " SQL_SPEC_SENT("r") " + " SQL_SENT("r.required_action")
        " FROM runs r"
        " WHERE " SQL_THIS_RUN,
    .types = "uuu",
};
/* clang-format on */

int runs_size(const struct store *store, struct uuid thread, struct uuid id, size_t *out_bytes,
              struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread)};
    int r = pg_exec(store->pg, &run_size, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return RUN_MISSING;
    *out_bytes = (size_t)pg_get_int(result, 0, 0);
    return 0;
}

static int list(const struct store *store, const struct pg_query *query,
                const struct page_plan *plan, struct run_list *out, struct error *err)
{
    struct rows rows;
    int r = rows_page(store, &run_rows, query, plan, &rows, err);

    if (r == 0)
        *out = (struct run_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
#define RUN_LIST(direction) \
    SQL_PAGE(RUN_COLUMNS, "r", \
        "runs r" \
        " WHERE r.thread_id = $1" \
        "   AND " SQL_CHECKED("r.tenant_id = $2 AND r.kind <> 'memory'") \
        "   AND r.id > $3" \
        "   AND r.id < $4", \
        "r.id " direction, "$5", "$6", \
        SQL_STORED("r.spec") " + " SQL_STORED("r.metadata") " + " SQL_STORED("r.required_action"), \
        SQL_SPEC_SENT("r") " + " SQL_SENT("r.metadata") " + " SQL_SENT("r.required_action"))
/* clang-format on */

static const struct pg_statement run_list_up = {"run_list_up", RUN_LIST("ASC"), "uuuuii"};
static const struct pg_statement run_list_down = {"run_list_down", RUN_LIST("DESC"), "uuuuii"};

int runs_list(const struct store *store, struct uuid thread, const struct page *page,
              struct run_list *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[6] = {pg_uuid(thread),    pg_uuid(store->tenant), pg_uuid(plan.low),
                                 pg_uuid(plan.high), pg_int(plan.limit),     pg_int(plan.bytes)};
    struct pg_query query = {plan.ascending ? &run_list_up : &run_list_down, values};
    struct thread now;
    struct run_list runs;
    int r = list(store, &query, &plan, &runs, err);

    if (r == 0 && runs.count == 0) /* is it that there is no such thread? */
        r = threads_get(store, thread, &now, err);
    if (r == 0)
        *out = runs;
    return r;
}

/* $1 tenant, $2 and $3 bounds, $4 states, $5 limit, $6 agent, $7 crashes, $8 bytes, $9 user, $10
 * metadata, $11 and $12 from when until when. Ids tell when a run was created, but by another clock
 * than the column. By metadata a session may read all runs until Postgres has analysed a table that
 * was young when it planned: no condition is one that the index alone serves. */
/* clang-format off */
#define OF_TENANT "r.tenant_id = $1"
#define OF_USER   "r.tenant_id = $1 AND r.user_id = $9"
#define LABELLED \
    "r.id = ANY (ARRAY(" \
    "    SELECT m.id" \
    "    FROM runs m" \
    "    WHERE m.metadata @> $10::jsonb" \
    "      AND m.metadata <> '{}'" \
    "      AND " SQL_CHECKED("m.tenant_id = $1") "))"

#define RUN_LIST_ALL(condition, direction) \
    SQL_PAGE(RUN_COLUMNS, "r", \
        "runs r" \
        " WHERE " condition \
        "   AND r.id > $2" \
        "   AND r.id < $3" \
        "   AND " SQL_CHECKED("$4::text[] IS NULL OR r.status = ANY($4)") \
        "   AND " SQL_CHECKED("$6::uuid IS NULL OR r.agent_id = $6") \
        "   AND " SQL_CHECKED("r.crashes >= $7") \
        "   AND " SQL_CHECKED("$9::text IS NULL OR r.user_id = $9") \
        "   AND " SQL_CHECKED("$10::jsonb IS NULL OR r.metadata @> $10") \
        "   AND " SQL_CHECKED("r.created_at >= to_timestamp($11)") \
        "   AND " SQL_CHECKED("r.created_at < to_timestamp($12)") \
        "   AND " SQL_CHECKED("$13::text IS NULL OR r.kind = $13"), \
        "r.id " direction, "$5", "$8", \
        SQL_STORED("r.spec") " + " SQL_STORED("r.metadata") " + " SQL_STORED("r.required_action"), \
        SQL_SPEC_SENT("r") " + " SQL_SENT("r.metadata") " + " SQL_SENT("r.required_action"))

#define RUN_LISTS(name, condition) \
    {{"runs_" name "_down", RUN_LIST_ALL(condition, "DESC"), "uuuTiuiitjiit"}, \
     {"runs_" name "_up", RUN_LIST_ALL(condition, "ASC"), "uuuTiuiitjiit"}}

enum { ANY, USER, LABELS, CONDITIONS };

/* By condition, ascending. */
static const struct pg_statement run_lists[CONDITIONS][2] = {
    [ANY] = RUN_LISTS("any", OF_TENANT),
    [USER] = RUN_LISTS("user", OF_USER),
    [LABELS] = RUN_LISTS("labels", LABELLED),
};
/* clang-format on */

static size_t condition_of(const struct run_filter *filter)
{
    if (filter->metadata.ptr)
        return LABELS;
    return filter->user.ptr ? USER : ANY;
}

/* The bounds by id that the times allow, with a minute for clocks that differ. */
static void narrow_by_time(const struct run_filter *filter, struct page_plan *plan)
{
    static const uint8_t least[10];
    struct uuid from = uuid_v7((filter->from - 60) * 1000, least);
    struct uuid until = uuid_v7((filter->until + 60) * 1000, least);

    if (filter->from > 60 && memcmp(&from, &plan->low, sizeof(from)) > 0)
        plan->low = from;
    if (filter->until > 0 && memcmp(&until, &plan->high, sizeof(until)) < 0)
        plan->high = until;
}

int runs_list_all(const struct store *store, const struct run_filter *filter,
                  const struct page *page, struct run_list *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf wanted;
    struct page_plan plan = page_plan(page);

    buf_init(&wanted, 0);
    pg_array_begin(&wanted);
    for (unsigned i = 0; i < RUN_STATUS_COUNT; i++) {
        if (filter->statuses & 1u << i)
            pg_array_add_text(&wanted, text_of(run_status_name((enum run_status)i)));
    }
    narrow_by_time(filter, &plan);

    struct pg_value values[13] = {
        pg_uuid(store->tenant),
        pg_uuid(plan.low),
        pg_uuid(plan.high),
        filter->statuses ? pg_array('T', &wanted) : pg_null(),
        pg_int(plan.limit),
        value_uuid_or_null(filter->agent),
        pg_int(filter->crashes_min),
        pg_int(plan.bytes),
        pg_text(filter->user),
        pg_json(filter->metadata),
        pg_int(filter->from),
        pg_int(filter->until > 0 ? filter->until : INT64_C(99999999999)),
        filter->kind.len > 0 ? pg_text(filter->kind) : pg_null(),
    };
    struct pg_query query = {&run_lists[condition_of(filter)][plan.ascending], values};

    return list(store, &query, &plan, out, err);
}

/* clang-format off */
static const struct pg_statement run_update = {
    .name = "run_update",
    .sql =
        "UPDATE runs r"
        " SET metadata = $4, updated_at = now()"
        " WHERE " SQL_THIS_RUN
        " RETURNING " RUN_COLUMNS,
    .types = "uuuj",
};
/* clang-format on */

int runs_update(const struct store *store, struct uuid thread, struct uuid id, struct text metadata,
                struct run *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread),
                                 pg_json(metadata)};

    return store_one(store, &run_rows, &(struct pg_query){&run_update, values}, out, err);
}

#define ATTEMPTS 5

/* owner and fence of a run in progress stay, because its worker still holds it and writes its end.
 * A statement of its own (run_lock) locks the run before: the run may be being promoted at this
 * moment, and then the cancel must see that it holds the thread. */
/* clang-format off */
static const struct pg_statement run_cancel = {
    .name = "run_cancel",
    .sql =
        "WITH r AS ("
        "    UPDATE runs r"
        "    SET " SQL_BECOMES(SQL_CANCELLED("r.status"), "NULL::jsonb") ","
        "        " SQL_WAITS_NO_MORE
        "    WHERE " SQL_THIS_RUN
        "      AND r.status IN ('queued', 'requires_action', 'in_progress')"
        "    RETURNING r.*),"
        " ended AS ("
        "    SELECT " ENDED_COLUMNS("r")
        "    FROM r"
        "    WHERE " SQL_IS_END("status") "),"
        " " SQL_AFTER_END("ended", "")
        " SELECT " RUN_COLUMNS
        " FROM r",
    .types = "uuu",
};
/* clang-format on */

const struct pg_statement run_lock = {
    .name = "run_lock",
    .sql = "SELECT 1 FROM runs r WHERE " SQL_THIS_RUN " FOR NO KEY UPDATE",
    .types = "uuu",
};

int runs_cancel(const struct store *store, struct uuid thread, struct uuid id, struct run *out,
                struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(store->tenant), value_uuid_or_null(thread)};
    const struct pg_query queries[3] = {
        {&run_lock, values}, {&run_cancel, values}, {&promote_beside, values}};

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct pg_result *results[3] = {NULL};
        struct run now;
        bool found;
        int r;

        r = pg_exec_all(store->pg, queries, 3, results, err);
        if (r < 0)
            return r;
        found = pg_rows(results[1]) > 0;
        if (found)
            r = row_read_at(store, &run_rows, results[1], 0, out, err);
        for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
            pg_result_free(results[i]);
        if (found)
            return r;
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
