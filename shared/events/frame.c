/* Frames, as bytes. */

#include "shared/events/frame.h"

#include "shared/base/utf8.h"

#define HEAD_BYTES 54

static void put_u32(char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(value >> (8 * i));
}

static uint32_t get_u32(const char *from)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)from[i] << (8 * i);
    return value;
}

static void write_one(struct buf *out, const struct frame *frame, struct text text, uint32_t offset)
{
    char head[HEAD_BYTES];

    head[0] = (char)frame->kind;
    memcpy(head + 1, frame->run.bytes, 16);
    memcpy(head + 17, frame->reply.bytes, 16);
    put_u32(head + 33, frame->number);
    put_u32(head + 37, offset);
    put_u32(head + 41, (uint32_t)text.len);
    put_u32(head + 45, frame->writes);
    put_u32(head + 49, frame->thought);
    head[53] = (char)frame->name.len;
    buf_add(out, head, sizeof(head));
    buf_add_text(out, text);
    buf_add_text(out, frame->name);
}

void frame_write(struct buf *out, const struct frame *frame)
{
    struct text rest = frame->text;
    uint32_t offset = frame->offset;

    ASSERT(frame->name.len <= UINT8_MAX);
    do {
        struct text piece = text_prefix(rest, FRAME_TEXT_MAX);

        write_one(out, frame, piece, offset);
        rest.ptr += piece.len;
        rest.len -= piece.len;
        offset += (uint32_t)piece.len;
    } while (rest.len > 0);
}

bool frame_next(struct text *bytes, struct frame *out)
{
    const char *at = bytes->ptr;
    struct frame frame;
    size_t len;

    if (bytes->len < HEAD_BYTES || at[0] < FRAME_STORED || at[0] > FRAME_ARGUMENTS)
        return false;
    frame.kind = (enum frame_kind)at[0];
    memcpy(frame.run.bytes, at + 1, 16);
    memcpy(frame.reply.bytes, at + 17, 16);
    frame.number = get_u32(at + 33);
    frame.offset = get_u32(at + 37);
    frame.text = (struct text){at + HEAD_BYTES, get_u32(at + 41)};
    frame.writes = get_u32(at + 45);
    frame.thought = get_u32(at + 49);
    frame.name.len = (unsigned char)at[53];
    if (frame.text.len > FRAME_TEXT_MAX ||
        bytes->len - HEAD_BYTES < frame.text.len + frame.name.len)
        return false;
    frame.name.ptr = frame.text.ptr + frame.text.len;
    if (!text_is_utf8(frame.text) || !text_is_utf8(frame.name))
        return false;
    len = HEAD_BYTES + frame.text.len + frame.name.len;
    bytes->ptr += len;
    bytes->len -= len;
    *out = frame;
    return true;
}
