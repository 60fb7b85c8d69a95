#pragma once
/* Inside this folder: a provider is asked for vectors, as any call of a model is made: through the
 * gate, within the budgets of the tenant and the user, and counted. */

#include "providers/reply/embedding.h"
#include "providers/vectors/vectors_internal.h"

/* Asks for the vectors of `count` texts, and once more where that may help. Returns 0 with *out,
 * whose arena is set; VECTORS_AWAY with *err; -E_CANCELED, or -E_LIMIT. */
SUSPENDS MUSTCHECK int vectors_of_provider(struct making *making, const struct text *texts,
                                           size_t count, struct embedding_reply *out,
                                           struct error *err);
