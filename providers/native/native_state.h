#pragma once
/* Conversations that a provider keeps, as a cache that may be dropped at any moment.
 *
 * Our thread is the truth. Where the operator allows it (native_state of a provider) and the
 * provider has words for it, a call is stored there, and what the provider calls it is noted with
 * the reply (reply/opaque_state.h), in the row and the transaction of its message: so it is there
 * exactly when its message is, goes with it, and no killed worker leaves one that is wrong.
 *
 *     {"id": what the provider calls it, "at": unix seconds, "of": a digest}
 *
 * The digest is of all that the note stands for: where it was sent and with which key, each message
 * that the model was given, and its reply. The next call looks at the newest reply of its
 * conversation: where the digest of what we would send up to there is the same, the provider need
 * not be sent it again. Whatever was left out, added, edited or deleted since, by whomever, makes
 * another digest, and so a whole request. A copy of a thread says the same, and may go on behind
 * the same note. Pure.
 */

#include "providers/provider.h"
#include "shared/agent/context_settings.h"
#include "shared/base/compiler.h"

/* OpenAI keeps a response for 30 days. */
#define NATIVE_STATE_TRUST_S ((int64_t)30 * 24 * 3600)

struct native_state {
    const struct provider_target *target; /* with the key that is used */
    enum context_strategy strategy;
    size_t left_out; /* messages of the conversation that are not sent */
    int64_t now_s;   /* unix seconds */
};

/* Sets of the request `store`, and where it may go on behind something `previous` and `known`; a
 * request that may not is left as it is. */
void native_state_use(const struct native_state *state, struct chat_request *request);

/* The same request, whole. */
void native_state_drop(struct chat_request *request);

/* Whether a request that went on behind something failed for a reason that a whole one may not
 * have. What is wrong with the request itself the whole one is told again. */
bool native_state_is_refused(const struct chat_request *request,
                             const struct provider_failure_info *failure);

/* Notes with the reply what the provider has kept of this request and of it, where it has. Returns
 * false when the arena is full. */
MUSTCHECK bool native_state_note(const struct native_state *state,
                                 const struct chat_request *request, struct chat_reply *reply);
