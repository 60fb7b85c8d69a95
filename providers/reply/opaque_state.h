#pragma once
/* What a provider wants back with a message although nobody else can read it: reasoning that is
 * encrypted, signatures of calls. It goes back to the model that it came from, verbatim, and to no
 * other. Stored as {"provider": "…", "model": "…", "message": THE FORMAT'S OWN}. Pure.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

/* Wraps a format's own JSON for the message of a reply; of empty JSON *out is TEXT_NONE. Returns
 * false when the arena is full. */
MUSTCHECK bool opaque_state_make(const struct provider_target *target, struct text message,
                                 struct arena *arena, struct text *out);

/* The format's own JSON out of a message's state, a value of json_raw.h. TEXT_NONE when it has
 * none, when it came from another model, or when it is broken: the reply is then merely less
 * good. */
struct text opaque_state_for(const struct provider_target *target, struct text state);
