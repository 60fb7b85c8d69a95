/* What a run has used up. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "worker/run/task/meter.h"

static const struct run_claim claim = {
    .prompt_tokens = 100, .completion_tokens = 40, .errors = 2, .user_bytes_left = INT64_MAX};

static const struct provider_target target = {.provider_name = "openai", .model = "gpt-4o"};
static const struct provider_target other = {.provider_name = "groq", .model = "gpt-4o"};

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 4096);
}

static void close_arena(void)
{
    arena_deinit(&arena);
}

TestSuite(meter, .init = open_arena, .fini = close_arena);

static void expect(struct meter *meter, const struct provider_target *of)
{
    struct error err;

    cr_assert_eq(meter_expect(meter, of, &err), 0);
}

Test(meter, goes_on_from_what_the_row_says)
{
    struct chat_usage usage = {.input_tokens = 10, .output_tokens = 5, .cost_micros = 7};
    struct meter meter;

    meter_begin(&meter, &claim, INT64_MAX, &arena);
    cr_assert_eq(meter.attempts, 2);
    expect(&meter, &target);
    meter_add_reply(&meter, &target, &usage);
    cr_assert_eq(meter.prompt_tokens, 110);
    cr_assert_eq(meter.unsaved_count, 1);
    cr_assert_eq(meter.unsaved[0].calls, 1);
    cr_assert_eq(meter.unsaved[0].used.prompt_tokens, 10);
    cr_assert_eq(meter.unsaved[0].used.completion_tokens, 5);
    cr_assert_eq(meter.unsaved[0].used.cost_micros, 7);
    cr_assert_eq(meter.attempts, 0);
    cr_assert_eq(meter.attempts_told, 2);
    meter_saved(&meter);
    cr_assert_eq(meter.attempts_told, 0);
    cr_assert_eq(meter.unsaved[0].calls, 0);
    cr_assert_eq(meter.unsaved[0].used.prompt_tokens, 0);
    cr_assert_eq(meter.completion_tokens, 45);
}

Test(meter, counts_each_model_by_itself)
{
    struct chat_usage usage = {.input_tokens = 10,
                               .output_tokens = 5,
                               .cached_input_tokens = 4,
                               .cache_write_tokens = 3,
                               .reasoning_tokens = 2,
                               .cost_micros = 1};
    struct meter meter;

    meter_begin(&meter, &claim, INT64_MAX, &arena);
    for (int round = 0; round < 3; round++) {
        expect(&meter, &target);
        expect(&meter, &other);
        meter_add_reply(&meter, &other, &usage);
    }
    meter_add_failure(&meter, &target, &usage);
    cr_assert_eq(meter.unsaved_count, 2);
    cr_assert(text_is(meter.unsaved[0].provider, "openai"));
    cr_assert_eq(meter.unsaved[0].calls, 1);
    cr_assert(text_is(meter.unsaved[1].provider, "groq"));
    cr_assert(text_is(meter.unsaved[1].model, "gpt-4o"));
    cr_assert_eq(meter.unsaved[1].calls, 3);
    cr_assert_eq(meter.unsaved[1].used.cached_tokens, 12);
    cr_assert_eq(meter.unsaved[1].used.cache_write_tokens, 9);
    cr_assert_eq(meter.unsaved[1].used.reasoning_tokens, 6);
    cr_assert_eq(meter.unsaved[1].used.cost_micros, 3);
}

Test(meter, counts_no_failure_that_cost_nothing)
{
    const struct chat_usage nothing = {0};
    struct meter meter;

    meter_begin(&meter, &claim, INT64_MAX, &arena);
    expect(&meter, &target);
    meter_add_failure(&meter, &target, &nothing);
    cr_assert_eq(meter.unsaved[0].calls, 0);
}

Test(meter, says_that_it_has_no_room_before_anything_is_paid_for)
{
    struct provider_target many = {.provider_name = "p"};
    struct meter meter;
    struct error err;
    int r = 0;

    meter_begin(&meter, &claim, INT64_MAX, &arena);
    for (int i = 0; r == 0 && i < 1000; i++) {
        (void)snprintf(many.model, sizeof(many.model), "model-%d", i);
        r = meter_expect(&meter, &many, &err);
    }
    cr_assert_eq(r, -E_LIMIT);
    cr_assert(meter.unsaved_count > 1);
}

Test(meter, names_the_budget_that_is_used_up)
{
    static const struct {
        struct run_budgets budgets;
        const char *used_up; /* NULL: none */
        int64_t left;
    } cases[] = {
        {{0, 0, 0, 0}, NULL, 0},
        {{101, 41, 1, 0}, NULL, 1},
        {{100, 41, 1, 0}, "max_prompt_tokens", 1},
        {{101, 40, 1, 0}, "max_completion_tokens", -1},
        {{101, 39, 1, 5}, "max_completion_tokens", -1},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct meter meter;
        const char *used_up;

        meter_begin(&meter, &claim, INT64_MAX, &arena);
        used_up = meter_used_up(&meter, &cases[i].budgets);
        cr_assert_eq(meter_output_left(&meter, &cases[i].budgets), cases[i].left);
        if (cases[i].used_up)
            cr_assert_str_eq(used_up, cases[i].used_up);
        else
            cr_assert_null(used_up);
    }
}

Test(meter, an_answer_may_have_what_is_left_and_no_more_than_one_may)
{
    struct meter meter;

    meter_begin(&meter, &claim, INT64_MAX, &arena); /* 40 were answered */
    cr_assert_eq(meter_output_of_call(&meter, &(struct run_budgets){0}), 0);
    cr_assert_eq(meter_output_of_call(&meter, &(struct run_budgets){.max_output_tokens = 7}), 7);
    cr_assert_eq(meter_output_of_call(&meter, &(struct run_budgets){.max_output_tokens = 7,
                                                                    .max_completion_tokens = 45}),
                 5);
    cr_assert_eq(meter_output_of_call(&meter, &(struct run_budgets){.max_output_tokens = 7,
                                                                    .max_completion_tokens = 60}),
                 7);
}

Test(meter, counts_model_calls_against_their_budget)
{
    const struct run_budgets budgets = {.max_iterations = 2};
    struct chat_usage usage = {.input_tokens = 1};
    struct meter meter;

    meter_begin(&meter, &claim, INT64_MAX, &arena);
    expect(&meter, &target);
    meter_add_reply(&meter, &target, &usage);
    cr_assert_null(meter_used_up(&meter, &budgets));
    meter_add_reply(&meter, &target, &usage);
    cr_assert_str_eq(meter_used_up(&meter, &budgets), "max_iterations");
}
