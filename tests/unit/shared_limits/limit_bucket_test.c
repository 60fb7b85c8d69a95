/* A bucket of rates: what it lets through in any window, and when. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/limits/limit_bucket.h"

#define SECOND 1e6
#define START  1.8e15 /* as Redis' clock has it */

static const struct limit_cost one = {.requests = 1};

static struct limit_cost cost_of(int64_t input, int64_t output)
{
    return (struct limit_cost){1, input, output};
}

/* Takes as soon as it may; returns when that is. */
static double next(struct limit_bucket *bucket, const struct limit_rates *rates,
                   const struct limit_cost *cost, double now)
{
    double at = now + limit_bucket_wait_us(bucket, rates, cost, now);

    limit_bucket_take(bucket, rates, cost, now);
    return at;
}

static void near(double got, double expected)
{
    cr_assert_float_eq(got, expected, 5, "%f, expected %f", got, expected);
}

Test(limit_bucket, a_sixth_of_a_minute_may_come_at_once_and_the_rest_at_its_pace)
{
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS] = 60}};
    struct limit_bucket bucket = {{0}, 0};

    for (int i = 0; i < 10; i++)
        near(next(&bucket, &rates, &one, START), START);
    for (int i = 1; i <= 100; i++)
        near(next(&bucket, &rates, &one, START), START + i * SECOND);
}

Test(limit_bucket, what_is_not_used_is_there_again_but_no_more_than_the_burst)
{
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS] = 60}};
    struct limit_bucket bucket = {{0}, 0};

    for (int i = 0; i < 10; i++)
        near(next(&bucket, &rates, &one, START), START);
    for (int i = 0; i < 4; i++)
        near(next(&bucket, &rates, &one, START + 4 * SECOND), START + 4 * SECOND);
    near(next(&bucket, &rates, &one, START + 4 * SECOND), START + 5 * SECOND);
    for (int i = 0; i < 10; i++)
        near(next(&bucket, &rates, &one, START + 3600 * SECOND), START + 3600 * SECOND);
    near(next(&bucket, &rates, &one, START + 3600 * SECOND), START + 3601 * SECOND);
}

Test(limit_bucket, the_slowest_rate_counts)
{
    const struct limit_rates rates = {
        .of = {[LIMIT_REQUESTS] = 600, [LIMIT_TOKENS] = 6000, [LIMIT_OUTPUT_TOKENS] = 60}};
    const struct limit_cost cost = cost_of(90, 10);
    struct limit_bucket bucket = {{0}, 0};

    near(next(&bucket, &rates, &cost, START), START);
    near(next(&bucket, &rates, &cost, START), START + 10 * SECOND);
    near(next(&bucket, &rates, &cost, START), START + 20 * SECOND);
}

Test(limit_bucket, rates_of_a_day_come_at_once)
{
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS_DAY] = 100}};
    struct limit_bucket bucket = {{0}, 0};

    for (int i = 0; i < 100; i++)
        near(next(&bucket, &rates, &one, START), START);
    near(next(&bucket, &rates, &one, START), START + 864 * SECOND);
}

Test(limit_bucket, a_call_larger_than_the_burst_passes_alone)
{
    const struct limit_rates rates = {.of = {[LIMIT_TOKENS] = 6000}};
    const struct limit_cost huge = cost_of(9000, 0);
    const struct limit_cost small = cost_of(100, 0);
    struct limit_bucket bucket = {{0}, 0};

    near(next(&bucket, &rates, &small, START), START);
    near(next(&bucket, &rates, &huge, START), START + 1 * SECOND);
    /* 91 s until all is there again; 9 of these may come before it is full. */
    near(next(&bucket, &rates, &small, START), START + (1 + 90 - 10 + 1) * SECOND);
}

Test(limit_bucket, at_least_one_request_may_come_at_once)
{
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS] = 1}};
    struct limit_bucket bucket = {{0}, 0};

    near(next(&bucket, &rates, &one, START), START);
    near(next(&bucket, &rates, &one, START), START + 60 * SECOND);
}

Test(limit_bucket, what_was_not_used_is_given_back)
{
    const struct limit_rates rates = {.of = {[LIMIT_TOKENS] = 60000}};
    const struct limit_cost taken = cost_of(5000, 5000);
    const struct limit_cost real = cost_of(5000, 100);
    const struct limit_cost more = cost_of(5000, 9000);
    struct limit_bucket bucket = {{0}, 0};

    near(next(&bucket, &rates, &taken, START), START);
    near(limit_bucket_wait_us(&bucket, &rates, &taken, START), 10 * SECOND);
    limit_bucket_settle(&bucket, &rates, &taken, &real);
    near(limit_bucket_wait_us(&bucket, &rates, &taken, START), 5.1 * SECOND);
    limit_bucket_settle(&bucket, &rates, &taken, &more);
    near(limit_bucket_wait_us(&bucket, &rates, &taken, START), 9.1 * SECOND);
}

Test(limit_bucket, the_providers_word_only_makes_it_less)
{
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS] = 60}};
    struct limit_bucket bucket = {{0}, 0};

    limit_bucket_left(&bucket, &rates, LIMIT_REQUESTS, 50, START);
    near(limit_bucket_wait_us(&bucket, &rates, &one, START), 0);
    limit_bucket_left(&bucket, &rates, LIMIT_REQUESTS, 0, START);
    near(limit_bucket_wait_us(&bucket, &rates, &one, START), 1 * SECOND);
    limit_bucket_left(&bucket, &rates, LIMIT_REQUESTS, 5, START);
    near(limit_bucket_wait_us(&bucket, &rates, &one, START), 1 * SECOND);
    limit_bucket_left(&bucket, &rates, LIMIT_REQUESTS, -1, START);
    limit_bucket_left(&bucket, &rates, LIMIT_TOKENS, 0, START);
    near(limit_bucket_wait_us(&bucket, &rates, &one, START), 1 * SECOND);
}

Test(limit_bucket, a_hold_is_for_all_and_never_gets_shorter)
{
    const struct limit_rates none = {{0}, 0};
    struct limit_bucket bucket = {{0}, 0};

    cr_assert_not(limit_rates_any(&none));
    near(limit_bucket_wait_us(&bucket, &none, &one, START), 0);
    limit_bucket_hold(&bucket, START + 5 * SECOND);
    limit_bucket_hold(&bucket, START + 2 * SECOND);
    near(limit_bucket_wait_us(&bucket, &none, &one, START), 5 * SECOND);
    near(limit_bucket_wait_us(&bucket, &none, &one, START + 6 * SECOND), 0);
}

/* Whatever is asked for whenever: in no minute starts more than the rate and the burst. */
Test(limit_bucket, no_window_holds_more_than_the_rate_and_the_burst)
{
    enum { CALLS = 4000 };
    const struct limit_rates rates = {.of = {[LIMIT_REQUESTS] = 300, [LIMIT_TOKENS] = 30000}};
    static double at[CALLS];
    static double tokens[CALLS];
    struct limit_bucket bucket = {{0}, 0};
    double now = START;

    srand(7);
    for (int i = 0; i < CALLS; i++) {
        const struct limit_cost cost = cost_of(rand() % 150, rand() % 100);

        if (rand() % 50 == 0)
            now += rand() % 20 * SECOND;
        at[i] = next(&bucket, &rates, &cost, now);
        tokens[i] = (double)(cost.input_tokens + cost.output_tokens);
        if (at[i] > now + 30 * SECOND)
            now = at[i] - 30 * SECOND;
    }
    for (int i = 0; i < CALLS; i++) {
        double sum = 0;
        int count = 0;

        for (int k = i; k < CALLS && at[k] < at[i] + 60 * SECOND; k++) {
            sum += tokens[k];
            count++;
        }
        cr_assert_leq(count, 300 + 50 + 1, "%d", i);
        cr_assert_leq(sum, 30000 + 5000 + 250, "%d", i);
    }
}
