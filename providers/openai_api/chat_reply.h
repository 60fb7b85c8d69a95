#pragma once
/* What a model answered, as OpenAI's chat completions say it: whole, or in chunks as it arrives.
 * Pure. */

#include "providers/chat_event.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct failure;

/* What is said of each completion, whatever it holds. */
struct chat_naming {
    const char *id;  /* "chatcmpl-…" */
    int64_t created; /* unix seconds */
    struct text model;
};

void chat_completion_write(struct buf *out, const struct chat_naming *naming,
                           const struct chat_reply *reply);

/* A stream of chunks. While nobody takes what is in `out`, pieces of one text become one: so a
 * client that reads slowly costs no more than the answer itself. */
struct chat_chunks {
    struct chat_naming naming;
    bool with_usage;
    struct buf out;  /* frames; the caller sends and resets it */
    struct buf held; /* of a text, not framed yet */
    enum chat_event_kind held_kind;
    size_t held_number;
    bool begun; /* the role was told */
};

void chat_chunks_init(struct chat_chunks *chunks, const struct chat_naming *naming,
                      bool with_usage);
void chat_chunks_deinit(struct chat_chunks *chunks);

/* What a model says. */
void chat_chunks_event(struct chat_chunks *chunks, const struct chat_event *event);

/* Frames what is held; to be called before `out` is sent. */
void chat_chunks_flush(struct chat_chunks *chunks);

/* The end of it: why it ended, what was used where that was asked for, and "[DONE]". */
void chat_chunks_end(struct chat_chunks *chunks, const struct chat_reply *reply);

/* An error, behind which nothing comes. */
void chat_chunks_error(struct chat_chunks *chunks, const struct failure *failure);
