/* Values of statements, and literals of arrays.
 *
 * Numbers, uuids and booleans are kept in network order inside the value, as they go over the wire
 * (binary format: no printing, no parsing). Texts are borrowed. Array elements of type text are
 * always quoted, so no word (NULL, empty, blanks, braces) needs a special case:
 * https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO
 */

#include "shared/postgres/postgres.h"

#include <inttypes.h>

#include "shared/postgres/statement.h"

struct pg_value pg_uuid(struct uuid value)
{
    struct pg_value out = {.type = 'u'};

    _Static_assert(sizeof(out.inline_bytes) == sizeof(value.bytes), "a uuid fits");
    memcpy(out.inline_bytes, value.bytes, sizeof(value.bytes));
    return out;
}

struct pg_value pg_int(int64_t value)
{
    struct pg_value out = {.type = 'i'};
    uint64_t wire = __builtin_bswap64((uint64_t)value);

    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire has the other order");
    memcpy(out.inline_bytes, &wire, sizeof(wire));
    return out;
}

struct pg_value pg_bool(bool value)
{
    struct pg_value out = {.type = 'b'};

    out.inline_bytes[0] = value ? 1 : 0;
    return out;
}

static struct pg_value borrow(char type, struct text value)
{
    if (!value.ptr)
        return pg_null();
    return (struct pg_value){.type = type, .text = value};
}

struct pg_value pg_text(struct text value)
{
    return borrow('t', value);
}

struct pg_value pg_string(const char *value)
{
    return borrow('t', text_of(value));
}

struct pg_value pg_json(struct text value)
{
    return borrow('j', value);
}

struct pg_value pg_json_as_written(struct text value)
{
    return borrow('w', value);
}

struct pg_value pg_bytes(struct text value)
{
    return borrow('y', value);
}

struct pg_value pg_array(char type, const struct buf *literal)
{
    ASSERT(type == 'U' || type == 'I' || type == 'T' || type == 'J');
    if (literal->failed) /* refused by pg_statement_check: half an array must never be stored */
        return (struct pg_value){.type = type, .text = {"", PG_LENGTH_OVERFLOWN}};
    ASSERT(literal->len >= 2);
    return (struct pg_value){.type = type, .text = buf_text(literal)};
}

struct pg_value pg_null(void)
{
    return (struct pg_value){.type = 0};
}

void pg_array_begin(struct buf *buf)
{
    buf_add_char(buf, '{');
}

/* An element never ends with '{': texts end with a quote. */
static void add_comma(struct buf *buf)
{
    if (buf->len > 0 && buf->ptr[buf->len - 1] != '{')
        buf_add_char(buf, ',');
}

void pg_array_add_text(struct buf *buf, struct text value)
{
    size_t start = 0;

    add_comma(buf);
    if (!value.ptr) {
        buf_add_string(buf, "NULL");
        return;
    }
    buf_add_char(buf, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != '"' && value.ptr[i] != '\\')
            continue;
        buf_add(buf, value.ptr + start, i - start);
        buf_add_char(buf, '\\');
        start = i;
    }
    buf_add(buf, value.ptr + start, value.len - start);
    buf_add_char(buf, '"');
}

void pg_array_add_uuid(struct buf *buf, struct uuid value)
{
    char text[UUID_TEXT_SIZE];

    add_comma(buf);
    uuid_format(value, text);
    buf_add_string(buf, text);
}

void pg_array_add_int(struct buf *buf, int64_t value)
{
    add_comma(buf);
    buf_printf(buf, "%" PRId64, value);
}

void pg_array_end(struct buf *buf)
{
    buf_add_char(buf, '}');
}
