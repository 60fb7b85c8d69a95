/* Budgets: the rules of budget.h. */

#include "shared/limits/budget.h"

bool budget_at_limit_parse(struct text word, enum budget_at_limit *out)
{
    static const char *const words[] = {
        [BUDGET_FALLBACK] = "fallback", [BUDGET_PARK] = "park", [BUDGET_END] = "end"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!text_is(word, words[i]))
            continue;
        *out = (enum budget_at_limit)i;
        return true;
    }
    return false;
}

static enum budget_answer ask_meter(const struct budget_state *state,
                                    const struct budget_need *need, enum budget_meter meter,
                                    int64_t *out_granted)
{
    int64_t unspent = state->max.of[meter] - state->spent.of[meter];
    int64_t held = state->held.of[meter];
    int64_t most = need->most.of[meter];

    *out_granted = most;
    if (state->max.of[meter] == 0)
        return BUDGET_GRANTED;
    if (unspent <= 0 || unspent < need->least.of[meter])
        return BUDGET_USED_UP;
    if (unspent - held >= most)
        return BUDGET_GRANTED;
    *out_granted = unspent;
    return held > 0 ? BUDGET_BUSY : BUDGET_GRANTED;
}

enum budget_answer budget_ask(const struct budget_state *state, const struct budget_need *need,
                              struct budget_amount *out_granted)
{
    enum budget_answer answer = BUDGET_GRANTED;

    for (enum budget_meter i = 0; i < BUDGET_METERS; i++) {
        enum budget_answer one = ask_meter(state, need, i, &out_granted->of[i]);

        answer = one > answer ? one : answer;
    }
    return answer;
}
