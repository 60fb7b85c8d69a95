#pragma once
/* Inside the store: reading result rows column by column, one row, and pages.
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
int64_t row_int_or(struct row *row, int64_t absent); /* `absent` for NULL */
struct text row_word(struct row *row);               /* not copied: it lives in the result */
bool row_bool(struct row *row);
struct uuid row_uuid(struct row *row);

/* Returns 0, or -E_LIMIT. */
MUSTCHECK int row_check(const struct row *row, struct error *err);

/* Cleared room for `count` items, never NULL on 0. Returns 0, or -E_LIMIT. */
MUSTCHECK int rows_alloc(struct arena *arena, size_t count, size_t size, void **out,
                         struct error *err);

/* A kind of rows: how one is read into its struct, and which condition says that there is none. */
struct row_kind {
    /* Reads its columns into *out, a struct of `size` bytes. Returns 0, or -E_LIMIT. NULL: nothing
     * of the row is wanted. */
    int (*read)(struct row *row, void *out, struct error *err);
    size_t size;
    int missing;
};

/* The row of a statement that gives one at most. Returns 0, kind->missing, or what pg_exec does. */
SUSPENDS MUSTCHECK int store_one(const struct store *store, const struct row_kind *kind,
                                 const struct pg_query *query, void *out, struct error *err);

/* The same for a statement that creates: the store's rider goes along in the same request. */
SUSPENDS MUSTCHECK int store_create(const struct store *store, const struct row_kind *kind,
                                    const struct pg_query *query, void *out, struct error *err);

/* Row `at` of a result that has such rows and nothing else. Returns 0, or -E_LIMIT. */
MUSTCHECK int row_read_at(const struct store *store, const struct row_kind *kind,
                          const struct pg_result *result, int at, void *out, struct error *err);

/* Items of a kind, in the arena. */
struct rows {
    void *items;
    size_t count;
    bool has_more; /* of a page */
};

struct page_plan;

/* All rows of a result as items; with a plan (may be NULL) those of its page, in its order, which
 * SQL_PAGE gave. Returns 0, or -E_LIMIT. */
MUSTCHECK int rows_read(struct arena *arena, const struct row_kind *kind,
                        const struct pg_result *result, const struct page_plan *plan,
                        struct rows *out, struct error *err);

/* All rows of a statement; with a plan (may be NULL) the page that it was fetched for. */
SUSPENDS MUSTCHECK int rows_page(const struct store *store, const struct row_kind *kind,
                                 const struct pg_query *query, const struct page_plan *plan,
                                 struct rows *out, struct error *err);

/* A number that C and SQL share. */
#define SQL_STRING_(x) #x
#define SQL_STRING(x)  SQL_STRING_(x)

/* A condition that rows found otherwise must meet, and that is no way to find them: no index
 * serves it, nor proves it. Where a prepared statement was planned while a table was empty, any
 * index looks as good as the right one, and the choice stays for as long as the session. */
#define SQL_CHECKED(condition) "((" condition ") IS TRUE)"

/* Tells the type of a text that a statement takes and does not look at. */
#define SQL_UNUSED_TEXT(parameter) "(" parameter "::text IS NULL OR true)"

#define SQL_UNUSED_ID(parameter) "(" parameter "::uuid IS NULL OR true)"

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
    int64_t bytes;
    bool low_given;
    bool high_given;
    struct uuid low; /* exclusive bounds; the least and the greatest id where none is given */
    struct uuid high;
};

struct page_plan page_plan(const struct page *page);

#define ROW_LIST_MORE_MAX 5

/* A list of rows by their ids: its statements take what the rows belong to, both bounds, the limit
 * and the bytes as $1 to $5, and what else they look at behind. */
struct row_list {
    const struct pg_statement *up;
    const struct pg_statement *down;
    struct uuid of; /* the tenant, or what of its the rows are parts of */
    const struct pg_value *more;
    size_t more_count;
};

/* Page *page of a list. Returns as rows_page. */
SUSPENDS MUSTCHECK int rows_list(const struct store *store, const struct row_kind *kind,
                                 const struct row_list *list, const struct page *page,
                                 struct rows *out, struct error *err);

/* A page, cut by `limit` and `bytes` (plan.limit, plan.bytes). `source` is what stands behind FROM
 * up to its conditions, with `alias` as the name of the table; `columns` are what a row_kind reads.
 * The last column tells rows_read how many rows there were before the cut.
 *
 * Sizes are asked before anything is fetched, in two steps. What the rows take on disk is known
 * without reading them, and bounds what is read at all. What is left is measured as it will be
 * sent, row after row until the page is full: compression makes a text up to about 250 times
 * smaller, so a hundred rows that take 4 MiB on disk may be a gigabyte, and to measure them all
 * takes seconds. The first row is always given, or nobody could go on behind it. */
/* clang-format off */
#define SQL_PAGE(columns, alias, source, order, limit, bytes, stored, sent) \
    "WITH RECURSIVE page AS MATERIALIZED (" \
    "    SELECT " alias ".*, sum(" stored ") OVER v AS page_stored," \
    "        row_number() OVER v AS page_at, count(*) OVER () AS page_rows" \
    "    FROM (" \
    "        SELECT " alias ".*" \
    "        FROM " source \
    "        ORDER BY " order \
    "        LIMIT " limit ") " alias \
    "    WINDOW v AS (ORDER BY " order " ROWS UNBOUNDED PRECEDING))," \
    " measured AS (" \
    "    SELECT " alias ".page_at AS page_place, (" sent ")::int8 AS page_sent" \
    "    FROM page " alias \
    "    WHERE " alias ".page_at = 1" \
    "    UNION ALL" \
    "    SELECT " alias ".page_at, measured.page_sent + " sent \
    "    FROM measured" \
    "    JOIN page " alias " ON " alias ".page_at = measured.page_place + 1" \
    "    WHERE measured.page_sent <= " bytes \
    "      AND " alias ".page_stored <= " bytes ")" \
    " SELECT " columns ", " alias ".page_rows" \
    " FROM page " alias \
    " JOIN measured ON measured.page_place = " alias ".page_at" \
    " WHERE measured.page_sent <= " bytes " OR " alias ".page_at = 1" \
    " ORDER BY " alias ".page_at"
/* clang-format on */

/* What a column takes on disk, and as text; 0 for NULL. */
#define SQL_STORED(column) "coalesce(pg_column_size(" column "), 0)"
#define SQL_SENT(column)   "coalesce(octet_length(" column "::text), 0)"

/* What the spec of a row of agents or runs takes as text. It is looked at in those rows only that
 * were written before its size was noted. */
/* clang-format off */
#define SQL_SPEC_SENT(alias) "coalesce(" alias ".spec_bytes, octet_length(" alias ".spec::text))"
/* clang-format on */
