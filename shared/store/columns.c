/* Rows as columns */

#include "shared/store/columns.h"

void columns_init(struct buf *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_init(&columns[i], 0);
}

void columns_deinit(struct buf *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_deinit(&columns[i]);
}

static bool is_used(const struct buf *column)
{
    return column->len > 0 || column->failed;
}

void columns_values(struct buf *columns, const char *types, struct pg_value *values)
{
    for (size_t i = 0; types[i]; i++)
        values[i] = is_used(&columns[i]) ? pg_array(types[i], &columns[i]) : pg_null();
}

struct column_row column_row(struct buf *columns, size_t first, size_t n)
{
    struct column_row row = {.columns = columns, .place = pg_array_count(&columns[first])};

    column_int(row, first, (int64_t)n);
    return row;
}

/* The column as far as this row. */
static struct buf *column_at(struct column_row row, size_t column)
{
    struct buf *buf = &row.columns[column];

    if (!is_used(buf))
        pg_array_begin(buf);
    pg_array_pad(buf, row.place);
    return buf;
}

void column_int(struct column_row row, size_t column, int64_t value)
{
    pg_array_add_int(column_at(row, column), value);
}

void column_int_if(struct column_row row, size_t column, int64_t value)
{
    if (value != 0)
        column_int(row, column, value);
}

void column_bool(struct column_row row, size_t column, bool value)
{
    pg_array_add_bool(column_at(row, column), value);
}

void column_uuid(struct column_row row, size_t column, struct uuid value)
{
    if (!uuid_is_zero(value))
        pg_array_add_uuid(column_at(row, column), value);
}

void column_text(struct column_row row, size_t column, struct text value)
{
    if (value.ptr)
        pg_array_add_text(column_at(row, column), value);
}

void column_json(struct column_row row, size_t column, struct text value)
{
    if (value.ptr)
        pg_array_add_json(column_at(row, column), value);
}
