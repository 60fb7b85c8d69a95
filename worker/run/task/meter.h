#pragma once
/* What a run has used up, and whether it may go on: tokens, model calls, attempts. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"

#define METER_TOKENS_MAX ((int64_t)1 << 40) /* of one call; contexts have millions */

/* Of the whole run, all its attempts together; 0: no limit. */
struct run_budgets {
    int64_t max_prompt_tokens;
    int64_t max_completion_tokens;
    int64_t max_iterations;
};

struct meter {
    int64_t prompt_tokens; /* in all, this run */
    int64_t completion_tokens;
    int64_t unsaved_prompt_tokens; /* since the last checkpoint */
    int64_t unsaved_completion_tokens;
    int iterations;    /* model calls answered, in all attempts of this run */
    int attempts;      /* counted failures of model calls since the last that succeeded */
    int attempts_told; /* of them, what the run's row holds already */
    int limited;       /* rate limits of model calls since then, on this worker */
};

/* Where the run stands, as its row says. */
void meter_begin(struct meter *meter, const struct run_claim *claim);

/* Counts a call that was answered. Its numbers come from outside: they are clamped in place, to 0
 * and METER_TOKENS_MAX, so that no sum of a run overflows and no row is refused for one. */
void meter_add_reply(struct meter *meter, struct chat_usage *usage);

/* The same of a call that failed, and cost something all the same. */
void meter_add_failure(struct meter *meter, struct chat_usage *usage);

/* What was used is stored. */
void meter_saved(struct meter *meter);

/* What is left of the output budget; 0: no limit, negative: nothing. */
int64_t meter_output_left(const struct meter *meter, const struct run_budgets *budgets);

/* The budget that is used up, in the word that is a run's incomplete reason; NULL: none. */
const char *meter_used_up(const struct meter *meter, const struct run_budgets *budgets);
