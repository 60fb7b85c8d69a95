#pragma once
/* Frames: what a worker tells of a run while it works, to whoever listens. Pure.
 *
 * A frame is a piece of the reply that a model is making, or says that something was stored. Each
 * piece says where it begins, so a listener that has it already, or a part of it, knows; and one
 * that misses what came before it knows that, too. Nothing in a frame is the truth: that is what
 * Postgres holds, where the reply comes to stand under the id that its frames have (message_of,
 * step_of below), or never.
 *
 * In bytes, numbers in little-endian order: kind (1), run (16), reply (16), number (4), offset (4),
 * length of the text (4), writes (4), thought (4), length of the name (1), text, name. Frames stand
 * behind each other. They come over Redis, where anybody might write, so reading takes nothing for
 * granted.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

enum frame_kind {
    FRAME_STORED = 1, /* something of the run was stored: it is to be looked at. Who asked for its
                       * thread is told the same of the thread, whose id is in `run` */
    FRAME_TEXT,       /* text of the answer */
    FRAME_REFUSAL,    /* the same, of one that refuses */
    FRAME_REASONING,  /* what it thinks before it answers */
    FRAME_CALL,       /* call `number` begins: text is its id (may be empty), name its tool;
                      * offset: bytes of the answer's text that came before */
    FRAME_ARGUMENTS,  /* arguments of call `number` */
};

#define FRAME_TEXT_MAX ((size_t)16 << 10)

struct frame {
    enum frame_kind kind;
    struct uuid run;
    struct uuid reply;
    uint32_t number;
    uint32_t offset;  /* bytes of the same that came before */
    uint32_t writes;  /* of the run, before the reply began: who knows of fewer has missed some */
    uint32_t thought; /* bytes of FRAME_REASONING that came before; of texts and calls */
    struct text text;
    struct text name; /* at most 255 bytes */
};

/* Appends a frame; a text above FRAME_TEXT_MAX becomes several. */
void frame_write(struct buf *out, const struct frame *frame);

/* Takes the next frame off the front. False: there is none, or what stands there is no frame. */
MUSTCHECK bool frame_next(struct text *bytes, struct frame *out);

/* The ids under which a reply is stored: its message, the step of that message, and the step of its
 * calls. That of calls which stand behind a text is another one, since it may have been told of
 * them before it was known that there is a text. */
static inline struct uuid reply_message(struct uuid reply)
{
    return reply;
}

static inline struct uuid reply_message_step(struct uuid reply)
{
    return uuid_derived(reply, 1);
}

static inline struct uuid reply_calls_step(struct uuid reply, bool behind_text)
{
    return uuid_derived(reply, behind_text ? 3 : 2);
}
