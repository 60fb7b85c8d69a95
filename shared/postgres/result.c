/* Results: a struct pg_result is libpq's own PGresult, so nothing is wrapped or copied.
 *
 * Columns come in text format. A text that does not parse as what the caller asks for means that
 * the statement and the code disagree: a programmer error, as is a row or column out of range.
 */

#include "shared/postgres/postgres.h"

#include <libpq-fe.h>

static struct text column_text(const struct pg_result *result, int row, int column)
{
    ASSERT(row >= 0 && row < PQntuples(result));
    ASSERT(column >= 0 && column < PQnfields(result));
    if (PQgetisnull(result, row, column))
        return TEXT_NONE;
    return (struct text){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

int pg_rows(const struct pg_result *result)
{
    return PQntuples(result);
}

size_t pg_result_bytes(const struct pg_result *result)
{
    return PQresultMemorySize(result);
}

bool pg_is_null(const struct pg_result *result, int row, int column)
{
    return !column_text(result, row, column).ptr;
}

struct text pg_get_text(const struct pg_result *result, int row, int column)
{
    return column_text(result, row, column);
}

const char *pg_get_string(const struct pg_result *result, int row, int column)
{
    return column_text(result, row, column).ptr; /* libpq ends it with a zero */
}

int64_t pg_get_int(const struct pg_result *result, int row, int column)
{
    struct text text = column_text(result, row, column);
    int64_t value = 0;
    bool parsed;

    if (!text.ptr)
        return 0;
    parsed = text_to_int(text, &value);
    ASSERT(parsed);
    return value;
}

bool pg_get_bool(const struct pg_result *result, int row, int column)
{
    struct text text = column_text(result, row, column);

    if (!text.ptr)
        return false;
    ASSERT(text_is(text, "t") || text_is(text, "f"));
    return text.ptr[0] == 't';
}

struct uuid pg_get_uuid(const struct pg_result *result, int row, int column)
{
    struct text text = column_text(result, row, column);
    struct uuid value = {{0}};
    bool parsed;

    if (!text.ptr)
        return value;
    parsed = uuid_parse(text, &value);
    ASSERT(parsed);
    return value;
}

/* Written as \x and two hex digits a byte (bytea_output's default). A table of digits: megabytes
 * come this way. */
size_t pg_get_bytes(const struct pg_result *result, int row, int column, uint8_t *to, size_t size)
{
    static int8_t digits[256];
    static bool filled;
    struct text text = column_text(result, row, column);
    size_t count;

    if (!text.ptr)
        return 0;
    for (int c = 0; !filled && c < 256; c++)
        digits[c] = (int8_t)text_hex_digit((char)c);
    filled = true;
    ASSERT(text_starts(text, "\\x"));
    count = (text.len - 2) / 2;
    if (count > size)
        count = size;
    for (size_t i = 0; i < count; i++) {
        int high = digits[(uint8_t)text.ptr[2 + 2 * i]];
        int low = digits[(uint8_t)text.ptr[3 + 2 * i]];

        ASSERT((high | low) >= 0);
        to[i] = (uint8_t)(high << 4 | low);
    }
    return count;
}

void pg_result_free(struct pg_result *result)
{
    PQclear(result);
}

void pg_result_freep(struct pg_result **result)
{
    PQclear(*result);
    *result = NULL;
}
