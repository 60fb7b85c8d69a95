/* The parts of a reply: written in the order in which they come, and walked along. */

#include "providers/reply/reply_parts.h"

#include "shared/base/error.h"
#include "shared/json/json_write.h"

/* ---- writing ---- */

static void begin(struct buf *parts)
{
    buf_add_char(parts, parts->len == 0 ? '[' : ',');
}

void reply_parts_add_text(struct buf *parts, size_t bytes, struct text note)
{
    struct json_write write;

    begin(parts);
    json_write_init(&write, parts);
    json_write_open_object(&write, NULL);
    json_write_int(&write, "text", (int64_t)bytes);
    if (note.len > 0) {
        json_write_name(&write, "note");
        json_raw_write(note, parts);
    }
    json_write_close(&write);
}

void reply_parts_add_call(struct buf *parts)
{
    begin(parts);
    buf_add_string(parts, "{\"call\":true}");
}

void reply_parts_begin_item(struct buf *parts)
{
    begin(parts);
    buf_add_string(parts, "{\"item\":");
}

void reply_parts_end_item(struct buf *parts)
{
    buf_add_char(parts, '}');
}

/* What a part is; of a piece of text with its bytes. */
static enum reply_part kind_of(struct text part, int64_t *out_bytes)
{
    if (json_raw_get(part, "item").ptr)
        return REPLY_PART_ITEM;
    if (json_raw_get(part, "call").ptr)
        return REPLY_PART_CALL;
    if (json_raw_int(json_raw_get(part, "text"), out_bytes) && *out_bytes > 0)
        return REPLY_PART_TEXT;
    return REPLY_PART_NONE;
}

/* More than the message itself does. */
static bool says_something(struct text parts)
{
    struct json_raw_walk walk;
    struct text part;
    int64_t bytes;

    json_raw_begin(parts, &walk);
    while (json_raw_next(&walk, &part))
        if (kind_of(part, &bytes) == REPLY_PART_ITEM || json_raw_get(part, "note").ptr)
            return true;
    return false;
}

void reply_parts_close(struct buf *parts)
{
    if (parts->len > 0)
        buf_add_char(parts, ']');
    if (parts->failed || !says_something(buf_text(parts)))
        buf_reset(parts);
}

/* ---- walking ---- */

/* Whether a text may be cut there: at its end, or before a character. */
static bool is_cut(struct text text, size_t at)
{
    return at == text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

/* All of the text and of the calls, in pieces that are whole characters. */
static bool fits(const struct chat_message *message, struct text parts)
{
    struct json_raw_walk walk;
    struct text part;
    size_t calls = 0;
    size_t at = 0;

    if (json_raw_type(parts) != JSON_RAW_ARRAY)
        return false;
    json_raw_begin(parts, &walk);
    while (json_raw_next(&walk, &part)) {
        int64_t bytes;
        enum reply_part kind = kind_of(part, &bytes);

        calls += kind == REPLY_PART_CALL;
        if (kind != REPLY_PART_TEXT)
            continue;
        if ((uint64_t)bytes > message->text.len - at)
            return false;
        at += (size_t)bytes;
        if (!is_cut(message->text, at))
            return false;
    }
    return at == message->text.len && calls == message->tool_calls_count;
}

void reply_parts_walk(const struct chat_message *message, struct text parts,
                      struct reply_parts_walk *walk)
{
    *walk = (struct reply_parts_walk){.message = message, .has_parts = fits(message, parts)};
    if (walk->has_parts)
        json_raw_begin(parts, &walk->parts);
}

static enum reply_part give_text(struct reply_parts_walk *walk, size_t bytes, struct text note)
{
    walk->text = (struct text){walk->message->text.ptr + walk->text_bytes, bytes};
    walk->text_bytes += bytes;
    walk->note = note;
    return REPLY_PART_TEXT;
}

static enum reply_part give_call(struct reply_parts_walk *walk)
{
    walk->call = &walk->message->tool_calls[walk->calls++];
    return REPLY_PART_CALL;
}

static enum reply_part next_of_parts(struct reply_parts_walk *walk)
{
    struct text part;
    int64_t bytes;

    while (json_raw_next(&walk->parts, &part))
        switch (kind_of(part, &bytes)) {
        case REPLY_PART_ITEM:
            walk->item = json_raw_get(part, "item");
            return REPLY_PART_ITEM;
        case REPLY_PART_TEXT:
            return give_text(walk, (size_t)bytes, json_raw_get(part, "note"));
        case REPLY_PART_CALL:
            return give_call(walk);
        case REPLY_PART_NONE:
            break;
        }
    return REPLY_PART_NONE;
}

enum reply_part reply_parts_next(struct reply_parts_walk *walk)
{
    const struct chat_message *message = walk->message;

    if (walk->has_parts)
        return next_of_parts(walk);
    if (walk->text_bytes < message->text.len)
        return give_text(walk, message->text.len, TEXT_NONE);
    return walk->calls < message->tool_calls_count ? give_call(walk) : REPLY_PART_NONE;
}
