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

void pg_result_free(struct pg_result *result)
{
    PQclear(result);
}

void pg_result_freep(struct pg_result **result)
{
    PQclear(*result);
    *result = NULL;
}
