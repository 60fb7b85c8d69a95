#pragma once
/* An amount that many share, such as the bytes that requests may hold: who takes some gives it
 * back, and who would take more than is left waits, in the order of arrival.
 *
 * The order counts: a large one that waits is not overtaken by small ones, or it would wait for
 * ever.
 */

#include "shared/base/compiler.h"
#include "shared/base/list.h"

struct error;

struct budget {
    size_t max;
    size_t used;
    struct list waiters;
};

/* `max` > 0. Nobody may wait, or have any of it, when its storage goes away. */
void budget_init(struct budget *budget, size_t max);

/* Takes `amount`, and waits until the deadline where it does not fit yet. What is more than
 * `max` is taken when all of it is free. Returns 0, -E_TIMEOUT or -E_CANCELED. */
SUSPENDS MUSTCHECK int budget_take(struct budget *budget, size_t amount, int64_t deadline_ms,
                                   struct error *err);

/* Takes it if it fits at once and nobody waits. */
MUSTCHECK bool budget_try(struct budget *budget, size_t amount);

/* Takes it without waiting, whether or not it fits: for what is held already. Others wait for
 * longer. */
void budget_charge(struct budget *budget, size_t amount);

/* Gives back all or a part of what was taken. */
void budget_give(struct budget *budget, size_t amount);
