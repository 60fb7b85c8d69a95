/* Reading result rows, and pages
 *
 * Pages are fetched by exclusive bounds on a sort key, never by offset, with one row more than
 * asked for. "before" alone means the elements nearest before the cursor, so the statement runs
 * in the opposite order and the rows are put in place from the end.
 */

#include "shared/store/rows.h"

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

size_t page_count(const struct page_plan *plan, int rows, bool *out_has_more)
{
    *out_has_more = rows >= plan->limit;
    return (size_t)(*out_has_more ? plan->limit - 1 : rows);
}

size_t page_place(const struct page_plan *plan, size_t count, int row)
{
    return plan->reversed ? count - 1 - (size_t)row : (size_t)row;
}

int exec_with_rider(const struct store *store, const struct pg_statement *statement,
                    const struct pg_value *values, struct pg_result **out, struct error *err)
{
    struct pg_query queries[2];
    struct pg_result *results[2] = {NULL, NULL};
    int r;

    if (!store->rider)
        return pg_exec(store->pg, statement, values, out, err);
    queries[0] = *store->rider;
    queries[1] = (struct pg_query){statement, values};
    r = pg_exec_all(store->pg, queries, 2, results, err);
    if (r < 0)
        return r;
    pg_result_free(results[0]);
    *out = results[1];
    return 0;
}
