#pragma once
/* OpenAI's Chat Completions format; see struct provider for the contracts. All pure. */

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

/* Member of a message in which servers of reasoning models give, and want back, their reasoning. A
 * reply's opaque_state is {"provider", "model", "message": {this: …}}: it goes back to the same
 * model, and to no other. */
#define OPENAI_CHAT_STATE_FIELD "reasoning_content"
