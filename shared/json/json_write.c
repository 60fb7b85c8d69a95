/* Writing JSON text. The two words of bits are the stack: one bit a level tells whether a comma is
 * due, the other with what the level is closed. */

#include "shared/json/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_write_init(struct json_write *write, struct buf *out)
{
    *write = (struct json_write){.out = out};
}

static uint64_t level(const struct json_write *write)
{
    return (uint64_t)1 << write->depth;
}

void json_write_name(struct json_write *write, const char *name)
{
    uint64_t bit = level(write);

    ASSERT(!name == (write->depth == 0 || (write->arrays & bit)));
    if (write->filled & bit)
        buf_add_char(write->out, ',');
    write->filled |= bit;
    if (!name)
        return;
    buf_add_char(write->out, '"');
    buf_add_string(write->out, name);
    buf_add(write->out, "\":", 2);
}

static void open(struct json_write *write, const char *name, bool array)
{
    json_write_name(write, name);
    buf_add_char(write->out, array ? '[' : '{');
    ASSERT(write->depth < JSON_WRITE_DEPTH);
    write->depth++;
    write->filled &= ~level(write);
    if (array)
        write->arrays |= level(write);
    else
        write->arrays &= ~level(write);
}

void json_write_open_object(struct json_write *write, const char *name)
{
    open(write, name, false);
}

void json_write_open_array(struct json_write *write, const char *name)
{
    open(write, name, true);
}

void json_write_close(struct json_write *write)
{
    ASSERT(write->depth > 0);
    buf_add_char(write->out, write->arrays & level(write) ? ']' : '}');
    write->depth--;
}

void json_write_text(struct json_write *write, const char *name, struct text value)
{
    json_write_name(write, name);
    if (value.ptr)
        buf_add_json(write->out, value);
    else
        buf_add_string(write->out, "null");
}

void json_write_text_if(struct json_write *write, const char *name, struct text value)
{
    if (value.ptr)
        json_write_text(write, name, value);
}

void json_write_string(struct json_write *write, const char *name, const char *value)
{
    json_write_text(write, name, text_of(value));
}

void json_write_int(struct json_write *write, const char *name, int64_t value)
{
    json_write_name(write, name);
    buf_add_int(write->out, value);
}

void json_write_int_text(struct json_write *write, const char *name, int64_t value)
{
    json_write_name(write, name);
    buf_add_char(write->out, '"');
    buf_add_int(write->out, value);
    buf_add_char(write->out, '"');
}

void json_write_bool(struct json_write *write, const char *name, bool value)
{
    json_write_name(write, name);
    buf_add_string(write->out, value ? "true" : "false");
}

void json_write_null(struct json_write *write, const char *name)
{
    json_write_name(write, name);
    buf_add_string(write->out, "null");
}

void json_write_double(struct json_write *write, const char *name, double value)
{
    char text[40];

    json_write_name(write, name);
    if (!isfinite(value)) {
        buf_add_string(write->out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_string(write->out, text);
}

void json_write_raw(struct json_write *write, const char *name, struct text json)
{
    json_write_name(write, name);
    if (json.ptr)
        buf_add_text(write->out, json);
    else
        buf_add_string(write->out, "null");
}

void json_write_raw_if(struct json_write *write, const char *name, struct text json)
{
    if (json.ptr)
        json_write_raw(write, name, json);
}

void json_write_uuid(struct json_write *write, const char *name, struct uuid value)
{
    char text[UUID_TEXT_SIZE];

    if (uuid_is_zero(value)) {
        json_write_null(write, name);
        return;
    }
    uuid_format(value, text);
    json_write_string(write, name, text);
}

void json_write_uuid_if(struct json_write *write, const char *name, struct uuid value)
{
    if (!uuid_is_zero(value))
        json_write_uuid(write, name, value);
}
