#pragma once
/* What a provider wants back with a message although nobody else can read it: reasoning that is
 * encrypted, signatures of calls. It goes back to the model that it came from, verbatim, and to no
 * other. Stored as {"provider": "…", "model": "…", "message": THE FORMAT'S OWN, "kept": …}, where
 * "kept" tells what that provider has kept itself (providers/native/native_state.h). Pure.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

/* Wraps a format's own JSON for the message of a reply; of empty JSON *out is TEXT_NONE. Returns
 * false when the arena is full. */
MUSTCHECK bool opaque_state_make(const struct provider_target *target, struct text message,
                                 struct arena *arena, struct text *out);

/* Adds what the provider has kept, a JSON object, to a state that opaque_state_make made (or to
 * TEXT_NONE). Returns false when the arena is full. */
MUSTCHECK bool opaque_state_keep(const struct provider_target *target, struct text kept,
                                 struct arena *arena, struct text *state);

/* That again, a value of json_raw.h; TEXT_NONE as opaque_state_for. */
struct text opaque_state_kept(const struct provider_target *target, struct text state);

/* The format's own JSON out of a message's state, a value of json_raw.h. TEXT_NONE when it has
 * none, when it came from another model, or when it is broken: the reply is then merely less
 * good. */
struct text opaque_state_for(const struct provider_target *target, struct text state);
