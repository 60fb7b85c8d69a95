/* What a call may come to. All of its input counts at the full price, since nobody knows before
 * what a provider has in its cache, and all of the answer at the dearer of its two prices. */

#include "providers/spending/allowance.h"

#include "providers/chat_tokens.h"
#include "providers/embed.h"
#include "providers/models/cost.h"

#define TOKENS_OF_PRICE 1000000

int64_t allowance_input(const struct chat_request *request, const struct embedding_request *texts)
{
    int64_t tokens = 0;

    if (!texts)
        return chat_tokens(request, TOKENS_O200K);
    for (size_t i = 0; i < texts->count; i++)
        tokens += tokens_estimate(texts->texts[i], TOKENS_O200K);
    return tokens;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t output_price(const struct model_prices *prices)
{
    return prices->reasoning > prices->output ? prices->reasoning : prices->output;
}

struct allowance_call allowance_of(const struct provider_target *target, int64_t input_tokens,
                                   int64_t output_max, int64_t per_request)
{
    int64_t most = output_max;

    if (most <= 0)
        most = target->output_tokens_max > 0 ? target->output_tokens_max : ALLOWANCE_ANSWER_UNKNOWN;
    if (per_request > 0)
        most = smaller(most, per_request - input_tokens);
    return (struct allowance_call){&target->prices, input_tokens, most};
}

bool allowance_fits(int64_t input_tokens, int64_t per_request)
{
    return per_request == 0 || per_request - input_tokens >= ALLOWANCE_ANSWER_LEAST;
}

static struct budget_amount amount_of(const struct allowance_call *call, int64_t answer_tokens)
{
    const struct chat_usage usage = {.input_tokens = call->input_tokens,
                                     .output_tokens = answer_tokens};
    struct model_prices prices = *call->prices;

    prices.output = output_price(&prices);
    return (struct budget_amount){.of = {[BUDGET_TOKENS] = call->input_tokens + answer_tokens,
                                         [BUDGET_COST] = model_cost_micros(&prices, &usage)}};
}

struct budget_need allowance_need(const struct allowance_call *call, enum budget_at_limit at_limit)
{
    int64_t least = at_limit == BUDGET_END ? ALLOWANCE_ANSWER_LEAST : ALLOWANCE_ANSWER_WHOLE;

    return (struct budget_need){
        .least = amount_of(call, smaller(least, call->answer_most)),
        .most = amount_of(call, call->answer_most),
    };
}

int64_t allowance_answer(const struct allowance_call *call, const struct budget_amount *granted)
{
    struct budget_amount most = amount_of(call, call->answer_most);
    struct budget_amount input = amount_of(call, 0);
    int64_t price = output_price(call->prices);
    int64_t answer = call->answer_most;
    int64_t micros = granted->of[BUDGET_COST] - input.of[BUDGET_COST];

    if (granted->of[BUDGET_TOKENS] < most.of[BUDGET_TOKENS])
        answer = smaller(answer, granted->of[BUDGET_TOKENS] - call->input_tokens);
    if (granted->of[BUDGET_COST] < most.of[BUDGET_COST] && price > 0 && micros >= 0)
        answer = smaller(answer, micros / price * TOKENS_OF_PRICE +
                                     micros % price * TOKENS_OF_PRICE / price);
    return answer > 0 ? answer : 0;
}
