#pragma once
/* The halves of OpenAI's Chat Completions format; see struct provider for the contracts. The last
 * is the server's side of it, for the rehearsal. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

MUSTCHECK int openai_chat_encode(const struct provider_target *target,
                                 const struct chat_request *request, struct provider_wire *wire,
                                 struct error *err);

MUSTCHECK enum decode_result openai_chat_read_event(struct provider_decoder *decoder,
                                                    struct text name, struct text json);
MUSTCHECK enum decode_result openai_chat_read_whole(struct provider_decoder *decoder,
                                                    struct text json);
void openai_chat_close(struct provider_decoder *decoder);

extern const struct provider_embedding openai_chat_embedding;

/* What a chat.completion has beside the reply. */
struct openai_chat_stamp {
    const char *id;     /* "chatcmpl-…" */
    int64_t created;    /* seconds */
    const char *finish; /* NULL: as the reply's */
};

/* Appends a reply as a chat.completion. */
void openai_chat_write_reply(const struct chat_reply *reply, const struct openai_chat_stamp *stamp,
                             struct buf *out);

/* Member of a message in which servers of reasoning models give, and want back, their reasoning. A
 * reply's opaque_state is {"provider", "model", "message": {this: …}}: it goes back to the same
 * model, and to no other. */
#define OPENAI_CHAT_STATE_FIELD "reasoning_content"
