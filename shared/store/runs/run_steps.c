/* The steps of runs, as the API lists them */

#include "shared/store/runs/run_steps.h"

#include "shared/store/rows.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/runs/runs.h"

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

int step_read(struct row *row, void *out, struct error *err)
{
    struct run_step step = {.seq = 0};

    step.id = row_uuid(row);
    step.run_id = row_uuid(row);
    step.thread_id = row_uuid(row);
    step.agent_id = row_uuid(row);
    step.seq = row_int(row);
    step.type = text_is(row_word(row), "tool_calls") ? STEP_TOOL_CALLS : STEP_MESSAGE_CREATION;
    step.status = status_parse(row_word(row));
    step.message_id = row_uuid(row);
    step.tool_calls = row_text(row);
    step.usage = row_text(row);
    step.last_error = row_text(row);
    step.model = row_text(row);
    step.cost_micros = row_int_or(row, -1);
    step.tried = row_text(row);
    step.left_out = (int)row_int_or(row, 0);
    step.reasoning = row_text(row);
    step.created_at = row_int(row);
    step.ended_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct run_step *)out = step;
    return 0;
}

static const struct row_kind step_rows = {step_read, sizeof(struct run_step), STEP_MISSING};

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
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(run), pg_uuid(store->tenant)};

    return store_one(store, &step_rows, &(struct pg_query){&run_step_get, values}, out, err);
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
    SQL_PAGE(STEP_COLUMNS, "s", \
        "run_steps s" \
        " WHERE s.run_id = $1" \
        "   AND s.tenant_id = $2" \
        "   AND s.seq > $3" \
        "   AND s.seq < $4", \
        "s.seq " direction, "$5", "$6", \
        SQL_STORED("s.tool_calls") " + " SQL_STORED("s.reasoning"), \
        "(" SQL_SENT("s.tool_calls") " + " SQL_SENT("s.reasoning") ")")
/* clang-format on */

static const struct pg_statement step_list_up = {"run_step_list_up", STEP_LIST("ASC"), "uuiiii"};
static const struct pg_statement step_list_down = {"run_step_list_down", STEP_LIST("DESC"),
                                                   "uuiiii"};

int run_steps_list(const struct store *store, struct uuid run, const struct page *page,
                   struct run_step_list *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct rows rows = {.count = 0};
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    int r = 0;

    if (plan.low_given)
        r = cursor_seq(store, run, plan.low, &low, err);
    if (r == 0 && plan.high_given)
        r = cursor_seq(store, run, plan.high, &high, err);
    if (r == 0) {
        struct pg_value values[6] = {pg_uuid(run), pg_uuid(store->tenant), pg_int(low),
                                     pg_int(high), pg_int(plan.limit),     pg_int(plan.bytes)};
        struct pg_query query = {plan.ascending ? &step_list_up : &step_list_down, values};

        r = rows_page(store, &step_rows, &query, &plan, &rows, err);
    }
    if (r < 0)
        return r;
    if (rows.count == 0) { /* is it that there is no such run? */
        struct run now;
        int missing = runs_get(store, (struct uuid){{0}}, run, &now, err);

        if (missing != 0)
            return missing;
    }
    if (r == 0)
        *out = (struct run_step_list){rows.items, rows.count, rows.has_more};
    return r;
}

int run_steps_after(const struct store *store, struct uuid run, int64_t seq, int limit,
                    struct run_step_list *out, struct error *err)
{
    const struct page page = {.limit = limit, .ascending = true};
    struct page_plan plan = page_plan(&page);
    struct pg_value values[6] = {pg_uuid(run),      pg_uuid(store->tenant), pg_int(seq),
                                 pg_int(INT64_MAX), pg_int(plan.limit),     pg_int(plan.bytes)};
    struct pg_query query = {&step_list_up, values};
    struct rows rows = {.count = 0};
    int r = rows_page(store, &step_rows, &query, &plan, &rows, err);

    if (r == 0)
        *out = (struct run_step_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
static const struct pg_statement step_thoughts = {
    .name = "run_step_thoughts",
    .sql =
        "SELECT t.run_id, t.id, t.reasoning"
        " FROM ("
        "    SELECT s.run_id, s.id, s.seq, s.reasoning,"
        "        sum(octet_length(s.reasoning)) OVER (PARTITION BY s.run_id ORDER BY s.seq)"
        "            AS bytes"
        "    FROM unnest($1) AS i (id)"
        "    JOIN run_steps s ON s.run_id = ANY (ARRAY[i.id])"
        "      AND " SQL_CHECKED("s.tenant_id = $2 AND s.reasoning IS NOT NULL") ") t"
        " WHERE t.bytes <= $3"
        " ORDER BY t.run_id, t.seq",
    .types = "Uui",
};
/* clang-format on */

static int thought_read(struct row *row, void *out, struct error *err)
{
    struct step_thought thought = {.run = row_uuid(row)};

    thought.step = row_uuid(row);
    thought.text = row_text(row);
    *(struct step_thought *)out = thought;
    return row_check(row, err);
}

int run_steps_thoughts(const struct store *store, const struct uuid *runs, size_t count,
                       int64_t bytes_max, struct step_thoughts *out, struct error *err)
{
    static const struct row_kind kind = {thought_read, sizeof(struct step_thought), STEP_MISSING};
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[3] = {
        [1] = pg_uuid(store->tenant),
        [2] = pg_int(bytes_max),
    };
    struct rows rows;
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, runs, count);
    values[0] = pg_array('U', &array);
    r = rows_page(store, &kind, &(struct pg_query){&step_thoughts, values}, NULL, &rows, err);
    if (r == 0)
        *out = (struct step_thoughts){rows.items, rows.count};
    return r;
}
