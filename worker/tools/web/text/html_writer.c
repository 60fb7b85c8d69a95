#include "worker/tools/web/text/html_writer.h"

#include "shared/base/utf8.h"
#include "worker/tools/web/text/html_entity.h"

#define NO_BREAK_SPACE 0xa0U

void html_writer_init(struct html_writer *writer, struct buf *out)
{
    *writer = (struct html_writer){.out = out};
}

void html_writer_break(struct html_writer *writer, int lines)
{
    if (writer->lines < lines)
        writer->lines = lines;
    writer->blank = false;
}

bool html_writer_in_line(const struct html_writer *writer)
{
    return writer->lines == 0 && writer->out->len > writer->line_start;
}

/* What is due before a word. */
static void settle(struct html_writer *writer)
{
    struct buf *out = writer->out;

    if (writer->lines > 0 && out->len > 0)
        buf_add(out, "\n\n", writer->lines > 1 ? 2 : 1);
    if (writer->lines > 0)
        writer->line_start = out->len;
    else if (writer->blank && out->len > writer->line_start)
        buf_add_char(out, ' ');
    writer->lines = 0;
    writer->blank = false;
    if (writer->bullet)
        buf_add_string(out, writer->bullet);
    writer->bullet = NULL;
}

void html_writer_mark(struct html_writer *writer, const char *mark)
{
    settle(writer);
    buf_add_string(writer->out, mark);
}

/* What is not seen, and only hides words from people or turns them around. */
static bool is_unseen(uint32_t code)
{
    return (code < ' ' && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
           code == 0xad || code == 0x200b || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff || (code >= 0xfff0 && code <= 0xfffb) ||
           (code >= 0xe0000 && code <= 0xe0fff);
}

static bool is_blank(uint32_t code)
{
    return code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == '\f' ||
           code == NO_BREAK_SPACE;
}

static uint32_t decode(const char *at, size_t len)
{
    const unsigned char *byte = (const unsigned char *)at;

    switch (len) {
    case 1:
        return byte[0];
    case 2:
        return (byte[0] & 0x1fU) << 6 | (byte[1] & 0x3fU);
    case 3:
        return (byte[0] & 0x0fU) << 12 | (byte[1] & 0x3fU) << 6 | (byte[2] & 0x3fU);
    default:
        return (byte[0] & 0x07U) << 18 | (byte[1] & 0x3fU) << 12 | (byte[2] & 0x3fU) << 6 |
               (byte[3] & 0x3fU);
    }
}

static void put(struct html_writer *writer, uint32_t code)
{
    char bytes[4];

    if (is_blank(code) && !writer->as_is) {
        writer->blank = true;
        return;
    }
    if (code == NO_BREAK_SPACE)
        code = ' ';
    else if (is_unseen(code))
        return;
    settle(writer);
    buf_add(writer->out, bytes, html_utf8_put(code, bytes));
    if (code == '\n')
        writer->line_start = writer->out->len;
}

/* Plain letters are most of a text: they go as one. */
static size_t plain_run(struct text text)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] > ' ' && text.ptr[len] < 0x7f && text.ptr[len] != '&')
        len++;
    return len;
}

void html_writer_text(struct html_writer *writer, struct text text)
{
    while (text.len > 0) {
        size_t len = plain_run(text);
        uint32_t code;

        if (len > 0) {
            settle(writer);
            buf_add(writer->out, text.ptr, len);
        } else if ((len = html_entity_read(text, &code)) > 0) {
            put(writer, code);
        } else {
            len = utf8_sequence(text.ptr, text.len);
            if (len > 0)
                put(writer, decode(text.ptr, len));
            else
                len = 1; /* no UTF-8 */
        }
        text = (struct text){text.ptr + len, text.len - len};
    }
}
