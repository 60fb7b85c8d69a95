#pragma once
/* The halves of OpenAI's Responses format; see struct provider for the contracts. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;
struct provider_wire;

MUSTCHECK int openai_responses_encode(const struct provider_target *target,
                                      const struct chat_request *request,
                                      struct provider_wire *wire, struct error *err);
MUSTCHECK enum decode_result openai_responses_read_event(struct provider_decoder *decoder,
                                                         struct text name, struct text json);
MUSTCHECK enum decode_result openai_responses_read_whole(struct provider_decoder *decoder,
                                                         struct text json);
void openai_responses_close(struct provider_decoder *decoder);
