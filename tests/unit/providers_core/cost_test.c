/* What calls cost, to the micro-dollar. */

#include <criterion/criterion.h>
#include <stdint.h>

#include "providers/models/cost.h"

static const struct model_prices prices = {
    .input = 2500000,
    .cached_input = 1250000,
    .cache_write = 3125000,
    .output = 10000000,
    .reasoning = 12000000,
};

static int64_t cost(struct chat_usage usage)
{
    return model_cost_micros(&prices, &usage);
}

Test(cost, a_million_tokens_cost_their_price)
{
    cr_assert_eq(cost((struct chat_usage){.input_tokens = 1000000}), 2500000);
    cr_assert_eq(cost((struct chat_usage){.output_tokens = 1000000}), 10000000);
}

Test(cost, each_kind_of_tokens_has_its_price)
{
    const struct chat_usage usage = {.input_tokens = 1000,
                                     .cached_input_tokens = 400,
                                     .cache_write_tokens = 100,
                                     .output_tokens = 300,
                                     .reasoning_tokens = 200};

    /* 500 x 2.5 + 400 x 1.25 + 100 x 3.125 + 100 x 10 + 200 x 12 = 5462.5 */
    cr_assert_eq(cost(usage), 5463);
}

Test(cost, what_the_provider_says_outranks_prices)
{
    cr_assert_eq(cost((struct chat_usage){.input_tokens = 1000000, .told_micros = 7}), 7);
}

Test(cost, it_is_rounded_once_over_all_kinds)
{
    const struct model_prices cheap = {.input = 400000, .output = 400000};
    const struct chat_usage one_each = {.input_tokens = 1, .output_tokens = 1};
    const struct chat_usage one = {.input_tokens = 1};

    cr_assert_eq(model_cost_micros(&cheap, &one), 0, "0.4 of a micro-dollar");
    cr_assert_eq(model_cost_micros(&cheap, &one_each), 1, "0.8");
}

Test(cost, a_half_is_rounded_up)
{
    const struct model_prices half = {.input = 500000};
    const struct model_prices less = {.input = 499999};
    const struct chat_usage one = {.input_tokens = 1};

    cr_assert_eq(model_cost_micros(&half, &one), 1);
    cr_assert_eq(model_cost_micros(&less, &one), 0);
}

Test(cost, parts_that_are_more_than_the_whole_count_once)
{
    const struct chat_usage odd = {.input_tokens = 100,
                                   .cached_input_tokens = 80,
                                   .cache_write_tokens = 90,
                                   .output_tokens = 10,
                                   .reasoning_tokens = 50};

    /* 80 x 1.25 + 20 x 3.125 + 10 x 12 = 282.5 */
    cr_assert_eq(cost(odd), 283);
}

Test(cost, negative_numbers_are_nothing)
{
    const struct chat_usage odd = {.input_tokens = -5,
                                   .cached_input_tokens = -5,
                                   .cache_write_tokens = INT64_MIN,
                                   .output_tokens = -1,
                                   .reasoning_tokens = -7};

    cr_assert_eq(cost(odd), 0);
}

Test(cost, the_largest_numbers_do_not_overflow)
{
    const struct model_prices most = {.input = INT64_C(1000000000000),
                                      .output = INT64_C(1000000000000)};
    const struct chat_usage all = {.input_tokens = INT64_MAX, .output_tokens = INT64_MAX};

    cr_assert_eq(model_cost_micros(&most, &all), 2 * CHAT_TOKENS_MAX * 1000000);
}

Test(cost, what_has_no_price_costs_nothing)
{
    const struct model_prices nothing = {0};
    const struct chat_usage usage = {.input_tokens = 12345, .output_tokens = 678};

    cr_assert_eq(model_cost_micros(&nothing, &usage), 0);
}
