#pragma once
/* The two halves of OpenAI's Chat Completions format; see struct provider for their contracts. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

MUSTCHECK int openai_chat_encode(const struct provider_target *target,
                                 const struct chat_request *request, struct provider_wire *wire,
                                 struct error *err);
MUSTCHECK int openai_chat_decode(const struct provider_target *target,
                                 const struct provider_response *response, struct chat_reply *out,
                                 struct provider_failure_info *out_failure);

/* {"provider","model","message":{…}}: what must be given back to the same model, and to no other.
 */
#define OPENAI_CHAT_STATE_FIELD "reasoning_content"
