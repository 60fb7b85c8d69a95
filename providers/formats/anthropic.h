#pragma once
/* The halves of Anthropic's Messages format; see struct provider for the contracts. All pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;
struct json_write;
struct provider_wire;

MUSTCHECK int anthropic_encode(const struct provider_target *target,
                               const struct chat_request *request, struct provider_wire *wire,
                               struct error *err);
MUSTCHECK enum decode_result anthropic_read_event(struct provider_decoder *decoder,
                                                  struct text name, struct text json);
MUSTCHECK enum decode_result anthropic_read_whole(struct provider_decoder *decoder,
                                                  struct text json);
void anthropic_close(struct provider_decoder *decoder);

/* Writes "messages". Returns 0, or -E_INVALID for an image that the API does not take: what was
 * written is then of no use. */
MUSTCHECK int anthropic_write_messages(struct json_write *write,
                                       const struct provider_target *target,
                                       const struct chat_request *request, struct error *err);
