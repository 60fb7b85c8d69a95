/* What a call may come to, and how long its answer may be. */

#include <criterion/criterion.h>

#include "providers/spending/allowance.h"

/* Of gpt-4o: 2.50 and 10 dollars for a million tokens. */
static const struct provider_target target = {
    .output_tokens_max = 4000,
    .prices = {.input = 2500000,
               .cached_input = 1250000,
               .output = 10000000,
               .reasoning = 10000000},
};
static const struct provider_target unknown = {.model = "x"};

Test(allowance, of_an_answer_the_smallest_of_what_is_said_counts)
{
    cr_expect_eq(allowance_of(&target, 100, 0, 0).answer_most, 4000);
    cr_expect_eq(allowance_of(&unknown, 100, 0, 0).answer_most, ALLOWANCE_ANSWER_UNKNOWN);
    cr_expect_eq(allowance_of(&target, 100, 300, 0).answer_most, 300);
    cr_expect_eq(allowance_of(&target, 100, 300, 350).answer_most, 250);
    cr_expect_eq(allowance_of(&target, 100, 0, 350).answer_most, 250);
    cr_expect(allowance_fits(100, 0));
    cr_expect(allowance_fits(100, 116));
    cr_expect(!allowance_fits(100, 115));
}

Test(allowance, needs_the_input_and_an_answer)
{
    struct allowance_call call = allowance_of(&target, 1000, 2000, 0);
    struct budget_need need = allowance_need(&call, BUDGET_END);

    cr_expect_eq(need.least.of[BUDGET_TOKENS], 1016);
    cr_expect_eq(need.least.of[BUDGET_COST], 2500 + 160);
    cr_expect_eq(need.most.of[BUDGET_TOKENS], 3000);
    cr_expect_eq(need.most.of[BUDGET_COST], 2500 + 20000);
    need = allowance_need(&call, BUDGET_FALLBACK);
    cr_expect_eq(need.least.of[BUDGET_TOKENS], 2024, "rather another model than half an answer");
    call.answer_most = 10;
    need = allowance_need(&call, BUDGET_PARK);
    cr_expect_eq(need.least.of[BUDGET_TOKENS], 1010);
}

Test(allowance, bounds_the_answer_by_what_is_granted)
{
    struct allowance_call call = allowance_of(&target, 1000, 2000, 0);
    struct budget_amount granted = {{3000, 22500}};

    cr_expect_eq(allowance_answer(&call, &granted), 2000);
    granted = (struct budget_amount){{1700, 22500}};
    cr_expect_eq(allowance_answer(&call, &granted), 700);
    granted = (struct budget_amount){{3000, 2500 + 4009}};
    cr_expect_eq(allowance_answer(&call, &granted), 400, "of a token that is not paid whole: none");
    granted = (struct budget_amount){{900, 22500}};
    cr_expect_eq(allowance_answer(&call, &granted), 0);
}

Test(allowance, counts_thoughts_at_their_own_price_where_that_is_dearer)
{
    struct provider_target thinker = target;
    struct allowance_call call;
    struct budget_amount granted = {{INT64_MAX, 2500 + 10000}};

    thinker.prices.reasoning = 20000000;
    call = allowance_of(&thinker, 1000, 2000, 0);
    cr_expect_eq(allowance_need(&call, BUDGET_END).most.of[BUDGET_COST], 2500 + 40000);
    cr_expect_eq(allowance_answer(&call, &granted), 500);
}

Test(allowance, has_no_bound_for_what_costs_nothing)
{
    struct allowance_call call = allowance_of(&unknown, 1000, 0, 0);
    struct budget_amount granted = {{INT64_MAX, 0}};

    cr_expect_eq(allowance_answer(&call, &granted), ALLOWANCE_ANSWER_UNKNOWN);
}
