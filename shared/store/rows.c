/* Reading result rows, one row, and pages
 *
 * Pages are fetched by exclusive bounds on a sort key, never by offset, with one row more than
 * asked for. "before" alone means the elements nearest before the cursor, so the statement runs
 * in the opposite order and the rows are put in place from the end.
 */

#include "shared/store/rows.h"

#include "shared/fiber/offload.h"

struct row row_at(const struct pg_result *result, int row, struct arena *arena)
{
    return (struct row){.result = result, .arena = arena, .row = row};
}

struct text row_text(struct row *row)
{
    struct text text = pg_get_text(row->result, row->row, row->column++);

    if (!text.ptr)
        return TEXT_NONE;
    text.ptr = arena_copy(row->arena, text);
    if (!text.ptr) {
        row->failed = true;
        return TEXT_NONE;
    }
    return text;
}

int64_t row_int(struct row *row)
{
    return pg_get_int(row->result, row->row, row->column++);
}

int64_t row_int_or(struct row *row, int64_t absent)
{
    bool null = pg_is_null(row->result, row->row, row->column);
    int64_t value = row_int(row);

    return null ? absent : value;
}

struct text row_word(struct row *row)
{
    return pg_get_text(row->result, row->row, row->column++);
}

bool row_bool(struct row *row)
{
    return pg_get_bool(row->result, row->row, row->column++);
}

struct uuid row_uuid(struct row *row)
{
    return pg_get_uuid(row->result, row->row, row->column++);
}

int row_check(const struct row *row, struct error *err)
{
    if (row->failed)
        return error_set(err, E_LIMIT, "the answer of the database is larger than allowed");
    return 0;
}

int rows_alloc(struct arena *arena, size_t count, size_t size, void **out, struct error *err)
{
    void *items = arena_calloc(arena, count ? count : 1, size);

    if (!items)
        return error_set(err, E_LIMIT, "no room for %zu rows", count);
    *out = items;
    return 0;
}

struct pg_value value_uuid_or_null(struct uuid id)
{
    return uuid_is_zero(id) ? pg_null() : pg_uuid(id);
}

struct page_plan page_plan(const struct page *page)
{
    struct page_plan plan = {.ascending = page->ascending};
    struct uuid after = page->after;
    struct uuid before = page->before;

    ASSERT(page->limit >= 1 && page->limit <= PAGE_LIMIT_MAX);
    plan.limit = page->limit + 1;
    plan.bytes = page->bytes_max > 0 ? page->bytes_max : PAGE_BYTES_MAX;
    memset(plan.high.bytes, 0xff, sizeof(plan.high.bytes));
    if (page->ascending) {
        plan.low_given = !uuid_is_zero(after);
        plan.high_given = !uuid_is_zero(before);
    } else {
        plan.low_given = !uuid_is_zero(before);
        plan.high_given = !uuid_is_zero(after);
    }
    if (plan.low_given)
        plan.low = page->ascending ? after : before;
    if (plan.high_given)
        plan.high = page->ascending ? before : after;
    if (!uuid_is_zero(before) && uuid_is_zero(after)) {
        plan.reversed = true;
        plan.ascending = !plan.ascending;
    }
    return plan;
}

int row_read_at(const struct store *store, const struct row_kind *kind,
                const struct pg_result *result, int at, void *out, struct error *err)
{
    struct row row = row_at(result, at, store->arena);

    return kind->read(&row, out, err);
}

static int one(const struct store *store, const struct row_kind *kind,
               const struct pg_result *result, void *out, struct error *err)
{
    if (pg_rows(result) == 0)
        return kind->missing;
    return kind->read ? row_read_at(store, kind, result, 0, out, err) : 0;
}

/* Of what may be megabytes, which a thread reads then. */
struct reading {
    const struct store *store;
    const struct row_kind *kind;
    const struct pg_result *result;
    const struct page_plan *plan;
    void *out;
    struct error *err;
    int returned;
};

static void read_one(void *arg)
{
    struct reading *reading = arg;

    reading->returned =
        one(reading->store, reading->kind, reading->result, reading->out, reading->err);
}

int store_one(const struct store *store, const struct row_kind *kind, const struct pg_query *query,
              void *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct reading reading = {.store = store, .kind = kind, .out = out, .err = err};
    int r = pg_exec(store->pg, query->statement, query->values, &result, err);

    if (r < 0)
        return r;
    reading.result = result;
    offload_large(pg_result_bytes(result), read_one, &reading);
    return reading.returned;
}

int store_create(const struct store *store, const struct row_kind *kind,
                 const struct pg_query *query, void *out, struct error *err)
{
    struct pg_query queries[2];
    struct pg_result *results[2] = {NULL, NULL};
    size_t count = 0;
    int r;

    if (store->rider)
        queries[count++] = *store->rider;
    queries[count++] = *query;
    r = pg_exec_all(store->pg, queries, count, results, err);
    if (r == 0)
        r = one(store, kind, results[count - 1], out, err);
    for (size_t i = 0; i < count; i++)
        pg_result_free(results[i]);
    return r;
}

/* Which item row `at` is. */
static size_t place(const struct page_plan *plan, size_t count, size_t at)
{
    return plan && plan->reversed ? count - 1 - at : at;
}

int rows_read(struct arena *arena, const struct row_kind *kind, const struct pg_result *result,
              const struct page_plan *plan, struct rows *out, struct error *err)
{
    struct rows rows = {.count = (size_t)pg_rows(result)};
    int r;

    if (plan && rows.count >= (size_t)plan->limit)
        rows.count = (size_t)plan->limit - 1;
    r = rows_alloc(arena, rows.count, kind->size, &rows.items, err);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct row row = row_at(result, (int)i, arena);

        r = kind->read(&row, (char *)rows.items + place(plan, rows.count, i) * kind->size, err);
        rows.has_more = r == 0 && plan && (size_t)row_int(&row) > rows.count;
    }
    if (r == 0)
        *out = rows;
    return r;
}

static void read_page(void *arg)
{
    struct reading *reading = arg;

    reading->returned = rows_read(reading->store->arena, reading->kind, reading->result,
                                  reading->plan, reading->out, reading->err);
}

int rows_page(const struct store *store, const struct row_kind *kind, const struct pg_query *query,
              const struct page_plan *plan, struct rows *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct reading reading = {.store = store, .kind = kind, .plan = plan, .out = out, .err = err};
    int r = pg_exec(store->pg, query->statement, query->values, &result, err);

    if (r < 0)
        return r;
    reading.result = result;
    offload_large(pg_result_bytes(result), read_page, &reading);
    return reading.returned;
}

int rows_list(const struct store *store, const struct row_kind *kind, const struct row_list *list,
              const struct page *page, struct rows *out, struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[5 + ROW_LIST_MORE_MAX] = {pg_uuid(list->of), pg_uuid(plan.low),
                                                     pg_uuid(plan.high), pg_int(plan.limit),
                                                     pg_int(plan.bytes)};
    struct pg_query query = {plan.ascending ? list->up : list->down, values};

    ASSERT(list->more_count <= ROW_LIST_MORE_MAX);
    for (size_t i = 0; i < list->more_count; i++)
        values[5 + i] = list->more[i];
    return rows_page(store, kind, &query, &plan, out, err);
}
