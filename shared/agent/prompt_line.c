/* Lines of what is no instruction. */

#include "shared/agent/prompt_line.h"

size_t prompt_control_at(const char *at, size_t left)
{
    unsigned char c = (unsigned char)at[0];

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && left > 1 && (unsigned char)at[1] < 0xa0 ? 2 : 0;
}

/* Bytes of the line or paragraph separator at the start of a text. 0: it is none. */
static size_t separator_at(const char *at, size_t left)
{
    bool is = left > 2 && memcmp(at, "\xe2\x80", 2) == 0 && (at[2] == '\xa8' || at[2] == '\xa9');

    return is ? 3 : 0;
}

static void add_escape(const char *at, size_t len, struct buf *out)
{
    if (len == 3)
        buf_add_string(out, at[2] == '\xa8' ? "\\u2028" : "\\u2029");
    else if (*at == '\n')
        buf_add_string(out, "\\n");
    else if (*at == '\r')
        buf_add_string(out, "\\r");
    else
        buf_printf(out, "\\u%04x", (unsigned)(unsigned char)at[len - 1]);
}

void prompt_add_line(struct text text, struct buf *out)
{
    size_t done = 0;

    for (size_t i = 0; i < text.len;) {
        const char *at = text.ptr + i;
        size_t len = prompt_control_at(at, text.len - i);

        if (len == 0)
            len = separator_at(at, text.len - i);
        if (len == 0 || *at == '\t') {
            i++;
            continue;
        }
        buf_add(out, text.ptr + done, i - done);
        add_escape(at, len, out);
        done = i += len;
    }
    buf_add(out, text.ptr + done, text.len - done);
}
