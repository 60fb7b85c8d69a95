#pragma once
/* What calls under way hold of budgets that runs of several workers spend. What is spent is
 * Postgres' to say (store/budgets); what is held is in Redis alone, beside the limits, by the rules
 * of budget.h (budget_holds.lua).
 *
 * A run holds something from before its call until what that cost is stored and read again as
 * spent, so at no time it is in neither of them. It makes one call at a time, and holds one amount.
 * What is not given back in time is given up: its worker is gone.
 *
 * Redis may forget all of it at any time. So it has an epoch, which is another one then; for a
 * while nothing is granted (BUDGET_BUSY), and whoever finds a new epoch tells again what he
 * holds. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/limits/budget.h"

struct error;
struct redis;

#define BUDGET_HOLDS_MAX     8
#define BUDGET_HOLD_KEY_SIZE 80
#define BUDGET_PERIOD_SIZE   16

struct budget_hold {
    char key[BUDGET_HOLD_KEY_SIZE];  /* names the budget in Redis */
    char period[BUDGET_PERIOD_SIZE]; /* in which `spent` is: the day on which it began */
    struct budget_amount max;        /* 0: no limit */
    struct budget_amount spent;      /* as far as the caller knows */
    struct budget_need need;
    enum budget_answer answer;    /* of budget_holds_take */
    struct budget_amount granted; /* the same */
};

/* Asks all of them, and holds what they grant for up to for_ms, or nothing where one does not.
 * Returns 0 with the answers, or what redis_script does: nothing is known to be held then. */
SUSPENDS MUSTCHECK int budget_holds_take(struct redis *redis, struct text run,
                                         struct budget_hold *holds, size_t count, int64_t for_ms,
                                         struct error *err);

/* What it came to, until that is known as spent. Waits for nothing. */
void budget_holds_settle(struct redis *redis, struct text run, const struct budget_hold *holds,
                         size_t count, const struct budget_amount *amount, int64_t for_ms);

/* It is: holds[].spent has it. Waits for nothing. */
void budget_holds_release(struct redis *redis, struct text run, const struct budget_hold *holds,
                          size_t count);

/* Since when Redis remembers. Returns 0, or what redis_script does. */
SUSPENDS MUSTCHECK int budget_holds_epoch(struct redis *redis, int64_t *out, struct error *err);

/* Tells Redis again what holds[].granted says, for for_ms from now on. Waits for nothing. */
void budget_holds_restore(struct redis *redis, struct text run, const struct budget_hold *holds,
                          size_t count, int64_t for_ms);
