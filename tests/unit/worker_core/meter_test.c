/* What a run has used up. */

#include <criterion/criterion.h>

#include "worker/run/task/meter.h"

static const struct run_claim claim = {.prompt_tokens = 100, .completion_tokens = 40, .errors = 2};

Test(meter, goes_on_from_what_the_row_says)
{
    struct chat_usage usage = {.input_tokens = 10, .output_tokens = 5};
    struct meter meter;

    meter_begin(&meter, &claim);
    cr_assert_eq(meter.attempts, 2);
    meter_add_reply(&meter, &usage);
    cr_assert_eq(meter.prompt_tokens, 110);
    cr_assert_eq(meter.unsaved_prompt_tokens, 10);
    cr_assert_eq(meter.unsaved_completion_tokens, 5);
    cr_assert_eq(meter.attempts, 0);
    cr_assert_eq(meter.attempts_told, 2);
    meter_saved(&meter);
    cr_assert_eq(meter.attempts_told, 0);
    cr_assert_eq(meter.unsaved_prompt_tokens, 0);
    cr_assert_eq(meter.completion_tokens, 45);
}

Test(meter, names_the_budget_that_is_used_up)
{
    static const struct {
        struct run_budgets budgets;
        const char *used_up; /* NULL: none */
        int64_t left;
    } cases[] = {
        {{0, 0, 0}, NULL, 0},
        {{101, 41, 1}, NULL, 1},
        {{100, 41, 1}, "max_prompt_tokens", 1},
        {{101, 40, 1}, "max_completion_tokens", -1},
        {{101, 39, 1}, "max_completion_tokens", -1},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct meter meter;
        const char *used_up;

        meter_begin(&meter, &claim);
        used_up = meter_used_up(&meter, &cases[i].budgets);
        cr_assert_eq(meter_output_left(&meter, &cases[i].budgets), cases[i].left);
        if (cases[i].used_up)
            cr_assert_str_eq(used_up, cases[i].used_up);
        else
            cr_assert_null(used_up);
    }
}

Test(meter, counts_model_calls_against_their_budget)
{
    const struct run_budgets budgets = {.max_iterations = 2};
    struct chat_usage usage = {.input_tokens = 1};
    struct meter meter;

    meter_begin(&meter, &claim);
    meter_add_reply(&meter, &usage);
    cr_assert_null(meter_used_up(&meter, &budgets));
    meter_add_reply(&meter, &usage);
    cr_assert_str_eq(meter_used_up(&meter, &budgets), "max_iterations");
}

Test(meter, takes_no_number_from_outside_that_a_row_could_not_hold)
{
    static const int64_t numbers[] = {INT64_MIN, -1, 0, 1, METER_TOKENS_MAX, INT64_MAX};
    struct meter meter;

    meter_begin(&meter, &claim);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        struct chat_usage usage = {.input_tokens = numbers[i], .output_tokens = numbers[i]};
        int64_t before = meter.prompt_tokens;

        meter_add_reply(&meter, &usage);
        cr_assert(usage.input_tokens >= 0 && usage.input_tokens <= METER_TOKENS_MAX);
        cr_assert_eq(usage.output_tokens, usage.input_tokens);
        cr_assert_eq(meter.prompt_tokens, before + usage.input_tokens);
    }
}
