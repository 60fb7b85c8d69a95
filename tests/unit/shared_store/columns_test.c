/* Tests of rows that go to Postgres as columns. */

#include "fixture.h"

#include "shared/store/columns.h"

/* Out of order, as lists become. */
/* clang-format off */
#define THING_ROWS(COLUMN) \
    COLUMN(1, THING_N, "n", 'I') \
    COLUMN(7, THING_ID, "id", 'U') \
    COLUMN(2, THING_TEXT, "word", 'T') \
    COLUMN(3, THING_JSON, "document", 'J') \
    COLUMN(4, THING_AS_WRITTEN, "written", 'W') \
    COLUMN(5, THING_BOOL, "is_so", 'B') \
    COLUMN(6, THING_NEVER, "never", 'T')

enum thing_column { THING_ROWS(COLUMN_ENUM) };
enum { THING_COLUMNS = 0 THING_ROWS(COLUMN_COUNT) };
static const char types[] = {THING_ROWS(COLUMN_TYPE) [THING_COLUMNS] = '\0'};
_Static_assert(sizeof(types) == THING_COLUMNS + 1, "each number has its column");

#define SHOWN " SELECT place, n, id, word, document, written, is_so, never FROM i ORDER BY place"
static const struct pg_statement few = {
    "things_few", "WITH i AS (" SQL_FEW_ROWS(THING_ROWS, "$1") ")" SHOWN, types};
static const struct pg_statement many = {
    "things_many", "WITH i AS (" SQL_MANY_ROWS(THING_ROWS, "$1") ")" SHOWN, types};
/* clang-format on */

static void check_things(const struct store *store, const struct pg_statement *statement,
                         struct buf *columns, struct uuid id)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[THING_COLUMNS];

    columns_values(columns, types, values);
    MUST(pg_exec(store->pg, statement, values, &result, &test_err));
    cr_assert_eq(pg_rows(result), 3);
    for (int row = 0; row < 3; row++) {
        cr_assert_eq(pg_get_int(result, row, 0), row + 1);
        cr_assert_eq(pg_get_int(result, row, 1), 10 * row);
        cr_assert(pg_is_null(result, row, 7));
    }
    for (int column = 2; column < 7; column++)
        cr_assert(pg_is_null(result, 0, column));
    cr_assert(uuid_equal(pg_get_uuid(result, 1, 2), id));
    cr_assert_str_eq(pg_get_string(result, 1, 3), "{\"a\"}");
    cr_assert_str_eq(pg_get_string(result, 1, 4), "{\"a\": 1}");
    cr_assert_str_eq(pg_get_string(result, 1, 5), "{\"a\":1}");
    cr_assert(pg_is_null(result, 1, 6));
    cr_assert(pg_is_null(result, 2, 2));
    cr_assert_str_eq(pg_get_string(result, 2, 3), "");
    cr_assert_str_eq(pg_get_string(result, 2, 6), "f");
}

static void gaps(struct store *store)
{
    struct buf columns[THING_COLUMNS];
    struct uuid id = uuid_new();
    struct column_row row;

    columns_init(columns, THING_COLUMNS);
    (void)column_row(columns, THING_N, 0);
    row = column_row(columns, THING_N, 10);
    column_uuid(row, THING_ID, id);
    column_text(row, THING_TEXT, TEXT("{\"a\"}"));
    column_json(row, THING_JSON, TEXT("{\"a\":1}"));
    column_text(row, THING_AS_WRITTEN, TEXT("{\"a\":1}"));
    row = column_row(columns, THING_N, 20);
    column_uuid(row, THING_ID, (struct uuid){{0}});
    column_text(row, THING_TEXT, TEXT(""));
    column_json(row, THING_JSON, TEXT_NONE);
    column_int_if(row, THING_NEVER, 0);
    column_bool(row, THING_BOOL, false);
    check_things(store, &few, columns, id);
    check_things(store, &many, columns, id);
    columns_deinit(columns, THING_COLUMNS);
}

Test(columns, have_nulls_where_a_row_has_nothing)
{
    with_store(gaps);
}

static void edges(struct store *store)
{
    static const struct pg_statement *const statements[] = {&few, &many};
    struct buf columns[THING_COLUMNS];
    struct pg_value values[THING_COLUMNS];
    struct column_row row;
    struct pg_result *result;

    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++) {
        columns_init(columns, THING_COLUMNS);
        columns_values(columns, types, values);
        MUST(pg_exec(store->pg, statements[i], values, &result, &test_err));
        cr_assert_eq(pg_rows(result), 0);
        pg_result_free(result);

        columns[THING_TEXT].limit = 100;
        row = column_row(columns, THING_N, 1);
        for (int n = 0; n < 3; n++)
            column_text(row, THING_TEXT, TEXT("more than there is room for, three times"));
        columns_values(columns, types, values);
        GIVES(-E_LIMIT, pg_exec(store->pg, statements[i], values, NULL, &test_err));
        columns_deinit(columns, THING_COLUMNS);
    }
}

Test(columns, may_be_without_rows_and_refuse_what_is_too_large)
{
    with_store(edges);
}
