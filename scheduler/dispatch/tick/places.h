#pragma once
/* Which place a tenant has in a list, found in one look however many there are. Pure; its memory is
 * an arena's. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct arena;

#define PLACE_NONE SIZE_MAX

struct places {
    const struct uuid **ids; /* an open hash, at most half full; NULL: free */
    size_t *at;
    size_t size; /* a power of 2 */
};

/* Room for `max` tenants. False: the arena is full. */
MUSTCHECK bool places_init(struct places *places, struct arena *arena, size_t max);

/* The tenant's place, or PLACE_NONE. */
size_t places_of(const struct places *places, struct uuid tenant);

/* A tenant that has none yet; `id` must live as long. */
void places_add(struct places *places, const struct uuid *id, size_t place);
