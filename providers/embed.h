#pragma once
/* Texts to vectors over HTTP: one call of a caller, as many requests as its texts need. No retries,
 * no limits, no fallbacks, as in call.h. */

#include "providers/reply/embedding.h"
#include "shared/base/compiler.h"

struct error;
struct http_client;

/* Asks the target's model for the vectors of all texts, one request after the other, each within
 * the provider's time-outs and all within the request's deadline. `out->arena` must be set, and
 * have room for 4 bytes a number. From the second request on the idempotency key is followed by the
 * number of the request's first text.
 * Returns
 *   0                with *out: all vectors in the order of the texts, what all requests cost, and
 *                    the limits that the last one told
 *   PROVIDER_FAILED  with *out_failure, also of what the requests before cost; none of it counts
 *   -E_CANCELED      the fiber was cancelled; the transfer is closed
 *   -E_INVALID       the provider makes no vectors, a text is empty, too long or no UTF-8, there
 *                    are none or too many, or what provider_call says
 *   -E_LIMIT, -E_SYSTEM, -E_INTERNAL  as of provider_call */
SUSPENDS MUSTCHECK int provider_embed(struct http_client *client,
                                      const struct provider_target *target,
                                      const struct embedding_request *request,
                                      struct embedding_reply *out,
                                      struct provider_failure_info *out_failure, struct error *err);
