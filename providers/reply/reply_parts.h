#pragma once
/* In which order the parts of a reply came: pieces of its text, its calls, and between them what
 * the provider wants back in that place (thinking that is signed, reasoning that is encrypted). The
 * message that is stored has text and calls only; the parts are its opaque state (opaque_state.h):
 *
 *     [{"item": JSON OF THE FORMAT}, {"text": 12}, {"call": true}]
 *
 * is an item, then the first 12 bytes of the text, then the first call. A format writes them while
 * it decodes and walks along them when it encodes. Parts that do not fit the message any more,
 * since its text or calls were changed, count as none. Pure.
 */

#include "providers/chat.h"
#include "shared/base/compiler.h"
#include "shared/json/json_raw.h"

/* Each appends a part; `parts` is empty before the first. The note is a value of json_raw.h that a
 * format wants to know of a piece of text again, or TEXT_NONE. */
void reply_parts_add_text(struct buf *parts, size_t bytes, struct text note);
void reply_parts_add_call(struct buf *parts);
void reply_parts_begin_item(struct buf *parts); /* then append a value, strict JSON */
void reply_parts_end_item(struct buf *parts);

/* After the last. A list that has become too long is dropped, and one without items and notes,
 * which says nothing. */
void reply_parts_close(struct buf *parts);

enum reply_part {
    REPLY_PART_NONE, /* that was the last */
    REPLY_PART_ITEM,
    REPLY_PART_TEXT,
    REPLY_PART_CALL,
};

/* Goes through an assistant's message: by its parts or, where there are none that fit it, its text
 * and then its calls. Borrows all of it.
 *
 *     reply_parts_walk(message, opaque_state_for(target, message->opaque_state), &walk);
 *     while ((part = reply_parts_next(&walk)) != REPLY_PART_NONE)
 */
struct reply_parts_walk {
    const struct chat_message *message;
    struct json_raw_walk parts;
    bool has_parts;
    size_t text_bytes; /* that were given out */
    size_t calls;

    struct text item; /* of REPLY_PART_ITEM: a value of json_raw.h */
    struct text text; /* of REPLY_PART_TEXT: not empty */
    struct text note; /* of REPLY_PART_TEXT: a value, as it was given to add_text, or TEXT_NONE */
    const struct chat_tool_call *call; /* of REPLY_PART_CALL */
};

/* `parts` is a value of json_raw.h, or TEXT_NONE. */
void reply_parts_walk(const struct chat_message *message, struct text parts,
                      struct reply_parts_walk *walk);
MUSTCHECK enum reply_part reply_parts_next(struct reply_parts_walk *walk);
