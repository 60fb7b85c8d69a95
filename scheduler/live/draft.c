/* Putting a reply together from its pieces. */

#include "scheduler/live/draft.h"

#include <stdlib.h>

#include "shared/base/memory.h"

void draft_drop(struct draft *draft)
{
    if (uuid_is_zero(draft->reply))
        return;
    buf_deinit(&draft->text);
    buf_deinit(&draft->reasoning);
    for (size_t i = 0; i < draft->calls_count; i++) {
        buf_deinit(&draft->calls[i].id);
        buf_deinit(&draft->calls[i].name);
        buf_deinit(&draft->calls[i].arguments);
    }
    free(draft->calls);
    *draft = (struct draft){.gap = false};
}

/* Whether the frame is of this draft, or of a later one, which it is now. */
static bool is_of(struct draft *draft, const struct frame *frame)
{
    int order = memcmp(frame->reply.bytes, draft->reply.bytes, sizeof(frame->reply.bytes));

    if (uuid_is_zero(frame->reply) || order < 0)
        return false;
    if (order == 0)
        return true;
    draft_drop(draft);
    draft->reply = frame->reply;
    draft->writes = frame->writes;
    buf_init(&draft->text, DRAFT_BYTES_MAX);
    buf_init(&draft->reasoning, DRAFT_BYTES_MAX);
    return true;
}

static bool take_piece(struct draft *draft, struct buf *part, const struct frame *frame)
{
    struct text text = frame->text;
    size_t known = part->len;

    if (frame->offset > known) {
        draft->gap = true;
        return false;
    }
    known -= frame->offset;
    if (known >= text.len)
        return false;
    text.ptr += known;
    text.len -= known;
    draft->full = draft->bytes + text.len > DRAFT_BYTES_MAX;
    if (draft->full)
        return false;
    if (!text_is_utf8(text)) /* a piece that begins within a character is none of this text */
        return false;
    buf_add_text(part, text);
    draft->bytes += text.len;
    return true;
}

static bool take_call(struct draft *draft, const struct frame *frame)
{
    struct draft_call *call;

    if (frame->number < draft->calls_count)
        return false;
    if (frame->offset > draft->text.len) {
        draft->gap = true;
        return false;
    }
    if (frame->number > draft->calls_count || draft->calls_count == DRAFT_CALLS_MAX) {
        draft->gap |= frame->number > draft->calls_count;
        return false;
    }
    draft->calls = xrealloc(draft->calls, (draft->calls_count + 1) * sizeof(*draft->calls));
    call = &draft->calls[draft->calls_count++];
    buf_init(&call->id, 0);
    buf_init(&call->name, 0);
    buf_init(&call->arguments, DRAFT_BYTES_MAX);
    buf_add_text(&call->id, text_prefix(frame->text, 128));
    buf_add_text(&call->name, frame->name);
    draft->bytes += call->id.len + call->name.len;
    return true;
}

bool draft_take(struct draft *draft, const struct frame *frame)
{
    if (frame->kind == FRAME_STORED || !is_of(draft, frame) || draft->full)
        return false;
    if (frame->thought > draft->reasoning.len) { /* it is told before the answer, or never */
        draft->gap = true;
        return false;
    }
    switch (frame->kind) {
    case FRAME_REFUSAL:
    case FRAME_TEXT:
        draft->refuses = frame->kind == FRAME_REFUSAL;
        return take_piece(draft, &draft->text, frame);
    case FRAME_REASONING:
        return take_piece(draft, &draft->reasoning, frame);
    case FRAME_CALL:
        return take_call(draft, frame);
    case FRAME_ARGUMENTS:
        if (frame->number < draft->calls_count)
            return take_piece(draft, &draft->calls[frame->number].arguments, frame);
        draft->gap = true;
        return false;
    case FRAME_STORED:
        break;
    }
    return false;
}
