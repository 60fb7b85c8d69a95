#include "scheduler/dispatch/tick/places.h"

#include <string.h>

#include "shared/base/arena.h"

bool places_init(struct places *places, struct arena *arena, size_t max)
{
    places->size = 8;
    while (places->size < 2 * max)
        places->size *= 2;
    places->ids = arena_calloc(arena, places->size, sizeof(const struct uuid *));
    places->at = arena_calloc(arena, places->size, sizeof(*places->at));
    return places->ids && places->at;
}

/* The tenant's slot, or the free one where it would be. The last bytes of an id are random. */
static size_t slot_of(const struct places *places, struct uuid tenant)
{
    uint32_t hash;
    size_t slot;

    memcpy(&hash, tenant.bytes + 12, sizeof(hash));
    slot = hash & (places->size - 1);
    while (places->ids[slot] && !uuid_equal(*places->ids[slot], tenant))
        slot = (slot + 1) & (places->size - 1);
    return slot;
}

size_t places_of(const struct places *places, struct uuid tenant)
{
    size_t slot = slot_of(places, tenant);

    return places->ids[slot] ? places->at[slot] : PLACE_NONE;
}

void places_add(struct places *places, const struct uuid *id, size_t place)
{
    size_t slot = slot_of(places, *id);

    ASSERT(!places->ids[slot]);
    places->ids[slot] = id;
    places->at[slot] = place;
}
