/* The steps of runs, as the API lists them */

#include "shared/store/runs/run_steps.h"

#include "shared/store/rows.h"
#include "shared/store/runs/runs.h"
#include "shared/store/runs/step_rows.h"

static const char *const type_names[] = {
    [STEP_MESSAGE_CREATION] = "message_creation",
    [STEP_TOOL_CALLS] = "tool_calls",
};

static const char *const status_names[] = {
    [STEP_IN_PROGRESS] = "in_progress", [STEP_COMPLETED] = "completed", [STEP_FAILED] = "failed",
    [STEP_CANCELLED] = "cancelled",     [STEP_EXPIRED] = "expired",
};

const char *step_type_name(enum step_type type)
{
    ASSERT((unsigned)type < ARRAY_LENGTH(type_names));
    return type_names[type];
}

const char *step_status_name(enum step_status status)
{
    ASSERT((unsigned)status < ARRAY_LENGTH(status_names));
    return status_names[status];
}

static enum step_status status_parse(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(status_names); i++) {
        if (text_is(name, status_names[i]))
            return (enum step_status)i;
    }
    ASSERT(!"a status that the database does not allow");
    return STEP_FAILED;
}

int step_read(struct row *row, struct run_step *out, struct error *err)
{
    struct run_step step;

    step.id = row_uuid(row);
    step.run_id = row_uuid(row);
    step.thread_id = row_uuid(row);
    step.agent_id = row_uuid(row);
    step.seq = row_int(row);
    step.type = text_is(pg_get_text(row->result, row->row, row->column++), "tool_calls")
                    ? STEP_TOOL_CALLS
                    : STEP_MESSAGE_CREATION;
    step.status = status_parse(pg_get_text(row->result, row->row, row->column++));
    step.message_id = row_uuid(row);
    step.tool_calls = row_text(row);
    step.usage = row_text(row);
    step.last_error = row_text(row);
    step.created_at = row_int(row);
    step.ended_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *out = step;
    return 0;
}

static int step_read_at(const struct store *store, const struct pg_result *result, int at,
                        struct run_step *out, struct error *err)
{
    struct row row = row_at(result, at, store->arena);

    return step_read(&row, out, err);
}

/* clang-format off */
static const struct pg_statement run_step_get = {
    .name = "run_step_get",
    .sql =
        "SELECT " STEP_COLUMNS
        " FROM run_steps s"
        " WHERE s.id = $1"
        "   AND s.run_id = $2"
        "   AND s.tenant_id = $3",
    .types = "uuu",
};
/* clang-format on */

int run_steps_get(const struct store *store, struct uuid run, struct uuid id, struct run_step *out,
                  struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(run), pg_uuid(store->tenant)};
    int r;

    r = pg_exec(store->pg, &run_step_get, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return STEP_MISSING;
    return step_read_at(store, result, 0, out, err);
}

static int cursor_seq(const struct store *store, struct uuid run, struct uuid id, int64_t *out,
                      struct error *err)
{
    struct run_step step;
    int r;

    r = run_steps_get(store, run, id, &step, err);
    if (r == STEP_MISSING)
        return CURSOR_MISSING;
    if (r == 0)
        *out = step.seq;
    return r;
}

/* clang-format off */
#define STEP_LIST(direction) \
    "SELECT " STEP_COLUMNS \
    " FROM run_steps s" \
    " WHERE s.run_id = $1" \
    "   AND s.tenant_id = $2" \
    "   AND s.seq > $3" \
    "   AND s.seq < $4" \
    " ORDER BY s.seq " direction \
    " LIMIT $5"
/* clang-format on */

static const struct pg_statement step_list_up = {"run_step_list_up", STEP_LIST("ASC"), "uuiii"};
static const struct pg_statement step_list_down = {"run_step_list_down", STEP_LIST("DESC"),
                                                   "uuiii"};

static int steps_read(const struct store *store, const struct pg_result *result,
                      const struct page_plan *plan, struct run_step_list *out, struct error *err)
{
    struct run_step_list list;
    void *items;
    int r;

    list.count = page_count(plan, pg_rows(result), &list.has_more);
    r = rows_alloc(store->arena, list.count, sizeof(struct run_step), &items, err);
    if (r < 0)
        return r;
    list.items = items;
    for (size_t i = 0; i < list.count; i++) {
        r = step_read_at(store, result, (int)i, &list.items[page_place(plan, list.count, (int)i)],
                         err);
        if (r < 0)
            return r;
    }
    *out = list;
    return 0;
}

int run_steps_list(const struct store *store, struct uuid run, const struct page *page,
                   struct run_step_list *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct page_plan plan = page_plan(page);
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    int r = 0;

    if (plan.low_given)
        r = cursor_seq(store, run, plan.low, &low, err);
    if (r == 0 && plan.high_given)
        r = cursor_seq(store, run, plan.high, &high, err);
    if (r != 0 && r != CURSOR_MISSING)
        return r;
    if (r == 0) {
        struct pg_value values[5] = {pg_uuid(run), pg_uuid(store->tenant), pg_int(low),
                                     pg_int(high), pg_int(plan.limit)};

        r = pg_exec(store->pg, plan.ascending ? &step_list_up : &step_list_down, values, &result,
                    err);
        if (r < 0)
            return r;
    }
    if (r == CURSOR_MISSING || pg_rows(result) == 0) {
        struct run now;
        int missing = runs_get(store, (struct uuid){{0}}, run, &now, err);

        if (missing != 0)
            return missing;
    }
    if (r == CURSOR_MISSING)
        return r;
    return steps_read(store, result, &plan, out, err);
}
