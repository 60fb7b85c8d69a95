#pragma once
/* The halves of Ollama's own format; see struct provider for the contracts. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/json/json_write.h"

MUSTCHECK int ollama_encode(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err);

MUSTCHECK enum decode_result ollama_read_event(struct provider_decoder *decoder, struct text name,
                                               struct text json);
MUSTCHECK enum decode_result ollama_read_whole(struct provider_decoder *decoder, struct text json);
void ollama_close(struct provider_decoder *decoder);

extern const struct provider_embedding ollama_embedding;

/* The server makes room for all of a context at once. A model of 8 billion parameters needs some
 * 128 KiB for each token: 4 GiB for this many, beside its 5 GiB, and 16 GiB for the 131,072 that
 * tables of models name. Whoever has those says so in the configuration. */
#define OLLAMA_CONTEXT_UNASKED_MAX 32768

/* Member of a reply's state with what the model thought before it called. */
#define OLLAMA_STATE_FIELD "thinking"
