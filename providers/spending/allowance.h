#pragma once
/* What a call of a model may come to, as its budgets count it (shared/limits/budget.h), and how
 * long its answer may be within what they grant. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/limits/budget.h"

/* Nobody says how long an answer may be, and no table does. */
#define ALLOWANCE_ANSWER_UNKNOWN 16384

struct embedding_request;

/* An answer that is no longer than this is not worth its call; and where a budget sends the run to
 * another model or lets it wait, this: better at once than in the midst of an answer. */
#define ALLOWANCE_ANSWER_LEAST 16
#define ALLOWANCE_ANSWER_WHOLE 1024

struct allowance_call {
    const struct model_prices *prices;
    int64_t input_tokens; /* estimated */
    int64_t answer_most;  /* tokens; 0: there is none (vectors) */
};

/* What a call reads, estimated: a conversation, or, where they are not NULL, the texts. */
int64_t allowance_input(const struct chat_request *request, const struct embedding_request *texts);

/* Of a call: `output_max` and `per_request` are what the run says of one answer, and of one call
 * with what it reads; 0: nothing. */
struct allowance_call allowance_of(const struct provider_target *target, int64_t input_tokens,
                                   int64_t output_max, int64_t per_request);

/* Whether there is room for an answer within `per_request`. */
bool allowance_fits(int64_t input_tokens, int64_t per_request);

struct budget_need allowance_need(const struct allowance_call *call, enum budget_at_limit at_limit);

/* How long an answer is within the amount that was granted: at most call->answer_most. */
int64_t allowance_answer(const struct allowance_call *call, const struct budget_amount *granted);
