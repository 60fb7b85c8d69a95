/* What a budget says to a call. */

#include <criterion/criterion.h>

#include "shared/limits/budget.h"

static struct budget_amount granted;

static enum budget_answer ask(int64_t max, int64_t spent, int64_t held, int64_t least, int64_t most)
{
    const struct budget_state state = {{{max, 0}}, {{spent, 7}}, {{held, 7}}};
    const struct budget_need need = {{{least, 1}}, {{most, 9}}};

    return budget_ask(&state, &need, &granted);
}

Test(budget, grants_the_most_while_there_is_enough)
{
    cr_expect_eq(ask(1000, 0, 0, 100, 300), BUDGET_GRANTED);
    cr_expect_eq(granted.of[BUDGET_TOKENS], 300);
    cr_expect_eq(granted.of[BUDGET_COST], 9, "what has no limit is granted whole");
    cr_expect_eq(ask(1000, 400, 300, 100, 300), BUDGET_GRANTED);
    cr_expect_eq(granted.of[BUDGET_TOKENS], 300);
}

Test(budget, grants_what_is_left_where_nobody_holds_any)
{
    cr_expect_eq(ask(1000, 750, 0, 100, 300), BUDGET_GRANTED);
    cr_expect_eq(granted.of[BUDGET_TOKENS], 250);
    cr_expect_eq(ask(1000, 900, 0, 100, 300), BUDGET_GRANTED);
    cr_expect_eq(granted.of[BUDGET_TOKENS], 100);
}

Test(budget, lets_wait_for_what_others_hold)
{
    cr_expect_eq(ask(1000, 0, 701, 100, 300), BUDGET_BUSY);
    cr_expect_eq(ask(1000, 900, 1, 100, 300), BUDGET_BUSY);
    cr_expect_eq(ask(1000, 900, 5000, 100, 300), BUDGET_BUSY, "nobody is turned away for it");
}

Test(budget, is_used_up_by_what_is_spent_alone)
{
    cr_expect_eq(ask(1000, 901, 0, 100, 300), BUDGET_USED_UP);
    cr_expect_eq(ask(1000, 901, 50, 100, 300), BUDGET_USED_UP);
    cr_expect_eq(ask(1000, 1200, 0, 100, 300), BUDGET_USED_UP);
    cr_expect_eq(ask(1000, 1000, 0, 0, 0), BUDGET_USED_UP, "also for a call that costs nothing");
}

Test(budget, has_two_sums_of_which_the_stricter_counts)
{
    const struct budget_need need = {{{100, 10}}, {{300, 40}}};
    struct budget_state state = {.max.of = {1000, 100}};

    state.spent = (struct budget_amount){{0, 70}};
    cr_expect_eq(budget_ask(&state, &need, &granted), BUDGET_GRANTED);
    cr_expect_eq(granted.of[BUDGET_TOKENS], 300);
    cr_expect_eq(granted.of[BUDGET_COST], 30);
    state.held = (struct budget_amount){{0, 1}};
    cr_expect_eq(budget_ask(&state, &need, &granted), BUDGET_BUSY);
    state.spent = (struct budget_amount){{0, 91}};
    cr_expect_eq(budget_ask(&state, &need, &granted), BUDGET_USED_UP);
}

Test(budget, knows_its_words)
{
    enum budget_at_limit at_limit = BUDGET_END;

    cr_expect(budget_at_limit_parse(TEXT("park"), &at_limit));
    cr_expect_eq(at_limit, BUDGET_PARK);
    cr_expect(budget_at_limit_parse(TEXT("fallback"), &at_limit));
    cr_expect_eq(at_limit, BUDGET_FALLBACK);
    cr_expect(!budget_at_limit_parse(TEXT("stop"), &at_limit));
    cr_expect_eq(at_limit, BUDGET_FALLBACK);
}
