#pragma once
/* How many runs may be taken. Pure.
 *
 * A sixteenth of the slots is a reserve for express hints, which are those of tenants that have
 * next to nothing in work: however many runs a tenant has, and however long they take, another's
 * first run finds a slot. */

#include "shared/base/compiler.h"

/* Slots that are kept for express hints; of `slots` in all. */
size_t slots_reserve(size_t slots);

/* Free for ordinary runs; `busy` are taken. */
size_t slots_free(size_t slots, size_t busy);

/* Free for express runs: no more than the reserve, and what `promised`, to those that are being
 * read for ordinary ones, leaves. */
size_t slots_free_express(size_t slots, size_t busy, size_t promised);
