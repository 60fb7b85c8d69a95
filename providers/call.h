#pragma once
/* One call of a model over HTTP. No retries, no limits, no fallbacks: the caller decides on those
 * by the class of the failure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;
struct http_client;

/* Calls the target's model and waits for the complete reply, within the provider's time-outs and
 * the request's deadline. `out->arena` must be set. A reply may have four times the bytes of
 * request->answer_bytes_max and 1 MiB more; one that is compressed is decoded, and counted then.
 * Returns
 *   0                with *out, in form (reply_form.h)
 *   PROVIDER_FAILED  with *out_failure: whatever the provider or the way to it did wrong
 *   -E_CANCELED      the fiber was cancelled; the transfer is closed
 *   -E_INVALID       the request can't be encoded for this provider
 *   -E_LIMIT         the request is over 16 MiB */
SUSPENDS MUSTCHECK int provider_call(struct http_client *client,
                                     const struct provider_target *target,
                                     const struct chat_request *request, struct chat_reply *out,
                                     struct provider_failure_info *out_failure, struct error *err);
