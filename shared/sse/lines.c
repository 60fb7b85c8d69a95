/* Lines out of pieces. */

#include "shared/sse/lines.h"

#include "shared/base/error.h"

void lines_init(struct lines *lines, size_t max_bytes, bool cr_ends)
{
    *lines = (struct lines){.cr_ends = cr_ends};
    buf_init(&lines->kept, max_bytes);
}

void lines_deinit(struct lines *lines)
{
    buf_deinit(&lines->kept);
}

static void drop(struct text *bytes, size_t count)
{
    bytes->ptr += count;
    bytes->len -= count;
}

/* How many bytes there are before the end of a line; all of them when there is none. */
static size_t find_end(const struct lines *lines, struct text bytes)
{
    const char *lf = memchr(bytes.ptr, '\n', bytes.len);
    size_t len = lf ? (size_t)(lf - bytes.ptr) : bytes.len;
    const char *cr = lines->cr_ends ? memchr(bytes.ptr, '\r', len) : NULL;

    return cr ? (size_t)(cr - bytes.ptr) : len;
}

int lines_next(struct lines *lines, struct text *bytes, struct text *out, struct error *err)
{
    struct text line;
    size_t end;

    if (lines->kept_given)
        buf_reset(&lines->kept);
    lines->kept_given = false;
    if (lines->after_cr && bytes->len > 0) {
        drop(bytes, bytes->ptr[0] == '\n');
        lines->after_cr = false;
    }
    if (bytes->len == 0)
        return LINES_NONE;
    end = find_end(lines, *bytes);
    line = (struct text){bytes->ptr, end};
    if (end > lines->kept.limit - lines->kept.len)
        return error_set(err, E_LIMIT, "a line of more than %zu bytes", lines->kept.limit);
    if (end == bytes->len || lines->kept.len > 0) {
        buf_add_text(&lines->kept, line);
        line = buf_text(&lines->kept);
    }
    if (end == bytes->len) {
        drop(bytes, end);
        return LINES_NONE;
    }
    lines->kept_given = lines->kept.len > 0;
    lines->after_cr = bytes->ptr[end] == '\r';
    drop(bytes, end + 1);
    *out = line;
    return 0;
}

struct text lines_rest(struct lines *lines)
{
    if (lines->kept_given)
        return TEXT("");
    lines->kept_given = true;
    return buf_text(&lines->kept);
}
