/* Budgets: see budgets.h */

#include "shared/store/budgets/budgets.h"

#include "shared/store/budgets/run_budgets.h"
#include "shared/store/rows.h"

const char *const budget_kinds[] = {"thread", "user", "agent", "tenant", NULL};
const char *const budget_periods[] = {"day", "month", "total", NULL};

/* clang-format off */
#define TODAY "(now() AT TIME ZONE 'UTC')::date"

#define BEGUN \
    "CASE b.period WHEN 'day' THEN " TODAY \
    "    WHEN 'month' THEN date_trunc('month', " TODAY "::timestamp)::date" \
    "    ELSE '-infinity'::date END"

#define RESETS \
    "CASE b.period WHEN 'day' THEN (" TODAY " + 1)::timestamp AT TIME ZONE 'UTC'" \
    "    WHEN 'month' THEN (date_trunc('month', " TODAY "::timestamp) + interval '1 month')" \
    "        AT TIME ZONE 'UTC' END"

#define SPENT_OF(table) \
    "SELECT d.tokens, d.cost_micros" \
    " FROM " table " d" \
    " WHERE d.budget_id = ANY (ARRAY[b.id])" \
    "   AND " SQL_CHECKED("d.day >= p.begun")

/* Budgets `b`, each with what is spent. */
#define SPENT \
    " CROSS JOIN LATERAL (SELECT " BEGUN " AS begun, " RESETS " AS resets) p" \
    " CROSS JOIN LATERAL (" \
    "    SELECT coalesce(sum(x.tokens), 0)::int8 AS tokens," \
    "        coalesce(sum(x.cost_micros), 0)::int8 AS cost" \
    "    FROM (" SPENT_OF("budget_days") " UNION ALL " SPENT_OF("budget_deltas") ") x) s"

#define COLUMNS \
    "b.id, b.kind, b.subject, b.period, b.max_tokens, b.max_cost_micros, b.at_limit," \
    " b.fallback_model, p.begun::text, s.tokens, s.cost," \
    " " SQL_SECONDS("p.resets") "," \
    " floor(date_part('epoch', p.resets - now()) * 1000)::int8," \
    " " SQL_SECONDS("b.created_at") ", " SQL_SECONDS("b.updated_at")
/* clang-format on */

static int purse_read(struct row *row, void *out, struct error *err)
{
    struct purse purse = {.max_tokens = 0};

    purse.id = row_uuid(row);
    purse.kind = row_text(row);
    purse.subject = row_text(row);
    purse.period = row_text(row);
    purse.max_tokens = row_int(row);
    purse.max_cost_micros = row_int(row);
    purse.at_limit = row_text(row);
    purse.fallback_model = row_text(row);
    purse.begun = row_text(row);
    purse.spent_tokens = row_int(row);
    purse.spent_cost_micros = row_int(row);
    purse.resets_at = row_int(row);
    purse.resets_in_ms = row_int(row);
    purse.created_at = row_int(row);
    purse.updated_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct purse *)out = purse;
    return 0;
}

static const struct row_kind purse_rows = {purse_read, sizeof(struct purse), BUDGET_MISSING};

static struct pg_value number_or_null(int64_t number)
{
    return number > 0 ? pg_int(number) : pg_null();
}

/* clang-format off */
/* $1 is the tenant, $2 the kind, $3 whose it is. */
#define THIS "b.tenant_id = $1 AND b.kind = $2::text AND b.subject = $3::text"

/* A run that is parked is nobody's, so nobody is waited for but who cancels it. */
static const struct pg_statement wake = {
    .name = "budget_wake",
    .sql =
        "UPDATE runs r"
        " SET due_at = now(), updated_at = now()"
        " FROM budgets b"
        " WHERE " THIS
        "   AND r.status = 'queued'"
        "   AND r.wait_kind = 'budget'"
        "   AND " SQL_CHECKED("r.tenant_id = $1 AND b.id = ANY (r.budgets)"),
    .types = "utt",
};

/* The same once the change is there for all: whoever parks a run later looks whether it is
 * (budgets_recheck), and whoever has done so before is found here. */
static const struct pg_statement wake_again = {
    .name = "budget_wake_again",
    .sql =
        "UPDATE runs r"
        " SET due_at = now(), updated_at = now()"
        " WHERE r.status = 'queued'"
        "   AND r.wait_kind = 'budget'"
        "   AND " SQL_CHECKED("r.tenant_id = $1 AND $2 = ANY (r.budgets)"),
    .types = "uu",
};

static const struct pg_statement recheck = {
    .name = "budget_recheck",
    .sql =
        "UPDATE runs r"
        " SET due_at = least(r.due_at, now() + interval '1 s')"
        " WHERE r.id = $1"
        "   AND " SQL_CHECKED("r.status = 'queued' AND r.wait_kind = 'budget'")
        "   AND ((SELECT count(*) FROM budgets b WHERE b.id = ANY ($2)) < $3"
        "       OR EXISTS ("
        "           SELECT 1"
        "           FROM budgets b"
        "           WHERE b.id = ANY ($2)"
        "             AND " SQL_CHECKED("b.updated_at > now() - $4 * interval '1 ms'") "))",
    .types = "uUii",
};

/* Whether there is room for no other one. */
#define IS_FULL(max) \
    "CASE WHEN EXISTS (SELECT 1 FROM budgets b WHERE " THIS ") THEN false" \
    "    ELSE " max " <= (SELECT count(*)" \
    "        FROM (SELECT FROM budgets n WHERE n.tenant_id = $1 LIMIT " max ") n) END"

static const struct pg_statement full = {
    .name = "budget_full",
    .sql = "SELECT " IS_FULL("$4"),
    .types = "utti",
};

static const struct pg_statement put = {
    .name = "budget_put",
    .sql =
        "WITH b AS ("
        "    INSERT INTO budgets AS b ("
        "        tenant_id, kind, subject, id, thread_id, period, max_tokens, max_cost_micros,"
        "        at_limit, fallback_model)"
        "    SELECT $1, $2::text, $3::text, $4, CASE $2::text WHEN 'thread' THEN $3::uuid END,"
        "        $5::text, $6, $7, $8::text, $9::text"
        "    WHERE NOT " IS_FULL("$10")
        "      AND CASE $2::text"
        "        WHEN 'thread' THEN EXISTS ("
        "            SELECT 1"
        "            FROM threads t"
        "            WHERE t.id = $3::uuid"
        "              AND t.tenant_id = $1)"
        "        WHEN 'agent' THEN EXISTS ("
        "            SELECT 1"
        "            FROM agents a"
        "            WHERE a.id = $3::uuid"
        "              AND a.tenant_id = $1"
        "              AND a.deleted_at IS NULL)"
        "        ELSE true END"
        "    ON CONFLICT (tenant_id, kind, subject) DO UPDATE"
        "    SET period = excluded.period, max_tokens = excluded.max_tokens,"
        "        max_cost_micros = excluded.max_cost_micros, at_limit = excluded.at_limit,"
        "        fallback_model = excluded.fallback_model, warned = NULL, updated_at = now()"
        "    RETURNING b.*)"
        " SELECT " COLUMNS
        " FROM b" SPENT,
    .types = "uttutiitti",
};
/* clang-format on */

SUSPENDS static int wake_parked(const struct store *store, struct uuid budget, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(budget)};

    return pg_exec(store->pg, &wake_again, values, NULL, err);
}

static int why_none(const struct purse *draft, const struct pg_result *fullness)
{
    if (pg_get_bool(fullness, 0, 0))
        return BUDGETS_FULL;
    return text_is(draft->kind, "thread") ? THREAD_MISSING : AGENT_MISSING;
}

int budgets_put(const struct store *store, const struct purse *draft, int64_t max,
                struct purse *out, struct error *err)
{
    struct pg_value values[10] = {
        pg_uuid(store->tenant),
        pg_text(draft->kind),
        pg_text(draft->subject),
        pg_uuid(draft->id),
        pg_text(draft->period),
        number_or_null(draft->max_tokens),
        number_or_null(draft->max_cost_micros),
        pg_text(draft->at_limit),
        pg_text(draft->fallback_model),
        pg_int(max),
    };
    struct pg_value whose[4] = {values[0], values[1], values[2], pg_int(max)};
    const struct pg_query queries[3] = {{&full, whose}, {&put, values}, {&wake, values}};
    struct pg_result *results[3] = {NULL, NULL, NULL};
    int r = pg_exec_all(store->pg, queries, 3, results, err);

    if (r < 0)
        return r;
    if (pg_rows(results[1]) > 0)
        r = row_read_at(store, &purse_rows, results[1], 0, out, err);
    else
        r = why_none(draft, results[0]);
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r == 0 ? wake_parked(store, out->id, err) : r;
}

/* clang-format off */
static const struct pg_statement get = {
    .name = "budget_get",
    .sql =
        "SELECT " COLUMNS
        " FROM budgets b" SPENT
        " WHERE " THIS,
    .types = "utt",
};
/* clang-format on */

int budgets_get(const struct store *store, struct text kind, struct text subject, struct purse *out,
                struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(kind), pg_text(subject)};

    return store_one(store, &purse_rows, &(struct pg_query){&get, values}, out, err);
}

/* clang-format off */
#define SOURCE \
    "budgets b" \
    " WHERE b.tenant_id = $1" \
    "   AND b.id > $2" \
    "   AND b.id < $3" \
    "   AND ($4::text IS NULL OR b.kind = $4)"

#define LIST(order) \
    "SELECT " COLUMNS ", count(*) OVER ()" \
    " FROM (" \
    "    SELECT b.*" \
    "    FROM " SOURCE \
    "    ORDER BY b.id " order \
    "    LIMIT $5) b" SPENT \
    " ORDER BY b.id " order

static const struct pg_statement list_up = {
    .name = "budget_list_up",
    .sql = LIST(""),
    .types = "uuuti",
};

static const struct pg_statement list_down = {
    .name = "budget_list_down",
    .sql = LIST("DESC"),
    .types = "uuuti",
};
/* clang-format on */

int budgets_list(const struct store *store, struct text kind, const struct page *page,
                 struct purse_list *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[5] = {pg_uuid(store->tenant), pg_uuid(plan.low), pg_uuid(plan.high),
                                 pg_text(kind), pg_int(plan.limit)};
    struct pg_query query = {plan.ascending ? &list_up : &list_down, values};
    struct rows rows;
    int r = rows_page(store, &purse_rows, &query, &plan, &rows, err);

    if (r == 0)
        *out = (struct purse_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* clang-format off */
static const struct pg_statement delete = {
    .name = "budget_delete",
    .sql = "DELETE FROM budgets b WHERE " THIS " RETURNING b.id",
    .types = "utt",
};
/* clang-format on */

int budgets_delete(const struct store *store, struct text kind, struct text subject,
                   struct uuid *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(kind), pg_text(subject)};
    const struct pg_query queries[2] = {{&wake, values}, {&delete, values}};
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, 2, results, err);

    if (r < 0)
        return r;
    if (pg_rows(results[1]) > 0)
        *out = pg_get_uuid(results[1], 0, 0);
    else
        r = BUDGET_MISSING;
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r == 0 ? wake_parked(store, *out, err) : r;
}

/* clang-format off */
static const struct pg_statement find = {
    .name = "budget_find",
    .sql =
        "SELECT x.id"
        " FROM unnest(" SQL_RUN_BUDGETS("$1", "NULL", "nullif($2::text, '')", "NULL") ") AS x (id)",
    .types = "ut",
};
/* clang-format on */

int budgets_find(struct pg *pg, struct uuid tenant, struct text user, struct uuid *out,
                 size_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(tenant), pg_text(user)};
    int r = pg_exec(pg, &find, values, &result, err);

    if (r < 0)
        return r;
    *out_count = 0;
    for (int row = 0; row < pg_rows(result) && *out_count < RUN_BUDGETS_MAX; row++)
        out[(*out_count)++] = pg_get_uuid(result, row, 0);
    return 0;
}

/* clang-format off */
static const struct pg_statement look = {
    .name = "budget_look",
    .sql =
        "SELECT " COLUMNS
        " FROM unnest($1::uuid[]) AS i (id)"
        " JOIN budgets b ON b.id = ANY (ARRAY[i.id])" SPENT,
    .types = "U",
};
/* clang-format on */

int budgets_look(struct pg *pg, struct arena *arena, const struct uuid *ids, size_t count,
                 struct purse_list *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[1];
    struct rows rows;
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, ids, count);
    r = buf_check(&array, err);
    if (r < 0)
        return r;
    values[0] = pg_array('U', &array);
    r = pg_exec(pg, &look, values, &result, err);
    if (r == 0)
        r = rows_read(arena, &purse_rows, result, NULL, &rows, err);
    if (r == 0)
        *out = (struct purse_list){rows.items, rows.count, false};
    return r;
}

int budgets_recheck(struct pg *pg, struct uuid run, const struct budget_look *seen,
                    struct error *err)
{
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[4];
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, seen->ids, seen->count);
    r = buf_check(&array, err);
    if (r < 0)
        return r;
    values[0] = pg_uuid(run);
    values[1] = pg_array('U', &array);
    values[2] = pg_int((int64_t)seen->found);
    values[3] = pg_int(seen->age_ms);
    return pg_exec(pg, &recheck, values, NULL, err);
}

/* clang-format off */
#define MOSTLY(spent, max) \
    max " IS NOT NULL AND " spent " * 100 >= " max " * " SQL_STRING(BUDGETS_WARN_PERCENT)

/* Tells webhooks. */
#define WARNING \
    "penstock_webhook_emit(b.tenant_id, 'budget.warning'," \
    "    'budget_' || replace(b.id::text, '-', ''), json_build_object(" \
    "        'object', 'budget', 'kind', b.kind, 'subject', CASE b.kind" \
    "            WHEN 'thread' THEN 'thread_' || replace(b.subject, '-', '')" \
    "            WHEN 'agent' THEN 'asst_' || replace(b.subject, '-', '')" \
    "            WHEN 'tenant' THEN 'tenant_' || replace(b.tenant_id::text, '-', '')" \
    "            ELSE b.subject END," \
    "        'period', b.period, 'max_tokens', b.max_tokens," \
    "        'max_cost_micros', b.max_cost_micros, 'spent_tokens', s.tokens," \
    "        'spent_cost_micros', s.cost))"

/* The days are written in the order of their key, so that two schedulers are in no deadlock. What
 * is spent does not change by it: the statement sees rows and days as they were before. */
static const struct pg_statement fold = {
    .name = "budget_fold",
    .sql =
        "WITH d AS ("
        "    DELETE FROM budget_deltas d"
        "    WHERE d.ctid = ANY (ARRAY("
        "        SELECT o.ctid"
        "        FROM budget_deltas o"
        "        LIMIT " SQL_STRING(BUDGETS_FOLD_ROWS)
        "        FOR UPDATE SKIP LOCKED))"
        "    RETURNING *),"
        " h AS ("
        "    INSERT INTO budget_days AS u (budget_id, day, tokens, cost_micros)"
        "    SELECT d.budget_id, d.day, sum(d.tokens), sum(d.cost_micros)"
        "    FROM d"
        "    JOIN budgets b ON b.id = ANY (ARRAY[d.budget_id])"
        "    GROUP BY d.budget_id, d.day"
        "    ORDER BY d.budget_id, d.day"
        "    ON CONFLICT (budget_id, day) DO UPDATE"
        "    SET tokens = u.tokens + excluded.tokens,"
        "        cost_micros = u.cost_micros + excluded.cost_micros),"
        " c AS MATERIALIZED ("
        "    SELECT b.id, p.begun"
        "    FROM (SELECT DISTINCT d.budget_id AS id FROM d) x"
        "    JOIN budgets b ON b.id = ANY (ARRAY[x.id])" SPENT
        "    WHERE b.warned IS DISTINCT FROM p.begun"
        "      AND (" MOSTLY("s.tokens", "b.max_tokens")
        "          OR " MOSTLY("s.cost", "b.max_cost_micros") ")),"
        " w AS ("
        "    UPDATE budgets b"
        "    SET warned = c.begun"
        "    FROM c"
        "    WHERE b.id = ANY (ARRAY[c.id])"
        "      AND b.warned IS DISTINCT FROM c.begun"
        "    RETURNING b.*)"
        " SELECT q.*, n.folded"
        " FROM (SELECT count(*) AS folded FROM d) n"
        " LEFT JOIN LATERAL (SELECT " COLUMNS ", " WARNING " FROM w b" SPENT ") q ON true",
    .types = "",
};
/* clang-format on */

#define COLUMN_FOLDED 16

int budgets_fold(struct pg *pg, struct arena *arena, struct purse_list *out_warned, bool *out_more,
                 struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct rows rows;
    int r = pg_exec(pg, &fold, NULL, &result, err);

    if (r == 0)
        r = rows_read(arena, &purse_rows, result, NULL, &rows, err);
    if (r < 0)
        return r;
    *out_more = pg_get_int(result, 0, COLUMN_FOLDED) >= BUDGETS_FOLD_ROWS;
    *out_warned = (struct purse_list){.items = rows.items, .count = rows.count};
    if (pg_is_null(result, 0, 0))
        out_warned->count = 0;
    return 0;
}
