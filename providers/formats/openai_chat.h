#pragma once
/* The halves of OpenAI's Chat Completions format; see struct provider for the contracts of the
 * first two. The third is the server's side of it, for the rehearsal. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

MUSTCHECK int openai_chat_encode(const struct provider_target *target,
                                 const struct chat_request *request, struct provider_wire *wire,
                                 struct error *err);

MUSTCHECK int openai_chat_finish(struct provider_decoder *decoder,
                                 const struct provider_response *response, struct chat_reply *out,
                                 struct provider_failure_info *out_failure);

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
