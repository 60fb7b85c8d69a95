#pragma once
/* The halves of Google's Gemini format; see struct provider for the contracts. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

MUSTCHECK int gemini_encode(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err);

MUSTCHECK enum decode_result gemini_read_event(struct provider_decoder *decoder, struct text name,
                                               struct text json);
MUSTCHECK enum decode_result gemini_read_whole(struct provider_decoder *decoder, struct text json);
void gemini_close(struct provider_decoder *decoder);

/* The model as a resource: "models/gemini-3-flash", also of a target that is named so already. */
void gemini_add_model(const struct provider_target *target, struct buf *out);

/* The path behind the base_url of what is to be done with the model, escaped:
 * "/models/gemini-3-flash:generateContent". */
void gemini_add_path(const struct provider_target *target, const char *what, struct buf *out);

#define GEMINI_KEY_HEADER     "x-goog-api-key"
#define GEMINI_PATH_BYTES_MAX ((size_t)PROVIDER_MODEL_SIZE * 3 + 64)

extern const struct provider_embedding gemini_embedding;

/* Member of a reply's state with a signature or null for each of its calls. */
#define GEMINI_STATE_FIELD "signatures"
