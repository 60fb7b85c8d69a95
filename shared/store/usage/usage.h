#pragma once
/* What was used of models: tokens, and what they cost. A run and a thread hold sums; the hours of a
 * tenant hold sums by agent, provider and model (migrations/0011_usage.sql). */

#include "shared/store/store.h"

struct pg;

struct usage {
    int64_t prompt_tokens;     /* those of the cache included */
    int64_t completion_tokens; /* reasoning included */
    int64_t cached_tokens;     /* of the prompt, read from the provider's cache */
    int64_t cache_write_tokens;
    int64_t reasoning_tokens;
    int64_t cost_micros; /* millionths of a dollar */
};

void usage_add(struct usage *usage, const struct usage *more);

/* Of one model. */
struct model_usage {
    struct text provider;
    struct text model;
    int64_t calls;
    struct usage used;
};

/* Whose calls no run made, and the budgets that they count on (budgets_find). */
struct usage_owner {
    struct uuid tenant;
    struct text user; /* empty: nobody's */
    const struct uuid *budgets;
    size_t budgets_count;
};

/* Counts calls for the present hour and no agent, and on their budgets. Returns 0, or what pg_exec
 * does. */
SUSPENDS MUSTCHECK int usage_append(struct pg *pg, const struct usage_owner *owner,
                                    const struct model_usage *usage, struct error *err);

/* Adds rows that workers have appended to the hours, USAGE_FOLD_ROWS at once, and deletes hours
 * that are older than USAGE_KEEP_DAYS. Those that another scheduler is at are left to it.
 * *out_more: there may be more of them. Returns 0, or what pg_exec does. */
#define USAGE_FOLD_ROWS 20000
#define USAGE_KEEP_DAYS 400
SUSPENDS MUSTCHECK int usage_fold(struct pg *pg, bool *out_more, struct error *err);
