/* The format of dev.env. */

#include "scheduler/cli/dev/environment_file.h"

void environment_render(const struct environment_entry *entries, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "export %s='", entries[i].name);
        for (const char *c = entries[i].value; *c; c++)
            if (*c == '\'')
                buf_add_string(out, "'\\''");
            else
                buf_add_char(out, *c);
        buf_add_string(out, "'\n");
    }
}

static void unquote(struct text value, struct buf *out)
{
    bool quoted = false;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '\'')
            quoted = !quoted;
        else if (c == '\\' && !quoted && i + 1 < value.len)
            buf_add_char(out, value.ptr[++i]);
        else
            buf_add_char(out, c);
    }
}

bool environment_find(struct text file, const char *name, struct buf *out)
{
    struct text line;
    bool more = true;

    while (more) {
        struct text key;
        struct text value;

        more = text_cut(file, '\n', &line, &file);
        line = text_trim(more ? line : file);
        if (text_starts(line, "export ")) {
            line.ptr += 7;
            line.len -= 7;
        }
        if (text_cut(line, '=', &key, &value) && text_is(key, name)) {
            unquote(value, out);
            return true;
        }
    }
    return false;
}
