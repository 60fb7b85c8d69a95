#pragma once
/* Inside the store: many rows for one statement, as one parameter for each of their columns.
 *
 * A column is an array in binary format, which Postgres takes without parsing anything. A row is
 * what the columns have at one place. What was not put there is NULL; so is the whole of a column
 * that no row has, and such a column costs next to nothing. The first column of a kind of rows must
 * be put in each of them.
 *
 * A list says the columns of a kind once, for SQL and for C, a line for each of them:
 *
 *     #define HEAD_ROWS(COLUMN) \
 *         COLUMN(1, HEAD_N, "n", 'I') \
 *         COLUMN(2, HEAD_ID, "id", 'U')
 *
 * the number of the statement's parameter, the column in C (an index into its bufs), its name in
 * SQL, and its type, a letter of pg_statement.types. Numbers need no order: a new column takes the
 * next one that is free, wherever it stands. */

#include "shared/postgres/postgres.h"
#include "shared/store/rows.h"

/* The rows of a kind, whose first column is parameter `first` ("$1"), with their `place`, which
 * counts from 1.
 *
 * Few, a few hundred at most: what a column has at a place is looked up. In a column of texts or
 * with NULLs Postgres walks there from the beginning, which takes longer with each row.
 * Many: each column is a function that gives its elements, which costs 2 us for each column however
 * few the rows are. */
/* clang-format off */
#define SQL_FEW_ROWS(LIST, first) \
    "SELECT place" LIST(COLUMN_AT_PLACE) " FROM generate_subscripts(" first ", 1) AS place"
#define SQL_MANY_ROWS(LIST, first) \
    "SELECT *" \
    " FROM ROWS FROM (generate_subscripts(" first ", 1)" LIST(COLUMN_ELEMENTS) ")" \
    "     AS rows (place" LIST(COLUMN_NAME) ")"
/* clang-format on */

#define COLUMN_AT_PLACE(number, column, name, type) ", $" SQL_STRING(number) "[place] AS " name
#define COLUMN_ELEMENTS(number, column, name, type) ", unnest($" SQL_STRING(number) ")"
#define COLUMN_NAME(number, column, name, type)     ", " name

/* What else a list is made into: an enum, the number of columns, and the letters of the statement:
 *
 *     static const char types[] = {HEAD_ROWS(COLUMN_TYPE) [COLUMNS] = '\0'};
 *     _Static_assert(sizeof(types) == COLUMNS + 1, "each number has its column");
 *
 * which does not compile where a number is there twice or left out. */
#define COLUMN_ENUM(number, column, name, type)  column = (number)-1,
#define COLUMN_TYPE(number, column, name, type)  [(number)-1] = (type),
#define COLUMN_COUNT(number, column, name, type) +1

void columns_init(struct buf *columns, size_t count);
void columns_deinit(struct buf *columns, size_t count);

/* The parameters of a statement of these types. One that is over 16 MiB lets the statement fail
 * with -E_LIMIT. Borrows. */
void columns_values(struct buf *columns, const char *types, struct pg_value *values);

/* A row that is being filled. Rows of a kind are filled one after the other. */
struct column_row {
    struct buf *columns;
    size_t place; /* counts from 0 */
};

/* The next row of the kind with this first column, which gets `n`. */
struct column_row column_row(struct buf *columns, size_t first, size_t n);

void column_int(struct column_row row, size_t column, int64_t value);
void column_int_if(struct column_row row, size_t column, int64_t value); /* not 0 */
void column_bool(struct column_row row, size_t column, bool value);

/* A zero id and TEXT_NONE are NULL. */
void column_uuid(struct column_row row, size_t column, struct uuid value);
void column_text(struct column_row row, size_t column, struct text value);
void column_json(struct column_row row, size_t column, struct text value);
