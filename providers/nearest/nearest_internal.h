#pragma once
/* Inside this folder: vectors for the messages of a thread, a batch after the other. */

#include "providers/nearest/nearest.h"
#include "shared/store/vectors/message_vectors.h"

struct filling {
    const struct vectors_means *means;
    const struct store *store;
    const struct nearest_ask *ask;
    struct text model; /* "provider/model"; empty: it can't be asked, and words are noted alone */
    int64_t until_ms;  /* clock_ms: no batch is begun afterwards but the first */
    struct vectors_range range;
    bool is_new; /* none of the messages had vectors of this model */
};

/* Reads how far it is. Returns 0; VECTORS_AWAY: nothing is to be done without a model, since there
 * are vectors; or as the store does. */
SUSPENDS MUSTCHECK int nearest_fill_begin(struct filling *filling, struct error *err);

/* As many batches as there is time for, one at least. Returns 0; VECTORS_AWAY with *err;
 * -E_CANCELED, -E_LIMIT, or what pg_exec does. */
SUSPENDS MUSTCHECK int nearest_fill_go_on(struct filling *filling, size_t batches,
                                          struct error *err);

/* All messages below ask->below have theirs. */
bool nearest_fill_is_done(const struct filling *filling);
