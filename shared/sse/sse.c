/* Server-sent events. */

#include "shared/sse/sse.h"

#include <string.h>

#include "shared/base/error.h"

enum { NAME_MAX_BYTES = 256, ID_MAX_BYTES = 1024 };

void sse_init(struct sse_reader *reader, size_t max_bytes)
{
    *reader = (struct sse_reader){.began = false};
    lines_init(&reader->lines, max_bytes, true);
    buf_init(&reader->name, NAME_MAX_BYTES);
    buf_init(&reader->data, max_bytes + 1);
    buf_init(&reader->id, ID_MAX_BYTES);
}

void sse_deinit(struct sse_reader *reader)
{
    lines_deinit(&reader->lines);
    buf_deinit(&reader->name);
    buf_deinit(&reader->data);
    buf_deinit(&reader->id);
}

static void empty(struct sse_reader *reader)
{
    buf_reset(&reader->name);
    buf_reset(&reader->data);
    reader->has_data = reader->given = false;
}

/* A longer one, or one with a NUL, is none of those that are sent back; the one before stays. */
static void take_id(struct sse_reader *reader, struct text value)
{
    if (value.len > ID_MAX_BYTES || memchr(value.ptr, '\0', value.len))
        return;
    buf_reset(&reader->id);
    buf_add_text(&reader->id, value);
}

/* "name: value": one blank behind the colon is not part of the value. */
static int take_field(struct sse_reader *reader, struct text line, struct error *err)
{
    struct text name = line;
    struct text value = TEXT("");

    if (text_cut(line, ':', &name, &value) && text_starts(value, " "))
        value = (struct text){value.ptr + 1, value.len - 1};
    if (text_is(name, "event")) {
        buf_reset(&reader->name);
        buf_add_text(&reader->name, text_prefix(value, NAME_MAX_BYTES));
    } else if (text_is(name, "data")) {
        buf_add_text(&reader->data, value);
        buf_add_char(&reader->data, '\n');
        reader->has_data = true;
    } else if (text_is(name, "id")) {
        take_id(reader, value);
    }
    return buf_check(&reader->data, err) < 0
               ? error_set(err, E_LIMIT, "an event of more than %zu bytes", reader->data.limit - 1)
               : 0;
}

static void give(struct sse_reader *reader, struct sse_event *out)
{
    out->name = buf_text(&reader->name);
    out->data = buf_text(&reader->data);
    out->data.len--; /* the last line feed */
    out->id = buf_text(&reader->id);
    reader->given = true;
}

int sse_next(struct sse_reader *reader, struct text *bytes, struct sse_event *out,
             struct error *err)
{
    struct text line;
    int r;

    if (reader->given)
        empty(reader);
    for (;;) {
        r = lines_next(&reader->lines, bytes, &line, err);
        if (r != 0)
            return r;
        if (!reader->began && text_starts(line, "\xEF\xBB\xBF"))
            line = (struct text){line.ptr + 3, line.len - 3};
        reader->began = true;
        if (line.len > 0) {
            r = take_field(reader, line, err);
            if (r < 0)
                return r;
        } else if (reader->has_data) {
            give(reader, out);
            return 0;
        } else {
            empty(reader);
        }
    }
}

bool sse_end(struct sse_reader *reader, struct sse_event *out)
{
    struct text line = lines_rest(&reader->lines);

    if (reader->given)
        empty(reader);
    if (line.len > 0 && take_field(reader, line, NULL) < 0)
        return false;
    if (!reader->has_data)
        return false;
    give(reader, out);
    return true;
}

void sse_write(struct buf *out, struct text name, struct text data)
{
    size_t start = 0;

    if (name.len > 0) {
        buf_add_string(out, "event: ");
        buf_add_text(out, name);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i <= data.len; i++) {
        if (i < data.len && data.ptr[i] != '\n' && data.ptr[i] != '\r')
            continue;
        buf_add_string(out, "data: ");
        buf_add_text(out, (struct text){data.ptr ? data.ptr + start : "", i - start});
        buf_add_char(out, '\n');
        i += i + 1 < data.len && data.ptr[i] == '\r' && data.ptr[i + 1] == '\n';
        start = i + 1;
    }
    buf_add_char(out, '\n');
}
