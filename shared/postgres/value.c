/* Values of statements, and arrays.
 *
 * Numbers, uuids and booleans are kept in network order inside the value, as they go over the wire
 * (binary format: no printing, no parsing). Texts are borrowed.
 *
 * An array is built as it goes over the wire, too (array_recv and array_send of the server): a
 * header, whose numbers are those of the elements so far, then each element behind its length. So
 * a buf is all that an array needs while it grows. It has one dimension and begins at 1.
 */

#include "shared/postgres/postgres.h"

#include "shared/postgres/statement.h"

/* Places in the header of an array; each holds 4 bytes. */
enum array_header {
    ARRAY_DIMENSIONS = 0,
    ARRAY_HAS_NULL = 4,
    ARRAY_ELEMENT_TYPE = 8,
    ARRAY_COUNT = 12,
    ARRAY_LOWER_BOUND = 16,
    ARRAY_HEADER_BYTES = 20,
};

#define LENGTH_BYTES  4
#define LENGTH_NULL   UINT32_MAX
#define JSONB_VERSION 1

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

static void put_number(char *at, uint32_t value)
{
    uint32_t wire = __builtin_bswap32(value);

    memcpy(at, &wire, sizeof(wire));
}

static uint32_t get_number(const char *at)
{
    uint32_t wire;

    memcpy(&wire, at, sizeof(wire));
    return __builtin_bswap32(wire);
}

struct pg_value pg_array(char type, struct buf *array)
{
    if (array->failed) /* refused by pg_statement_check: half an array must never be stored */
        return (struct pg_value){.type = type, .text = {"", PG_LENGTH_OVERFLOWN}};
    ASSERT(array->len >= ARRAY_HEADER_BYTES);
    put_number(array->ptr + ARRAY_ELEMENT_TYPE, pg_element_oid(type));
    return (struct pg_value){.type = type, .text = buf_text(array)};
}

struct pg_value pg_null(void)
{
    return (struct pg_value){.type = 0};
}

void pg_array_begin(struct buf *buf)
{
    char header[ARRAY_HEADER_BYTES] = {0};

    put_number(header + ARRAY_DIMENSIONS, 1);
    put_number(header + ARRAY_LOWER_BOUND, 1);
    buf_add(buf, header, sizeof(header));
}

size_t pg_array_count(const struct buf *buf)
{
    return buf->len > 0 ? get_number(buf->ptr + ARRAY_COUNT) : 0;
}

/* One more element of so many bytes, which the caller writes there; NULL when the buf is full. */
static char *add_element(struct buf *buf, size_t bytes)
{
    char *at = buf_reserve(buf, LENGTH_BYTES + bytes);

    if (!at)
        return NULL;
    put_number(buf->ptr + ARRAY_COUNT, get_number(buf->ptr + ARRAY_COUNT) + 1);
    put_number(at, (uint32_t)bytes);
    buf->len += LENGTH_BYTES + bytes;
    buf->ptr[buf->len] = '\0';
    return at + LENGTH_BYTES;
}

void pg_array_add_null(struct buf *buf)
{
    char *at = add_element(buf, 0);

    if (!at)
        return;
    put_number(at - LENGTH_BYTES, LENGTH_NULL);
    put_number(buf->ptr + ARRAY_HAS_NULL, 1);
}

void pg_array_pad(struct buf *buf, size_t count)
{
    while (!buf->failed && pg_array_count(buf) < count)
        pg_array_add_null(buf);
}

void pg_array_add_uuid(struct buf *buf, struct uuid value)
{
    char *at = add_element(buf, sizeof(value.bytes));

    if (at)
        memcpy(at, value.bytes, sizeof(value.bytes));
}

void pg_array_of_uuids(struct buf *buf, const struct uuid *ids, size_t count)
{
    pg_array_begin(buf);
    for (size_t i = 0; i < count; i++)
        pg_array_add_uuid(buf, ids[i]);
}

void pg_array_add_int(struct buf *buf, int64_t value)
{
    uint64_t wire = __builtin_bswap64((uint64_t)value);
    char *at = add_element(buf, sizeof(wire));

    if (at)
        memcpy(at, &wire, sizeof(wire));
}

void pg_array_add_bool(struct buf *buf, bool value)
{
    char *at = add_element(buf, 1);

    if (at)
        *at = value ? 1 : 0;
}

void pg_array_add_text(struct buf *buf, struct text value)
{
    char *at;

    if (!value.ptr) {
        pg_array_add_null(buf);
        return;
    }
    at = add_element(buf, value.len);
    if (at && value.len > 0)
        memcpy(at, value.ptr, value.len);
}

void pg_array_add_json(struct buf *buf, struct text value)
{
    char *at;

    if (!value.ptr) {
        pg_array_add_null(buf);
        return;
    }
    at = add_element(buf, 1 + value.len);
    if (!at)
        return;
    *at = JSONB_VERSION;
    memcpy(at + 1, value.ptr, value.len);
}
