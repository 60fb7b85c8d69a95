#pragma once
/* Inside this folder: vectors while they are made. */

#include "providers/provider.h"
#include "providers/vectors/vectors.h"

struct making {
    const struct vectors_means *means;
    const struct vectors_ask *ask;
    struct arena *arena;                /* of what the caller is given */
    struct arena scratch;               /* of all else */
    struct provider_registry *registry; /* held, as the target borrows from it */
    struct provider_target target;
    const char *model; /* "provider/model" */
    bool nameless;     /* the run is gone: nothing has its user's name any more */

    /* Texts that say something, and their places among all. */
    struct text *texts;
    size_t *places;
    size_t count;

    struct text *items; /* of struct vectors */
    size_t dimensions;
};

/* A vector as a model gave it, as it is stored. Returns 0, VECTORS_AWAY with *err: it is none, or
 * -E_LIMIT. */
MUSTCHECK int vectors_take(const float *values, size_t dimensions, struct arena *arena,
                           struct text *out, struct error *err);

/* Each sets *err and returns what its caller returns then. */
int vectors_no_room(struct error *err);
#define vectors_away(err, ...) ((void)error_set((err), E_UNAVAILABLE, __VA_ARGS__), VECTORS_AWAY)
