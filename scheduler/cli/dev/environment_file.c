/* The format of dev.env, and reading it. */

#include "scheduler/cli/dev/environment_file.h"

#include "scheduler/cli/files.h"
#include "shared/base/memory.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

int environment_read(const char *folder, struct buf *out, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/" ENVIRONMENT_FILE, folder);
    int r;

    buf_init(out, FILE_BYTES_MAX);
    r = file_read(path, out, err);
    if (r < 0)
        buf_reset(out);
    return r;
}

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
