/* Slots and their reserve. */

#include "worker/intake/slots.h"

#define RESERVE_PART 16
#define RESERVE_FROM 8 /* fewer slots have no reserve */

size_t slots_reserve(size_t slots)
{
    size_t reserve = slots / RESERVE_PART;

    return slots < RESERVE_FROM ? 0 : (reserve ? reserve : 1);
}

static size_t left(size_t slots, size_t taken)
{
    return taken < slots ? slots - taken : 0;
}

size_t slots_free(size_t slots, size_t busy)
{
    return left(slots, busy + slots_reserve(slots));
}

size_t slots_free_express(size_t slots, size_t busy, size_t promised)
{
    size_t free_ones = left(slots, busy + promised);
    size_t reserve = slots_reserve(slots);

    return free_ones < reserve ? free_ones : reserve;
}
