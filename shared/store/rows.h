#pragma once
/* Inside the store: reading result rows column by column, and pages.
 *
 * A row hands out its columns from left to right, so that a list of columns in SQL and the function
 * that reads it stand next to each other in the same order. Texts are copied to the arena; when it
 * is full the row is `failed`, which row_check tells at the end.
 */

#include "shared/store/store.h"

struct row {
    const struct pg_result *result;
    struct arena *arena;
    int row;
    int column;
    bool failed;
};

struct row row_at(const struct pg_result *result, int row, struct arena *arena);
struct text row_text(struct row *row);
int64_t row_int(struct row *row);
bool row_bool(struct row *row);
struct uuid row_uuid(struct row *row);

/* Returns 0, or -E_LIMIT. */
MUSTCHECK int row_check(const struct row *row, struct error *err);

/* Cleared room for `count` items, never NULL on 0. Returns 0, or -E_LIMIT. */
MUSTCHECK int rows_alloc(struct arena *arena, size_t count, size_t size, void **out,
                         struct error *err);

/* As pg_exec, for a statement that creates: the store's rider goes along in the same request. */
SUSPENDS MUSTCHECK int exec_with_rider(const struct store *store,
                                       const struct pg_statement *statement,
                                       const struct pg_value *values, struct pg_result **out,
                                       struct error *err);

/* A number that C and SQL share. */
#define SQL_STRING_(x) #x
#define SQL_STRING(x)  SQL_STRING_(x)

/* A condition that rows found otherwise must meet, and that is no way to find them: no index
 * serves it, nor proves it. Where a prepared statement was planned while a table was empty, any
 * index looks as good as the right one, and the choice stays for as long as the session. */
#define SQL_CHECKED(condition) "((" condition ") IS TRUE)"

/* A timestamptz column as unix seconds, rounded down, in SQL. */
#define SQL_SECONDS(column) "floor(date_part('epoch', " column "))::int8"

/* NULL where an optional id is zero. */
struct pg_value value_uuid_or_null(struct uuid id);

/* How a page is fetched: `ascending` is the order of the statement, `reversed` tells that its rows
 * come in the opposite order of the page (it asked for what lies before a cursor). */
struct page_plan {
    bool ascending;
    bool reversed;
    int limit; /* one more than asked for, to know whether there is more */
    bool low_given;
    bool high_given;
    struct uuid low; /* exclusive bounds; the least and the greatest id where none is given */
    struct uuid high;
};

struct page_plan page_plan(const struct page *page);

/* Of `rows` fetched rows: how many belong to the page, and whether there are more. */
size_t page_count(const struct page_plan *plan, int rows, bool *out_has_more);

/* Which item of the page row `row` is. */
size_t page_place(const struct page_plan *plan, size_t count, int row);
