/* Lists of threads
 *
 * By creation, which ids tell, or by last use. That has an index by the hour, since the time itself
 * changes with every run: the order within an hour is sorted, as far as the page goes.
 *
 * The indexes of lists are of threads that are not hidden, but for that of a person's, from which
 * hidden ones are left out.
 *
 * There is a statement for each set of conditions that an index serves. Those of a person or an
 * agent in the order of use are read, all of them, and sorted.
 * */

#include "shared/store/threads/thread_rows.h"

/* $1 tenant, $2 user, $3 agent, $4 archived, $5 metadata, $6 limit, $7 bytes, $8 active. */
/* clang-format off */
#define STATE \
    SQL_CHECKED("$4::int8 < 0 OR (t.archived_at IS NOT NULL) = ($4::int8 = 1)") \
    " AND " SQL_CHECKED("$8::int8 < 0 OR t.active = ($8::int8 = 1)") \
    " AND " SQL_UNUSED_TEXT("$2")

#define OF_ANYBODY "t.tenant_id = $1"
#define OF_TENANT \
    "uuid_hash(t.tenant_id) = uuid_hash($1) AND " SQL_CHECKED("t.tenant_id = $1")
#define OF_USER    "t.tenant_id = $1 AND t.user_id = $2"
#define OF_AGENT   "t.tenant_id = $1 AND t.agent_id = $3"
#define OF_BOTH    "t.tenant_id = $1 AND t.user_id = $2 AND t.agent_id = $3"
#define LABELLED \
    "t.id = ANY (ARRAY(" \
    "    SELECT m.id" \
    "    FROM threads m" \
    "    WHERE m.metadata @> $5::jsonb" \
    "      AND m.metadata <> '{}'" \
    "      AND " SQL_CHECKED("m.tenant_id = $1") "))" \
    " AND " SQL_CHECKED("$2::text IS NULL OR t.user_id = $2") \
    " AND " SQL_CHECKED("$3::uuid IS NULL OR t.agent_id = $3")

/* $9, $10: bounds. */
#define BY_ID "t.id > $9 AND t.id < $10"

/* $9 to $11, $12 to $14: hour, microseconds since 1970, id. */
#define USE_KEY "(t.used_hour, t.last_used_at, t.id)"
#define USE_AT(hour, us, id) \
    "(" hour "::int4, 'epoch'::timestamptz + " us "::int8 * interval '1 us', " id ")"
#define BY_USE \
    USE_KEY " > " USE_AT("$9", "$10", "$11") " AND " USE_KEY " < " USE_AT("$12", "$13", "$14")

#define STORED \
    SQL_STORED("t.metadata") " + " SQL_STORED("t.agent_state") \
    " + " SQL_STORED("t.tool_resources")
#define SENT \
    SQL_SENT("t.metadata") " + " SQL_SENT("t.agent_state") \
    " + " SQL_SENT("t.tool_resources")

#define LIST(conditions, bounds, order) \
    SQL_PAGE(THREAD_COLUMNS, "t", \
        "threads t WHERE " conditions " AND NOT t.hidden AND " bounds " AND " STATE, \
        order, "$6", "$7", STORED, SENT)

#define ID_ORDER(direction)  "t.id " direction
#define USE_ORDER(direction) \
    "t.used_hour " direction ", t.last_used_at " direction ", t.id " direction

#define ID_TYPES  "utuijiiiuu"
#define USE_TYPES "utuijiiiiiuiiu"

#define LISTS(name, conditions, if_by_use) \
    {{{"threads_" name "_down", LIST(conditions, BY_ID, ID_ORDER("DESC")), ID_TYPES}, \
      {"threads_" name "_up", LIST(conditions, BY_ID, ID_ORDER("ASC")), ID_TYPES}}, \
     {{"threads_" name "_used_down", LIST(if_by_use, BY_USE, USE_ORDER("DESC")), USE_TYPES}, \
      {"threads_" name "_used_up", LIST(if_by_use, BY_USE, USE_ORDER("ASC")), USE_TYPES}}}

enum { ANYBODY, USER, AGENT, BOTH, LABELS, CONDITIONS };

/* By conditions, by_use, ascending. */
static const struct pg_statement lists[CONDITIONS][2][2] = {
    [ANYBODY] = LISTS("anybody", OF_ANYBODY, OF_TENANT),
    [USER] = LISTS("user", OF_USER, OF_USER),
    [AGENT] = LISTS("agent", OF_AGENT, OF_AGENT),
    [BOTH] = LISTS("both", OF_BOTH, OF_BOTH),
    [LABELS] = LISTS("labels", LABELLED, LABELLED),
};

static const struct pg_statement thread_used = {
    .name = "thread_used",
    .sql =
        "SELECT t.used_hour, (date_part('epoch', t.last_used_at) * 1000000)::int8"
        " FROM threads t"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2",
    .types = "uu",
};
/* clang-format on */

/* Where in the order of use a cursor is. */
struct use {
    int64_t hour;
    int64_t us;
    struct uuid id;
};

/* CURSOR_MISSING. */
static int find_use(const struct store *store, struct uuid id, struct use *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    int r = pg_exec(store->pg, &thread_used, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return CURSOR_MISSING;
    *out = (struct use){pg_get_int(result, 0, 0), pg_get_int(result, 0, 1), id};
    return 0;
}

/* The bounds of the page as the last values of its statement. */
static int bounds_of_use(const struct store *store, const struct page_plan *plan,
                         struct pg_value out[6], struct error *err)
{
    struct use low = {.hour = -1, .id = plan->low};
    struct use high = {.hour = INT32_MAX, .id = plan->high};
    int r = plan->low_given ? find_use(store, plan->low, &low, err) : 0;

    if (r == 0 && plan->high_given)
        r = find_use(store, plan->high, &high, err);
    if (r != 0)
        return r;
    out[0] = pg_int(low.hour);
    out[1] = pg_int(low.us);
    out[2] = pg_uuid(low.id);
    out[3] = pg_int(high.hour);
    out[4] = pg_int(high.us);
    out[5] = pg_uuid(high.id);
    return 0;
}

static size_t conditions_of(const struct thread_filter *filter)
{
    if (filter->metadata.ptr)
        return LABELS;
    if (filter->user.ptr)
        return uuid_is_zero(filter->agent) ? USER : BOTH;
    return uuid_is_zero(filter->agent) ? ANYBODY : AGENT;
}

int threads_list(const struct store *store, const struct thread_filter *filter,
                 const struct page *page, struct thread_list *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[14] = {
        pg_uuid(store->tenant),   pg_text(filter->user),     value_uuid_or_null(filter->agent),
        pg_int(filter->archived), pg_json(filter->metadata), pg_int(plan.limit),
        pg_int(plan.bytes),       pg_int(filter->active),    pg_uuid(plan.low),
        pg_uuid(plan.high),
    };
    struct pg_query query = {&lists[conditions_of(filter)][filter->by_use][plan.ascending], values};
    struct rows rows;
    int r = filter->by_use ? bounds_of_use(store, &plan, &values[8], err) : 0;

    if (r == 0)
        r = rows_page(store, &thread_rows, &query, &plan, &rows, err);
    if (r == 0)
        *out = (struct thread_list){rows.items, rows.count, rows.has_more};
    return r;
}
